//! The attention layer: every backend with every projection against the definition in f64, and what
//! must hold of a layer whatever the numbers are.

mod reference;

use attn_cli::registry;
use attn_core::{Alignment, DType, Exec, InputDistribution, Inputs, Problem, ProblemSpec, Shape};
use attn_head::{Biases, Engines, Layer, LayerProblem, LayerSpec, Projection, Weights};
use proptest::prelude::*;
use reference::Reference;

use crate::refusals::backends_here;
use crate::threads;

fn normal(count: usize, seed: u64, deviation: f64) -> Vec<f32> {
    let spec = ProblemSpec::new(Shape::square(1, count, 1), DType::F32);
    let inputs = Inputs::generate(&Problem::new(spec).unwrap(), InputDistribution::Normal, seed);
    inputs.q().data().to_f64().iter().map(|x| (x * deviation) as f32).collect()
}

/// A layer with everything that it is computed from.
struct Case {
    problem: LayerProblem,
    weights: Weights,
    x: Vec<f32>,
    context: Option<Vec<f32>>,
}

impl Case {
    fn new(spec: LayerSpec, biased: bool, seed: u64) -> Self {
        let problem = LayerProblem::new(spec).unwrap();
        let LayerSpec { model, shape, .. } = spec;
        let Shape { heads_q, heads_kv, dim, dim_v, batch, len_q, len_k, .. } = shape;
        // Products of unit variance, so that scores have variance 1 and no weight dominates.
        let narrow = 1.0 / (model as f64).sqrt();
        let seeded = |n: u64| seed.wrapping_mul(16).wrapping_add(n);
        let biases = biased.then(|| Biases {
            q: normal(heads_q * dim, seeded(4), 0.5),
            k: normal(heads_kv * dim, seeded(5), 0.5),
            down: normal(heads_kv * dim_v, seeded(6), 0.5),
            up: normal(model, seeded(7), 0.5),
        });
        let weights = Weights {
            q: normal(heads_q * model * dim, seeded(0), narrow),
            k: normal(heads_kv * model * dim, seeded(1), narrow),
            down: normal(heads_kv * model * dim_v, seeded(2), narrow),
            up: normal(heads_q * dim_v * model, seeded(3), 1.0 / ((heads_q * dim_v) as f64).sqrt()),
            biases,
        };
        let x = normal(batch * len_q * model, seeded(8), 1.0);
        let context = (len_q != len_k).then(|| normal(batch * len_k * model, seeded(9), 1.0));
        Case { problem, weights, x, context }
    }

    /// With a number of threads that is drawn from the problem: a problem always has the same.
    fn forward(&self, backend: &dyn attn_core::Backend, projection: &dyn Projection) -> Vec<f32> {
        let exec = threads::exec(backend, &self.problem.attention().to_string());
        let engines = Engines { backend, projection, exec };
        let mut layer = Layer::prepare(&self.problem, &self.weights, engines).unwrap();
        layer.forward(&self.x, self.context.as_deref()).unwrap()
    }

    fn plain(&self) -> Vec<f32> {
        self.forward(&registry::NAIVE, &attn_head::Naive)
    }

    fn reference(&self) -> Reference {
        Reference::compute(&self.problem, &self.weights, &self.x, self.context.as_deref())
    }
}

/// Self-attention, causal, grouped heads, and a decoder that looks at an encoder.
fn cases() -> Vec<Case> {
    let shape = Shape { batch: 2, dim_v: 6, ..Shape::square(3, 9, 8) };
    let plain = LayerSpec { shape, ..LayerSpec::square(3, 9, 20, 8) };
    let causal = LayerSpec { causal: Some(Alignment::TopLeft), ..plain };
    let grouped = LayerSpec { shape: Shape { heads_q: 4, heads_kv: 2, ..shape }, ..causal };
    let cross = LayerSpec { shape: Shape { len_k: 17, ..shape }, ..plain };
    let one = LayerSpec::square(1, 1, 1, 1);
    let trained = LayerSpec::square(12, 24, 384, 32);
    vec![
        Case::new(plain, false, 1),
        Case::new(causal, false, 2),
        Case::new(grouped, true, 3),
        Case::new(cross, true, 4),
        Case::new(one, false, 5),
        Case::new(trained, true, 6),
    ]
}

