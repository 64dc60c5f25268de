//! What came of it.

use std::collections::{BTreeMap, BTreeSet};

use attn_core::DType;
use serde::Serialize;

use super::{Detection, Deviation, Fate, Planted, Statement, Tried};
use crate::mutation::Subject;

/// The detection limit, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Wrong kernels.
    pub mutants: usize,
    /// Honest kernels.
    pub honest: usize,
    /// Statements that were tried.
    pub tried: usize,
    /// Of how many: fewer if it was interrupted.
    pub statements: usize,
    /// One per type and length.
    pub limits: Vec<Limit>,
    /// One per type and length.
    pub planted: Vec<Planted>,
    /// Visibly wrong results that were accepted.
    pub survivors: Vec<Survivor>,
    /// Honest results that were refused.
    pub false_positives: Vec<FalsePositive>,
    /// Wrong kernels whose results were visibly wrong on no statement of a type.
    pub unseen: Vec<Unseen>,
    /// By wrong kernel, how many of its results were refused although the difference is not visible.
    pub finer: BTreeMap<String, usize>,
}

/// Everybody on the statements of one type and length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The storage type.
    pub dtype: DType,
    /// The length.
    pub n: usize,
    /// Wrong kernels' results that are not the honest one, bit for bit.
    pub differing: usize,
    /// Of these, those that differ by more than rounding.
    pub visible: usize,
    /// Of the visible ones, those that were refused.
    pub visible_refused: usize,
    /// Of the others, those that were refused.
    pub others_refused: usize,
    /// Wrong kernels with a visibly wrong result on any statement.
    pub mutants_visible: usize,
    /// Wrong kernels with a refused result on any statement.
    pub mutants_refused: usize,
    /// Honest kernels' results.
    pub honest: usize,
    /// Of these, those that were refused.
    pub honest_refused: usize,
}

/// A visibly wrong result that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survivor {
    /// The wrong kernel.
    pub mutant: String,
    /// Its bug.
    pub description: String,
    /// The statement's name.
    pub statement: String,
    /// The length.
    pub n: usize,
    /// The storage type.
    pub dtype: DType,
    /// The problem in one line.
    pub problem: String,
    /// Where the result differs most from the honest one.
    pub part: String,
    /// Its error there over that of the honest kernel.
    pub ratio: f64,
    /// How much it uses of the limit of that tensor, where that has one.
    pub share: Option<f64>,
    /// The honest result of this type that uses most of its own.
    pub honest: Option<HonestUse>,
}

/// How much of its limit an honest result uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HonestUse {
    /// The honest kernel.
    pub kernel: String,
    /// The statement's name.
    pub statement: String,
    /// The length.
    pub n: usize,
    /// The share.
    pub share: f64,
}

impl Survivor {
    /// Whether a limit that is low enough to refuse it would refuse an honest result as well.
    pub fn is_within_honest_errors(&self) -> bool {
        let honest = self.honest.as_ref().map(|honest| honest.share);
        honest.zip(self.share).is_some_and(|(honest, share)| honest >= share)
    }
}

/// An honest result that was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalsePositive {
    /// The honest kernel.
    pub kernel: String,
    /// The statement's name.
    pub statement: String,
    /// The length.
    pub n: usize,
    /// The storage type.
    pub dtype: DType,
    /// The problem in one line.
    pub problem: String,
    /// What was said.
    pub finding: String,
}

/// A wrong kernel that no statement of a type shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unseen {
    /// The wrong kernel.
    pub mutant: String,
    /// The storage type.
    pub dtype: DType,
    /// Whether any result at all differed from the honest one.
    pub differs: bool,
}

impl Limits {
    pub(super) fn new(detection: &Detection<'_>, tried: &[Tried], statements: usize) -> Self {
        let cells = detection
            .dtypes
            .iter()
            .flat_map(|&dtype| detection.lengths.iter().map(move |&n| (dtype, n)));
        let of_cell = |(dtype, n): (DType, usize)| {
            let of_cell = tried
                .iter()
                .filter(|tried| tried.statement.problem.dtype() == dtype && tried.statement.n == n);
            let of_cell: Vec<&Tried> = of_cell.collect();
            (!of_cell.is_empty()).then(|| Limit::new((dtype, n), &of_cell))
        };
        let mut planted: Vec<Planted> =
            tried.iter().filter_map(|tried| tried.planted.clone()).collect();
        planted.sort_by_key(|planted| (planted.dtype, planted.n));
        Limits {
            mutants: detection.mutants.len(),
            honest: 1 + detection.honest.len(),
            tried: tried.len(),
            statements,
            limits: cells.filter_map(of_cell).collect(),
            planted,
            survivors: survivors(detection, tried),
            false_positives: false_positives(detection, tried),
            unseen: unseen(detection, tried),
            finer: finer(detection, tried),
        }
    }

    /// Whether every visibly wrong result was refused and every honest one accepted.
    pub fn holds(&self) -> bool {
        self.survivors.is_empty() && self.false_positives.is_empty()
    }

    /// Whether it was not interrupted.
    pub const fn is_complete(&self) -> bool {
        self.tried == self.statements
    }
}

