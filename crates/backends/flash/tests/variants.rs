//! Every variant against plain loops in the same precision, over shapes that leave remainders everywhere.

use std::num::NonZeroUsize;

use attn_core::{
    Alignment, Backend, DType, Exec, InputDistribution, Inputs, MaskKind, MaskSpec, Output,
    Problem, ProblemSpec, Shape, Window, compute,
};
use attn_flash::{Flash, Variant};
use attn_naive::Naive;
use proptest::prelude::*;

/// The variants that this processor can run: two are for every one.
fn variants() -> Vec<Flash> {
    let variants: Vec<_> =
        Variant::ALL.into_iter().map(Flash).filter(|variant| variant.probe().is_ok()).collect();
    assert!(
        variants.iter().any(|variant| variant.0 == Variant::Scalar),
        "scalar needs no instructions"
    );
    assert!(
        variants.iter().any(|variant| variant.0 == Variant::Tiled),
        "tiled needs no instructions"
    );
    variants
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_the_processor_has_is_not_said_to_be_lacking() {
    use std::arch::is_x86_feature_detected as detected;
    let instructions = [
        ("AVX2", detected!("avx2")),
        ("FMA", detected!("fma")),
        ("F16C", detected!("f16c")),
        ("AVX-512F", detected!("avx512f")),
        ("AVX-512BW", detected!("avx512bw")),
        ("AVX512-BF16", detected!("avx512bf16")),
        ("AMX-TILE", attn_sys::amx::has_tiles()),
        ("AMX-BF16", attn_sys::amx::has_bf16()),
    ];
    for variant in Variant::ALL {
        let Err(unavailable) = Flash(variant).probe() else { continue };
        let Some(lacking) = unavailable.reason.strip_prefix("this processor lacks ") else {
            assert_eq!(unavailable.reason, "the system does not let this process use AMX");
            continue;
        };
        for name in lacking.split(", ") {
            assert!(instructions.contains(&(name, false)), "{variant:?}: {}", unavailable.reason);
        }
    }
}

fn alignments() -> impl Strategy<Value = Option<Alignment>> {
    prop_oneof![
        Just(None),
        Just(Some(Alignment::TopLeft)),
        Just(Some(Alignment::BottomRight)),
        (-70i64..150).prop_map(|n| Some(Alignment::Offset(n))),
    ]
}

prop_compose! {
    fn shapes()(
        batch in 1usize..3, heads_kv in 1usize..3, group in 1usize..5,
        len_q in prop_oneof![1usize..4, 1usize..150], len_k in 1usize..300,
        dim in 1usize..80, dim_v in 1usize..80,
    ) -> Shape {
        Shape { batch, heads_q: heads_kv * group, heads_kv, len_q, len_k, dim, dim_v, dim_k: None }
    }
}

prop_compose! {
    fn problems()(
        shape in shapes(), dtype in prop::sample::select(DType::ALL.to_vec()),
        alignment in alignments(), causal in any::<bool>(),
        window in prop::option::of((prop::option::of(0u64..200), prop::option::of(0u64..200))),
        softcap in prop::option::of(1.0f64..30.0), padded in any::<bool>(),
        mask in prop::option::of((any::<bool>(), any::<[bool; 4]>())),
        [alibi, sinks, lse] in any::<[bool; 3]>(), seed in any::<u64>(),
    ) -> (Problem, u64) {
        let lengths = (0..shape.batch).map(|b| (seed as usize % 977 + 131 * b) % (shape.len_k + 1));
        let full = shape.scores();
        let dims = |full_axes: [bool; 4]| {
            [0, 1, 2, 3].map(|axis| if full_axes[axis] { full[axis] } else { 1 })
        };
        let kind = |additive| if additive { MaskKind::Additive } else { MaskKind::Bool };
        let spec = ProblemSpec {
            causal: alignment.filter(|_| causal),
            align: alignment.filter(|_| !causal),
            window: window.map(|(left, right)| Window { left, right }),
            softcap,
            kv_len: padded.then(|| lengths.collect()),
            mask: mask.map(|(additive, axes)| MaskSpec { kind: kind(additive), dims: dims(axes) }),
            alibi,
            sinks,
            lse,
            ..ProblemSpec::new(shape, dtype)
        };
        (Problem::new(spec).unwrap(), seed)
    }
}

/// Whether two results are as near as plain loops in the same precision can be told apart, or in the one that weights are
/// rounded to: some units in the last place.
fn agrees(
    variant: Variant,
    (problem, units): (&Problem, f64),
    got: &Output,
    want: &Output,
) -> Result<(), String> {
    let rounds =
        matches!(variant, Variant::Avx512Bf16 | Variant::Amx) && problem.dtype() == DType::BF16;
    if !got.o().fences_intact() {
        return Err(format!("{problem}: written past the end"));
    }
    let outputs = [(got.o(), want.o())].into_iter().chain(got.lse().zip(want.lse()));
    for (got, want) in outputs {
        let (got, want) = (got.tensor(), want.tensor());
        let least = if problem.dtype() == DType::F64 { 0.0 } else { f64::from(f32::EPSILON) };
        let weights = if rounds { DType::BF16.unit_roundoff() } else { 0.0 };
        let tolerance = (units * got.dtype().unit_roundoff().max(least)).max(weights);
        for at in 0..got.data().len() {
            let (a, b) = (got.data().get(at), want.data().get(at));
            if a != b && (a - b).abs() > tolerance * b.abs().max(1.0) {
                return Err(format!("{problem}: element {at}: {a}, expected {b}"));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agree_with_plain_loops_with_any_number_of_threads((problem, seed) in problems(), threads in 1usize..4) {
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, seed);
        let want = compute(&Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
        let exec = Exec { threads: NonZeroUsize::new(threads).unwrap() };
        let units = 100.0 + 10.0 * largest_bias(&problem, &inputs);
        for variant in variants() {
            let got = compute(&variant, &problem, &exec, &inputs).unwrap();
            agrees(variant.0, (&problem, units), &got, &want).map_err(|error| TestCaseError::fail(format!("{}: {error}", variant.id())))?;
            let again = compute(&variant, &problem, &exec, &inputs).unwrap();
            prop_assert_eq!(again.o().tensor(), got.o().tensor(), "{}: {}", variant.id(), problem);
        }
    }
}

/// The largest |slope (diag(i) - j)| of the rows: a score of this size is rounded to as many units, and a weight, e^score, errs by them.
fn largest_bias(problem: &Problem, inputs: &Inputs) -> f64 {
    let Shape { batch, len_q, len_k, .. } = *problem.shape();
    let corners = (0..batch).flat_map(|b| [(b, 0), (b, len_q - 1)]);
    let distances = corners.flat_map(|(b, i)| {
        [0, len_k - 1].map(|j| problem.diagonal(b, i).abs_diff(j as i64) as f64)
    });
    let slopes = inputs.slopes().into_iter().flatten().map(|&slope| f64::from(slope));
    slopes.fold(0.0, f64::max) * distances.fold(0.0, f64::max)
}

fn values(tensor: &attn_core::Tensor) -> Vec<f64> {
    (0..tensor.data().len()).map(|at| tensor.data().get(at)).collect()
}

#[test]
fn a_query_with_one_key_gets_its_value_bit_by_bit() {
    for (len_q, dtype) in [1, 3, 100].into_iter().flat_map(|n| DType::ALL.map(|dtype| (n, dtype))) {
        let shape = Shape { len_k: 1, dim_v: 33, ..Shape::square(2, len_q, 40) };
        let problem = Problem::new(ProblemSpec::new(shape, dtype)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::LargeLogits, 5);
        let v = values(inputs.v());
        for variant in variants() {
            let got = compute(&variant, &problem, &Exec::SINGLE, &inputs).unwrap();
            for (row, o) in values(&got.o().tensor()).chunks(33).enumerate() {
                assert_eq!(
                    o,
                    &v[row / len_q * 33..][..33],
                    "{}: {problem}: row {row}",
                    variant.id()
                );
            }
        }
    }
}

#[test]
fn a_few_queries_may_have_more_keys_than_one_pass_takes() {
    for (group, len_k, threads) in [(1, 2047, 1), (3, 2049, 1), (4, 4500, 2), (8, 6145, 3)] {
        for dtype in DType::ALL {
            let shape = Shape {
                heads_q: 2 * group,
                heads_kv: 2,
                len_k,
                dim_v: 21,
                ..Shape::square(1, 1, 19)
            };
            let window = Some(Window { left: Some(len_k as u64 - 7), right: None });
            let align = Some(Alignment::BottomRight);
            let spec = ProblemSpec { window, align, lse: true, ..ProblemSpec::new(shape, dtype) };
            let problem = Problem::new(spec).unwrap();
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, len_k as u64);
            let want = compute(&Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
            let exec = Exec { threads: NonZeroUsize::new(threads).unwrap() };
            for variant in variants() {
                let got = compute(&variant, &problem, &exec, &inputs).unwrap();
                agrees(variant.0, (&problem, 100.0), &got, &want)
                    .unwrap_or_else(|error| panic!("{}: {error}", variant.id()));
            }
        }
    }
}

/// Keys and values of a head that outgrow the second-level cache are packed block by block, not once for all tiles.
#[test]
fn keys_that_outgrow_the_cache_are_packed_again_for_each_tile() {
    for (causal, dims) in [(None, (50, 33)), (Some(Alignment::BottomRight), (64, 64))] {
        let (dim, dim_v) = dims;
        let shape = Shape { len_k: 20_011, dim_v, ..Shape::square(1, 150, dim) };
        let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, DType::BF16) };
        let problem = Problem::new(spec).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 3);
        let want = compute(&Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
        for variant in variants() {
            let got = compute(&variant, &problem, &Exec::SINGLE, &inputs).unwrap();
            agrees(variant.0, (&problem, 1.0), &got, &want)
                .unwrap_or_else(|error| panic!("{}: {error}", variant.id()));
        }
    }
}

/// Scores that grow with the key, that fall, that are far apart: maxima are exceeded a little, by much, or never. Some are in the
/// hundreds, and err by as many units.
#[test]
fn maxima_may_come_early_or_late() {
    use InputDistribution::{Falling, Flat, LargeLogits, Needle, Rising};
    for distribution in [Rising, Falling, Flat, LargeLogits, Needle] {
        for (dtype, causal) in
            DType::ALL.into_iter().flat_map(|dtype| [(dtype, false), (dtype, true)])
        {
            let shape = Shape { len_q: 70, ..Shape::square(2, 700, 48) };
            let causal = causal.then_some(Alignment::BottomRight);
            let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, dtype) };
            let problem = Problem::new(spec).unwrap();
            for seed in 0..4 {
                let inputs = Inputs::generate(&problem, distribution, seed);
                let want = compute(&Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
                for variant in variants() {
                    let got = compute(&variant, &problem, &Exec::SINGLE, &inputs).unwrap();
                    agrees(variant.0, (&problem, 10_000.0), &got, &want).unwrap_or_else(|error| {
                        panic!("{}, {distribution:?}: {error}", variant.id())
                    });
                }
            }
        }
    }
}
