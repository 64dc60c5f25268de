//! Whether a result differs from an honest one by more than rounding.
//!
//! The honest error is that of the worst of several honest results, and is taken as no smaller than what storing the truth costs on
//! average: `ulp^2 / 12` per element, and of a log-sum-exp `m + ln l` what rounding l and the sum costs. Few numbers are right
//! together by luck now and then: the honest error of a row of fewer than 4 is no smaller than the mean of its head, and a tensor of
//! fewer than 16 rows is held to what rows are. Rows whose weights rounding alone decides are left out: nothing is known of them.

use attn_core::{DType, Tensor};
use attn_oracle::{Reference, RowStats};
use serde::Serialize;

use crate::attn_case::Claim;

/// How many times the honest error the difference must exceed, over a whole tensor and over a row.
const WHOLE: f64 = 4.0;
const ROW: f64 = 10.0;
/// Rows of fewer elements are compared with their head.
const WIDE: usize = 4;
/// Tensors of fewer rows are compared like a row.
const MANY: usize = 16;

/// Where a result differs most from an honest one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deviation {
    /// `output`, `lse`, or a row of them.
    pub part: String,
    /// The result's error there over the honest error; the largest number if it is not finite.
    pub ratio: f64,
}

impl Deviation {
    /// Whether it lies in the log-sum-exp, not in the output.
    pub(super) fn is_of_lse(&self) -> bool {
        self.part.starts_with(LSE)
    }
}

const LSE: &str = "lse";

/// The control's result, and how wrong honest results are.
pub(super) struct Yardstick {
    tensors: Vec<Honest>,
}

/// One tensor, row by row.
struct Honest {
    name: &'static str,
    dims: [usize; 4],
    got: Vec<f64>,
    want: Vec<f64>,
    /// Square of the honest error of each row; `None` where the row is undetermined.
    errors: Vec<Option<f64>>,
    /// Square of the honest error of them all.
    error: f64,
}

impl Yardstick {
    /// Of a claim with every row.
    pub(super) fn new(reference: &Reference, claim: &Claim) -> Self {
        let lse: Vec<f64> = reference.stats.iter().map(|row| row.lse).collect();
        let o = claim.out.as_ref().map(|o| {
            let dtype = o.dtype();
            let rounding = |_: usize, x: f64| (dtype.ulp(x) / 2.0).powi(2) / 3.0;
            Honest::new("output", o, &reference.o, &rounding, reference)
        });
        let lse = claim.lse.as_ref().map(|tensor| {
            let rounding = |row: usize, _: f64| lse_rounding(tensor.dtype(), &reference.stats[row]);
            Honest::new(LSE, tensor, &lse, &rounding, reference)
        });
        Yardstick { tensors: o.into_iter().chain(lse).collect() }
    }

    /// Takes another honest result of the same problem into account.
    pub(super) fn allow(&mut self, claim: &Claim) {
        let tensors = [&claim.out, &claim.lse].into_iter().flatten();
        for (honest, tensor) in self.tensors.iter_mut().zip(tensors) {
            honest.allow(&tensor.data().to_f64());
        }
    }

    /// Where `claim` differs by more than rounding; `None` if nowhere.
    pub(super) fn deviation(&self, claim: &Claim) -> Option<Deviation> {
        let tensors = [&claim.out, &claim.lse].into_iter().flatten();
        let largest = self
            .tensors
            .iter()
            .zip(tensors)
            .filter_map(|(honest, tensor)| honest.largest(&tensor.data().to_f64()));
        let (_, deviation) = largest.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(deviation)
    }
}

/// What rounding l and the sum `m + ln l` costs on average, squared.
fn lse_rounding(dtype: DType, row: &RowStats) -> f64 {
    let size = if row.lse.is_finite() { row.lse.abs().max(row.max.abs()).max(1.0) } else { 0.0 };
    (dtype.unit_roundoff() * size).powi(2) / 3.0
}

