//! AMX: products of tiles of bf16.
//!
//! The compiler knows the instructions only in a version of Rust that is not stable: they stand as text.

#![expect(unsafe_code, reason = "instructions need a processor that has them")]

use std::arch::asm;

use super::Step;
use crate::amx;

/// Rows of a tile, and columns of f32.
const ROWS: usize = 16;
/// Numbers in a row of bf16.
const NUMBERS: usize = 32;
/// Tiles of sums, which do not wait for each other.
const SUMS: usize = 4;
/// Products of a round.
pub(super) const PRODUCTS: usize = SUMS * ROWS * ROWS * NUMBERS;

/// That the processor has AMX for bf16, and that the system permits it: nothing but [`Proof::find`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof(());

impl Proof {
    pub(super) fn find() -> Option<Self> {
        amx::multiplies_bf16().then_some(Proof(()))
    }
}

pub(super) fn run(_: Proof, step: Step, rounds: u64) -> f64 {
    // A bf16 is the upper half of an f32.
    let [factors, terms] =
        [step.factor, step.term].map(|x| [(x.to_bits() >> 16) as u16; ROWS * NUMBERS]);
    let mut sums = [[0.0_f32; ROWS * ROWS]; SUMS];
    let [first, second, third, fourth] = sums.each_mut().map(|sums| sums.as_mut_ptr());
    // SAFETY: no `Proof` exists unless the processor has the instructions and the system permits them. Tiles are of 16 rows of 64 bytes,
    // as large as each array; nothing else in this program uses them at the same time.
    unsafe {
        asm!(
            "ldtilecfg [{config}]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tileloadd tmm4, [{factors} + {row}]",
            "tileloadd tmm5, [{factors} + {row}]",
            "tileloadd tmm6, [{terms} + {row}]",
            "tileloadd tmm7, [{terms} + {row}]",
            "test {rounds}, {rounds}",
            "jz 3f",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {rounds}",
            "jnz 2b",
            "3:",
            "tilestored [{first} + {row}], tmm0",
            "tilestored [{second} + {row}], tmm1",
            "tilestored [{third} + {row}], tmm2",
            "tilestored [{fourth} + {row}], tmm3",
            "tilerelease",
            config = in(reg) &raw const amx::WHOLE,
            factors = in(reg) factors.as_ptr(),
            terms = in(reg) terms.as_ptr(),
            row = in(reg) 64_usize,
            rounds = inout(reg) rounds => _,
            first = in(reg) first,
            second = in(reg) second,
            third = in(reg) third,
            fourth = in(reg) fourth,
            options(nostack)
        );
    }
    sums.as_flattened().iter().map(|&sum| f64::from(sum)).sum()
}
