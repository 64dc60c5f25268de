//! A [`Plan`] for kernels that compute one head after another.

use std::hint::black_box;
use std::num::NonZeroU32;

use attn_core::{
    BackendError, Bytes, DType, Element, Footprint, Inputs, Mask, Output, Plan, Problem,
    ScoreWeights, Tensor,
};

use crate::{Head, HeadOutput, Storage};

/// Attention of one query head over row-major slices.
pub trait HeadKernel<C> {
    /// Computes one head; writes every element of `out`.
    fn attend(&mut self, head: &Head<'_, C>, out: HeadOutput<'_, C>);

    /// Runs `all`, which attends every head of one call: a place for a thread pool.
    fn enter(&mut self, all: &mut (dyn FnMut(&mut Self) + Send))
    where
        Self: Sized,
    {
        all(self);
    }

    /// Bytes of scratch held.
    fn scratch(&self) -> usize;
}

/// Holds the operands and results of a [`HeadKernel`].
pub struct HostPlan<S: Storage, K> {
    problem: Problem,
    kernel: K,
    loaded: Option<Loaded<S>>,
    /// The operands in the type that is computed in; empty where that is how they are stored.
    wide: Operands<Vec<S::Compute>>,
    o: Vec<S::Compute>,
    lse: Vec<S::Compute>,
    /// The result as it is stored; empty where that is how it is computed.
    narrow: Vec<S>,
}

/// q, k and v, and the weights of the score.
struct Operands<T> {
    qkv: [T; 3],
    weights: ScoreWeights<T>,
}

impl<S: Storage> Operands<Vec<S>> {
    /// Themselves, or `wide` where they are computed in another type.
    fn computed<'a>(&'a self, wide: &'a Operands<Vec<S::Compute>>) -> Operands<&'a [S::Compute]> {
        let weights = self.weights.as_ref().zip(wide.weights.as_ref());
        let choose =
            |stored: &'a [S], wide: &'a [S::Compute]| S::as_compute(stored).unwrap_or(wide);
        Operands {
            qkv: [0, 1, 2].map(|at| choose(&self.qkv[at], &wide.qkv[at])),
            weights: weights.map(|_, (stored, wide)| choose(stored, wide)),
        }
    }

    /// Converts the elements of each operand that `wide` has room for.
    fn widen(&self, wide: &mut Operands<Vec<S::Compute>>) {
        let convert = |wide: &mut Vec<S::Compute>, stored: &[S]| {
            wide.iter_mut().zip(stored).for_each(|(wide, &x)| *wide = x.widen());
        };
        for (wide, stored) in wide.qkv.iter_mut().zip(&self.qkv) {
            convert(wide, stored);
        }
        let ScoreWeights { w_q, w_k, w } = &mut wide.weights;
        for (wide, (_, stored)) in [w_q, w_k, w].into_iter().zip(self.weights.as_ref().named()) {
            wide.iter_mut().zip(stored).for_each(|(wide, stored)| convert(wide, stored));
        }
    }
}

impl<C> Operands<Vec<C>> {
    /// Elements of all together.
    fn len(&self) -> usize {
        let weights = self.weights.as_ref().named();
        let weights = weights.into_iter().filter_map(|(_, w)| w.map(Vec::len));
        self.qkv.iter().map(Vec::len).chain(weights).sum()
    }
}

struct Loaded<S: Storage> {
    operands: Operands<Vec<S>>,
    mask: Option<Mask>,
    slopes: Option<Vec<S::Compute>>,
    sinks: Option<Vec<S::Compute>>,
}

impl<S: Storage, K: HeadKernel<S::Compute>> HostPlan<S, K> {
    /// Allocates results and conversion buffers; the operands come with `load`.
    pub fn new(problem: &Problem, kernel: K) -> Self {
        let shape = problem.shape();
        let converts = S::as_compute(&[]).is_none();
        let len = |dims: [usize; 4]| dims.iter().product::<usize>();
        let buffer = |dims| vec![S::Compute::ZERO; if converts { len(dims) } else { 0 }];
        let weights = problem.score_weights().map(|_, dims| buffer(dims));
        let qkv = [shape.q(), shape.k(), shape.v()].map(buffer);
        HostPlan {
            problem: problem.clone(),
            kernel,
            loaded: None,
            wide: Operands { qkv, weights },
            o: vec![S::Compute::ZERO; len(shape.out())],
            lse: vec![
                S::Compute::ZERO;
                if problem.spec().lse { len(shape.out()) / shape.dim_v } else { 0 }
            ],
            narrow: vec![S::ZERO; if converts { len(shape.out()) } else { 0 }],
        }
    }
}

