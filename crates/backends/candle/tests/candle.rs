//! candle's operations and its fused kernel as adapters.

#[path = "../../host/tests/adapter/mod.rs"]
mod adapter;

use adapter::{SHAPE, distance, problem, run};
use attn_candle::{Composed, Fused};
use attn_core::{
    Alignment, Backend, DType, Exec, Feature, InputDistribution, Inputs, MaskKind, MaskSpec,
    ProblemSpec, Score, ScoreKind, Shape, Span, ThreadPolicy, Window,
};
use attn_naive::Naive;

#[test]
fn any_problem_is_computed_as_plain_loops_do() {
    adapter::computes_what_plain_loops_do(&Composed);
}

#[test]
fn no_problem_is_refused() {
    adapter::refuses_nothing(&Composed);
}

#[test]
fn a_head_reads_the_values_of_its_own_key_head() {
    adapter::reads_the_values_of_its_own_key_head(&Composed);
}

#[test]
fn rows_without_a_key_are_zero_and_their_log_sum_exp_is_minus_infinity() {
    adapter::leaves_rows_without_a_key_zero(&Composed);
}

#[test]
fn what_nobody_admits_changes_no_bit() {
    adapter::does_not_read_what_nobody_admits(&Composed);
}

#[test]
fn half_types_are_computed_in_f32_and_rounded_once() {
    adapter::computes_half_types_in_f32(&Composed);
}

#[test]
fn a_plan_without_its_inputs_is_an_error() {
    adapter::refuses_plans_without_their_inputs(&Composed);
}

#[test]
fn threads_are_those_of_the_process() {
    for backend in [&Composed as &dyn Backend, &Fused] {
        assert_eq!(backend.probe().unwrap().threads, ThreadPolicy::PerProcess);
    }
}

/// The bias holds what only some rows, heads or batches have; an axis that it repeats wrongly shows.
#[test]
fn masks_of_any_axes_alibi_and_windows_make_one_bias() {
    let plain = ProblemSpec::new(SHAPE, DType::F32);
    let full = SHAPE.scores();
    for over in 0..16_usize {
        let dims = [0, 1, 2, 3].map(|axis| if over >> axis & 1 == 1 { full[axis] } else { 1 });
        for kind in [MaskKind::Bool, MaskKind::Additive] {
            let spec = ProblemSpec {
                mask: Some(MaskSpec { kind, dims }),
                kv_len: (over % 3 == 0).then(|| vec![11, 41]),
                causal: (over % 2 == 0).then_some(Alignment::BottomRight),
                alibi: over % 5 < 2,
                softcap: (over % 4 == 1).then_some(3.0),
                lse: true,
                ..plain.clone()
            };
            let p = problem(spec);
            let x = Inputs::generate(&p, InputDistribution::MaskedPoison, 8);
            let far = distance(&run(&Composed, &p, &x, 1), &run(&Naive, &p, &x, 1));
            assert!(far <= 2e-5, "{p}: {far:e}");
        }
    }
}

