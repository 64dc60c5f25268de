//! The kill matrix: mutants against input families.

use std::collections::BTreeMap;

use attn_core::{Finding, InputDistribution};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::trial::{Fate, Trial};
use crate::rules::Rule;

/// Which mutants were killed, by what, and who else would have noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillMatrix {
    /// Cases that everybody ran.
    pub cases: usize,
    /// Cases that were left out because they are too much work.
    pub left_out: usize,
    /// The kernel without a bug.
    pub control: MutantRow,
    /// The mutants, in the order given.
    pub mutants: Vec<MutantRow>,
    /// Mutants that survive if `normal` inputs are all there is.
    pub survivors_on_normal: usize,
    /// How the published rules do on the same results.
    pub rules: Vec<RuleScore>,
}

/// One mutant on all cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutantRow {
    /// Name of the bug.
    pub id: String,
    /// The bug in one line.
    pub description: String,
    /// What kind of bug it is.
    pub theme: String,
    /// All cases together.
    pub total: Tally,
    /// First findings, and on how many cases each.
    pub findings: BTreeMap<FindingKind, usize>,
    /// The first case that kills it.
    pub example: Option<Example>,
    /// By the family of the inputs; families whose cases do not exercise the mutant are absent.
    pub families: BTreeMap<String, Tally>,
    /// Published rules that notice nothing on any case.
    pub missed_by: Vec<Rule>,
}

/// Cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// On which the bug shows: the output is not the control's, bit for bit.
    pub exercised: usize,
    /// On which it is caught.
    pub killed: usize,
}

/// A case that kills a mutant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The case.
    pub case: String,
    /// `inputs A` or, after them and with the same plan, `inputs B`.
    pub on: String,
    /// What was found.
    pub finding: String,
}

/// How a published rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleScore {
    /// The rule.
    pub rule: Rule,
    /// Mutants that it takes for right on every case.
    pub misses: usize,
    /// The same if `normal` inputs are all there is.
    pub misses_on_normal: usize,
    /// Cases on which it takes the control for wrong.
    pub false_positives: usize,
}

/// The kinds of [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Other dimensions or storage type.
    Shape,
    /// Memory outside the output was written.
    Fence,
    /// Elements were not written.
    Written,
    /// NaN or infinity.
    Finite,
    /// Beyond the a-priori bound.
    Bound,
    /// Beyond the yardstick.
    Yardstick,
    /// Larger together than rounding explains.
    Noise,
    /// Outside the values of an undetermined row.
    Outside,
    /// A part of the output is missing.
    Missing,
    /// Something about the log-sum-exp.
    Lse,
    /// No bound exists.
    NoBound,
}

impl FindingKind {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            FindingKind::Shape => "shape",
            FindingKind::Fence => "fence",
            FindingKind::Written => "written",
            FindingKind::Finite => "finite",
            FindingKind::Bound => "bound",
            FindingKind::Yardstick => "yardstick",
            FindingKind::Noise => "noise",
            FindingKind::Outside => "outside",
            FindingKind::Missing => "missing",
            FindingKind::Lse => "lse",
            FindingKind::NoBound => "no bound",
        }
    }
}

impl From<&Finding> for FindingKind {
    fn from(finding: &Finding) -> Self {
        match finding {
            Finding::WrongShape { .. } => FindingKind::Shape,
            Finding::FenceBroken => FindingKind::Fence,
            Finding::NotWritten { .. } => FindingKind::Written,
            Finding::NotFinite { .. } => FindingKind::Finite,
            Finding::BeyondBound { .. } => FindingKind::Bound,
            Finding::BeyondYardstick { .. } => FindingKind::Yardstick,
            Finding::BeyondNoise { .. } => FindingKind::Noise,
            Finding::OutsideValues { .. } => FindingKind::Outside,
            Finding::Missing { .. } => FindingKind::Missing,
            Finding::Lse { .. } => FindingKind::Lse,
            Finding::NoBound => FindingKind::NoBound,
        }
    }
}

impl KillMatrix {
    /// Counts the trials, which are in the order of their cases.
    pub(super) fn new(
        control: &Subject<'_>,
        mutants: &[Subject<'_>],
        trials: &[Trial],
        left_out: usize,
    ) -> Self {
        let control = MutantRow::new(control, trials, |trial| &trial.control);
        let rows = mutants.iter().enumerate();
        let mutants: Vec<_> = rows
            .map(|(at, mutant)| MutantRow::new(mutant, trials, move |trial| &trial.mutants[at]))
            .collect();
        let normal =
            || trials.iter().filter(|trial| trial.family == InputDistribution::Normal.name());
        let count = |survives: &dyn Fn(usize) -> bool| {
            (0..mutants.len()).filter(|&at| survives(at)).count()
        };
        let survivors_on_normal =
            count(&|at| normal().all(|trial| trial.mutants[at].killed.is_none()));
        let scores = Rule::ALL.into_iter().enumerate().map(|(rule_at, rule)| RuleScore {
            rule,
            misses: mutants.iter().filter(|mutant| mutant.missed_by.contains(&rule)).count(),
            misses_on_normal: count(&|at| missed(normal(), rule_at, |trial| &trial.mutants[at])),
            false_positives: trials.iter().filter(|trial| !trial.control.accepted[rule_at]).count(),
        });
        let (rules, cases) = (scores.collect(), trials.len());
        KillMatrix { cases, left_out, control, mutants, survivors_on_normal, rules }
    }

    /// Mutants that no case kills.
    pub fn survivors(&self) -> impl Iterator<Item = &MutantRow> {
        self.mutants.iter().filter(|mutant| mutant.total.killed == 0)
    }

    /// Whether every mutant is killed and the control nowhere.
    pub fn holds(&self) -> bool {
        self.survivors().next().is_none() && self.control.total.killed == 0
    }
}

impl MutantRow {
    fn new<'t>(
        subject: &Subject<'_>,
        trials: &'t [Trial],
        fate: impl Fn(&'t Trial) -> &'t Fate,
    ) -> Self {
        let mut row = MutantRow {
            id: subject.id.into(),
            description: subject.description.into(),
            theme: subject.theme.into(),
            total: Tally::default(),
            findings: BTreeMap::new(),
            example: None,
            families: BTreeMap::new(),
            missed_by: Vec::new(),
        };
        for trial in trials {
            row.add(trial, fate(trial));
        }
        let rules = Rule::ALL.into_iter().enumerate();
        let rules = rules.filter(|(at, _)| missed(trials.iter(), *at, &fate));
        row.missed_by = rules.map(|(_, rule)| rule).collect();
        row
    }

    fn add(&mut self, trial: &Trial, fate: &Fate) {
        if !fate.exercised && fate.killed.is_none() {
            return;
        }
        let family = self.families.entry(trial.family.into()).or_default();
        for tally in [&mut self.total, family] {
            tally.exercised += usize::from(fate.exercised);
            tally.killed += usize::from(fate.killed.is_some());
        }
        if let Some((finding, on)) = &fate.killed {
            *self.findings.entry(finding.into()).or_default() += 1;
            self.example.get_or_insert_with(|| Example {
                case: trial.case.clone(),
                on: (*on).into(),
                finding: finding.to_string(),
            });
        }
    }
}

/// Whether a rule accepts a backend on every one of these cases on which it accepts the control.
fn missed<'t>(
    mut trials: impl Iterator<Item = &'t Trial>,
    rule: usize,
    fate: impl Fn(&'t Trial) -> &'t Fate,
) -> bool {
    trials.all(|trial| !trial.control.accepted[rule] || fate(trial).accepted[rule])
}
