//! How many bytes a second: passes over a buffer with plain loads and stores.
//!
//! A pass goes through the buffer once, word by word in vectors. The stores are ordinary ones: nothing bypasses the
//! caches, as `memcpy` and `memset` of some systems do from a certain size on. The compiler would turn
//! a plain copy into `memcpy`; what is copied is therefore combined with a number that it does not know,
//! which costs nothing beside a store.

#![expect(unsafe_code, reason = "instructions beyond the target's need a processor that has them")]

use std::hint::black_box;

use crate::pages;
use crate::vectors::{Set, Vectors};

/// What a pass does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Adds up all words: loads alone.
    Read,
    /// Stores a number everywhere.
    Write,
    /// Copies the first half to the second.
    Copy,
}

/// Words of eight bytes in a cache line.
const LINE: usize = 8;

/// Memory that passes go over, in whole cache lines. Its pages exist: every word has been written.
pub struct Buffer {
    words: Vec<u64>,
    /// Where the first line begins, and where the last one ends.
    lines: std::ops::Range<usize>,
    vectors: Vectors,
}

impl Buffer {
    /// At most `bytes`, an even number of lines, but at least two.
    pub fn new(bytes: usize, vectors: Vectors) -> Self {
        let count = Buffer::words(bytes);
        let mut words = pages::with_capacity(count + LINE);
        words.resize(count + LINE, 1);
        let start = words.as_ptr().align_offset(LINE * size_of::<u64>()).min(LINE);
        Buffer { words, lines: start..start + count, vectors }
    }

    /// Bytes that a buffer of at most `bytes` occupies, and that one pass moves between registers and memory: a
    /// copy reads half of them and writes the other half.
    pub const fn size(bytes: usize) -> u64 {
        (Buffer::words(bytes) * size_of::<u64>()) as u64
    }

    const fn words(bytes: usize) -> usize {
        let pairs = bytes / size_of::<u64>() / (2 * LINE);
        (if pairs == 0 { 1 } else { pairs }) * 2 * LINE
    }

    /// One pass; returns the sum of all words for [`Access::Read`], else 0.
    pub fn pass(&mut self, access: Access) -> u64 {
        let words = black_box(&mut self.words[self.lines.clone()]);
        match self.vectors.0 {
            Set::Portable => pass(words, access),
            // SAFETY: `vectors` says `Avx2Fma`, and no such value exists unless the processor has it.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Fma => unsafe { pass_avx2(words, access) },
            // SAFETY: as above, with `Avx512f`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512f => unsafe { pass_avx512(words, access) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn pass_avx2(words: &mut [u64], access: Access) -> u64 {
    pass(words, access)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn pass_avx512(words: &mut [u64], access: Access) -> u64 {
    pass(words, access)
}

/// Inlined into a function per instruction set, and vectorised there.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the caller's instruction set has to reach it")]
fn pass(words: &mut [u64], access: Access) -> u64 {
    match access {
        Access::Read => black_box(read(words)),
        Access::Write => {
            write(words, black_box(1));
            0
        }
        Access::Copy => {
            let (from, to) = words.split_at_mut(words.len() / 2);
            copy(from, to, black_box(0));
            0
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as for `pass`")]
fn read(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as for `pass`")]
fn write(words: &mut [u64], number: u64) {
    for word in words {
        *word = number;
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as for `pass`")]
fn copy(from: &[u64], to: &mut [u64], zero: u64) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from ^ zero;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers(bytes: usize) -> impl Iterator<Item = Buffer> {
        Vectors::available().into_iter().map(move |vectors| {
            let mut buffer = Buffer::new(bytes, vectors);
            for (word, at) in buffer.words[buffer.lines.clone()].iter_mut().zip(1..) {
                *word = at;
            }
            buffer
        })
    }

    fn words(buffer: &Buffer) -> Vec<u64> {
        buffer.words[buffer.lines.clone()].to_vec()
    }

    #[test]
    fn a_pass_touches_every_word_once() {
        for bytes in [0, 500, 1500, 16 << 10] {
            for mut buffer in buffers(bytes) {
                let count = Buffer::size(bytes) / 8;
                assert_eq!(words(&buffer).len() as u64, count);
                assert_eq!(buffer.pass(Access::Read), count * (count + 1) / 2, "{bytes}");

                buffer.pass(Access::Copy);
                let half: Vec<u64> = (1..=count / 2).collect();
                assert_eq!(words(&buffer), [half.clone(), half].concat(), "{bytes}");

                buffer.pass(Access::Write);
                assert_eq!(words(&buffer), vec![1; words(&buffer).len()], "{bytes}");
            }
        }
    }

    #[test]
    fn sizes_are_whole_lines_and_never_more_than_asked() {
        for (asked, expected) in [(0, 128), (128, 128), (1000, 896), (1024, 1024)] {
            let buffer = Buffer::new(asked, Vectors::PORTABLE);
            assert_eq!(Buffer::size(asked), expected, "{asked}");
            assert_eq!(buffer.lines.len() * 8, expected as usize);
            assert_eq!(buffer.words[buffer.lines.clone()].as_ptr().addr() % 64, 0);
        }
    }
}
