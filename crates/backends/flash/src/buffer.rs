//! Memory for vectors: aligned to cache lines, and shared by threads that keep to their parts.

#![expect(unsafe_code, reason = "aligned memory as slices; disjoint parts of one slice")]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use attn_core::Element;

/// A cache line, and as wide as the widest vector.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// What memory can be handed out as.
///
/// # Safety
/// Every bit pattern is a value, and a cache line is aligned enough for it.
pub(crate) unsafe trait Plain: Copy + Send + Sync + 'static {}

// SAFETY: `Element` is a sealed set of floats.
unsafe impl<T: Element> Plain for T {}

/// A slice that begins at a cache line.
pub(crate) struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        let mut memory = attn_sys::pages::with_capacity(lines);
        memory.resize(lines, Line([0; 64]));
        Buffer { lines: memory, len, element: PhantomData }
    }

    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold at least `len` elements, are aligned as `T: Plain` needs,
        // and are initialised; `T: Plain` says that every bit pattern is a value.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `self` is borrowed mutably for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A slice of which several threads write disjoint parts.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: what is shared is the right to take parts, each of which is handed out by `part` as a slice
// that nobody else has; elements of `T: Send` may be written by any thread.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    /// All of `slice`.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Parts { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The elements in `range`.
    ///
    /// # Safety
    /// No part that overlaps it is in use.
    #[expect(clippy::mut_from_ref, reason = "disjointness is what the caller vouches for")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: the range lies within the slice that `self` borrows, and the caller vouches that
        // nobody else uses it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
