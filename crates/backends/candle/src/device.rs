//! Loads that show the peak rates of a device: the scale that times on it are read against.

use std::hint::black_box;
use std::num::NonZeroU32;

use attn_core::{BackendError, DType};
use candle_core::{DType as TensorType, Device, Result as CandleResult, Tensor};

use crate::plan::checked;

/// What a device is loaded with.
#[derive(Clone, Debug)]
pub struct Loads(Device);

impl Loads {
    /// Of candle's own processor device.
    pub fn processor() -> Self {
        Loads(Device::Cpu)
    }

    /// Of the device that [`Cuda`](crate::Cuda) computes on, with products in the same precision.
    #[cfg(feature = "cuda")]
    pub fn cuda() -> Result<Self, BackendError> {
        crate::cuda::device().map(Loads).map_err(crate::plan::failed)
    }

    /// Products of two `[size, size]` matrices, as many as it is told, then waits for the last.
    pub fn products(
        &self,
        dtype: DType,
        size: usize,
    ) -> Result<impl FnMut(NonZeroU32) -> Result<(), BackendError> + use<>, BackendError> {
        let matrix = || Tensor::randn(0f32, 1.0, (size, size), &self.0)?.to_dtype(tensor(dtype));
        let [a, b] = [checked(matrix())?, checked(matrix())?];
        Ok(repeat(self.0.clone(), move || black_box(&a).matmul(black_box(&b))))
    }

    /// Copies of `bytes` to other memory of the device, as many as it is told, then waits for the last.
    pub fn copies(
        &self,
        bytes: usize,
    ) -> Result<impl FnMut(NonZeroU32) -> Result<(), BackendError> + use<>, BackendError> {
        let data = checked(Tensor::zeros(bytes, TensorType::U8, &self.0))?;
        Ok(repeat(self.0.clone(), move || black_box(&data).copy()))
    }
}

fn repeat(
    device: Device,
    load: impl Fn() -> CandleResult<Tensor>,
) -> impl FnMut(NonZeroU32) -> Result<(), BackendError> {
    move |reps| {
        for _ in 0..reps.get() {
            black_box(checked(load())?);
        }
        checked(device.synchronize())
    }
}

const fn tensor(dtype: DType) -> TensorType {
    match dtype {
        DType::F64 => TensorType::F64,
        DType::F32 => TensorType::F32,
        DType::BF16 => TensorType::BF16,
        DType::F16 => TensorType::F16,
    }
}
