//! One run against another.

use attn_record::stats::{self, Interval};
use attn_record::{Machine, Outcome, Record, Timing};
use serde::Serialize;

use super::Place;
use super::between_runs::{Allowance, BetweenRuns, Variances, allowances, widened};
use crate::certainty::believed;
use crate::peak_rates::on_processor;
use crate::rows::grouped;

/// Times within this factor of each other, either way, are the same.
pub const SAME: f64 = 1.05;

/// What changed from an old run to a new one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// What the reader has to know before the numbers: that machines or builds differ.
    pub notes: Vec<String>,
    /// One per machine, or pair of machines if the runs have none in common.
    pub machines: Vec<Changes>,
    /// Cells that cannot be compared though both runs have them: one is not `ok`.
    pub uncompared: Vec<Uncompared>,
    /// Cells of the old run alone, `backend case (timing, threads)`.
    pub only_old: Vec<String>,
    /// Cells of the new run alone.
    pub only_new: Vec<String>,
}

/// What changed on one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changes {
    /// The machine of the old cells.
    pub old: Machine,
    /// The machine of the new cells: the same one unless a note says otherwise.
    pub new: Machine,
    /// How far the times agree.
    #[serde(flatten)]
    pub wall: Agreement,
    /// How far they agree at equal clock: of the cells that both runs took the pace for.
    pub at_equal_clock: Agreement,
    /// What the intervals allow for two runs being two, by what cells share with others.
    pub between_runs: Vec<Allowance>,
    /// One per cell.
    pub changes: Vec<Change>,
}

/// How far the cells of two runs agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Cells with a ratio.
    pub cells: usize,
    /// The typical change: Hodges and Lehmann's centre of the logarithms of all ratios.
    pub typical: Option<f64>,
    /// How many medians are within 5 % of each other, whatever their intervals.
    pub close: usize,
    /// How many intervals hold 1: nearly all where nothing changed, if the intervals are honest.
    pub covering: usize,
}

/// New divided by old, in both of the ways that one cell has of telling time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratios {
    /// Of the times.
    #[serde(flatten)]
    pub wall: Ratio,
    /// Of the times in units of the processor's pace beside each sample: how the program changed, whatever the
    /// processor's frequency did. `None` unless both cells ran on the processor and took its pace.
    pub at_equal_clock: Option<Ratio>,
}

/// New divided by old.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians.
    pub ratio: f64,
    /// Of the ratio: from the processes of both runs, and from what runs differ in beside them ([`Allowance`]);
    /// widened by 10 % on both sides where a cell was measured in one process only.
    pub interval: Option<Interval>,
}

/// One cell in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// Number of threads.
    pub threads: usize,
    /// Median nanoseconds per call, before.
    pub old_ns: f64,
    /// Median nanoseconds per call, now.
    pub new_ns: f64,
    /// How these compare.
    #[serde(flatten)]
    pub ratios: Ratios,
    /// What that means.
    pub verdict: Verdict,
}

impl Ratios {
    /// What the verdict goes by: the ratio at equal clock, where there is one.
    pub fn decisive(&self) -> Ratio {
        self.at_equal_clock.unwrap_or(self.wall)
    }
}

impl Agreement {
    fn of(ratios: impl Iterator<Item = Ratio>) -> Self {
        let ratios: Vec<Ratio> = ratios.collect();
        let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ratio.ln()).collect();
        let holds_one =
            |ratio: &&Ratio| ratio.interval.is_some_and(|i| i.low <= 1.0 && 1.0 <= i.high);
        Agreement {
            cells: ratios.len(),
            typical: stats::hodges_lehmann(&logs).map(f64::exp),
            close: logs.iter().filter(|log| log.abs() <= SAME.ln()).count(),
            covering: ratios.iter().filter(holds_one).count(),
        }
    }
}

/// What an interval of a ratio new to old says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it is below 1.
    Faster,
    /// All of it is above 1.
    Slower,
    /// All of it is within 5 % of 1, on whichever side.
    Same,
    /// Any of that may be so.
    Undecided,
}

