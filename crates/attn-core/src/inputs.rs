//! The numbers a problem is computed on.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::family::Draft;
use crate::{Data, Family, Mask, Problem, ScoreWeights, Tensor};

/// Everything that [`Inputs`] are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct InputParts {
    /// Queries, `[B, Hq, Nq, D]`.
    pub q: Tensor,
    /// Keys, `[B, Hkv, Nk, Dk]`.
    pub k: Tensor,
    /// Values, `[B, Hkv, Nk, Dv]`.
    pub v: Tensor,
    /// Weights of the score, as [`Score::weights`](crate::Score::weights) says.
    pub weights: ScoreWeights,
    /// Mask, if the problem has one.
    pub mask: Option<Mask>,
    /// ALiBi slopes, one per query head, if the problem has them.
    pub slopes: Option<Vec<f32>>,
    /// Sink logits, one per query head, if the problem has them.
    pub sinks: Option<Vec<f32>>,
}

impl InputParts {
    /// q, k and v alone.
    pub fn plain(q: Tensor, k: Tensor, v: Tensor) -> Self {
        let weights = ScoreWeights::default();
        InputParts { q, k, v, weights, mask: None, slopes: None, sinks: None }
    }
}

/// The operands of one problem, in its shape and storage type: valid together.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    parts: InputParts,
}

/// Why tensors are not inputs of a problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidInputs {
    /// A tensor has other dimensions or another storage type than the problem.
    #[error("tensor `{tensor}` is {found}, expected {expected}")]
    Mismatch {
        /// Its name.
        tensor: &'static str,
        /// Storage type and dimensions of the tensor, or `absent`.
        found: String,
        /// What the problem asks for.
        expected: String,
    },
    /// NaN or infinity where some query reads it.
    #[error("tensor `{tensor}` holds {value} at {index:?}, which some query reads")]
    NotFinite {
        /// Its name.
        tensor: &'static str,
        /// The element.
        value: f64,
        /// `[b, h, i, c]`.
        index: [usize; 4],
    },
}

impl Inputs {
    /// Checks that the parts fit the problem and that every element that is read is finite.
    /// Rows of k and v that no query admits may hold anything; a mask may hold -inf.
    pub fn new(problem: &Problem, parts: InputParts) -> Result<Self, InvalidInputs> {
        let shape = problem.shape();
        let tensors =
            [("q", &parts.q, shape.q()), ("k", &parts.k, shape.k()), ("v", &parts.v, shape.v())];
        for (tensor, found, dims) in tensors {
            has_form(tensor, Some(found), problem, Some(dims))?;
        }
        let wanted = problem.score_weights().named();
        for ((tensor, found), (_, dims)) in parts.weights.as_ref().named().into_iter().zip(wanted) {
            has_form(tensor, found, problem, dims)?;
        }
        fits("mask", parts.mask.as_ref().map(Mask::spec), problem.spec().mask)?;
        let spec = problem.spec();
        for (tensor, values, wanted) in
            [("alibi_slopes", &parts.slopes, spec.alibi), ("sinks", &parts.sinks, spec.sinks)]
        {
            let found = values.as_ref().map(Vec::len);
            fits(tensor, found, wanted.then_some(shape.heads_q))?;
            let not_finite = |value: &&f32| !value.is_finite();
            if let Some(&value) = values.iter().flatten().find(not_finite) {
                let value = f64::from(value);
                return Err(InvalidInputs::NotFinite { tensor, value, index: [0; 4] });
            }
        }
        let inputs = Inputs { parts };
        inputs.check_finite(problem)?;
        Ok(inputs)
    }

