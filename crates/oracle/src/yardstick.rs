//! The peer yardstick: no more than twice the error of the plain loops, three times where scores take
//! a tanh.

use attn_core::{Data, Problem, Score, Tensor};

use crate::Reference;

/// Factor on naive's error (FlashAttention's tests use the same).
const FACTOR: f64 = 2.0;
/// The same under a softcap or an additive score: tanh is computed in more than one way.
const FACTOR_TANH: f64 = 3.0;

/// How many times the expected error the largest error of a tensor may well be: a tensor's largest
/// error is that of its unluckiest element.
const NOISE: f64 = 1.0;

/// What the largest error of a whole tensor may be, measured on `naive` with the same inputs:
///
/// ```text
/// max|err| <= 2 max(max|err of naive|, noise) + floor,    floor = 2 max|(o + 0.3 - 0.3) - o| in the storage type
/// ```
///
/// The floor is the rounding noise of one addition, measured in place. The rule is per tensor: per
/// element it would accuse honest kernels, because naive's error is often 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yardstick {
    /// Largest error of naive.
    pub naive: f64,
    /// Largest error that anybody may have.
    pub allowed: f64,
}

impl Yardstick {
    /// Measures `naive` by a reference with its noise ([`Reference::with_noise`]); where it has not passed the a-priori bound
    /// itself, only what is to be expected counts.
    pub fn measure(
        problem: &Problem,
        (reference, noise): (&Reference, f64),
        naive: &Tensor,
        passed: bool,
    ) -> Self {
        let width = problem.shape().dim_v;
        let worst = reference
            .elements(problem)
            .filter(|(_, at)| !reference.is_undetermined(at / width))
            .map(|(index, at)| (naive.data().get(naive.index(index)) - reference.o[at]).abs())
            .fold(0.0, f64::max);
        let additive = matches!(problem.score(), Score::Additive { .. });
        let tanh = problem.softcap().is_some() || additive;
        let factor = if tanh { FACTOR_TANH } else { FACTOR };
        let expected = NOISE * noise;
        let largest = if passed { worst.max(expected) } else { expected };
        let allowed = factor * largest + floor(&reference.rounded(problem));
        Yardstick { naive: worst.min(f64::MAX), allowed }
    }
}

fn floor(o: &Data) -> f64 {
    let dtype = o.dtype();
    let noise = |o: f64| (dtype.round(dtype.round(o + 0.3) - 0.3) - o).abs();
    (0..o.len()).map(|i| FACTOR * noise(o.get(i))).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_noise_of_one_addition() {
        assert_eq!(floor(&Data::F64(vec![0.0])), 0.0);
        let noise = floor(&Data::F32(vec![1.0, 0.1, 0.7]));
        assert!(noise > 0.0 && noise <= 4.0 * f64::from(f32::EPSILON), "{noise}");
    }
}
