//! The procedure over a whole suite. It takes replicates from a [`Source`] as it needs them: live ones,
//! or those of a simulation.
//!
//! Replicates are taken in rounds over all cases that still need one, so that what disturbs the machine for
//! a while disturbs them alike. Beside the cases runs a **control**: base compared with itself. If that
//! shows a difference, the measurement is at fault and nothing it says is worth anything.

use attn_record::stats::{holm, median, standard_deviation};

use crate::rule::{Closed, Rule, Screened};

/// Where replicates come from.
pub trait Source {
    /// Why a replicate could not be taken.
    type Error;

    /// One replicate, `ln(time of HEAD / time of base)`, of the case at this position.
    fn replicate(&mut self, case: usize) -> Result<f64, Self::Error>;

    /// One replicate of base against itself; `None` where there is no control.
    fn control(&mut self) -> Result<Option<f64>, Self::Error>;

    /// Called before each round with the cases that it visits, whose order it may change; `false` ends the
    /// procedure early.
    fn round(&mut self, stage: Stage, cases: &mut Vec<usize>) -> bool;
}

/// Part of the procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Is it clear already that nothing is slower?
    Screen,
    /// Fresh replicates of what is not clear.
    Confirm,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial<E> {
    /// Replicates of the screen.
    pub screen: Vec<f64>,
    /// Fresh ones.
    pub fresh: Vec<f64>,
    /// The verdict; `None` if the procedure ended before.
    pub end: Option<End<E>>,
}

/// The end of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum End<E> {
    /// The screen decided: [`Screened::Pass`] or [`Screened::Improved`].
    Screened(Screened),
    /// The confirmation decided.
    Closed {
        /// How.
        closed: Closed,
        /// The p-value of the fresh replicates.
        p: f64,
        /// The same after Holm.
        p_holm: f64,
    },
    /// A replicate could not be taken.
    Failed(E),
}

impl<E> Trial<E> {
    /// All replicates, in the order in which they were taken.
    pub fn replicates(&self) -> Vec<f64> {
        [self.screen.as_slice(), &self.fresh].concat()
    }
}

/// What became of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged<E> {
    /// Every case.
    pub trials: Vec<Trial<E>>,
    /// Replicates of base against itself.
    pub control: Vec<f64>,
    /// Whether the control shows a difference, which voids everything.
    pub void: bool,
    /// Number of cases that were confirmed.
    pub confirmed: usize,
}

/// Judges `cases` cases by `rule`.
pub fn judge<S: Source>(rule: &Rule, cases: usize, source: &mut S) -> Judged<S::Error> {
    let trials = (0..cases).map(|_| Trial { screen: Vec::new(), fresh: Vec::new(), end: None });
    let mut run = Run { rule, source, trials: trials.collect(), control: Vec::new() };
    let finished = run.screen() && run.confirm();
    let Run { mut trials, control, .. } = run;
    let confirmed = trials.iter().filter(|trial| trial.end.is_none()).count();
    if finished {
        close(rule, &mut trials);
    }
    let void = !control.is_empty() && Rule::control_p(&control) < rule.control;
    Judged { trials, control, void, confirmed }
}

struct Run<'a, S: Source> {
    rule: &'a Rule,
    source: &'a mut S,
    trials: Vec<Trial<S::Error>>,
    control: Vec<f64>,
}

impl<S: Source> Run<'_, S> {
    /// Both looks; `false` if the source ended it.
    fn screen(&mut self) -> bool {
        let mut taken = 0;
        for look in self.rule.screen {
            for _ in taken..look {
                let open = (0..self.trials.len()).filter(|&at| self.trials[at].end.is_none());
                let open = open.collect();
                if !self.round(Stage::Screen, open) {
                    return false;
                }
            }
            taken = look;
            for trial in self.trials.iter_mut().filter(|trial| trial.end.is_none()) {
                let screened = self.rule.look(&trial.screen);
                trial.end = (screened != Screened::Undecided).then_some(End::Screened(screened));
            }
        }
        true
    }

    /// The fresh replicates; `false` if the source ended it.
    fn confirm(&mut self) -> bool {
        let targets = self.targets();
        let rounds = targets.iter().copied().max().unwrap_or(0);
        (0..rounds).all(|_| {
            let open = |run: &Self, at: usize| {
                run.trials[at].end.is_none() && run.trials[at].fresh.len() < targets[at]
            };
            let cases = (0..self.trials.len()).filter(|&at| open(self, at)).collect();
            self.round(Stage::Confirm, cases)
        })
    }

    /// Fresh replicates of each case. A case's own spread counts, or that of the middle case if that is
    /// larger: eight replicates may look calmer than they are.
    fn targets(&self) -> Vec<usize> {
        let spread = |trial: &Trial<S::Error>| standard_deviation(&trial.screen);
        let middle = median(&self.trials.iter().filter_map(spread).collect::<Vec<_>>());
        let open = self.trials.iter().filter(|trial| trial.end.is_none()).count();
        let target = |trial: &Trial<S::Error>| {
            let spread = spread(trial).into_iter().chain(middle).fold(0.0, f64::max);
            if trial.end.is_none() { self.rule.fresh(spread, open) } else { 0 }
        };
        self.trials.iter().map(target).collect()
    }

    /// One replicate of each of `cases`.
    fn round(&mut self, stage: Stage, mut cases: Vec<usize>) -> bool {
        if !self.source.round(stage, &mut cases) {
            return false;
        }
        for case in cases {
            let trial = &mut self.trials[case];
            match (self.source.replicate(case), stage) {
                (Ok(d), Stage::Screen) => trial.screen.push(d),
                (Ok(d), Stage::Confirm) => trial.fresh.push(d),
                (Err(error), _) => trial.end = Some(End::Failed(error)),
            }
        }
        // A control that fails has no part in the verdict; the cases that share its process fail too.
        if let Ok(Some(d)) = self.source.control() {
            self.control.push(d);
        }
        true
    }
}

