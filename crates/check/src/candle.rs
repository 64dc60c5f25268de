//! Kernels over candle's tensors, with the feature `candle`.
//!
//! ```
//! use attn_check::Problem;
//! use candle_core::{D, Device, Tensor};
//!
//! attn_check::candle::forward(&Device::Cpu, |p: &Problem, q: &Tensor, k: &Tensor, v: &Tensor| {
//!     let scores = (q.matmul(&k.t()?)? * p.scale())?;
//!     let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
//!     scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?.matmul(v)
//! })
//! .dtypes([attn_check::F32, attn_check::F64])
//! .assert();
//! ```

use attn_core::{DType, Element, Inputs, Problem, with_type};
use candle_core::{DType as TensorType, Device, Result, Tensor, WithDType};

use crate::kernel::{Kernel, Reply, Returned, Rows, operands};
use crate::{Check, Features};

/// A kernel over tensors on `device`, in the type of the problem: q `[B, Hq, Nq, D]`, k `[B, Hkv, Nk, D]`, v `[B, Hkv, Nk, Dv]`,
/// contiguous. It returns `[B, Hq, Nq, Dv]`, in that type or in another, of any strides; `None` in an `Option`
/// where it does not compute the problem.
pub fn forward<'k, R: Returned<Tensor>>(
    device: &'k Device,
    kernel: impl Fn(&Problem, &Tensor, &Tensor, &Tensor) -> R + 'k,
) -> Check<'k> {
    let call = move |problem: &Problem, inputs: &Inputs| -> Result<Reply<Rows<f64>>> {
        let [q, k, v] = with_type!(problem.dtype(), T => tensors::<T>(problem, inputs, device))?;
        Ok(match kernel(problem, &q, &k, &v).returned() {
            Reply::Done(out) => {
                let o = out.to_dtype(TensorType::F64)?.flatten_all()?.to_vec1()?;
                Reply::Done(Rows { o, lse: None })
            }
            Reply::Refused => Reply::Refused,
            Reply::Failed(error) => Reply::Failed(error),
        })
    };
    let out_of_reach = Features::OF_INPUTS | crate::LSE;
    Check::of(Kernel::returning::<f64, _>(call, out_of_reach), DType::F64).dtypes([DType::F32])
}

impl Returned<Tensor> for Tensor {
    fn returned(self) -> Reply<Tensor> {
        Reply::Done(self)
    }
}

fn tensors<T: Element + WithDType>(
    problem: &Problem,
    inputs: &Inputs,
    device: &Device,
) -> Result<[Tensor; 3]> {
    let shape = problem.shape();
    let [q, k, v] = operands::<T>(problem, inputs);
    let tensor = |x: Vec<T>, dims: [usize; 4]| Tensor::from_vec(x, &dims, device);
    Ok([tensor(q, shape.q())?, tensor(k, shape.k())?, tensor(v, shape.v())?])
}
