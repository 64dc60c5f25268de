//! Both backends compute what the naive one computes in f64.

use std::num::NonZeroUsize;

use attn_candle::{Composed, Fused};
use attn_core::{
    Alignment, Backend, DType, Data, Exec, Family, Feature, Inputs, Problem, ProblemSpec, Shape,
    Tensor, compute,
};
use attn_naive::Naive;
use proptest::prelude::*;

fn problems() -> impl Strategy<Value = Problem> {
    let causal = prop_oneof![
        Just(None),
        Just(Some(Alignment::TopLeft)),
        Just(Some(Alignment::BottomRight)),
        (-8i64..=8).prop_map(|n| Some(Alignment::Offset(n))),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(|n| Some(Alignment::Offset(n))),
    ];
    let heads = (1usize..=3, 1usize..=3, 1usize..=3);
    let sizes = (1usize..=20, 1usize..=20, 1usize..=40, 1usize..=40);
    let dtype = prop_oneof![Just(DType::F32), Just(DType::F64)];
    let scale = proptest::option::of(-0.5..0.5);
    (heads, sizes, causal, dtype, scale).prop_map(
        |((batch, heads_kv, group), (len_q, len_k, dim, dim_v), causal, dtype, scale)| {
            let heads_q = heads_kv * group;
            let shape = Shape {
                batch,
                heads_q,
                heads_kv,
                len_q,
                len_k,
                dim,
                dim_v,
            };
            Problem::new(ProblemSpec {
                shape,
                dtype,
                scale,
                causal,
            })
            .unwrap()
        },
    )
}

/// Seeded inputs, NaN in every row of k and v that no query admits.
fn inputs(problem: &Problem) -> Inputs {
    let clean = Inputs::generate(problem, Family::Normal, 11);
    let used = problem.used_keys().end;
    let poisoned = |tensor: &Tensor| {
        let [_, _, len, width] = tensor.dims();
        let values = (0..tensor.data().len()).map(|at| {
            let read = at / width % len < used;
            if read {
                tensor.data().get(at)
            } else {
                f64::NAN
            }
        });
        Tensor::new(tensor.dims(), Data::from_f64(problem.dtype(), values)).unwrap()
    };
    let (k, v) = (poisoned(clean.k()), poisoned(clean.v()));
    Inputs::new(problem, clean.q().clone(), k, v).unwrap()
}

/// The same numbers, computed by naive in f64.
fn reference(problem: &Problem, inputs: &Inputs) -> Tensor {
    let spec = ProblemSpec {
        dtype: DType::F64,
        ..*problem.spec()
    };
    let problem = Problem::new(spec).unwrap();
    let wide = |tensor: &Tensor| {
        let values = (0..tensor.data().len()).map(|at| tensor.data().get(at));
        Tensor::new(tensor.dims(), Data::from_f64(DType::F64, values)).unwrap()
    };
    let inputs = Inputs::new(
        &problem,
        wide(inputs.q()),
        wide(inputs.k()),
        wide(inputs.v()),
    );
    let out = compute(&Naive, &problem, &Exec::SINGLE, &inputs.unwrap());
    out.unwrap().tensor()
}

fn assert_agrees(backend: &dyn Backend, problem: &Problem, threads: usize) {
    let inputs = inputs(problem);
    let want = reference(problem, &inputs);
    let exec = Exec {
        threads: NonZeroUsize::new(threads).unwrap(),
    };
    let got = compute(backend, problem, &exec, &inputs).unwrap().tensor();
    let shape = problem.shape();
    let values = inputs.v().data();
    let largest = (0..values.len()).fold(0.0, |m: f64, at| m.max(values.get(at).abs()));
    let tolerance = largest
        * match problem.dtype() {
            DType::F32 => 3e-5,
            DType::F64 => 1e-13,
        };
    for at in 0..want.data().len() {
        let row = at / shape.dim_v % shape.len_q;
        let (got, want) = (got.data().get(at), want.data().get(at));
        let allowed = if problem.admitted(row).is_empty() {
            0.0
        } else {
            tolerance
        };
        assert!(
            (got - want).abs() <= allowed,
            "{problem}, {threads} threads: element {at} is {got}, expected {want}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn composed_agrees_with_naive(problem in problems(), threads in 1usize..=2) {
        prop_assert_eq!(Composed.supports(&problem), Ok(()));
        assert_agrees(&Composed, &problem, threads);
    }

    #[test]
    fn fused_agrees_with_naive_or_refuses_what_candle_lacks(
        problem in fused_problems(),
        threads in 1usize..=2,
    ) {
        let refused = Fused.supports(&problem).err().map(|unsupported| unsupported.feature);
        prop_assert_eq!(refused, lacks(&problem));
        if refused.is_none() {
            assert_agrees(&Fused, &problem, threads);
        }
    }
}

/// Like [`problems`], but mostly f32 with equal widths.
fn fused_problems() -> impl Strategy<Value = Problem> {
    let alike = |problem: Problem| {
        let ProblemSpec { shape, .. } = *problem.spec();
        let shape = Shape {
            dim_v: shape.dim,
            ..shape
        };
        let spec = ProblemSpec {
            shape,
            dtype: DType::F32,
            ..*problem.spec()
        };
        Problem::new(spec).unwrap()
    };
    prop_oneof![1 => problems(), 9 => problems().prop_map(alike)]
}

/// What candle-nn's kernel cannot be asked.
fn lacks(problem: &Problem) -> Option<Feature> {
    let shape = problem.shape();
    let rows: Vec<_> = (0..shape.len_q)
        .map(|i| problem.admitted(i).len())
        .collect();
    let all = |i: usize| rows[i] == shape.len_k;
    let last_sees_last = problem
        .causal()
        .is_some_and(|a| a.offset(shape) == shape.len_k as i64 - shape.len_q as i64);
    if problem.dtype() == DType::F64 {
        Some(Feature::DType(DType::F64))
    } else if shape.dim_v != shape.dim {
        Some(Feature::ValueDim)
    } else if shape.batch == 1
        || (0..shape.len_q).all(all)
        || last_sees_last && shape.len_k >= shape.len_q
    {
        None
    } else {
        Some(Feature::Causal)
    }
}

#[test]
fn problems_large_enough_for_threads_agree_with_naive() {
    for (dtype, dim_v) in [(DType::F32, 64), (DType::F64, 48)] {
        let shape = Shape {
            heads_kv: 1,
            len_k: 333,
            dim_v,
            ..Shape::square(2, 300, 64)
        };
        for causal in [None, Some(Alignment::BottomRight)] {
            let spec = ProblemSpec {
                causal,
                ..ProblemSpec::new(shape, dtype)
            };
            let problem = Problem::new(spec).unwrap();
            for threads in [1, 2] {
                assert_agrees(&Composed, &problem, threads);
                if Fused.supports(&problem).is_ok() {
                    assert_agrees(&Fused, &problem, threads);
                }
            }
        }
    }
}

#[test]
fn the_receipts_name_the_locked_versions() {
    let lock = include_str!("../../../Cargo.lock");
    for receipt in [Composed.probe().unwrap(), Fused.probe().unwrap()] {
        for library in receipt.library.split(", ") {
            let (name, version) = library.split_once(' ').unwrap();
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
            assert!(lock.contains(&entry), "{library} is not in Cargo.lock");
        }
    }
}
