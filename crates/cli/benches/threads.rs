//! Criterion suite `threads`: the cases that ask for all cores, with 1, 2, 4, ... threads up to all.
//!
//! Libraries fix their thread pools for the life of a process, so every number of threads computes in a child:
//! this program again, with the environment that fixes it. Criterion asks for `n` calls, the child makes them
//! and answers how many nanoseconds they took.

mod suite;

use std::cell::{OnceCell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, io, thread};

use attn_bench::run::Measured;
use attn_bench::suite::Case;
use attn_cli::registry::THREAD_VARIABLES;
use criterion::{BenchmarkId, Criterion, Throughput};
use suite::{Fixture, Sweep};

/// First argument of a child; the case, the backend and the number of threads follow.
const CHILD: &str = "--attn-child";

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [CHILD, case, backend, threads] => compute(case, backend, threads),
        _ => compare(),
    }
}

/// The parent: every case, backend and number of threads.
fn compare() {
    let sweep = Sweep::load();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut counts: Vec<usize> = (0..10).map(|at| 1 << at).filter(|&n| n < cores).collect();
    counts.push(cores);
    let mut criterion = Criterion::default().configure_from_args();
    let cells = sweep.cells(|case| case.all_cores, |entry| entry.measured == Measured::Always);
    for cells in cells.chunk_by(|(a, _), (b, _)| a.id == b.id) {
        for (case, backend) in cells {
            for &threads in &counts {
                let child = Child { case, backend, threads };
                child.bench(&mut criterion);
            }
        }
    }
    criterion.final_summary();
}

/// What a child computes.
struct Child<'a> {
    case: &'a Case,
    backend: &'a str,
    threads: usize,
}

impl Child<'_> {
    fn bench(&self, criterion: &mut Criterion) {
        let (group, value) = self.case.id.rsplit_once('/').expect("a case has a group");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(self.case.work.flops.0));
        // Started when criterion runs the benchmark: filters may leave it out.
        let dialogue = OnceCell::new();
        let id = BenchmarkId::new(format!("{}@{}", self.backend, self.threads), value);
        group.bench_function(id, |bencher| {
            let dialogue = dialogue.get_or_init(|| RefCell::new(Dialogue::start(self)));
            let mut dialogue = dialogue.borrow_mut();
            bencher.iter_custom(|calls| dialogue.time(calls).expect("the child answers"));
        });
        if let Some(dialogue) = dialogue.into_inner() {
            dialogue.into_inner().finish();
        }
        group.finish();
    }
}

/// The child: checks the backend, then makes as many calls as each line says; checks again at the end.
fn compute(case: &str, backend: &str, threads: &str) {
    let sweep = Sweep::load();
    let fixture = Fixture::new(&sweep.suite, sweep.case(case));
    let threads = threads.parse().expect("a number of threads");
    let mut cell = fixture.prepare(sweep.backend(backend), threads);
    println!("ready");
    for line in io::stdin().lines() {
        let calls: u64 = line.expect("a line").parse().expect("a number of calls");
        println!("{}", suite::time(&mut cell, calls).as_nanos());
    }
    fixture.recheck(&mut cell);
}

/// A child, and the pipes to it.
struct Dialogue {
    child: process::Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Dialogue {
    fn start(of: &Child<'_>) -> Self {
        let program = env::current_exe().expect("a running program has a path");
        let mut command = Command::new(program);
        let threads = of.threads.to_string();
        command.args([CHILD, &of.case.id, of.backend, &threads]);
        for variable in THREAD_VARIABLES {
            command.env(variable, &threads);
        }
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started again");
        let calls = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut dialogue = Dialogue { child, calls, answers };
        assert_eq!(dialogue.line().expect("it is right"), "ready");
        dialogue
    }

    fn time(&mut self, calls: u64) -> io::Result<Duration> {
        writeln!(self.calls, "{calls}")?;
        let ns = self.line()?.parse().map_err(io::Error::other)?;
        Ok(Duration::from_nanos(ns))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_string())
    }

    /// The child ends when nothing more is asked, and fails if the last result was wrong.
    fn finish(mut self) {
        drop(self.calls);
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "the result after timing is wrong");
    }
}