/// The exact test of all cases that are still open, together.
fn close<E>(rule: &Rule, trials: &mut [Trial<E>]) {
    let open = trials.iter_mut().filter(|trial| trial.end.is_none()).collect::<Vec<_>>();
    let p: Vec<f64> = open.iter().map(|trial| rule.p_value(&trial.fresh)).collect();
    for ((trial, p), p_holm) in open.into_iter().zip(&p).zip(holm(&p)) {
        let closed = rule.close(p_holm, &trial.replicates());
        trial.end = Some(End::Closed { closed, p: *p, p_holm });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replicates from a formula: of the case and of how many it has had.
    struct Formula<F> {
        of: F,
        taken: Vec<usize>,
        control: Vec<f64>,
        rounds: usize,
    }

    impl<F: Fn(usize, usize) -> Result<f64, &'static str>> Source for Formula<F> {
        type Error = &'static str;

        fn replicate(&mut self, case: usize) -> Result<f64, &'static str> {
            self.taken[case] += 1;
            (self.of)(case, self.taken[case])
        }

        fn control(&mut self) -> Result<Option<f64>, &'static str> {
            Ok(self.control.pop())
        }

        fn round(&mut self, _stage: Stage, _cases: &mut Vec<usize>) -> bool {
            self.rounds -= 1;
            self.rounds > 0
        }
    }

    fn formula<F>(cases: usize, of: F) -> Formula<F> {
        Formula { of, taken: vec![0; cases], control: Vec::new(), rounds: usize::MAX }
    }

    /// Alternating noise of 0.5 %.
    fn noise(at: usize) -> f64 {
        if at.is_multiple_of(2) { 0.005 } else { -0.005 }
    }

    #[test]
    fn what_is_clear_takes_five_replicates_and_what_is_slow_takes_all() {
        let mut source = formula(3, |case, at| Ok(noise(at) + [0.0, 0.05, -0.05][case]));
        let judged = judge(&Rule::default(), 3, &mut source);
        assert_eq!(source.taken, [5, 24, 5]);
        assert_eq!(judged.confirmed, 1);
        let ends: Vec<_> = judged.trials.iter().map(|trial| trial.end.clone().unwrap()).collect();
        assert_eq!(ends[0], End::Screened(Screened::Pass));
        assert!(matches!(ends[1], End::Closed { closed: Closed::Regressed, .. }), "{ends:?}");
        assert_eq!(ends[2], End::Screened(Screened::Improved));
    }

    #[test]
    fn a_case_that_fails_stops_alone() {
        let of = |case, at| if case == 0 && at == 3 { Err("died") } else { Ok(noise(at)) };
        let judged = judge(&Rule::default(), 2, &mut formula(2, of));
        assert_eq!(judged.trials[0].end, Some(End::Failed("died")));
        assert_eq!(judged.trials[0].screen.len(), 2);
        assert_eq!(judged.trials[1].end, Some(End::Screened(Screened::Pass)));
    }

    #[test]
    fn a_procedure_that_is_cut_short_says_nothing_of_open_cases() {
        let mut source = formula(1, |_, at| Ok(noise(at) + 0.05));
        source.rounds = 12;
        let judged = judge(&Rule::default(), 1, &mut source);
        assert_eq!(judged.trials[0].end, None);
    }

    #[test]
    fn a_control_that_differs_voids() {
        let mut source = formula(1, |_, at| Ok(noise(at) + 0.05));
        source.control = vec![0.02, 0.021, 0.019, 0.022, 0.018, 0.02, 0.021, 0.02];
        assert!(judge(&Rule::default(), 1, &mut source).void);
        source.control = (0..8).map(noise).collect();
        assert!(!judge(&Rule::default(), 1, &mut source).void);
    }

    #[test]
    fn more_noise_than_effect_is_inconclusive() {
        let judged = judge(&Rule::default(), 1, &mut formula(1, |_, at| Ok(20.0 * noise(at))));
        let end = judged.trials[0].end.clone().unwrap();
        assert!(matches!(end, End::Closed { closed: Closed::Inconclusive, .. }), "{end:?}");
    }
}
