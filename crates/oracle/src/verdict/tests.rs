//! Hostile results: each must be caught, and by the right finding.

use attn_core::{Alignment, Arithmetic, Data, InputDistribution, Inputs, ProblemSpec, Shape};

use super::*;
use crate::Rows;

struct Bench {
    problem: Problem,
    reference: Reference,
    bounds: Bounds,
}

fn bench() -> Bench {
    let shape = Shape { batch: 2, dim_v: 3, ..Shape::square(2, 5, 8) };
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
    let bounds = Bounds::new(&problem, &Arithmetic::PLAIN);
    Bench { problem, reference, bounds }
}

/// A candidate of this output alone.
fn of(o: &Tensor) -> Candidate<'_> {
    Candidate { o: Some(o), lse: None, lse_factor: 1.0 }
}

impl Bench {
    /// The right answer with one element replaced.
    fn with(&self, at: usize, x: f32) -> Verdict {
        let mut out = Output::poisoned(&self.problem);
        let slice = out.o_mut().slice_mut::<f32>().unwrap();
        for (slot, &want) in slice.iter_mut().zip(&self.reference.o) {
            *slot = want as f32;
        }
        slice[at] = x;
        self.judge(&out)
    }

    fn judge(&self, out: &Output) -> Verdict {
        judge_output(&self.problem, &self.reference, &self.bounds, None, out)
    }

    fn right(&self, at: usize) -> f32 {
        self.reference.o[at] as f32
    }
}

#[test]
fn the_rounded_truth_agrees_and_uses_little_of_its_budget() {
    let bench = bench();
    let verdict = bench.with(0, bench.right(0));
    assert!(verdict.agrees(), "{:?}", verdict.findings);
    assert!(verdict.budget_share().unwrap() < 0.1);
    assert!(verdict.metrics.unwrap().max_ulp <= 0.5);
}

#[test]
fn one_nan_is_caught_wherever_it_is() {
    let bench = bench();
    for at in [0, 17, 59] {
        let verdict = bench.with(at, f32::NAN);
        let first = unravel(at, [2, 2, 5, 3]);
        let value = "NaN".to_string();
        assert_eq!(verdict.findings, [Finding::NotFinite { count: 1, total: 60, value, first }]);
        assert_eq!(verdict.metrics, None);
    }
}

#[test]
fn infinities_of_either_sign_are_caught() {
    let bench = bench();
    for x in [f32::INFINITY, f32::NEG_INFINITY] {
        let verdict = bench.with(30, x);
        assert!(matches!(&verdict.findings[..], [Finding::NotFinite { count: 1, .. }]));
    }
}

#[test]
fn nan_in_both_is_not_agreement() {
    let mut bench = bench();
    bench.reference.o[4] = f64::NAN;
    assert!(!bench.with(4, f32::NAN).agrees());
    assert!(!bench.with(4, 0.0).agrees(), "a NaN in the reference accuses, it never excuses");
}

#[test]
fn zeros_and_a_no_op_are_caught() {
    let bench = bench();
    let mut zeros = Output::poisoned(&bench.problem);
    zeros.o_mut().slice_mut::<f32>().unwrap().fill(0.0);
    let verdict = bench.judge(&zeros);
    assert!(matches!(&verdict.findings[..], [Finding::BeyondBound { count: 60, .. }]));

    let verdict = bench.judge(&Output::poisoned(&bench.problem));
    let all = Finding::NotWritten { count: 60, total: 60, first: [0; 4] };
    assert_eq!(verdict.findings, [all]);
}

#[test]
fn too_few_rows_are_caught_and_counted() {
    let bench = bench();
    let mut out = Output::poisoned(&bench.problem);
    for (slot, &want) in
        out.o_mut().slice_mut::<f32>().unwrap().iter_mut().zip(&bench.reference.o).take(57)
    {
        *slot = want as f32;
    }
    let last_row = Finding::NotWritten { count: 3, total: 60, first: [1, 1, 4, 0] };
    assert_eq!(bench.judge(&out).findings, [last_row]);
}

#[test]
fn a_broken_fence_is_caught_although_every_value_is_right() {
    let bench = bench();
    let mut out = Output::poisoned(&bench.problem);
    for (slot, &want) in out.o_mut().slice_mut::<f32>().unwrap().iter_mut().zip(&bench.reference.o)
    {
        *slot = want as f32;
    }
    assert!(bench.judge(&out).agrees());
    let Data::F32(storage) = out.o_mut().storage_mut() else { unreachable!() };
    *storage.last_mut().unwrap() = 0.0;
    assert_eq!(bench.judge(&out).findings, [Finding::FenceBroken]);
}

