//! The first variant: an online softmax, one row, one key at a time.
//!
//! ```text
//! for every admitted key j:
//!     s  = cap(scale q.k_j) + bias
//!     m' = max(m, s),   a = exp(m - m'),   p = exp(s - m')
//!     l  = a l + p,     o = a o + p v_j,   m = m'
//! o = o / l,   lse = m + ln l
//! ```
//!
//! Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3, with the
//! weighted values carried along (Rabe and Staats 2021, section 2). Nothing but the row of O is held; one
//! thread.

use attn_host::{Head, HeadKernel, HeadOutput, Real};

/// Computes rows of one head.
pub(crate) struct Scalar;

impl<C: Real> HeadKernel<C> for Scalar {
    fn attend(&mut self, head: &Head<'_, C>, mut out: HeadOutput<'_, C>) {
        for (i, o) in out.o.chunks_exact_mut(head.shape().dim_v).enumerate() {
            let lse = row(head, i, o);
            if let Some(all) = &mut out.lse {
                all[i] = lse;
            }
        }
    }

    fn scratch(&self) -> usize {
        0
    }
}

/// Row `i` of one head; returns its log-sum-exp.
fn row<C: Real>(head: &Head<'_, C>, i: usize, o: &mut [C]) -> C {
    let (dim, width) = (head.shape().dim, head.shape().dim_v);
    let (q, scale) = (&head.q[i * dim..][..dim], C::from_f64(head.problem.scale()));
    o.fill(C::ZERO);
    let mut m = head.sink.unwrap_or(C::NEG_INFINITY);
    let mut l = if head.sink.is_some() { C::ONE } else { C::ZERO };
    for j in head.admitted(i) {
        let s = head.finish(i, j, scale * dot(q, &head.k[j * dim..][..dim]));
        if s == C::NEG_INFINITY {
            continue;
        }
        let v = &head.v[j * width..][..width];
        if s > m {
            let a = (m - s).exp();
            m = s;
            l = a * l + C::ONE;
            o.iter_mut().zip(v).for_each(|(o, &v)| *o = a * *o + v);
        } else {
            let p = (s - m).exp();
            l += p;
            o.iter_mut().zip(v).for_each(|(o, &v)| *o += p * v);
        }
    }
    if m == C::NEG_INFINITY {
        return m;
    }
    for o in o {
        *o /= l;
    }
    m + l.ln()
}

fn dot<C: Real>(a: &[C], b: &[C]) -> C {
    a.iter().zip(b).fold(C::ZERO, |sum, (&a, &b)| sum + a * b)
}