    fn check_finite(&self, problem: &Problem) -> Result<(), InvalidInputs> {
        let InputParts { q, k, v, weights, mask, .. } = &self.parts;
        let all = vec![true; q.dims()[..3].iter().product()];
        let read = self.read_keys(problem);
        let mut tensors = vec![("q", q, all), ("k", k, read.clone()), ("v", v, read)];
        let mask = match mask {
            Some(Mask::Additive(tensor)) => Some(("mask", tensor)),
            _ => None,
        };
        let weights = weights.as_ref().named().into_iter();
        for (name, tensor) in weights.filter_map(|(name, w)| w.map(|w| (name, w))).chain(mask) {
            tensors.push((name, tensor, vec![true; tensor.dims()[..3].iter().product()]));
        }
        for (tensor, values, rows) in tensors {
            let allowed = |x: f64| x.is_finite() || (tensor == "mask" && x == f64::NEG_INFINITY);
            let [_, heads, len, width] = values.dims();
            for (row, _) in rows.iter().enumerate().filter(|(_, read)| **read) {
                let elements = row * width..(row + 1) * width;
                if let Some(at) = values.data().position(elements, |x| !allowed(x)) {
                    let (value, c) = (values.data().get(at), at % width);
                    let index = [row / len / heads, row / len % heads, row % len, c];
                    return Err(InvalidInputs::NotFinite { tensor, value, index });
                }
            }
        }
        Ok(())
    }

    /// Seeded inputs, rounded to the problem's storage type: the same on every platform.
    ///
    /// q, k, v, the mask and the weights of the score come from separate streams, so a change of one
    /// size leaves the rest alone.
    pub fn generate(problem: &Problem, family: Family, seed: u64) -> Self {
        let shape = problem.shape();
        let Draft { q, k, v, weights, mask, slopes, sinks } = Draft::new(problem, family, seed);
        let tensor = |dims, values: Vec<f64>| {
            let data = Data::from_f64(problem.dtype(), values.into_iter());
            Tensor::new(dims, data).expect("a draft has the problem's dimensions")
        };
        let [q, k, v] = [(shape.q(), q), (shape.k(), k), (shape.v(), v)].map(|(d, x)| tensor(d, x));
        let weights = weights.map(|_, (dims, values)| tensor(dims, values));
        Inputs { parts: InputParts { q, k, v, weights, mask, slopes, sinks } }
    }

    /// Other inputs of the same problem, made of these: heads rotated by one, those of the score's
    /// weights too, and v negated.
    ///
    /// For inputs that come from a file there is no second seed; these differ from the first in
    /// every output element that is not 0, so a stale result shows, and cost the same to compute.
    /// Which rows of k and v are read depends on positions and on the mask, and stays as it is.
    #[must_use]
    pub fn varied(&self, problem: &Problem) -> Self {
        let mut parts = self.parts.clone();
        if parts.mask.is_none() {
            let group = problem.shape().group();
            parts.q = rotate_heads(&parts.q, group);
            parts.k = rotate_heads(&parts.k, 1);
            parts.v = rotate_heads(&parts.v, 1);
            parts.weights = parts.weights.map(|_, w| rotate_heads(&w, group));
        }
        let negated = parts.v.data().to_f64().into_iter().map(|x| -x);
        let data = Data::from_f64(parts.v.dtype(), negated);
        parts.v = Tensor::new(parts.v.dims(), data).expect("the same number of elements");
        Inputs { parts }
    }

    /// Queries, `[B, Hq, Nq, D]`.
    pub const fn q(&self) -> &Tensor {
        &self.parts.q
    }

    /// Keys, `[B, Hkv, Nk, Dk]`.
    pub const fn k(&self) -> &Tensor {
        &self.parts.k
    }

    /// Values, `[B, Hkv, Nk, Dv]`.
    pub const fn v(&self) -> &Tensor {
        &self.parts.v
    }

    /// The weights of the score: `[1, 1|Hq, rows, columns]` each, `w` of an additive score one row.
    pub const fn weights(&self) -> &ScoreWeights {
        &self.parts.weights
    }

    /// The mask, if the problem has one.
    pub const fn mask(&self) -> Option<&Mask> {
        self.parts.mask.as_ref()
    }

    /// ALiBi slopes, if the problem has them.
    pub fn slopes(&self) -> Option<&[f32]> {
        self.parts.slopes.as_deref()
    }

    /// Sink logits, if the problem has them.
    pub fn sinks(&self) -> Option<&[f32]> {
        self.parts.sinks.as_deref()
    }

    /// Which rows of k and v some query reads: one flag per `[B, Hkv, Nk]`.
    pub fn read_keys(&self, problem: &Problem) -> Vec<bool> {
        read_keys(problem, self.mask())
    }

