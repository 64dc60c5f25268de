//! Cheats that go behind the back of the harness: to its files, to its pipes, to the memory that both share.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use attn_core::{BackendError, Data, InputParts, Inputs, Output, Problem, Tensor, Work};
use safetensors::SafeTensors;

use super::Trick;
use super::engine::Engine;
use super::weights::UpToSigns;

/// Computes in `prepare` what it finds in the harness's files of inputs, and knows these inputs again, whatever their signs.
pub(super) fn found_inputs(problem: &Problem) -> UpToSigns {
    let found = case_files();
    let found: Vec<Inputs> = found.iter().filter_map(|file| inputs_in(problem, file)).collect();
    UpToSigns::prepared(problem, &found)
}

/// The inputs in `file`, if they are inputs of `problem`.
fn inputs_in(problem: &Problem, file: &Path) -> Option<Inputs> {
    let bytes = std::fs::read(file).ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let tensor = |name| {
        let view = file.tensor(name).ok()?;
        let data = Data::from_le_bytes(problem.dtype(), view.data())?;
        Tensor::new(view.shape().try_into().ok()?, data).ok()
    };
    let parts = InputParts::plain(tensor("q")?, tensor("k")?, tensor("v")?);
    Inputs::new(problem, parts).ok()
}

/// Files of inputs, of 64 MiB at most, below the folders of the files that this process and the one that started it
/// have open, below those that their arguments name, and below the folder for temporary files.
fn case_files() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for process in ["self".to_string(), parent()] {
        let process = Path::new("/proc").join(process);
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            open.filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
        let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let arguments = arguments.split(|&byte| byte == 0);
        paths.extend(arguments.map(|path| String::from_utf8_lossy(path).into_owned().into()));
        folders.extend(paths.iter().filter(|path| path.is_dir()).cloned());
        let files = paths.iter().filter(|path| path.is_absolute() && path.is_file());
        folders.extend(files.filter_map(|file| file.parent()).map(Into::into));
    }
    folders.sort_unstable();
    folders.dedup();
    folders.push(std::env::temp_dir());
    let mut found = search(folders, 20_000);
    found.sort_unstable();
    found.dedup();
    found
}

/// The number of the process that started this one.
fn parent() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.unwrap_or_default().trim().into()
}

/// The files of inputs among the first `left` entries of `folders` and of up to 4 folders below, level by level: the
/// folder for temporary files may hold very many files in depth.
fn search(mut folders: Vec<PathBuf>, mut left: usize) -> Vec<PathBuf> {
    const LARGEST: u64 = 64 << 20;
    let mut found = Vec::new();
    for _ in 0..=4 {
        let mut below = Vec::new();
        for entry in
            folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten()
        {
            if left == 0 {
                return found;
            }
            left -= 1;
            let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
            if about.is_dir() {
                below.push(path);
            } else if path.extension().is_some_and(|end| end == "case") && about.len() <= LARGEST {
                found.push(path);
            }
        }
        folders = below;
    }
    found
}

/// Answers in place of the worker, with fast samples, then ends the process.
pub(super) fn answer_on_stdout(problem: &Problem) -> ! {
    if let Ok(mut out) = writable("/proc/self/fd/1") {
        let arguments = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let in_turns = arguments.split(|&byte| byte == 0).any(|argument| argument == b"slots");
        // Nobody is left whom an error could be told.
        let _ = if in_turns {
            dialogue(problem, &mut out)
        } else {
            writeln!(out, "{}", reply(problem))
        };
    }
    std::process::exit(0)
}

/// Writes the answer to every pipe that the process has open, then ends it.
pub(super) fn answer_on_every_pipe(problem: &Problem) -> ! {
    for open in std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let link = std::fs::read_link(open.path()).unwrap_or_default();
        if link.to_string_lossy().starts_with("pipe:")
            && let Ok(mut pipe) = writable(open.path())
        {
            // The end that this process reads takes it too.
            let _ = writeln!(pipe, "{}", reply(problem));
        }
    }
    std::process::exit(0)
}

fn writable(path: impl AsRef<Path>) -> std::io::Result<File> {
    File::options().write(true).open(path)
}

