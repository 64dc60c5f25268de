//! How a kernel is asked, whatever it takes and returns.

use std::fmt::Display;

use attn_core::{
    Arithmetic, Backend, ClaimArithmetic, DType, Data, Element, Exec, Fenced, Format, Inputs,
    Output, Problem, ProblemSpec, compute,
};

use crate::features::{Features, LSE};
use crate::panics;

/// Computes a problem once.
type Ask<'k> = Box<dyn Fn(&Problem, &Inputs) -> Answer + 'k>;

/// A kernel under test.
pub struct Kernel<'k> {
    /// Computes a problem once.
    pub(crate) ask: Ask<'k>,
    /// How exact it is, given how the problem is stored.
    pub(crate) arithmetic: Box<dyn Fn(DType) -> ClaimArithmetic + 'k>,
    /// What it cannot compute because of how it is called.
    pub(crate) out_of_reach: Features,
}

/// What became of one call.
pub(crate) enum Answer {
    /// Its results, to be judged.
    Output(Box<Output>),
    /// It does not compute this problem, and says why.
    Refused(String),
    /// It failed.
    Failed(Failed),
}

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Panic(String),
    Error(String),
    Length(String),
}

/// What a closure returns: `X`, or `X` in a `Result` whose error is shown, or in an `Option` that is `None` where it does not
/// compute the problem.
pub trait Returned<X> {
    /// What came back.
    fn returned(self) -> Reply<X>;
}

/// What came back from a closure.
pub enum Reply<X> {
    /// A result.
    Done(X),
    /// It does not compute this.
    Refused,
    /// Its error.
    Failed(String),
}

/// An output `[B, Hq, Nq, Dv]` and perhaps a log-sum-exp `[B, Hq, Nq]`, row-major.
pub struct Rows<T> {
    pub(crate) o: Vec<T>,
    pub(crate) lse: Option<Vec<T>>,
}

impl<T> Returned<Rows<T>> for Vec<T> {
    fn returned(self) -> Reply<Rows<T>> {
        Reply::Done(Rows { o: self, lse: None })
    }
}

impl<T> Returned<Rows<T>> for (Vec<T>, Vec<T>) {
    fn returned(self) -> Reply<Rows<T>> {
        Reply::Done(Rows { o: self.0, lse: Some(self.1) })
    }
}

impl Returned<()> for () {
    fn returned(self) -> Reply<()> {
        Reply::Done(())
    }
}

impl<X> Returned<X> for Reply<X> {
    fn returned(self) -> Self {
        self
    }
}

impl<X, R: Returned<X>, E: Display> Returned<X> for Result<R, E> {
    fn returned(self) -> Reply<X> {
        match self {
            Ok(value) => value.returned(),
            // What follows may be a backtrace, as in candle's errors.
            Err(error) => {
                Reply::Failed(error.to_string().lines().next().unwrap_or_default().into())
            }
        }
    }
}

impl<X, R: Returned<X>> Returned<X> for Option<R> {
    fn returned(self) -> Reply<X> {
        self.map_or(Reply::Refused, R::returned)
    }
}

/// Calls a closure; what it panics with is its answer.
pub(crate) fn reply<X, R: Returned<X>>(call: impl FnOnce() -> R) -> Result<X, Answer> {
    match panics::caught(|| call().returned()) {
        Ok(Reply::Done(value)) => Ok(value),
        Ok(Reply::Refused) => Err(Answer::Refused("the kernel returned None".into())),
        Ok(Reply::Failed(error)) => Err(Answer::Failed(Failed::Error(error))),
        Err(panic) => Err(Answer::Failed(Failed::Panic(panic))),
    }
}

/// q, k and v as elements of `T`, which holds those of the problem exactly; zeros where no query reads.
pub(crate) fn operands<T: Element>(problem: &Problem, inputs: &Inputs) -> [Vec<T>; 3] {
    let mut qkv = [inputs.q(), inputs.k(), inputs.v()].map(|tensor| elements::<T>(tensor.data()));
    inputs.zero_unread(problem, qkv.each_mut().map(Vec::as_mut_slice));
    qkv
}

/// The elements of `data` as `T`, each rounded.
pub(crate) fn elements<T: Element>(data: &Data) -> Vec<T> {
    T::slice(data)
        .map_or_else(|| data.to_f64().into_iter().map(T::from_f64).collect(), <[T]>::to_vec)
}

impl<'k> Kernel<'k> {
    pub(crate) fn new(
        ask: impl Fn(&Problem, &Inputs) -> Answer + 'k,
        out_of_reach: Features,
    ) -> Self {
        let arithmetic = Box::new(ClaimArithmetic::assumed);
        Kernel { ask: Box::new(ask), arithmetic, out_of_reach }
    }

