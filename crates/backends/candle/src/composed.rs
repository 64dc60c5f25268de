//! Tensor operations, one after another:
//!
//! ```text
//! Q, K, V in f32                                 to_dtype, half types only
//! K, V  repeated for grouped heads               cat, as candle-transformers' repeat_kv
//! S = Q K^T                                      matmul; other scores: scores.rs
//! S = cap(S * scale) (+ bias) (, sink)           affine, tanh, broadcast_add, cat
//! O = softmax(S) V (* live rows)                 softmax_last_dim, matmul, broadcast_mul
//! ```
//!
//! The bias holds causal, window and `kv_len` masking as -inf, ALiBi and the mask; it is built in
//! `load`, as a model builds it once per forward pass. A row that admits no key would be NaN; where
//! such rows exist their bias is 0 and the result is multiplied by 0 in them and by 1 in the others.

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, DType, Exec, Feature, Inputs, Plan, Problem,
    ThreadPolicy, Unavailable, Unsupported, target_features,
};
use candle_core::{D, DType as TensorType, Device, Result as CandleResult, Tensor};
use candle_nn::ops::softmax_last_dim;

use crate::plan::{Attended, Kernel, Operands, bias, checked, tensor_plan};
use crate::scores;

/// The backend `candle/composed`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Composed;

