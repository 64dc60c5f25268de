//! Attention as other programs compute it: PyTorch, `OpenVINO`, ONNX Runtime, llama.cpp and others, each in a process of its own that
//! speaks `attn-engine/1` on its standard streams. `crates/docs/ENGINES.md` has the protocol.
//!
//! An engine is a folder below `engines`: `engine.toml` says what it is, what it computes and whose kernel that is; a short program
//! calls it. All of them are built into this crate. What an engine needs is installed into a folder of the user's, on request.
//!
//! | module | contents |
//! |---|---|
//! | [`definition`] | what `engine.toml` says |
//! | [`install`] | the folder of an installed engine |
//! | `backend` | an engine as a [`Backend`](attn_core::Backend) |
//! | `bias` | masks and positions as one tensor that is added to the scores |
//! | `plan` | one problem in an engine's process |
//! | `process` | an engine's process |
//! | [`protocol`] | what is said to it and what it answers |
//!
//! ```
//! use attn_engines::Engines;
//!
//! let engines = Engines::open("a/folder/without/any".as_ref())?;
//! let torch = engines.named("torch").unwrap();
//! assert!(torch.installed().is_err());
//! # Ok::<(), attn_engines::EngineError>(())
//! ```

mod backend;
mod bias;
pub mod definition;
pub mod install;
mod plan;
mod process;
pub mod protocol;

pub use backend::EngineBackend;
pub use definition::{Definition, Kind, Variant};
pub use install::{Engine, EngineError, Engines};