/// A cell that one of the runs has no time for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncompared {
    /// `backend case (timing, threads)`.
    pub cell: String,
    /// How it ended before.
    pub old: Outcome,
    /// How it ended now.
    pub new: Outcome,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 4] =
        [Verdict::Faster, Verdict::Slower, Verdict::Same, Verdict::Undecided];

    /// As in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::Undecided => "undecided",
        }
    }

    /// The verdict on the interval of a ratio.
    pub fn of(ratio: Option<Interval>) -> Self {
        let Some(Interval { low, high, .. }) = ratio else {
            return Verdict::Undecided;
        };
        if low > 1.0 / SAME && high < SAME {
            Verdict::Same
        } else if high < 1.0 {
            Verdict::Faster
        } else if low > 1.0 {
            Verdict::Slower
        } else {
            Verdict::Undecided
        }
    }
}

/// Compares every cell that both runs have.
pub fn diff(old: &[Record], new: &[Record]) -> Diff {
    let (old, new): (Vec<&Record>, Vec<&Record>) = (old.iter().collect(), new.iter().collect());
    // Runs of one machine each are compared whatever these are, and a note says so.
    let foreign = !new.iter().any(|n| old.iter().any(|o| o.machine == n.machine));
    let same = |a: &Record, b: &Record| {
        let machine = foreign || a.machine == b.machine;
        machine
            && (&a.case, &a.backend, a.timing, a.threads)
                == (&b.case, &b.backend, b.timing, b.threads)
    };
    // Of a merged run's several builds, the one that the other run has too.
    let partner = |o: &Record| {
        let of_build = new.iter().find(|n| same(o, n) && o.build == n.build);
        of_build.or_else(|| new.iter().find(|n| same(o, n))).copied()
    };
    let pairs: Vec<(&Record, &Record)> =
        old.iter().filter_map(|o| Some((*o, partner(o)?))).collect();
    let alone = |these: &[&Record], those: &[&Record]| {
        let alone = these.iter().filter(|r| !those.iter().any(|other| same(r, other)));
        alone.map(|r| name(r)).collect()
    };
    let uncompared = pairs.iter().filter(|(o, n)| o.outcome != n.outcome || o.outcome.is_failure());
    Diff {
        notes: notes(&old, &new, foreign),
        machines: machines(&pairs, &BetweenRuns::of(&old), &BetweenRuns::of(&new)),
        uncompared: uncompared
            .map(|(o, n)| Uncompared { cell: name(o), old: o.outcome, new: n.outcome })
            .collect(),
        only_old: alone(&old, &new),
        only_new: alone(&new, &old),
    }
}

fn machines(pairs: &[(&Record, &Record)], before: &BetweenRuns, now: &BetweenRuns) -> Vec<Changes> {
    let mut machines: Vec<Changes> = Vec::new();
    for (old, new) in pairs {
        let Some(change) = change(old, new, before.variances(old) + now.variances(new)) else {
            continue;
        };
        match machines.iter_mut().find(|m| m.old == old.machine && m.new == new.machine) {
            Some(found) => found.changes.push(change),
            None => machines.push(Changes {
                old: old.machine.clone(),
                new: new.machine.clone(),
                wall: Agreement::default(),
                at_equal_clock: Agreement::default(),
                between_runs: allowances((before, &old.machine), (now, &new.machine)),
                changes: vec![change],
            }),
        }
    }
    for machine in &mut machines {
        let ratios = machine.changes.iter().map(|change| change.ratios);
        machine.wall = Agreement::of(ratios.clone().map(|ratios| ratios.wall));
        let at_equal_clock = ratios.filter_map(|ratios| ratios.at_equal_clock);
        machine.at_equal_clock = Agreement::of(at_equal_clock);
    }
    machines
}

fn change(old: &Record, new: &Record, variances: Variances) -> Option<Change> {
    let (old_ns, new_ns) = (old.median_ns()?, new.median_ns()?);
    let interval = new.measurement()?.ratio_to(old.measurement()?);
    let wall = Ratio {
        ratio: new_ns / old_ns,
        interval: interval.map(|i| widened(&believed(&i), variances.wall)),
    };
    let at_equal_clock = at_equal_clock(old, new, variances.at_equal_clock.unwrap_or_default());
    let ratios = Ratios { wall, at_equal_clock };
    Some(Change {
        case: old.case.clone(),
        backend: old.backend.clone(),
        timing: old.timing?,
        threads: old.threads,
        old_ns,
        new_ns,
        ratios,
        verdict: Verdict::of(ratios.decisive().interval),
    })
}

fn at_equal_clock(old: &Record, new: &Record, variance: f64) -> Option<Ratio> {
    if !on_processor(old) || !on_processor(new) {
        return None;
    }
    let (ratio, interval) = new.measurement()?.ratio_at_equal_clock(old.measurement()?)?;
    Some(Ratio { ratio, interval: Some(widened(&believed(&interval), variance)) })
}