impl Backend for Composed {
    fn id(&self) -> BackendId {
        BackendId::new("candle/composed")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerProcess,
            // The depth of gemm's blocks of keys follows from the caches that it finds.
            ..BackendInfo::on_cpu(LIBRARIES)
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        problem.needs_only(Feature::is_basic)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        plan(problem, &Device::Cpu)
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

/// What these operations are linked from.
pub(crate) const LIBRARIES: &str = "candle-core 0.11.1, candle-nn 0.11.1";

/// These operations on `device`.
pub(crate) fn plan(problem: &Problem, device: &Device) -> Result<Box<dyn Plan>, BackendError> {
    let compute = match problem.dtype() {
        DType::F64 => TensorType::F64,
        DType::F32 | DType::BF16 | DType::F16 => TensorType::F32,
    };
    let kernel =
        Operations { compute, device: device.clone(), bias: None, live: None, sinks: None };
    tensor_plan(problem, device, kernel)
}

struct Operations {
    /// Type of all operations: half types are converted first.
    compute: TensorType,
    device: Device,
    /// `[B|1, Hq|1, Nq, Nk]`.
    bias: Option<Tensor>,
    /// `[B|1, Hq|1, Nq, 1]`: 0 for rows that admit no key and 1 for the rest, if there are any of the
    /// former and no sink makes them finite.
    live: Option<Tensor>,
    /// `[1, Hq, 1, 1]`.
    sinks: Option<Tensor>,
}

impl Operations {
    /// From raw scores to final ones.
    fn finish(&self, problem: &Problem, raw: &Tensor) -> CandleResult<Tensor> {
        let mut s = (raw * problem.scale())?;
        if let Some(c) = problem.softcap() {
            s = ((s / c)?.tanh()? * c)?;
        }
        if let Some(bias) = &self.bias {
            s = s.broadcast_add(bias)?;
        }
        let Some(sinks) = &self.sinks else {
            return Ok(s);
        };
        let (batch, heads, rows, _) = s.dims4()?;
        Tensor::cat(&[&s, &sinks.broadcast_as((batch, heads, rows, 1))?.contiguous()?], D::Minus1)
    }

    /// 1 for rows that admit a key and 0 for the others.
    fn live_rows(bias: &Tensor) -> CandleResult<Option<Tensor>> {
        let live = bias.max_keepdim(D::Minus1)?.ne(f64::NEG_INFINITY)?.to_dtype(bias.dtype())?;
        let all = live.flatten_all()?.min(0)?.to_dtype(TensorType::F32)?.to_scalar::<f32>()?;
        Ok((all < 1.0).then_some(live))
    }
}

impl Kernel for Operations {
    fn set_bias(&mut self, problem: &Problem, inputs: Option<&Inputs>) -> Result<(), BackendError> {
        self.bias = bias(problem, inputs, self.compute, &self.device)?;
        let sinks = inputs.and_then(Inputs::sinks).map(|sinks| {
            let column = Tensor::from_slice(sinks, (1, sinks.len(), 1, 1), &self.device);
            checked(column.and_then(|column| column.to_dtype(self.compute)))
        });
        self.sinks = sinks.transpose()?;
        self.live = None;
        if let (Some(bias), None) = (&self.bias, &self.sinks)
            && let Some(live) = checked(Self::live_rows(bias))?
        {
            // A row of -inf would be NaN: where such rows exist, all their keys get a bias of 0.
            let zero = checked(bias.zeros_like())?;
            let rows = checked(live.broadcast_as(bias.shape()).and_then(|rows| rows.ne(0.0)))?;
            self.bias = Some(checked(rows.where_cond(bias, &zero))?);
            self.live = Some(live);
        }
        Ok(())
    }

    fn attend(&self, problem: &Problem, operands: &Operands) -> CandleResult<Attended> {
        let stored = operands.qkv[0].dtype();
        let [q, k, v] = operands.qkv.each_ref().map(|tensor| tensor.to_dtype(self.compute));
        let weights = operands.weights.as_ref().try_map(|_, w| w.to_dtype(self.compute))?;
        let s = self.finish(problem, &scores::raw(problem, &q?, &k?, &weights)?)?;
        let lse = problem.spec().lse.then(|| self.log_sum_exp(&s)).transpose()?;
        let mut p = softmax_last_dim(&s)?;
        if self.sinks.is_some() {
            p = p.narrow(D::Minus1, 0, problem.shape().len_k)?.contiguous()?;
        }
        let mut o = p.matmul(&scores::repeated(problem, &v?)?)?;
        if let Some(live) = &self.live {
            o = o.broadcast_mul(live)?;
        }
        Ok(Attended { o: o.to_dtype(stored)?, lse })
    }

    /// Two score matrices over all heads live at a time (raw and scaled, scaled and biased, scores
    /// and weights), next to bias, row mask and sinks, and to q, k and v where they are converted.
    /// Repeated K or V lives only beside one of them, so it counts only where it is the larger. What
    /// another score needs before its matrix exists (`scores::scratch`) counts where it is the larger
    /// too. Not counted: gemm's packing buffers and a second result while the row mask is applied.
    fn scratch(&self, problem: &Problem) -> Option<usize> {
        let shape = problem.shape();
        let heads = shape.batch * shape.heads_q;
        let scores = heads * shape.len_q * (shape.len_k + usize::from(self.sinks.is_some()));
        let repeated = match shape.group() {
            1 => 0,
            _ => heads * shape.len_k * shape.dim_k().max(shape.dim_v),
        };
        let constant = [&self.bias, &self.live, &self.sinks].into_iter().flatten();
        let constant: usize = constant.map(Tensor::elem_count).sum();
        let converted = match problem.dtype() {
            DType::F64 | DType::F32 => 0,
            DType::BF16 | DType::F16 => {
                [shape.q(), shape.k(), shape.v()].iter().map(|d| d.iter().product::<usize>()).sum()
            }
        };
        let peak = (scores + scores.max(repeated)).max(scores::scratch(problem));
        let elements = peak + constant + converted;
        Some(elements * self.compute.size_in_bytes())
    }
}

impl Operations {
    /// `[B, Hq, Nq]`: `m + ln sum exp(s - m)`, -inf in rows that admit no key.
    fn log_sum_exp(&self, s: &Tensor) -> CandleResult<Tensor> {
        let lse = s.log_sum_exp(D::Minus1)?;
        let Some(live) = &self.live else {
            return Ok(lse);
        };
        let live = live.squeeze(D::Minus1)?.broadcast_as(lse.shape())?.ne(0.0)?;
        let never = lse.zeros_like()?.affine(1.0, f64::NEG_INFINITY)?;
        live.where_cond(&lse, &never)
    }
}