/// The backends that compute the attention of `problem`.
fn supporting(problem: &LayerProblem) -> Vec<attn_bench::run::Entry> {
    let mut entries = backends_here();
    entries.retain(|entry| entry.backend.supports(problem.attention()).is_ok());
    // Four compute everything, two variants of flash any scaled dot product on any processor.
    assert!(entries.len() >= 6, "{}", problem.attention());
    entries
}

#[test]
fn every_backend_with_every_projection_is_within_the_bound_of_f32() {
    let mut computed = 0;
    for case in cases() {
        let reference = case.reference();
        // The plain loops sum one after another, which errs most. Where their roundings happen to
        // cancel, four of them at the largest number are allowed.
        let largest = reference.out.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let yardstick = 4.0 * reference.worst(&case.plain()).max(largest * 2f64.powi(-24));
        for entry in supporting(&case.problem) {
            for projection in attn_head::all() {
                let out = case.forward(&*entry.backend, projection);
                let names = (entry.backend.id(), projection.name());
                let share = reference.share(&out);
                assert!(share <= 1.0, "{} {names:?}: {share}", case.problem.attention());
                let worst = reference.worst(&out);
                assert!(worst <= yardstick, "{names:?}: {worst:e}, allowed {yardstick:e}");
                computed += 1;
            }
        }
    }
    assert!(computed >= 6 * 6 * 4, "{computed}");
}

