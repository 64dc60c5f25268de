//! The harness's end.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use attn_record::{Audit, Outcome, Process};
use serde::Serialize;

use crate::run::FixtureError;

use super::{
    Answer, Ask, CellId, Choice, Counted, Opening, PROTOCOL, Ready, Reply, Setup, Slot, Stored,
    Timed,
};

/// Starts worker processes.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments: those that make it a worker.
    pub args: Vec<String>,
    /// Environment variables that are set to the number of threads.
    pub thread_variables: Vec<String>,
    /// A worker that takes longer is killed.
    pub timeout: Duration,
}

/// Why a dialogue ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The program cannot be started or talked to.
    #[error("{}: cannot be run: {source}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The program is no worker, or speaks otherwise.
    #[error("{}: expected a worker that speaks {PROTOCOL}, found {found}", program.display())]
    Protocol {
        /// The program.
        program: PathBuf,
        /// What it said instead.
        found: String,
    },
    /// It was killed because its time was up.
    #[error("no result after {} s, the worker was killed", .0.as_secs_f64())]
    Timeout(Duration),
    /// It ended in the middle.
    #[error("the worker died ({status}){}", last_words(stderr))]
    Died {
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
        /// Whether somebody else ended it, as who is short of memory does.
        by_others: bool,
    },
    /// Its files cannot be written or read.
    #[error(transparent)]
    Files(#[from] FixtureError),
    /// It said that something did not work.
    #[error("{reason}")]
    Failed {
        /// How the cell ended.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// Something in it answered that was not asked.
    #[error(
        "the worker's answer is forged: expected one that bears the harness's nonce, found `{0}`"
    )]
    Forged(String),
    /// It answered something else.
    #[error("the worker gave an answer that does not fit: {0}")]
    Confused(String),
}

impl WorkerError {
    /// How the cell ends.
    pub const fn outcome(&self) -> Outcome {
        match self {
            WorkerError::Timeout(_) => Outcome::Timeout,
            WorkerError::Io { .. } | WorkerError::Died { by_others: true, .. } => Outcome::Untried,
            WorkerError::Files(error) => error.outcome(),
            WorkerError::Failed { outcome, .. } => *outcome,
            _ => Outcome::Error,
        }
    }
}

