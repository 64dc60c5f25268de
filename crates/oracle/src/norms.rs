//! The errors of a result that was computed elsewhere, taken together.
//!
//! For a part of the output with errors `err_e` and typical errors of squares `V_e` (model) and `P_e` (peer), see `typical.rs`,
//!
//! ```text
//! sqrt(sum err_e^2) <= FACTOR k(n) sqrt(max(sum V_e, sum P_e)),      n = (sum_r M_r)^2 / sum_r M_r^2
//! ```
//!
//! `n` is how many rows share the part's typical error, `M_r` that of row r: within a row all columns may err
//! together (one wrong weight moves them all), between rows they do not. `k(n)^2` is the quantile of a chi-squared variable
//! of n degrees of freedom, over n, that is exceeded once in 10^9 (Wilson and Hilferty, "The distribution of chi-square", 1931):
//! 7 for one row, 1.06 for thousands. `FACTOR` covers what the model does not know.
//!
//! The parts: every aligned block of 1, 2, 4, .. rows of a head, up to all of them; every column of a head; every batch; the
//! whole. A mistake anywhere shows in the part that is just its size.

use attn_core::{Finding, Problem};

use crate::Reference;
use crate::typical::Typical;

/// How many times the typical error the error of many rows may be.
const FACTOR: f64 = 2.0;
/// The normal quantile that is exceeded once in 10^9.
const QUANTILE: f64 = 6.0;

/// `k(n)`.
fn tail(n: f64) -> f64 {
    let spread = 2.0 / (9.0 * n);
    (1.0 - spread + QUANTILE * spread.sqrt()).powf(1.5)
}

/// Sums over a part of the output.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    elements: usize,
    error: f64,
    variance: f64,
    peer: f64,
    /// Sum of the squares of the rows' typical squares.
    concentration: f64,
}

impl Part {
    fn add(&mut self, other: &Part) {
        self.elements += other.elements;
        self.error += other.error;
        self.variance += other.variance;
        self.peer += other.peer;
        self.concentration += other.concentration;
    }

    fn typical(&self) -> f64 {
        self.variance.max(self.peer)
    }

    /// The error that the part may have, as a sum of squares.
    fn allowed(&self) -> f64 {
        let total = self.typical();
        if total == 0.0 {
            return 0.0;
        }
        let rows = (total * total / self.concentration).max(1.0);
        let factor = FACTOR * tail(rows);
        factor * factor * total
    }

    /// Share of what it may have that its error is.
    fn share(&self) -> f64 {
        if self.error == 0.0 { 0.0 } else { (self.error / self.allowed()).sqrt() }
    }
}

/// The parts of one output, filled row by row.
pub(crate) struct Norms {
    rows: Vec<Part>,
    /// `[B, Hq, Dv]`.
    columns: Vec<Part>,
    width: usize,
    len: usize,
    heads: usize,
    indices: Vec<usize>,
}

/// The part with the largest share.
pub(crate) struct Largest {
    pub(crate) share: f64,
    part: Part,
    name: String,
}

impl Norms {
    pub(crate) fn new(problem: &Problem, reference: &Reference) -> Self {
        let shape = problem.shape();
        Norms {
            rows: vec![Part::default(); reference.stats.len()],
            columns: vec![Part::default(); shape.batch * shape.heads_q * shape.dim_v],
            width: shape.dim_v,
            len: reference.rows.len(),
            heads: shape.heads_q,
            indices: reference.rows.indices().to_vec(),
        }
    }

    /// Adds the error of column `c` of row `row`.
    pub(crate) fn add(&mut self, typical: &Typical, row: usize, c: usize, error: f64) {
        let at = row * self.width + c;
        let (variance, peer) = (typical.variance[at], typical.peer[at]);
        let part = Part { elements: 1, error: error * error, variance, peer, concentration: 0.0 };
        self.rows[row].add(&part);
        let column = &mut self.columns[row / self.len * self.width + c];
        column.add(&Part { concentration: part.typical().powi(2), ..part });
    }