#[test]
fn the_bound_sees_every_kind_of_wrong_layer() {
    let good = Case::new(LayerSpec::square(2, 5, 12, 4), true, 7);
    let reference = good.reference();
    assert!(reference.share(&good.plain()) <= 1.0);
    let wrong = |change: &dyn Fn(&mut Case)| {
        let mut case = Case::new(LayerSpec::square(2, 5, 12, 4), true, 7);
        change(&mut case);
        reference.share(&case.plain())
    };
    let half = 12 * 4;
    let spec = LayerSpec::square(2, 5, 12, 4);
    let other = |spec| LayerProblem::new(spec).unwrap();
    let shares = [
        ("heads swapped", wrong(&|c| c.weights.up.rotate_left(half))),
        ("a head missing", wrong(&|c| c.weights.up[half..].fill(0.0))),
        ("no bias", wrong(&|c| c.weights.biases = None)),
        (
            "queries and keys swapped",
            wrong(&|c| std::mem::swap(&mut c.weights.q, &mut c.weights.k)),
        ),
        ("another scale", wrong(&|c| c.problem = other(LayerSpec { scale: Some(0.49), ..spec }))),
        (
            "causal",
            wrong(&|c| {
                c.problem = other(LayerSpec { causal: Some(Alignment::TopLeft), ..spec });
            }),
        ),
    ];
    for (what, share) in shares {
        assert!(share > 10.0, "{what}: {share}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let mut case = Case::new(LayerSpec::square(2, 5, 12, 4), true, 7);
    let engines =
        || Engines { backend: &registry::NAIVE, projection: &attn_head::Naive, exec: Exec::SINGLE };
    let mut layer = Layer::prepare(&case.problem, &case.weights, engines()).unwrap();
    let short = layer.forward(&case.x[1..], None).unwrap_err().to_string();
    assert_eq!(short, "x has 59 elements, expected 60 for [B, Nq, M]");
    let nan = vec![f32::NAN; 60];
    assert!(layer.forward(&nan, None).unwrap_err().to_string().starts_with("after projection, "));
    drop(layer);
    case.weights.down.pop();
    let error = Layer::prepare(&case.problem, &case.weights, engines()).err().unwrap().to_string();
    assert_eq!(error, "W_down has 95 elements, expected 96 for [Hkv, M, Dv]");
    let shape = Shape { len_k: 6, ..Shape::square(2, 5, 4) };
    let cross = Case::new(LayerSpec { shape, ..LayerSpec::square(2, 5, 12, 4) }, false, 1);
    let mut layer = Layer::prepare(&cross.problem, &cross.weights, engines()).unwrap();
    let error = layer.forward(&cross.x, None).unwrap_err().to_string();
    assert!(error.contains("cross attention"), "{error}");
    assert!(LayerProblem::new(LayerSpec::square(1, 1, 0, 1)).is_err());
}

fn spec() -> impl Strategy<Value = LayerSpec> {
    let sizes =
        (1..=3usize, 1..=3usize, 1..=2usize, 1..=9usize, 1..=9usize, 1..=7usize, 1..=7usize);
    (sizes, 1..=12usize).prop_map(|((batch, heads_kv, group, len_q, len_k, dim, dim_v), model)| {
        let heads_q = heads_kv * group;
        let shape = Shape { batch, heads_q, heads_kv, len_q, len_k, dim, dim_k: None, dim_v };
        LayerSpec { model, shape, scale: None, causal: None }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_layer_is_within_the_bound(spec in spec(), biased: bool, seed in 0..1000u64) {
        let case = Case::new(spec, biased, seed);
        let share = case.reference().share(&case.plain());
        prop_assert!(share <= 1.0, "{share}");
    }

    /// The change of a layer is the sum of the changes of its heads, each alone.
    #[test]
    fn heads_add_up(spec in spec(), seed in 0..1000u64) {
        let spec = LayerSpec { shape: Shape { heads_q: spec.shape.heads_kv, ..spec.shape }, ..spec };
        let case = Case::new(spec, false, seed);
        let together = case.plain();
        let shape = Shape { heads_q: 1, heads_kv: 1, ..spec.shape };
        let mut sum: Vec<f64> = case.x.iter().map(|&x| f64::from(x)).collect();
        for h in 0..spec.shape.heads_q {
            let of = |w: &[f32]| w.chunks_exact(w.len() / spec.shape.heads_q).nth(h).unwrap().to_vec();
            let Weights { q, k, down, up, .. } = &case.weights;
            let [q, k, down, up] = [q, k, down, up].map(|w| of(w));
            let head = Case {
                problem: LayerProblem::new(LayerSpec { shape, ..spec }).unwrap(),
                weights: Weights { q, k, down, up, biases: None },
                x: case.x.clone(),
                context: case.context.clone(),
            };
            let changed = head.plain();
            let delta = changed.iter().zip(&case.x).map(|(y, x)| f64::from(*y) - f64::from(*x));
            sum.iter_mut().zip(delta).for_each(|(sum, delta)| *sum += delta);
        }
        for (sum, together) in sum.iter().zip(&together) {
            // Each head rounds its own sum with x.
            prop_assert!((sum - f64::from(*together)).abs() <= 1e-5 * (1.0 + sum.abs()));
        }
    }

    /// What a causal layer says of a token is, to the last bit, the same whatever comes after it.
    #[test]
    fn later_tokens_change_nothing_earlier(spec in spec(), at in 0..9usize, seed in 0..1000u64) {
        let shape = Shape { len_k: spec.shape.len_q, ..spec.shape };
        let spec = LayerSpec { shape, causal: Some(Alignment::TopLeft), ..spec };
        let first = at.min(shape.len_q - 1);
        let mut case = Case::new(spec, true, seed);
        for entry in supporting(&case.problem) {
            let before = case.forward(&*entry.backend, &attn_head::Naive);
            let kept = case.x.clone();
            let rows = shape.len_q * spec.model;
            for x in case.x.chunks_exact_mut(rows) {
                x[first * spec.model..].iter_mut().for_each(|x| *x = 3.0 - *x);
            }
            let after = case.forward(&*entry.backend, &attn_head::Naive);
            case.x = kept;
            let sequences = before.chunks_exact(rows).zip(after.chunks_exact(rows));
            for (before, after) in sequences {
                let earlier = first * spec.model;
                prop_assert_eq!(&before[..earlier], &after[..earlier], "{}", entry.backend.id());
                prop_assert_ne!(&before[earlier..], &after[earlier..]);
            }
        }
    }

    /// Several sequences at once are, to the last bit, each by itself.
    #[test]
    fn a_batch_is_its_sequences(spec in spec(), seed in 0..1000u64) {
        let case = Case::new(spec, true, seed);
        let one = LayerSpec { shape: Shape { batch: 1, ..spec.shape }, ..spec };
        for entry in supporting(&case.problem) {
            let together = case.forward(&*entry.backend, &attn_head::Naive);
            let rows = spec.shape.len_q * spec.model;
            let context = spec.shape.len_k * spec.model;
            for (b, together) in together.chunks_exact(rows).enumerate() {
                let alone = Case {
                    problem: LayerProblem::new(one).unwrap(),
                    weights: case.weights.clone(),
                    x: case.x[b * rows..][..rows].to_vec(),
                    context: case.context.as_ref().map(|c| c[b * context..][..context].to_vec()),
                };
                let alone = alone.forward(&*entry.backend, &attn_head::Naive);
                prop_assert_eq!(together, &alone[..], "{}", entry.backend.id());
            }
        }
    }
}
