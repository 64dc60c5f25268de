//! The operations of [`Composed`] on the first CUDA device. **Not yet run on hardware.**
//!
//! `load` transfers the operands to the device, where they and the result stay; `run` launches all calls of a
//! sample and waits for the device once; `store` transfers the result back. So time is the host's clock around
//! launches and one synchronisation: with few, short calls it contains the launches. Memory is what the driver's pool
//! says was in use of it, as candle allocates there.
//!
//! Products of f32 are f32: TF32 is switched off, and so are reduced-precision sums of half types, which
//! are converted to f32 first anyway.
//!
//! There is no `candle/cuda-flash`: the build of candle-flash-attn 0.11.1 fetches a commit of CUTLASS, whose headers its
//! kernels include, from GitHub with git. The package alone does not have them, so it cannot be built from the
//! registry.

use std::sync::OnceLock;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, Bytes, Exec, Plan, Problem,
    ThreadPolicy, Unavailable, Unsupported,
};
use attn_sys::device::{Pool, cublas_version, driver_version};
use candle_core::backend::BackendDevice as _;
use candle_core::cuda::cudarc::driver::{DriverError, sys};
use candle_core::{CudaDevice, DType as TensorType, Device, Tensor, cuda};

use crate::composed::{LIBRARIES, plan};
use crate::indices::countable;
use crate::plan::{checked, failed, message, readable};

/// The backend `candle/cuda`. Supports every problem that its kernels can count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuda;

impl Backend for Cuda {
    fn id(&self) -> BackendId {
        BackendId::new("candle/cuda")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        let found = device().and_then(|device| {
            try_out(&device)?;
            let device = device.as_cuda_device().map_err(|error| message(&error))?;
            Ok((libraries(device), describe(device)?))
        });
        let (library, device) = found.map_err(|reason| Unavailable { reason })?;
        Ok(BackendInfo {
            library,
            device,
            isa: "cuBLAS products, TF32 off; time is the host's clock, the device synchronised \
                  before it is read"
                .into(),
            threads: ThreadPolicy::Device,
            arithmetic: Arithmetic::PLAIN,
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        countable(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        plan(problem, &device().map_err(failed)?)
    }
}

/// The first device, with products in the precision that its `BackendInfo` states; or why there is none. Opened once: every
/// further one would load its own kernels and hold its own workspace for products.
pub(crate) fn device() -> Result<Device, String> {
    static FIRST: OnceLock<Result<Device, String>> = OnceLock::new();
    let open = || {
        cuda::set_gemm_reduced_precision_f32(false);
        cuda::set_gemm_reduced_precision_f16(false);
        cuda::set_gemm_reduced_precision_bf16(false);
        let device = Device::new_cuda(0).map_err(|error| message(&error))?;
        let cuda = device.as_cuda_device().map_err(|error| message(&error))?;
        keep_freed(cuda).map_err(in_words)?;
        Ok(device)
    };
    FIRST.get_or_init(open).clone()
}

/// Freed memory stays with the process, as it does between the layers of a model: otherwise every sample would begin by
/// getting its memory from the system. Without memory pools there is none to keep.
fn keep_freed(device: &CudaDevice) -> Result<(), DriverError> {
    pool(device).map_or(Ok(()), Pool::keep_freed)
}

fn pool(device: &CudaDevice) -> Result<Pool, DriverError> {
    Pool::of(device.cuda_stream().context())
}

/// Whether it computes, and f32 products are f32. A driver may open a device whose kernels it cannot load, being older
/// than the toolkit that compiled them; and `NVIDIA_TF32_OVERRIDE` in the environment switches TF32 on in spite of all.
fn try_out(device: &Device) -> Result<(), String> {
    const SIZE: usize = 256;
    // TF32, of 10 bits after the point, makes 1 of it.
    let fine = 1.0 + (-12_f32).exp2();
    let smallest = || {
        let rows = Tensor::full(fine, (SIZE, SIZE), device)?;
        let ones = Tensor::ones((SIZE, SIZE), TensorType::F32, device)?;
        rows.matmul(&ones)?.flatten_all()?.min(0)?.to_scalar::<f32>()
    };
    let (found, right) = (smallest().map_err(|error| message(&error))?, fine * SIZE as f32);
    if found == right {
        return Ok(());
    }
    Err(format!("a product of f32 is {found} where {right} is exact: is NVIDIA_TF32_OVERRIDE set?"))
}

/// What `work` occupies of the device's memory at its peak, beyond what is in use before; `None` where the driver has no
/// pool that counts (its memory pools are not supported).
pub(crate) fn peak(
    device: &CudaDevice,
    work: impl FnOnce() -> Result<(), BackendError>,
) -> Result<Option<Bytes>, BackendError> {
    checked(device.synchronize())?;
    let begun = pool(device).and_then(|pool| {
        pool.forget_peak()?;
        Ok((pool, pool.in_use()?))
    });
    work()?;
    let Ok((pool, before)) = begun else {
        return Ok(None);
    };
    let peak = pool.peak().ok().filter(|_| before > 0);
    Ok(peak.map(|peak| Bytes(peak.saturating_sub(before))))
}

fn in_words(error: DriverError) -> String {
    readable(&error.to_string())
}

/// Name, compute capability and driver of the device.
fn describe(device: &CudaDevice) -> Result<String, String> {
    use sys::CUdevice_attribute_enum as Attribute;
    let stream = device.cuda_stream();
    let attribute = |attribute| stream.context().attribute(attribute).map_err(in_words);
    let name = stream.context().name().map_err(in_words)?;
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let (cuda, of_cuda) = driver_version().map_err(in_words)?;
    let driver = std::fs::read_to_string("/sys/module/nvidia/version").unwrap_or_default();
    let driver = match driver.trim() {
        "" => "driver".into(),
        version => format!("driver {version}"),
    };
    Ok(format!("{name}, compute capability {major}.{minor}, {driver} for CUDA {cuda}.{of_cuda}"))
}

/// What the operations are linked from; the products are cuBLAS's.
fn libraries(device: &CudaDevice) -> String {
    match cublas_version(&device.cublas_handle()) {
        Some((major, minor, patch)) => format!("{LIBRARIES}, cuBLAS {major}.{minor}.{patch}"),
        None => format!("{LIBRARIES}, cuBLAS of unknown version"),
    }
}
