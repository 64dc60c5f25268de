//! Memory that ends where a page ends, with pages around it that nobody may touch.
//!
//! A read or a write one element past the end is the end of the process. Slices of safe code cannot do
//! that; kernels that work with pointers can.

#![expect(unsafe_code, reason = "pages are mapped and protected by system calls")]

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// As large as a page of any system that this runs on, or a multiple of it.
const PAGE: usize = 64 << 10;

/// Types all of whose bit patterns are values, and whose size is a power of two.
pub trait Plain: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! plain {
    ($($type:ty),+) => {
        $(impl sealed::Sealed for $type {}
        impl Plain for $type {})+
    };
}
plain!(u8, u16, u32, u64, f32, f64);

/// A slice whose last element is the last of a page.
pub struct Guarded<T: Plain> {
    /// Of the first guard.
    start: *mut c_void,
    /// Both guards included.
    mapped: usize,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Plain> Guarded<T> {
    /// A copy of `elements`.
    pub fn copy_of(elements: &[T]) -> io::Result<Self> {
        let inner = size_of_val(elements).next_multiple_of(PAGE);
        let mapped = inner + 2 * PAGE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: without an address the system chooses one where nothing is.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), mapped, protection, MapFlags::PRIVATE)? };
        let mut guarded = Guarded { start, mapped, len: elements.len(), element: PhantomData };
        for offset in [0, PAGE + inner] {
            // SAFETY: both pages belong to the mapping above, and no slice includes them.
            unsafe { mprotect(start.byte_add(offset), PAGE, MprotectFlags::empty())? };
        }
        guarded.copy_from_slice(elements);
        Ok(guarded)
    }

    fn first(&self) -> *mut T {
        // The end is the end of a page, so elements whose size is a power of two are aligned.
        self.start.wrapping_byte_add(self.mapped - PAGE - self.len * size_of::<T>()).cast()
    }
}

impl<T: Plain> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the elements lie between the guards, aligned, zeroed by the system or written since,
        // and every bit pattern is a value of a `Plain` type.
        unsafe { std::slice::from_raw_parts(self.first(), self.len) }
    }
}

impl<T: Plain> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first(), self.len) }
    }
}

impl<T: Plain> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        let unmapped = unsafe { munmap(self.start, self.mapped) };
        debug_assert!(unmapped.is_ok(), "the mapping was valid");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn holds_what_it_was_given_up_to_the_last_byte_of_a_page() {
        for len in [0, 1, 3, 1000, 20_000] {
            let elements: Vec<u32> = (0..len).collect();
            let mut guarded = Guarded::copy_of(&elements).unwrap();
            assert_eq!(*guarded, *elements);
            assert_eq!(guarded.as_ptr_range().end.addr() % 4096, 0);
            guarded.reverse();
            assert!(guarded.iter().rev().copied().eq(0..len));
        }
    }

    #[test]
    #[ignore = "dies, as the next test sees to"]
    fn reads_one_past_the_end() {
        let guarded = Guarded::copy_of(&[1u32, 2, 3]).unwrap();
        // SAFETY: none: this is the mistake that the guard has to catch.
        let past = unsafe { guarded.as_ptr().add(3).read_volatile() };
        panic!("read {past}, and lived");
    }

    #[test]
    #[ignore = "dies, as the next test sees to"]
    fn writes_one_past_the_end() {
        let mut guarded = Guarded::copy_of(&[1u32, 2, 3]).unwrap();
        // SAFETY: none: this is the mistake that the guard has to catch.
        unsafe { guarded.as_mut_ptr().add(3).write_volatile(4) };
        panic!("wrote, and lived");
    }

    #[test]
    fn one_element_past_the_end_is_the_end_of_the_process() {
        for test in ["reads_one_past_the_end", "writes_one_past_the_end"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--ignored", "--exact", &format!("guard::tests::{test}")]);
            let status = command.output().unwrap().status;
            let fault = [Some(11), Some(7)].contains(&status.signal());
            assert!(fault, "{test}: {status}, expected a memory fault");
        }
    }
}
