//! A file made with each mistake gets that hint; right files get none.

use attn_core::{
    Alignment, DType, Data, Exec, InputDistribution, MaskKind, MaskSpec, Shape, Window, compute,
};
use attn_naive::Naive;

use super::*;
use crate::random::draw;

/// A case with its right result, by naive.
fn case(spec: ProblemSpec, seed: u64) -> AttnCase {
    let problem = Problem::new(spec).unwrap();
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, seed);
    let claim = Some(right(&problem, &inputs));
    AttnCase { problem, inputs, claim, tokens: None, source: None }
}

fn right(problem: &Problem, inputs: &Inputs) -> Claim {
    Claim::of_output(&compute(&Naive, problem, &Exec::SINGLE, inputs).unwrap())
}

fn diagnosis(case: &AttnCase) -> Diagnosis {
    let claim = case.claim.as_ref().unwrap();
    let terms = Terms::of(&case.problem, claim);
    let (rows, effort) = (Rows::all(&case.problem), attn_oracle::Effort::SINGLE);
    let truth = ClaimTruth::compute(&case.problem, &case.inputs, rows, terms, effort).unwrap();
    let verdict = truth.judge(&case.problem, claim);
    diagnose(case, claim, &truth, &verdict)
}

fn hint(case: &AttnCase) -> String {
    diagnosis(case).hint.unwrap_or_default()
}

/// 2 batches, 4 query and 2 kv heads, 40 queries, 70 keys.
fn base() -> ProblemSpec {
    let shape = Shape { batch: 2, heads_kv: 2, len_k: 70, dim_v: 12, ..Shape::square(4, 40, 16) };
    ProblemSpec::new(shape, DType::F32)
}

/// `stated` with the result of what `computed` makes of the same inputs.
fn mistaken(stated: ProblemSpec, computed: ProblemSpec) -> AttnCase {
    let mut case = case(stated, 3);
    let problem = Problem::new(computed).unwrap();
    let parts = statements::parts(&case.inputs, &problem);
    case.claim = Some(right(&problem, &Inputs::new(&problem, parts).unwrap()));
    case
}

#[test]
fn a_thousand_right_results_get_no_hint() {
    for number in 0..1000 {
        let (problem, distribution, seed) = draw(24, number);
        let inputs = Inputs::generate(&problem, distribution, seed);
        let claim = Some(right(&problem, &inputs));
        let case = AttnCase { problem, inputs, claim, tokens: None, source: None };
        assert_eq!(diagnosis(&case), Diagnosis::default(), "{number}");
    }
}

