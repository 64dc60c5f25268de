//! The weights of one row.

use attn_core::Element;
use ndarray::{LinalgScalar, ScalarOperand};
use std::ops::{AddAssign, DivAssign};

/// The arithmetic of a storage type.
pub(crate) trait Float:
    Element + LinalgScalar + ScalarOperand + AddAssign + DivAssign
{
    const NEG_INFINITY: Self;
    fn exp(self) -> Self;
}

macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
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
/// weights, 1 if there are none. Sums of at most `block` weights are added up.
pub(crate) fn weights<T: Float>(row: &mut [T], keys: usize, block: usize) -> T {
    let (p, masked) = row.split_at_mut(keys);
    masked.fill(T::zero());
    if p.is_empty() {
        return T::one();
    }
    let m = max(p);
    let mut l = T::zero();
    for p in p.chunks_mut(block) {
        let mut sum = T::zero();
        for p in p {
            *p = (*p - m).exp();
            sum += *p;
        }
        l += sum;
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
