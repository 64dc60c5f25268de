//! What a CUDA device's driver and libraries say: their versions, and what is in use of the memory.

#![expect(unsafe_code, reason = "the driver is asked through pointers")]

use std::ffi::c_int;

use cudarc::cublas::CudaBlas;
use cudarc::cublas::sys::{cublasGetVersion_v2, cublasStatus_t};
use cudarc::driver::result::{device, mem_pool};
use cudarc::driver::sys::{self, CUmemPool_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, DriverError};

/// Major and minor version of the CUDA that the driver is for.
pub fn driver_version() -> Result<(i32, i32), DriverError> {
    let mut version: c_int = 0;
    // SAFETY: the driver writes one integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok((version / 1000, version % 1000 / 10))
}

/// Major, minor and patch version of the cuBLAS that `blas` is a handle of, if it says so.
pub fn cublas_version(blas: &CudaBlas) -> Option<(i32, i32, i32)> {
    let mut version: c_int = 0;
    // SAFETY: the handle is valid while `blas` lives; cuBLAS writes one integer.
    let status = unsafe { cublasGetVersion_v2(*blas.handle(), &raw mut version) };
    let known = status == cublasStatus_t::CUBLAS_STATUS_SUCCESS;
    known.then_some((version / 10_000, version % 10_000 / 100, version % 100))
}

/// The pool that stream-ordered allocations (`cuMemAllocAsync`) of a device come from.
#[derive(Clone, Copy, Debug)]
pub struct Pool(sys::CUmemoryPool);

impl Pool {
    /// Of the device of `context`.
    pub fn of(context: &CudaContext) -> Result<Self, DriverError> {
        // SAFETY: a context holds a device that the driver gave it.
        unsafe { device::get_mem_pool(context.cu_device()) }.map(Pool)
    }

    /// Bytes that are in use now.
    pub fn in_use(self) -> Result<u64, DriverError> {
        self.get(Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    }

    /// The most bytes that were in use at once since [`Pool::forget_peak`].
    pub fn peak(self) -> Result<u64, DriverError> {
        self.get(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)
    }

    /// From now on the peak is that of what follows.
    pub fn forget_peak(self) -> Result<(), DriverError> {
        // The one value that the driver takes.
        self.set(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0)
    }

    /// From now on freed memory stays in the pool. By default it goes back to the system whenever somebody waits for the
    /// device, and what comes next waits for memory again.
    pub fn keep_freed(self) -> Result<(), DriverError> {
        self.set(Attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX)
    }

    fn set(self, attribute: Attribute, mut value: u64) -> Result<(), DriverError> {
        // SAFETY: the current pool of a device lives as long as the process unless it is destroyed, which nothing here
        // does; every attribute that is set or asked here is a 64-bit integer, as `value` is.
        unsafe { mem_pool::set_attribute(self.0, attribute, (&raw mut value).cast()) }
    }

    fn get(self, attribute: Attribute) -> Result<u64, DriverError> {
        let mut value = 0_u64;
        // SAFETY: as in `set`.
        unsafe { mem_pool::get_attribute(self.0, attribute, (&raw mut value).cast()) }?;
        Ok(value)
    }
}
