//! Live replicates: two fresh processes for each.

use attn_bench::run::Fixture;
use attn_bench::worker::{CellId, Dialogue, Launcher, Setup, Slot, Stored, WorkerError};
use attn_core::Arithmetic;
use attn_record::limits::Ceilings;
use attn_record::stats::{hodges_lehmann, median};
use attn_record::{Audit, Doubt, Seen, SeenProcess};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::HashMap;
use std::num::NonZeroU32;
use tempfile::TempDir;

use crate::judge::{Source, Stage};
use crate::pair::{Arm, Shape, multiple_for, replicate};
use crate::result::{Taken, TakenFor};

/// A case that is timed.
pub struct Timed<'a> {
    /// What base computes, and HEAD: the same, unless it is two backends that are compared.
    pub cells: [CellId; 2],
    /// Its inputs.
    pub fixture: &'a Fixture,
    /// A slowdown that HEAD is given, as a share.
    pub planted: f64,
}

/// Why there is no replicate.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A worker failed.
    #[error("{side}: {source}")]
    Worker {
        /// The side's name.
        side: String,
        /// How.
        source: WorkerError,
    },
    /// What was timed is wrong.
    #[error("{side} is wrong: {finding}")]
    Wrong {
        /// The side's name.
        side: String,
        /// What is wrong.
        finding: String,
    },
    /// What was timed is not the computation, or cannot be.
    #[error("{side}: implausible: {doubt}")]
    Implausible {
        /// The side's name.
        side: String,
        /// Why.
        doubt: String,
    },
}

/// Is told before each round; `false` stops the gate.
pub type OnRound<'a> = dyn FnMut(Stage, usize) -> bool + 'a;

/// What replicates are measured under.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Peak rates, which no time may exceed.
    pub ceilings: Ceilings,
    /// The processor that workers with one thread stay on.
    pub cpu: Option<u32>,
    /// A replicate lasts about so many nanoseconds at most.
    pub replicate_ns: f64,
    /// Of all random choices.
    pub seed: u64,
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// `base` or `HEAD`, or the name of a backend.
    pub name: &'a str,
    /// Starts its workers.
    pub program: &'a Launcher,
}

/// Measures replicates with two programs, or with two backends of one.
pub struct Live<'a> {
    sides: [Side<'a>; 2],
    cases: &'a [Timed<'a>],
    conditions: Conditions,
    shapes: Vec<Option<Shape>>,
    coin: Xoshiro256PlusPlus,
    stage: Stage,
    next_control: usize,
    taken: Vec<Taken>,
    /// Of each case and side, what its processes did beside what was timed, and the time of a call.
    seen: HashMap<(usize, usize), Vec<(Audit, f64)>>,
    on_round: &'a mut OnRound<'a>,
}

/// Calls that are tried last last at least this long, in nanoseconds,
const LEAST_TRIED_NS: f64 = 50_000.0;
/// or are so many;
const MOST_TRIED: f64 = 1e5;
/// and each time so many more.
const TRIED_MORE: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");

/// Bytes of padding in a worker's environment: enough to move its stack by a page.
const PADDING: u64 = 4096;

impl<'a> Live<'a> {
    /// Of both `sides`; `on_round` hears of each round.
    pub fn new(
        sides: [Side<'a>; 2],
        cases: &'a [Timed<'a>],
        conditions: Conditions,
        on_round: &'a mut OnRound<'a>,
    ) -> Self {
        Live {
            sides,
            cases,
            shapes: vec![None; cases.len()],
            coin: Xoshiro256PlusPlus::seed_from_u64(conditions.seed),
            conditions,
            stage: Stage::Screen,
            next_control: 0,
            taken: Vec::new(),
            seen: HashMap::new(),
            on_round,
        }
    }

    /// The replicate that was taken last.
    pub fn last(&self) -> Option<&Taken> {
        self.taken.last()
    }

    /// Every replicate, in the order in which they were taken.
    pub fn into_taken(self) -> Vec<Taken> {
        self.taken
    }