/// What differs besides the times.
fn notes(old: &[&Record], new: &[&Record], foreign: bool) -> Vec<String> {
    let places = |records: &[&Record]| -> Vec<String> {
        grouped(records, Place::of).into_iter().map(|(place, _)| place.title()).collect()
    };
    let (before, now) = (places(old), places(new));
    let mut notes = Vec::new();
    if foreign && !old.is_empty() && !new.is_empty() {
        notes.push("The runs have no machine in common: ratios compare machines, too.".to_owned());
    }
    let builds = |records: &[&Record]| -> Vec<_> {
        grouped(records, |r| &r.build).into_iter().map(|(build, _)| build.clone()).collect()
    };
    if builds(old) != builds(new) {
        notes.push("The builds differ.".to_owned());
    }
    if before != now || before.len() > 1 || !notes.is_empty() {
        notes.extend(before.iter().map(|place| format!("old: {place}")));
        notes.extend(now.iter().map(|place| format!("new: {place}")));
    }
    notes
}

/// `faer g/1 (kernel, 2 threads)`.
fn name(record: &Record) -> String {
    let timing = record.timing.map_or("checked only", Timing::name);
    let threads = attn_record::figures::count(record.threads, "thread");
    format!("{} {} ({timing}, {threads})", record.backend, record.case)
}

#[cfg(test)]
mod tests {
    use attn_record::stats::normal_quantile;
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::fixture::{certain, ok, with_outcome};

