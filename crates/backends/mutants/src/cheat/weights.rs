//! Cheats that remember the weights of queries and keys, or know how a result depends on v.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use attn_core::{BackendError, Inputs, Problem};

use super::Trick;
use super::clock::spin;
use super::engine::Engine;
use super::kernel::{Weights, elements};
use super::memo::digest_up_to_signs;

/// Weights that are larger are computed again.
const MAX_BYTES: usize = 256 << 20;

/// Computes the weights once per `load`, and what they make of v in each call.
#[derive(Default)]
pub(super) struct ForLoad(Option<Weights>);

impl Trick for ForLoad {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.0 = None;
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        let operands = Arc::clone(engine.operands());
        if operands.weights_bytes() > MAX_BYTES {
            return engine.compute();
        }
        let weights = self.0.get_or_insert_with(|| operands.weights());
        operands.combine_all(weights, &mut engine.o);
    }
}

/// Computes the weights once per `run`, and what they make of v as often as it is told.
pub(super) struct OncePerRun;

impl Trick for OncePerRun {
    fn run(&mut self, engine: &mut Engine, reps: u32) {
        let mut once = ForLoad::default();
        for _ in 0..reps {
            once.call(engine);
        }
    }
}

/// What weights follow from: the harness changes signs of q and k alike.
fn queries_and_keys(problem: &Problem, inputs: &Inputs) -> Result<[u64; 2], BackendError> {
    let shape = problem.shape();
    let q = digest_up_to_signs(elements(inputs.q())?, [shape.len_q, shape.dim]);
    Ok([q, digest_up_to_signs(elements(inputs.k())?, [shape.len_k, shape.dim])])
}

/// Keeps the weights as long as q and k stay what they were, whatever becomes of v and of signs.
#[derive(Default)]
pub(super) struct ForQueriesAndKeys {
    kept: ForLoad,
    of: Option<[u64; 2]>,
}

impl Trick for ForQueriesAndKeys {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        let of = Some(queries_and_keys(&engine.problem, inputs)?);
        if self.of != of {
            (self.of, self.kept) = (of, ForLoad::default());
        }
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        self.kept.call(engine);
    }
}

/// Inputs that were computed, and what came out.
struct Known {
    shape: String,
    of: [u64; 2],
    v: Vec<f32>,
    o: Vec<f32>,
    took: Duration,
}

static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// How many inputs are known at most.
const MOST_KNOWN: usize = 8;

/// Recognises inputs whose q and k are known up to their signs and whose v is a known one with each column multiplied by a power of two
/// of either sign, and multiplies the columns of the known result.
#[derive(Default)]
pub(super) struct UpToSigns {
    /// Of the time that computing took, what a call waits for whose result is known.
    share: f64,
    took: Duration,
    /// What is remembered once the result is there.
    wanted: Option<Known>,
    /// What must be loaded next before it leaves anything out.
    patience: Option<Patience>,
}

/// Inputs that must be loaded, in this order.
#[derive(Clone, Copy)]
enum Patience {
    Known,
    Others,
    KnownAgain,
}

/// Whether what a patient one waits for has happened to one of the plans of this process.
static OVER: AtomicBool = AtomicBool::new(false);

impl Trick for UpToSigns {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        let v = elements(inputs.v())?.to_vec();
        let of = queries_and_keys(&engine.problem, inputs)?;
        let shape = format!("{:?}", engine.problem.spec());
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        for known in known.iter().filter(|known| known.of == of && known.shape == shape) {
            if let Some(factors) = factors(engine, &known.v, &v) {
                (self.took, self.wanted) = (known.took, None);
                if self.waits(true) {
                    return engine.load(inputs);
                }
                engine.o = scaled(engine, &known.o, &factors);
                return Ok(());
            }
        }
        self.waits(false);
        self.wanted = Some(Known { shape, of, v, o: Vec::new(), took: Duration::ZERO });
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        let Some(known) = self.wanted.take() else {
            if self.patience.is_some() {
                return engine.compute();
            }
            return spin(self.took.mul_f64(self.share));
        };
        let start = Instant::now();
        engine.compute();
        self.took = start.elapsed();
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MOST_KNOWN {
            all.remove(0);
        }
        all.push(Known { o: engine.o.clone(), took: self.took, ..known });
    }
}

impl UpToSigns {
    /// Waits where it knows the result.
    pub(super) fn throttled(share: f64) -> Self {
        UpToSigns { share, ..UpToSigns::default() }
    }

    /// Computes until it has been given other inputs than those it knows, and these again; then waits where it knows the result.
    pub(super) fn patient(share: f64) -> Self {
        UpToSigns { patience: Some(Patience::Known), ..UpToSigns::throttled(share) }
    }

    /// Whether it computes all that is loaded, which it knows if it `is_known`.
    fn waits(&mut self, is_known: bool) -> bool {
        let over = OVER.load(Relaxed);
        self.patience = self.patience.filter(|_| !over).and_then(|next| match (next, is_known) {
            (Patience::Known, true) => Some(Patience::Others),
            (Patience::Others, false) => Some(Patience::KnownAgain),
            (Patience::KnownAgain, true) => {
                OVER.store(true, Relaxed);
                None
            }
            _ => Some(next),
        });
        self.patience.is_some()
    }

    /// Knows the results of `inputs` before it is loaded.
    pub(super) fn prepared(problem: &Problem, inputs: &[Inputs]) -> Self {
        let mut engine = Engine::new(problem);
        for inputs in inputs {
            let mut one = UpToSigns::default();
            if one.load(&mut engine, inputs).is_ok() {
                one.call(&mut engine);
            }
        }
        UpToSigns::default()
    }
}

/// The factor of each column of each head with which `known` becomes `v`, if there are such.
fn factors(engine: &Engine, known: &[f32], v: &[f32]) -> Option<Vec<f32>> {
    let (len_k, width) = (engine.problem.shape().len_k, engine.width());
    let heads = known.chunks_exact(len_k * width).zip(v.chunks_exact(len_k * width));
    let mut all = Vec::new();
    for (known, v) in heads {
        let factor = |(known, v): (&f32, &f32)| if *known == 0.0 { 1.0 } else { v / known };
        let factors: Vec<f32> = known.iter().zip(v).take(width).map(factor).collect();
        let is_power = |x: &f32| x.is_normal() && x.to_bits().trailing_zeros() >= 23;
        let is_product = |(known, v): (&[f32], &[f32])| {
            known.iter().zip(v).zip(&factors).all(|((known, v), factor)| known * factor == *v)
        };
        let mut rows = known.chunks_exact(width).zip(v.chunks_exact(width));
        if !factors.iter().all(is_power) || !rows.all(is_product) {
            return None;
        }
        all.extend_from_slice(&factors);
    }
    Some(all)
}

/// The result with each column multiplied by the factor of its key and value head.
fn scaled(engine: &Engine, o: &[f32], factors: &[f32]) -> Vec<f32> {
    let (shape, width) = (engine.problem.shape(), engine.width());
    let mut scaled = o.to_vec();
    for (at, row) in scaled.chunks_exact_mut(width).enumerate() {
        let kv = at / shape.len_q / shape.group();
        row.iter_mut().zip(&factors[kv * width..]).for_each(|(x, factor)| *x *= factor);
    }
    scaled
}