impl<S: Storage, K: HeadKernel<S::Compute>> Plan for HostPlan<S, K> {
    /// Rows that nobody reads are zeroed: a product over all rows cannot meet a NaN.
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        // The memory of the last operands, which the system has given already.
        let last = self.loaded.take().map(|loaded| loaded.operands.qkv).unwrap_or_default();
        let [q, k, v] = last;
        let mut qkv = [copy(inputs.q(), q)?, copy(inputs.k(), k)?, copy(inputs.v(), v)?];
        inputs.zero_unread(&self.problem, qkv.each_mut().map(Vec::as_mut_slice));
        let convert = |x: Option<&[f32]>| {
            x.map(|x| x.iter().map(|&x| S::Compute::from_f32(x)).collect::<Vec<_>>())
        };
        let (slopes, sinks) = (convert(inputs.slopes()), convert(inputs.sinks()));
        let weights = inputs.weights().as_ref().try_map(|_, tensor| copy(tensor, Vec::new()))?;
        let operands = Operands { qkv, weights };
        self.loaded = Some(Loaded { operands, mask: inputs.mask().cloned(), slopes, sinks });
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let HostPlan { problem, kernel, loaded, wide, o, lse, narrow } = self;
        let loaded = loaded.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            let loaded = black_box(loaded);
            loaded.operands.widen(wide);
            let wide = &*wide;
            kernel.enter(&mut |kernel| heads(problem, loaded, wide, o, lse, kernel));
            narrow.iter_mut().zip(&*o).for_each(|(narrow, &x)| *narrow = S::narrow(x));
            black_box((&mut *o, &mut *narrow));
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.loaded.as_ref().ok_or(BackendError::NotLoaded)?;
        let stored = if self.narrow.is_empty() { None } else { Some(&self.narrow) };
        match stored {
            Some(stored) => write(out.o_mut(), stored)?,
            None => write(out.o_mut(), &self.o)?,
        }
        match out.lse_mut() {
            None => Ok(()),
            Some(lse) => write(lse, &self.lse),
        }
    }

    fn footprint(&self) -> Footprint {
        let wide = self.wide.len() * size_of::<S::Compute>();
        let o = if self.narrow.is_empty() { 0 } else { self.o.len() * size_of::<S::Compute>() };
        Footprint { scratch: Some(Bytes((self.kernel.scratch() + wide + o) as u64)) }
    }
}

/// Attends every batch and query head in turn.
fn heads<S: Storage, K: HeadKernel<S::Compute>>(
    problem: &Problem,
    loaded: &Loaded<S>,
    wide: &Operands<Vec<S::Compute>>,
    o: &mut [S::Compute],
    lse: &mut [S::Compute],
    kernel: &mut K,
) {
    let shape = problem.shape();
    let Operands { qkv: [q, k, v], weights } = loaded.operands.computed(wide);
    let dims = problem.score_weights();
    let mut lse = lse.chunks_exact_mut(shape.len_q);
    for (at, o) in o.chunks_exact_mut(shape.len_q * shape.dim_v).enumerate() {
        let (b, h) = (at / shape.heads_q, at % shape.heads_q);
        let kv = b * shape.heads_kv + shape.kv_head(h);
        let of_head = |x: &Option<Vec<S::Compute>>| x.as_ref().map(|x| x[h]);
        let head = Head {
            problem,
            b,
            h,
            q: matrix(q, at, shape.len_q * shape.dim),
            k: matrix(k, kv, shape.len_k * shape.dim_k()),
            v: matrix(v, kv, shape.len_k * shape.dim_v),
            weights: weights.zip(dims).map(|_, (w, [_, heads, rows, columns])| {
                // One for all heads or one for each.
                matrix(w, h % heads, rows * columns)
            }),
            mask: loaded.mask.as_ref(),
            slope: of_head(&loaded.slopes),
            sink: of_head(&loaded.sinks),
        };
        kernel.attend(&head, HeadOutput { o, lse: lse.next() });
    }
}

fn matrix<C>(tensor: &[C], head: usize, size: usize) -> &[C] {
    &tensor[head * size..(head + 1) * size]
}

/// The elements of `tensor`, in the memory of `last` if they fit.
fn copy<T: Element>(tensor: &Tensor, mut last: Vec<T>) -> Result<Vec<T>, BackendError> {
    let slice = tensor.slice::<T>().ok_or(wrong_type::<T>(tensor.dtype()))?;
    if last.capacity() < slice.len() {
        last = with_capacity(slice.len());
    }
    last.clear();
    last.extend_from_slice(slice);
    Ok(last)
}

/// An empty vector with room for `capacity` elements, in large pages where it is large.
#[cfg(feature = "pages")]
fn with_capacity<T>(capacity: usize) -> Vec<T> {
    attn_sys::pages::with_capacity(capacity)
}

#[cfg(not(feature = "pages"))]
fn with_capacity<T>(capacity: usize) -> Vec<T> {
    Vec::with_capacity(capacity)
}

fn write<T: Element>(out: &mut attn_core::Fenced, values: &[T]) -> Result<(), BackendError> {
    let found = out.dtype();
    let slice = out.slice_mut::<T>().ok_or(wrong_type::<T>(found))?;
    slice.copy_from_slice(values);
    Ok(())
}

const fn wrong_type<T: Element>(found: DType) -> BackendError {
    BackendError::DType { expected: T::DTYPE, found }
}
