//! `attn check --limits`: how wrong must a file be to be refused?

use std::sync::Mutex;

use attn_bench::detection::{Detection, Limit, Limits, Place, Planted, statements};
use attn_bench::mutation::Subject;
use attn_core::DType;
use attn_report::table::{Cell, Column, Table};

use super::mutants::subject;
use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::session;

const LEGEND: &str = "\
Results of wrong kernels, judged as files. *Different*: not the honest kernel's, bit for bit. *Visible*: different by more than
rounding, which is 4 times the largest error of several honest results over the output or 10 times over a row. The others are about as close
to the truth as honest results are.
";

const PLANTED: &str = "\
The smallest relative error that is refused, planted in an honest result of full attention.
";

/// How much is tried.
pub(super) struct Extent {
    /// The longest length.
    pub(super) up_to: usize,
    /// The only type, if not all.
    pub(super) dtype: Option<DType>,
}

/// Every mutant and every honest kernel on statements of growing length, judged as files.
pub(super) fn run(extent: &Extent, output: OutputArgs) -> Result<Exit, Failure> {
    let (mutants, control) = (attn_mutants::all(), attn_mutants::control());
    let honest = attn_mutants::foreign();
    let mutants: Vec<Subject<'_>> = mutants.iter().map(subject).collect();
    let honest: Vec<Subject<'_>> = honest.iter().map(subject).collect();
    let lengths: Vec<usize> =
        statements::LENGTHS.into_iter().filter(|&n| n <= extent.up_to).collect();
    let dtypes = extent.dtype.map_or(DType::ALL.to_vec(), |dtype| vec![dtype]);
    session::listen_for_interrupts();
    let steps = Mutex::new(Steps::patient("judging wrong kernels' files"));
    let progress = |done: f64| {
        let mut steps = steps.lock().expect("progress does not panic");
        steps.say(&format!("{:.1} %", 100.0 * done));
    };
    let limits = Detection {
        control: subject(&control),
        mutants: &mutants,
        honest: &honest,
        dtypes: &dtypes,
        lengths: &lengths,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        progress: &progress,
        cancel: &session::INTERRUPTED,
    }
    .run()?;
    drop(steps);
    if output.json {
        print_json(&limits)?;
    } else {
        let tables = [kernels(&limits), errors(&limits)].map(|table| table.markdown());
        let parts = [LEGEND, &tables[0], PLANTED, &tables[1], &limits.exceptions()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        println!("{}\n{}", parts.join("\n"), limits.summary());
    }
    Ok(match (limits.holds(), limits.is_complete()) {
        (false, _) => Exit::No,
        (true, false) => Exit::Broken,
        (true, true) => Exit::Success,
    })
}

/// How many results of wrong and of honest kernels are refused, by type and length.
fn kernels(limits: &Limits) -> Table {
    let row = |limit: &Limit| {
        let counts = [
            limit.n,
            limit.differing,
            limit.visible,
            limit.visible_refused,
            limit.others_refused,
            limit.mutants_visible,
            limit.mutants_refused,
            limit.honest,
            limit.honest_refused,
        ];
        let counts = counts.map(|n| Cell::count(Some(n)));
        std::iter::once(limit.dtype.to_string().into()).chain(counts).collect()
    };
    let numbers = [
        "N",
        "different",
        "visible",
        "refused of the visible",
        "refused of the others",
        "kernels with a visible result",
        "with a refused one",
        "honest results",
        "refused",
    ];
    let columns = std::iter::once(Column::words("type")).chain(numbers.map(Column::number));
    Table::new("", columns).rows(limits.limits.iter().map(row))
}

/// The smallest planted error that is refused, by type, length and the place of what is wrong.
fn errors(limits: &Limits) -> Table {
    let row = |planted: &Planted| {
        let error = |e: Option<f64>| e.map_or_else(|| "none".into(), |e| format!("{e:.1e}"));
        let errors = planted.smallest.map(|e| Cell::from(error(e)));
        let first = [planted.dtype.to_string().into(), Cell::count(Some(planted.n))];
        first.into_iter().chain(errors).collect()
    };
    let numbers = std::iter::once("N").chain(Place::ALL.map(Place::name)).map(Column::number);
    let columns = std::iter::once(Column::words("type")).chain(numbers);
    Table::new("", columns).rows(limits.planted.iter().map(row))
}
