//! How many multiply-adds a second: loops of nothing else.
//!
//! Every loop keeps chains of vectors in registers, [`CHAINS`] or [`HALF_CHAINS`] of them, and applies
//! `x = x * factor + term` to each of them in every round. A fused multiply-add takes four or five cycles and two of
//! them can start in a cycle, so ten chains that do not wait for each other keep both units busy; twelve and two
//! constants still fit into the sixteen registers of AVX2. Instructions for half types take six cycles where two of them can start in a
//! cycle, more elsewhere: sixteen chains. More, though there are registers for them, and the compiler keeps some in memory.
//!
//! | file | instruction set |
//! |---|---|
//! | `portable` | what the compiler makes of plain Rust; fused where the target has it |
//! | `avx2` | AVX2 and FMA: 8 x f32, 4 x f64 |
//! | `avx512` | AVX-512F: 16 x f32, 8 x f64 |
//! | `avx512bf16` | AVX512-BF16: sums of two products of bf16 each, added to 16 x f32 |
//! | `avx512fp16` | AVX512-FP16: 32 x f16 |
//! | `amx` | AMX: tiles of 16 x 16 sums of 32 products of bf16 |
//! | `complete` | of which types these are all the instructions that a processor has |
//!
//! No loop multiplies integers, though some processors multiply those of eight bits faster than any of these.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512bf16;
#[cfg(target_arch = "x86_64")]
mod avx512fp16;
mod complete;
mod portable;

pub use complete::complete;

use crate::vectors::{Set, Vectors};

/// Vectors that a loop of f32 or f64 works on at once.
pub const CHAINS: usize = 12;

/// Vectors that a loop of a half type works on at once.
pub const HALF_CHAINS: usize = 16;

/// Type of the numbers that are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// binary32.
    F32,
    /// binary64.
    F64,
    /// bfloat16; sums are binary32.
    BF16,
    /// binary16.
    F16,
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

/// A loop that this processor can run: only [`Loop::available`] hands out any, so holding a value is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop(Body);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    F32(Vectors),
    F64(Vectors),
    #[cfg(target_arch = "x86_64")]
    BF16(avx512bf16::Proof),
    #[cfg(target_arch = "x86_64")]
    Tiles(amx::Proof),
    #[cfg(target_arch = "x86_64")]
    F16(avx512fp16::Proof),
}

impl Loop {
    /// All of this processor, of each type the narrowest first.
    pub fn available() -> Vec<Self> {
        let vectors = Vectors::available().into_iter();
        let found = vectors.flat_map(|vectors| [Body::F32(vectors), Body::F64(vectors)]);
        #[cfg(target_arch = "x86_64")]
        let found = found
            .chain(avx512bf16::Proof::find().map(Body::BF16))
            .chain(amx::Proof::find().map(Body::Tiles))
            .chain(avx512fp16::Proof::find().map(Body::F16));
        found.map(Loop).collect()
    }

    /// What it multiplies.
    pub const fn element(self) -> Element {
        match self.0 {
            Body::F32(_) => Element::F32,
            Body::F64(_) => Element::F64,
            #[cfg(target_arch = "x86_64")]
            Body::BF16(_) | Body::Tiles(_) => Element::BF16,
            #[cfg(target_arch = "x86_64")]
            Body::F16(_) => Element::F16,
        }
    }

