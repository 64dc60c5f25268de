//! Plain Rust.

use std::hint::black_box;

use super::{CHAINS, Step};

/// Lanes of f32 in one chain: a register of the target, as far as known at compile time.
pub(super) const LANES_F32: usize = if cfg!(target_feature = "avx") { 8 } else { 4 };

/// Whether the target multiplies and adds in one instruction; where not, `mul_add` would be a call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

macro_rules! portable {
    ($name:ident, $float:ty, $lanes:expr) => {
        pub(super) fn $name(step: Step, rounds: u64) -> f64 {
            const LANES: usize = $lanes;
            let next = |x: $float, factor, term| {
                if FUSED { x.mul_add(factor, term) } else { x * factor + term }
            };
            let factor = <$float>::from(step.factor);
            let term = <$float>::from(step.term);
            let mut chains = [[0.0; LANES]; CHAINS];
            for _ in 0..rounds {
                for chain in &mut chains {
                    *chain = chain.map(|x| next(x, factor, term));
                }
            }
            // Stored whole: whoever uses the lanes one by one keeps the compiler from using vectors.
            let chains = black_box(chains);
            chains.as_flattened().iter().map(|&x| f64::from(x)).sum()
        }
    };
}

portable!(run_f32, f32, LANES_F32);
portable!(run_f64, f64, LANES_F32 / 2);