#[test]
fn wrong_length_and_wrong_type_are_caught_before_any_value() {
    let bench = bench();
    for (dims, data) in [
        ([2, 2, 5, 2], Data::filled(DType::F32, 40, 0.0)),
        ([2, 2, 3, 5], Data::filled(DType::F32, 60, 0.0)),
        ([2, 2, 5, 3], Data::filled(DType::F64, 60, 0.0)),
        ([2, 2, 5, 3], Data::filled(DType::F16, 60, 0.0)),
    ] {
        let tensor = Tensor::new(dims, data).unwrap();
        let rule = Rule::Bounds(&bench.bounds, None);
        let verdict = judge(&bench.problem, &bench.reference, rule, of(&tensor));
        assert!(matches!(&verdict.findings[..], [Finding::WrongShape { .. }]));
    }
}

#[test]
fn an_error_just_beyond_the_bound_is_caught_and_named() {
    let bench = bench();
    let right = bench.with(7, bench.right(7));
    let row = &bench.reference.stats[7 / 3];
    let sums = [bench.reference.o[7], bench.reference.magnitude[7], bench.reference.sensitivity[7]];
    let bound = bench.bounds.row(row, None).bound(sums);
    assert!(right.agrees());
    let verdict = bench.with(7, (bench.reference.o[7] + 1.1 * bound) as f32);
    let [Finding::BeyondBound { count: 1, total: 60, worst }] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!(worst.index, [0, 0, 2, 1]);
    assert!(bench.with(7, (bench.reference.o[7] + 0.9 * bound) as f32).agrees());
}

#[test]
fn the_yardstick_catches_what_the_bound_allows() {
    let bench = bench();
    let mut out = Output::poisoned(&bench.problem);
    for (slot, &want) in out.o_mut().slice_mut::<f32>().unwrap().iter_mut().zip(&bench.reference.o)
    {
        *slot = want as f32;
    }
    let strict = Yardstick { naive: 1e-9, allowed: 2e-9 };
    let verdict =
        judge_output(&bench.problem, &bench.reference, &bench.bounds, Some(&strict), &out);
    assert!(matches!(&verdict.findings[..], [Finding::BeyondYardstick { .. }]));
    let nan = Yardstick { naive: f64::NAN, allowed: f64::NAN };
    let verdict = judge_output(&bench.problem, &bench.reference, &bench.bounds, Some(&nan), &out);
    assert!(!verdict.agrees(), "a NaN yardstick allows nothing");
}

#[test]
fn unchecked_rows_must_still_be_written_and_finite() {
    let mut bench = bench();
    let inputs = Inputs::generate(&bench.problem, InputDistribution::Normal, 1);
    let rows = Rows::from_indices(vec![0]);
    bench.reference = Reference::compute(&bench.problem, &inputs, rows).unwrap();
    let mut out = Output::poisoned(&bench.problem);
    out.o_mut().slice_mut::<f32>().unwrap().fill(1.0);
    out.o_mut().slice_mut::<f32>().unwrap()[59] = f32::NAN;
    let verdict = bench.judge(&out);
    assert!(matches!(&verdict.findings[..], [Finding::NotFinite { first: [1, 1, 4, 2], .. }]));
    assert_eq!((verdict.rows_checked, verdict.rows_total), (1, 5));
}

#[test]
fn negative_zero_equals_zero() {
    let mut bench = bench();
    bench.reference.o[0] = 0.0;
    assert!(bench.with(0, -0.0).agrees());
}

/// The same bench with a log-sum-exp and a first row that admits no key.
fn with_lse() -> (Bench, Output) {
    let spec = ProblemSpec {
        lse: true,
        causal: Some(Alignment::Offset(-1)),
        ..ProblemSpec::new(Shape::square(2, 5, 8), DType::F32)
    };
    let problem = Problem::new(spec).unwrap();
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
    let bounds = Bounds::new(&problem, &Arithmetic::PLAIN);
    let mut out = Output::poisoned(&problem);
    for (slot, &want) in out.o_mut().slice_mut::<f32>().unwrap().iter_mut().zip(&reference.o) {
        *slot = want as f32;
    }
    let slots = out.lse_mut().unwrap().slice_mut::<f32>().unwrap();
    for (slot, row) in slots.iter_mut().zip(&reference.stats) {
        *slot = row.lse as f32;
    }
    (Bench { problem, reference, bounds }, out)
}

#[test]
fn the_log_sum_exp_is_judged_too_and_minus_infinity_must_be_exact() {
    let (bench, right) = with_lse();
    assert!(bench.judge(&right).agrees(), "{:?}", bench.judge(&right).findings);
    assert_eq!(bench.reference.stats[0].lse, f64::NEG_INFINITY);
    for (at, x) in [(0, -1e30), (0, f32::NAN), (1, f32::NEG_INFINITY), (1, 0.0), (9, f32::INFINITY)]
    {
        let mut out = right.clone();
        out.lse_mut().unwrap().slice_mut::<f32>().unwrap()[at] = x;
        let findings = bench.judge(&out).findings;
        assert!(matches!(&findings[..], [Finding::Lse { .. }]), "{at} {x}: {findings:?}");
    }
}

