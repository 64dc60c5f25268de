//! What comparisons let through, from one that looks at nothing to one that looks at everything.

#![cfg(feature = "mutants")]

use attn_check::{CAUSAL_BOTTOM_RIGHT, Features, GROUPED_HEADS, KV_LEN, Problem, Survivors};
use attn_core::{Exec, InputParts, Inputs, Tensor, compute};
use attn_naive::Naive;

const FEATURES: Features = Features::ALL.without(Features::OF_INPUTS).without(attn_check::LSE);

/// What another implementation makes of it.
fn expected(p: &Problem, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let tensor = |dims, x: &[f32]| Tensor::new(dims, attn_core::Data::F32(x.to_vec())).unwrap();
    let s = p.shape();
    let parts = InputParts::plain(tensor(s.q(), q), tensor(s.k(), k), tensor(s.v(), v));
    let out = compute(&Naive, p, &Exec::SINGLE, &Inputs::new(p, parts).unwrap()).unwrap();
    out.o().tensor().slice::<f32>().unwrap().to_vec()
}

fn with_tolerance(tolerance: f32, features: Features, cases: u64) -> Survivors {
    attn_check::mutants(move |p: &Problem, q: &[f32], k: &[f32], v: &[f32], out: &[f32]| {
        for (out, want) in out.iter().zip(expected(p, q, k, v)) {
            assert!((out - want).abs() <= tolerance * want.abs().max(1.0), "{out} is not {want}");
        }
    })
    .supports(features)
    .cases(cases)
    .seed(2)
    .run()
}

#[test]
fn the_tighter_the_tolerance_the_fewer_get_through_and_right_kernels_pass() {
    let [loose, tight] = [0.3, 1e-4].map(|tolerance| with_tolerance(tolerance, FEATURES, 40));
    let through = |report: &Survivors| report.let_through().count();
    assert!(through(&loose) > through(&tight) + 5, "{loose}\n{tight}");
    assert!(tight.told() > 50, "{tight}");
    assert_eq!(tight.false_alarms().count(), 0, "{tight}");
    assert!(
        tight.unreached() > 10,
        "sinks, masks and weights of scores are not asked for: {tight}"
    );
}

#[test]
fn a_comparison_that_accepts_all_or_nothing_is_told_so() {
    let all = attn_check::mutants(|_: &Problem, _: &[f32], _: &[f32], _: &[f32], _: &[f32]| true)
        .supports(CAUSAL_BOTTOM_RIGHT | GROUPED_HEADS | KV_LEN)
        .cases(10)
        .run();
    assert_eq!((all.told(), all.false_alarms().count()), (0, 0), "{all}");
    let text = all.to_string();
    for part in
        ["refuses 0 of 10 right ones", "let through, the worst first:", "mutant/", "expected "]
    {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    let nothing = attn_check::mutants(
        |_: &Problem, _: &[f32], _: &[f32], _: &[f32], _: &[f32]| -> Result<(), ()> { Err(()) },
    )
    .cases(3)
    .run();
    assert_eq!((nothing.told(), nothing.false_alarms().count()), (0, 10), "{nothing}");
}

/// A test with the smallest sizes and inputs of ones, as many a kernel has.
#[test]
fn inputs_of_ones_let_nearly_everything_through() {
    let case = "H2 N4 D2 f32 causal".parse::<attn_check::Case>().unwrap();
    let ones = [1.0_f32; 16];
    let case = attn_check::Case::given(case.problem().clone(), [&ones[..], &ones, &ones]).unwrap();
    let report =
        attn_check::mutants(|_: &Problem, _: &[f32], _: &[f32], _: &[f32], out: &[f32]| {
            out.iter().all(|x| (x - 1.0).abs() < 1e-2)
        })
        .supports(attn_check::CAUSAL)
        .case(case)
        .run();
    let wrong_but_right_here = report.unreached() + report.let_through().count();
    assert!(wrong_but_right_here > 80, "{report}");
}