#[test]
fn statements_that_the_file_forgot() {
    let causal = |alignment| ProblemSpec { causal: Some(alignment), ..base() };
    let (top, bottom) = (Alignment::TopLeft, Alignment::BottomRight);
    let window = |left, right| ProblemSpec {
        window: Some(Window { left: Some(left), right: Some(right) }),
        align: Some(bottom),
        ..base()
    };
    let masked = ProblemSpec {
        mask: Some(MaskSpec { kind: MaskKind::Bool, dims: [2, 1, 40, 70] }),
        ..base()
    };
    let padded = ProblemSpec { kv_len: Some(vec![50, 70]), ..base() };
    let scaled = |scale| ProblemSpec { scale: Some(scale), ..base() };
    let with = |change: fn(&mut ProblemSpec)| {
        let mut spec = base();
        change(&mut spec);
        spec
    };
    let forgot = "; did the file forget to say so?";
    for (stated, computed, says) in [
        (base(), causal(top), format!("agrees if causal = \"top-left\"{forgot}")),
        (base(), causal(bottom), format!("agrees if causal = \"bottom-right\"{forgot}")),
        (causal(bottom), causal(top), format!("agrees if causal = \"top-left\"{forgot}")),
        (causal(top), causal(bottom), format!("agrees if causal = \"bottom-right\"{forgot}")),
        (causal(bottom), base(), format!("agrees if causal = none{forgot}")),
        (
            causal(bottom),
            causal(Alignment::Offset(31)),
            "agrees if the causal diagonal lies one key later".into(),
        ),
        (
            causal(bottom),
            causal(Alignment::Offset(29)),
            "agrees if the causal diagonal lies one key earlier".into(),
        ),
        (
            window(9, 4),
            window(10, 4),
            "agrees if the window reaches one key more to the left".into(),
        ),
        (
            window(9, 4),
            window(8, 4),
            "agrees if the window reaches one key less to the left".into(),
        ),
        (
            window(9, 4),
            window(9, 5),
            "agrees if the window reaches one key more to the right".into(),
        ),
        (
            window(9, 4),
            window(8, 3),
            "agrees if the window reaches one key less to either side".into(),
        ),
        (base(), scaled(1.0), "agrees if scale = 1 (the scale is missing)".into()),
        (base(), scaled(1.0 / 16.0), "agrees if scale = 1/16".into()),
        (scaled(0.4), base(), "agrees if scale = 1/sqrt(16)".into()),
        (scaled(0.7), scaled(0.49), "agrees if scale = applied twice".into()),
        (masked.clone(), base(), "agrees without mask: dropped, or not meant".into()),
        (padded.clone(), base(), "agrees if kv_len is ignored".into()),
        (
            padded,
            ProblemSpec { kv_len: Some(vec![49, 69]), ..base() },
            "agrees if kv_len is one less".into(),
        ),
        (
            with(|s| s.softcap = Some(1.0)),
            base(),
            "agrees without softcap: dropped, or not meant".into(),
        ),
        (with(|s| s.alibi = true), base(), "agrees without ALiBi: dropped, or not meant".into()),
        (with(|s| s.sinks = true), base(), "agrees without sinks: dropped, or not meant".into()),
    ] {
        assert_eq!(hint(&mistaken(stated, computed.clone())), says, "{computed:?}");
    }
}

/// The result of other inputs, or laid out otherwise.
#[test]
fn tensors_that_are_read_otherwise() {
    let square = ProblemSpec::new(Shape::square(4, 40, 16), DType::F32);
    let mut swapped = case(square.clone(), 1);
    let mut parts = statements::parts(&swapped.inputs, &swapped.problem);
    std::mem::swap(&mut parts.k, &mut parts.v);
    let inputs = Inputs::new(&swapped.problem, parts).unwrap();
    swapped.claim = Some(right(&swapped.problem, &inputs));
    assert_eq!(hint(&swapped), "agrees if k and v are swapped");

    let mut relaid = case(square.clone(), 1);
    let out = relaid.claim.as_ref().unwrap().out.as_ref().unwrap();
    let [_, heads, len, width] = out.dims();
    let element = |at: usize| {
        let (token, c) = (at / width, at % width);
        out.data().get(out.index([0, token % heads, token / heads, c]))
    };
    let data = Data::from_f64(DType::F32, (0..heads * len * width).map(element));
    let out = Tensor::new([1, heads, len, width], data).unwrap();
    relaid.claim = Some(Claim { out: Some(out), ..Claim::default() });
    assert!(hint(&relaid).starts_with("agrees if out is [B,N,H,D]"), "{}", hint(&relaid));

    let mut inverted = case(
        ProblemSpec {
            mask: Some(MaskSpec { kind: MaskKind::Bool, dims: [1, 1, 40, 40] }),
            ..square
        },
        1,
    );
    let other = readings::inverted(&inverted).unwrap();
    inverted.claim = Some(right(&inverted.problem, &other));
    assert!(hint(&inverted).starts_with("agrees if the mask is inverted"));

    let mut grouped = case(base(), 1);
    let (problem, inputs) = readings::expanded(&grouped, |h, kv, _| h % kv).unwrap();
    grouped.claim = Some(right(&problem, &inputs));
    assert!(hint(&grouped).starts_with("agrees if grouped heads are interleaved"));
}

#[test]
fn a_log_sum_exp_in_another_base() {
    let mut case = case(ProblemSpec { lse: true, ..base() }, 1);
    let claim = case.claim.as_mut().unwrap();
    claim.lse_base_two = true;
    assert!(hint(&case).starts_with("agrees if lse_base = none"), "{}", hint(&case));
}

