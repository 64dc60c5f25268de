//! The comparator, written against everything that has fooled others: NaN passes no test, absence
//! is not agreement, and a number is compared only after its place has been.

use attn_core::{DType, Finding, Metrics, Output, Problem, Tensor, Verdict, Worst};

use crate::{Budget, Reference, Yardstick};

/// Judges what a backend stored: fences and unwritten elements first, then the values.
pub fn judge_output(
    problem: &Problem,
    reference: &Reference,
    budget: &Budget,
    yardstick: Option<&Yardstick>,
    out: &Output,
) -> Verdict {
    let tensor = out.tensor();
    let mut verdict = judge(problem, reference, budget, yardstick, &tensor);
    if !out.fences_intact() {
        verdict.findings.insert(0, Finding::FenceBroken);
    }
    let unwritten = |i: &usize| out.is_unwritten(*i);
    let count = (0..tensor.data().len()).filter(unwritten).count();
    if let Some(at) = (0..tensor.data().len()).find(unwritten) {
        let first = unravel(at, tensor.dims());
        let total = tensor.data().len();
        // Poison is NaN, so the values' own finding says the same less precisely.
        verdict
            .findings
            .retain(|f| !matches!(f, Finding::NotFinite { count: c, .. } if *c == count));
        verdict.findings.insert(
            0,
            Finding::NotWritten {
                count,
                total,
                first,
            },
        );
    }
    verdict
}

/// Judges a tensor that claims to be the output of `problem`.
pub fn judge(
    problem: &Problem,
    reference: &Reference,
    budget: &Budget,
    yardstick: Option<&Yardstick>,
    out: &Tensor,
) -> Verdict {
    let mut verdict = Verdict {
        findings: Vec::new(),
        metrics: None,
        rows_checked: reference.rows.len(),
        rows_total: problem.shape().len_q,
    };
    if (out.dims(), out.dtype()) != (problem.shape().out(), problem.dtype()) {
        verdict.findings.push(Finding::WrongShape {
            found: format!("{} {:?}", out.dtype(), out.dims()),
            expected: format!("{} {:?}", problem.dtype(), problem.shape().out()),
        });
        return verdict;
    }
    if let Some(finding) = not_finite(out) {
        verdict.findings.push(finding);
        return verdict;
    }
    let mut tally = Tally::new(problem.dtype());
    for (index, at) in reference.elements(problem) {
        let row = &reference.stats[at / problem.shape().dim_v];
        let sums = [
            reference.o[at],
            reference.magnitude[at],
            reference.sensitivity[at],
        ];
        let bound = budget.bound(problem.admitted(index[2]).len(), row, sums);
        tally.add(Worst {
            index,
            got: out.data().get(out.index(index)),
            want: sums[0],
            bound,
        });
    }
    tally.conclude(yardstick, &mut verdict);
    verdict
}

fn not_finite(out: &Tensor) -> Option<Finding> {
    let data = out.data();
    let bad = |&i: &usize| !data.get(i).is_finite();
    let at = (0..data.len()).find(bad)?;
    Some(Finding::NotFinite {
        count: (at..data.len()).filter(bad).count(),
        total: data.len(),
        value: data.get(at).to_string(),
        first: unravel(at, out.dims()),
    })
}

/// Running sums over the compared elements.
struct Tally {
    dtype: DType,
    total: usize,
    beyond: usize,
    unbounded: bool,
    max_abs: f64,
    max_rel: f64,
    max_ulp: f64,
    squares: [f64; 2],
    worst: Option<(f64, Worst)>,
}

impl Tally {
    fn new(dtype: DType) -> Self {
        Tally {
            dtype,
            total: 0,
            beyond: 0,
            unbounded: false,
            max_abs: 0.0,
            max_rel: 0.0,
            max_ulp: 0.0,
            squares: [0.0; 2],
            worst: None,
        }
    }

    fn add(&mut self, element: Worst) {
        let Worst {
            got, want, bound, ..
        } = element;
        let error = (got - want).abs();
        self.total += 1;
        self.unbounded |= !bound.is_finite();
        if !within(error, bound) {
            self.beyond += 1;
        }
        self.max_abs = self.max_abs.max(error);
        if want != 0.0 {
            self.max_rel = self.max_rel.max(share(error, want.abs()));
        }
        self.max_ulp = self.max_ulp.max(share(error, ulp(self.dtype, want)));
        self.squares[0] += error * error;
        self.squares[1] += want * want;
        let share = share(error, bound);
        if self.worst.is_none_or(|(largest, _)| share > largest) {
            self.worst = Some((
                share,
                Worst {
                    bound: bound.min(f64::MAX),
                    ..element
                },
            ));
        }
    }

    fn conclude(self, yardstick: Option<&Yardstick>, verdict: &mut Verdict) {
        let Some((bound_share, worst)) = self.worst else {
            return;
        };
        if self.unbounded {
            verdict.findings.push(Finding::NoBound);
        }
        if self.beyond > 0 {
            let Tally {
                beyond: count,
                total,
                ..
            } = self;
            verdict.findings.push(Finding::BeyondBound {
                count,
                total,
                worst,
            });
        }
        if let Some(&Yardstick { naive, allowed }) = yardstick
            && !within(self.max_abs, allowed)
        {
            verdict.findings.push(Finding::BeyondYardstick {
                error: self.max_abs,
                allowed,
                naive,
            });
        }
        let nmse = share(self.squares[0], self.squares[1]);
        verdict.metrics = Some(Metrics {
            max_abs: self.max_abs,
            max_rel: self.max_rel,
            rel_l2: nmse.sqrt(),
            nmse,
            max_ulp: self.max_ulp,
            bound_share,
            yardstick_share: yardstick.map(|y| share(self.max_abs, y.allowed)),
            worst,
        });
    }
}

/// Whether an error is within its budget. NaN is not.
fn within(error: f64, budget: f64) -> bool {
    error <= budget
}

/// `part / whole`; nothing of nothing is 0, and what cannot be stored in a record is the largest number.
fn share(part: f64, whole: f64) -> f64 {
    let share = if part == 0.0 { 0.0 } else { part / whole };
    if share.is_nan() {
        f64::MAX
    } else {
        share.min(f64::MAX)
    }
}

/// Distance between `x`, rounded to `dtype`, and the next larger magnitude.
fn ulp(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F32 => {
            let x = (x as f32).abs().min(f32::MAX);
            f64::from(x.next_up().min(f32::MAX)) - f64::from(x.next_up().min(f32::MAX).next_down())
        }
        DType::F64 => {
            let up = x.abs().min(f64::MAX).next_up().min(f64::MAX);
            up - up.next_down()
        }
    }
}

fn unravel(at: usize, [_, heads, len, width]: [usize; 4]) -> [usize; 4] {
    let (row, c) = (at / width, at % width);
    let (head, i) = (row / len, row % len);
    [head / heads, head % heads, i, c]
}

#[cfg(test)]
mod tests;
