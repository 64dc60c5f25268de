//! The comparator, written against everything that has fooled others: NaN passes no test, absence
//! is not agreement, and a number is compared only after its place has been.

use attn_core::{
    DType, Fenced, Finding, Metrics, Output, Problem, Tensor, Verdict, Worst, lse_dtype,
};

use crate::norms::Norms;
use crate::{Bounds, Reference, Yardstick};

/// What decides whether an element of the result is right.
#[derive(Clone, Copy, Debug)]
pub enum Rule<'a> {
    /// The a-priori bound, and the yardstick where there is one; with the reference of a claim, also what
    /// rounding explains of the errors taken together.
    Bounds(&'a Bounds, Option<&'a Yardstick>),
    /// `|out - truth| <= atol + rtol |truth|`. The log-sum-exp still has its bound.
    Tolerance {
        /// Relative part.
        rtol: f64,
        /// Absolute part.
        atol: f64,
        /// For the log-sum-exp.
        bounds: &'a Bounds,
    },
}

/// A result: tensors that claim to be the output of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The output, in the problem's storage type or in f32; `None` if it is not to be judged.
    pub o: Option<&'a Tensor>,
    /// The log-sum-exp.
    pub lse: Option<&'a Tensor>,
    /// What turns the log-sum-exp into natural logarithms: 1, or ln 2 for one in base 2.
    pub lse_factor: f64,
}

/// Judges what a backend stored: fences and unwritten elements first, then the values.
pub fn judge_output(
    problem: &Problem,
    reference: &Reference,
    bounds: &Bounds,
    yardstick: Option<&Yardstick>,
    out: &Output,
) -> Verdict {
    let (o, lse) = (out.o().tensor(), out.lse().map(Fenced::tensor));
    let rule = Rule::Bounds(bounds, yardstick);
    let candidate = Candidate { o: Some(&o), lse: lse.as_ref(), lse_factor: 1.0 };
    let mut verdict = judge(problem, reference, rule, candidate);
    let o_findings = written(out.o());
    let lse_findings = out.lse().map(written).unwrap_or_default();
    // Poison is NaN: where something was not written, the values' own finding says the same less
    // precisely.
    let unwritten = |f: &Finding| matches!(f, Finding::NotWritten { .. });
    if o_findings.iter().any(unwritten) {
        verdict.findings.retain(|f| !matches!(f, Finding::NotFinite { .. }));
    }
    if lse_findings.iter().any(unwritten) {
        verdict.findings.retain(|f| !matches!(f, Finding::Lse { .. }));
    }
    let lse_findings = lse_findings.into_iter().map(of_lse);
    let early = o_findings.into_iter().chain(lse_findings);
    verdict.findings.splice(0..0, early);
    verdict
}

/// Judges tensors that claim to be the output of `problem`. One that asks for a log-sum-exp is not complete without.
pub fn judge(
    problem: &Problem,
    reference: &Reference,
    rule: Rule<'_>,
    candidate: Candidate<'_>,
) -> Verdict {
    Judge { problem, reference, rule }.tensors(candidate)
}

fn of_lse(finding: Finding) -> Finding {
    Finding::Lse { finding: Box::new(finding) }
}

/// What is wrong with a buffer whatever its values are.
fn written(out: &Fenced) -> Vec<Finding> {
    let total = out.dims().iter().product();
    let unwritten: Vec<usize> = (0..total).filter(|&i| out.is_unwritten(i)).collect();
    let mut findings = Vec::new();
    if let Some(&at) = unwritten.first() {
        let (count, first) = (unwritten.len(), unravel(at, out.dims()));
        findings.push(Finding::NotWritten { count, total, first });
    }
    if !out.fences_intact() {
        findings.push(Finding::FenceBroken);
    }
    findings
}

struct Judge<'a> {
    problem: &'a Problem,
    reference: &'a Reference,
    rule: Rule<'a>,
}

