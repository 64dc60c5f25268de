//! What a comparison lets through: the results of deliberately wrong kernels, shown to it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use attn_core::{
    Backend, BackendError, ClaimArithmetic, Element, Exec, Finding, Inputs, Output, Plan, Problem,
};
use attn_mutants::Mutant;

use crate::kernel::{elements, operands};
use crate::trial::judged;
use crate::{Case, Check, Features, panics};

/// Multiplications and additions of a random problem, at most: all wrong kernels compute it twice.
const LARGEST: usize = 15_000;
/// How many random problems there are unless it is said.
const CASES: u64 = 30;

/// Whether a comparison takes a result for right: `true`, `Ok`, or that it did not panic.
pub trait Accepts {
    /// Whether it does.
    fn accepts(self) -> bool;
}

impl Accepts for bool {
    fn accepts(self) -> bool {
        self
    }
}

impl Accepts for () {
    fn accepts(self) -> bool {
        true
    }
}

impl<A: Accepts, E> Accepts for Result<A, E> {
    fn accepts(self) -> bool {
        self.is_ok_and(A::accepts)
    }
}

/// A comparison under test: whether the output in the last argument is taken for right.
pub struct Comparison<'k>(AcceptsOutput<'k>);

/// Of a problem, its inputs and an output, whether that is taken for right.
type AcceptsOutput<'k> = Box<dyn Fn(&Problem, &Inputs, &Output) -> bool + 'k>;

/// What does a comparison of one's own let through? It is shown the outputs of deliberately wrong kernels, and of right ones.
///
/// The closure gets a problem, q, k and v as [`forward`](crate::forward) does, and an output; it says whether it takes that for right,
/// by `bool`, `Result` or an assertion. It should do what the test does whose worth is asked: compute what is expected, compare.
///
/// ```
/// use attn_check::{CAUSAL, Problem};
///
/// // A test that knows the answer where all values are equal, and looks at nothing else.
/// let report = attn_check::mutants(|_: &Problem, _: &[f32], _: &[f32], v: &[f32], out: &[f32]| {
///     let equal = v.iter().all(|x| *x == v[0]);
///     !equal || out.iter().all(|x| (x - v[0]).abs() < 1e-5)
/// })
/// .supports(CAUSAL)
/// .problem("H2 N8 D4 causal")
/// .run();
/// let survivors: Vec<&str> = report.let_through().map(|mutant| mutant.id).collect();
/// assert!(survivors.contains(&"mutant/causal-admits-one-more"));
/// ```
pub fn mutants<'k, T: Element, A: Accepts>(
    comparison: impl Fn(&Problem, &[T], &[T], &[T], &[T]) -> A + 'k,
) -> Check<'k, Comparison<'k>> {
    let accepts = move |problem: &Problem, inputs: &Inputs, out: &Output| {
        let [q, k, v] = operands::<T>(problem, inputs);
        let out = elements::<T>(out.o().tensor().data());
        panics::caught(|| comparison(problem, &q, &k, &v, &out).accepts()).unwrap_or(false)
    };
    let comparison = Comparison(Box::new(accepts));
    let mut check = Check::new(comparison, Features::OF_INPUTS | crate::LSE, T::DTYPE);
    (check.space.largest, check.space.default_cases) = (LARGEST, CASES);
    check
}

/// What became of one kernel.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Its name.
    pub id: &'static str,
    /// What it does, in a line.
    pub description: &'static str,
    /// What kind of mistake that is.
    pub theme: &'static str,
    /// The first case on which the comparison refused it.
    pub refused: Option<Case>,
    /// The case on which a wrong result was accepted that is furthest from the truth, and in which way it is wrong.
    pub accepted: Option<(Case, String)>,
    /// How far, in units of what is allowed.
    share: f64,
}

/// What a comparison told apart. It prints a table.
#[derive(Clone, Debug)]
pub struct Survivors {
    problems: usize,
    mutants: Vec<Fate>,
    /// Right kernels.
    honest: Vec<Fate>,
}

impl Survivors {
    /// Wrong kernels that the comparison accepts wherever their results are wrong by more than rounding, the worst first.
    pub fn let_through(&self) -> impl Iterator<Item = &Fate> {
        self.mutants.iter().filter(|fate| fate.is_let_through())
    }

    /// Right kernels that it refuses.
    pub fn false_alarms(&self) -> impl Iterator<Item = &Fate> {
        self.honest.iter().filter(|fate| fate.refused.is_some())
    }

    /// Wrong kernels that it tells from right ones.
    pub fn told(&self) -> usize {
        self.mutants.iter().filter(|fate| fate.refused.is_some()).count()
    }

    /// Wrong kernels whose results on these problems are right, so that nobody can tell.
    pub fn unreached(&self) -> usize {
        self.mutants.iter().filter(|fate| !fate.is_visible()).count()
    }
}

impl Fate {
    fn new(mutant: &Mutant) -> Self {
        let Mutant { id, description, family, .. } = mutant;
        Fate { id, description, theme: family, refused: None, accepted: None, share: 0.0 }
    }

    fn is_let_through(&self) -> bool {
        self.refused.is_none() && self.accepted.is_some()
    }

    /// Whether somebody told it apart.
    fn is_visible(&self) -> bool {
        self.refused.is_some() || self.accepted.is_some()
    }
}

impl Check<'_, Comparison<'_>> {
    /// Shows all kernels' results, and panics with a table if a wrong kernel is let through or a right one refused.
    ///
    /// # Panics
    /// With the table.
    #[track_caller]
    pub fn assert(self) {
        let report = self.run();
        let all = report.let_through().count() + report.false_alarms().count() == 0;
        assert!(all && report.told() > 0, "{report}");
    }

