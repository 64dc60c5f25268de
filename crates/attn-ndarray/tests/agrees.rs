//! The backend computes what the naive one computes in f64.

use std::num::NonZeroUsize;

use attn_core::{
    Alignment, Backend, DType, Data, Exec, Family, Inputs, Problem, ProblemSpec, Shape, Tensor,
    compute,
};
use attn_naive::Naive;
use attn_ndarray::Ndarray;
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
    fn small_problems_agree_with_naive(problem in problems(), threads in 1usize..=2) {
        prop_assert_eq!(Ndarray.supports(&problem), Ok(()));
        assert_agrees(&Ndarray, &problem, threads);
    }
}

#[test]
fn problems_large_enough_for_threads_agree_with_naive() {
    for dtype in DType::ALL {
        let shape = Shape {
            heads_kv: 1,
            len_k: 333,
            dim_v: 48,
            ..Shape::square(2, 300, 64)
        };
        for causal in [None, Some(Alignment::BottomRight)] {
            let spec = ProblemSpec {
                causal,
                ..ProblemSpec::new(shape, dtype)
            };
            let problem = Problem::new(spec).unwrap();
            for threads in [1, 2] {
                assert_agrees(&Ndarray, &problem, threads);
            }
        }
    }
}

#[test]
fn the_receipt_names_the_locked_versions() {
    let lock = include_str!("../../../Cargo.lock");
    let receipt = Ndarray.probe().unwrap();
    for library in receipt.library.split(", ") {
        let (name, version) = library.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
        assert!(lock.contains(&entry), "{library} is not in Cargo.lock");
    }
}
