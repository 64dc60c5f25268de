//! The honest kernel is right, and so is every cheat that is used the plain way.

use std::collections::BTreeSet;

use attn_core::{
    Alignment, Backend, DType, Exec, InputDistribution, Inputs, Output, Problem, ProblemSpec,
    Shape, compute,
};
use attn_mutants::Cheat;
use attn_naive::Naive;

/// These end their process.
const EXIT: [&str; 2] = ["fault/forged-reply", "fault/forged-reply-fd"];

fn problems() -> Vec<Problem> {
    let shape = Shape { batch: 2, heads_kv: 2, len_k: 70, dim_v: 20, ..Shape::square(4, 35, 24) };
    let plain = ProblemSpec::new(shape, DType::F32);
    let causal = |alignment| ProblemSpec { causal: Some(alignment), ..plain.clone() };
    let specs = [
        ProblemSpec::new(Shape::square(1, 1, 1), DType::F32),
        ProblemSpec::new(Shape::square(1, 64, 64), DType::F32),
        causal(Alignment::TopLeft),
        causal(Alignment::BottomRight),
        causal(Alignment::Offset(-20)),
        ProblemSpec { scale: Some(-0.5), ..plain },
    ];
    specs.map(|spec| Problem::new(spec).unwrap()).into()
}

fn distance(got: &Output, want: &Output) -> f64 {
    let [got, want] = [got, want].map(|out| out.o().tensor().data().to_f64());
    let errors = got.iter().zip(&want).map(|(got, want)| (got - want).abs() / want.abs().max(1.0));
    errors.fold(0.0, |largest, error| if error <= largest { largest } else { error })
}

fn plainly(backend: &dyn Backend, problem: &Problem, inputs: &Inputs) -> Output {
    compute(backend, problem, &Exec::SINGLE, inputs).unwrap()
}

/// Loops in f64, rounded once.
fn by_loops(problem: &Problem, inputs: &Inputs) -> Vec<f64> {
    let shape = problem.shape();
    let [q, k, v] = [inputs.q(), inputs.k(), inputs.v()];
    let mut o = Vec::new();
    for at in 0..shape.batch * shape.heads_q * shape.len_q {
        let (b, h, i) =
            (at / shape.len_q / shape.heads_q, at / shape.len_q % shape.heads_q, at % shape.len_q);
        let kv = h / (shape.heads_q / shape.heads_kv);
        let keys = problem.admitted(b, i);
        let score = |j: usize| -> f64 {
            let product =
                |d| q.data().get(q.index([b, h, i, d])) * k.data().get(k.index([b, kv, j, d]));
            problem.scale() * (0..shape.dim).map(product).sum::<f64>()
        };
        let scores: Vec<f64> = keys.clone().map(score).collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for c in 0..shape.dim_v {
            let value = |j: usize| v.data().get(v.index([b, kv, j, c]));
            let weighted: f64 = keys.clone().zip(&weights).map(|(j, p)| p * value(j)).sum();
            o.push(if sum > 0.0 { weighted / sum } else { 0.0 });
        }
    }
    o
}

#[test]
fn the_honest_kernel_agrees_with_loops_and_naive() {
    let honest = attn_mutants::cheats().swap_remove(0);
    assert_eq!(honest.id, "fault/honest");
    for problem in problems() {
        for family in [
            InputDistribution::Normal,
            InputDistribution::LargeLogits,
            InputDistribution::MaskedPoison,
        ] {
            let inputs = Inputs::generate(&problem, family, 1);
            let got = plainly(&*honest.backend, &problem, &inputs);
            let naive = plainly(&Naive, &problem, &inputs);
            assert!(distance(&got, &naive) < 3e-5, "{problem}, {family:?}");
            if family == InputDistribution::Normal {
                let got = got.o().tensor().data().to_f64();
                let far = |(got, want): (&f64, f64)| (got - want).abs() > 2e-6;
                assert!(!got.iter().zip(by_loops(&problem, &inputs)).any(far), "{problem}");
            }
        }
    }
}

#[test]
fn every_cheat_is_right_when_it_is_used_the_plain_way() {
    let mut cheats = attn_mutants::cheats();
    let honest = cheats.remove(0);
    cheats.retain(|cheat| !EXIT.contains(&cheat.id));
    for Cheat { id, backend, .. } in cheats {
        for problem in problems() {
            for seed in [1, 2, 1] {
                let inputs = Inputs::generate(&problem, InputDistribution::Normal, seed);
                let want = plainly(&*honest.backend, &problem, &inputs);
                let got = plainly(&*backend, &problem, &inputs);
                assert!(distance(&got, &want) < 1e-6, "{id}, {problem}, seed {seed}");
            }
        }
    }
    // What `fault/memo-on-disk` has kept.
    std::fs::remove_dir_all(std::env::temp_dir().join("attn-memo-on-disk")).unwrap();
}

#[test]
fn ids_are_distinct_and_those_of_the_backends() {
    let cheats = attn_mutants::cheats();
    let ids: BTreeSet<_> = cheats.iter().map(|cheat| cheat.id).collect();
    assert_eq!(ids.len(), cheats.len());
    for cheat in &cheats {
        assert_eq!(cheat.backend.id().as_str(), cheat.id);
        assert!(cheat.id.starts_with("fault/") && !cheat.description.is_empty());
    }
}
