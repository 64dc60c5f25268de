//! Self-attention runs in parallel; a recurrent network has to wait for itself.

use std::num::{NonZeroU32, NonZeroUsize};

use attn_core::{BackendError, DType, Exec, Problem, ProblemSpec, Shape};
use attn_head::Faer;
use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::context::Context;
use crate::probe::normal;
use crate::recurrent::Recurrent;
use crate::timing::{Call, Checks, in_turns};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Threads, from 1 to all processors.
    pub threads: Vec<usize>,
    /// Nanoseconds of self-attention with each number of threads.
    pub attention: Vec<f64>,
    /// Nanoseconds of the recurrent network with each number of threads.
    pub recurrent: Vec<f64>,
    /// Nanoseconds of a loop that shares nothing, with each number of threads: what this machine has
    /// to give at the moment.
    pub control: Vec<f64>,
}

impl Measurement {
    fn speedup(times: &[f64]) -> f64 {
        match (times.first(), times.last()) {
            (Some(one), Some(all)) => one / all,
            _ => f64::NAN,
        }
    }
}

/// Width of the network and, in heads of 64, of the attention.
pub(crate) const WIDTH: usize = 512;
/// Tokens: with as many as the width, both do `4 N^2 M = 4 N M^2` operations.
const TOKENS: usize = WIDTH;
/// The share of the control's speed-up that counts as parallel.
const REAL: f64 = 0.6;
/// With less than this share of its processors free, a machine cannot tell.
const FREE: f64 = 0.75;

/// Times both with one thread and with more, in turns.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let threads: Vec<usize> =
        [1, 2, 4, 8, 16].into_iter().filter(|n| *n <= context.cores).collect();
    let network = Recurrent::random(WIDTH, 51)?;
    let x = normal(TOKENS * WIDTH, 52, 1.0)?;
    let mut calls = Vec::new();
    for &n in &threads {
        calls.push(attention(context, TOKENS, n)?);
        calls.push(recurrence(&network, &x, n)?);
        calls.push(control(n)?);
    }
    let times = in_turns(&mut calls)?;
    let every_third = |from: usize| times.iter().skip(from).step_by(3).copied().collect();
    Ok(Measurement {
        attention: every_third(0),
        recurrent: every_third(1),
        control: every_third(2),
        threads,
    })
}

/// Steps of the control's loop.
const STEPS: usize = 1 << 22;

/// A loop of a fixed number of steps, shared out among threads that have nothing else in common.
fn control<'a>(threads: usize) -> Result<Call<'a>, ClaimError> {
    let pool = pool(threads)?;
    let spin = move |steps: usize| {
        (0..steps).fold(1.0f64, |x, _| std::hint::black_box(x * 0.999_999 + 1e-6))
    };
    Ok(Box::new(move |reps: NonZeroU32| -> Result<(), BackendError> {
        for _ in 0..reps.get() {
            pool.broadcast(|_| spin(STEPS / threads));
        }
        Ok(())
    }))
}

fn pool(threads: usize) -> Result<ThreadPool, ClaimError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| ClaimError::Threads(error.to_string()))
}

/// Self-attention of `WIDTH / 64` heads over `len` tokens, checked.
pub(crate) fn attention<'a>(
    context: &Context<'a>,
    len: usize,
    threads: usize,
) -> Result<Call<'a>, ClaimError> {
    let shape = Shape::square(WIDTH / 64, len, 64);
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32))?;
    let mut cell =
        Checks::new(&problem, context.naive)?.prepare(context.parallel, exec(threads))?;
    Ok(Box::new(move |reps| cell.run(reps)))
}

/// The recurrent network on `x`, checked step by step.
pub(crate) fn recurrence<'a>(
    network: &'a Recurrent,
    x: &'a [f32],
    threads: usize,
) -> Result<Call<'a>, ClaimError> {
    let pool = pool(threads)?;
    let mut states = Vec::new();
    let once =
        move |states: &mut Vec<f32>| pool.install(|| network.run(x, &Faer, exec(threads), states));
    once(&mut states)?;
    let (error, allowed) = (network.step_error(x, &states), network.allowed_error());
    if error > allowed || error.is_nan() {
        return Err(ClaimError::Recurrent { error, allowed });
    }
    Ok(Box::new(move |reps: NonZeroU32| -> Result<(), BackendError> {
        (0..reps.get()).try_for_each(|_| once(&mut states))
    }))
}

