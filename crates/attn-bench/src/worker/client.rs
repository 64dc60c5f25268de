//! The harness's end.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Reply, Request};

/// Starts one worker process per request.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments: those that make it a worker.
    pub args: Vec<String>,
    /// Environment variables that are set to the number of threads.
    pub thread_variables: Vec<String>,
    /// A worker that runs longer is killed.
    pub timeout: Duration,
}

/// A worker that gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// It could not be started or talked to.
    #[error("the worker could not be run: {0}")]
    Io(#[from] std::io::Error),
    /// It was killed because its time was up.
    #[error("no result after {} s, the worker was killed", .0.as_secs_f64())]
    Timeout(Duration),
    /// It ended without a reply.
    #[error("the worker died ({status}){}", last_words(stderr))]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
}

fn last_words(stderr: &str) -> String {
    let panic = stderr.lines().find(|line| line.contains("panicked at"));
    let after = panic.and_then(|at| stderr.lines().skip_while(|line| *line != at).nth(1));
    let hoarded = stderr.lines().find(|line| line.starts_with("memory allocation of "));
    let line = after.or(hoarded).or_else(|| stderr.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or(String::new(), |line| format!(": {}", line.trim()))
}

impl Launcher {
    /// The same for the workers of another program.
    #[must_use]
    pub fn of(&self, program: &Path) -> Self {
        Launcher { program: program.into(), ..self.clone() }
    }

    /// Runs one request in a fresh process.
    pub fn run(&self, request: &Request) -> Result<Reply, Lost> {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for variable in &self.thread_variables {
            command.env(variable, request.threads.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = serde_json::to_vec(request).expect("strings and numbers are JSON");
        line.push(b'\n');
        // A worker that died early closes the pipe; its exit status says more than the broken pipe.
        let _ = child.stdin.take().expect("piped").write_all(&line);
        let (stdout, stderr, status) = wait(child, self.timeout)?;
        serde_json::from_str(&stdout).map_err(|_| Lost::Died { status, stderr })
    }
}

/// What `child`, whose stdout and stderr are pipes, writes to them, and how it ends; after `timeout` it is killed.
pub fn wait(mut child: Child, timeout: Duration) -> Result<(String, String, ExitStatus), Lost> {
    let stdout = drain(child.stdout.take().expect("piped"));
    let stderr = drain(child.stderr.take().expect("piped"));
    // The end of stdout is the end of the worker, as far as a reply is concerned.
    let received = stdout.recv_timeout(timeout);
    if let Err(RecvTimeoutError::Timeout) = received {
        child.kill()?;
        child.wait()?;
        return Err(Lost::Timeout(timeout));
    }
    let status = child.wait()?;
    Ok((received.unwrap_or_default(), stderr.recv().unwrap_or_default(), status))
}

/// Reads a pipe to its end on a thread of its own.
fn drain(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth having.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use attn_record::Outcome;

    use super::*;
    use crate::worker::Exercise;

    fn run(script: &str, timeout: Duration) -> Result<Reply, Lost> {
        let launcher = Launcher {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            thread_variables: vec!["T".into()],
            timeout,
        };
        let a = Exercise { case: "x".into(), expected: "y".into() };
        let request = Request {
            backend: "b".into(),
            threads: 3,
            cpu: None,
            memory_limit: None,
            b: a.clone(),
            a: Some(a),
            timed: None,
        };
        launcher.run(&request)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_reply_comes_back_and_threads_are_in_the_environment() {
        let reply = Reply::ended(Outcome::Error, "$T".into());
        let json = serde_json::to_string(&reply).unwrap().replace('"', "\\\"");
        let reply = run(&format!("read line; echo \"{json}\""), LONG).unwrap();
        assert_eq!(reply.reason.as_deref(), Some("3"));
    }

    #[test]
    fn a_crash_is_told_with_its_last_words() {
        let error = run("echo boom >&2; exit 7", LONG).unwrap_err().to_string();
        assert_eq!(error, "the worker died (exit status: 7): boom");
    }

    #[test]
    fn memory_that_ran_out_is_named() {
        let script = "echo 'memory allocation of 64 bytes failed' >&2; echo more >&2; exit 1";
        let error = run(script, LONG).unwrap_err().to_string();
        assert!(error.ends_with(": memory allocation of 64 bytes failed"), "{error}");
    }

    #[test]
    fn a_hang_is_ended() {
        let error = run("sleep 60", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Lost::Timeout(_)));
    }
}
