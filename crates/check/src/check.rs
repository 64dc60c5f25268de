//! A kernel, and what is asked of it.

#[cfg(feature = "files")]
use std::path::PathBuf;
use std::time::Instant;

use attn_core::{Backend, ClaimArithmetic, DType, Element, Inputs, Problem};

use crate::kernel::{Kernel, Returned, Rows, operands};
use crate::report::{Example, Failure, Report};
use crate::space::Space;
use crate::trial::{Fate, Wrong, fate};
use crate::{Case, Features, common, diagnosis, shrink};

/// Wrong results that are looked at until one says what is the matter.
const LOOKED_AT: usize = 3;

/// What is asked of a kernel, or of a comparison ([`mutants`](crate::mutants())).
///
/// Nothing is computed before [`run`](Check::run) or [`assert`](Check::assert).
#[must_use = "nothing is asked before `assert` or `run`"]
pub struct Check<'k, S = Kernel<'k>> {
    pub(crate) subject: S,
    pub(crate) space: Space<'k>,
    pub(crate) out_of_reach: Features,
    /// The type of the closure's elements.
    pub(crate) element: DType,
    #[cfg(feature = "files")]
    pub(crate) save_to: Option<PathBuf>,
}

/// A kernel as a closure over contiguous slices, row-major: q `[B, Hq, Nq, D]`, k `[B, Hkv, Nk, D]`, v `[B, Hkv, Nk, Dv]`; it returns
/// the output, `[B, Hq, Nq, Dv]`, or a pair of it and the log-sum-exp `[B, Hq, Nq]`; either in a `Result`, or in an `Option` that is
/// `None` where the kernel does not compute the problem.
///
/// The elements are those of the closure: f64, f32, or bf16 and f16 of the crate `half`. f32 and f64 also hold the shorter types
/// ([`dtypes`](Check::dtypes)): inputs are then numbers of those, and the output is rounded to them.
///
/// ```should_panic
/// // Averages the values, whatever the scores.
/// attn_check::forward(|p, _q: &[f32], _k: &[f32], v: &[f32]| -> Vec<f32> {
///     let s = p.shape();
///     let row = |h: usize, c: usize| (0..s.len_k).map(|j| v[(h * s.len_k + j) * s.dim_v + c]).sum::<f32>() / s.len_k as f32;
///     let heads = 0..s.batch * s.heads_q;
///     heads.flat_map(|h| (0..s.len_q * s.dim_v).map(move |at| row(h, at % s.dim_v))).collect()
/// })
/// .assert();
/// ```
pub fn forward<'k, T: Element, R: Returned<Rows<T>>>(
    kernel: impl Fn(&Problem, &[T], &[T], &[T]) -> R + 'k,
) -> Check<'k> {
    let call = move |problem: &Problem, inputs: &Inputs| {
        let [q, k, v] = operands(problem, inputs);
        kernel(problem, &q, &k, &v)
    };
    Check::of(Kernel::returning(call, Features::OF_INPUTS), T::DTYPE)
}

/// Like [`forward`], for kernels that write their output to a slice: it lies between two fences and is poisoned with NaN, so that what
/// is not written shows.
pub fn forward_into<'k, T: Element, R: Returned<()>>(
    kernel: impl Fn(&Problem, &[T], &[T], &[T], &mut [T]) -> R + 'k,
) -> Check<'k> {
    let call = move |problem: &Problem, inputs: &Inputs, out: &mut [T]| {
        let [q, k, v] = operands(problem, inputs);
        kernel(problem, &q, &k, &v, out)
    };
    Check::of(Kernel::writing(call), T::DTYPE)
}

/// Like [`forward`], for kernels that take a mask, slopes, sinks or weights of the score, which are in the [`Inputs`].
pub fn forward_with<'k, T: Element, R: Returned<Rows<T>>>(
    kernel: impl Fn(&Problem, &[T], &[T], &[T], &Inputs) -> R + 'k,
) -> Check<'k> {
    let call = move |problem: &Problem, inputs: &Inputs| {
        let [q, k, v] = operands(problem, inputs);
        kernel(problem, &q, &k, &v, inputs)
    };
    Check::of(Kernel::returning(call, Features::PLAIN), T::DTYPE)
}

