//! Live replicates: two fresh processes for each.

use attn_bench::slots::{CellId, Dialogue, Setup, SlotError, Start};
use attn_bench::worker::Exercise;
use attn_core::Verdict;
use attn_record::stats::median;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::num::NonZeroU32;

use crate::judge::{Source, Stage};
use crate::pair::{Shape, multiple_for, replicate};
use crate::result::{Taken, TakenFor};

/// A case that is timed.
#[derive(Clone, Debug)]
pub struct Timed {
    /// Which.
    pub cell: CellId,
    /// Its inputs B.
    pub exercise: Exercise,
    /// A slowdown that HEAD is given, as a share.
    pub planted: f64,
}

/// Why there is no replicate.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A worker failed.
    #[error("{side}: {source}")]
    Worker {
        /// `base` or `HEAD`.
        side: &'static str,
        /// How.
        source: SlotError,
    },
    /// What was timed is wrong.
    #[error("{side}: on the inputs that were timed: {finding}")]
    Wrong {
        /// `base` or `HEAD`.
        side: &'static str,
        /// What is wrong.
        finding: String,
    },
}

/// Is told before each round; `false` stops the gate.
pub type OnRound<'a> = dyn FnMut(Stage, usize) -> bool + 'a;

/// Measures replicates with two programs.
pub struct Live<'a> {
    base: &'a Start,
    head: &'a Start,
    cases: &'a [Timed],
    cpu: Option<u32>,
    replicate_ns: f64,
    shapes: Vec<Option<Shape>>,
    coin: Xoshiro256PlusPlus,
    stage: Stage,
    next_control: usize,
    taken: Vec<Taken>,
    on_round: &'a mut OnRound<'a>,
}

/// Bytes of padding in a worker's environment: enough to move its stack by a page.
const PADDING: u64 = 4096;

impl<'a> Live<'a> {
    /// Workers with one thread stay on processor `cpu`; a replicate lasts about `replicate_ns` at most.
    pub fn new(
        [base, head]: [&'a Start; 2],
        cases: &'a [Timed],
        cpu: Option<u32>,
        replicate_ns: f64,
        seed: u64,
        on_round: &'a mut OnRound<'a>,
    ) -> Self {
        let coin = Xoshiro256PlusPlus::seed_from_u64(seed);
        let shapes = vec![None; cases.len()];
        let stage = Stage::Screen;
        Live {
            base,
            head,
            cases,
            cpu,
            replicate_ns,
            shapes,
            coin,
            stage,
            next_control: 0,
            taken: Vec::new(),
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
        let (second, side) = if control { (self.base, "base") } else { (self.head, "HEAD") };
        // Which process starts first is as random as which slot comes first.
        let swapped = self.coin.next_u64() & 1 == 1;
        let (mut base, mut head);
        if swapped {
            head = self.start(second, side, case)?;
            base = self.start(self.base, "base", case)?;
        } else {
            base = self.start(self.base, "base", case)?;
            head = self.start(second, side, case)?;
        }
        let planted = if control { 0.0 } else { self.cases[case].planted };
        let shape = self.shape(case, &mut base)?.plant(planted);
        let replicate = replicate(&mut base, &mut head, shape, &mut self.coin)
            .map_err(|source| LiveError::Worker { side: "base or HEAD", source })?;
        for (worker, side) in [(&mut base, "base"), (&mut head, side)] {
            finish(worker, side)?;
        }
        let ln_ratio = replicate.ln_ratio;
        let id = self.cases[case].cell.to_string();
        self.taken.push(Taken { id, stage: taken_for, replicate });
        Ok(ln_ratio)
    }

    fn start(
        &mut self,
        program: &Start,
        side: &'static str,
        case: usize,
    ) -> Result<Dialogue, LiveError> {
        let Timed { cell, exercise, .. } = &self.cases[case];
        let padding = (self.coin.next_u64() % PADDING) as usize;
        let setup = Setup {
            backend: cell.backend.clone(),
            threads: cell.threads,
            cpu: self.cpu.filter(|_| cell.threads == 1),
            a: None,
            b: exercise.clone(),
        };
        let worker = |source| LiveError::Worker { side, source };
        let mut dialogue = program.start(cell.threads, padding).map_err(worker)?;
        dialogue.prepare(&setup).map_err(worker)?;
        Ok(dialogue)
    }

    /// How the case is measured: decided once, from the time of a call of base.
    fn shape(&mut self, case: usize, base: &mut Dialogue) -> Result<Shape, LiveError> {
        if let Some(shape) = self.shapes[case] {
            return Ok(shape);
        }
        let worker = |source| LiveError::Worker { side: "base", source };
        let slots = (0..5).map(|_| base.run(NonZeroU32::MIN, 1)).collect::<Result<Vec<_>, _>>();
        let times: Vec<f64> = slots.map_err(worker)?.iter().map(|slot| slot.ns as f64).collect();
        let call_ns = median(&times).expect("five were timed");
        let multiple = multiple_for(self.cases[case].planted);
        let shape = Shape::choose(call_ns, self.replicate_ns, multiple);
        self.shapes[case] = Some(shape);
        Ok(shape)
    }
}

/// The result that was timed last must be right.
fn finish(worker: &mut Dialogue, side: &'static str) -> Result<(), LiveError> {
    let Verdict { findings, .. } =
        worker.finish().map_err(|source| LiveError::Worker { side, source })?;
    let wrong =
        |finding: &attn_core::Finding| LiveError::Wrong { side, finding: finding.to_string() };
    findings.first().map_or(Ok(()), |finding| Err(wrong(finding)))
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
