//! The weights of one row.

use std::ops::{AddAssign, DivAssign, Sub};

use attn_core::Element;
use faer::traits::ComplexField;

/// The arithmetic of a storage type.
pub(crate) trait Float:
    Element + ComplexField + Sub<Output = Self> + AddAssign + DivAssign
{
    const ONE: Self;
    const NEG_INFINITY: Self;
    fn exp(self) -> Self;
}

macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = <$float>::NEG_INFINITY;

            fn exp(self) -> Self {
                self.exp()
            }
        }
    };
}

float!(f32);
float!(f64);

/// Turns the first `keys` scores of `row` into `exp(s - max s)` and the rest into 0; the sum of the
/// weights, 1 if there are none.
pub(crate) fn weights<T: Float>(row: &mut [T], keys: usize) -> T {
    let (p, masked) = row.split_at_mut(keys);
    masked.fill(T::ZERO);
    if p.is_empty() {
        return T::ONE;
    }
    let m = max(p);
    let mut l = T::ZERO;
    for p in p {
        *p = (*p - m).exp();
        l += *p;
    }
    l
}

/// The largest element: independent lanes, and a comparison that compiles to one instruction,
/// because `f32::max` with its rule for NaN does not vectorise.
fn max<T: Float>(x: &[T]) -> T {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let mut lanes = [T::NEG_INFINITY; 16];
    let mut chunks = x.chunks_exact(lanes.len());
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(x, *lane);
        }
    }
    let rest = chunks.remainder().iter();
    rest.chain(&lanes)
        .fold(T::NEG_INFINITY, |m, &x| larger(x, m))
}