impl Judge<'_> {
    fn tensors(&self, candidate: Candidate<'_>) -> Verdict {
        let Candidate { o, lse, lse_factor } = candidate;
        let (Rule::Bounds(bounds, _) | Rule::Tolerance { bounds, .. }) = self.rule;
        let loose = self.reference.loose.values();
        let mut verdict = Verdict {
            findings: Vec::new(),
            metrics: None,
            rows_checked: self.reference.rows.len(),
            rows_total: self.problem.shape().len_q,
            undetermined: loose.filter(|row| bounds.leaves_undetermined(row)).count(),
        };
        match o.map(|o| self.o(o)) {
            Some(Ok((metrics, findings))) => {
                verdict.metrics = metrics;
                verdict.findings = findings;
            }
            Some(Err(finding)) => verdict.findings.push(finding),
            None => {}
        }
        let of_lse_findings = match lse.map(|lse| self.lse(lse, lse_factor)) {
            Some(Ok((metrics, findings))) => {
                verdict.metrics = verdict.metrics.or(metrics);
                findings
            }
            Some(Err(finding)) => vec![finding],
            None => Vec::new(),
        };
        verdict.findings.extend(of_lse_findings.into_iter().map(of_lse));
        if lse.is_none() && self.problem.spec().lse {
            verdict.findings.push(Finding::Missing { what: "lse".into() });
        }
        verdict
    }

    fn o(&self, o: &Tensor) -> Result<(Option<Metrics>, Vec<Finding>), Finding> {
        let Judge { problem, reference, .. } = self;
        let dtype = if o.dtype() == DType::F32 { DType::F32 } else { problem.dtype() };
        expect_form(o, dtype, problem.shape().out())?;
        expect_numbers(o, f64::is_finite)?;
        let mut tally = Tally::new(dtype);
        let mut outside = Outside::default();
        let (bounds, tolerance, yardstick) = match self.rule {
            Rule::Bounds(bounds, yardstick) => (bounds, None, yardstick),
            Rule::Tolerance { rtol, atol, bounds } => (bounds, Some((rtol, atol)), None),
        };
        let typical = reference.typical.as_ref().filter(|_| tolerance.is_none());
        let mut norms = typical.map(|typical| (typical, Norms::new(problem, reference)));
        let width = problem.shape().dim_v;
        for ([b, h, i], row) in reference.rows_of(problem) {
            let loose = reference.loose.get(&row);
            let of_row = bounds.row(&reference.stats[row], loose);
            for c in 0..width {
                let (index, at) = ([b, h, i, c], row * width + c);
                let sums = [reference.o[at], reference.magnitude[at], reference.sensitivity[at]];
                let (got, want) = (o.data().get(o.index(index)), sums[0]);
                let bound = match tolerance {
                    Some((rtol, atol)) if !of_row.is_undetermined() => atol + rtol * want.abs(),
                    _ => of_row.allowed(c, sums, got > want),
                };
                let element = Worst { index, got, want, bound };
                if of_row.is_undetermined() {
                    outside.add(element);
                    continue;
                }
                tally.add(element);
                if let Some((typical, norms)) = &mut norms {
                    norms.add(typical, row, c, got - want);
                }
            }
        }
        let (mut metrics, mut findings) = tally.conclude(yardstick);
        findings.extend(outside.finding());
        let largest = norms.and_then(|(_, norms)| norms.largest());
        if let (Some(metrics), Some(largest)) = (&mut metrics, &largest) {
            metrics.noise_share = Some(largest.share.min(f64::MAX));
            findings.extend(largest.finding());
        }
        Ok((metrics, findings))
    }

    fn lse(&self, lse: &Tensor, factor: f64) -> Result<(Option<Metrics>, Vec<Finding>), Finding> {
        let (Rule::Bounds(bounds, _) | Rule::Tolerance { bounds, .. }) = self.rule;
        let dtype = lse_dtype(self.problem.dtype());
        let [batch, heads, len, _] = self.problem.shape().out();
        expect_form(lse, dtype, [batch, heads, len, 1])?;
        // -inf is what a row without keys has; in a checked row it must be right.
        expect_numbers(lse, |x| x.is_finite() || x == f64::NEG_INFINITY)?;
        let mut tally = Tally::new(dtype);
        for ([b, h, i], at) in self.reference.rows_of(self.problem) {
            let row = &self.reference.stats[at];
            let index = [b, h, i, 0];
            let got = factor * lse.data().get(lse.index(index));
            let stored_sum = self.reference.typical.as_ref().map_or(0.0, |t| t.stored_sum[at]);
            let bound = bounds.lse_bound(row, stored_sum);
            tally.add(Worst { index, got, want: row.lse, bound });
        }
        Ok(tally.conclude(None))
    }
}

