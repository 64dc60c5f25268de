//! What is in use of a CUDA device's memory.

#![expect(unsafe_code, reason = "the driver is asked through pointers")]

use cudarc::driver::result::{device, mem_pool};
use cudarc::driver::sys::{self, CUmemPool_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, DriverError};

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