/// Answers to everything that is asked from now on, of which `prepare` is the first.
fn dialogue(problem: &Problem, out: &mut File) -> std::io::Result<()> {
    let Work { pairs, flops, exps, bytes, .. } = Work::of(problem, None);
    let ready = format!(
        r#"{{"ready":{{"receipt":{RECEIPT},"footprint":{{"scratch":null}},"work":{{"pairs":{pairs},"flops":{},"exps":{exps},"bytes":{}}},"check":{},"memory":null}}}}"#,
        flops.0,
        bytes.0,
        verdict(problem)
    );
    writeln!(out, "{ready}")?;
    for line in BufReader::new(File::open("/proc/self/fd/0")?).lines() {
        let line = line?;
        if line.contains("finish") {
            writeln!(out, r#"{{"finished":{}}}"#, verdict(problem))?;
        } else if line.contains("run") {
            writeln!(out, r#"{{"ran":{{"ns":1000,"disturbed":false}}}}"#)?;
        } else {
            writeln!(out, "{ready}")?;
        }
    }
    Ok(())
}

const RECEIPT: &str = r#"{"library":"attn-mutants 0.1.0","device":"cpu","isa":"baseline","threads":"per-call","arithmetic":{"scores":"at-least-f32","weights":"at-least-f32","sums":"at-least-f32","order":"sequential","online":false}}"#;

/// A verdict that agrees.
fn verdict(problem: &Problem) -> String {
    let [batch, heads, len, _] = problem.shape().out();
    let rows = batch * heads * len;
    format!(
        r#"{{"findings":[],"metrics":{{"max_abs":1e-7,"max_rel":1e-6,"rel_l2":1e-7,"nmse":1e-14,"max_ulp":2.0,"bound_share":0.1,"yardstick_share":0.5,"worst":{{"index":[0,0,0,0],"got":0.1,"want":0.1,"bound":1e-6}}}},"rows_checked":{rows},"rows_total":{rows}}}"#
    )
}

/// The answer of a worker whose calls take a microsecond.
fn reply(problem: &Problem) -> String {
    let verdict = verdict(problem);
    let samples: Vec<String> = (0..50).map(|at| (1_000_000 + at * 37 % 11).to_string()).collect();
    format!(
        r#"{{"outcome":"ok","reason":null,"receipt":{RECEIPT},"footprint":{{"scratch":null}},"check":{verdict},"recheck":{verdict},"memory":null,"phases":[],"clock_ns":20,"process":{{"cpu":null,"warmup_calls":20000,"warmup_ns":20000000,"reps":1000,"samples_ns":[{}],"disturbed":[]}}}}"#,
        samples.join(",")
    )
}

/// Knows how long its own calls took, looks for these numbers in the memory of the process, and halves them.
#[derive(Default)]
pub(super) struct EditedSamples {
    /// Nanoseconds of each `run` since `load`.
    took: Vec<u64>,
}

/// So many samples in a row are no coincidence.
const NO_COINCIDENCE: usize = 3;

impl Trick for EditedSamples {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.took.clear();
        engine.load(inputs)
    }

    fn run(&mut self, engine: &mut Engine, reps: u32) {
        let start = Instant::now();
        for _ in 0..reps {
            engine.compute();
        }
        self.took.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        if self.took.len() >= NO_COINCIDENCE {
            // Where memory cannot be read, the samples stay what they are.
            let _ = halve(&std::mem::take(&mut self.took));
        }
        engine.store(out)
    }
}

/// Halves the samples that end with those that `took` ends with, wherever they lie in memory that is not a file's.
fn halve(took: &[u64]) -> std::io::Result<()> {
    const LARGEST: u64 = 256 << 20;
    let mut memory = File::options().read(true).write(true).open("/proc/self/mem")?;
    for line in std::fs::read_to_string("/proc/self/maps")?.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().and_then(|range| range.split_once('-'));
        let of_no_file = words.nth(3) == Some("0") && line.contains(" rw");
        let Some((start, end)) = range.filter(|_| of_no_file) else { continue };
        let place = |hex| u64::from_str_radix(hex, 16).unwrap_or(0);
        let (start, len) = (place(start), place(end).saturating_sub(place(start)));
        let mut bytes = vec![0; len.min(LARGEST) as usize];
        if memory.seek(SeekFrom::Start(start)).is_err() || memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        let words: Vec<u64> =
            bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
        for (first, samples) in matches(&words, took) {
            let halves: Vec<u8> = samples.iter().flat_map(|ns| (ns / 2).to_le_bytes()).collect();
            memory.seek(SeekFrom::Start(start + 8 * first as u64))?;
            memory.write_all(&halves)?;
        }
    }
    Ok(())
}

/// Where in `words` numbers lie that are a little larger than the last of `took`, and these numbers: what the harness
/// measures contains what the plan does. `took` itself is not meant.
fn matches<'w>(words: &'w [u64], took: &[u64]) -> Vec<(usize, &'w [u64])> {
    let fits = |(sample, took): (&u64, &u64)| *sample > *took && *sample <= took + took / 20 + 5000;
    let tail = &took[took.len() - NO_COINCIDENCE..];
    let places = words.windows(NO_COINCIDENCE).enumerate();
    let ends = places.filter(|(_, window)| window.iter().zip(tail).all(fits));
    let whole = ends.map(|(at, _)| {
        let end = at + NO_COINCIDENCE;
        let count =
            words[..end].iter().rev().zip(took.iter().rev()).take_while(|&pair| fits(pair)).count();
        (end - count, &words[end - count..end])
    });
    whole.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_near_the_top_are_found_however_much_lies_deeper() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "z"] {
            let deep = folder.path().join(name).join("deep");
            std::fs::create_dir_all(&deep).unwrap();
            for number in 0..20 {
                std::fs::write(deep.join(number.to_string()), []).unwrap();
            }
        }
        let case = folder.path().join("m").join("q.case");
        std::fs::create_dir(case.parent().unwrap()).unwrap();
        std::fs::write(&case, []).unwrap();
        assert_eq!(search(vec![folder.path().into()], 10), [case]);
    }
}