impl Limit {
    fn new((dtype, n): (DType, usize), tried: &[&Tried]) -> Self {
        let mutants = || tried.iter().flat_map(|tried| tried.mutants.iter().enumerate());
        let count = |is: &dyn Fn(&Fate) -> bool| mutants().filter(|(_, fate)| is(fate)).count();
        let any = |is: &dyn Fn(&Fate) -> bool| {
            let found = mutants().filter(|(_, fate)| is(fate)).map(|(at, _)| at);
            found.collect::<BTreeSet<_>>().len()
        };
        let (visible, refused) = (Fate::is_visible, Fate::is_refused);
        let honest: Vec<&Fate> = tried.iter().flat_map(|tried| &tried.honest).collect();
        Limit {
            dtype,
            n,
            differing: count(&|fate| fate.differs),
            visible: count(&visible),
            visible_refused: count(&|fate| visible(fate) && refused(fate)),
            others_refused: count(&|fate| !visible(fate) && refused(fate)),
            mutants_visible: any(&visible),
            mutants_refused: any(&refused),
            honest: honest.len(),
            honest_refused: honest.iter().filter(|fate| refused(fate)).count(),
        }
    }
}

impl Fate {
    /// Whether it differs by more than rounding.
    pub const fn is_visible(&self) -> bool {
        self.visible.is_some()
    }

    /// Whether anything is said against it.
    pub const fn is_refused(&self) -> bool {
        self.finding.is_some()
    }
}

fn survivors(detection: &Detection<'_>, tried: &[Tried]) -> Vec<Survivor> {
    let of_statement = |one: &Tried| {
        let Statement { name, n, problem, .. } = &one.statement;
        let fates = detection.mutants.iter().zip(&one.mutants);
        let survivor = |(mutant, fate): (&Subject<'_>, &Fate)| {
            let visible = fate.visible.as_ref().filter(|_| !fate.is_refused())?;
            Some(Survivor {
                mutant: mutant.id.into(),
                description: mutant.description.into(),
                statement: (*name).into(),
                n: *n,
                dtype: problem.dtype(),
                problem: problem.statement(),
                part: visible.part.clone(),
                ratio: visible.ratio,
                share: fate.shares.of(visible),
                honest: most_used(detection, tried, problem.dtype(), visible),
            })
        };
        fates.filter_map(survivor).collect::<Vec<_>>()
    };
    let mut all: Vec<Survivor> = tried.iter().flat_map(of_statement).collect();
    all.sort_by(|a, b| (&a.mutant, a.dtype, a.n).cmp(&(&b.mutant, b.dtype, b.n)));
    all
}

/// The honest result of a type that uses most of the limit of the tensor in which `deviation` lies.
fn most_used(
    detection: &Detection<'_>,
    tried: &[Tried],
    dtype: DType,
    deviation: &Deviation,
) -> Option<HonestUse> {
    let of_type = tried.iter().filter(|tried| tried.statement.problem.dtype() == dtype);
    let uses = of_type.flat_map(|tried| {
        let kernels = detection.kernels().zip(&tried.honest);
        kernels.filter_map(|(kernel, fate)| {
            Some((fate.shares.of(deviation)?, kernel.id, &tried.statement))
        })
    });
    let (share, kernel, statement) = uses.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let Statement { name, n, .. } = statement;
    Some(HonestUse { kernel: kernel.into(), statement: (*name).into(), n: *n, share })
}

fn false_positives(detection: &Detection<'_>, tried: &[Tried]) -> Vec<FalsePositive> {
    let of_statement = |tried: &Tried| {
        let Statement { name, n, problem, .. } = &tried.statement;
        let found = detection.kernels().zip(&tried.honest).filter_map(|(kernel, fate)| {
            let finding = fate.finding.as_ref()?;
            Some(FalsePositive {
                kernel: kernel.id.into(),
                statement: (*name).into(),
                n: *n,
                dtype: problem.dtype(),
                problem: problem.statement(),
                finding: finding.to_string(),
            })
        });
        found.collect::<Vec<_>>()
    };
    let mut all: Vec<FalsePositive> = tried.iter().flat_map(of_statement).collect();
    all.sort_by(|a, b| (&a.kernel, a.dtype, a.n).cmp(&(&b.kernel, b.dtype, b.n)));
    all
}

fn finer(detection: &Detection<'_>, tried: &[Tried]) -> BTreeMap<String, usize> {
    let of_mutant = |(at, mutant): (usize, &Subject<'_>)| {
        let fates = tried.iter().map(|tried| &tried.mutants[at]);
        let refused = fates.filter(|fate| fate.is_refused() && !fate.is_visible()).count();
        (refused > 0).then(|| (mutant.id.to_string(), refused))
    };
    detection.mutants.iter().enumerate().filter_map(of_mutant).collect()
}

fn unseen(detection: &Detection<'_>, tried: &[Tried]) -> Vec<Unseen> {
    let mutants = detection.mutants.iter().enumerate();
    let of_mutant = |(at, mutant): (usize, &Subject<'_>)| {
        let of_type = |&dtype: &DType| {
            let fates = || {
                let of_type = tried.iter().filter(|t| t.statement.problem.dtype() == dtype);
                of_type.map(|tried| &tried.mutants[at])
            };
            let unseen = fates().next().is_some() && !fates().any(Fate::is_visible);
            unseen.then(|| Unseen {
                mutant: mutant.id.into(),
                dtype,
                differs: fates().any(|fate| fate.differs),
            })
        };
        detection.dtypes.iter().filter_map(of_type).collect::<Vec<_>>()
    };
    mutants.flat_map(of_mutant).collect()
}
