//! A [`Plan`] for kernels over candle's tensors.

use std::hint::black_box;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use attn_core::{BackendError, Bytes, DType, Element, Footprint, Inputs, Output, Plan, Problem};
use candle_core::{Device, Result as CandleResult, Tensor, WithDType};

/// Attention of one problem over candle tensors.
pub(crate) trait Kernel {
    /// From canonical layout to the one that `attend` wants: a permutation of the axes.
    fn layout(canonical: Tensor) -> CandleResult<Tensor>;

    /// `[B, Hq, Nq, Dv]` from q, k and v.
    fn attend(&self, problem: &Problem, qkv: &[Tensor; 3]) -> CandleResult<Tensor>;

    /// Bytes held at the peak of `attend`, result not included.
    fn scratch(&self, problem: &Problem) -> usize;
}

/// A storage type of both.
pub(crate) trait Float: Element + WithDType {}

impl Float for f32 {}
impl Float for f64 {}

/// Holds the operands and the result of a [`Kernel`], stored as `T`.
pub(crate) struct TensorPlan<T, K> {
    problem: Problem,
    kernel: K,
    qkv: Option<[Tensor; 3]>,
    o: Option<Tensor>,
    storage: PhantomData<T>,
}

impl<T, K> TensorPlan<T, K> {
    pub(crate) fn new(problem: &Problem, kernel: K) -> Self {
        TensorPlan {
            problem: problem.clone(),
            kernel,
            qkv: None,
            o: None,
            storage: PhantomData,
        }
    }
}

impl<T: Float, K: Kernel> Plan for TensorPlan<T, K> {
    /// Rows of k and v that no query admits are zeroed: a product over all rows cannot meet a NaN.
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        let used = self.problem.used_keys().end;
        let rows = self.problem.shape().len_q;
        let load = |tensor, used| checked(K::layout(copy::<T>(tensor, used)?));
        self.qkv = Some([
            load(inputs.q(), rows)?,
            load(inputs.k(), used)?,
            load(inputs.v(), used)?,
        ]);
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let qkv = self.qkv.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            self.o = None;
            let o = checked(self.kernel.attend(&self.problem, black_box(qkv)))?;
            self.o = Some(black_box(o));
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        let o = self.o.as_ref().ok_or(BackendError::NotLoaded)?;
        let found = out.dtype();
        let slice = out.slice_mut::<T>().ok_or(wrong_type::<T>(found))?;
        let elements = o.flatten_all().and_then(|flat| flat.to_vec1::<T>());
        slice.copy_from_slice(&checked(elements)?);
        Ok(())
    }

    fn footprint(&self) -> Footprint {
        Footprint {
            scratch: Some(Bytes(self.kernel.scratch(&self.problem) as u64)),
        }
    }
}

/// `tensor` with all but the first `used` rows of every head zeroed.
fn copy<T: Float>(tensor: &attn_core::Tensor, used: usize) -> Result<Tensor, BackendError> {
    let slice = tensor.slice::<T>().ok_or(wrong_type::<T>(tensor.dtype()))?;
    let mut copy = slice.to_vec();
    let [batch, heads, len, width] = tensor.dims();
    for head in copy.chunks_exact_mut(len * width) {
        head[used * width..].fill(T::ZERO);
    }
    let dims = (batch, heads, len, width);
    checked(Tensor::from_vec(copy, dims, &Device::Cpu))
}

/// `[Nq, Nk]`: 0 where a row admits a key, -inf elsewhere; `empty` in rows that admit none.
pub(crate) fn bias(
    problem: &Problem,
    empty: f32,
    dtype: candle_core::DType,
) -> Result<Tensor, BackendError> {
    let (len_q, len_k) = (problem.shape().len_q, problem.shape().len_k);
    let mut bias = vec![empty; len_q * len_k];
    for (i, row) in bias.chunks_exact_mut(len_k).enumerate() {
        let admitted = problem.admitted(i).end;
        if admitted > 0 {
            row[..admitted].fill(0.0);
            row[admitted..].fill(f32::NEG_INFINITY);
        }
    }
    let matrix = Tensor::from_vec(bias, (len_q, len_k), &Device::Cpu);
    checked(matrix.and_then(|matrix| matrix.to_dtype(dtype)))
}

/// A failure in candle's own words, without the backtrace that it appends to them.
pub(crate) fn checked<T>(result: candle_core::Result<T>) -> Result<T, BackendError> {
    result.map_err(|error| BackendError::Library {
        library: "candle",
        message: error.to_string().lines().next().unwrap_or_default().into(),
    })
}

const fn wrong_type<T: Element>(found: DType) -> BackendError {
    BackendError::DType {
        expected: T::DTYPE,
        found,
    }
}
