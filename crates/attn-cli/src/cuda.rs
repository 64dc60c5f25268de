//! `candle/cuda`, as far as this program knows it: what `attn-cuda` beside it says.
//!
//! candle's CUDA build is linked to the driver, so a program that contains it does not start without
//! libcuda.so.1. `attn` therefore contains none of it: it asks a second program, which computes the cells too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, io};

use attn_core::{
    Backend, BackendError, BackendId, Exec, Plan, Problem, Receipt, Unavailable, Unsupported,
};

/// What builds the program that is missing.
const BUILD: &str = "scripts/cuda-toolkit build";

/// What a dynamic loader says before the name of the library that it misses.
const MISSES: &str = "error while loading shared libraries: ";

/// The backend `candle/cuda`, computed by `attn-cuda`.
pub(crate) struct Cuda {
    runner: PathBuf,
    /// Asked once per process.
    answer: OnceLock<Result<Receipt, Unavailable>>,
}

impl Cuda {
    /// Computed by the `attn-cuda` in the folder of this program.
    pub(crate) fn beside_this_program() -> Self {
        let name = format!("attn-cuda{}", env::consts::EXE_SUFFIX);
        let this = env::current_exe().unwrap_or_default();
        Cuda { runner: this.with_file_name(name), answer: OnceLock::new() }
    }

    fn ask(&self) -> Result<Receipt, Unavailable> {
        let unavailable = |reason| Unavailable { reason };
        let mut command = Command::new(&self.runner);
        let output = command.arg("probe").stdin(Stdio::null()).output().map_err(|error| {
            unavailable(match error.kind() {
                io::ErrorKind::NotFound => format!("built without CUDA: {BUILD}"),
                _ => format!("{}: {error}", self.runner.display()),
            })
        })?;
        if let Ok(answer) = serde_json::from_slice::<Result<Receipt, String>>(&output.stdout) {
            return answer.map_err(unavailable);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(unavailable(explain(&stderr).unwrap_or_else(|| {
            format!("{} ended ({}) without an answer", self.runner.display(), output.status)
        })))
    }
}

/// What a program lacks that did not start.
fn explain(stderr: &str) -> Option<String> {
    let library = stderr.split_once(MISSES)?.1.split(':').next()?.trim();
    Some(if library.starts_with("libcuda.so") {
        format!("no CUDA driver ({library})")
    } else {
        format!("no {library}: set LD_LIBRARY_PATH to the lib folder of the CUDA toolkit")
    })
}

impl Backend for Cuda {
    fn id(&self) -> BackendId {
        BackendId::new("candle/cuda")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        self.answer.get_or_init(|| self.ask()).clone()
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        attn_candle::Composed.supports(problem)
    }

    fn prepare<'b>(&'b self, _: &Problem, _: &Exec) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Err(BackendError::Library {
            library: "attn-cuda",
            message: "computes in its own process: use attn check, measure or run".into(),
        })
    }

    fn runner(&self) -> Option<&Path> {
        Some(&self.runner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_complaint_names_what_is_missing() {
        let says = |library: &str| {
            explain(&format!("./attn-cuda: {MISSES}{library}: cannot open shared object file"))
        };
        assert_eq!(says("libcuda.so.1").unwrap(), "no CUDA driver (libcuda.so.1)");
        assert!(says("libcublas.so.13").unwrap().starts_with("no libcublas.so.13: set"));
        assert_eq!(explain("boom"), None);
    }
}