    /// The instruction set, as it is commonly written: `avx2+fma`.
    pub const fn isa(self) -> &'static str {
        match self.0 {
            Body::F32(vectors) | Body::F64(vectors) => vectors.name(),
            #[cfg(target_arch = "x86_64")]
            Body::BF16(_) => "avx512bf16",
            #[cfg(target_arch = "x86_64")]
            Body::Tiles(_) => "amx-bf16",
            #[cfg(target_arch = "x86_64")]
            Body::F16(_) => "avx512fp16",
        }
    }

    /// Multiply-adds of one round: those of a vector times chains. Each is two floating-point operations.
    pub const fn fmas_per_round(self) -> u64 {
        let fmas = match self.0 {
            Body::F32(vectors) => lanes_f32(vectors) * CHAINS,
            Body::F64(vectors) => lanes_f32(vectors) / 2 * CHAINS,
            #[cfg(target_arch = "x86_64")]
            Body::BF16(_) => avx512bf16::PRODUCTS * HALF_CHAINS,
            #[cfg(target_arch = "x86_64")]
            Body::Tiles(_) => amx::PRODUCTS,
            #[cfg(target_arch = "x86_64")]
            Body::F16(_) => avx512fp16::LANES * HALF_CHAINS,
        };
        fmas as u64
    }

    /// Makes `rounds` rounds, starting from 0 everywhere; returns the sum over all lanes of all chains.
    ///
    /// With factor 1 and term 1 every multiply-add raises the sum by 1, so the sum counts them. A loop of bf16,
    /// whose sums are of another type than its factors, cannot multiply them: it does `x = x + factor * term`.
    pub fn run(self, step: Step, rounds: u64) -> f64 {
        match self.0 {
            Body::F32(vectors) => match vectors.0 {
                Set::Portable => portable::run_f32(step, rounds),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2Fma => avx2::run_f32(vectors, step, rounds),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512f => avx512::run_f32(vectors, step, rounds),
            },
            Body::F64(vectors) => match vectors.0 {
                Set::Portable => portable::run_f64(step, rounds),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2Fma => avx2::run_f64(vectors, step, rounds),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512f => avx512::run_f64(vectors, step, rounds),
            },
            #[cfg(target_arch = "x86_64")]
            Body::BF16(proof) => avx512bf16::run(proof, step, rounds),
            #[cfg(target_arch = "x86_64")]
            Body::Tiles(proof) => amx::run(proof, step, rounds),
            #[cfg(target_arch = "x86_64")]
            Body::F16(proof) => avx512fp16::run(proof, step, rounds),
        }
    }
}

/// Lanes of f32 in one vector.
const fn lanes_f32(vectors: Vectors) -> usize {
    match vectors.0 {
        Set::Portable => portable::LANES_F32,
        #[cfg(target_arch = "x86_64")]
        Set::Avx2Fma => avx2::LANES_F32,
        #[cfg(target_arch = "x86_64")]
        Set::Avx512f => avx512::LANES_F32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_makes_as_many_multiply_adds_as_it_says() {
        let count = Step { factor: 1.0, term: 1.0 };
        for of in Loop::available() {
            for rounds in [0, 1, 2, 1000] {
                let fmas = of.fmas_per_round() * rounds;
                assert_eq!(of.run(count, rounds), fmas as f64, "{of:?} {rounds}");
            }
        }
    }

    #[test]
    fn the_factor_is_applied_and_a_long_run_stays_calm() {
        for of in Loop::available() {
            let lanes = of.fmas_per_round() as f64;
            let [three, many] = [3, 10_000].map(|rounds| of.run(Step::CALM, rounds) / lanes);
            // 0, 0.5, 0.75, 0.875, and so on towards 1; or 0.25 in every round.
            let expected =
                if of.element() == Element::BF16 { [0.75, 2500.0] } else { [0.875, 1.0] };
            assert_eq!([three, many], expected, "{of:?}");
        }
    }

    #[test]
    fn operations_by_hand() {
        for of in Loop::available() {
            if of.isa() == "amx-bf16" {
                // Four products of 16 rows of 32 and 16 columns.
                assert_eq!(of.fmas_per_round(), 4 * 16 * 32 * 16);
                continue;
            }
            // Of two vectors of 64 bytes, bf16 multiplies 32 pairs.
            let (bytes, chains) = match of.isa() {
                "avx512f" => (64, 12),
                "avx512bf16" | "avx512fp16" => (64, 16),
                "avx2+fma" => (32, 12),
                _ if cfg!(target_feature = "avx") => (32, 12),
                _ => (16, 12),
            };
            let size = match of.element() {
                Element::F64 => 8,
                Element::F32 => 4,
                Element::BF16 | Element::F16 => 2,
            };
            assert_eq!(of.fmas_per_round(), bytes / size * chains, "{of:?}");
        }
    }

    #[test]
    fn every_type_that_the_processor_names_has_a_loop() {
        let found: Vec<&str> = Loop::available().iter().map(|of| of.isa()).collect();
        assert_eq!(found[..2], ["portable"; 2]);
        #[cfg(target_arch = "x86_64")]
        {
            let has = |isa| found.contains(&isa);
            assert_eq!(has("avx512f"), is_x86_feature_detected!("avx512f"));
            assert_eq!(has("avx512bf16"), is_x86_feature_detected!("avx512bf16"));
            assert_eq!(has("avx512fp16"), is_x86_feature_detected!("avx512fp16"));
            assert_eq!(has("amx-bf16"), crate::amx::multiplies_bf16());
        }
    }
}