/// Every way in which a problem is put to `flash_attn`, with its layout of heads after rows.
#[test]
fn the_fused_kernel_computes_what_plain_loops_do() {
    let square = Shape { heads_kv: 2, dim_v: 20, ..SHAPE };
    let one = Shape { batch: 1, ..square };
    let causal = |shape, alignment| ProblemSpec {
        causal: Some(alignment),
        ..ProblemSpec::new(shape, DType::F32)
    };
    let mask = Some(MaskSpec { kind: MaskKind::Additive, dims: [1, 1, 33, 41] });
    let window = Some(Window { left: Some(3), right: Some(2) });
    let plain = |shape| ProblemSpec::new(shape, DType::F32);
    let general = |w| ProblemSpec { score: Score::General { w: Some(w) }, ..plain(square) };
    let decode = Shape { len_q: 1, ..one };
    let specs = [
        plain(square),
        plain(one),
        causal(square, Alignment::BottomRight),
        causal(one, Alignment::TopLeft),
        causal(one, Alignment::Offset(100)),
        causal(one, Alignment::Offset(-4)),
        causal(decode, Alignment::TopLeft),
        causal(decode, Alignment::BottomRight),
        ProblemSpec { mask, ..plain(one) },
        ProblemSpec { window, ..plain(one) },
        ProblemSpec { kv_len: Some(vec![13]), ..plain(one) },
        ProblemSpec { kv_len: Some(vec![0]), ..plain(one) },
        ProblemSpec { softcap: Some(2.0), ..plain(one) },
        general(Span::Shared),
        general(Span::PerHead),
        ProblemSpec { dtype: DType::F16, ..plain(square) },
        ProblemSpec { dtype: DType::BF16, ..plain(one) },
    ];
    for p in specs.map(problem) {
        assert_eq!(Fused.supports(&p), Ok(()), "{p}");
        let x = Inputs::generate(&p, InputDistribution::MaskedPoison, 9);
        let [got, want] = [&Fused as &dyn Backend, &Naive].map(|backend| run(backend, &p, &x, 1));
        let far = distance(&got, &want);
        assert!(far <= 200.0 * p.dtype().unit_roundoff(), "{p}: {far:e}");
    }
}

/// What candle-nn would compute differently is refused, with the part of the problem that it is.
#[test]
fn the_fused_kernel_refuses_what_the_library_computes_differently() {
    let two = Shape { dim_v: 20, ..SHAPE };
    let one = Shape { batch: 1, ..two };
    let plain = |shape| ProblemSpec::new(shape, DType::F32);
    let top = Some(Alignment::TopLeft);
    let mask = |kind, heads| Some(MaskSpec { kind, dims: [1, heads, 33, 41] });
    let general = Score::General { w: Some(Span::Shared) };
    let additive = Score::Additive { dim: 20, w_q: None, w_k: None, w: None };
    for (feature, spec) in [
        (Feature::DType(DType::F64), ProblemSpec { dtype: DType::F64, ..plain(one) }),
        (Feature::DType(DType::BF16), ProblemSpec { dtype: DType::BF16, ..plain(two) }),
        (Feature::Score(ScoreKind::Additive), ProblemSpec { score: additive, ..plain(one) }),
        (
            Feature::Score(ScoreKind::General),
            ProblemSpec { score: general, dtype: DType::F16, ..plain(one) },
        ),
        (Feature::ValueDim, plain(Shape { dim_v: 12, ..one })),
        (Feature::Softcap, ProblemSpec { softcap: Some(2.0), ..plain(two) }),
        (Feature::Alibi, ProblemSpec { alibi: true, ..plain(one) }),
        (Feature::Sinks, ProblemSpec { sinks: true, ..plain(one) }),
        (Feature::Lse, ProblemSpec { lse: true, ..plain(one) }),
        (Feature::KvLen, ProblemSpec { kv_len: Some(vec![4, 5]), ..plain(two) }),
        (Feature::Causal, ProblemSpec { causal: top, ..plain(two) }),
        (Feature::BoolMask, ProblemSpec { mask: mask(MaskKind::Bool, 6), ..plain(one) }),
        (Feature::BoolMask, ProblemSpec { mask: mask(MaskKind::Bool, 1), ..plain(two) }),
        (Feature::AdditiveMask, ProblemSpec { mask: mask(MaskKind::Additive, 1), ..plain(two) }),
        (
            Feature::Window,
            ProblemSpec { window: Some(Window { left: Some(3), right: None }), ..plain(two) },
        ),
    ] {
        let p = problem(spec);
        let refused = Fused.supports(&p).unwrap_err();
        assert_eq!(refused.feature, feature, "{p}: {refused}");
        assert!(refused.why.starts_with("candle-nn 0.11.1 "), "{p}: {refused}");
        assert!(Fused.prepare(&p, &Exec::SINGLE).is_err(), "{p}: not prepared either");
    }
}
