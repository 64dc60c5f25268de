//! `attn worker`: one request on stdin, one reply on stdout. Hidden: the other commands start it.

use attn_bench::worker::work;

use crate::exit::{Exit, Failure};
use crate::registry;

pub(super) fn run() -> Result<Exit, Failure> {
    let entries = registry::entries_for(Some("mutant/,fault/"));
    let find = |id: &str| {
        let entry = entries.iter().find(|entry| entry.backend.id().as_str() == id);
        entry.map(|entry| entry.backend.as_ref())
    };
    work(find)?;
    Ok(Exit::Success)
}
