//! One query head: its matrices, and what modifies its scores.

use std::ops::Range;

use attn_core::{Feature, Mask, Problem, ScoreWeights, Shape, Unsupported};

use crate::Real;

/// What one query head of one batch reads.
#[derive(Clone, Copy)]
pub struct Head<'a, C> {
    /// The whole problem.
    pub problem: &'a Problem,
    /// Batch.
    pub b: usize,
    /// Query head.
    pub h: usize,
    /// `[Nq, D]`, row-major.
    pub q: &'a [C],
    /// `[Nk, Dk]`, row-major, of the key/value head that this query head shares.
    pub k: &'a [C],
    /// `[Nk, Dv]`, row-major.
    pub v: &'a [C],
    /// This head's weights of the score, row-major: `[D, A]`, `[Dk, A]`, `[A]` or `[D, Dk]`.
    pub weights: ScoreWeights<&'a [C]>,
    /// The mask of the whole problem.
    pub mask: Option<&'a Mask>,
    /// This head's ALiBi slope.
    pub slope: Option<C>,
    /// This head's sink logit.
    pub sink: Option<C>,
}

/// Where one head's results go.
pub struct HeadOutput<'o, C> {
    /// `[Nq, Dv]`, row-major; every element is to be written.
    pub o: &'o mut [C],
    /// `[Nq]`, where the log-sum-exp is asked for; every element is to be written.
    pub lse: Option<&'o mut [C]>,
}

/// Refuses what [`Head`] says nothing of.
pub fn supports(problem: &Problem) -> Result<(), Unsupported> {
    problem.needs_only(Feature::is_basic)
}

impl<C: Real> Head<'_, C> {
    /// Sizes of the problem.
    pub const fn shape(&self) -> &Shape {
        self.problem.shape()
    }

    /// The keys that row `i` admits by position.
    pub fn admitted(&self, i: usize) -> Range<usize> {
        self.problem.admitted(self.b, i)
    }

    /// The keys that some row admits by position.
    pub fn used_keys(&self) -> Range<usize> {
        self.problem.used_keys(self.b)
    }

    /// Whether scores stay as they are once they are scaled: no softcap, ALiBi or mask.
    pub fn is_plain(&self) -> bool {
        !self.problem.changes_scores() && self.mask.is_none()
    }

    /// The final score of row `i` and key `j`, which is admitted by position, from the scaled one:
    /// softcap, ALiBi, mask; -inf if the mask does not admit the key.
    pub fn finish(&self, i: usize, j: usize, scaled: C) -> C {
        let mut s = scaled;
        if let Some(c) = self.problem.softcap() {
            let c = C::from_f64(c);
            s = c * (s / c).tanh();
        }
        if let Some(slope) = self.slope {
            let distance = (self.problem.diagonal(self.b, i) as f64 - j as f64).abs();
            s = s - slope * C::from_f64(distance);
        }
        match self.mask.map(|mask| mask.bias([self.b, self.h, i, j])) {
            None => s,
            Some(Some(bias)) => s + C::from_f64(bias),
            Some(None) => C::NEG_INFINITY,
        }
    }
}
