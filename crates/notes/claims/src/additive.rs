//! What the claims about additive scores share: the same attention with both scores, timed.
//!
//! ```text
//! multiplicative   q . k                       one product of matrices
//! additive         sum over d of tanh(q + k)   the hidden layer of the network, D wide
//! ```
//!
//! The additive score is taken without `W_q`, `W_k` and `w`, whose cost grows with N; the hidden layer
//! is computed for every pair of a query and a key.

use attn_core::{DType, Exec, Problem, ProblemSpec, Score, Shape};

use crate::ClaimError;
use crate::context::Context;
use crate::timing::{Call, Checks, in_turns};

/// The fastest backend of each kind at one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// What varies: tokens or width.
    pub size: usize,
    /// Nanoseconds with multiplicative scores.
    pub multiplicative: f64,
    /// Nanoseconds with additive scores.
    pub additive: f64,
}

impl Pair {
    /// How many times as long the additive score takes.
    pub(crate) fn factor(&self) -> f64 {
        self.additive / self.multiplicative
    }
}

/// Tokens where the width varies.
pub(crate) const LEN: usize = 128;
/// Width where the length varies.
pub(crate) const DIM: usize = 32;
const LENGTHS: [usize; 4] = [32, 64, 128, 256];
const DIMS: [usize; 4] = [16, 32, 64, 128];

/// Times both over the length.
pub(crate) fn over_len(context: &Context<'_>) -> Result<Vec<Pair>, ClaimError> {
    LENGTHS.into_iter().map(|len| pair(context, len, [len, DIM])).collect()
}

/// Times both over the width.
pub(crate) fn over_dim(context: &Context<'_>) -> Result<Vec<Pair>, ClaimError> {
    DIMS.into_iter().map(|dim| pair(context, dim, [LEN, dim])).collect()
}

/// All backends with both scores in turns, each checked first.
fn pair(context: &Context<'_>, size: usize, dims: [usize; 2]) -> Result<Pair, ClaimError> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    let mut kinds = Vec::new();
    for (kind, problem) in problems(dims)?.into_iter().enumerate() {
        let checks = Checks::new(&problem, context.naive)?;
        for &backend in context.backends.iter().filter(|b| b.supports(&problem).is_ok()) {
            let mut cell = checks.prepare(backend, Exec::SINGLE)?;
            calls.push(Box::new(move |reps| cell.run(reps)));
            kinds.push(kind);
        }
    }
    let times = in_turns(&mut calls)?;
    let fastest = |kind: usize| {
        let own = times.iter().zip(&kinds).filter(|(_, of)| **of == kind);
        own.map(|(time, _)| *time).fold(f64::INFINITY, f64::min)
    };
    Ok(Pair { size, multiplicative: fastest(0), additive: fastest(1) })
}

/// One head of `[tokens, width]` with multiplicative and with additive scores.
pub(crate) fn problems([len, dim]: [usize; 2]) -> Result<[Problem; 2], ClaimError> {
    let spec = ProblemSpec::new(Shape::square(1, len, dim), DType::F32);
    let score = Score::Additive { dim, w_q: None, w_k: None, w: None };
    let additive = ProblemSpec { score, ..spec.clone() };
    Ok([Problem::new(spec)?, Problem::new(additive)?])
}