/// `: ` and what a dying process said that tells most.
fn last_words(stderr: &str) -> String {
    let panic = stderr.lines().find(|line| line.contains("panicked at"));
    let after = panic.and_then(|at| stderr.lines().skip_while(|line| *line != at).nth(1));
    let hoarded = stderr.lines().find(|line| line.starts_with("memory allocation of "));
    let line = after.or(hoarded).or_else(|| stderr.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or(String::new(), |line| format!(": {}", line.trim()))
}

/// A worker process, until dropped.
#[derive(Debug)]
pub struct Dialogue {
    child: Child,
    asks: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
    nonce: String,
    program: PathBuf,
    timeout: Duration,
    /// When the time for all answers together is over.
    until: Option<Instant>,
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // It may be gone already, which is all that is wanted.
        attn_sys::parent::end_group(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Launcher {
    /// `PROGRAM worker`, with a timeout of so long.
    pub fn new(program: &Path, thread_variables: &[&str], timeout: Duration) -> Self {
        Launcher {
            program: program.into(),
            args: vec!["worker".into()],
            thread_variables: thread_variables.iter().map(ToString::to_string).collect(),
            timeout,
        }
    }

    /// The same for the workers of another program.
    #[must_use]
    pub fn of(&self, program: &Path) -> Self {
        Launcher { program: program.into(), ..self.clone() }
    }

    /// Starts a worker that is to use `threads` threads, with `padding` bytes more in its environment, which
    /// move its stack, and waits for its hello. The timeout is that of one answer.
    pub fn start(&self, threads: usize, padding: usize) -> Result<Dialogue, WorkerError> {
        let io = |source| WorkerError::Io { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.args).env("ATTN_PADDING", "x".repeat(padding));
        for variable in &self.thread_variables {
            command.env(variable, threads.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(io)?;
        let mut dialogue = Dialogue {
            asks: child.stdin.take(),
            answers: lines(child.stdout.take().expect("piped")),
            errors: ends(child.stderr.take().expect("piped")),
            nonce: nonce(),
            child,
            program: self.program.clone(),
            timeout: self.timeout,
            until: None,
        };
        dialogue.hello()?;
        Ok(dialogue)
    }

    /// As [`Launcher::start`], with a timeout for the whole dialogue.
    pub fn start_for_a_cell(&self, threads: usize) -> Result<Dialogue, WorkerError> {
        let until = Instant::now() + self.timeout;
        let mut dialogue = self.start(threads, 0)?;
        dialogue.until = Some(until);
        Ok(dialogue)
    }
}

/// 128 bits that nobody can guess.
fn nonce() -> String {
    let half = || RandomState::new().hash_one(Instant::now());
    format!("{:016x}{:016x}", half(), half())
}

/// Bytes of an answer, at most: samples by the million fit.
const LONGEST_LINE: u64 = 64 << 20;
/// Lines that wait to be read: a worker that writes more has to wait.
const WAITING_LINES: usize = 4;
/// Bytes that are kept of the beginning of what a process writes, and as many of its end.
const KEPT: usize = 1 << 20;
/// How long a process may go on after it has closed its pipe, and how long its last words are waited for.
const GRACE: Duration = Duration::from_secs(1);
/// How often one looks whether a worker that says nothing still lives.
const LOOK: Duration = Duration::from_millis(200);

/// The lines of a pipe, read on a thread of their own. One that is too long ends them.
fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(WAITING_LINES);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            let read = pipe.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            if !read.is_ok_and(|bytes| bytes > 0) || line.pop() != Some(b'\n') {
                return;
            }
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The beginning and the end of what comes through a pipe, read on a thread of its own until it ends.
fn ends(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut first, mut last, mut part) = (Vec::new(), Vec::new(), [0; 1 << 13]);
        // What was read before an error is still worth having.
        while let Ok(count @ 1..) = pipe.read(&mut part) {
            let room = count.min(KEPT - first.len());
            first.extend_from_slice(&part[..room]);
            last.extend_from_slice(&part[room..count]);
            if last.len() > 2 * KEPT {
                last.drain(..last.len() - KEPT);
            }
        }
        first.extend_from_slice(&last[last.len().saturating_sub(KEPT)..]);
        let _ = sender.send(String::from_utf8_lossy(&first).into_owned());
    });
    receiver
}

/// How `child` ends by itself, if it does by `until`.
fn ended(child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    const PAUSE: Duration = Duration::from_millis(5);
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(None)
}

/// How `child` ends; if it has not by `until`, it is killed, and its group.
fn ended_or_killed(child: &mut Child, until: Instant) -> std::io::Result<ExitStatus> {
    if let Some(status) = ended(child, until)? {
        return Ok(status);
    }
    attn_sys::parent::end_group(child.id());
    child.kill()?;
    child.wait()
}

/// Whether a signal of those that one process sends another to end it did so.
fn is_by_others(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        /// SIGHUP, SIGINT, SIGKILL, SIGTERM.
        const ENDING: [i32; 4] = [1, 2, 9, 15];
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        signal.is_some_and(|signal| ENDING.contains(&signal))
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

/// What `child`, whose stdout and stderr are pipes, writes to them, and how it ends; after `timeout` it is killed.
pub fn wait(
    mut child: Child,
    timeout: Duration,
) -> Result<(String, String, ExitStatus), WorkerError> {
    let stdout = ends(child.stdout.take().expect("piped"));
    let stderr = ends(child.stderr.take().expect("piped"));
    let received = stdout.recv_timeout(timeout);
    let died = |source: std::io::Error| WorkerError::Confused(source.to_string());
    if let Err(RecvTimeoutError::Timeout) = received {
        ended_or_killed(&mut child, Instant::now()).map_err(died)?;
        return Err(WorkerError::Timeout(timeout));
    }
    let status = ended_or_killed(&mut child, Instant::now() + GRACE).map_err(died)?;
    let stderr = stderr.recv_timeout(GRACE).unwrap_or_default();
    Ok((received.unwrap_or_default(), stderr, status))
}

impl Dialogue {
    fn hello(&mut self) -> Result<(), WorkerError> {
        self.write(&Opening { nonce: self.nonce.clone() })?;
        let found = match self.line() {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Reply { nonce, answer: Answer::Hello { protocol } }) if nonce == self.nonce => {
                    if protocol == PROTOCOL {
                        return Ok(());
                    }
                    protocol
                }
                _ => format!("`{}`", beginning(&line)),
            },
            Err(error @ WorkerError::Died { by_others: false, .. }) => format!("nothing: {error}"),
            Err(error) => return Err(error),
        };
        Err(WorkerError::Protocol { program: self.program.clone(), found })
    }

    /// The cells that `choice` means and that can run there.
    pub fn list(&mut self, choice: &Choice) -> Result<Vec<CellId>, WorkerError> {
        match self.ask(&Ask::List(choice.clone()))? {
            Answer::Cells(cells) => Ok(cells),
            other => Err(confused(&other)),
        }
    }

    /// Prepares the backend.
    pub fn prepare(&mut self, setup: Setup) -> Result<Ready, WorkerError> {
        match self.ask(&Ask::Prepare(setup))? {
            Answer::Ready(ready) => Ok(*ready),
            other => Err(confused(&other)),
        }
    }

    /// Computes once on the inputs in `case`.
    pub fn check(&mut self, case: &Path) -> Result<Stored, WorkerError> {
        self.stored(&Ask::Check { case: case.into() })
    }

    /// Counts what one more call takes.
    pub fn count(&mut self, phases: bool) -> Result<Counted, WorkerError> {
        match self.ask(&Ask::Count { phases })? {
            Answer::Counted(counted) => Ok(counted),
            other => Err(confused(&other)),
        }
    }

    /// Times calls; the samples, the step of the clock, and the results.
    pub fn measure(&mut self, timed: Timed) -> Result<(Process, u64, Stored), WorkerError> {
        match self.ask(&Ask::Measure(timed))? {
            Answer::Measured { process, clock_ns, stored } => Ok((*process, clock_ns, stored)),
            other => Err(confused(&other)),
        }
    }

    /// Computes a few times, then once on other inputs.
    pub fn repeat(&mut self) -> Result<Stored, WorkerError> {
        self.stored(&Ask::Repeat)
    }

    /// Loads the inputs that are to be timed, and computes once.
    pub fn load(&mut self) -> Result<(), WorkerError> {
        self.stored(&Ask::Load).map(drop)
    }

    /// Times one slot.
    pub fn run(&mut self, calls: NonZeroU32, warm: u32) -> Result<Slot, WorkerError> {
        match self.ask(&Ask::Run { calls, warm })? {
            Answer::Ran(slot) => Ok(slot),
            other => Err(confused(&other)),
        }
    }

    /// Computes once on other inputs.
    pub fn fresh(&mut self) -> Result<Stored, WorkerError> {
        self.stored(&Ask::Fresh)
    }

    /// The result that was timed last, and what else was done.
    pub fn finish(&mut self) -> Result<(Stored, Audit), WorkerError> {
        match self.ask(&Ask::Finish)? {
            Answer::Finished { stored, audit } => Ok((stored, audit)),
            other => Err(confused(&other)),
        }
    }

    fn stored(&mut self, ask: &Ask) -> Result<Stored, WorkerError> {
        match self.ask(ask)? {
            Answer::Stored(stored) => Ok(stored),
            other => Err(confused(&other)),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer, WorkerError> {
        self.write(ask)?;
        let line = self.line()?;
        read_answer(&line, &self.nonce)
    }

    /// An error if a path in `message` is no text.
    fn write(&mut self, message: &impl Serialize) -> Result<(), WorkerError> {
        let mut line = serde_json::to_vec(message).map_err(|error| WorkerError::Io {
            program: self.program.clone(),
            source: std::io::Error::other(error),
        })?;
        line.push(b'\n');
        if let Some(asks) = &mut self.asks {
            // A worker that died closes the pipe; its last words say more than the broken pipe.
            let _ = asks.write_all(&line);
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, WorkerError> {
        let mut until = self.until.unwrap_or_else(|| Instant::now() + self.timeout);
        loop {
            let began = Instant::now();
            let left = until.saturating_duration_since(began);
            let received = self.answers.recv_timeout(left.min(LOOK));
            // While this process was stopped, the worker may have been too: that time does not count.
            let stopped = began.elapsed().saturating_sub(LOOK);
            if stopped > LOOK {
                until += stopped;
                self.until = self.until.map(|until| until + stopped);
            }
            match received {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    let _ = ended_or_killed(&mut self.child, Instant::now());
                    return Err(WorkerError::Timeout(self.timeout));
                }
                // A process that it has left behind may hold the pipe open, which may still hold an answer.
                Err(RecvTimeoutError::Timeout) if matches!(self.child.try_wait(), Ok(Some(_))) => {
                    return self.answers.recv_timeout(GRACE).map_err(|_| self.died());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// How it ended, or is ended now, and its last words.
    fn died(&mut self) -> WorkerError {
        let own = ended(&mut self.child, Instant::now() + GRACE).ok().flatten();
        let status = own.map_or_else(|| ended_or_killed(&mut self.child, Instant::now()), Ok);
        let status = status.map(|status| status.to_string()).unwrap_or_default();
        // A process that it has left behind may hold the pipe open.
        attn_sys::parent::end_group(self.child.id());
        let stderr = self.errors.recv_timeout(GRACE).unwrap_or_default();
        WorkerError::Died { status, stderr, by_others: own.is_some_and(is_by_others) }
    }
}

/// The answer in a line of a worker that was told this nonce.
pub fn read_answer(line: &str, nonce: &str) -> Result<Answer, WorkerError> {
    match serde_json::from_str::<Reply>(line) {
        Ok(reply) if reply.nonce != nonce => Err(WorkerError::Forged(beginning(line))),
        Ok(Reply { answer: Answer::Failed { outcome, reason }, .. }) => {
            Err(WorkerError::Failed { outcome, reason })
        }
        Ok(reply) => match flaw(&reply.answer) {
            Some(flaw) => Err(WorkerError::Confused(flaw)),
            None => Ok(reply.answer),
        },
        // What bears the nonce is from the worker, whatever it means.
        Err(error) if line.contains(nonce) => Err(WorkerError::Confused(error.to_string())),
        Err(_) => Err(WorkerError::Forged(beginning(line))),
    }
}

/// Results of one answer, at most: each is read and judged.
const MOST_RESULTS: usize = 64;

/// What an answer may not have though it can be read.
fn flaw(answer: &Answer) -> Option<String> {
    if let Answer::Measured { process, .. } = answer
        && process.flaw().is_some()
    {
        // Nobody would read the record that has them.
        return Some("samples of 0 calls or 0 ns, expected at least 1 of both".into());
    }
    let (Answer::Stored(stored)
    | Answer::Measured { stored, .. }
    | Answer::Finished { stored, .. }) = answer
    else {
        return None;
    };
    let count = stored.results.len();
    (count > MOST_RESULTS).then(|| format!("{count} results, expected {MOST_RESULTS} at most"))
}

/// The first characters of a line.
fn beginning(line: &str) -> String {
    line.chars().take(60).collect()
}

fn confused(answer: &Answer) -> WorkerError {
    WorkerError::Confused(beginning(&serde_json::to_string(answer).unwrap_or_default()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// What becomes of a worker that is this script, which is greeted and asked to count.
    fn run(script: &str, timeout: Duration) -> Result<Counted, WorkerError> {
        launcher(script, timeout).start_for_a_cell(3)?.count(false)
    }

    fn launcher(script: &str, timeout: Duration) -> Launcher {
        Launcher {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            thread_variables: vec!["T".into()],
            timeout,
        }
    }

    /// Says hello as a worker does.
    const HELLO: &str = r#"read line; n=${line#*:\"}; n=${n%\"*}
        answer() { echo "{\"nonce\":\"$n\",\"answer\":$1}"; }
        answer '{"hello":{"protocol":"attn-worker/1"}}'; read ask; "#;

    #[test]
    fn an_answer_comes_back_and_threads_are_in_the_environment() {
        let script = format!(
            r#"{HELLO} answer "{{\"failed\":{{\"outcome\":\"unsupported\",\"reason\":\"$T\"}}}}""#
        );
        let error = run(&script, LONG).unwrap_err();
        assert_eq!((error.outcome(), error.to_string()), (Outcome::Unsupported, "3".into()));
        let script = format!(r#"{HELLO} answer '{{"counted":{{"memory":null,"phases":[]}}}}'"#);
        assert_eq!(run(&script, LONG).unwrap(), Counted::default());
    }

    #[test]
    fn an_answer_without_the_nonce_is_forged() {
        for forged in [r#"{"nonce":"0","answer":{"counted":{"memory":null,"phases":[]}}}"#, "42"] {
            let error = run(&format!("{HELLO} echo '{forged}'"), LONG).unwrap_err();
            assert!(matches!(error, WorkerError::Forged(_)), "{error}");
            assert_eq!(error.outcome(), Outcome::Error);
        }
    }

    #[test]
    fn samples_of_no_calls_or_no_time_are_no_measurement() {
        let of = |reps: u32, ns: u64| {
            let process = format!(
                r#"{{"cpu":1,"warmup_calls":2,"warmup_ns":3,"reps":{reps},"samples_ns":[4,{ns}],"disturbed":null}}"#
            );
            let stored = r#"{"results":[],"unwritten":0}"#;
            let measured = format!(r#"{{"process":{process},"clock_ns":20,"stored":{stored}}}"#);
            read_answer(&format!(r#"{{"nonce":"n","answer":{{"measured":{measured}}}}}"#), "n")
        };
        assert!(matches!(of(1, 1), Ok(Answer::Measured { .. })));
        for error in [of(0, 1), of(1, 0)] {
            let error = error.unwrap_err().to_string();
            assert!(error.ends_with("expected at least 1 of both"), "{error}");
        }
    }

    #[test]
    fn results_by_the_million_are_not_judged() {
        let of = |count: usize| {
            let results = vec![r#"["0.out",null]"#; count].join(",");
            let stored = format!(r#"{{"results":[{results}],"unwritten":0}}"#);
            read_answer(&format!(r#"{{"nonce":"n","answer":{{"stored":{stored}}}}}"#), "n")
        };
        assert!(matches!(of(MOST_RESULTS), Ok(Answer::Stored(_))));
        let error = of(MOST_RESULTS + 1).unwrap_err().to_string();
        assert!(error.ends_with("65 results, expected 64 at most"), "{error}");
    }

    #[test]
    fn another_protocol_is_named() {
        let error = run("read line; echo hello", LONG).unwrap_err().to_string();
        assert_eq!(error, "sh: expected a worker that speaks attn-worker/1, found `hello`");
    }

    #[test]
    fn a_crash_is_told_with_its_last_words() {
        let error = run(&format!("{HELLO} echo boom >&2; exit 7"), LONG).unwrap_err().to_string();
        assert_eq!(error, "the worker died (exit status: 7): boom");
    }

    #[test]
    fn who_is_ended_by_others_was_not_tried() {
        // A shell that was started in the background ignores the others.
        for signal in ["KILL", "TERM"] {
            let error = run(&format!("{HELLO} kill -{signal} $$; sleep 5"), LONG).unwrap_err();
            assert_eq!(error.outcome(), Outcome::Untried, "{signal}: {error}");
            let error = run(&format!("kill -{signal} $$; sleep 5"), LONG).unwrap_err();
            assert_eq!(error.outcome(), Outcome::Untried, "before it says hello: {error}");
        }
        let by = std::os::unix::process::ExitStatusExt::from_raw;
        assert!([1, 2, 9, 15].map(by).into_iter().all(is_by_others));
        for own in ["exit 1", "kill -SEGV $$", "kill -ABRT $$", "exec >&-; sleep 60"] {
            let error = run(&format!("{HELLO} {own}"), LONG).unwrap_err();
            assert_eq!(error.outcome(), Outcome::Error, "{own}: {error}");
        }
        let missing = Launcher { program: "/nonexistent/attn".into(), ..launcher("", LONG) };
        assert_eq!(missing.start(1, 0).unwrap_err().outcome(), Outcome::Untried);
    }

    #[test]
    fn memory_that_ran_out_is_named() {
        let script = "echo 'memory allocation of 64 bytes failed' >&2; echo more >&2; exit 1";
        let error = run(&format!("{HELLO} {script}"), LONG).unwrap_err().to_string();
        assert!(error.ends_with(": memory allocation of 64 bytes failed"), "{error}");
    }

    #[test]
    fn a_hang_is_ended() {
        let error = run(&format!("{HELLO} sleep 60"), Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, WorkerError::Timeout(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Timeout);
    }

    /// How a worker with this script ends, which must not take long whatever its timeout is.
    fn soon(script: &str) -> String {
        let began = Instant::now();
        let error = run(&format!("{HELLO} {script}"), Duration::from_secs(60)).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(15), "{script}");
        error.to_string()
    }

    #[test]
    fn a_worker_that_closes_its_pipe_and_lives_on_is_ended() {
        let error = soon("exec >&-; sleep 60");
        assert!(error.starts_with("the worker died (signal: 9"), "{error}");
    }

    #[test]
    fn a_process_that_holds_the_pipes_of_a_dead_worker_is_not_waited_for() {
        for other in ["sleep 60 &", "setsid sleep 20 >&- &"] {
            let error = soon(&format!("{other} exec >&-; exit 7"));
            assert!(error.starts_with("the worker died (exit status: 7)"), "{other}: {error}");
        }
    }

    #[test]
    fn a_flood_is_not_kept() {
        let flood = "i=0; while [ $i -lt 100 ]; do head -c 1000000 /dev/zero; i=$((i+1)); done";
        let error = soon(&format!("{flood} >&2; echo end >&2; exit 1"));
        assert!(error.ends_with("end"), "{}", &error[..100]);
        assert!(error.len() < 3 << 20);
        // An answer of 100 MB, and many that nobody has asked for.
        assert!(soon(flood).starts_with("the worker died"));
        assert!(soon("yes").contains("forged"));
    }
}
