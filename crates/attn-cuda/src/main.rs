//! Computes CUDA cells for `attn`, which looks for this program beside itself.
//!
//! - `attn-cuda probe` prints what would run, or why nothing can, as one line of JSON;
//! - `attn-cuda worker` answers one request on stdin, as `attn worker` does.

use std::io::{self, Write as _};
use std::process::ExitCode;

use attn_bench::worker::serve;
use attn_candle::Cuda;
use attn_core::Backend;

/// Counts what a computation allocates on the host, when asked.
#[global_allocator]
static ALLOCATOR: attn_sys::alloc::Counting = attn_sys::alloc::Counting;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("probe") => probe(),
        Some("worker") => {
            let find = |id: &str| (Cuda.id().as_str() == id).then_some(&Cuda as &dyn Backend);
            serve(find, &mut io::stdin().lock(), &mut io::stdout().lock())
        }
        _ => {
            eprintln!("attn-cuda: expected `probe` or `worker`; attn starts it, see `attn doctor`");
            return ExitCode::from(2);
        }
    };
    done.map_or(ExitCode::from(3), |()| ExitCode::SUCCESS)
}

fn probe() -> io::Result<()> {
    let answer = Cuda.probe().map_err(|unavailable| unavailable.reason);
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    writeln!(out)
}