    /// The part that uses most of what it may; `None` if no row is ordinary.
    pub(crate) fn largest(mut self) -> Option<Largest> {
        for row in &mut self.rows {
            row.concentration = row.typical().powi(2);
        }
        let mut largest: Option<Largest> = None;
        let mut consider = |part: Part, name: &dyn Fn() -> String| {
            let share = part.share();
            if part.elements > 0
                && largest.as_ref().is_none_or(|l| share > l.share || share.is_nan())
            {
                largest = Some(Largest { share, part, name: name() });
            }
        };
        let place =
            |head: usize| format!("batch {}, head {}", head / self.heads, head % self.heads);
        for (head, rows) in self.rows.chunks(self.len).enumerate() {
            for (first, span, part) in blocks(rows) {
                let rows = &self.indices[first..first + span];
                consider(part, &|| format!("{}, {}", place(head), rows_of(rows)));
            }
        }
        for (at, &part) in self.columns.iter().enumerate() {
            consider(part, &|| format!("{}, column {}", place(at / self.width), at % self.width));
        }
        for (batch, rows) in self.rows.chunks(self.len * self.heads).enumerate() {
            consider(total(rows), &|| format!("batch {batch}"));
        }
        consider(total(&self.rows), &|| "the whole output".into());
        largest
    }
}

impl Largest {
    /// What is wrong, if the part uses more than it may.
    pub(crate) fn finding(&self) -> Option<Finding> {
        // Written so that NaN is a finding.
        if self.share <= 1.0 {
            return None;
        }
        let mean = |sum: f64| (sum / self.part.elements as f64).sqrt().min(f64::MAX);
        Some(Finding::BeyondNoise {
            part: self.name.clone(),
            error: mean(self.part.error),
            allowed: mean(self.part.allowed()),
            share: self.share.min(f64::MAX),
        })
    }
}

fn total(parts: &[Part]) -> Part {
    parts.iter().fold(Part::default(), |mut sum, part| {
        sum.add(part);
        sum
    })
}

/// Aligned blocks of 1, 2, 4, .. rows: the first row, how many, and their sum.
fn blocks(rows: &[Part]) -> Vec<(usize, usize, Part)> {
    let mut all = Vec::new();
    let (mut level, mut span) = (rows.to_vec(), 1);
    loop {
        let of_level = level.iter().enumerate();
        all.extend(of_level.map(|(at, &part)| {
            let first = at * span;
            (first, span.min(rows.len() - first), part)
        }));
        if level.len() == 1 {
            return all;
        }
        level = level.chunks(2).map(total).collect();
        span *= 2;
    }
}

/// Rows in words.
fn rows_of(rows: &[usize]) -> String {
    match rows {
        [row] => format!("row {row}"),
        [first, .., last] => format!("rows {first} to {last}"),
        [] => "no row".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_chi_squared() {
        // Quantiles of chi-squared at 1 - 1e-9, by its closed form for even n and by erfc for 1.
        for (n, quantile, within) in [(1.0, 37.32, 0.3), (8.0, 58.31, 0.06), (64.0, 156.60, 0.01)] {
            let ours = tail(n).powi(2) * n;
            assert!(ours > quantile && ours / quantile < 1.0 + within, "{n}: {ours}");
        }
        assert!(tail(1e6) < 1.01);
    }

    #[test]
    fn blocks_cover_every_size_up_to_all_rows() {
        let rows: Vec<Part> =
            (0..5).map(|x| Part { elements: 1, error: f64::from(x), ..Part::default() }).collect();
        let blocks = blocks(&rows);
        let sums: Vec<_> = blocks.iter().map(|(at, n, part)| (*at, *n, part.error)).collect();
        assert_eq!(
            sums[5..],
            [(0, 2, 1.0), (2, 2, 5.0), (4, 1, 4.0), (0, 4, 6.0), (4, 1, 4.0), (0, 5, 10.0)]
        );
    }

    #[test]
    fn an_error_without_any_typical_error_is_a_finding() {
        let part = Part { elements: 1, error: 1.0, ..Part::default() };
        let largest = Largest { share: part.share(), part, name: String::new() };
        assert!(largest.finding().is_some());
    }
}
