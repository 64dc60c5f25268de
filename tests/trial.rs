//! Runs readers on many inputs and watches them.

use std::fmt;
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::entry::Reader;
use crate::mutate;

/// How long a reader may take for one input.
pub const LONGEST: Duration = Duration::from_secs(10);

/// What many inputs showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// How many there were.
    pub inputs: u64,
    /// How many were read as what they should be.
    pub read: u64,
    /// The longest time, and the number of its input.
    pub worst: (Duration, u64),
}

/// An input that a reader does not bear.
#[derive(Debug)]
pub struct Finding {
    /// The reader.
    pub reader: &'static str,
    /// The number of the input.
    pub number: u64,
    /// The input.
    pub input: Vec<u8>,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { reader, number, input, what } = self;
        let shown: String =
            input.iter().take(2000).flat_map(|&byte| byte.escape_ascii()).map(char::from).collect();
        write!(f, "{reader}, input {number} of {} bytes: {what}; it begins {shown}", input.len())
    }
}

/// The files in `fuzz/corpus` of this reader, in the order of their names.
pub fn seeds(reader: &Reader) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(reader.name);
    let entries = std::fs::read_dir(&folder).expect("every reader has seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed is readable")).collect()
}

/// Gives `reader` the inputs of these numbers. Each is in the file `kept` while it is read, for the case that the process dies.
/// Returns with the first that it does not bear; one that takes too long goes on, on a thread of its own.
pub fn run(
    reader: Reader,
    numbers: Range<u64>,
    kept: Option<PathBuf>,
) -> (Report, Option<Finding>) {
    let seeds = seeds(&reader);
    let (sender, done) = mpsc::channel();
    let mut report = Report::default();
    let all = numbers.clone();
    let of_thread = seeds.clone();
    std::thread::spawn(move || {
        for number in all {
            let input = mutate::input(&of_thread, number);
            if let Some(kept) = &kept {
                std::fs::write(kept, &input).expect("the input can be kept");
            }
            let start = Instant::now();
            let result = catch_unwind(|| (reader.read)(&input));
            let result = result.map_err(|panic| message(panic.as_ref()));
            if sender.send((result, start.elapsed())).is_err() {
                return;
            }
        }
    });
    for number in numbers {
        let finding = |what| Finding {
            reader: reader.name,
            number,
            input: mutate::input(&seeds, number),
            what,
        };
        report.inputs += 1;
        match done.recv_timeout(LONGEST) {
            Ok((Ok(read), elapsed)) => {
                report.read += u64::from(read);
                report.worst = report.worst.max((elapsed, number));
            }
            Ok((Err(panic), _)) => return (report, Some(finding(format!("it panics: {panic}")))),
            Err(RecvTimeoutError::Timeout) => {
                let what = format!("it takes longer than {} s", LONGEST.as_secs());
                return (report, Some(finding(what)));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return (report, Some(finding("its thread ended".into())));
            }
        }
    }
    (report, None)
}

/// What a panic says.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}
