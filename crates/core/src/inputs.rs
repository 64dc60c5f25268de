//! The numbers a problem is computed on.

use std::borrow::Cow;

use crate::distribution::{self, Draft};
use crate::{Data, Element, InputDistribution, Mask, Problem, ScoreWeights, Tensor, reads};

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
    ///
    /// Nobody reads a row of q that admits no key, a row of k or v that no query admits, or an element of the
    /// mask all of whose keys are excluded by position (causal masking, window, `kv_len`): these may hold
    /// anything. A mask may hold -inf.
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
        finite("q", q, q.dims()[3], || self.read_queries(problem))?;
        finite("k", k, k.dims()[3], || self.read_keys(problem))?;
        finite("v", v, v.dims()[3], || self.read_keys(problem))?;
        for (name, weight) in weights.as_ref().named() {
            let Some(weight) = weight else { continue };
            finite(name, weight, 1, || vec![true; weight.data().len()])?;
        }
        match mask {
            Some(Mask::Additive(mask)) => finite("mask", mask, 1, || self.read_mask(problem)),
            _ => Ok(()),
        }
    }

    /// Seeded inputs, rounded to the problem's storage type: the same on every platform.
    ///
    /// q, k, v, the mask and the weights of the score come from separate streams, so a change of one
    /// size leaves the rest alone.
    pub fn generate(problem: &Problem, distribution: InputDistribution, seed: u64) -> Self {
        let shape = problem.shape();
        let Draft { q, k, v, weights, mask, slopes, sinks } =
            Draft::new(problem, distribution, seed);
        let tensor = |dims, values: Vec<f64>| {
            let data = Data::from_f64(problem.dtype(), values.into_iter());
            Tensor::new(dims, data).expect("a draft has the problem's dimensions")
        };
        let [q, k, v] = [(shape.q(), q), (shape.k(), k), (shape.v(), v)].map(|(d, x)| tensor(d, x));
        let weights = weights.map(|_, (dims, values)| tensor(dims, values));
        Inputs { parts: InputParts { q, k, v, weights, mask, slopes, sinks } }
    }

    /// The mask of [`Inputs::generate`], or one that admits the same; `None` for a problem without one. Nothing else is generated.
    pub fn generate_mask(problem: &Problem, seed: u64) -> Option<Mask> {
        distribution::generate_mask(problem, seed)
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

    /// What they are made of.
    pub const fn parts(&self) -> &InputParts {
        &self.parts
    }

    /// q, k and v, to be changed in place.
    pub(crate) const fn parts_mut(&mut self) -> [&mut Data; 3] {
        let InputParts { q, k, v, .. } = &mut self.parts;
        [q.data_mut(), k.data_mut(), v.data_mut()]
    }

    /// Whether q, k and v hold neither NaN nor infinity, read or not.
    pub fn is_finite(&self) -> bool {
        let tensors = [self.q(), self.k(), self.v()].map(Tensor::data);
        tensors.iter().all(|data| data.position(0..data.len(), |x| !x.is_finite()).is_none())
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

    /// Which rows of q admit a key: one flag per `[B, Hq, Nq]`.
    pub fn read_queries(&self, problem: &Problem) -> Vec<bool> {
        reads::queries(problem, self.mask())
    }

    /// Which rows of k and v some query reads: one flag per `[B, Hkv, Nk]`.
    pub fn read_keys(&self, problem: &Problem) -> Vec<bool> {
        reads::keys(problem, self.mask())
    }

    /// Which elements of the mask some query reads, one flag per element; none without a mask.
    pub fn read_mask(&self, problem: &Problem) -> Vec<bool> {
        reads::mask(problem)
    }

    /// Zeroes the rows that nobody reads in copies of q, k and v: a kernel that computes on all rows cannot meet
    /// a NaN there, nor what overflows. Where all elements are small there is neither, and nothing to look for.
    pub fn zero_unread<T: Element>(&self, problem: &Problem, qkv: [&mut [T]; 3]) {
        if !qkv.iter().all(|elements| is_small(elements)) {
            self.zero_rows(problem, qkv);
        }
    }

    /// q, k and v with the rows that nobody reads zeroed, as [`Inputs::zero_unread`] does, and without a copy where there is nothing to
    /// zero. `None` if they are not stored as `T`.
    pub fn zeroed<T: Element>(&self, problem: &Problem) -> Option<[Cow<'_, [T]>; 3]> {
        let borrowed = [self.q().slice::<T>()?, self.k().slice()?, self.v().slice()?];
        if borrowed.iter().all(|elements| is_small(elements)) {
            return Some(borrowed.map(Cow::Borrowed));
        }
        let mut owned = borrowed.map(<[T]>::to_vec);
        self.zero_rows(problem, owned.each_mut().map(Vec::as_mut_slice));
        Some(owned.map(Cow::Owned))
    }

    fn zero_rows<T: Element>(&self, problem: &Problem, [q, k, v]: [&mut [T]; 3]) {
        let (queries, keys) = (self.read_queries(problem), self.read_keys(problem));
        for (tensor, form, read) in
            [(q, self.q(), &queries), (k, self.k(), &keys), (v, self.v(), &keys)]
        {
            let rows = tensor.chunks_exact_mut(form.dims()[3]).zip(read);
            rows.filter(|(_, read)| !**read).for_each(|(row, _)| row.fill(T::ZERO));
        }
    }

    /// SHA-256 over names, storage types, dimensions and little-endian elements, in hexadecimal; with the feature `digest`.
    #[cfg(any(test, feature = "digest"))]
    pub fn digest(&self) -> String {
        use sha2::{Digest as _, Sha256};
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
        crate::text::hex(&hash.finalize())
    }
}

/// Whether no product of two elements, nor a sum of such products over a head, overflows.
fn is_small<T: Element>(elements: &[T]) -> bool {
    let small = T::from_f32(-SMALL)..=T::from_f32(SMALL);
    // Counted, so that many are compared at once; a NaN is not between.
    let none_is_large = |few: &[T]| few.iter().filter(|x| !small.contains(x)).count() == 0;
    elements.chunks(64).all(none_is_large)
}

/// Far above what any layer holds, and its square far below what f32 holds.
const SMALL: f32 = 1e4;

/// Whether the elements that are `read` are finite, of which `unit` neighbours at a time share a flag.
///
/// The flags are worked out only where an element is not finite: most tensors are finite throughout.
fn finite(
    tensor: &'static str,
    values: &Tensor,
    unit: usize,
    read: impl FnOnce() -> Vec<bool>,
) -> Result<(), InvalidInputs> {
    let allowed = |x: f64| x.is_finite() || (tensor == "mask" && x == f64::NEG_INFINITY);
    let data = values.data();
    let next = |from: usize| data.position(from..data.len(), |x| !allowed(x));
    let Some(mut at) = next(0) else { return Ok(()) };
    let read = read();
    while !read[at / unit] {
        match next((at / unit + 1) * unit) {
            None => return Ok(()),
            Some(later) => at = later,
        }
    }
    let [_, heads, len, width] = values.dims();
    let row = at / width;
    let index = [row / len / heads, row / len % heads, row % len, at % width];
    Err(InvalidInputs::NotFinite { tensor, value: data.get(at), index })
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
