//! AVX512-FP16. The intrinsic is newer than the oldest compiler that this workspace is for, so the instruction is
//! written as such.

#![expect(unsafe_code, reason = "the instruction needs a processor that has it")]

use std::arch::asm;
use std::arch::x86_64::{
    __m512i, _mm512_broadcast_i64x4, _mm512_castsi512_si256, _mm512_cvtph_ps, _mm512_cvtps_ph,
    _mm512_extracti64x4_epi64, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_si512,
};

use super::{HALF_CHAINS, Step};

/// f16 in one chain.
pub(super) const LANES: usize = 32;

/// That the processor has AVX512-FP16: nothing but [`Proof::find`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof(());

impl Proof {
    pub(super) fn find() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512fp16");
        has.then_some(Proof(()))
    }
}

pub(super) fn run(_: Proof, step: Step, rounds: u64) -> f64 {
    // SAFETY: no `Proof` exists unless the processor has both instruction sets, and has AVX512-FP16 for `fmas`.
    unsafe { fmas(step, rounds) }
}

/// The processor must have AVX512-FP16 too.
#[target_feature(enable = "avx512f")]
unsafe fn fmas(step: Step, rounds: u64) -> f64 {
    let [factor, term] = [step.factor, step.term]
        .map(|number| _mm512_broadcast_i64x4(_mm512_cvtps_ph::<0>(_mm512_set1_ps(number))));
    let mut chains = [_mm512_setzero_si512(); HALF_CHAINS];
    for _ in 0..rounds {
        for x in &mut chains {
            // SAFETY: reads and writes the three registers alone, and the caller promises the instruction.
            unsafe {
                asm!(
                    "vfmadd213ph {x}, {factor}, {term}",
                    x = inout(zmm_reg) *x,
                    factor = in(zmm_reg) factor,
                    term = in(zmm_reg) term,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        }
    }
    chains.iter().map(|&chain| sum(chain)).sum()
}

/// Of 32 f16.
#[target_feature(enable = "avx512f")]
fn sum(halves: __m512i) -> f64 {
    let ends = [_mm512_castsi512_si256(halves), _mm512_extracti64x4_epi64::<1>(halves)];
    ends.map(|end| f64::from(_mm512_reduce_add_ps(_mm512_cvtph_ps(end)))).iter().sum()
}
