//! The messages between a harness and its workers.

use std::error::Error;

use attn_bench::worker::{Answer, Ask, CellId, Choice, Host, Reply, read_answer, serve};
use attn_core::Backend;

use super::{cases, run};

/// What harness and worker agree on in the seeds.
const NONCE: &str = "8c5f";

/// Lines that a worker writes.
pub fn worker_answer(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut read = false;
    for line in text.lines() {
        let answer = match read_answer(line, NONCE) {
            Ok(answer) => answer,
            Err(error) => {
                let _ = (error.outcome(), error.to_string());
                continue;
            }
        };
        read = true;
        let reply = Reply { nonce: NONCE.into(), answer: answer.clone() };
        let written = serde_json::to_string(&reply).expect("a reply is JSON");
        assert_eq!(read_answer(&written, NONCE).expect("what is written is read"), answer);
        match answer {
            Answer::Cells(cells) => assert!(cells.iter().all(|cell| !cell.to_string().is_empty())),
            Answer::Measured { process, clock_ns, .. } => run::is_kept(*process, clock_ns),
            _ => {}
        }
    }
    read
}

/// Lines that a worker reads, after the opening. What would make it prepare a backend is read and not served: that sets limits on this
/// process.
pub fn worker_request(bytes: &[u8]) -> bool {
    let mut input = format!("{{\"nonce\":\"{NONCE}\"}}\n").into_bytes();
    let (mut served, mut read) = (0, false);
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        let ask = serde_json::from_str::<Ask>(text);
        if let Ok(ask) = &ask {
            let written = serde_json::to_string(ask).expect("a request is JSON");
            let again = serde_json::from_str::<Ask>(&written).expect("what is written is read");
            assert_eq!(again, *ask);
            read = true;
        }
        if !matches!(ask, Ok(Ask::Prepare(_))) {
            input.extend_from_slice(line);
            input.push(b'\n');
            served += 1;
        }
    }
    let mut output = Vec::new();
    serve(&Nothing, &mut input.as_slice(), &mut output).expect("memory can be written");
    let output = String::from_utf8(output).expect("answers are text");
    let answers: Vec<Answer> =
        output.lines().map(|line| read_answer(line, NONCE)).filter_map(Result::ok).collect();
    assert!(matches!(answers[0], Answer::Hello { .. }));
    assert_eq!(output.lines().count(), 1 + served, "one answer for each request");
    read
}

/// A program without backends.
struct Nothing;

impl Host for Nothing {
    fn backend(&self, _id: &str) -> Option<&dyn Backend> {
        None
    }

    fn cells(&self, _choice: &Choice) -> Result<Vec<CellId>, Box<dyn Error>> {
        Ok(vec![cases::cell("gate/short")])
    }
}
