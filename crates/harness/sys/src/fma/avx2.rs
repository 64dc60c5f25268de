//! AVX2 and FMA.

#![expect(unsafe_code, reason = "intrinsics need a processor that has them")]

use std::arch::x86_64::{
    _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_set1_pd, _mm256_set1_ps, _mm256_setzero_pd,
    _mm256_setzero_ps,
};

use super::{CHAINS, Step};
use crate::vectors::{Set, Vectors};

pub(super) const LANES_F32: usize = 8;

pub(super) fn run_f32(vectors: Vectors, step: Step, rounds: u64) -> f64 {
    assert_eq!(vectors.0, Set::Avx2Fma);
    // SAFETY: `vectors` says `Avx2Fma`, and no such value exists unless the processor has it.
    unsafe { f32s(step, rounds) }
}

pub(super) fn run_f64(vectors: Vectors, step: Step, rounds: u64) -> f64 {
    assert_eq!(vectors.0, Set::Avx2Fma);
    // SAFETY: as above.
    unsafe { f64s(step, rounds) }
}

#[target_feature(enable = "avx2,fma")]
fn f32s(step: Step, rounds: u64) -> f64 {
    let (factor, term) = (_mm256_set1_ps(step.factor), _mm256_set1_ps(step.term));
    let mut chains = [_mm256_setzero_ps(); CHAINS];
    for _ in 0..rounds {
        for x in &mut chains {
            *x = _mm256_fmadd_ps(*x, factor, term);
        }
    }
    // SAFETY: both are `CHAINS * LANES_F32` plain f32, without padding, and every bit pattern is one.
    let lanes: [f32; CHAINS * LANES_F32] = unsafe { std::mem::transmute(chains) };
    lanes.map(f64::from).iter().sum()
}

#[target_feature(enable = "avx2,fma")]
fn f64s(step: Step, rounds: u64) -> f64 {
    let (factor, term) = (_mm256_set1_pd(step.factor.into()), _mm256_set1_pd(step.term.into()));
    let mut chains = [_mm256_setzero_pd(); CHAINS];
    for _ in 0..rounds {
        for x in &mut chains {
            *x = _mm256_fmadd_pd(*x, factor, term);
        }
    }
    // SAFETY: as in `f32s`, with f64.
    let lanes: [f64; CHAINS * LANES_F32 / 2] = unsafe { std::mem::transmute(chains) };
    lanes.iter().sum()
}
