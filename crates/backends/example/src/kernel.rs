//! Attention of one head with an online softmax (Milakov and Gimelshein, 2018): one pass over the keys, the
//! running maximum `m`, sum `l` and output `o` rescaled whenever a larger score comes.

use attn_core::Shape;
use attn_host::{Head, HeadKernel, HeadOutput};

/// The kernel; it keeps nothing between calls.
pub(crate) struct Online;

impl HeadKernel<f32> for Online {
    fn attend(&mut self, head: &Head<'_, f32>, out: HeadOutput<'_, f32>) {
        let Shape { dim, dim_v, .. } = *head.shape();
        let scale = head.problem.scale() as f32;
        let rows = head.q.chunks_exact(dim).zip(out.o.chunks_exact_mut(dim_v));
        for (i, (q, o)) in rows.enumerate() {
            o.fill(0.0);
            let (mut m, mut l) = (f32::NEG_INFINITY, 0.0);
            for j in head.admitted(i) {
                let (k, v) = (&head.k[j * dim..][..dim], &head.v[j * dim_v..][..dim_v]);
                let dot: f32 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                let s = head.finish(i, j, scale * dot);
                if s > m {
                    let shrink = (m - s).exp();
                    (m, l) = (s, l * shrink);
                    for o in &mut *o {
                        *o *= shrink;
                    }
                }
                // Where no key was admitted so far, `s - m` is -inf minus -inf.
                let p = if m == f32::NEG_INFINITY { 0.0 } else { (s - m).exp() };
                l += p;
                o.iter_mut().zip(v).for_each(|(o, v)| *o += p * v);
            }
            if l > 0.0 {
                for o in o {
                    *o /= l;
                }
            }
        }
    }

    fn scratch(&self) -> usize {
        0
    }
}
