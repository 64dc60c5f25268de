//! A cell on its way to its record.

use std::time::Duration;

use attn_record::limits::Ceilings;
use attn_record::{Measurement, Outcome, Record};

use super::Processes;
use crate::cell::sampling::nanos;

/// What is known of a cell so far.
pub(super) struct Attempt {
    /// What its processes said, put together; `None` before the first.
    record: Option<Record>,
    /// Nanoseconds that it waited for the oracle and no record says yet.
    oracle_ns: Option<u64>,
}

impl Attempt {
    /// A cell of which `record` is known from a run that was cut short.
    pub(super) fn new(record: Option<Record>) -> Self {
        Attempt { record, oracle_ns: None }
    }

    /// Whether nothing is known yet.
    pub(super) fn is_untried(&self) -> bool {
        self.record.is_none()
    }

    /// Whether a process is still to run, in this round (from 0) or a later one: the first, or one more that
    /// measures.
    pub(super) fn goes_on(&self, is_measured: bool, processes: Processes) -> bool {
        self.record.as_ref().is_none_or(|record| {
            is_measured && record.outcome == Outcome::Ok && processes.goes_on(self.measured())
        })
    }

    /// Processes that measured it.
    pub(super) fn processes(&self) -> usize {
        self.measured().map_or(0, |measured| measured.processes.len())
    }

    fn measured(&self) -> Option<&Measurement> {
        self.record.as_ref()?.volatile.measurement.as_ref()
    }

    /// Charges the cell with its case's oracle.
    pub(super) fn waited_for_oracle(&mut self, time: Duration) {
        self.oracle_ns = Some(nanos(time));
    }

    /// Adds what a process said, or what is known without one.
    pub(super) fn add(&mut self, said: Record) {
        match &mut self.record {
            None => self.record = Some(said),
            Some(record) => record.add(said),
        }
    }

    /// What the next record has to say about the oracle.
    pub(super) fn take_oracle_ns(&mut self) -> Option<u64> {
        self.oracle_ns.take()
    }

    /// The record, which has no time if that cannot be; `None` where nothing is known.
    pub(super) fn finish(self, ceilings: Option<&Ceilings>) -> Option<Record> {
        self.record.map(|record| record.doubted(ceilings))
    }
}
