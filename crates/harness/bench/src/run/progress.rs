//! A cell on its way to its record.

use std::time::Duration;

use attn_record::limits::Ceilings;
use attn_record::{Measurement, Outcome, Record};

use super::Processes;
use crate::cell::sampling::nanos;

/// When a cell has been measured enough.
#[derive(Clone, Copy)]
pub(super) struct Enough<'c> {
    /// How many processes there are.
    pub(super) processes: Processes,
    /// Rates that the machine cannot exceed, where they are known.
    pub(super) ceilings: Option<&'c Ceilings>,
}

/// What is known of a cell so far.
pub(super) struct CellProgress {
    /// The records of its processes, merged; `None` before the first.
    record: Option<Record>,
    /// Whether its last process ended [`Outcome::Untried`].
    is_open: bool,
    /// Nanoseconds that it waited for the oracle and no record says yet.
    oracle_ns: Option<u64>,
}

impl CellProgress {
    /// A cell of which `record` is known from an interrupted run.
    pub(super) fn new(record: Option<Record>) -> Self {
        CellProgress { record, is_open: false, oracle_ns: None }
    }

    /// Whether nothing is known yet.
    pub(super) fn is_untried(&self) -> bool {
        self.record.is_none()
    }

    /// Whether a process is still to run, in this round (from 0) or a later one: the first, or one more that
    /// measures.
    pub(super) fn goes_on(&self, is_measured: bool, enough: Enough<'_>) -> bool {
        self.record.as_ref().is_none_or(|record| {
            is_measured
                && !self.is_open
                && record.outcome == Outcome::Ok
                && (enough.processes.goes_on(self.measured()) || self.is_doubted(enough))
        })
    }

    /// Whether its last process did not try it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether what is known cannot be, and more processes may still clear it up: others disturb some calls, but not all.
    pub(super) fn is_doubted(&self, enough: Enough<'_>) -> bool {
        let more = self.processes() < enough.processes.most as usize;
        more && self.record.as_ref().is_some_and(|record| record.doubt(enough.ceilings).is_some())
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

    /// Adds the record of a process, or what is known without one.
    pub(super) fn add(&mut self, record: Record) {
        self.is_open = record.outcome == Outcome::Untried;
        match &mut self.record {
            None => self.record = Some(record),
            Some(all) => all.add(record),
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
