//! One row of the output.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, Sub};

use attn_core::{Element, Operands};

/// The arithmetic that one row needs.
pub(crate) trait Float:
    Element
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + DivAssign
{
    const NEG_INFINITY: Self;
    fn exp(self) -> Self;
    fn max(self, other: Self) -> Self;
}

macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
            const NEG_INFINITY: Self = <$float>::NEG_INFINITY;

            fn exp(self) -> Self {
                self.exp()
            }

            fn max(self, other: Self) -> Self {
                self.max(other)
            }
        }
    };
}

float!(f32);
float!(f64);

/// `o = softmax(scale q K^T) V` over the first `p.len()` keys; `p` is scratch.
pub(crate) fn attend<T: Float>(
    q: &[T],
    head: &Operands<'_, T>,
    scale: T,
    p: &mut [T],
    o: &mut [T],
) {
    o.fill(T::ZERO);
    if p.is_empty() {
        return;
    }
    for (p, k) in p.iter_mut().zip(head.k.chunks_exact(q.len())) {
        *p = scale * dot(q, k);
    }
    let m = p.iter().fold(T::NEG_INFINITY, |m, &s| m.max(s));
    let mut l = T::ZERO;
    for p in p.iter_mut() {
        *p = (*p - m).exp();
        l += *p;
    }
    for (&p, v) in p.iter().zip(head.v.chunks_exact(o.len())) {
        for (o, &v) in o.iter_mut().zip(v) {
            *o += p * v;
        }
    }
    for o in o {
        *o /= l;
    }
}

fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    let mut sum = T::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}