    /// Bytes of q, k, v and the weights of the score together.
    pub fn bytes(&self) -> u64 {
        let weights = self.weights().as_ref().named().map(|(_, tensor)| tensor);
        let tensors =
            [self.q(), self.k(), self.v()].into_iter().chain(weights.into_iter().flatten());
        tensors.map(|tensor| (tensor.data().len() * tensor.dtype().size()) as u64).sum()
    }

    /// SHA-256 over names, storage types, dimensions and little-endian elements, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let InputParts { q, k, v, weights, mask, slopes, sinks } = &self.parts;
        let mut tensors = vec![("q", q), ("k", k), ("v", v)];
        let weights = weights.as_ref().named().into_iter();
        tensors.extend(weights.filter_map(|(name, tensor)| tensor.map(|tensor| (name, tensor))));
        if let Some(Mask::Additive(tensor)) = mask {
            tensors.push(("mask", tensor));
        }
        for (name, tensor) in tensors {
            hash.update(format!("{name} {} {:?}\n", tensor.dtype(), tensor.dims()));
            hash.update(tensor.data().to_le_bytes());
        }
        if let Some(Mask::Bool { dims, admits }) = mask {
            hash.update(format!("mask bool {dims:?}\n"));
            hash.update(admits.iter().map(|&admits| u8::from(admits)).collect::<Vec<_>>());
        }
        for (name, values) in [("alibi_slopes", slopes), ("sinks", sinks)] {
            if let Some(values) = values {
                hash.update(format!("{name} f32 [{}]\n", values.len()));
                hash.update(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
            }
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Which rows of k and v some query reads: one flag per `[B, Hkv, Nk]`.
pub(crate) fn read_keys(problem: &Problem, mask: Option<&Mask>) -> Vec<bool> {
    let shape = problem.shape();
    let mut read = vec![false; shape.batch * shape.heads_kv * shape.len_k];
    for b in 0..shape.batch {
        for h in 0..shape.heads_q {
            let first = (b * shape.heads_kv + shape.kv_head(h)) * shape.len_k;
            let Some(mask) = mask else {
                // By position, windows slide without leaving a gap, and all heads read the same.
                read[first..][problem.used_keys(b)].fill(true);
                continue;
            };
            for i in 0..shape.len_q {
                for j in problem.admitted(b, i) {
                    read[first + j] |= mask.bias([b, h, i, j]).is_some();
                }
            }
        }
    }
    read
}

/// Whether a tensor has the problem's storage type and these dimensions, or is absent as it should be.
fn has_form(
    tensor: &'static str,
    found: Option<&Tensor>,
    problem: &Problem,
    dims: Option<[usize; 4]>,
) -> Result<(), InvalidInputs> {
    let text = |form: Option<String>| form.unwrap_or_else(|| "absent".into());
    let found = text(found.map(|found| format!("{} {:?}", found.dtype(), found.dims())));
    let expected = text(dims.map(|dims| format!("{} {dims:?}", problem.dtype())));
    if found == expected {
        return Ok(());
    }
    Err(InvalidInputs::Mismatch { tensor, found, expected })
}

/// Whether an optional part is there as the problem says.
fn fits<T: PartialEq + std::fmt::Debug>(
    tensor: &'static str,
    found: Option<T>,
    expected: Option<T>,
) -> Result<(), InvalidInputs> {
    if found == expected {
        return Ok(());
    }
    let [found, expected] =
        [found, expected].map(|x| x.map_or("absent".to_string(), |x| format!("{x:?}")));
    Err(InvalidInputs::Mismatch { tensor, found, expected })
}

/// The tensor with head h moved to head `h + by`, within each batch.
fn rotate_heads(tensor: &Tensor, by: usize) -> Tensor {
    let [_, heads, len, width] = tensor.dims();
    let size = heads * len * width;
    let mut values = tensor.data().to_f64();
    for batch in values.chunks_exact_mut(size) {
        batch.rotate_right((by % heads) * len * width);
    }
    let data = Data::from_f64(tensor.dtype(), values.into_iter());
    Tensor::new(tensor.dims(), data).expect("the same number of elements")
}

#[cfg(test)]
mod tests;