/// A backend, on problems of every type and feature; those that it refuses are counted.
pub fn backend(backend: &dyn Backend) -> Check<'_> {
    Check::of(Kernel::of_backend(backend), DType::F64).supports(Features::ALL).dtypes(DType::ALL)
}

impl<'k> Check<'k> {
    pub(crate) fn of(kernel: Kernel<'k>, element: DType) -> Self {
        let out_of_reach = kernel.out_of_reach;
        Check::new(kernel, out_of_reach, element)
    }

    /// The arithmetic of the kernel where it is coarser than is usual: usual are weights in the storage type and everything else in it,
    /// or in f32 for bf16 and f16. Where scores are computed in TF32, say, or sums in bf16.
    pub fn arithmetic(mut self, arithmetic: ClaimArithmetic) -> Self {
        self.subject.arithmetic = Box::new(move |_| arithmetic);
        self
    }

    /// Writes a wrong result to this folder, as a file for `attn verify`; with the feature `files`.
    #[cfg(feature = "files")]
    pub fn save_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.save_to = Some(folder.into());
        self
    }

    /// Asks, and panics with a report unless all is right.
    ///
    /// # Panics
    /// With the report, if a result is wrong or if nothing was computed.
    #[track_caller]
    pub fn assert(self) {
        let report = self.run();
        assert!(report.is_right(), "{report}");
    }

    /// Asks, and reports.
    pub fn run(&self) -> Report {
        let start = Instant::now();
        let mut report = Report { seed: self.space.seed, ..Report::default() };
        let cases = self.space.cases();
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for case in &cases {
            match fate(&self.subject, case) {
                Fate::Right => right.push(case),
                Fate::Skipped(reason) => report.skip(reason),
                Fate::Wrong(found) => wrong.push((case, found)),
            }
        }
        report.right = right.len();
        wrong.sort_by_key(|(case, _)| size(case.problem()));
        let places: Vec<&Case> = wrong.iter().map(|(case, _)| *case).collect();
        report.common = common::of(&places, &right);
        report.example = self.example(&wrong);
        report.smallest = wrong.first().and_then(|(case, found)| {
            let smaller = shrink::smallest(&self.subject, &self.space, case, found.kind);
            smaller.map(|(case, wrong)| Example::new(&case, &wrong))
        });
        let failure = |(case, found): &(&Case, Box<Wrong>)| Failure {
            case: (*case).clone(),
            kind: found.kind,
            finding: found.finding.clone(),
        };
        report.failures = wrong.iter().map(failure).collect();
        report.seconds = start.elapsed().as_secs_f64();
        report
    }

    /// A wrong result that says what is the matter, or else one of middle size.
    fn example(&self, wrong: &[(&Case, Box<Wrong>)]) -> Option<Example> {
        let (case, found) = wrong.get(wrong.len() / 2)?;
        let mut example = Example::new(case, found);
        let judged = wrong[wrong.len() / 2..].iter().chain(wrong.iter().rev());
        let judged = judged.filter_map(|(case, found)| Some((case, found, found.judged.as_ref()?)));
        for (case, found, result) in judged.take(LOOKED_AT) {
            let file = result.attn_case(case);
            let Some(claim) = &file.claim else { continue };
            let told = diagnosis::diagnose(&file, claim, &result.truth, &result.verdict);
            if told.hint.is_some() || example.place.is_none() {
                let hint = told.hint_of_kernel();
                example = Example { place: told.place, hint, ..Example::new(case, found) };
                #[cfg(feature = "files")]
                {
                    example.file = self.save_to.as_ref().map(|folder| save(folder, case, &file));
                }
            }
            if example.hint.is_some() {
                break;
            }
        }
        Some(example)
    }
}