    /// One replicate of `case`: of base and HEAD, or for the control of base and base.
    fn measure(&mut self, case: usize, taken_for: TakenFor) -> Result<f64, LiveError> {
        let control = taken_for == TakenFor::Control;
        let sides = [0, usize::from(!control)];
        // Which process starts first is as random as which slot comes first.
        let swapped = self.coin.next_u64() & 1 == 1;
        let (mut base, mut head);
        if swapped {
            head = self.start(sides[1], case)?;
            base = self.start(sides[0], case)?;
        } else {
            base = self.start(sides[0], case)?;
            head = self.start(sides[1], case)?;
        }
        let planted = if control { 0.0 } else { self.cases[case].planted };
        let shape = self.shape(case, &mut base, &mut head)?.plant(planted);
        let replicate =
            replicate(&mut base, &mut head, shape, &mut self.coin).map_err(|source| {
                let [base, head] = self.sides.map(|side| side.name);
                LiveError::Worker { side: format!("{base} or {head}"), source }
            })?;
        for contender in [base, head] {
            self.finish(case, contender)?;
        }
        let ln_ratio = replicate.ln_ratio;
        let id = self.cases[case].cells[0].to_string();
        self.taken.push(Taken { id, stage: taken_for, replicate });
        Ok(ln_ratio)
    }

    /// What `side` says when a worker fails.
    fn failed(&self, side: usize) -> impl Fn(WorkerError) -> LiveError + use<> {
        let side = self.sides[side].name.to_string();
        move |source| LiveError::Worker { side: side.clone(), source }
    }

    fn start(&mut self, side: usize, case: usize) -> Result<Contender, LiveError> {
        let Timed { cells, fixture, .. } = &self.cases[case];
        let cell = &cells[side];
        let worker = self.failed(side);
        let padding = (self.coin.next_u64() % PADDING) as usize;
        let results = fixture.results().map_err(|error| worker(error.into()))?;
        let setup = Setup {
            backend: cell.backend.clone(),
            threads: cell.threads,
            cpu: self.conditions.cpu.filter(|_| cell.threads == 1),
            on_device: false,
            memory_limit: None,
            case: fixture.b.clone(),
            results: results.path().into(),
        };
        let mut dialogue =
            self.sides[side].program.start(cell.threads, padding).map_err(&worker)?;
        let ready = dialogue.prepare(setup).map_err(&worker)?;
        dialogue.load().map_err(&worker)?;
        let arithmetic = ready.info.arithmetic;
        let stored = Stored::default();
        Ok(Contender { side, dialogue, results, arithmetic, stored, per_call_ns: Vec::new() })
    }

    /// The results that were stored must be right, and the times possible.
    fn finish(&mut self, case: usize, mut contender: Contender) -> Result<(), LiveError> {
        let Timed { cells, fixture, .. } = &self.cases[case];
        let index = contender.side;
        let (side, worker) = (self.sides[index].name.to_string(), self.failed(index));
        let (mut all, audit) = contender.dialogue.finish().map_err(&worker)?;
        all.results.append(&mut contender.stored.results);
        let folder = contender.results.path();
        let found = fixture.judge_last(folder, &all, &contender.arithmetic);
        let found = found.map_err(|error| worker(error.into()))?;
        if let Some(finding) = found.wrong {
            return Err(LiveError::Wrong { side, finding });
        }
        let call_ns = claimed_ns(&contender.per_call_ns);
        let (problem, threads) = (fixture.problem(), cells[index].threads);
        let work = fixture.work();
        let impossible =
            Doubt::of_rate(&self.conditions.ceilings, &work, problem.dtype(), threads, call_ns);
        let reps = self.shapes[case].map_or(1, |shape| shape.slots[index].calls);
        let seen = self.seen.entry((case, index)).or_default();
        seen.push((audit, call_ns));
        if let Some(doubt) = impossible.or_else(|| doubt(seen, reps, threads)) {
            return Err(LiveError::Implausible { side, doubt: doubt.to_string() });
        }
        Ok(())
    }

    /// How the case is measured: decided once, from the time of a call. Two programs that compute the same cell make equally
    /// many calls.
    fn shape(
        &mut self,
        case: usize,
        base: &mut Contender,
        head: &mut Contender,
    ) -> Result<Shape, LiveError> {
        if let Some(shape) = self.shapes[case] {
            return Ok(shape);
        }
        let Timed { cells: [of_base, of_head], planted, .. } = &self.cases[case];
        let base_ns = base.try_calls().map_err(self.failed(0))?;
        let head_ns =
            if of_base == of_head { base_ns } else { head.try_calls().map_err(self.failed(1))? };
        let (multiple, most) = (multiple_for(*planted), self.conditions.replicate_ns);
        let shape = Shape::choose([base_ns, head_ns], most, multiple);
        self.shapes[case] = Some(shape);
        Ok(shape)
    }
}

