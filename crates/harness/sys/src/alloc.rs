//! Counting what a computation allocates on the heap, all threads together.

#![expect(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// The system's allocator, which counts while [`measure`] runs. To be installed by the program:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: attn_sys::alloc::Counting = attn_sys::alloc::Counting;
///
/// let (kept, usage) = attn_sys::alloc::measure(|| {
///     drop(vec![0_u8; 3000]);
///     vec![0_u8; 1000]
/// });
/// assert_eq!(usage.allocations, 2);
/// assert_eq!((usage.allocated_bytes, usage.peak_bytes, usage.held_bytes), (4000, 3000, 1000));
/// # drop(kept);
/// ```
pub struct Counting;

/// What was allocated meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of allocations, reallocations included.
    pub allocations: u64,
    /// Bytes that they asked for in total.
    pub allocated_bytes: u64,
    /// Largest number of bytes in use at once, above the start.
    pub peak_bytes: u64,
    /// Bytes in use at the end, above the start.
    pub held_bytes: u64,
}

static INSTALLED: AtomicBool = AtomicBool::new(false);
static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static IN_USE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Whether [`Counting`] is this program's allocator; without, every [`Usage`] is empty.
pub fn is_installed() -> bool {
    INSTALLED.load(Relaxed)
}

/// Runs `work` and counts what the process allocates meanwhile. One at a time: measurements that
/// overlap count each other's allocations.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, Usage) {
    ALLOCATIONS.store(0, Relaxed);
    ALLOCATED.store(0, Relaxed);
    IN_USE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    ON.store(true, Relaxed);
    let result = work();
    ON.store(false, Relaxed);
    let above_start = |bytes: &AtomicI64| u64::try_from(bytes.load(Relaxed)).unwrap_or(0);
    let usage = Usage {
        allocations: ALLOCATIONS.load(Relaxed),
        allocated_bytes: ALLOCATED.load(Relaxed),
        peak_bytes: above_start(&PEAK),
        held_bytes: above_start(&IN_USE),
    };
    (result, usage)
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn allocated(bytes: usize) {
    if ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(bytes as u64, Relaxed);
        let in_use = IN_USE.fetch_add(signed(bytes), Relaxed) + signed(bytes);
        PEAK.fetch_max(in_use, Relaxed);
    } else if !INSTALLED.load(Relaxed) {
        INSTALLED.store(true, Relaxed);
    }
}

fn freed(bytes: usize) {
    if ON.load(Relaxed) {
        IN_USE.fetch_sub(signed(bytes), Relaxed);
    }
}

// SAFETY: every method hands its arguments to `System` unchanged and returns what that returns; the
// counters are atomics, which allocate nothing and cannot panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the block came from `System`, as all blocks of this allocator do, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both exist while one is copied to the other.
        allocated(new_size);
        freed(layout.size());
        // SAFETY: as in `dealloc`; the caller vouches for `new_size`.
        unsafe { System.realloc(block, layout, new_size) }
    }
}