#[test]
fn a_log_sum_exp_that_was_not_written_is_caught() {
    let (bench, right) = with_lse();
    let mut out = Output::poisoned(&bench.problem);
    let o = right.o().tensor();
    out.o_mut().slice_mut::<f32>().unwrap().copy_from_slice(o.slice::<f32>().unwrap());
    let missing = Finding::NotWritten { count: 10, total: 10, first: [0; 4] };
    assert_eq!(bench.judge(&out).findings, [of_lse(missing)]);
}

#[test]
fn a_tolerance_replaces_the_bound_of_the_result_alone() {
    let bench = bench();
    let o = Data::F32(bench.reference.o.iter().map(|&o| (o + 1e-3) as f32).collect());
    let o = Tensor::new([2, 2, 5, 3], o).unwrap();
    let judged = |atol| {
        let rule = Rule::Tolerance { rtol: 0.0, atol, bounds: &bench.bounds };
        judge(&bench.problem, &bench.reference, rule, of(&o)).agrees()
    };
    assert!(judged(1.1e-3) && !judged(0.9e-3) && !judged(f64::NAN));
}

#[test]
fn a_problem_that_asks_for_a_log_sum_exp_is_not_complete_without() {
    let (bench, right) = with_lse();
    let o = right.o().tensor();
    let rule = Rule::Bounds(&bench.bounds, None);
    let verdict = judge(&bench.problem, &bench.reference, rule, of(&o));
    assert_eq!(verdict.findings, [Finding::Missing { what: "lse".into() }]);
}

#[test]
fn a_log_sum_exp_in_base_two_agrees_where_it_is_said_so() {
    let (bench, right) = with_lse();
    let natural = right.lse().unwrap().tensor();
    let base_two = natural.data().to_f64().into_iter().map(|x| x / std::f64::consts::LN_2);
    let lse = Tensor::new(natural.dims(), Data::from_f64(DType::F32, base_two)).unwrap();
    let judged = |lse_factor| {
        let rule = Rule::Bounds(&bench.bounds, None);
        let candidate = Candidate { o: None, lse: Some(&lse), lse_factor };
        judge(&bench.problem, &bench.reference, rule, candidate).agrees()
    };
    assert!(judged(std::f64::consts::LN_2) && !judged(1.0));
}

/// Two keys of a score of 1e9 with values 1 and 3, one far below with value 100; a second query sees them apart.
fn undetermined() -> Bench {
    let shape = Shape { len_q: 2, dim_v: 1, ..Shape::square(1, 3, 1) };
    let spec = ProblemSpec { scale: Some(1.0), ..ProblemSpec::new(shape, DType::F32) };
    let problem = Problem::new(spec).unwrap();
    let tensor = |dims, x: &[f32]| Tensor::new(dims, Data::F32(x.to_vec())).unwrap();
    let [q, k, v] = [[1e9f32, 1.0].as_slice(), &[1.0, 1.0, -1.0], &[1.0, 3.0, 100.0]];
    let parts = attn_core::InputParts::plain(
        tensor(shape.q(), q),
        tensor(shape.k(), k),
        tensor(shape.v(), v),
    );
    let inputs = Inputs::new(&problem, parts).unwrap();
    let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
    let bounds = Bounds::new(&problem, &Arithmetic::PLAIN);
    Bench { problem, reference, bounds }
}

#[test]
fn an_undetermined_row_must_lie_within_its_values_and_the_others_must_be_right() {
    let bench = undetermined();
    let judged = |o: [f32; 2]| {
        let mut out = Output::poisoned(&bench.problem);
        out.o_mut().slice_mut::<f32>().unwrap().copy_from_slice(&o);
        bench.judge(&out)
    };
    let right = bench.right(1);
    for x in [1.0, 2.0, 3.0, 100.0] {
        let verdict = judged([x, right]);
        assert!(verdict.agrees(), "{x}: {:?}", verdict.findings);
        assert_eq!(verdict.undetermined, 1);
    }
    for x in [0.9, 100.1, 0.0] {
        let findings = judged([x, right]).findings;
        assert!(
            matches!(&findings[..], [Finding::OutsideValues { count: 1, total: 1, .. }]),
            "{x}"
        );
    }
    assert!(matches!(&judged([f32::NAN, right]).findings[..], [Finding::NotFinite { .. }]));
    assert!(matches!(&judged([2.0, right + 0.1]).findings[..], [Finding::BeyondBound { .. }]));
}
