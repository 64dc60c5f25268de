//! A [`Plan`] for kernels over candle's tensors.

use std::hint::black_box;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use attn_core::{
    BackendError, Bytes, DType, Element, Fenced, Footprint, Inputs, Output, Plan, Problem,
    ScoreWeights, with_type,
};
use candle_core::{DType as TensorType, Device, Result as CandleResult, Tensor, WithDType};
use half::{bf16, f16};

/// Attention of one problem over candle tensors. Every closure
/// `|problem: &Problem, q: &Tensor, k: &Tensor, v: &Tensor| -> candle_core::Result<Tensor>` is one.
pub trait Kernel {
    /// The elements of a tensor of these dimensions in the layout that `attend` wants, a permutation of the axes, and the
    /// dimensions of that: as they are, `[B, H, N, D]`, unless it is another.
    fn arrange<T: Element>(canonical: &[T], dims: [usize; 4]) -> (Vec<T>, [usize; 4]) {
        (canonical.to_vec(), dims)
    }

    /// The bias that a model builds once per forward pass and its layers share: of the problem alone, when the plan is
    /// made, or of mask, slopes and sinks among the inputs, whenever there are others. None, by default.
    fn set_bias(&mut self, _: &Problem, _: Option<&Inputs>) -> Result<(), BackendError> {
        Ok(())
    }

    /// The results.
    fn attend(&self, problem: &Problem, operands: &Operands) -> CandleResult<Attended>;

    /// Bytes held at the peak of `attend`, result not included, if they are known.
    fn scratch(&self, _: &Problem) -> Option<usize> {
        None
    }
}

impl<F: Fn(&Problem, &Tensor, &Tensor, &Tensor) -> CandleResult<Tensor>> Kernel for F {
    fn attend(&self, problem: &Problem, operands: &Operands) -> CandleResult<Attended> {
        let [q, k, v] = &operands.qkv;
        Ok(Attended { o: self(problem, q, k, v)?, lse: None })
    }
}

/// What is computed on, as it is stored.
pub struct Operands {
    /// q, k and v as [`Kernel::arrange`] arranges them.
    pub qkv: [Tensor; 3],
    /// Weights of the score, `[1, 1|Hq, rows, columns]`.
    pub weights: ScoreWeights<Tensor>,
}

/// The results of one call.
pub struct Attended {
    /// `[B, Hq, Nq, Dv]`, in the storage type.
    pub o: Tensor,
    /// `[B, Hq, Nq]`, where it is asked for; f32, or f64 for f64.
    pub lse: Option<Tensor>,
}

/// A storage type of both.
pub trait Float: Element + WithDType {}

impl Float for f64 {}
impl Float for f32 {}
impl Float for bf16 {}
impl Float for f16 {}

/// A plan of `problem` on `device`, whatever its storage type, for [`Backend::prepare`](attn_core::Backend::prepare). What the kernel
/// does not compute is for [`Backend::supports`](attn_core::Backend::supports) to refuse.
pub fn tensor_plan<'k>(
    problem: &Problem,
    device: &Device,
    kernel: impl Kernel + 'k,
) -> Result<Box<dyn Plan + 'k>, BackendError> {
    let device = device.clone();
    with_type!(problem.dtype(), T => Ok(Box::new(TensorPlan::<T, _>::new(problem, device, kernel)?)))
}

/// Holds the operands and the result of a [`Kernel`], stored as `T`.
pub struct TensorPlan<T, K> {
    problem: Problem,
    /// Where the operands are held and the kernel runs.
    device: Device,
    kernel: K,
    operands: Option<Operands>,
    result: Option<Attended>,
    storage: PhantomData<T>,
}

impl<T, K> TensorPlan<T, K> {
    /// Of a problem that is stored as `T`.
    pub fn new(problem: &Problem, device: Device, mut kernel: K) -> Result<Self, BackendError>
    where
        K: Kernel,
    {
        if !bias_is_given(problem) {
            kernel.set_bias(problem, None)?;
        }
        Ok(TensorPlan {
            problem: problem.clone(),
            device,
            kernel,
            operands: None,
            result: None,
            storage: PhantomData,
        })
    }
}

impl<T: Float, K: Kernel> Plan for TensorPlan<T, K> {
    /// Rows that nobody reads are zeroed: a product over all rows cannot meet a NaN.
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        let place = |(values, dims): (Vec<T>, [usize; 4])| {
            checked(Tensor::from_vec(values, &dims, &self.device))
        };
        let zeroed = inputs.zeroed::<T>(&self.problem);
        let [q, k, v] = zeroed.ok_or(wrong_type::<T>(inputs.q().dtype()))?;
        let load = |values: &[T], of: &attn_core::Tensor| place(K::arrange(values, of.dims()));
        let qkv = [load(&q, inputs.q())?, load(&k, inputs.k())?, load(&v, inputs.v())?];
        let weights = inputs.weights().as_ref().try_map(|_, w| place((copy(w)?, w.dims())))?;
        self.operands = Some(Operands { qkv, weights });
        if bias_is_given(&self.problem) {
            self.kernel.set_bias(&self.problem, Some(inputs))?;
        }
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let operands = self.operands.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            self.result = None;
            let result = checked(self.kernel.attend(&self.problem, black_box(operands)))?;
            self.result = Some(black_box(result));
        }
        // A GPU is only asked to compute; nothing to wait for on a CPU.
        checked(self.device.synchronize())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        let Attended { o, lse } = self.result.as_ref().ok_or(BackendError::NotLoaded)?;
        write::<T>(out.o_mut(), o)?;
        match (out.lse_mut(), lse) {
            (Some(out), Some(lse)) if out.dtype() == DType::F64 => write::<f64>(out, lse),
            (Some(out), Some(lse)) => write::<f32>(out, lse),
            _ => Ok(()),
        }
    }

    fn device_peak(&mut self) -> Result<Option<Bytes>, BackendError> {
        match self.device.clone() {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => crate::cuda::peak(&device, || self.run(NonZeroU32::MIN)),
            _ => Ok(None),
        }
    }

    fn footprint(&self) -> Footprint {
        Footprint { scratch: self.kernel.scratch(&self.problem).map(|bytes| Bytes(bytes as u64)) }
    }
}

