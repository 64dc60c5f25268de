//! Rules by which published test suites decide that a result is right: what our own is compared with.
//!
//! | rule | accepts if | where |
//! |---|---|---|
//! | ONNX | every `\|err\| <= 1e-7 + 1e-3 \|want\|` | onnx/onnx, `backend/test/runner` |
//! | PyTorch | every `\|err\| <= atol + rtol \|want\|` of the type; f32: 1e-5, 1.3e-6 | `torch.testing.assert_close` |
//! | ggml | `sum err^2 / sum got^2 <= 5e-4` | llama.cpp, `tests/test-backend-ops.cpp` |
//! | FlashAttention | `max\|err\| <= 2 max\|err of naive\| + floor` | `hopper/test_flash_attn.py` |
//!
//! Each as published, dull spots included. None of them is used to judge a backend here.

use attn_core::DType;
use serde::{Deserialize, Serialize};

/// A published rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The tolerance of ONNX's backend tests, the same for every type: `numpy.testing.assert_allclose`
    /// with rtol 1e-3 and atol 1e-7. NaN agrees with NaN (`equal_nan` is on by default), infinities
    /// with themselves.
    Onnx,
    /// The defaults of `torch.testing.assert_close`, (rtol, atol) by type: f64 (1e-7, 1e-7), f32
    /// (1.3e-6, 1e-5), bf16 (1.6e-2, 1e-5), f16 (1e-3, 1e-5). NaN agrees with nothing, infinities
    /// with themselves.
    #[serde(rename = "pytorch")]
    PyTorch,
    /// llama.cpp's normalised mean squared error, at most 5e-4 for `FLASH_ATTN_EXT`. The norm is that
    /// of the *tested* result. NaN and unequal infinities are refused beforehand; but the comparison
    /// is `if (err > max) fail`, so a quotient that is itself NaN passes: 0 / 0, and every tensor with
    /// infinities in the right places, whatever else it holds.
    Ggml,
    /// The test of FlashAttention 3 and 4: twice the error of a plain implementation in the same
    /// type (three times with a softcap) plus `floor = 2 max|(want + 0.3 - 0.3) - want|`. NaN
    /// propagates through torch's `max`, so it is refused, and so are infinities, even equal ones:
    /// their difference is NaN.
    FlashAttention,
}

/// One tensor under test.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The result.
    pub got: &'a [f64],
    /// The truth.
    pub want: &'a [f64],
    /// The result of a plain implementation.
    pub naive: &'a [f64],
    /// Storage type of the result.
    pub dtype: DType,
    /// The problem's softcap.
    pub softcap: Option<f64>,
}

impl Rule {
    /// Every rule, in the order in which tables list them.
    pub const ALL: [Rule; 4] = [Rule::Onnx, Rule::PyTorch, Rule::Ggml, Rule::FlashAttention];

    /// The project's name.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Onnx => "ONNX",
            Rule::PyTorch => "PyTorch",
            Rule::Ggml => "ggml",
            Rule::FlashAttention => "FlashAttention",
        }
    }

    /// Whether the rule takes the result for right. Other lengths than the truth's are never right.
    pub fn accepts(self, tensor: &Compared<'_>) -> bool {
        let Compared { got, want, naive, dtype, softcap } = *tensor;
        got.len() == want.len()
            && match self {
                Rule::Onnx => {
                    let both_nan = |(got, want): (&f64, &f64)| got.is_nan() && want.is_nan();
                    pairs(got, want).all(|pair| both_nan(pair) || close(pair, 1e-3, 1e-7))
                }
                Rule::PyTorch => {
                    let (rtol, atol) = torch_defaults(dtype);
                    pairs(got, want).all(|pair| close(pair, rtol, atol))
                }
                Rule::Ggml => ggml(got, want),
                Rule::FlashAttention => {
                    let factor = if softcap.is_some() { 3.0 } else { 2.0 };
                    let noise = |&x: &f64| dtype.round(dtype.round(x + 0.3) - 0.3) - x;
                    let floor = 2.0 * largest(want.iter().map(noise));
                    let of_naive = largest(pairs(naive, want).map(|(naive, want)| naive - want));
                    let error = largest(pairs(got, want).map(|(got, want)| got - want));
                    error <= factor * of_naive + floor
                }
            }
    }
}

/// `(rtol, atol)` of `torch.testing.assert_close`.
const fn torch_defaults(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (1e-7, 1e-7),
        DType::F32 => (1.3e-6, 1e-5),
        DType::BF16 => (1.6e-2, 1e-5),
        DType::F16 => (1e-3, 1e-5),
    }
}

fn pairs<'a>(got: &'a [f64], want: &'a [f64]) -> impl Iterator<Item = (&'a f64, &'a f64)> {
    got.iter().zip(want)
}

/// `|got - want| <= atol + rtol |want|`, or equal, which infinities can only be.
fn close((&got, &want): (&f64, &f64), rtol: f64, atol: f64) -> bool {
    got == want || (want.is_finite() && (got - want).abs() <= atol + rtol * want.abs())
}

