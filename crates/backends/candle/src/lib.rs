//! Attention over candle, in the ways that it offers.
//!
//! - [`Composed`], `candle/composed`: tensor operations, as most of candle-transformers' models do it.
//! - [`Fused`], `candle/fused`: `candle_nn::attention::flash_attn`, one pass with an online softmax.
//! - `Cuda`, `candle/cuda`, with the feature `cuda`: the operations of [`Composed`] on a GPU. Not yet run on
//!   hardware.
//!
//! [`countable`] says which problems its kernels can count; [`Loads`] is what a device's limits are measured with.
//!
//! The first two run on pools that are fixed for the life of a process: rayon's global one
//! (`RAYON_NUM_THREADS`), and candle's spinning one (`CANDLE_NUM_THREADS`).
//!
//! A kernel of one's own over candle's tensors is a closure and a backend around it:
//!
//! ```
//! use attn_candle::tensor_plan;
//! use attn_core::{Backend, BackendError, BackendId, BackendInfo, Exec, Feature, Plan, Problem, Unavailable, Unsupported};
//! use candle_core::{Device, Tensor};
//! use candle_nn::ops::softmax_last_dim;
//!
//! struct Mine;
//!
//! impl Backend for Mine {
//!     fn id(&self) -> BackendId {
//!         BackendId::new("mine")
//!     }
//!
//!     fn probe(&self) -> Result<BackendInfo, Unavailable> {
//!         Ok(BackendInfo::on_cpu("mine 0.1.0"))
//!     }
//!
//!     fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
//!         let plain = |feature: &Feature| matches!(feature, Feature::DType(_) | Feature::Batch | Feature::ValueDim);
//!         match problem.features().into_iter().find(|feature| !plain(feature)) {
//!             None => Ok(()),
//!             Some(feature) => Err(Unsupported { feature, why: "plain attention only" }),
//!         }
//!     }
//!
//!     fn prepare<'b>(&'b self, problem: &Problem, _: &Exec) -> Result<Box<dyn Plan + 'b>, BackendError> {
//!         tensor_plan(problem, &Device::Cpu, |problem: &Problem, q: &Tensor, k: &Tensor, v: &Tensor| {
//!             softmax_last_dim(&(q.matmul(&k.t()?)? * problem.scale())?)?.matmul(v)
//!         })
//!     }
//! }
//! # use attn_core::{DType, InputDistribution, Inputs, ProblemSpec, Shape, compute};
//! # let problem = Problem::new(ProblemSpec::new(Shape::square(2, 5, 4), DType::F32)).unwrap();
//! # let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! # let out = compute(&Mine, &problem, &Exec::SINGLE, &inputs).unwrap();
//! # let naive = compute(&attn_naive::Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
//! # for (a, b) in out.o().tensor().data().to_f64().iter().zip(naive.o().tensor().data().to_f64()) {
//! #     assert!((a - b).abs() < 1e-5);
//! # }
//! ```

mod composed;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod fused;
mod indices;
mod plan;
mod scores;

pub use composed::Composed;
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use device::Loads;
pub use fused::Fused;
pub use indices::countable;
pub use plan::{Attended, Float, Kernel, Operands, TensorPlan, tensor_plan};
