//! Which cells of a run: for the sub-commands that read records.

use std::path::Path;

use attn_analysis::disturbance::Disturbance;
use attn_core::DType;
use attn_record::{Record, Timing, UNFINISHED, is_finished, read_records};
use clap::Args;

use crate::args::{BackendArgs, parse_timing};
use crate::exit::Failure;
use crate::registry;
use crate::session::select;

/// Which cells of a run.
#[derive(Args, Clone, Debug)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    backends: BackendArgs,
    /// Cases: paths, beginnings of paths or globs, separated by commas
    #[arg(short, long, value_name = "GLOB,..")]
    case: Option<String>,
    /// Only cases stored in this type
    #[arg(long, value_name = "f64|f32|bf16|f16")]
    dtype: Option<DType>,
    /// Only these numbers of threads, separated by commas
    #[arg(short, long, value_name = "N,..", value_delimiter = ',')]
    threads: Option<Vec<usize>>,
    /// Only this timing: what one sample is the time of
    #[arg(long, alias = "model", value_name = "kernel|kernel-cold|end-to-end|prepare", value_parser = parse_timing)]
    pub(crate) timing: Option<Timing>,
}

impl RecordArgs {
    /// Reads the runs and keeps what is selected. A pattern has to select something in one of them. Says on stderr
    /// which of them are unfinished, and of which many samples were disturbed.
    pub(crate) fn read<P: AsRef<Path>>(&self, folders: &[P]) -> Result<Vec<Vec<Record>>, Failure> {
        for run in folders.iter().map(AsRef::as_ref).filter(|run| !is_finished(run)) {
            eprintln!("attn: {} {UNFINISHED}", run.display());
        }
        let runs = folders.iter().map(|run| read_records(run.as_ref()));
        let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
        if let Some((run, _)) = folders.iter().zip(&runs).find(|(_, records)| records.is_empty()) {
            let run = run.as_ref().display();
            return Err(anyhow::anyhow!(
                "{run}: no cell is there yet, expected a run with records"
            )
            .into());
        }
        let (backends, case) = (self.backends.backend.as_deref(), self.case.as_deref());
        let backends = selected(&runs, "backend", backends, |r| &r.backend, &registry::aliases())?;
        let cases = selected(&runs, "case", case, |r| &r.case, &[])?;
        for run in &mut runs {
            run.retain(|r| {
                backends.contains(&r.backend) && cases.contains(&r.case) && self.keeps(r)
            });
        }
        if runs.iter().all(Vec::is_empty) {
            return Err(Failure::usage(anyhow::anyhow!("the filters leave no cell")));
        }
        for (run, records) in folders.iter().zip(&runs) {
            if let Some(warning) = Disturbance::of(records).and_then(|found| found.warning) {
                eprintln!("attn: {}: {warning}", run.as_ref().display());
            }
        }
        Ok(runs)
    }

    fn keeps(&self, record: &Record) -> bool {
        let threads = self.threads.as_ref();
        self.dtype.is_none_or(|dtype| record.dtype() == dtype)
            && threads.is_none_or(|threads| threads.contains(&record.threads))
            && self.timing.is_none_or(|timing| record.timing == Some(timing))
    }
}

/// The different names in `runs` that `list` selects; all without a list.
fn selected(
    runs: &[Vec<Record>],
    what: &'static str,
    list: Option<&str>,
    name: impl Fn(&Record) -> &String,
    aliases: &[(&str, &str)],
) -> Result<Vec<String>, Failure> {
    let mut names: Vec<&str> = runs.iter().flatten().map(|r| name(r).as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let selected = select(what, list, &names, aliases)?;
    Ok(selected.into_iter().map(|at| names[at].to_owned()).collect())
}
