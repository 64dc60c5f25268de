//! The gate's end.

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use attn_core::Verdict;
use attn_record::Outcome;

use super::{Answer, Ask, CellId, Choice, PROTOCOL, Ready, Setup, Slot};

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program.
    pub program: PathBuf,
    /// Its arguments: those that make it serve slots.
    pub args: Vec<String>,
    /// Environment variables that are set to the number of threads.
    pub thread_variables: Vec<String>,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// Why a dialogue ended.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The program cannot be started or talked to.
    #[error("{}: cannot be run: {source}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The program does not serve slots, or in another way.
    #[error(
        "{}: expected a worker that speaks {PROTOCOL}, found {found}",
        program.display()
    )]
    Protocol {
        /// The program.
        program: PathBuf,
        /// What it said instead.
        found: String,
    },
    /// No answer in time.
    #[error("no answer after {} s, the worker was killed", .0.as_secs_f64())]
    Timeout(Duration),
    /// It ended in the middle.
    #[error("the worker died: {last_words}")]
    Died {
        /// The last line it wrote.
        last_words: String,
    },
    /// It said that something did not work.
    #[error("{reason}")]
    Failed {
        /// How the cell ended.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// It answered something else.
    #[error("the worker gave an answer that does not fit: {0}")]
    Confused(String),
}

/// A worker process, until dropped.
#[derive(Debug)]
pub struct Dialogue {
    child: Child,
    asks: ChildStdin,
    answers: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
    program: PathBuf,
    timeout: Duration,
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // It may be gone already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Start {
    /// Starts a worker that is to use `threads` threads, with `padding` bytes more in its environment, which
    /// move its stack, and waits for its hello.
    pub fn start(&self, threads: usize, padding: usize) -> Result<Dialogue, SlotError> {
        let io = |source| SlotError::Io { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.args).env("ATTN_PADDING", "x".repeat(padding));
        for variable in &self.thread_variables {
            command.env(variable, threads.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(io)?;
        let mut dialogue = Dialogue {
            asks: child.stdin.take().expect("piped"),
            answers: lines(child.stdout.take().expect("piped")),
            errors: lines(child.stderr.take().expect("piped")),
            child,
            program: self.program.clone(),
            timeout: self.timeout,
        };
        dialogue.hello()?;
        Ok(dialogue)
    }
}

/// The lines of a pipe, read on a thread of their own.
fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Dialogue {
    fn hello(&mut self) -> Result<(), SlotError> {
        let found = match self.line() {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Answer::Hello { protocol }) if protocol == PROTOCOL => return Ok(()),
                Ok(Answer::Hello { protocol }) => protocol,
                _ => format!("`{}`", line.chars().take(60).collect::<String>()),
            },
            Err(SlotError::Died { last_words }) => format!("`{last_words}`"),
            Err(error) => return Err(error),
        };
        Err(SlotError::Protocol { program: self.program.clone(), found })
    }

    /// The cells that `choice` means and that can run there.
    pub fn list(&mut self, choice: &Choice) -> Result<Vec<CellId>, SlotError> {
        match self.ask(&Ask::List(choice.clone()))? {
            Answer::Cells(cells) => Ok(cells),
            other => Err(confused(&other)),
        }
    }

    /// Prepares, checks inputs A if there are any, loads inputs B.
    pub fn prepare(&mut self, setup: &Setup) -> Result<Ready, SlotError> {
        match self.ask(&Ask::Prepare(setup.clone()))? {
            Answer::Ready(ready) => Ok(*ready),
            other => Err(confused(&other)),
        }
    }

    /// Times one slot.
    pub fn run(&mut self, calls: NonZeroU32, warm: u32) -> Result<Slot, SlotError> {
        match self.ask(&Ask::Run { calls, warm })? {
            Answer::Ran(slot) => Ok(slot),
            other => Err(confused(&other)),
        }
    }

    /// The verdict on the result that was timed last.
    pub fn finish(&mut self) -> Result<Verdict, SlotError> {
        match self.ask(&Ask::Finish)? {
            Answer::Finished(verdict) => Ok(verdict),
            other => Err(confused(&other)),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer, SlotError> {
        let mut line = serde_json::to_vec(ask).expect("strings and numbers are JSON");
        line.push(b'\n');
        // A worker that died closes the pipe; its last words say more than the broken pipe.
        let _ = self.asks.write_all(&line);
        let line = self.line()?;
        match serde_json::from_str(&line) {
            Ok(Answer::Failed { outcome, reason }) => Err(SlotError::Failed { outcome, reason }),
            Ok(answer) => Ok(answer),
            Err(error) => Err(SlotError::Confused(error.to_string())),
        }
    }

    fn line(&mut self) -> Result<String, SlotError> {
        match self.answers.recv_timeout(self.timeout) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Err(SlotError::Timeout(self.timeout))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map(|status| status.to_string());
                let said: Vec<String> = self.errors.iter().collect();
                let panicked = said.iter().position(|line| line.contains("panicked at"));
                let said = panicked.and_then(|at| said.get(at + 1)).or(said.first()).cloned();
                let last_words = said.or(status.ok()).unwrap_or_default();
                Err(SlotError::Died { last_words })
            }
        }
    }
}

fn confused(answer: &Answer) -> SlotError {
    SlotError::Confused(serde_json::to_string(answer).unwrap_or_default())
}
