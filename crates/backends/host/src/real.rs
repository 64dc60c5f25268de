//! The types that kernels compute in, and how stored elements become them.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub};

use attn_core::Element;
use half::{bf16, f16};

/// binary32 or binary64 arithmetic.
pub trait Real:
    Element
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + MulAssign
    + Div<Output = Self>
    + DivAssign
    + Neg<Output = Self>
{
    /// The multiplicative identity.
    const ONE: Self;
    /// Less than every number.
    const NEG_INFINITY: Self;
    /// `e^self`.
    #[must_use]
    fn exp(self) -> Self;
    /// Natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
    /// Hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self;

    /// The larger of the two: a comparison that compiles to one instruction, which the rule of
    /// `f32::max` for NaN prevents.
    #[must_use]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

macro_rules! real {
    ($float:ty) => {
        impl Real for $float {
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = <$float>::NEG_INFINITY;

            fn exp(self) -> Self {
                self.exp()
            }

            fn ln(self) -> Self {
                self.ln()
            }

            fn tanh(self) -> Self {
                self.tanh()
            }
        }
    };
}

real!(f32);
real!(f64);

/// A storage type and the type that it is computed in: half types in f32, the others in themselves.
pub trait Storage: Element {
    /// What kernels compute in.
    type Compute: Real;

    /// The elements themselves, where no conversion is needed.
    fn as_compute(stored: &[Self]) -> Option<&[Self::Compute]>;

    /// Exact.
    fn widen(self) -> Self::Compute;

    /// Rounds to nearest.
    fn narrow(x: Self::Compute) -> Self;
}

macro_rules! storage {
    ($stored:ty as $compute:ty, $as_compute:expr, $widen:expr, $narrow:expr) => {
        impl Storage for $stored {
            type Compute = $compute;

            fn as_compute(stored: &[Self]) -> Option<&[$compute]> {
                $as_compute(stored)
            }

            fn widen(self) -> $compute {
                $widen(self)
            }

            fn narrow(x: $compute) -> Self {
                $narrow(x)
            }
        }
    };
}

storage!(f64 as f64, Some, |x| x, |x| x);
storage!(f32 as f32, Some, |x| x, |x| x);
storage!(bf16 as f32, |_| None, bf16::to_f32, bf16::from_f32);
storage!(f16 as f32, |_| None, f16::to_f32, f16::from_f32);