impl Honest {
    fn new(
        name: &'static str,
        tensor: &Tensor,
        want: &[f64],
        rounding: &dyn Fn(usize, f64) -> f64,
        reference: &Reference,
    ) -> Self {
        let (dims, got, want) = (tensor.dims(), tensor.data().to_f64(), want.to_vec());
        let rounding = |row: usize| -> Option<f64> {
            let elements = &want[row * dims[3]..(row + 1) * dims[3]];
            let least = elements.iter().map(|&x| rounding(row, x)).sum();
            (!reference.is_undetermined(row)).then_some(least)
        };
        let errors: Vec<_> = (0..want.len() / dims[3]).map(rounding).collect();
        let error = errors.iter().flatten().sum();
        let mut honest = Honest { name, dims, got: got.clone(), want, errors, error };
        honest.allow(&got);
        honest
    }

    /// The error of another honest result counts where it is larger.
    fn allow(&mut self, other: &[f64]) {
        let width = self.dims[3];
        let mut whole = 0.0;
        let rows = other.chunks_exact(width).zip(self.want.chunks_exact(width));
        for (honest, (other, want)) in self.errors.iter_mut().zip(rows) {
            let Some(honest) = honest else { continue };
            let error = squares(other, want);
            whole += error;
            *honest = honest.max(error);
        }
        self.error = self.error.max(whole);
    }

    /// What a row's difference is compared with.
    fn honest(&self, row: usize) -> Option<f64> {
        let own = self.errors[row]?;
        if self.dims[3] >= WIDE {
            return Some(own);
        }
        let (len, head) = (self.dims[2], row / self.dims[2]);
        let known: Vec<f64> = self.errors[head * len..][..len].iter().flatten().copied().collect();
        Some(own.max(known.iter().sum::<f64>() / known.len() as f64))
    }

    /// The largest deviation with how many times it exceeds what is visible; `None` if it does nowhere.
    fn largest(&self, other: &[f64]) -> Option<(f64, Deviation)> {
        let not_a_number = |(&other, &got): (&f64, &f64)| !other.is_finite() && other != got;
        if let Some(at) = other.iter().zip(&self.got).position(not_a_number) {
            let part = self.row_name(at / self.dims[3]);
            return Some((f64::INFINITY, Deviation { part, ratio: f64::MAX }));
        }
        let mut all = Sums::default();
        let mut largest: Option<(f64, Deviation)> = None;
        let mut consider = |sums: Sums, threshold: f64, part: &dyn Fn() -> String| {
            let excess = sums.difference() / threshold;
            if excess > 1.0 && largest.as_ref().is_none_or(|(most, _)| excess > *most) {
                let ratio = sums.ratio();
                largest = Some((excess, Deviation { part: part(), ratio }));
            }
        };
        for row in 0..self.errors.len() {
            let Some(honest) = self.honest(row) else { continue };
            let elements = row * self.dims[3]..(row + 1) * self.dims[3];
            let other = &other[elements.clone()];
            let sums = Sums {
                honest,
                difference: squares(other, &self.got[elements.clone()]),
                error: squares(other, &self.want[elements]),
            };
            all.add(&sums);
            consider(sums, ROW, &|| self.row_name(row));
        }
        all.honest = self.error;
        let whole = if self.errors.len() < MANY { ROW } else { WHOLE };
        consider(all, whole, &|| self.name.to_string());
        largest
    }

    fn row_name(&self, row: usize) -> String {
        let [_, heads, len, _] = self.dims;
        let (head, i) = (row / len, row % len);
        format!("{} of batch {}, head {}, row {i}", self.name, head / heads, head % heads)
    }
}

/// Sums of squares over a part.
#[derive(Clone, Copy, Default)]
struct Sums {
    honest: f64,
    difference: f64,
    error: f64,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.honest += other.honest;
        self.difference += other.difference;
        self.error += other.error;
    }

    /// In units of the honest error.
    fn difference(&self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { (self.difference / self.honest).sqrt() }
    }

    fn ratio(&self) -> f64 {
        (self.error / self.honest).sqrt().min(f64::MAX)
    }
}

/// `sum (a - b)^2`; equal infinities differ by nothing.
fn squares(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| if a == b { 0.0 } else { (a - b).powi(2) }).sum()
}
