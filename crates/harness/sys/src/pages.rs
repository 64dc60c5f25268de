//! Large pages for large memory.

use std::mem::MaybeUninit;

/// Memory below this many bytes is left as it is: it may hold no whole large page.
const LEAST_BYTES: usize = 4 << 20;

/// An empty vector with room for `capacity` elements, in large pages where it is large and the system gives them.
pub fn with_capacity<T>(capacity: usize) -> Vec<T> {
    let mut memory = Vec::with_capacity(capacity);
    prefer_large(memory.spare_capacity_mut());
    memory
}

/// Asks the system to back `memory`, which nothing has touched yet, by large pages (2 MiB on x86-64 and
/// aarch64); returns whether it took the request, which is no promise. A stream through 4 KiB pages waits for an
/// address translation every 64 cache lines, at which prefetchers stop, too.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the system call takes an address")]
fn prefer_large<T>(memory: &mut [MaybeUninit<T>]) -> bool {
    use rustix::mm::{Advice, madvise};
    let (page, bytes) = (rustix::param::page_size(), size_of_val(memory));
    if bytes < LEAST_BYTES {
        return false;
    }
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(page);
    let whole = (bytes - skipped) / page * page;
    // SAFETY: the pages lie within `memory`, and this advice changes the content of none.
    unsafe { madvise(start.add(skipped).cast(), whole, Advice::LinuxHugepage) }.is_ok()
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
fn prefer_large<T>(_memory: &mut [MaybeUninit<T>]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_can_be_used() {
        for count in [0, 100, (LEAST_BYTES >> 3) + 77, 1 << 20] {
            let mut memory: Vec<u64> = with_capacity(count);
            memory.resize(count, 7);
            assert!(memory.iter().all(|&word| word == 7));
        }
        assert!(!prefer_large(Vec::<u8>::with_capacity(100).spare_capacity_mut()));
    }
}
