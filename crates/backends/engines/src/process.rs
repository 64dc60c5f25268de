//! An engine's process.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use attn_core::Asked;

use crate::protocol::{Answer, Ask, Hello, PROTOCOL};

/// Bytes of an answer, at most.
const LONGEST_LINE: u64 = 1 << 20;
/// Bytes that are shown of what is no answer.
const SHOWN: usize = 120;
/// Requests that are timed to know what one takes.
const EMPTY_REQUESTS: usize = 25;

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be started.
    #[error("cannot be started: {0}")]
    Start(io::Error),
    /// It ended.
    #[error("the engine's process ended ({status}){}", after_colon(said))]
    Ended {
        /// How.
        status: String,
        /// The last line that it wrote to standard error.
        said: String,
    },
    /// What it wrote is no answer.
    #[error(
        "expected an answer in {PROTOCOL}, found `{0}`: something in the engine writes to the protocol's stream"
    )]
    Garbage(String),
    /// It answered something else than was asked.
    #[error("expected an answer to `{asked}` in {PROTOCOL}, found `{found}`")]
    Confused {
        /// The request.
        asked: String,
        /// The answer.
        found: String,
    },
    /// It says that something did not work.
    #[error("{0}")]
    Failed(String),
    /// Its clock says more than ours.
    #[error("the engine's clock says {told} ns for calls that took {took} ns by the harness's")]
    Clock {
        /// By the engine's clock.
        told: u64,
        /// By ours.
        took: u64,
    },
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// A process that speaks the protocol, until dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    errors: File,
    /// What it says of itself.
    pub(crate) hello: Hello,
    /// Threads that it was started for.
    pub(crate) threads: usize,
    /// What its requests took.
    pub(crate) asked: Asked,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts `command` and greets it. The process ends with the thread that calls.
    pub(crate) fn start(mut command: Command, threads: usize) -> Result<Self, Fault> {
        // A file takes whatever a library complains of, and nobody has to read it meanwhile.
        let errors = tempfile::tempfile().map_err(Fault::Start)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(errors.try_clone().map_err(Fault::Start)?);
        attn_sys::parent::ends_with_this(&mut command);
        let mut child = command.spawn().map_err(Fault::Start)?;
        let asks = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let nobody = Hello { protocol: String::new(), library: String::new(), isa: String::new() };
        let asked = Asked::default();
        let mut process = Process { child, asks, answers, errors, hello: nobody, threads, asked };
        let hello = Ask::Hello { protocol: PROTOCOL.into(), threads };
        process.hello = match process.ask(&hello)? {
            Answer::Hello(hello) if hello.protocol == PROTOCOL => hello,
            answer => return Err(confused(&hello, &answer)),
        };
        Ok(process)
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks for something that is no computation.
    pub(crate) fn tell(&mut self, ask: &Ask) -> Result<(), Fault> {
        self.done(ask).map(drop)
    }

    /// Has it compute so many times. Its own clock, which runs inside of ours, cannot say more.
    pub(crate) fn run(&mut self, calls: u32) -> Result<(), Fault> {
        let start = Instant::now();
        let told = self.done(&Ask::Run(calls))?;
        let took = nanos(start);
        if told > took {
            return Err(Fault::Clock { told, took });
        }
        self.asked.asked_ns += took;
        self.asked.told_ns += told;
        Ok(())
    }

    /// Times requests for nothing: the median counts.
    pub(crate) fn time_requests(&mut self) -> Result<(), Fault> {
        let mut times = [0; EMPTY_REQUESTS];
        for time in &mut times {
            let start = Instant::now();
            self.tell(&Ask::Nothing)?;
            *time = nanos(start);
        }
        times.sort_unstable();
        self.asked = Asked { request_ns: times[EMPTY_REQUESTS / 2], ..Asked::default() };
        Ok(())
    }

    fn done(&mut self, ask: &Ask) -> Result<u64, Fault> {
        match self.ask(ask)? {
            Answer::Done(ns) => Ok(ns),
            answer => Err(confused(ask, &answer)),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let mut line = json(ask).into_bytes();
        line.push(b'\n');
        // An engine that has ended closes the pipe; how it ended says more than the broken pipe.
        let _ = self.asks.write_all(&line);
        let mut line = Vec::new();
        let read = self.answers.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.is_err() || line.is_empty() {
            return Err(self.ended());
        }
        match serde_json::from_slice(&line) {
            Ok(Answer::Failed(why)) => Err(Fault::Failed(one_line(&why))),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Fault::Garbage(beginning(&String::from_utf8_lossy(&line)))),
        }
    }

    /// How it ended, and its last words.
    fn ended(&mut self) -> Fault {
        // One that has closed its stream and goes on is of no use either.
        let _ = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
        let mut said = Vec::new();
        let _ =
            self.errors.seek(SeekFrom::Start(0)).and_then(|_| self.errors.read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        Fault::Ended { status, said: last.trim().into() }
    }
}

fn confused(ask: &Ask, answer: &Answer) -> Fault {
    Fault::Confused { asked: beginning(&json(ask)), found: beginning(&json(answer)) }
}

fn json(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).expect("messages are text and numbers")
}

fn beginning(line: &str) -> String {
    let line = line.trim_end();
    let shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() { format!("{shown}..") } else { shown }
}

/// The last line: languages write where it happened before what happened.
fn one_line(text: &str) -> String {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().into()
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