/// Whether what is added to the scores, or stands beside them, comes with the inputs.
fn bias_is_given(problem: &Problem) -> bool {
    let spec = problem.spec();
    spec.mask.is_some() || spec.alibi || spec.sinks
}

fn write<T: Float>(out: &mut Fenced, tensor: &Tensor) -> Result<(), BackendError> {
    let found = out.dtype();
    let slice = out.slice_mut::<T>().ok_or(wrong_type::<T>(found))?;
    let elements = tensor.flatten_all().and_then(|flat| flat.to_vec1::<T>());
    slice.copy_from_slice(&checked(elements)?);
    Ok(())
}

fn copy<T: Float>(tensor: &attn_core::Tensor) -> Result<Vec<T>, BackendError> {
    let slice = tensor.slice::<T>().ok_or(wrong_type::<T>(tensor.dtype()))?;
    Ok(slice.to_vec())
}

/// What is added to the scores, `[B|1, Hq|1, Nq, Nk]`: ALiBi and mask, -inf where a row does not
/// admit a key. `None` if every key is admitted and nothing is added.
pub(crate) fn bias(
    problem: &Problem,
    inputs: Option<&Inputs>,
    dtype: TensorType,
    device: &Device,
) -> Result<Option<Tensor>, BackendError> {
    let (shape, spec) = (problem.shape(), problem.spec());
    let positional = spec.causal.is_some() || spec.window.is_some() || spec.kv_len.is_some();
    let (mask, slopes) = (inputs.and_then(Inputs::mask), inputs.and_then(Inputs::slopes));
    if !positional && mask.is_none() && slopes.is_none() {
        return Ok(None);
    }
    let mask_dims = spec.mask.map_or([1; 4], |mask| mask.dims);
    let batch = if spec.kv_len.is_some() { shape.batch } else { mask_dims[0] };
    let heads = if spec.alibi { shape.heads_q } else { mask_dims[1] };
    let mut values = Vec::with_capacity(batch * heads * shape.len_q * shape.len_k);
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..shape.len_q {
                let admitted = problem.admitted(b, i);
                values.extend((0..shape.len_k).map(|j| {
                    let mask = mask.map_or(Some(0.0), |mask| mask.bias([b, h, i, j]));
                    let distance = (problem.diagonal(b, i) as f64 - j as f64).abs();
                    let alibi = slopes.map_or(0.0, |s| -f64::from(s[h]) * distance);
                    let bias = mask.filter(|_| admitted.contains(&j)).map(|mask| mask + alibi);
                    bias.unwrap_or(f64::NEG_INFINITY)
                }));
            }
        }
    }
    let dims = (batch, heads, shape.len_q, shape.len_k);
    let tensor = Tensor::from_vec(values, dims, &Device::Cpu);
    let tensor = tensor.and_then(|tensor| tensor.to_dtype(dtype)?.to_device(device));
    checked(tensor).map(Some)
}

/// A failure in candle's own words, without the backtrace that it appends to them.
pub(crate) fn message(error: &candle_core::Error) -> String {
    readable(error.to_string().lines().next().unwrap_or_default())
}

/// `out of memory (CUDA_ERROR_OUT_OF_MEMORY)` for what the CUDA driver's interface prints as
/// `DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")`.
pub(crate) fn readable(error: &str) -> String {
    let fields = error.strip_prefix("DriverError(").and_then(|rest| rest.strip_suffix("\")"));
    match fields.and_then(|fields| fields.split_once(", \"")) {
        Some((name, words)) => format!("{words} ({name})"),
        None => error.into(),
    }
}

/// The same as an error of the backend.
pub(crate) fn checked<T>(result: candle_core::Result<T>) -> Result<T, BackendError> {
    result.map_err(|error| failed(message(&error)))
}

/// The same of what was said already.
pub(crate) const fn failed(message: String) -> BackendError {
    BackendError::Library { library: "candle", message }
}

const fn wrong_type<T: Element>(found: DType) -> BackendError {
    BackendError::DType { expected: T::DTYPE, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_errors_are_told_in_words() {
        let error = "DriverError(CUDA_ERROR_NO_DEVICE, \"no CUDA-capable device is detected\")";
        assert_eq!(readable(error), "no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)");
        for other in ["shape mismatch", "DriverError(", "DriverError(CUDA_ERROR_UNKNOWN)"] {
            assert_eq!(readable(other), other);
        }
    }
}
