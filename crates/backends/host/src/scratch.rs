//! What a backend holds that materialises the scores of one head.

use attn_core::Problem;

use crate::{HeadOutput, Normaliser, Real};

/// Scores, then weights, of one query head, and what each row of them is divided by.
pub struct Scratch<C> {
    /// `[Nq, keys]`, row-major; `keys` at most those that some row of some batch admits.
    pub s: Vec<C>,
    /// One per row.
    pub normalisers: Vec<Normaliser<C>>,
}

impl<C: Real> Scratch<C> {
    /// Enough for every head of `problem`.
    pub fn new(problem: &Problem) -> Self {
        let rows = problem.shape().len_q;
        let batches = 0..problem.shape().batch;
        let used = batches.map(|b| problem.used_keys(b).len()).max().unwrap_or(0);
        let none = Normaliser { l: C::ONE, lse: C::ZERO };
        Scratch { s: vec![C::ZERO; rows * used], normalisers: vec![none; rows] }
    }

    /// Divides the rows of `out.o`, sums over weights so far, and writes the log-sum-exp.
    pub fn normalise(&self, width: usize, out: HeadOutput<'_, C>) {
        for (o, n) in out.o.chunks_exact_mut(width).zip(&self.normalisers) {
            for o in o {
                *o /= n.l;
            }
        }
        if let Some(lse) = out.lse {
            lse.iter_mut().zip(&self.normalisers).for_each(|(lse, n)| *lse = n.lse);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.s.len() * size_of::<C>() + self.normalisers.len() * size_of::<Normaliser<C>>()
    }
}
