//! The a-priori bound against an honest kernel where rounding is most biased: equal scores, and
//! values of one sign or a single one.

use attn_core::{
    Arithmetic, DType, Data, Exec, InputDistribution, InputParts, Inputs, Problem, ProblemSpec,
    Shape, Tensor, Verdict, compute,
};
use attn_naive::Naive;
use attn_oracle::{Budget, Reference, Rows, judge_output};

fn verdict(problem: &Problem, inputs: &Inputs) -> Verdict {
    let rows = Rows::choose(problem, 1 << 22);
    let reference = Reference::compute(problem, inputs, rows).unwrap();
    let budget = Budget::new(problem, &Arithmetic::PLAIN);
    let out = compute(&Naive, problem, &Exec::SINGLE, inputs).unwrap();
    judge_output(problem, &reference, &budget, None, &out)
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