    fn cell(case: &str, ns: f64) -> Record {
        let mut record = ok(case, "x", ns);
        record.volatile.measurement = Some(certain(ns));
        record
    }

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, level: 0.95 }
    }

    #[test]
    fn verdicts_by_hand() {
        let cases = [
            (Some(interval(0.5, 0.9)), Verdict::Faster),
            (Some(interval(1.1, 1.9)), Verdict::Slower),
            (Some(interval(0.98, 1.03)), Verdict::Same),
            (Some(interval(1.01, 1.02)), Verdict::Same),
            (Some(interval(0.9, 1.2)), Verdict::Undecided),
            (Some(interval(1.01, 1.2)), Verdict::Slower),
            (None, Verdict::Undecided),
        ];
        for (ratio, verdict) in cases {
            assert_eq!(Verdict::of(ratio), verdict, "{ratio:?}");
        }
    }

    #[test]
    fn cells_of_both_runs_are_compared_and_the_others_listed() {
        let old = [cell("g/1", 100.0), cell("g/2", 100.0), cell("g/3", 100.0), cell("g/4", 1.0)];
        let wrong = with_outcome(cell("g/3", 1.0), Outcome::Disagrees);
        let new = [cell("g/1", 200.0), cell("g/2", 100.0), wrong, cell("g/5", 1.0)];
        let found = diff(&old, &new);
        assert_eq!(found.notes, Vec::<String>::new());
        let verdicts: Vec<_> =
            found.machines[0].changes.iter().map(|c| (&*c.case, c.verdict)).collect();
        assert_eq!(verdicts, [("g/1", Verdict::Slower), ("g/2", Verdict::Same)]);
        let wall = &found.machines[0].wall;
        assert!((wall.typical.unwrap() - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!((wall.cells, wall.close, wall.covering), (2, 1, 1));
        assert_eq!(found.machines[0].at_equal_clock, Agreement::default());
        assert_eq!(found.uncompared[0].new, Outcome::Disagrees);
        assert_eq!(found.only_old, ["x g/4 (kernel, 1 thread)"]);
        assert_eq!(found.only_new, ["x g/5 (kernel, 1 thread)"]);
    }

    #[test]
    fn other_machines_and_builds_are_said_first() {
        let old = [cell("g/1", 100.0)];
        let mut new = old.clone();
        new[0].build.version = "0.2.0".into();
        assert_eq!(diff(&old, &new).notes[0], "The builds differ.");
        new[0].machine.cpu = "Other CPU".into();
        let found = diff(&old, &new);
        assert!(found.notes[0].starts_with("The runs have no machine in common"));
        assert_eq!(found.machines[0].new.cpu, "Other CPU");
        // With the old machine in the new run too, only its cells are compared.
        let both = [old[0].clone(), new[0].clone()];
        let found = diff(&old, &both);
        assert_eq!((found.machines.len(), found.only_new.len()), (1, 1));
        // With the old build in the new run too, its cells are.
        let mut rebuilt = cell("g/1", 900.0);
        rebuilt.build.code = Some("1f3a9c22".into());
        let found = diff(&old, &[rebuilt, old[0].clone()]);
        assert_eq!(
            (found.machines[0].changes[0].new_ns, &*found.notes[0]),
            (100.0, "The builds differ.")
        );
    }

    /// A cell whose samples lie between paces that took this long.
    fn paced(ns: f64, pace_ns: u64) -> Record {
        let mut cell = cell("g/1", ns);
        for process in &mut cell.volatile.measurement.as_mut().unwrap().processes {
            process.pace_ns = vec![pace_ns; process.samples_ns.len() + 1];
        }
        cell
    }

    #[test]
    fn a_slower_clock_is_not_a_slower_program() {
        let changed = |old: Record, new: Record| diff(&[old], &[new]).machines.remove(0);
        // A tenth slower, and so is the processor: nothing happened to the program.
        let found = changed(paced(1000.0, 5000), paced(1100.0, 5500));
        assert_eq!((found.wall.close, found.at_equal_clock.close), (0, 1));
        assert_eq!((found.wall.covering, found.at_equal_clock.covering), (0, 1));
        assert_eq!(found.changes[0].verdict, Verdict::Same);
        // As fast as before on a processor that is a tenth faster: the program is slower.
        let found = changed(paced(1100.0, 5500), paced(1100.0, 5000));
        assert_eq!(found.changes[0].verdict, Verdict::Slower);
        assert!((found.changes[0].ratios.wall.ratio - 1.0).abs() < 1e-12);
        assert!((found.changes[0].ratios.decisive().ratio - 1.1).abs() < 1e-12);
        // What the processor's pace says nothing about goes by its time: a GPU, and where it was not taken.
        let mut gpu = (paced(1000.0, 5000), paced(1100.0, 5500));
        for cell in [&mut gpu.0, &mut gpu.1] {
            cell.info.as_mut().unwrap().device = "cuda:0".into();
        }
        for (old, new) in [gpu, (cell("g/1", 1000.0), paced(1100.0, 5500))] {
            let found = changed(old, new);
            assert_eq!(found.changes[0].verdict, Verdict::Slower);
            assert_eq!(
                (found.changes[0].ratios.at_equal_clock, found.at_equal_clock.cells),
                (None, 0)
            );
        }
    }

    /// A run of cells of three processes. The machine disturbs each process by 1 %, and each cell once more in all three.
    fn disturbed(seed: u64, cells: usize) -> Vec<Record> {
        let mut bits = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut deviation =
            || 0.01 * normal_quantile((bits.next_u64() >> 11) as f64 / (1u64 << 53) as f64);
        let mut run = Vec::new();
        for at in 0..cells {
            let common = deviation();
            let processes = [(); 3].map(|()| certain(1e9 * (common + deviation()).exp()).processes);
            let mut record = cell(&format!("g/{at}"), 1.0);
            let measurement = record.volatile.measurement.as_mut().unwrap();
            measurement.processes = processes.map(|mut twice| twice.remove(0)).to_vec();
            run.push(record);
        }
        run
    }

    #[test]
    fn intervals_hold_as_often_as_they_claim() {
        const CELLS: usize = 2000;
        let (old, new) = (disturbed(1, CELLS), disturbed(2, CELLS));
        let found = diff(&old, &new).machines.remove(0);
        // 95 %, less four standard errors of it. More than that, because these cells have three processes whatever they
        // find, and the intervals allow for cells that have more until these agree.
        let share = found.wall.covering as f64 / CELLS as f64;
        assert!((0.93..0.99).contains(&share), "{share}");
        // What the processes alone say holds far less.
        let alone = |(old, new): &(&Record, &Record)| {
            let ratio = new.measurement().unwrap().ratio_to(old.measurement().unwrap());
            ratio.unwrap().interval.contains(1.0)
        };
        let alone = old.iter().zip(&new).filter(alone).count() as f64 / CELLS as f64;
        assert!(alone < 0.9, "{alone}");
    }

    #[test]
    fn a_run_is_the_same_as_itself() {
        let run = [cell("g/1", 100.0), cell("g/2", 5.0)];
        let found = diff(&run, &run);
        assert!(found.machines[0].changes.iter().all(|c| c.verdict == Verdict::Same));
        assert!(found.uncompared.is_empty() && found.only_old.is_empty());
    }
}
