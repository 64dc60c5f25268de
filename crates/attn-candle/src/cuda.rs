//! The operations of [`Composed`] on the first CUDA device. **Not yet run on hardware.**
//!
//! `load` transfers the operands to the device, where they and the result stay; `run` launches all calls of a
//! sample and waits for the device once; `store` transfers the result back. So time is the host's clock around
//! launches and one synchronisation: with few, short calls it contains the launches.
//!
//! Products of f32 are f32: TF32 is switched off, and so are reduced-precision sums of half types, which
//! are converted to f32 first anyway.
//!
//! There is no `candle/cuda-flash`: the build of candle-flash-attn 0.11.1 fetches a commit of CUTLASS, whose headers its
//! kernels include, from GitHub with git. The package alone does not have them, so it cannot be built from the
//! registry.

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, Exec, Plan, Problem, Receipt, ThreadPolicy,
    Unavailable, Unsupported,
};
use candle_core::cuda::cudarc::driver::{result, sys};
use candle_core::{Device, cuda};

use crate::Composed;
use crate::composed::{LIBRARIES, plan};
use crate::plan::{checked, message};

/// The backend `candle/cuda`. Supports what [`Composed`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuda;

impl Backend for Cuda {
    fn id(&self) -> BackendId {
        BackendId::new("candle/cuda")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        let device = device().map_err(|error| Unavailable { reason: message(&error) })?;
        let described = describe(&device).map_err(|reason| Unavailable { reason })?;
        Ok(Receipt {
            library: LIBRARIES.into(),
            device: described,
            isa: "cuBLAS products, TF32 off; time is the host's clock, device synchronised once \
                  per sample"
                .into(),
            threads: ThreadPolicy::PerProcess,
            arithmetic: Arithmetic::PLAIN,
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        Composed.supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(plan(problem, &checked(device())?))
    }
}

/// The first device, with products in the precision that the receipt states.
pub(crate) fn device() -> candle_core::Result<Device> {
    cuda::set_gemm_reduced_precision_f32(false);
    cuda::set_gemm_reduced_precision_f16(false);
    cuda::set_gemm_reduced_precision_bf16(false);
    Device::new_cuda(0)
}

/// Name, compute capability and driver of the device.
fn describe(device: &Device) -> Result<String, String> {
    use sys::CUdevice_attribute_enum as Attribute;
    let fail = |error: result::DriverError| error.to_string();
    let stream = device.as_cuda_device().map_err(|error| message(&error))?.cuda_stream();
    let context = stream.context();
    let name = context.name().map_err(fail)?;
    let major =
        context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR).map_err(fail)?;
    let minor =
        context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR).map_err(fail)?;
    Ok(format!("{name}, compute capability {major}.{minor}{}", driver()))
}

/// Version of the driver, where the kernel module tells.
fn driver() -> String {
    let version = std::fs::read_to_string("/sys/module/nvidia/version").unwrap_or_default();
    match version.trim() {
        "" => ", driver version unknown".into(),
        version => format!(", driver {version}"),
    }
}
