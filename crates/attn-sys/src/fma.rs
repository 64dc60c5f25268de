//! How many multiply-adds a second: loops of nothing else.
//!
//! Every loop keeps [`CHAINS`] vectors in registers and applies `x = x * factor + term` to each of them
//! in every round. A fused multiply-add takes four or five cycles and two of them can start in a cycle, so
//! ten chains that do not wait for each other keep both units busy; twelve and two constants still fit
//! into the sixteen registers of AVX2.
//!
//! | file | instruction set |
//! |---|---|
//! | `portable` | what the compiler makes of plain Rust; fused where the target has it |
//! | `avx2` | AVX2 and FMA: 8 x f32, 4 x f64 |
//! | `avx512` | AVX-512F: 16 x f32, 8 x f64 |

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::vectors::{Set, Vectors};

/// Vectors that every loop works on at once.
pub const CHAINS: usize = 12;

/// Type of the numbers in the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// binary32.
    F32,
    /// binary64.
    F64,
}

/// What every multiply-add does: `x = x * factor + term`.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Multiplied.
    pub factor: f32,
    /// Added.
    pub term: f32,
}

impl Step {
    /// Starts at 0 and converges to 1: no overflow and no subnormal numbers, however long it goes on.
    pub const CALM: Step = Step { factor: 0.5, term: 0.5 };
}

/// Multiply-adds of one round: lanes times chains. Each is two floating-point operations.
pub const fn fmas_per_round(vectors: Vectors, element: Element) -> u64 {
    let f32s = match vectors.0 {
        Set::Portable => portable::LANES_F32,
        #[cfg(target_arch = "x86_64")]
        Set::Avx2Fma => avx2::LANES_F32,
        #[cfg(target_arch = "x86_64")]
        Set::Avx512f => avx512::LANES_F32,
    };
    let lanes = match element {
        Element::F32 => f32s,
        Element::F64 => f32s / 2,
    };
    (lanes * CHAINS) as u64
}

/// Makes `rounds` rounds, starting from 0 everywhere; returns the sum over all lanes of all chains.
///
/// With factor 1 and term 1 every multiply-add raises the sum by 1, so the sum counts them.
pub fn run(vectors: Vectors, element: Element, step: Step, rounds: u64) -> f64 {
    match (vectors.0, element) {
        (Set::Portable, Element::F32) => portable::run_f32(step, rounds),
        (Set::Portable, Element::F64) => portable::run_f64(step, rounds),
        #[cfg(target_arch = "x86_64")]
        (Set::Avx2Fma, _) => avx2::run(vectors, element, step, rounds),
        #[cfg(target_arch = "x86_64")]
        (Set::Avx512f, _) => avx512::run(vectors, element, step, rounds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_makes_as_many_multiply_adds_as_it_says() {
        let count = Step { factor: 1.0, term: 1.0 };
        for vectors in Vectors::available() {
            for element in [Element::F32, Element::F64] {
                for rounds in [0, 1, 2, 1000] {
                    let fmas = fmas_per_round(vectors, element) * rounds;
                    let sum = run(vectors, element, count, rounds);
                    assert_eq!(sum, fmas as f64, "{vectors:?} {element:?} {rounds}");
                }
            }
        }
    }

    #[test]
    fn the_factor_is_applied_and_a_long_run_stays_calm() {
        for vectors in Vectors::available() {
            for element in [Element::F32, Element::F64] {
                let lanes = fmas_per_round(vectors, element) as f64;
                // 0, 0.5, 0.75, 0.875, and so on towards 1.
                assert_eq!(run(vectors, element, Step::CALM, 3), 0.875 * lanes, "{vectors:?}");
                assert_eq!(run(vectors, element, Step::CALM, 10_000), lanes, "{vectors:?}");
            }
        }
    }

    #[test]
    fn lanes_by_hand() {
        for vectors in Vectors::available() {
            let lanes = fmas_per_round(vectors, Element::F32) / CHAINS as u64;
            let bytes = match vectors.name() {
                "avx512f" => 64,
                "avx2+fma" => 32,
                _ => lanes * 4,
            };
            assert_eq!(lanes * 4, bytes, "{vectors:?}");
            assert_eq!(fmas_per_round(vectors, Element::F64), lanes * CHAINS as u64 / 2);
        }
    }
}