/// The time of a call that the slots of a process would be taken for, nanoseconds: their median, or, if that is less, the location that
/// ratios are made of. Where fewer than half of the slots are fast, the median does not tell.
fn claimed_ns(per_call_ns: &[f64]) -> f64 {
    let of = |location: fn(&[f64]) -> Option<f64>| location(per_call_ns).unwrap_or(0.0);
    of(median).min(of(hodges_lehmann))
}

/// Why the time of a side cannot be: of two processes and more, since one may be disturbed all the time.
fn doubt(seen: &[(Audit, f64)], reps: u32, threads: usize) -> Option<Doubt> {
    let calls: Vec<f64> = seen.iter().map(|(_, call_ns)| *call_ns).collect();
    let call_ns = median(&calls).filter(|_| seen.len() > 1)?;
    let seen = seen.iter().map(|(audit, call_ns)| SeenProcess { audit, reps, call_ns: *call_ns });
    let processes = seen.collect();
    Seen { processes, call_ns, threads }.doubt()
}

/// A worker, and what it has stored so far.
struct Contender {
    /// Its position among the sides.
    side: usize,
    dialogue: Dialogue,
    results: TempDir,
    arithmetic: Arithmetic,
    stored: Stored,
    /// Nanoseconds per call, slot by slot.
    per_call_ns: Vec<f64>,
}

impl Contender {
    /// What a call takes, nanoseconds.
    fn try_calls(&mut self) -> Result<f64, WorkerError> {
        // More and more calls, until they last: one that does nothing now and then does not tell what many take.
        let mut calls = NonZeroU32::MIN;
        while f64::from(calls.get()) < MOST_TRIED
            && (self.slot(calls, 1)?.ns as f64) < LEAST_TRIED_NS
        {
            calls = calls.saturating_mul(TRIED_MORE);
        }
        let slots = (0..5).map(|_| self.slot(calls, 1)).collect::<Result<Vec<_>, _>>()?;
        let per_call = |slot: &Slot| slot.ns as f64 / f64::from(calls.get());
        let times: Vec<f64> = slots.iter().map(per_call).collect();
        Ok(median(&times).expect("five were timed"))
    }
}

impl Arm for Contender {
    type Error = WorkerError;

    fn slot(&mut self, calls: NonZeroU32, warm: u32) -> Result<Slot, WorkerError> {
        let slot = self.dialogue.run(calls, warm)?;
        self.per_call_ns.push(slot.ns as f64 / f64::from(calls.get()));
        Ok(slot)
    }

    fn fresh(&mut self) -> Result<(), WorkerError> {
        self.stored.results.extend(self.dialogue.fresh()?.results);
        Ok(())
    }
}

impl Source for Live<'_> {
    type Error = LiveError;

    fn replicate(&mut self, case: usize) -> Result<f64, LiveError> {
        let taken_for = match self.stage {
            Stage::Screen => TakenFor::Screen,
            Stage::Confirm => TakenFor::Confirm,
        };
        self.measure(case, taken_for)
    }

    /// The cases take turns in being the control's.
    fn control(&mut self) -> Result<Option<f64>, LiveError> {
        let case = self.next_control % self.cases.len();
        self.next_control += 1;
        self.measure(case, TakenFor::Control).map(Some)
    }

    fn round(&mut self, stage: Stage, cases: &mut Vec<usize>) -> bool {
        self.stage = stage;
        for at in (1..cases.len()).rev() {
            cases.swap(at, (self.coin.next_u64() % (at as u64 + 1)) as usize);
        }
        (self.on_round)(stage, cases.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_slots_count_though_they_are_fewer_than_half() {
        let some_fast = [[100.0; 6].as_slice(), &[30.0; 4]].concat();
        assert_eq!(median(&some_fast), Some(100.0));
        assert_eq!(claimed_ns(&some_fast), 65.0);
        assert_eq!(claimed_ns(&[[100.0; 9].as_slice(), &[400.0; 3]].concat()), 100.0);
        assert_eq!(claimed_ns(&[]), 0.0);
    }
}
