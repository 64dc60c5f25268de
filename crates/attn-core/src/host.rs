//! A [`Plan`] for kernels that work on canonical tensors in host memory.

use std::num::NonZeroU32;

use crate::{
    Backend, BackendError, DType, Element, Footprint, Inputs, Output, Plan, Problem, Tensor,
};

/// Attention of one problem over contiguous row-major host slices.
pub trait HostKernel<T> {
    /// Computes `o` (`[B, Hq, Nq, Dv]`) from `t`; writes every element of `o`.
    fn compute(&mut self, problem: &Problem, t: Operands<'_, T>, o: &mut [T]);

    /// Scratch held.
    fn footprint(&self) -> Footprint;
}

/// q, k and v in canonical layout.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, T> {
    /// `[B, Hq, Nq, D]`.
    pub q: &'a [T],
    /// `[B, Hkv, Nk, D]`.
    pub k: &'a [T],
    /// `[B, Hkv, Nk, Dv]`.
    pub v: &'a [T],
}

/// What one query head reads: matrices of one head, row-major.
impl<'a, T> Operands<'a, T> {
    /// The rows of query head `h` of batch `b`, and those of the key/value head that it shares.
    #[must_use]
    pub fn head(&self, problem: &Problem, b: usize, h: usize) -> Operands<'a, T> {
        let shape = problem.shape();
        let kv = b * shape.heads_kv + shape.kv_head(h);
        Operands {
            q: matrix(self.q, b * shape.heads_q + h, shape.len_q * shape.dim),
            k: matrix(self.k, kv, shape.len_k * shape.dim),
            v: matrix(self.v, kv, shape.len_k * shape.dim_v),
        }
    }
}

fn matrix<T>(tensor: &[T], head: usize, size: usize) -> &[T] {
    &tensor[head * size..(head + 1) * size]
}

/// `(b, h, rows of the output)` for every batch and query head.
pub fn heads<'o, T>(
    problem: &Problem,
    o: &'o mut [T],
) -> impl Iterator<Item = (usize, usize, &'o mut [T])> {
    let shape = *problem.shape();
    o.chunks_exact_mut(shape.len_q * shape.dim_v)
        .enumerate()
        .map(move |(at, rows)| (at / shape.heads_q, at % shape.heads_q, rows))
}

/// Holds the operands and the result of a [`HostKernel`].
pub struct HostPlan<T, K> {
    problem: Problem,
    kernel: K,
    operands: Option<[Vec<T>; 3]>,
    o: Vec<T>,
}

impl<T: Element, K: HostKernel<T>> HostPlan<T, K> {
    /// Allocates the result; the operands come with `load`.
    pub fn new(problem: &Problem, kernel: K) -> Self {
        let len = problem.shape().out().iter().product();
        HostPlan {
            problem: problem.clone(),
            kernel,
            operands: None,
            o: vec![T::ZERO; len],
        }
    }
}

impl<T: Element, K: HostKernel<T>> Plan for HostPlan<T, K> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        let used = self.problem.used_keys().end;
        let mut copies = [owned(inputs.q())?, owned(inputs.k())?, owned(inputs.v())?];
        for (copy, tensor) in copies[1..].iter_mut().zip([inputs.k(), inputs.v()]) {
            clear_unused_rows(copy, tensor, used);
        }
        self.operands = Some(copies);
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let [q, k, v] = self.operands.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            let t = std::hint::black_box(Operands { q, k, v });
            self.kernel.compute(&self.problem, t, &mut self.o);
            std::hint::black_box(&mut self.o);
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.operands.as_ref().ok_or(BackendError::NotLoaded)?;
        let found = out.dtype();
        let slice = out.slice_mut::<T>().ok_or(wrong_type::<T>(found))?;
        slice.copy_from_slice(&self.o);
        Ok(())
    }

    fn footprint(&self) -> Footprint {
        self.kernel.footprint()
    }
}

fn owned<T: Element>(tensor: &Tensor) -> Result<Vec<T>, BackendError> {
    let slice = tensor.slice::<T>().ok_or(wrong_type::<T>(tensor.dtype()))?;
    Ok(slice.to_vec())
}

const fn wrong_type<T: Element>(found: DType) -> BackendError {
    BackendError::DType {
        expected: T::DTYPE,
        found,
    }
}

/// Zeroes the rows from `used` on, so that a matrix product over all rows cannot meet a NaN there.
fn clear_unused_rows<T: Element>(copy: &mut [T], tensor: &Tensor, used: usize) {
    let [_, _, len, width] = tensor.dims();
    for head in copy.chunks_exact_mut(len * width) {
        head[used * width..].fill(T::ZERO);
    }
}

/// Runs `backend` once on `inputs`: prepare, load, run, store.
pub fn compute(
    backend: &dyn Backend,
    problem: &Problem,
    exec: &crate::Exec,
    inputs: &Inputs,
) -> Result<Output, BackendError> {
    let mut plan = backend.prepare(problem, exec)?;
    plan.load(inputs)?;
    plan.run(NonZeroU32::MIN)?;
    let mut out = Output::poisoned(problem);
    plan.store(&mut out)?;
    Ok(out)
}
