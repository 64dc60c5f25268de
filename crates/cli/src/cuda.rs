//! `candle/cuda`, as far as this program knows it: what `attn-cuda` beside it says.
//!
//! candle's CUDA build is linked to the driver, so a program that contains it does not start without
//! libcuda.so.1. `attn` therefore contains none of it: it asks a second program, which computes the cells too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, io};

use attn_bench::worker::wait;
use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Plan, Problem, Unavailable, Unsupported,
};
use attn_record::limits::DeviceLimits;
use serde::de::DeserializeOwned;

use crate::program::program;

/// What builds the program that is missing.
const BUILD: &str = "scripts/cuda-toolkit build";

/// What a dynamic loader says before the name of the library that it misses.
const MISSES: &str = "error while loading shared libraries: ";

/// A driver that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// The backend `candle/cuda`, computed by `attn-cuda`.
pub(crate) struct Cuda {
    runner: PathBuf,
    patience: Duration,
    /// Asked once per process.
    answer: OnceLock<Result<BackendInfo, Unavailable>>,
}

impl Cuda {
    /// Computed by the `attn-cuda` in the folder of this program.
    pub(crate) fn beside_this_program() -> Self {
        let name = format!("attn-cuda{}", env::consts::EXE_SUFFIX);
        let this = env::current_exe().unwrap_or_default();
        let runner = this.with_file_name(name);
        Cuda { runner, patience: PATIENCE, answer: OnceLock::new() }
    }

    /// Peak rates of the device, measured now: this takes about a second.
    pub(crate) fn limits(&self) -> Result<DeviceLimits, Unavailable> {
        self.ask("limits")
    }

    fn ask<T: DeserializeOwned>(&self, what: &str) -> Result<T, Unavailable> {
        let unavailable = |reason| Unavailable { reason };
        let mut command = Command::new(&self.runner);
        command.arg(what).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = self.runner.display();
        let child = command.spawn().map_err(|error| {
            unavailable(match error.kind() {
                io::ErrorKind::NotFound => format!("built without CUDA: {BUILD}"),
                _ => format!("{program}: {error}"),
            })
        })?;
        let (stdout, stderr, status) = wait(child, self.patience)
            .map_err(|lost| unavailable(format!("{program} does not know its device: {lost}")))?;
        if let Ok(answer) = serde_json::from_str::<Result<T, String>>(&stdout) {
            return answer.map_err(unavailable);
        }
        let why = explain(&stderr);
        let why = why.unwrap_or_else(|| format!("{program} ended ({status}) without an answer"));
        Err(unavailable(why))
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

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        self.answer.get_or_init(|| self.ask("probe")).clone()
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        attn_candle::countable(problem)
    }

    fn prepare<'b>(&'b self, _: &Problem, _: &Exec) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Err(BackendError::Library {
            library: "attn-cuda",
            message: format!(
                "computes in its own process: use {} check, measure, run or verify",
                program()
            ),
        })
    }

    fn runner(&self) -> Option<&Path> {
        Some(&self.runner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runner that is this script, written by another process: a file that this one has open for writing may be
    /// inherited by what its other threads start, and then cannot be executed.
    #[cfg(unix)]
    fn script(folder: &Path, script: &str, patience: Duration) -> Cuda {
        let runner = folder.join("attn-cuda");
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh"]).arg(&runner).arg(script);
        assert!(shell.status().unwrap().success());
        Cuda { runner, patience, answer: OnceLock::new() }
    }

    #[test]
    #[cfg(unix)]
    fn the_devices_limits_are_what_the_runner_says() {
        let folder = tempfile::tempdir().unwrap();
        let rate = "{\"best\":2.0,\"median\":1.0,\"samples\":5}";
        let limits = format!(
            "{{\"Ok\":{{\"device\":\"a GPU\",\"products\":[{{\"dtype\":\"bf16\",\"size\":4096,\
             \"gflops\":{rate}}}],\"copy\":{{\"bytes\":1024,\"gb_per_s\":{rate}}}}}}}"
        );
        let says = format!("[ \"$1\" = limits ] && echo '{limits}'");
        let found = script(folder.path(), &says, PATIENCE).limits().unwrap();
        assert_eq!((found.device.as_str(), found.copy.gb_per_s.best), ("a GPU", 2.0));
        let fails = "echo '{\"Err\":\"out of memory\"}'";
        let reason = script(folder.path(), fails, PATIENCE).limits().unwrap_err().reason;
        assert_eq!(reason, "out of memory");
    }

    #[test]
    #[cfg(unix)]
    fn a_driver_that_hangs_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let cuda = script(folder.path(), "exec sleep 60", Duration::from_millis(50));
        let reason = cuda.probe().unwrap_err().reason;
        assert!(reason.ends_with("no result after 0.05 s, the worker was killed"), "{reason}");
    }

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
