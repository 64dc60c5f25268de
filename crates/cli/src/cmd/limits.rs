//! `attn check --limits`: how wrong must a file be to be refused?

use std::sync::Mutex;

use attn_bench::detection::{Detection, statements};
use attn_bench::mutation::Subject;
use attn_core::DType;

use super::mutants::subject;
use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::session;

/// How much is tried.
pub(super) struct Extent {
    /// The longest length.
    pub(super) up_to: usize,
    /// The only type, if not all.
    pub(super) dtype: Option<DType>,
}

/// Every mutant and every honest kernel on statements of growing length, judged as files.
pub(super) fn run(extent: &Extent, output: OutputArgs) -> Result<Exit, Failure> {
    let (mutants, control) = (attn_mutants::all(), attn_mutants::control());
    let honest = attn_mutants::foreign();
    let mutants: Vec<Subject<'_>> = mutants.iter().map(subject).collect();
    let honest: Vec<Subject<'_>> = honest.iter().map(subject).collect();
    let lengths: Vec<usize> =
        statements::LENGTHS.into_iter().filter(|&n| n <= extent.up_to).collect();
    let dtypes = extent.dtype.map_or(DType::ALL.to_vec(), |dtype| vec![dtype]);
    session::listen_for_interrupts();
    let steps = Mutex::new(Steps::patient("judging wrong kernels' files"));
    let progress = |done: f64| {
        let mut steps = steps.lock().expect("progress does not panic");
        steps.say(&format!("{:.1} %", 100.0 * done));
    };
    let limits = Detection {
        control: subject(&control),
        mutants: &mutants,
        honest: &honest,
        dtypes: &dtypes,
        lengths: &lengths,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        progress: &progress,
        cancel: &session::INTERRUPTED,
    }
    .run()?;
    drop(steps);
    if output.json {
        print_json(&limits)?;
    } else {
        print!("{}", limits.to_markdown());
    }
    Ok(match (limits.holds(), limits.is_complete()) {
        (false, _) => Exit::No,
        (true, false) => Exit::Broken,
        (true, true) => Exit::Success,
    })
}