fn exec(threads: usize) -> Exec {
    Exec { threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN) }
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let threads = found.threads.last().copied().unwrap_or(1);
    if threads < 2 {
        return (ClaimVerdict::Undecided, "this machine has one processor".into());
    }
    let [attention, recurrent, control] = [&found.attention, &found.recurrent, &found.control]
        .map(|times| Measurement::speedup(times));
    if attention.is_nan() || recurrent.is_nan() || control.is_nan() {
        return (ClaimVerdict::Undecided, "nothing was timed".into());
    }
    if control < FREE * threads as f64 {
        let reason = format!(
            "this machine has other things to do: a loop that shares nothing gained a factor of \
             {control:.2} from {threads} threads"
        );
        return (ClaimVerdict::Undecided, reason);
    }
    if attention < REAL * control {
        let reason = format!("a loop that shares nothing gained a factor of {control:.2}");
        return (ClaimVerdict::DoesNotHold, reason);
    }
    if recurrent >= attention {
        let reason = "it gains from threads, but the recurrent network gains as much";
        return (ClaimVerdict::WithCondition, reason.into());
    }
    let reason = "every score can be computed at the same time; the states of a recurrent network \
                  cannot";
    (ClaimVerdict::Holds, reason.into())
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let series = |name: &str, times: &[f64]| Series {
        name: name.into(),
        points: found.threads.iter().copied().zip(times.iter().copied()).collect(),
    };
    let threads = found.threads.last().copied().unwrap_or(1);
    Ok(Claim {
        id: "parallel".into(),
        section: section::SELF_ATTENTION.into(),
        sentence: "Self-attention can be computed in parallel.".into(),
        method: format!(
            "Attention of {} heads of 64 ({}) and a recurrent network of width {WIDTH} over {TOKENS} \
             tokens, the same number of operations, with 1 and with {threads} threads in turns",
            WIDTH / 64,
            context.parallel.id()
        ),
        figure: format!(
            "speed-up on {threads} threads: self-attention {:.2}, recurrent {:.2}; a loop that shares \
             nothing {:.2}",
            Measurement::speedup(&found.attention),
            Measurement::speedup(&found.recurrent),
            Measurement::speedup(&found.control)
        ),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: format!("Time of {TOKENS} tokens, by threads"),
            x: "Threads".into(),
            y: "Time per call".into(),
            unit: Unit::Nanoseconds,
            series: vec![
                series("self-attention", &found.attention),
                series("recurrent", &found.recurrent),
            ],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let judged = |threads: &[usize], attention: &[f64], recurrent: &[f64], control: f64| {
            let found = Measurement {
                threads: threads.to_vec(),
                attention: attention.to_vec(),
                recurrent: recurrent.to_vec(),
                control: vec![100.0, control],
            };
            verdict(&found).0
        };
        let of = |threads: &[usize], attention: &[f64], recurrent: &[f64]| {
            judged(threads, attention, recurrent, 50.0)
        };
        assert_eq!(of(&[1, 2], &[100.0, 55.0], &[100.0, 98.0]), ClaimVerdict::Holds);
        let busy = judged(&[1, 2], &[100.0, 99.0], &[100.0, 98.0], 80.0);
        assert_eq!(busy, ClaimVerdict::Undecided);
        assert_eq!(of(&[1, 2], &[100.0, 99.0], &[100.0, 98.0]), ClaimVerdict::DoesNotHold);
        assert_eq!(of(&[1, 2], &[100.0, 55.0], &[100.0, 50.0]), ClaimVerdict::WithCondition);
        assert_eq!(of(&[1], &[100.0], &[100.0]), ClaimVerdict::Undecided);
    }
}