    /// Shows all kernels' results. Right kernels are one like the wrong ones, and those of other arithmetics that the problem allows.
    pub fn run(&self) -> Survivors {
        let (control, mutants) = (attn_mutants::control(), attn_mutants::all());
        let honest: Vec<Mutant> = std::iter::once(control).chain(attn_mutants::foreign()).collect();
        let cases = self.space.cases();
        let mut report = Survivors {
            problems: cases.len(),
            mutants: mutants.iter().map(Fate::new).collect(),
            honest: honest.iter().map(Fate::new).collect(),
        };
        for case in &cases {
            // Backends with neither limits nor devices do not fail.
            let _ = self.show(case, (&honest, &mutants), &mut report);
        }
        report.mutants.sort_by(|a, b| b.share.total_cmp(&a.share));
        report
    }

    fn show(
        &self,
        case: &Case,
        (honest, mutants): (&[Mutant], &[Mutant]),
        report: &mut Survivors,
    ) -> Result<(), BackendError> {
        let (problem, inputs, others) = (case.problem(), case.inputs(), case.other_inputs());
        let accepts = |out: &Output| (self.subject.0)(problem, &inputs, out);
        let right = result(&*honest[0].backend, problem, [&others, &inputs])?;
        for (mutant, fate) in honest.iter().zip(&mut report.honest) {
            if fate.refused.is_none()
                && !accepts(&result(&*mutant.backend, problem, [&others, &inputs])?)
            {
                fate.refused = Some(case.clone());
            }
        }
        // Where the right one is refused, refusing a wrong one is no merit.
        if !accepts(&right) {
            return Ok(());
        }
        for (mutant, fate) in mutants.iter().zip(&mut report.mutants) {
            if fate.refused.is_some() {
                continue;
            }
            let out = result(&*mutant.backend, problem, [&others, &inputs])?;
            if bits(&out) == bits(&right) {
                continue;
            }
            if accepts(&out) {
                fate.accept(case, &inputs, out);
            } else {
                fate.refused = Some(case.clone());
            }
        }
        Ok(())
    }
}

impl Fate {
    /// Takes note of a result that was accepted, if it is wrong.
    fn accept(&mut self, case: &Case, inputs: &Inputs, out: Output) {
        if let Some((share, words)) =
            wrong(case, inputs, out).filter(|(share, _)| *share > self.share)
        {
            (self.share, self.accepted) = (share, Some((case.clone(), words)));
        }
    }
}

/// In which way a result is wrong, and how far in units of what is allowed; `None` if rounding explains it.
fn wrong(case: &Case, inputs: &Inputs, out: Output) -> Option<(f64, String)> {
    let problem = case.problem();
    let judged = judged(problem, inputs, ClaimArithmetic::assumed(problem.dtype()), out).ok()?;
    // It is not shown what lies outside.
    let shown = |finding: &&Finding| !matches!(finding, Finding::FenceBroken);
    let finding = judged.verdict.findings.iter().find(shown)?;
    Some(match judged.verdict.metrics {
        None => (f64::MAX, finding.to_string()),
        Some(metrics) => {
            let share = metrics.noise_share.unwrap_or(0.0).max(metrics.bound_share);
            (share, metrics.worst.to_string())
        }
    })
}

/// What a kernel makes of the second inputs, having computed the first.
fn result(
    backend: &dyn Backend,
    problem: &Problem,
    inputs: [&Inputs; 2],
) -> Result<Output, BackendError> {
    let mut plan: Box<dyn Plan + '_> = backend.prepare(problem, &Exec::SINGLE)?;
    // What is left of other inputs shows.
    for inputs in inputs {
        plan.load(inputs)?;
        plan.run(NonZeroU32::MIN)?;
    }
    let mut out = Output::poisoned(problem);
    plan.store(&mut out)?;
    Ok(out)
}

/// What a comparison is shown.
fn bits(out: &Output) -> Vec<u8> {
    out.o().tensor().data().to_le_bytes()
}

impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (through, problems) = (self.let_through().count(), self.problems);
        let visible = self.mutants.len() - self.unreached();
        let alarms = self.false_alarms().count();
        writeln!(
            f,
            "attn-check: on {problems} problems your comparison lets {through} of {visible} wrong kernels through, and refuses {alarms} of {} right ones\n",
            self.honest.len()
        )?;
        let mut themes = BTreeMap::<&str, [usize; 4]>::new();
        for fate in &self.mutants {
            let counts = themes.entry(fate.theme).or_default();
            let is = [true, fate.is_visible(), fate.refused.is_some(), fate.is_let_through()];
            counts.iter_mut().zip(is).for_each(|(count, is)| *count += usize::from(is));
        }
        writeln!(
            f,
            "  {:<10} {:>6} {:>8} {:>8} {:>12}",
            "theme", "wrong", "visible", "refused", "let through"
        )?;
        for (theme, [all, visible, refused, through]) in &themes {
            writeln!(f, "  {theme:<10} {all:>6} {visible:>8} {refused:>8} {through:>12}")?;
        }
        if through > 0 {
            writeln!(f, "\n  let through, the worst first:")?;
        }
        for fate in self.let_through() {
            let Some((case, words)) = &fate.accepted else { continue };
            writeln!(f, "    {}: {}\n      {words}\n      in {case}", fate.id, fate.description)?;
        }
        if alarms > 0 {
            writeln!(f, "\n  right kernels that are refused:")?;
        }
        for fate in self.false_alarms() {
            let Some(case) = &fate.refused else { continue };
            writeln!(f, "    {}: {}\n      in {case}", fate.id, fate.description)?;
        }
        write!(
            f,
            "\n  Not visible: what {} do on these problems is right; other problems or features would show it.",
            self.unreached()
        )
    }
}