fn ggml(got: &[f64], want: &[f64]) -> bool {
    // FLT_MAX counts as infinite there.
    let infinite = |x: f64| x.is_infinite() || x.abs() == f64::from(f32::MAX);
    let comparable = |(&got, &want): (&f64, &f64)| {
        let signs = got.is_sign_negative() == want.is_sign_negative();
        let (is, should) = (infinite(got), infinite(want));
        !got.is_nan() && !want.is_nan() && is == should && (!is || signs)
    };
    let error: f64 = pairs(got, want).map(|(got, want)| (got - want).powi(2)).sum();
    let nmse = error / got.iter().map(|x| x * x).sum::<f64>();
    let fails = nmse > 5e-4;
    pairs(got, want).all(comparable) && !fails
}

/// The largest absolute value; NaN if there is one.
fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.map(f64::abs).fold(0.0, |max, x| if x.is_nan() || x > max { x } else { max })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;

    /// Which of the four accept `got` where `want` is the truth and naive's error is 1e-3 everywhere.
    fn accepted(got: &[f64], want: &[f64]) -> [bool; 4] {
        let naive: Vec<f64> = want.iter().map(|x| x + 1e-3).collect();
        let tensor = Compared { got, want, naive: &naive, dtype: DType::F32, softcap: None };
        Rule::ALL.map(|rule| rule.accepts(&tensor))
    }

    #[test]
    fn both_sides_of_every_threshold() {
        // ONNX: 1e-7 + 1e-3 * 2.
        assert!(accepted(&[2.002], &[2.0])[0] && !accepted(&[2.0021], &[2.0])[0]);
        assert!(accepted(&[0.9e-7], &[0.0])[0] && !accepted(&[1.1e-7], &[0.0])[0]);
        // PyTorch, f32: 1e-5 + 1.3e-6 * 10.
        assert!(accepted(&[10.000_022], &[10.0])[1] && !accepted(&[10.000_024], &[10.0])[1]);
        // ggml: (x - 1)^2 / x^2 <= 5e-4, so x up to 1 / (1 - sqrt(5e-4)) = 1.02287.
        assert!(accepted(&[1.0228], &[1.0])[2] && !accepted(&[1.0229], &[1.0])[2]);
        // FlashAttention: 2e-3 and a floor of some 1e-7.
        assert!(accepted(&[1.001_999], &[1.0])[3] && !accepted(&[1.002_01], &[1.0])[3]);
        let capped = |got: f64| {
            let (got, want, naive) = (&[got][..], &[1.0][..], &[1.001][..]);
            let softcap = Some(10.0);
            Rule::FlashAttention.accepts(&Compared { got, want, naive, dtype: DType::F32, softcap })
        };
        assert!(capped(1.002_99) && !capped(1.003_01));
    }

    #[test]
    fn tolerances_of_pytorch_follow_the_type() {
        let accepts = |dtype, got| {
            let (want, naive) = (&[1.0][..], &[1.0][..]);
            let tensor = Compared { got: &[got], want, naive, dtype, softcap: None };
            Rule::PyTorch.accepts(&tensor)
        };
        assert!(accepts(DType::F64, 1.0 + 1.9e-7) && !accepts(DType::F64, 1.0 + 2.1e-7));
        assert!(accepts(DType::BF16, 1.0160) && !accepts(DType::BF16, 1.0161));
        assert!(accepts(DType::F16, 1.001) && !accepts(DType::F16, 1.0011));
    }

    #[test]
    fn a_nan_in_the_result_alone_is_refused_by_all() {
        assert_eq!(accepted(&[1.0, NAN], &[1.0, 2.0]), [false; 4]);
        assert_eq!(accepted(&[NAN, 1.0], &[0.0, 1.0]), [false; 4]);
        assert_eq!(accepted(&[INF, 1.0], &[3.0, 1.0]), [false; 4]);
        assert_eq!(accepted(&[1.0], &[1.0, 2.0]), [false; 4]);
        assert_eq!(accepted(&[1.0, 2.0], &[1.0, 2.0]), [true; 4]);
    }

    #[test]
    fn nan_against_nan_passes_onnx_alone() {
        assert_eq!(accepted(&[1.0, NAN], &[1.0, NAN]), [true, false, false, false]);
    }

    #[test]
    fn one_right_infinity_blinds_the_normalised_error() {
        assert_eq!(accepted(&[7.0, -INF], &[1.0, -INF]), [false, false, true, false]);
        assert_eq!(accepted(&[7.0, INF], &[1.0, -INF]), [false; 4]);
        assert_eq!(accepted(&[1.0, -INF], &[1.0, -INF]), [true, true, true, false]);
    }

    #[test]
    fn nothing_against_nothing_passes() {
        assert_eq!(accepted(&[0.0, 0.0], &[0.0, -0.0]), [true; 4]);
    }
}
