//! A case on its way to records.

use attn_record::Record;

use super::fixture::Fixture;
use super::progress::{CellProgress, Enough};
use super::{Cell, Entry};

/// The cells of a case, and what is known of them.
pub(super) struct CaseRun<'c, 's> {
    pub(super) cells: &'c [Cell<'s>],
    pub(super) progress: Vec<CellProgress>,
    /// `None` where nothing can run.
    pub(super) fixture: Option<Fixture>,
}

impl<'c, 's> CaseRun<'c, 's> {
    /// Takes the `previous` records of the cells.
    pub(super) fn new(
        cells: &'c [Cell<'s>],
        entries: &[Entry],
        previous: &mut Vec<Record>,
    ) -> Self {
        let mut progress = |cell: &Cell<'_>| {
            let at = previous.iter().position(|record| cell.is_of(record, entries));
            CellProgress::new(at.map(|at| previous.swap_remove(at)))
        };
        CaseRun { cells, progress: cells.iter().map(&mut progress).collect(), fixture: None }
    }

    /// The first cell that a process is still to run of.
    pub(super) fn next(&self, enough: Enough<'_>) -> Option<usize> {
        let mut progress = self.cells.iter().zip(&self.progress);
        progress.position(|(cell, progress)| progress.goes_on(cell.is_measured(), enough))
    }
}