    /// One that returns what it computes.
    pub(crate) fn returning<T: Element, R: Returned<Rows<T>>>(
        call: impl Fn(&Problem, &Inputs) -> R + 'k,
        out_of_reach: Features,
    ) -> Self {
        let ask = move |problem: &Problem, inputs: &Inputs| match reply(|| call(problem, inputs)) {
            Ok(rows) => match stored(problem, &rows) {
                Ok(out) => Answer::Output(Box::new(out)),
                Err(failed) => Answer::Failed(failed),
            },
            Err(answer) => answer,
        };
        Kernel::new(ask, out_of_reach)
    }

    /// One that writes what it computes, into a buffer between two fences that is poisoned with NaN.
    pub(crate) fn writing<T: Element, R: Returned<()>>(
        call: impl Fn(&Problem, &Inputs, &mut [T]) -> R + 'k,
    ) -> Self {
        let ask = move |problem: &Problem, inputs: &Inputs| {
            let spec = ProblemSpec { dtype: T::DTYPE, ..problem.spec().clone() };
            let twin = Problem::new(spec).expect("any type will do");
            let mut out = Output::poisoned(&twin);
            let buffer = out.o_mut().slice_mut::<T>().expect("stored as T");
            match reply(|| call(problem, inputs, buffer)) {
                Ok(()) => Answer::Output(Box::new(out.stored_as(problem.dtype()))),
                Err(answer) => answer,
            }
        };
        Kernel::new(ask, Features::OF_INPUTS | LSE)
    }

    /// A backend, as exact as it says.
    pub(crate) fn of_backend(backend: &'k dyn Backend) -> Self {
        let ask = move |problem: &Problem, inputs: &Inputs| {
            if let Err(reason) = backend.probe() {
                return Answer::Refused(reason.to_string());
            }
            if let Err(reason) = backend.supports(problem) {
                return Answer::Refused(reason.to_string());
            }
            match panics::caught(|| compute(backend, problem, &Exec::SINGLE, inputs)) {
                Ok(Ok(out)) => Answer::Output(Box::new(out)),
                Ok(Err(error)) => Answer::Failed(Failed::Error(error.to_string())),
                Err(panic) => Answer::Failed(Failed::Panic(panic)),
            }
        };
        let declared = backend.probe().ok().map(|info| info.arithmetic);
        let arithmetic = Box::new(move |storage| {
            let assumed = ClaimArithmetic::assumed(storage);
            declared.map_or(assumed, |declared| coarser(assumed, &declared, storage))
        });
        Kernel { arithmetic, ..Kernel::new(ask, Features::PLAIN) }
    }
}

/// What is assumed, but where the backend says that it is coarser.
fn coarser(assumed: ClaimArithmetic, declared: &Arithmetic, storage: DType) -> ClaimArithmetic {
    let format = |assumed: Format, declared: DType| {
        let declared = Format::of(declared);
        if declared.unit_roundoff() > assumed.unit_roundoff() { declared } else { assumed }
    };
    let sums = declared.sums.of(storage);
    ClaimArithmetic {
        scores: format(assumed.scores, declared.scores.of(storage)),
        weights: format(assumed.weights, declared.weights.of(storage)),
        sums: if sums.unit_roundoff() > assumed.sums.unit_roundoff() { sums } else { assumed.sums },
    }
}

/// The results in the types of the problem, each element rounded.
fn stored<T: Element>(problem: &Problem, rows: &Rows<T>) -> Result<Output, Failed> {
    let mut out = Output::poisoned(problem);
    fill(out.o_mut(), &rows.o, "the output")?;
    match (out.lse_mut(), &rows.lse) {
        (Some(part), Some(lse)) => fill(part, lse, "the log-sum-exp")?,
        (Some(_), None) => {
            let message = "the log-sum-exp is missing: return a pair (output, log-sum-exp)";
            return Err(Failed::Length(message.into()));
        }
        (None, _) => {}
    }
    Ok(out)
}

fn fill<T: Element>(part: &mut Fenced, values: &[T], what: &str) -> Result<(), Failed> {
    let dims = part.dims();
    let expected: usize = dims.iter().product();
    if values.len() != expected {
        let found = values.len();
        let message = format!("{what} has {found} elements, expected {expected}, {dims:?}");
        return Err(Failed::Length(message));
    }
    values.iter().enumerate().for_each(|(i, x)| part.set(i, x.to_f64()));
    Ok(())
}
