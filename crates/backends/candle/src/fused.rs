//! `candle_nn::attention::flash_attn`: one pass over the keys per query row, online softmax.
//!
//! What candle-nn 0.11.1 computes decides how a problem is put to it:
//!
//! | batch | causal | asked as |
//! |---|---|---|
//! | any | no | `AttnMask::None` |
//! | 1 | offset >= 0, and `Nq > 1` or all keys admitted | `AttnMask::Causal` |
//! | 1 | else (`kv_offset` is unsigned, and ignored for `Nq = 1`), or a mask, window or `kv_len` | `AttnMask::Mask`, `[Nq, Nk]` |
//! | > 1 | bottom-right, `Nk >= Nq` | `AttnMask::Causal`, `kv_offset` is ignored |
//! | > 1 | all keys admitted | `AttnMask::None` |
//! | > 1 | else | refused: offsets and masks exist for batch 1 only |
//!
//! A general score is the attention of the queries `q W`. Half types are read as they are stored and
//! accumulated in f32. Refused as well: what the list
//! `REFUSED` below names. Rows that admit no key are exactly 0.

use attn_core::{
    Alignment, Arithmetic, Backend, BackendError, BackendId, BackendInfo, DType, Element, Exec,
    Feature, Inputs, Plan, Precision, Problem, ScoreKind, SumOrder, ThreadPolicy, Unavailable,
    Unsupported, target_features,
};
use candle_core::{DType as TensorType, Device, Result as CandleResult, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use half::{bf16, f16};

use crate::plan::{Attended, Kernel, Operands, bias, checked, tensor_plan};

/// The backend `candle/fused`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fused;

impl Backend for Fused {
    fn id(&self) -> BackendId {
        BackendId::new("candle/fused")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
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
            ..BackendInfo::on_cpu("candle-nn 0.11.1")
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
        let kernel = FlashAttn { mapping, mask: AttnMask::None, threads: exec.threads.get() };
        tensor_plan(problem, &Device::Cpu, kernel)
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
        let (shape, spec) = (problem.shape(), problem.spec());
        if let Some(&(feature, _, why)) = REFUSED.iter().find(|(_, asked, _)| asked(problem)) {
            return Err(Unsupported { feature, why });
        }
        problem.needs_only(Feature::is_basic)?;
        let per_head = spec.mask.is_some_and(|mask| mask.dims[1] > 1);
        if per_head {
            let why = "candle-nn 0.11.1 applies one [Nq, Nk] mask to all heads";
            return Err(Unsupported { feature: mask_feature(problem), why });
        }
        let explicit = spec.mask.is_some() || spec.window.is_some() || spec.kv_len.is_some();
        let all_keys = (0..shape.batch).all(|b| problem.admitted(b, 0).len() == shape.len_k);
        let offset = problem.diagonal(0, 0);
        let bottom_right = Alignment::BottomRight.offset(shape.len_q, shape.len_k);
        match (shape.batch, usize::try_from(offset)) {
            _ if !explicit && (spec.causal.is_none() || all_keys) => Ok(Mapping::Full),
            (1, Ok(kv_offset)) if !explicit && shape.len_q > 1 => {
                Ok(Mapping::Causal { kv_offset: kv_offset.min(shape.len_k) })
            }
            (1, _) => Ok(Mapping::Explicit),
            (_, Ok(kv_offset)) if !explicit && offset == bottom_right => {
                Ok(Mapping::Causal { kv_offset })
            }
            _ => Err(Unsupported {
                feature: if explicit { mask_feature(problem) } else { Feature::Causal },
                why: "candle-nn 0.11.1 ignores kv_offset for batch > 1: its diagonal is \
                      bottom-right, len_k < len_q is an error, and so is an explicit mask",
            }),
        }
    }
}

/// What makes an explicit mask necessary.
fn mask_feature(problem: &Problem) -> Feature {
    let explicit = [Feature::BoolMask, Feature::AdditiveMask, Feature::Window, Feature::KvLen];
    let needs = problem.features();
    explicit.into_iter().find(|feature| needs.contains(feature)).unwrap_or(Feature::Causal)
}

/// A feature, whether a problem asks for it, and why it is refused.
type Refusal = (Feature, fn(&Problem) -> bool, &'static str);

const REFUSED: [Refusal; 10] = [
    (
        Feature::DType(DType::F64),
        |p| p.dtype() == DType::F64,
        "candle-nn 0.11.1 computes f64 attention in f32 and returns f32, \
         and has no f64 at all for batch > 1",
    ),
    (
        Feature::DType(DType::BF16),
        |p| p.dtype() == DType::BF16 && p.shape().batch > 1,
        "candle-nn 0.11.1 takes f32 or f16 for batch > 1",
    ),
    (
        Feature::Score(ScoreKind::Additive),
        |p| p.score().kind() == ScoreKind::Additive,
        "candle-nn 0.11.1 compares q and k by their dot product only",
    ),
    (
        Feature::Score(ScoreKind::General),
        |p| p.score().kind() == ScoreKind::General && p.dtype().size() < 4,
        "candle-nn 0.11.1 reads q as it is stored, and q W would be rounded to a half type",
    ),
    (
        Feature::ValueDim,
        |p| p.shape().dim_v != p.shape().dim_k(),
        "candle-nn 0.11.1 takes rows of v to be dim wide: batch = 1 reads other elements, \
         past the end of v if causal, and batch > 1 is an error",
    ),
    (
        Feature::Softcap,
        |p| p.spec().softcap.is_some() && p.shape().batch > 1,
        "candle-nn 0.11.1 has softcap for batch = 1 only",
    ),
    (
        Feature::Alibi,
        |p| p.spec().alibi,
        "candle-nn 0.11.1 derives the slopes from one max_bias, adds no bias without a mask at \
         batch = 1, and multiplies the mask by it",
    ),
    (Feature::Sinks, |p| p.spec().sinks, "candle-nn 0.11.1 has no sinks"),
    (Feature::Lse, |p| p.spec().lse, "candle-nn 0.11.1 returns no log-sum-exp"),
    (
        Feature::KvLen,
        |p| p.spec().kv_len.is_some() && p.shape().batch > 1,
        "candle-nn 0.11.1 pads nothing: flash_attn takes one length for all batches",
    ),
];

struct FlashAttn {
    mapping: Mapping,
    mask: AttnMask,
    threads: usize,
}

/// Positions of one head that are copied before those of the next.
const POSITIONS: usize = 32;

impl Kernel for FlashAttn {
    /// `[B, N, H, D]`.
    /// `[B, N, H, D]`, some positions of one head after those of another: what is read lies together, and what is written is in
    /// the caches.
    fn arrange<T: Element>(canonical: &[T], dims: [usize; 4]) -> (Vec<T>, [usize; 4]) {
        let [batch, heads, len, width] = dims;
        let mut arranged = vec![T::ZERO; canonical.len()];
        for (b, out) in arranged.chunks_exact_mut((len * heads * width).max(1)).enumerate() {
            for (first, out) in
                (0..len).step_by(POSITIONS).zip(out.chunks_mut(POSITIONS * heads * width))
            {
                for h in 0..heads {
                    let rows = &canonical[((b * heads + h) * len + first) * width..];
                    let places = out.chunks_exact_mut(width).skip(h).step_by(heads);
                    for (place, row) in places.zip(rows.chunks_exact(width)) {
                        place.copy_from_slice(row);
                    }
                }
            }
        }
        (arranged, [batch, len, heads, width])
    }

    fn set_bias(&mut self, problem: &Problem, inputs: Option<&Inputs>) -> Result<(), BackendError> {
        self.mask = match self.mapping {
            Mapping::Full => AttnMask::None,
            Mapping::Causal { kv_offset } => AttnMask::Causal { kv_offset },
            Mapping::Explicit => {
                let (rows, keys) = (problem.shape().len_q, problem.shape().len_k);
                let bias = bias(problem, inputs, tensor_type(problem.dtype()), &Device::Cpu)?;
                let matrix = bias.map(|bias| checked(bias.reshape((rows, keys)))).transpose()?;
                matrix.map_or(AttnMask::None, AttnMask::Mask)
            }
        };
        Ok(())
    }

    /// The result is f32 where the storage is not: converted here, as a model would.
    fn attend(&self, problem: &Problem, operands: &Operands) -> CandleResult<Attended> {
        let [q, k, v] = &operands.qkv;
        let q = &compared(q, operands.weights.w.as_ref())?;
        let (scale, softcap) = (problem.scale() as f32, problem.softcap().map(|c| c as f32));
        let mask = self.mask.clone();
        let o = match problem.dtype() {
            DType::BF16 => flash_attn::<bf16>(q, k, v, scale, mask, None, softcap),
            DType::F16 => flash_attn::<f16>(q, k, v, scale, mask, None, softcap),
            DType::F32 | DType::F64 => flash_attn::<f32>(q, k, v, scale, mask, None, softcap),
        };
        Ok(Attended { o: o?.to_dtype(tensor_type(problem.dtype()))?, lse: None })
    }

    /// One accumulator per thread and the mask; for batch > 1 also the result before its axes are
    /// permuted, and two indices per query row.
    fn scratch(&self, problem: &Problem) -> Option<usize> {
        let shape = problem.shape();
        let rows = shape.batch * shape.len_q;
        let mask = match &self.mask {
            AttnMask::Mask(bias) => bias.elem_count(),
            _ => 0,
        };
        let (packed, indices) = match shape.batch {
            1 => (0, 0),
            _ => (rows * shape.heads_q * shape.dim_v, 2 * rows),
        };
        // q W, before and after its axes are permuted.
        let projected = match problem.score_weights().w {
            None => 0,
            Some(_) => 2 * rows * shape.heads_q * shape.dim_k(),
        };
        let elements = self.threads * shape.dim_v + mask + packed + projected;
        Some(elements * size_of::<f32>() + indices * size_of::<usize>())
    }
}

/// `q W` in the layout of q, `[B, N, H, D]`; q without a matrix.
fn compared(q: &Tensor, w: Option<&Tensor>) -> CandleResult<Tensor> {
    let Some(w) = w else {
        return Ok(q.clone());
    };
    if w.dim(1)? == 1 {
        return q.broadcast_matmul(&w.squeeze(0)?.squeeze(0)?);
    }
    q.transpose(1, 2)?.contiguous()?.broadcast_matmul(w)?.transpose(1, 2)?.contiguous()
}

const fn tensor_type(dtype: DType) -> TensorType {
    match dtype {
        DType::F64 => TensorType::F64,
        DType::F32 => TensorType::F32,
        DType::BF16 => TensorType::BF16,
        DType::F16 => TensorType::F16,
    }
}
