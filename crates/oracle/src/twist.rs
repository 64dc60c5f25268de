//! Known mistakes, computed exactly: what a result would be if a step were done wrong.

/// A key of a row on its way into the softmax.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `[b, h, i, j]`.
    pub at: [usize; 4],
    /// The score after scale and softcap.
    pub capped: f64,
    /// What ALiBi adds.
    pub alibi: f64,
    /// What the mask adds, 0 without one; `None` if it does not admit the key.
    pub mask: Option<f64>,
    /// Whether the key is admitted by its position.
    pub in_reach: bool,
}

impl Key {
    /// The final score, as it should be; `None` if the key is not admitted.
    pub fn right(&self) -> Option<f64> {
        self.mask.filter(|_| self.in_reach).map(|mask| self.capped + self.alibi + mask)
    }
}

/// A row between softmax and values.
#[derive(Clone, Copy, Debug)]
pub struct Softmax<'a> {
    /// `[b, h, i]`.
    pub at: [usize; 3],
    /// The keys that take part.
    pub keys: &'a [usize],
    /// Their final scores.
    pub scores: &'a [f64],
    /// Their weights, as they should be.
    pub weights: &'a [f64],
    /// The logarithm of the sum of the exponentials of the scores, sink included.
    pub lse: f64,
}

/// The final score of a key, of all keys of the problem; `None` leaves it out.
pub type ScoreStep<'a> = dyn Fn(&Key) -> Option<f64> + Sync + 'a;
/// The weights of a row.
pub type WeightStep<'a> = dyn Fn(&Softmax<'_>) -> Vec<f64> + Sync + 'a;

/// Steps that replace the right ones.
#[derive(Clone, Copy, Default)]
pub struct Twist<'a> {
    /// Instead of [`Key::right`].
    pub score: Option<&'a ScoreStep<'a>>,
    /// Instead of the weights of the softmax.
    pub weights: Option<&'a WeightStep<'a>>,
}
