//! Computes CUDA cells for `attn`, which looks for this program beside itself.
//!
//! - `attn-cuda probe` prints what would run, or why nothing can, as one line of JSON;
//! - `attn-cuda limits` prints the device's peak rates, or why they are unknown, likewise;
//! - `attn-cuda worker` computes what it is asked on stdin, as `attn worker` does.

use std::io::{self, Write as _};
use std::process::ExitCode;

use attn_bench::worker::{CellId, Choice, Host, work};
use attn_candle::{Cuda, Loads};
use attn_core::Backend;
use attn_cuda::{Effort, limits};
use attn_record::limits::DeviceLimits;
use serde::Serialize;

/// Counts what a computation allocates on the host, when asked.
#[global_allocator]
static ALLOCATOR: attn_sys::alloc::Counting = attn_sys::alloc::Counting;

fn main() -> ExitCode {
    let done = match std::env::args_os().nth(1).as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("probe") => say(&Cuda.probe().map_err(|unavailable| unavailable.reason)),
        Some("limits") => say(&device_limits()),
        Some("worker") => work(&Device),
        _ => {
            eprintln!(
                "attn-cuda: expected `probe`, `limits` or `worker`; attn starts it, see `attn doctor`"
            );
            return ExitCode::from(2);
        }
    };
    done.map_or(ExitCode::from(3), |()| ExitCode::SUCCESS)
}

/// What this program can compute.
struct Device;

impl Host for Device {
    fn backend(&self, id: &str) -> Option<&dyn Backend> {
        (Cuda.id().as_str() == id).then_some(&Cuda as &dyn Backend)
    }

    fn cells(&self, _choice: &Choice) -> Result<Vec<CellId>, Box<dyn std::error::Error>> {
        Err("attn-cuda has no cases".into())
    }
}

fn device_limits() -> Result<DeviceLimits, String> {
    let info = Cuda.probe().map_err(|unavailable| unavailable.reason)?;
    let loads = Loads::cuda().map_err(|error| error.to_string())?;
    limits(&loads, info.device, &Effort::GPU).map_err(|error| error.to_string())
}

fn say(answer: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    writeln!(out)
}
