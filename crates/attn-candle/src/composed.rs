//! Tensor operations, one after another:
//!
//! ```text
//! K, V  repeated for grouped heads          cat, as candle-transformers' repeat_kv
//! S = (Q K^T) * scale (+ bias)              matmul, affine, broadcast_add
//! O = softmax(S) V (* live rows)            softmax_last_dim, matmul, broadcast_mul
//! ```
//!
//! The causal bias is `[Nq, Nk]`, 0 or -inf. A row that admits no key would be NaN; where such rows
//! exist their bias is 0 and the result is multiplied by 0 in them and by 1 in the others.

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, DType, Exec, Plan, Problem, Receipt,
    ThreadPolicy, Unavailable, Unsupported, target_features,
};
use candle_core::{D, Device, Result as CandleResult, Tensor, WithDType};
use candle_nn::ops::softmax_last_dim;

use crate::plan::{Float, Kernel, TensorPlan, bias, checked};

/// The backend `candle/composed`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Composed;

impl Backend for Composed {
    fn id(&self) -> BackendId {
        BackendId::new("candle/composed")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        Ok(Receipt {
            library: "candle-core 0.11.1, candle-nn 0.11.1".into(),
            device: "cpu".into(),
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerProcess,
            // The depth of gemm's blocks of keys follows from the caches that it finds.
            arithmetic: Arithmetic::PLAIN,
        })
    }

    fn supports(&self, _: &Problem) -> Result<(), Unsupported> {
        Ok(())
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        match problem.dtype() {
            DType::F32 => plan::<f32>(problem),
            DType::F64 => plan::<f64>(problem),
        }
    }
}

/// What gemm 0.19, candle's matmul, dispatches to (`init_gemm_fn` in gemm-common). Its AVX-512
/// kernels need its feature `x86-v4`, which candle 0.11.1 does not enable.
fn product_isa() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("fma") {
        return "fma";
    }
    "portable"
}

fn plan<T: Float>(problem: &Problem) -> Result<Box<dyn Plan>, BackendError> {
    let dtype = <T as WithDType>::DTYPE;
    let bias = problem.causal().map(|_| bias(problem, 0.0, dtype));
    let kernel = Operations {
        bias: bias.transpose()?,
        live: live_rows(problem, dtype)?,
    };
    Ok(Box::new(TensorPlan::<T, _>::new(problem, kernel)))
}

/// `[Nq, 1]`: 0 for rows that admit no key and 1 for the rest, if there are any of the former.
fn live_rows(problem: &Problem, dtype: candle_core::DType) -> Result<Option<Tensor>, BackendError> {
    let rows = problem.shape().len_q;
    let live = |i| !problem.admitted(i).is_empty();
    if (0..rows).all(live) {
        return Ok(None);
    }
    let live: Vec<_> = (0..rows).map(|i| f32::from(u8::from(live(i)))).collect();
    let column = Tensor::from_vec(live, (rows, 1), &Device::Cpu);
    checked(column.and_then(|column| column.to_dtype(dtype))).map(Some)
}

struct Operations {
    bias: Option<Tensor>,
    live: Option<Tensor>,
}

impl Operations {
    fn scores(&self, problem: &Problem, q: &Tensor, k: &Tensor) -> CandleResult<Tensor> {
        let s = q.matmul(&repeated(problem, k)?.t()?)?;
        let s = (s * problem.scale())?;
        match &self.bias {
            None => Ok(s),
            Some(bias) => s.broadcast_add(bias),
        }
    }
}

/// Every head of `kv` as often as query heads share it.
fn repeated(problem: &Problem, kv: &Tensor) -> CandleResult<Tensor> {
    let shape = problem.shape();
    if shape.group() == 1 {
        return Ok(kv.clone());
    }
    let width = kv.dim(D::Minus1)?;
    let copies = vec![kv; shape.group()];
    Tensor::cat(&copies, 2)?.reshape((shape.batch, shape.heads_q, shape.len_k, width))
}

impl Kernel for Operations {
    fn layout(canonical: Tensor) -> CandleResult<Tensor> {
        Ok(canonical)
    }

    fn attend(&self, problem: &Problem, [q, k, v]: &[Tensor; 3]) -> CandleResult<Tensor> {
        let p = softmax_last_dim(&self.scores(problem, q, k)?)?;
        let o = p.matmul(&repeated(problem, v)?)?;
        match &self.live {
            None => Ok(o),
            Some(live) => o.broadcast_mul(live),
        }
    }

    /// Two score matrices over all heads live at a time (raw and scaled, scaled and biased, scores
    /// and weights), next to the bias and the row mask. Repeated K or V lives only beside one of
    /// them, so it counts only where it is the larger. Not counted: gemm's packing buffers and a
    /// second result while the row mask is applied.
    fn scratch(&self, problem: &Problem) -> usize {
        let shape = problem.shape();
        let heads = shape.batch * shape.heads_q;
        let scores = heads * shape.len_q * shape.len_k;
        let repeated = match shape.group() {
            1 => 0,
            _ => heads * shape.len_k * shape.dim.max(shape.dim_v),
        };
        let constant = [&self.bias, &self.live].into_iter().flatten();
        let constant: usize = constant.map(Tensor::elem_count).sum();
        (scores + scores.max(repeated) + constant) * problem.dtype().size()
    }
}
