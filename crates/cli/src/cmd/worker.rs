//! `attn worker`: computes what it is asked on stdin. Hidden: the other commands start it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use attn_bench::run::{Entry, Measured};
use attn_bench::suite::Suite;
use attn_bench::worker::{CellId, Choice, Host, work};
use attn_core::Backend;

use crate::args::CaseArgs;
use crate::exit::{Exit, Failure};
use crate::{registry, session};

pub(super) fn run() -> Result<Exit, Failure> {
    let entries = [registry::entries(), registry::mutants(), registry::faults()];
    let host =
        Registry { entries: entries.into_iter().flatten().collect(), engines: OnceLock::new() };
    work(&host)?;
    Ok(Exit::Success)
}

/// What this program can compute.
struct Registry {
    entries: Vec<Entry>,
    /// Read from their folder when a backend is none of `entries`: most processes of a run need none.
    engines: OnceLock<Vec<Entry>>,
}

impl Registry {
    /// The engine with this id, unless a backend of this program, or of another crate, has its name.
    fn engine(&self, id: &str) -> Option<&Entry> {
        match find(&self.entries, id) {
            None => find(self.engines.get_or_init(registry::engines), id),
            Some(_) => None,
        }
    }
}

/// The one with this id.
fn find<'e>(entries: &'e [Entry], id: &str) -> Option<&'e Entry> {
    entries.iter().find(|entry| entry.backend.id().as_str() == id)
}

type AnyError = Box<dyn std::error::Error>;

impl Host for Registry {
    fn backend(&self, id: &str) -> Option<&dyn Backend> {
        let entry = find(&self.entries, id).or_else(|| self.engine(id));
        entry.map(|entry| entry.backend.as_ref())
    }

    fn is_engine(&self, id: &str) -> bool {
        self.engine(id).is_some()
    }

    fn cells(&self, choice: &Choice) -> Result<Vec<CellId>, AnyError> {
        let suite = session::suite(&CaseArgs::default()).map_err(|failure| failure.to_string())?;
        let ids: Vec<_> = suite.cases().iter().map(|case| case.id.as_str()).collect();
        let cases = known("case", choice.cases.as_deref(), &ids, &[]);
        let entries = registry::in_process(choice.backends.as_deref());
        let ids: Vec<_> = entries.iter().map(|entry| entry.backend.id().to_string()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let backends = known("backend", choice.backends.as_deref(), &ids, &registry::aliases());
        let wanted =
            |entry: &Entry| choice.backends.is_some() || entry.measured == Measured::Always;
        let runnable = backends
            .into_iter()
            .filter(|&at| wanted(&entries[at]) && entries[at].backend.probe().is_ok());
        let backends: Vec<&dyn Backend> = runnable.map(|at| entries[at].backend.as_ref()).collect();
        Ok(cases.into_iter().flat_map(|at| cells(&suite, at, &backends)).collect())
    }
}

/// Positions of the names that `list` selects. A pattern that selects nothing here may well select something
/// in the other program.
fn known(
    what: &'static str,
    list: Option<&str>,
    names: &[&str],
    aliases: &[(&str, &str)],
) -> BTreeSet<usize> {
    let Some(list) = list else {
        return (0..names.len()).collect();
    };
    let select = |pattern| session::select(what, Some(pattern), names, aliases);
    list.split(',').filter_map(|pattern| select(pattern).ok()).flatten().collect()
}

fn cells(suite: &Suite, case: usize, backends: &[&dyn Backend]) -> Vec<CellId> {
    let case = &suite.cases()[case];
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = if case.all_cores && cores > 1 { vec![1, cores] } else { vec![1] };
    let able = backends.iter().filter(|backend| backend.supports(&case.problem).is_ok());
    let id = |backend: &dyn Backend, threads| CellId {
        case: case.id.clone(),
        backend: backend.id().to_string(),
        threads,
    };
    able.flat_map(|&backend| threads.iter().map(move |&threads| id(backend, threads))).collect()
}
