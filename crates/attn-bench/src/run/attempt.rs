//! What the processes of one cell said, put together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use attn_record::{Measurement, Outcome, Volatile};

use crate::worker::Reply;

/// A cell on its way to a record.
pub(super) struct Attempt {
    /// What is known; `None` before the first process.
    reply: Option<Reply>,
    volatile: Volatile,
}

impl Attempt {
    /// A cell that has yet to run.
    pub(super) fn pending() -> Self {
        Attempt { reply: None, volatile: Volatile::default() }
    }

    /// A cell about which everything is known without running it.
    pub(super) fn ended(outcome: Outcome, reason: String) -> Self {
        Attempt { reply: Some(Reply::ended(outcome, reason)), ..Attempt::pending() }
    }

    /// Whether another process may add to it.
    pub(super) fn goes_on(&self) -> bool {
        self.reply.as_ref().is_none_or(|reply| reply.outcome == Outcome::Ok)
    }

    /// Charges the cell with its case's oracle.
    pub(super) fn waited_for_oracle(&mut self, time: Duration) {
        self.volatile.oracle_ns = Some(nanos(time));
    }

    /// Adds what one process said. The first that does not end `ok` decides, and no time is kept.
    pub(super) fn add(&mut self, mut reply: Reply, wall: Duration) {
        if self.volatile.started_ms == 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let started = now.saturating_sub(wall).as_millis();
            self.volatile.started_ms = u64::try_from(started).unwrap_or(u64::MAX);
        }
        self.volatile.wall_ns += nanos(wall);
        if reply.outcome != Outcome::Ok {
            self.volatile.measurement = None;
            self.reply = Some(reply);
            return;
        }
        if let Some(process) = reply.process.take() {
            let clock_ns = reply.clock_ns;
            let empty = || Measurement { clock_ns, processes: Vec::new() };
            let measurement = self.volatile.measurement.get_or_insert_with(empty);
            measurement.clock_ns = measurement.clock_ns.min(clock_ns);
            measurement.processes.push(process);
        }
        self.volatile.memory = self.volatile.memory.or(reply.memory.take());
        if self.volatile.phases.is_empty() {
            self.volatile.phases = std::mem::take(&mut reply.phases);
        }
        self.reply.get_or_insert(reply);
    }

    /// The reply and everything that differs from run to run.
    pub(super) fn finish(self) -> (Reply, Volatile) {
        let nothing = || Reply::ended(Outcome::Error, "no process ran it".into());
        (self.reply.unwrap_or_else(nothing), self.volatile)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use attn_record::Process;

    use super::*;

    fn measured(ns: u64) -> Reply {
        let process = Process {
            cpu: None,
            warmup_calls: 1,
            warmup_ns: 1,
            reps: 1,
            samples_ns: vec![ns],
            disturbed: None,
        };
        let reply = Reply::ended(Outcome::Ok, String::new());
        Reply { reason: None, process: Some(process), clock_ns: ns, ..reply }
    }

    #[test]
    fn every_process_adds_its_samples() {
        let mut attempt = Attempt::pending();
        for ns in [30, 20] {
            assert!(attempt.goes_on());
            attempt.add(measured(ns), Duration::from_nanos(5));
        }
        let (reply, volatile) = attempt.finish();
        assert_eq!((reply.outcome, volatile.wall_ns), (Outcome::Ok, 10));
        let measurement = volatile.measurement.unwrap();
        assert_eq!((measurement.clock_ns, measurement.process_medians()), (20, vec![30.0, 20.0]));
    }

    #[test]
    fn one_process_that_fails_decides_and_no_time_is_kept() {
        let mut attempt = Attempt::pending();
        attempt.add(measured(30), Duration::ZERO);
        attempt.add(Reply::ended(Outcome::Disagrees, "wrong".into()), Duration::ZERO);
        assert!(!attempt.goes_on());
        let (reply, volatile) = attempt.finish();
        assert_eq!((reply.outcome, volatile.measurement), (Outcome::Disagrees, None));
    }
}
