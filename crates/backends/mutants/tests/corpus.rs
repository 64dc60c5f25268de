//! The control is right on the whole semantics, and every mutant is wrong somewhere.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use attn_core::{
    Alignment, Backend, DType, Exec, InputDistribution, Inputs, MaskKind, MaskSpec, Output,
    Problem, ProblemSpec, Score, Shape, Span, Window,
};
use attn_mutants::Mutant;
use attn_naive::Naive;
use proptest::prelude::*;

/// Computes on one set of inputs, then on another with the same plan, as the harness does.
fn compute(
    backend: &dyn Backend,
    problem: &Problem,
    distribution: InputDistribution,
) -> [Output; 2] {
    let mut plan = backend.prepare(problem, &Exec::SINGLE).unwrap();
    [1, 2].map(|seed| {
        plan.load(&Inputs::generate(problem, distribution, seed)).unwrap();
        plan.run(NonZeroU32::new(seed as u32).unwrap()).unwrap();
        let mut out = Output::poisoned(problem);
        plan.store(&mut out).unwrap();
        out
    })
}

/// The largest difference of any element, relative to 1 or to what is expected.
fn distance(got: &Output, want: &Output) -> f64 {
    let tensors = [Some((got.o(), want.o())), got.lse().zip(want.lse())];
    let elements = tensors.into_iter().flatten().flat_map(|(got, want)| {
        let [got, want] = [got, want].map(|x| x.tensor().data().to_f64());
        got.into_iter().zip(want).collect::<Vec<_>>()
    });
    let distance = |(got, want): (f64, f64)| match (got - want).abs() / want.abs().max(1.0) {
        _ if got == want => 0.0,
        distance if distance.is_nan() => f64::INFINITY,
        distance => distance,
    };
    let fences = if got.o().fences_intact() { 0.0 } else { f64::INFINITY };
    elements.map(distance).fold(fences, f64::max)
}

prop_compose! {
    fn shapes()(
        batch in 1usize..3, heads_kv in 1usize..3, group in 1usize..4,
        len_q in 1usize..40, len_k in 1usize..70, dim in 1usize..20, dim_v in 1usize..20,
    ) -> Shape {
        let heads_q = heads_kv * group;
        Shape { batch, heads_q, heads_kv, len_q, len_k, dim, dim_k: None, dim_v }
    }
}

fn alignments() -> impl Strategy<Value = Option<Alignment>> {
    prop_oneof![
        Just(None),
        Just(Some(Alignment::TopLeft)),
        Just(Some(Alignment::BottomRight)),
        (-40i64..70).prop_map(|n| Some(Alignment::Offset(n))),
    ]
}

fn windows() -> impl Strategy<Value = Option<Window>> {
    let side = || prop::option::of(0u64..30);
    prop::option::of((side(), side()).prop_map(|(left, right)| Window { left, right }))
}

/// Scores without, with shared and with own weights, all sizes being those of the shape.
fn scores() -> impl Strategy<Value = fn(usize) -> Score> {
    fn general(_: usize) -> Score {
        Score::General { w: Some(Span::PerHead) }
    }
    fn additive(dim: usize) -> Score {
        let own = Some(Span::PerHead);
        Score::Additive { dim: dim + 3, w_q: own, w_k: Some(Span::Shared), w: own }
    }
    fn bare(dim: usize) -> Score {
        Score::Additive { dim, w_q: None, w_k: None, w: None }
    }
    prop::sample::select(vec![|_| Score::ScaledDot, general, additive, bare])
}

