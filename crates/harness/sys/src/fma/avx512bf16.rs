//! AVX512-BF16. Vectors of 256 bits, which AVX-512VL offers too, do no more in a cycle than these.

#![expect(unsafe_code, reason = "intrinsics need a processor that has them")]

use std::arch::x86_64::{
    __m512bh, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_set1_ps, _mm512_setzero_ps,
};

use super::{HALF_CHAINS, Step};

/// Sums in one chain.
const LANES: usize = 16;

/// Products of one chain: two are added to each sum.
pub(super) const PRODUCTS: usize = 2 * LANES;

/// That the processor has AVX512-BF16: nothing but [`Proof::find`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof(());

impl Proof {
    pub(super) fn find() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
        has.then_some(Proof(()))
    }
}

pub(super) fn run(_: Proof, step: Step, rounds: u64) -> f64 {
    // SAFETY: no `Proof` exists unless the processor has both instruction sets.
    unsafe { products(step, rounds) }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn products(step: Step, rounds: u64) -> f64 {
    let [factor, term] = [step.factor, step.term].map(|number| -> __m512bh {
        let number = _mm512_set1_ps(number);
        _mm512_cvtne2ps_pbh(number, number)
    });
    let mut chains = [_mm512_setzero_ps(); HALF_CHAINS];
    for _ in 0..rounds {
        for x in &mut chains {
            *x = _mm512_dpbf16_ps(*x, factor, term);
        }
    }
    // SAFETY: both are `HALF_CHAINS * LANES` plain f32, without padding, and every bit pattern is one.
    let lanes: [f32; HALF_CHAINS * LANES] = unsafe { std::mem::transmute(chains) };
    lanes.map(f64::from).iter().sum()
}
