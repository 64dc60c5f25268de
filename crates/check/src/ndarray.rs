//! Kernels over arrays of the crate `ndarray`, with the feature `ndarray`.
//!
//! ```
//! use attn_check::Problem;
//! use ndarray::{Array4, ArrayView4, Axis};
//!
//! attn_check::ndarray::forward(|p: &Problem, q: ArrayView4<f32>, k: ArrayView4<f32>, v: ArrayView4<f32>| {
//!     let s = p.shape();
//!     let mut out = Array4::zeros(s.out());
//!     for b in 0..s.batch {
//!         for h in 0..s.heads_q {
//!             let [q, k, v] = [&q, &k, &v].map(|x| x.index_axis(Axis(0), b).index_axis_move(Axis(0), h));
//!             let mut w = q.dot(&k.t()) * p.scale() as f32;
//!             for mut row in w.rows_mut() {
//!                 let max = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
//!                 row.mapv_inplace(|x| (x - max).exp());
//!                 row /= row.sum();
//!             }
//!             out.index_axis_mut(Axis(0), b).index_axis_mut(Axis(0), h).assign(&w.dot(&v));
//!         }
//!     }
//!     out
//! })
//! .assert();
//! ```

use attn_core::{Element, Inputs, Problem};
use ndarray::{Array, Array4, ArrayView4, Dimension};

use crate::kernel::{Kernel, Reply, Returned, Rows, operands};
use crate::{Check, Features};

/// A kernel over views q `[B, Hq, Nq, D]`, k `[B, Hkv, Nk, D]` and v `[B, Hkv, Nk, Dv]`, in standard layout. It returns an array
/// `[B, Hq, Nq, Dv]`, or one of as many elements in that order.
pub fn forward<'k, T: Element, R: Returned<Rows<T>>>(
    kernel: impl Fn(&Problem, ArrayView4<'_, T>, ArrayView4<'_, T>, ArrayView4<'_, T>) -> R + 'k,
) -> Check<'k> {
    let call = move |problem: &Problem, inputs: &Inputs| {
        let (shape, [q, k, v]) = (problem.shape(), operands::<T>(problem, inputs));
        let array = |x: Vec<T>, dims: [usize; 4]| {
            Array4::from_shape_vec(dims, x).expect("as many elements")
        };
        let [q, k, v] = [array(q, shape.q()), array(k, shape.k()), array(v, shape.v())];
        kernel(problem, q.view(), k.view(), v.view())
    };
    Check::of(Kernel::returning(call, Features::OF_INPUTS), T::DTYPE)
}

impl<T: Clone, D: Dimension> Returned<Rows<T>> for Array<T, D> {
    fn returned(self) -> Reply<Rows<T>> {
        Reply::Done(Rows { o: self.iter().cloned().collect(), lse: None })
    }
}
