//! `candle_nn::attention::flash_attn`: one pass over the keys per query row, online softmax.
//!
//! What candle-nn 0.11.1 computes decides how a problem is put to it:
//!
//! | batch | causal | asked as |
//! |---|---|---|
//! | any | no | `AttnMask::None` |
//! | 1 | offset >= 0, and `Nq > 1` or all keys admitted | `AttnMask::Causal` |
//! | 1 | else: `kv_offset` is unsigned, and ignored for `Nq = 1` | `AttnMask::Mask`, `[Nq, Nk]` |
//! | > 1 | bottom-right, `Nk >= Nq` | `AttnMask::Causal`, `kv_offset` is ignored |
//! | > 1 | all keys admitted | `AttnMask::None` |
//! | > 1 | else | refused: offsets and masks exist for batch 1 only |
//!
//! Refused as well: f64, which it rounds to f32, and `dim_v != dim`, which it does not expect.
//! Rows that admit no key are exactly 0.

use attn_core::{
    Alignment, Arithmetic, Backend, BackendError, BackendId, DType, Exec, Feature, Plan, Precision,
    Problem, Receipt, SumOrder, ThreadPolicy, Unavailable, Unsupported, target_features,
};
use candle_core::{Result as CandleResult, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};

use crate::plan::{Kernel, TensorPlan, bias};

/// The backend `candle/fused`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fused;

impl Backend for Fused {
    fn id(&self) -> BackendId {
        BackendId::new("candle/fused")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        Ok(Receipt {
            library: "candle-nn 0.11.1".into(),
            device: "cpu".into(),
            isa: format!(
                "scores {} (run time), softmax and sums {} (compile time)",
                score_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerProcess,
            arithmetic: Arithmetic {
                scores: Precision::F32,
                weights: Precision::F32,
                sums: Precision::F32,
                order: SumOrder::Sequential,
                online: true,
            },
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        Mapping::of(problem).map(|_| ())
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let mapping = Mapping::of(problem).map_err(|unsupported| BackendError::Library {
            library: "candle",
            message: unsupported.to_string(),
        })?;
        let kernel = FlashAttn {
            mask: mapping.mask(problem)?,
            threads: exec.threads.get(),
        };
        Ok(Box::new(TensorPlan::<f32, _>::new(problem, kernel)))
    }
}

/// What candle-core 0.11.1 dispatches a dot product to (`vec_dot_f32` in `cpu/mod.rs`).
fn score_isa() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "avx2";
    }
    "portable"
}

/// How a problem is put to `flash_attn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    /// Every row reads every key.
    Full,
    /// Row i reads the keys up to `i + kv_offset`.
    Causal { kv_offset: usize },
    /// A bias of 0 and -inf.
    Explicit,
}

impl Mapping {
    fn of(problem: &Problem) -> Result<Self, Unsupported> {
        let shape = problem.shape();
        let refuse = |feature, why| Err(Unsupported { feature, why });
        if problem.dtype() == DType::F64 {
            return refuse(
                Feature::DType(DType::F64),
                "candle-nn 0.11.1 computes f64 attention in f32 and returns f32, \
                 and has no f64 at all for batch > 1",
            );
        }
        if shape.dim_v != shape.dim {
            return refuse(
                Feature::ValueDim,
                "candle-nn 0.11.1 takes rows of v to be dim wide: batch = 1 reads other elements, \
                 past the end of v if causal, and batch > 1 is an error",
            );
        }
        let Some(alignment) = problem.causal() else {
            return Ok(Mapping::Full);
        };
        let offset = alignment.offset(shape);
        let all_keys = problem.admitted(0).len() == shape.len_k;
        match (shape.batch, usize::try_from(offset)) {
            (1, Ok(kv_offset)) if shape.len_q > 1 || all_keys => Ok(Mapping::Causal {
                kv_offset: kv_offset.min(shape.len_k),
            }),
            (1, _) => Ok(Mapping::Explicit),
            (_, Ok(kv_offset)) if offset == Alignment::BottomRight.offset(shape) => {
                Ok(Mapping::Causal { kv_offset })
            }
            _ if all_keys => Ok(Mapping::Full),
            _ => refuse(
                Feature::Causal,
                "candle-nn 0.11.1 ignores kv_offset for batch > 1: its diagonal is bottom-right, \
                 len_k < len_q is an error, and so is an explicit mask",
            ),
        }
    }

    fn mask(self, problem: &Problem) -> Result<AttnMask, BackendError> {
        Ok(match self {
            Mapping::Full => AttnMask::None,
            Mapping::Causal { kv_offset } => AttnMask::Causal { kv_offset },
            Mapping::Explicit => {
                AttnMask::Mask(bias(problem, f32::NEG_INFINITY, candle_core::DType::F32)?)
            }
        })
    }
}

struct FlashAttn {
    mask: AttnMask,
    threads: usize,
}

impl Kernel for FlashAttn {
    /// `[B, N, H, D]`.
    fn layout(canonical: Tensor) -> CandleResult<Tensor> {
        canonical.transpose(1, 2)?.contiguous()
    }

    fn attend(&self, problem: &Problem, [q, k, v]: &[Tensor; 3]) -> CandleResult<Tensor> {
        let scale = problem.scale() as f32;
        flash_attn::<f32>(q, k, v, scale, self.mask.clone(), None, None)
    }

    /// One accumulator per thread and the mask; for batch > 1 also the result before its axes are
    /// permuted, and two indices per query row.
    fn scratch(&self, problem: &Problem) -> usize {
        let shape = problem.shape();
        let rows = shape.batch * shape.len_q;
        let mask = match &self.mask {
            AttnMask::Mask(bias) => bias.elem_count(),
            _ => 0,
        };
        let (packed, indices) = match shape.batch {
            1 => (0, 0),
            _ => (rows * shape.heads_q * shape.dim, 2 * rows),
        };
        let elements = self.threads * shape.dim + mask + packed;
        elements * size_of::<f32>() + indices * size_of::<usize>()
    }
}
