//! What must hold of attention whatever the numbers are, for every backend, without an oracle.
//!
//! Problems are drawn from the whole semantics; where a property needs less (no mask that depends on
//! positions, say), the problem is cut down to that. A failure prints the problem and, as the minimal
//! input, its number: the test runs it again, and `attn soak --seed 2026 --first NUMBER --cases 1` judges
//! the problem that it was cut down from.

use std::num::NonZeroUsize;

use attn_bench::random::draw;
use attn_core::{
    Alignment, Backend, DType, Data, Exec, InputDistribution, InputParts, Inputs, MaskKind,
    MaskSpec, Problem, ProblemSpec, Score, ScoreKind, ScoreWeights, Shape, Span, Tensor,
    ThreadPolicy, compute,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::refusals::backends_here;
use crate::threads;

const SEED: u64 = 2026;

/// A random problem in f32 or f64, with the pieces removed that `strip` removes.
fn problem(number: u64, strip: impl Fn(&mut ProblemSpec)) -> Problem {
    let (problem, _, _) = draw(SEED, number);
    let mut spec = problem.spec().clone();
    if !matches!(spec.dtype, DType::F32 | DType::F64) {
        spec.dtype = DType::F32;
    }
    spec.lse = false;
    strip(&mut spec);
    Problem::new(spec).unwrap()
}

fn inputs(problem: &Problem, number: u64) -> Inputs {
    Inputs::generate(problem, InputDistribution::Normal, number)
}

/// With a number of threads that is drawn from the problem: a problem always has the same.
fn run(backend: &dyn Backend, problem: &Problem, inputs: &Inputs) -> Tensor {
    let exec = threads::exec(backend, &problem.to_string());
    compute(backend, problem, &exec, inputs).unwrap().o().tensor()
}

/// Backends that support every problem: a property that they do not meet is not tested.
const UNIVERSAL: [&str; 4] = ["naive", "ndarray", "faer", "candle/composed"];

/// Runs `check` for every backend that supports `problem`.
fn for_each_backend(
    problem: &Problem,
    check: impl Fn(&dyn Backend) -> TestCaseResult,
) -> TestCaseResult {
    let mut met = Vec::new();
    for entry in backends_here() {
        if entry.backend.supports(problem).is_ok() {
            let id = entry.backend.id();
            check(entry.backend.as_ref())
                .map_err(|error| TestCaseError::fail(format!("{id}: {error}")))?;
            met.push(id);
        }
    }
    for id in UNIVERSAL {
        prop_assert!(met.iter().any(|met| met.as_str() == id), "{problem}: not met by {id}");
    }
    Ok(())
}

/// Equal up to what reordering sums may change.
fn assert_close(problem: &Problem, v: &Tensor, a: &Tensor, b: &Tensor) -> TestCaseResult {
    let largest = v
        .data()
        .to_f64()
        .into_iter()
        .filter(|x| x.is_finite())
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    let tolerance = 400.0 * problem.dtype().unit_roundoff() * largest;
    for at in 0..a.data().len() {
        let (x, y) = (a.data().get(at), b.data().get(at));
        prop_assert!((x - y).abs() <= tolerance, "{problem}: element {at}: {x} and {y}");
    }
    Ok(())
}

pub(crate) fn parts(inputs: &Inputs) -> InputParts {
    inputs.parts().clone()
}

/// A tensor of the same type whose rows are `row(b, h, i)` of the old one.
fn gather(old: &Tensor, dims: [usize; 4], row: impl Fn([usize; 3]) -> [usize; 3]) -> Tensor {
    let width = dims[3];
    let mut values = Vec::new();
    for at in 0..dims[0] * dims[1] * dims[2] {
        let (head, i) = (at / dims[2], at % dims[2]);
        let [b, h, i] = row([head / dims[1], head % dims[1], i]);
        let start = old.index([b, h, i, 0]);
        values.extend((start..start + width).map(|at| old.data().get(at)));
    }
    Tensor::new(dims, Data::from_f64(old.dtype(), values.into_iter())).unwrap()
}

/// No masking by position and no mask: keys are a set.
fn keys_are_a_set(spec: &mut ProblemSpec) {
    (spec.causal, spec.align, spec.window, spec.mask, spec.kv_len) = (None, None, None, None, None);
    spec.alibi = false;
}

/// Scores that are linear in the key: a general score where the problem had an additive one.
fn multiplicative(spec: &mut ProblemSpec) {
    if let Score::Additive { w, .. } = spec.score {
        let square = spec.shape.dim_k() == spec.shape.dim;
        spec.score = Score::General { w: w.or((!square).then_some(Span::Shared)) };
    }
}

/// The problem with a weight for every place of its score, spans as `span` says.
fn with_all_weights(problem: &Problem, span: Span) -> Problem {
    let all = Some(span);
    let score = match problem.score() {
        Score::ScaledDot => Score::ScaledDot,
        Score::General { .. } => Score::General { w: all },
        Score::Additive { dim, .. } => Score::Additive { dim, w_q: all, w_k: all, w: all },
    };
    Problem::new(ProblemSpec { score, ..problem.spec().clone() }).unwrap()
}

/// Identities for matrices, ones for the vector of an additive score.
fn neutral(problem: &Problem) -> ScoreWeights {
    let additive = problem.score().kind() == ScoreKind::Additive;
    problem.score_weights().map(|name, dims| {
        let [_, _, _, columns] = dims;
        let ones = additive && name == "w";
        let diagonal = |at: usize| at / columns % dims[2] == at % columns;
        let elements = (0..dims.iter().product()).map(|at| f64::from(ones || diagonal(at)));
        Tensor::new(dims, Data::from_f64(problem.dtype(), elements)).unwrap()
    })
}

/// The least and the most that the values admitted by the row of each output element are; 0 where there are none.
fn hull(problem: &Problem, inputs: &Inputs) -> Vec<[f64; 2]> {
    let (shape, v) = (problem.shape(), inputs.v());
    let [_, heads, len, width] = shape.out();
    let elements = (0..shape.out().iter().product()).map(|at| {
        let (row, c) = (at / width, at % width);
        let [b, h, i] = [row / len / heads, row / len % heads, row % len];
        let admits = |j: &usize| inputs.mask().is_none_or(|m| m.bias([b, h, i, *j]).is_some());
        let values = problem.admitted(b, i).filter(admits);
        let values = values.map(|j| v.data().get(v.index([b, shape.kv_head(h), j, c])));
        values.map(|x| [x, x]).reduce(|[a, b], [x, y]| [a.min(x), b.max(y)]).unwrap_or([0.0; 2])
    });
    elements.collect()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn outputs_lie_in_the_hull_of_the_admitted_values(number in 0u64..100_000) {
        let p = problem(number, |spec| spec.sinks = false);
        let x = inputs(&p, number);
        let hull = hull(&p, &x);
        for_each_backend(&p, |backend| {
            let o = run(backend, &p, &x);
            for (at, [least, most]) in hull.iter().enumerate() {
                let o = o.data().get(at);
                let slack = 400.0 * p.dtype().unit_roundoff() * least.abs().max(most.abs());
                prop_assert!(o >= least - slack && o <= most + slack, "{p}: element {at}: {o}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn constant_values_are_reproduced_in_every_row_that_is_not_empty(number in 0u64..100_000) {
        let p = problem(number, |spec| (spec.sinks, spec.mask) = (false, None));
        let x = inputs(&p, number);
        let v = Tensor::new(p.shape().v(), Data::filled(p.dtype(), x.v().data().len(), 0.75)).unwrap();
        let x = Inputs::new(&p, InputParts { v, ..parts(&x) }).unwrap();
        for_each_backend(&p, |backend| {
            let o = run(backend, &p, &x);
            let shape = p.shape();
            for at in 0..o.data().len() {
                let (row, got) = (at / shape.dim_v, o.data().get(at));
                let (b, i) = (row / shape.len_q / shape.heads_q, row % shape.len_q);
                let want = if p.admitted(b, i).is_empty() { 0.0 } else { 0.75 };
                prop_assert!((got - want).abs() <= 200.0 * p.dtype().unit_roundoff(), "{p}: {got}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn permuting_keys_with_their_values_changes_nothing(number in 0u64..100_000) {
        let p = problem(number, keys_are_a_set);
        let x = inputs(&p, number);
        let n = p.shape().len_k;
        let reversed = |t: &Tensor| gather(t, t.dims(), |[b, h, j]| [b, h, n - 1 - j]);
        let y = Inputs::new(&p, InputParts { k: reversed(x.k()), v: reversed(x.v()), ..parts(&x) }).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &p, &y))
        })?;
    }

    #[test]
    fn adding_one_vector_to_every_key_changes_nothing(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            (spec.softcap, spec.sinks, spec.scale) = (None, false, None);
            multiplicative(spec);
        });
        let x = inputs(&p, number);
        let dim = p.shape().dim_k();
        let shifted = x.k().data().to_f64().into_iter().enumerate();
        let shifted = shifted.map(|(at, k)| k + 0.5 * f64::from((at % dim % 3) as u32));
        let k = Tensor::new(p.shape().k(), Data::from_f64(p.dtype(), shifted)).unwrap();
        let y = Inputs::new(&p, InputParts { k, ..parts(&x) }).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &p, &y))
        })?;
    }

    #[test]
    fn weights_that_are_absent_are_identities_and_ones(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            spec.shape.dim_k = None;
            spec.score = match spec.score {
                Score::ScaledDot | Score::General { .. } => Score::General { w: None },
                Score::Additive { .. } => {
                    Score::Additive { dim: spec.shape.dim, w_q: None, w_k: None, w: None }
                }
            };
        });
        let x = inputs(&p, number);
        for span in [Span::Shared, Span::PerHead] {
            let explicit = with_all_weights(&p, span);
            let y = InputParts { weights: neutral(&explicit), ..parts(&x) };
            let y = Inputs::new(&explicit, y).unwrap();
            for_each_backend(&p, |backend| {
                assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &explicit, &y))
            })?;
        }
    }

    #[test]
    fn a_shared_weight_is_the_same_weight_in_every_head(number in 0u64..100_000) {
        let p = with_all_weights(&problem(number, |_| {}), Span::Shared);
        let x = inputs(&p, number);
        let own = with_all_weights(&p, Span::PerHead);
        let repeated = x.weights().as_ref().zip(own.score_weights());
        let weights = repeated.map(|_, (w, dims)| gather(w, dims, |[b, _, i]| [b, 0, i]));
        let y = Inputs::new(&own, InputParts { weights, ..parts(&x) }).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &own, &y))
        })?;
    }

    #[test]
    fn a_general_score_is_the_dot_product_with_projected_queries(number in 0u64..100_000) {
        let general = Score::General { w: Some(Span::PerHead) };
        let p = problem(number, |spec| (spec.score, spec.dtype) = (general, DType::F64));
        let x = inputs(&p, number);
        let (shape, w) = (p.shape(), x.weights().w.as_ref().unwrap());
        let plain = ProblemSpec {
            shape: Shape { dim: shape.dim_k(), dim_k: None, ..*shape },
            score: Score::ScaledDot,
            scale: Some(p.scale()),
            ..p.spec().clone()
        };
        let plain = Problem::new(plain).unwrap();
        let projected = (0..plain.shape().q().iter().product()).map(|at| {
            let (row, e) = (at / shape.dim_k(), at % shape.dim_k());
            let (head, i) = (row / shape.len_q, row % shape.len_q);
            let (b, h) = (head / shape.heads_q, head % shape.heads_q);
            let product = |d: usize| {
                x.q().data().get(x.q().index([b, h, i, d])) * w.data().get(w.index([0, h % w.dims()[1], d, e]))
            };
            (0..shape.dim).map(product).sum()
        });
        let q = Tensor::new(plain.shape().q(), Data::from_f64(DType::F64, projected)).unwrap();
        let y = InputParts { q, weights: ScoreWeights::default(), ..parts(&x) };
        let y = Inputs::new(&plain, y).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &plain, &y))
        })?;
    }

    #[test]
    fn an_additive_score_knows_only_the_sum_of_query_and_key(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            spec.shape.dim_k = None;
            let w = (number % 2 == 0).then_some(Span::PerHead);
            spec.score = Score::Additive { dim: spec.shape.dim, w_q: None, w_k: None, w };
        });
        let x = inputs(&p, number);
        let dim = p.shape().dim;
        let shifted = |t: &Tensor, sign: f64| {
            let moved = t.data().to_f64().into_iter().enumerate();
            let moved = moved.map(|(at, x)| x + sign * 0.5 * f64::from((at % dim % 3) as u32));
            Tensor::new(t.dims(), Data::from_f64(t.dtype(), moved)).unwrap()
        };
        let y = InputParts { q: shifted(x.q(), 1.0), k: shifted(x.k(), -1.0), ..parts(&x) };
        let y = Inputs::new(&p, y).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &p, &y))
        })?;
    }

    #[test]
    fn a_batch_is_its_sequences_one_by_one(number in 0u64..100_000) {
        let p = problem(number, |spec| (spec.mask, spec.kv_len) = (None, None));
        let x = inputs(&p, number);
        let shape = Shape { batch: 1, ..*p.shape() };
        let single = Problem::new(ProblemSpec { shape, ..p.spec().clone() }).unwrap();
        for_each_backend(&p, |backend| {
            let whole = run(backend, &p, &x);
            if backend.supports(&single).is_err() {
                return Ok(());
            }
            for b in 0..p.shape().batch {
                let pick = |t: &Tensor, dims| gather(t, dims, |[_, h, i]| [b, h, i]);
                let y = InputParts {
                    q: pick(x.q(), shape.q()),
                    k: pick(x.k(), shape.k()),
                    v: pick(x.v(), shape.v()),
                    ..parts(&x)
                };
                let alone = run(backend, &single, &Inputs::new(&single, y).unwrap());
                assert_close(&p, x.v(), &pick(&whole, shape.out()), &alone)?;
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_later_key_never_changes_an_earlier_row_by_a_single_bit(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            (spec.causal, spec.align) = (Some(Alignment::TopLeft), None);
        });
        let x = inputs(&p, number);
        let row = p.shape().len_q / 2;
        let after = |t: &Tensor| {
            let [_, _, len, width] = t.dims();
            let changed = t.data().to_f64().into_iter().enumerate();
            let changed = changed.map(|(at, x)| if at / width % len > row { -3.0 * x } else { x });
            Tensor::new(t.dims(), Data::from_f64(t.dtype(), changed)).unwrap()
        };
        let y = Inputs::new(&p, InputParts { k: after(x.k()), v: after(x.v()), ..parts(&x) }).unwrap();
        for_each_backend(&p, |backend| {
            let (a, b) = (run(backend, &p, &x), run(backend, &p, &y));
            for at in 0..a.data().len() {
                if at / p.shape().dim_v % p.shape().len_q <= row {
                    // Exactly equal; a sum of weights 0 may still change the sign of a zero.
                    prop_assert_eq!(a.data().get(at), b.data().get(at), "{}", p);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_window_as_wide_as_the_sequence_is_no_window(number in 0u64..100_000) {
        let p = problem(number, |spec| spec.window = None);
        let wide = Some(attn_core::Window { left: Some(1000), right: Some(1000) });
        let windowed = Problem::new(ProblemSpec { window: wide, ..p.spec().clone() }).unwrap();
        let x = inputs(&p, number);
        for_each_backend(&windowed, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &windowed, &x))
        })?;
    }

    #[test]
    fn a_mask_that_admits_everything_is_no_mask(number in 0u64..100_000) {
        let p = problem(number, |spec| spec.mask = None);
        let dims = [1, 1, p.shape().len_q, p.shape().len_k];
        let mask = Some(MaskSpec { kind: MaskKind::Bool, dims });
        let masked = Problem::new(ProblemSpec { mask, ..p.spec().clone() }).unwrap();
        let x = inputs(&p, number);
        let all = attn_core::Mask::Bool { dims, admits: vec![true; dims.iter().product()] };
        let y = Inputs::new(&masked, InputParts { mask: Some(all), ..parts(&x) }).unwrap();
        for_each_backend(&masked, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &masked, &y))
        })?;
    }

    #[test]
    fn grouped_heads_are_repeated_keys_and_values(number in 0u64..100_000) {
        let p = problem(number, |_| {});
        let x = inputs(&p, number);
        let shape = Shape { heads_kv: p.shape().heads_q, ..*p.shape() };
        let repeated = Problem::new(ProblemSpec { shape, ..p.spec().clone() }).unwrap();
        let repeat = |t: &Tensor, dims| gather(t, dims, |[b, h, j]| [b, p.shape().kv_head(h), j]);
        let y = InputParts { k: repeat(x.k(), shape.k()), v: repeat(x.v(), shape.v()), ..parts(&x) };
        let y = Inputs::new(&repeated, y).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, x.v(), &run(backend, &p, &x), &run(backend, &repeated, &y))
        })?;
    }

    #[test]
    fn decoding_token_by_token_is_the_causal_prefill(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            keys_are_a_set(spec);
            spec.shape.len_q = spec.shape.len_k.min(24);
            spec.shape.len_k = spec.shape.len_q;
            spec.causal = Some(Alignment::TopLeft);
        });
        let x = inputs(&p, number);
        for_each_backend(&p, |backend| {
            let whole = run(backend, &p, &x);
            for i in 0..p.shape().len_q {
                let shape = Shape { len_q: 1, len_k: i + 1, ..*p.shape() };
                let causal = Some(Alignment::BottomRight);
                let step = Problem::new(ProblemSpec { shape, causal, ..p.spec().clone() }).unwrap();
                let cached = |t: &Tensor, dims| gather(t, dims, |[b, h, j]| [b, h, j]);
                let token = |t: &Tensor, dims| gather(t, dims, |[b, h, _]| [b, h, i]);
                let y = InputParts {
                    q: token(x.q(), shape.q()),
                    k: cached(x.k(), shape.k()),
                    v: cached(x.v(), shape.v()),
                    ..parts(&x)
                };
                let one = run(backend, &step, &Inputs::new(&step, y).unwrap());
                assert_close(&p, x.v(), &token(&whole, shape.out()), &one)?;
            }
            Ok(())
        })?;
    }

    #[test]
    fn splitting_the_keys_and_merging_by_log_sum_exp_is_not_splitting(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            keys_are_a_set(spec);
            spec.sinks = false;
            spec.lse = true;
            spec.shape.len_k = spec.shape.len_k.max(2);
        });
        let x = inputs(&p, number);
        let cut = p.shape().len_k / 2;
        let half = |start: usize, len_k: usize| {
            let shape = Shape { len_k, ..*p.shape() };
            let part = Problem::new(ProblemSpec { shape, ..p.spec().clone() }).unwrap();
            let rows = |t: &Tensor, dims| gather(t, dims, |[b, h, j]| [b, h, start + j]);
            let y = InputParts { k: rows(x.k(), shape.k()), v: rows(x.v(), shape.v()), ..parts(&x) };
            let y = Inputs::new(&part, y).unwrap();
            (part, y)
        };
        let halves = [half(0, cut), half(cut, p.shape().len_k - cut)];
        for_each_backend(&p, |backend| {
            let whole = run(backend, &p, &x);
            let exec = threads::exec(backend, &p.to_string());
            let [a, b] = halves.each_ref().map(|(p, x)| compute(backend, p, &exec, x).unwrap());
            let lse = |out: &attn_core::Output| out.lse().unwrap().tensor();
            let merged = (0..whole.data().len()).map(|at| {
                let row = at / p.shape().dim_v;
                let [la, lb] = [lse(&a).data().get(row), lse(&b).data().get(row)];
                let weight = 1.0 / (1.0 + (lb - la).exp());
                weight * a.o().tensor().data().get(at) + (1.0 - weight) * b.o().tensor().data().get(at)
            });
            let merged = Tensor::new(whole.dims(), Data::from_f64(DType::F64, merged)).unwrap();
            assert_close(&p, x.v(), &whole, &merged)
        })?;
    }

    #[test]
    fn any_number_of_threads_computes_what_one_does(number in 0u64..100_000) {
        let p = problem(number, |_| {});
        let x = inputs(&p, number);
        for_each_backend(&p, |backend| {
            if backend.probe().is_ok_and(|info| info.threads != ThreadPolicy::PerCall) {
                return Ok(());
            }
            let with = |threads| {
                let exec = Exec { threads: NonZeroUsize::new(threads).unwrap() };
                compute(backend, &p, &exec, &x).unwrap().o().tensor()
            };
            let one = with(1);
            for threads in 2..=threads::MOST {
                assert_close(&p, x.v(), &one, &with(threads))?;
            }
            Ok(())
        })?;
    }

    #[test]
    fn poison_that_nobody_reads_never_reaches_the_output(number in 0u64..100_000) {
        let p = problem(number, |spec| {
            // Padding in two of three problems that have none: without it most read every key.
            if spec.kv_len.is_none() && number % 3 > 0 {
                spec.kv_len = Some(vec![spec.shape.len_k / 2; spec.shape.batch]);
            }
        });
        let clean = inputs(&p, number);
        let read = clean.read_keys(&p);
        let poison = |t: &Tensor| {
            let width = t.dims()[3];
            let values = t.data().to_f64().into_iter().enumerate();
            let values = values.map(|(at, x)| if read[at / width] { x } else { f64::NAN });
            Tensor::new(t.dims(), Data::from_f64(t.dtype(), values)).unwrap()
        };
        let x = InputParts { k: poison(clean.k()), v: poison(clean.v()), ..parts(&clean) };
        let x = Inputs::new(&p, x).unwrap();
        for_each_backend(&p, |backend| {
            assert_close(&p, clean.v(), &run(backend, &p, &clean), &run(backend, &p, &x))
        })?;
    }
}
