//! The a-priori bound against an honest kernel where rounding is most biased: equal scores, and
//! values of one sign or a single one.

use attn_core::{
    Arithmetic, DType, Data, Exec, InputDistribution, InputParts, Inputs, Output, Precision,
    Problem, ProblemSpec, Shape, Tensor, Verdict, compute,
};
use attn_naive::Naive;
use attn_oracle::{Bounds, Reference, Rows, judge_output};

fn verdict(problem: &Problem, inputs: &Inputs) -> Verdict {
    let rows = Rows::choose(problem, 1 << 22);
    let reference = Reference::compute(problem, inputs, rows).unwrap();
    let bounds = Bounds::new(problem, &Arithmetic::PLAIN);
    let out = compute(&Naive, problem, &Exec::SINGLE, inputs).unwrap();
    judge_output(problem, &reference, &bounds, None, &out)
}

/// `len` keys that all score almost the same for the one query, and the given values.
fn near_ties(len: usize, value: impl Fn(usize) -> f32) -> (Problem, Inputs) {
    let dim = 4;
    let shape = Shape { len_q: 1, dim_v: 1, ..Shape::square(1, len, dim) };
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
    let tensor = |dims, data| Tensor::new(dims, Data::F32(data)).unwrap();
    let k = (0..len * dim).map(|at| 1.0 + (at % 7) as f32 * 1e-7).collect();
    let q = tensor(shape.q(), vec![0.7, -0.3, 0.2, 0.9]);
    let v = tensor(shape.v(), (0..len).map(value).collect());
    let inputs = Inputs::new(&problem, InputParts::plain(q, tensor(shape.k(), k), v)).unwrap();
    (problem, inputs)
}

#[test]
fn naive_is_within_the_bound_on_near_ties() {
    for len in [1025, 4096, 16384] {
        let mut widest = 0.0f64;
        for (name, (problem, inputs)) in [
            ("constant", near_ties(len, |_| 1.1)),
            ("one-hot first", near_ties(len, |j| f32::from(u8::from(j == 0)))),
            ("one-hot last", near_ties(len, |j| f32::from(u8::from(j + 1 == len)))),
        ] {
            let verdict = verdict(&problem, &inputs);
            let share = verdict.metrics.unwrap().bound_share;
            assert!(verdict.agrees(), "{name} {len}: {:?}", verdict.findings);
            widest = widest.max(share);
        }
        assert!(widest > 1e-3, "{len}: the bound is uselessly wide ({widest:e})");
    }
}

#[test]
fn naive_is_within_the_bound_on_normal_inputs_and_the_bound_is_not_useless() {
    for (len, dim) in [(1, 1), (33, 7), (257, 64), (1024, 64)] {
        for dtype in DType::ALL {
            let problem =
                Problem::new(ProblemSpec::new(Shape::square(2, len, dim), dtype)).unwrap();
            let verdict =
                verdict(&problem, &Inputs::generate(&problem, InputDistribution::Normal, 5));
            assert!(verdict.agrees(), "{problem}: {:?}", verdict.findings);
            let share = verdict.metrics.unwrap().bound_share;
            assert!(len == 1 || share > 1e-3, "{problem}: {share:e}");
        }
    }
}

/// Attention whose scores are rounded to bf16 before and after their scale, and whose weights are divided and then rounded: so
/// `OpenVINO` computes, bit by bit. `mistake` is a factor on the scores.
fn held_in_bf16(problem: &Problem, inputs: &Inputs, mistake: f64) -> Output {
    let Shape { len_q, len_k, dim, dim_v, .. } = *problem.shape();
    let round = |x: f64| DType::BF16.round(x);
    let at = |tensor: &Tensor, at: usize| tensor.data().get(at);
    let mut o = Vec::new();
    for i in 0..len_q {
        let score = |j| {
            let terms = (0..dim).map(|d| at(inputs.q(), i * dim + d) * at(inputs.k(), j * dim + d));
            round(round(terms.sum()) * problem.scale()) * mistake
        };
        let scores: Vec<f64> = (0..len_k).map(score).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
        let sum: f64 = weights.iter().sum();
        o.extend((0..dim_v).map(|c| {
            let terms = weights.iter().enumerate();
            terms.map(|(j, p)| round(p / sum) * at(inputs.v(), j * dim_v + c)).sum::<f64>()
        }));
    }
    let mut out = Output::poisoned(problem);
    for (at, x) in o.into_iter().enumerate() {
        out.o_mut().set(at, x);
    }
    out
}

#[test]
fn scores_that_are_held_in_bf16_have_a_bound_of_their_own() {
    let stored =
        Arithmetic { scores: Precision::Storage, weights: Precision::Storage, ..Arithmetic::PLAIN };
    let (mut beyond_exact, mut widest) = (0, 0.0f64);
    for (len, dim) in [(128, 64), (256, 80), (64, 128), (300, 16), (33, 1)] {
        let problem =
            Problem::new(ProblemSpec::new(Shape::square(1, len, dim), DType::BF16)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 5);
        let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        let judge = |arithmetic: &Arithmetic, mistake| {
            let out = held_in_bf16(&problem, &inputs, mistake);
            judge_output(&problem, &reference, &Bounds::new(&problem, arithmetic), None, &out)
        };
        let verdict = judge(&stored, 1.0);
        assert!(verdict.agrees(), "{problem}: {:?}", verdict.findings);
        widest = widest.max(verdict.metrics.unwrap().bound_share);
        let exact = Arithmetic { scores: Precision::AtLeastF32, ..stored };
        beyond_exact += usize::from(!judge(&exact, 1.0).agrees());
        assert!(dim == 1 || !judge(&stored, 1.25).agrees(), "{problem}: a wrong scale is not seen");
    }
    assert!(beyond_exact > 0, "scores as exact as f32 would do");
    assert!(widest > 0.05, "the bound is uselessly wide ({widest:e})");
}

/// Scores of this size are multiples of whole numbers in bf16, and rounding decides the weights.
#[test]
fn large_scores_that_are_held_in_bf16_are_judged_as_averages() {
    let stored =
        Arithmetic { scores: Precision::Storage, weights: Precision::Storage, ..Arithmetic::PLAIN };
    for scale in [1.0, 8.0, 64.0, 1e3, 1e5] {
        let spec = ProblemSpec::new(Shape::square(1, 96, 48), DType::BF16);
        let problem = Problem::new(ProblemSpec { scale: Some(scale), ..spec }).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 5);
        let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        let bounds = Bounds::new(&problem, &stored);
        let judge = |out: &Output| judge_output(&problem, &reference, &bounds, None, out);
        let mut out = held_in_bf16(&problem, &inputs, 1.0);
        let verdict = judge(&out);
        assert!(verdict.agrees(), "{problem}: {:?}", verdict.findings);
        out.o_mut().set(7, 100.0);
        assert!(!judge(&out).agrees(), "{problem}: no average of its values");
    }
}
