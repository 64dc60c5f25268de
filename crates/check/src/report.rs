//! What became of all problems, in words.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use attn_core::{Data, Tensor};

use crate::Case;
use crate::trial::{Kind, Wrong};

/// Elements of a tensor that are printed, at most.
const FEW: usize = 16;

/// What became of all problems. It prints what there is to know.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) seed: u64,
    pub(crate) right: usize,
    pub(crate) skipped: BTreeMap<String, usize>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) common: Option<String>,
    pub(crate) example: Option<Example>,
    pub(crate) smallest: Option<Example>,
    pub(crate) seconds: f64,
}

/// A problem that came out wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The problem and its inputs.
    pub case: Case,
    /// In which way.
    pub kind: Kind,
    /// What is wrong, in a line.
    pub finding: String,
}

/// A wrong result, looked at closely.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) case: Case,
    pub(crate) finding: String,
    /// Where it is wrong, in words.
    pub(crate) place: Option<String>,
    pub(crate) hint: Option<String>,
    /// The tensors, where they are small.
    pub(crate) tensors: Vec<String>,
    /// The file it was written to, or why it was not.
    pub(crate) file: Option<Result<PathBuf, String>>,
}

impl Example {
    pub(crate) fn new(case: &Case, wrong: &Wrong) -> Self {
        Example {
            case: case.clone(),
            finding: wrong.finding.clone(),
            place: None,
            hint: None,
            tensors: tensors(case, wrong),
            file: None,
        }
    }
}

impl Report {
    /// Whether something was computed, and all of it is right.
    pub fn is_right(&self) -> bool {
        self.failures.is_empty() && self.right > 0
    }

    /// Problems that came out right.
    pub const fn right(&self) -> usize {
        self.right
    }

    /// Problems that the kernel does not compute, or whose truth nobody knows.
    pub fn skipped(&self) -> usize {
        self.skipped.values().sum()
    }

    /// Problems that came out wrong, the smallest first.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Seconds that it took.
    pub const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The smallest problem that was found to come out wrong.
    pub fn smallest(&self) -> Option<&Case> {
        let first = || self.failures.first().map(|failure| &failure.case);
        self.smallest.as_ref().map(|example| &example.case).or_else(first)
    }

    pub(crate) fn skip(&mut self, reason: String) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    fn judged(&self) -> usize {
        self.right + self.failures.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (judged, seconds) = (self.judged(), self.seconds);
        if judged == 0 {
            write!(f, "attn-check: nothing was computed: {} problems skipped", self.skipped())?;
        } else if self.failures.is_empty() {
            write!(f, "attn-check: all {judged} problems came out right, in {seconds:.1} s")?;
        } else {
            let mut kinds = BTreeMap::<Kind, usize>::new();
            self.failures.iter().for_each(|one| *kinds.entry(one.kind).or_default() += 1);
            let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            let (wrong, kinds) = (self.failures.len(), kinds.join(", "));
            write!(
                f,
                "attn-check: {wrong} of {judged} problems came out wrong ({kinds}), in {seconds:.1} s"
            )?;
        }
        for (reason, count) in &self.skipped {
            write!(f, "\n  skipped: {count}, {reason}")?;
        }
        if let Some(common) = &self.common {
            write!(f, "\n  in common: {common}")?;
        }
        for (name, example) in [("for example", &self.example), ("smallest", &self.smallest)] {
            if let Some(example) = example {
                write!(f, "\n\n{name}: {}\n{example}", example.case)?;
            }
        }
        match self.smallest() {
            Some(case) if case.drawn_from().is_some() => {
                write!(
                    f,
                    "\n\nagain: .problem(\"{case}\"), or all of them with .seed({})",
                    self.seed
                )
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.finding)?;
        if let Some(place) = &self.place {
            write!(f, "\n  wrong in {place}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        for tensor in &self.tensors {
            write!(f, "\n  {tensor}")?;
        }
        match &self.file {
            None => Ok(()),
            Some(Ok(path)) => write!(f, "\n  judge it again: attn verify {}", path.display()),
            Some(Err(error)) => write!(f, "\n  not written: {error}"),
        }
    }
}

/// The operands, what came out and what is right, if all of that is a few numbers.
fn tensors(case: &Case, wrong: &Wrong) -> Vec<String> {
    let inputs = case.inputs();
    let operands = [("q", inputs.q()), ("k", inputs.k()), ("v", inputs.v())];
    let elements: usize = case.problem().shape().out().iter().product();
    if elements > FEW || operands.iter().any(|(_, tensor)| tensor.data().len() > FEW) {
        return Vec::new();
    }
    let mut all: Vec<String> =
        operands.iter().map(|(name, tensor)| format!("{name} = {}", list(tensor.data()))).collect();
    if let Some(judged) = &wrong.judged {
        let got: Tensor = judged.out.o().tensor();
        let want = judged.truth.reference().o.iter().map(|x| number(*x)).collect::<Vec<_>>();
        all.push(format!("out = {}, expected [{}]", list(got.data()), want.join(", ")));
    }
    all
}

fn list(data: &Data) -> String {
    let numbers: Vec<String> = data.to_f64().into_iter().map(number).collect();
    format!("[{}]", numbers.join(", "))
}

fn number(x: f64) -> String {
    let short = format!("{x:.6}");
    let digits = short.trim_end_matches('0').trim_end_matches('.');
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) { digits.into() } else { format!("{x:.6e}") }
}
