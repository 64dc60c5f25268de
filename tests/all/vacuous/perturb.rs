//! One input changed, the others as they were.

use attn_core::{Data, Inputs, Mask, Problem, ProblemSpec, Tensor};

use crate::properties::parts;

/// What a result is computed from.
pub(super) const INPUTS: [&str; 11] =
    ["q", "k", "v", "w_q", "w_k", "w", "mask", "mask values", "slopes", "sinks", "kv_len"];

/// The problem with another `input`, `None` if it has none that could be another.
///
/// Tensors are negated, finite elements of an additive mask too (`mask values`); slopes double, sinks grow by 1, every
/// sequence loses its last key, and of a `mask` one element, `heaviest`, admits no longer.
pub(super) fn perturbed(
    problem: &Problem,
    inputs: &Inputs,
    input: &str,
    heaviest: impl FnOnce() -> Option<[usize; 4]>,
) -> Option<(Problem, Inputs)> {
    let mut problem = problem.clone();
    let mut changed = parts(inputs);
    match input {
        "q" => changed.q = negated(&changed.q),
        "k" => changed.k = negated(&changed.k),
        "v" => changed.v = negated(&changed.v),
        "w_q" => changed.weights.w_q = Some(negated(&changed.weights.w_q?)),
        "w_k" => changed.weights.w_k = Some(negated(&changed.weights.w_k?)),
        "w" => changed.weights.w = Some(negated(&changed.weights.w?)),
        "mask" => changed.mask = Some(without(&changed.mask?, heaviest()?)),
        "mask values" => match changed.mask? {
            Mask::Bool { .. } => return None,
            Mask::Additive(tensor) => changed.mask = Some(Mask::Additive(negated(&tensor))),
        },
        "slopes" => changed.slopes.as_mut()?.iter_mut().for_each(|slope| *slope *= 2.0),
        "sinks" => changed.sinks.as_mut()?.iter_mut().for_each(|sink| *sink += 1.0),
        "kv_len" => {
            let shorter = problem.spec().kv_len.as_ref()?.iter().map(|n| n.saturating_sub(1));
            let kv_len = Some(shorter.collect());
            problem = Problem::new(ProblemSpec { kv_len, ..problem.spec().clone() }).ok()?;
            // A diagonal that moves may read what nobody read before.
            (changed.k, changed.v) = (finite(&changed.k), finite(&changed.v));
        }
        other => panic!("no input is called {other}"),
    }
    let inputs = Inputs::new(&problem, changed).expect("as valid as before");
    Some((problem, inputs))
}

fn each(tensor: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    let data = Data::from_f64(tensor.dtype(), tensor.data().to_f64().into_iter().map(f));
    Tensor::new(tensor.dims(), data).expect("as many as before")
}

fn negated(tensor: &Tensor) -> Tensor {
    // -inf in a mask stays what it is.
    each(tensor, |x| if x.is_finite() { -x } else { x })
}

fn finite(tensor: &Tensor) -> Tensor {
    each(tensor, |x| if x.is_finite() { x } else { 1.0 })
}

/// The mask with the element that `[b, h, i, j]` reads not admitting.
fn without(mask: &Mask, at: [usize; 4]) -> Mask {
    let flat = |dims: [usize; 4]| {
        dims.iter().zip(at).fold(0, |flat, (&dim, at)| flat * dim + if dim == 1 { 0 } else { at })
    };
    match mask {
        Mask::Bool { dims, admits } => {
            let mut admits = admits.clone();
            admits[flat(*dims)] = false;
            Mask::Bool { dims: *dims, admits }
        }
        Mask::Additive(tensor) => {
            let mut values = tensor.data().to_f64();
            values[flat(tensor.dims())] = f64::NEG_INFINITY;
            let data = Data::from_f64(tensor.dtype(), values.into_iter());
            Mask::Additive(Tensor::new(tensor.dims(), data).expect("as many as before"))
        }
    }
}