impl<'k, S> Check<'k, S> {
    pub(crate) fn new(subject: S, out_of_reach: Features, element: DType) -> Self {
        let space = Space::new(Features::PLAIN, element);
        Check {
            subject,
            space,
            out_of_reach,
            element,
            #[cfg(feature = "files")]
            save_to: None,
        }
    }

    /// What is supported beyond the plain problems, joined by `|`.
    ///
    /// # Panics
    /// If the closure is not given what a feature needs.
    #[track_caller]
    pub fn supports(mut self, features: Features) -> Self {
        let possible = features.without(self.out_of_reach);
        let missing = features.without(possible);
        assert!(
            missing.is_empty(),
            "{missing}: the closure is not given what it takes, and returns no lse if it writes; use `forward_with`"
        );
        self.space.features = features;
        self
    }

    /// The types in which q, k, v and the output are stored; that of the closure's elements if this is not called.
    ///
    /// # Panics
    /// If there are none, or the closure's elements do not hold one of them.
    #[track_caller]
    pub fn dtypes(mut self, dtypes: impl IntoIterator<Item = DType>) -> Self {
        self.space.dtypes = dtypes.into_iter().collect();
        assert!(!self.space.dtypes.is_empty(), "expected at least one type, such as f32");
        for &dtype in &self.space.dtypes {
            let own = self.element;
            let holds =
                dtype == own || own == DType::F64 || (own == DType::F32 && dtype != DType::F64);
            assert!(
                holds,
                "elements of {own} do not hold those of {dtype}: expected slices of {dtype}, f32 or f64"
            );
        }
        self
    }

    /// The only `D` that there are, for kernels that are compiled for some.
    pub fn head_dims(mut self, dims: impl IntoIterator<Item = usize>) -> Self {
        self.space.head_dims = dims.into_iter().collect();
        self
    }

    /// Leaves out every random problem for which this is false.
    pub fn filter(mut self, filter: impl Fn(&Problem) -> bool + 'k) -> Self {
        self.space.filter = Some(Box::new(filter));
        self
    }

    /// How many random problems: 100, or 30 for [`mutants`](crate::mutants()), if this is not called; none where problems are named.
    pub fn cases(mut self, cases: u64) -> Self {
        self.space.cases = Some(cases);
        self
    }

    /// Which random problems: a seed always stands for the same.
    pub fn seed(mut self, seed: u64) -> Self {
        self.space.seed = seed;
        self
    }

    /// Random problem `number` alone.
    pub fn only(mut self, number: u64) -> Self {
        self.space.only = Some(number);
        self
    }

    /// A problem of one's own, as reports print it: `"H32/8 N1x4096 D128 causal:bottom-right inputs:needle seed:3"`.
    ///
    /// # Panics
    /// If that is no problem; it says what was expected.
    #[track_caller]
    pub fn problem(self, text: &str) -> Self {
        let case = text.parse::<Case>().unwrap_or_else(|error| panic!("{error}"));
        self.case(case)
    }

    /// That case alone.
    #[cfg(feature = "libtest-mimic")]
    pub(crate) fn alone(mut self, case: Case) -> Self {
        (self.space.named, self.space.cases, self.space.only) = (vec![case], None, None);
        self
    }

    /// A case of one's own.
    pub fn case(mut self, case: Case) -> Self {
        self.space.named.push(case);
        self
    }
}

/// Multiplications and additions of a problem, masked or not.
fn size(problem: &Problem) -> usize {
    let shape = problem.shape();
    shape.scores().iter().product::<usize>() * (shape.dim + shape.dim_v)
}

/// Writes a file that is named after the case; where, or why not.
#[cfg(feature = "files")]
fn save(
    folder: &std::path::Path,
    case: &Case,
    file: &crate::attn_case::AttnCase,
) -> Result<PathBuf, String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = case.to_string().chars().map(plain).take(120).collect();
    let path = folder.join(format!("{name}.safetensors"));
    let written =
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, file.to_bytes()));
    written.map(|()| path.clone()).map_err(|error| format!("{}: {error}", path.display()))
}
