//! Arithmetic coarser than the backend says.

use attn_core::DType;

use super::Bug;
use crate::steps::{HONEST, Steps};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/sum-in-bf16",
        "l is accumulated in bf16",
        Steps { add: |l, p| DType::BF16.round(l + p), ..HONEST },
    ),
    (
        "mutant/scores-in-bf16",
        "scores are rounded to bf16",
        Steps {
            score: |row, j, bias, raw| DType::BF16.round((HONEST.score)(row, j, bias, raw)),
            ..HONEST
        },
    ),
    (
        "mutant/weights-in-bf16",
        "weights are rounded to bf16 before they multiply v",
        Steps { weight: |p, _| DType::BF16.round(p), ..HONEST },
    ),
    (
        "mutant/operands-in-tf32",
        "q and k are rounded to 10 bits: tensor cores were left on for f32",
        Steps {
            parts: |_, parts| {
                parts.q.iter_mut().chain(&mut parts.k).for_each(|x| *x = tf32(*x));
            },
            ..HONEST
        },
    ),
    (
        "mutant/f64-in-f32",
        "scores of f64 problems are computed in f32",
        Steps {
            score: |row, j, bias, raw| DType::F32.round((HONEST.score)(row, j, bias, raw)),
            ..HONEST
        },
    ),
    (
        "mutant/exp-quadratic",
        "exp by a quadratic polynomial, good to 2e-3",
        Steps { exp: |x| powers(x, &[1.001_724_76, 0.657_636_276, 0.337_189_434_6]), ..HONEST },
    ),
    (
        "mutant/exp-cubic",
        "exp by a cubic polynomial, good to 1e-4",
        Steps {
            exp: |x| powers(x, &[0.999_892_986, 0.696_457_394, 0.224_338_339, 0.079_204_240_21]),
            ..HONEST
        },
    ),
    (
        "mutant/small-weights-dropped",
        "weights below exp(-10) are flushed to 0",
        Steps { exp: |x| if x < -10.0 { 0.0 } else { x.exp() }, ..HONEST },
    ),
    (
        "mutant/output-through-bf16",
        "the result passes through bf16 on its way out",
        Steps { round: |_, o| DType::BF16.round(o), ..HONEST },
    ),
    (
        "mutant/accumulator-in-storage",
        "o is kept in the storage type between tiles: rounded once per tile, not once",
        Steps { carry: Some(DType::round), ..HONEST },
    ),
];

/// `x` with 10 bits after the leading one.
pub(super) fn tf32(x: f64) -> f64 {
    let bits = (x as f32).to_bits();
    f64::from(f32::from_bits(bits.wrapping_add(1 << 12) & !((1 << 13) - 1)))
}

/// `2^n` times a polynomial in the fractional part of `x log2(e) = n + f`.
fn powers(x: f64, coefficients: &[f64]) -> f64 {
    let y = x * std::f64::consts::LOG2_E;
    let n = y.floor();
    let f = y - n;
    let polynomial = coefficients.iter().rev().fold(0.0, |sum, c| sum * f + c);
    if n < -1000.0 { 0.0 } else { polynomial * n.exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_as_coarse_as_they_say() {
        let error = |exp: fn(f64) -> f64| {
            let relative = |x: f64| (exp(x) / x.exp() - 1.0).abs();
            (0..3000).map(|at| relative(f64::from(at) * -0.01)).fold(0.0, f64::max)
        };
        let exp_of = |id: &str| BUGS.iter().find(|bug| bug.0 == id).unwrap().2.exp;
        let quadratic = error(exp_of("mutant/exp-quadratic"));
        assert!((1e-3..2e-3).contains(&quadratic), "{quadratic}");
        let cubic = error(exp_of("mutant/exp-cubic"));
        assert!((5e-5..2e-4).contains(&cubic), "{cubic}");
    }

    #[test]
    fn tf32_keeps_ten_bits_and_what_is_not_finite() {
        assert_eq!(tf32(1.0 + 2f64.powi(-10)), 1.0 + 2f64.powi(-10));
        assert_eq!(tf32(1.0 + 2f64.powi(-12)), 1.0);
        assert_eq!(tf32(f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(tf32(f64::NAN).is_nan());
    }
}
