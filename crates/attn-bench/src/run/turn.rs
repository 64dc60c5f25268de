//! A case on its way to records.

use attn_record::Record;

use super::attempt::{Attempt, Enough};
use super::exercises::Exercises;
use super::{Cell, Entry};

/// The cells of a case, and what is known of them.
pub(super) struct Turn<'c, 's> {
    pub(super) cells: &'c [Cell<'s>],
    pub(super) attempts: Vec<Attempt>,
    /// `None` where nothing can run.
    pub(super) exercises: Option<Exercises>,
}

impl<'c, 's> Turn<'c, 's> {
    /// Takes what is `known` of the cells.
    pub(super) fn new(cells: &'c [Cell<'s>], entries: &[Entry], known: &mut Vec<Record>) -> Self {
        let mut attempt = |cell: &Cell<'_>| {
            let at = known.iter().position(|record| cell.is_of(record, entries));
            Attempt::new(at.map(|at| known.swap_remove(at)))
        };
        Turn { cells, attempts: cells.iter().map(&mut attempt).collect(), exercises: None }
    }

    /// The first cell that a process is still to run of.
    pub(super) fn next(&self, enough: Enough<'_>) -> Option<usize> {
        let mut attempts = self.cells.iter().zip(&self.attempts);
        attempts.position(|(cell, attempt)| attempt.goes_on(cell.is_measured(), enough))
    }
}