/// Every mistake of a step, as the oracle computes it: hints are tried in order, and none before it takes its place.
#[test]
fn every_mistake_is_told_from_all_others() {
    let masks = [None, Some(MaskKind::Bool), Some(MaskKind::Additive)];
    let mut seen = std::collections::BTreeSet::new();
    for (mask, scale) in masks.into_iter().zip([1.0, 0.5, 0.25]) {
        let spec = ProblemSpec {
            mask: mask.map(|kind| MaskSpec { kind, dims: [1, 1, 20, 250] }),
            softcap: mask.is_some().then_some(2.0),
            alibi: mask.is_none(),
            scale: Some(scale),
            shape: Shape { len_q: 20, len_k: 250, ..base().shape },
            ..base()
        };
        let mut case = case(spec, 5);
        let right = case.claim.take().unwrap();
        for make in mistakes::all(&case, &right) {
            let hypothesis = make();
            let terms = Terms::assumed(&case.problem);
            let truth = hypothesis.truth(&Rows::all(&case.problem), terms).unwrap();
            let out =
                Tensor::new(case.problem.shape().out(), truth.reference().rounded(&case.problem));
            let claim = Claim { out: Some(out.unwrap()), ..Claim::default() };
            let made = AttnCase { claim: Some(claim), ..case.clone() };
            let said = hint(&made);
            let stated = ClaimTruth::of_all_rows(&made.problem, &made.inputs).unwrap();
            let claim = made.claim.as_ref().unwrap();
            if stated.judge(&made.problem, claim).agrees() {
                // The mistake does not show in this problem.
                assert_eq!(said, "");
                continue;
            }
            assert_eq!(said, hypothesis.hint, "{:?}", case.problem.to_string());
            seen.insert(said);
        }
    }
    assert!(seen.len() >= 24, "{}: {seen:?}", seen.len());
}

#[test]
fn roundings_that_the_file_does_not_declare() {
    for (storage, format) in [(DType::F32, "bf16"), (DType::F32, "f16")] {
        let case = case(ProblemSpec { dtype: storage, ..base() }, 2);
        let mut seen = 0;
        for (steps, hint_format, said) in roundings::candidates() {
            if !said.contains(format) {
                continue;
            }
            let claim = case.claim.as_ref().unwrap();
            let hypothesis = roundings::simulate(&case, claim, (steps, hint_format), said.clone());
            let truth =
                hypothesis.unwrap().truth(&Rows::all(&case.problem), Terms::assumed(&case.problem));
            let data = truth.unwrap().reference().rounded(&case.problem);
            let out = Some(Tensor::new(case.problem.shape().out(), data).unwrap());
            let made = AttnCase { claim: Some(Claim { out, ..Claim::default() }), ..case.clone() };
            assert_eq!(hint(&made), said);
            seen += 1;
        }
        assert!(seen > 8);
    }
}

#[test]
fn the_place_is_named() {
    let mut case = case(base(), 4);
    let wrong = |case: &mut AttnCase, wrong: fn([usize; 4]) -> bool| {
        let out = right(&case.problem, &case.inputs).out.unwrap();
        let [_, heads, len, width] = out.dims();
        let value = |at: usize| {
            let (row, c) = (at / width, at % width);
            let index = [row / len / heads, row / len % heads, row % len, c];
            out.data().get(at) + f64::from(u8::from(wrong(index)))
        };
        let data = Data::from_f64(DType::F32, (0..out.data().len()).map(value));
        let out = Some(Tensor::new(out.dims(), data).unwrap());
        case.claim = Some(Claim { out, ..Claim::default() });
        diagnosis(case).place.unwrap()
    };
    assert_eq!(wrong(&mut case, |[b, ..]| b == 1), "batch 1 (the last)");
    assert_eq!(wrong(&mut case, |[_, h, ..]| h >= 2), "heads 2 and 3");
    assert_eq!(wrong(&mut case, |[_, _, i, _]| i != 39), "all rows but the last");
    assert_eq!(
        wrong(&mut case, |[_, h, i, c]| h == 0 && i == 39 && c > 3),
        "head 0, row 39 (the last), columns 4 to 11"
    );
    assert_eq!(wrong(&mut case, |_| true), "all batches, heads, rows and columns");
}