prop_compose! {
    fn problems()(
        shape in shapes(), alignment in alignments(), causal in any::<bool>(), window in windows(),
        scale in prop::option::of(-2.0..2.0f64), softcap in prop::option::of(1.0..50.0f64),
        mask in prop::option::of((any::<bool>(), any::<[bool; 4]>())),
        padding in prop::option::of(any::<[u8; 2]>()),
        alibi in any::<bool>(), sinks in any::<bool>(), lse in any::<bool>(), score in scores(),
    ) -> Problem {
        let full = shape.scores();
        let kind = |additive| if additive { MaskKind::Additive } else { MaskKind::Bool };
        Problem::new(ProblemSpec {
            score: score(shape.dim),
            scale,
            causal: alignment.filter(|_| causal),
            align: alignment.filter(|_| !causal),
            window,
            softcap,
            mask: mask.map(|(additive, over)| MaskSpec {
                kind: kind(additive),
                dims: [0, 1, 2, 3].map(|at| if over[at] { full[at] } else { 1 }),
            }),
            kv_len: padding.map(|random| {
                random.iter().take(shape.batch).map(|&n| usize::from(n) % (shape.len_k + 1)).collect()
            }),
            alibi,
            sinks,
            lse,
            ..ProblemSpec::new(shape, DType::F64)
        }).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_control_agrees_with_naive(
        problem in problems(), distribution in prop::sample::select(&InputDistribution::ALL[..]),
    ) {
        let [ours, naives] = [&*attn_mutants::control().backend, &Naive as &dyn Backend]
            .map(|backend| compute(backend, &problem, distribution));
        for (got, want) in ours.iter().zip(&naives) {
            prop_assert!(distance(got, want) <= 1e-12, "{problem}, {distribution:?}");
        }
    }
}

/// A handful of problems between which every part of the semantics and every kind of shape is met.
fn handful() -> Vec<(Problem, InputDistribution)> {
    let shape = Shape { batch: 2, heads_kv: 3, len_k: 65, dim_v: 12, ..Shape::square(6, 35, 20) };
    let plain = ProblemSpec { shape, ..ProblemSpec::new(shape, DType::F32) };
    let square = ProblemSpec::new(Shape { batch: 2, ..Shape::square(2, 65, 20) }, DType::F32);
    let causal = ProblemSpec { causal: Some(Alignment::TopLeft), lse: true, ..square.clone() };
    let corner = Some(Alignment::BottomRight);
    let padded = ProblemSpec { kv_len: Some(vec![33, 20]), causal: corner, ..plain.clone() };
    let mask = |kind| Some(MaskSpec { kind, dims: square.shape.scores() });
    let window = Some(Window { left: Some(9), right: Some(4) });
    let sinks = ProblemSpec { sinks: true, lse: true, softcap: Some(2.0), ..plain.clone() };
    let decode = Shape { len_q: 1, ..shape };
    let w = Some(Span::PerHead);
    let general = ProblemSpec { score: Score::General { w }, ..plain.clone() };
    let score = Score::Additive { dim: 20, w_q: w, w_k: w, w };
    let additive = ProblemSpec { score, ..plain.clone() };
    let specs = [
        (general, InputDistribution::Normal),
        (additive.clone(), InputDistribution::Normal),
        (additive, InputDistribution::LargeLogits),
        (plain.clone(), InputDistribution::Normal),
        (plain.clone(), InputDistribution::LargeLogits),
        (ProblemSpec { dtype: DType::F64, ..plain.clone() }, InputDistribution::Normal),
        (ProblemSpec { dtype: DType::BF16, ..plain.clone() }, InputDistribution::Falling),
        (ProblemSpec { scale: Some(-0.5), ..plain.clone() }, InputDistribution::LargeLogits),
        (ProblemSpec { shape, ..causal.clone() }, InputDistribution::Normal),
        (causal, InputDistribution::Normal),
        (ProblemSpec { causal: None, ..padded.clone() }, InputDistribution::Normal),
        (ProblemSpec { lse: true, ..padded }, InputDistribution::MaskedPoison),
        (ProblemSpec { window, align: corner, ..plain.clone() }, InputDistribution::OneHotV),
        (
            ProblemSpec { causal: Some(Alignment::Offset(7)), ..plain.clone() },
            InputDistribution::Normal,
        ),
        (ProblemSpec { mask: mask(MaskKind::Bool), ..square.clone() }, InputDistribution::Normal),
        (
            ProblemSpec { mask: mask(MaskKind::Additive), ..square.clone() },
            InputDistribution::Normal,
        ),
        (
            ProblemSpec { mask: mask(MaskKind::Bool), softcap: Some(5.0), ..square },
            InputDistribution::Normal,
        ),
        (
            ProblemSpec { alibi: true, align: corner, softcap: Some(2.0), ..plain },
            InputDistribution::Normal,
        ),
        (ProblemSpec { shape: decode, ..sinks.clone() }, InputDistribution::Rising),
        (sinks, InputDistribution::Normal),
    ];
    specs.map(|(spec, distribution)| (Problem::new(spec).unwrap(), distribution)).into()
}

#[test]
fn every_mutant_is_wrong_somewhere_and_the_control_nowhere() {
    let control = attn_mutants::control();
    let handful: Vec<_> = handful()
        .into_iter()
        .map(|(problem, distribution)| {
            let naive = compute(&Naive, &problem, distribution);
            let honest = compute(&*control.backend, &problem, distribution);
            let noise = largest(&honest, &naive);
            let u = problem.dtype().unit_roundoff();
            assert!(noise <= 2000.0 * u, "{problem}, {distribution:?}: {noise:e}");
            (problem, distribution, naive, noise)
        })
        .collect();
    let differs = |mutant: &Mutant| {
        handful.iter().any(|(problem, distribution, naive, noise)| {
            largest(&compute(&*mutant.backend, problem, *distribution), naive) > 1.5 * noise
        })
    };
    let equivalent: Vec<_> =
        attn_mutants::all().into_iter().filter(|m| !differs(m)).map(|m| m.id).collect();
    assert_eq!(equivalent, [""; 0]);
}

fn largest(got: &[Output; 2], want: &[Output; 2]) -> f64 {
    got.iter().zip(want).map(|(got, want)| distance(got, want)).fold(0.0, f64::max)
}

#[test]
fn ids_are_distinct_paths_and_those_of_the_backends() {
    let mutants = attn_mutants::all();
    let ids: BTreeSet<_> = mutants.iter().map(|mutant| mutant.id).collect();
    assert_eq!(ids.len(), mutants.len());
    assert!(mutants.len() >= 45);
    for mutant in mutants.iter().chain([&attn_mutants::control()]) {
        assert_eq!(mutant.backend.id().as_str(), mutant.id);
        assert!(mutant.id.starts_with("mutant/") && !mutant.description.is_empty());
    }
}