fn expect_form(out: &Tensor, dtype: DType, dims: [usize; 4]) -> Result<(), Finding> {
    if (out.dims(), out.dtype()) == (dims, dtype) {
        return Ok(());
    }
    let found = format!("{} {:?}", out.dtype(), out.dims());
    Err(Finding::WrongShape { found, expected: format!("{dtype} {dims:?}") })
}

fn expect_numbers(out: &Tensor, good: impl Fn(f64) -> bool) -> Result<(), Finding> {
    let data = out.data();
    let Some(at) = data.position(0..data.len(), |x| !good(x)) else {
        return Ok(());
    };
    Err(Finding::NotFinite {
        count: (at..data.len()).filter(|&i| !good(data.get(i))).count(),
        total: data.len(),
        value: data.get(at).to_string(),
        first: unravel(at, out.dims()),
    })
}

/// Elements of undetermined rows.
#[derive(Default)]
struct Outside {
    total: usize,
    beyond: usize,
    first: Option<Worst>,
}

impl Outside {
    fn add(&mut self, element: Worst) {
        self.total += 1;
        if !within((element.got - element.want).abs(), element.bound) {
            self.beyond += 1;
            self.first.get_or_insert(element);
        }
    }

    fn finding(self) -> Option<Finding> {
        let Outside { total, beyond: count, first } = self;
        first.map(|worst| Finding::OutsideValues { count, total, worst })
    }
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
        let Worst { got, want, bound, .. } = element;
        // Infinities agree only with themselves: their difference is NaN.
        let error = if got == want { 0.0 } else { (got - want).abs() };
        self.total += 1;
        self.unbounded |= !bound.is_finite();
        if !within(error, bound) {
            self.beyond += 1;
        }
        let error = if error.is_nan() { f64::MAX } else { error.min(f64::MAX) };
        self.max_abs = self.max_abs.max(error);
        if want != 0.0 {
            self.max_rel = self.max_rel.max(share(error, want.abs()));
        }
        self.max_ulp = self.max_ulp.max(share(error, self.dtype.ulp(want)));
        if want.is_finite() {
            self.squares[0] += error * error;
            self.squares[1] += want * want;
        }
        let share = share(error, bound);
        if self.worst.is_none_or(|(largest, _)| share > largest) {
            self.worst = Some((share, Worst { bound: bound.min(f64::MAX), ..element }));
        }
    }

    fn conclude(self, yardstick: Option<&Yardstick>) -> (Option<Metrics>, Vec<Finding>) {
        let mut findings = Vec::new();
        let Some((bound_share, worst)) = self.worst else {
            return (None, findings);
        };
        if self.unbounded {
            findings.push(Finding::NoBound);
        }
        if self.beyond > 0 {
            let Tally { beyond: count, total, .. } = self;
            findings.push(Finding::BeyondBound { count, total, worst });
        }
        if let Some(&Yardstick { naive, allowed }) = yardstick
            && !within(self.max_abs, allowed)
        {
            findings.push(Finding::BeyondYardstick { error: self.max_abs, allowed, naive });
        }
        let nmse = share(self.squares[0], self.squares[1]);
        let metrics = Metrics {
            max_abs: self.max_abs,
            max_rel: self.max_rel,
            rel_l2: nmse.sqrt(),
            nmse,
            max_ulp: self.max_ulp,
            bound_share,
            yardstick_share: yardstick.map(|y| share(self.max_abs, y.allowed)),
            noise_share: None,
            worst,
        };
        (Some(metrics), findings)
    }
}

/// Whether an error is within its bound. NaN is not.
fn within(error: f64, bound: f64) -> bool {
    error <= bound
}

/// `part / whole`; nothing of nothing is 0, and what cannot be stored in a record is the largest number.
fn share(part: f64, whole: f64) -> f64 {
    let share = if part == 0.0 { 0.0 } else { part / whole };
    if share.is_nan() { f64::MAX } else { share.min(f64::MAX) }
}

fn unravel(at: usize, [_, heads, len, width]: [usize; 4]) -> [usize; 4] {
    let (row, c) = (at / width, at % width);
    let (head, i) = (row / len, row % len);
    [head / heads, head % heads, i, c]
}

#[cfg(test)]
mod tests;
