//! What is vacuous by nature, and why.

use attn_core::{InputDistribution, Inputs, Problem, ProblemSpec};

/// A reason, what it makes vacuous, and the built-in cases where it does; a case that no longer is has to leave the list.
pub(super) const BY_NATURE: &[(&str, &[&str], &[&str])] = &[
    (
        "a single key has weight 1, whatever its score",
        &["q", "k"],
        &[
            "edge/shapes/len/n=1",
            "edge/shapes/cross/n=239x1",
            "edge/shapes/cross-bottom-right/n=239x1",
            "semantics/small/one-element",
            "semantics/small/decode-top-left",
        ],
    ),
    ("every row reads the one key", &["rows"], &["edge/shapes/cross/n=239x1"]),
    (
        "all keys are equal, so all weights are",
        &["q", "k"],
        &[
            "families/masking/full/flat",
            "families/masking/causal-top-left/flat",
            "families/masking/causal-bottom-right/flat",
            "families/masking/causal-offset/flat",
            "families/masking/window/flat",
            "families/masking/causal-window/flat",
            "families/masking/bool-mask/flat",
            "families/masking/bool-mask-keys/flat",
            "families/masking/additive-mask/flat",
            "families/masking/additive-mask-heads/flat",
            "families/masking/padding/flat",
            "families/masking/padding-bottom-right/flat",
            "families/masking/alibi/flat",
            "families/masking/alibi-full/flat",
            "families/masking/softcap-mask/flat",
            "families/masking/single-batch-mask/flat",
            "families/masking/single-batch-additive/flat",
            "families/masking/single-batch-window/flat",
            "semantics/scores/additive-without-weights/f32/flat",
            "semantics/scores/additive-without-weights/f64/flat",
        ],
    ),
    (
        "all weights are equal, and every row reads the same keys",
        &["rows"],
        &[
            "families/masking/full/flat",
            "families/masking/bool-mask-keys/flat",
            "families/masking/padding/flat",
            "semantics/scores/additive-without-weights/f32/flat",
            "semantics/scores/additive-without-weights/f64/flat",
        ],
    ),
    (
        "query heads that read the one key of their key head",
        &["grouped heads"],
        &[
            "edge/shapes/len/n=1",
            "edge/shapes/cross/n=239x1",
            "edge/shapes/cross-bottom-right/n=239x1",
        ],
    ),
    (
        "query heads that weigh the keys of their key head equally",
        &["grouped heads"],
        &[
            "families/masking/full/flat",
            "families/masking/causal-top-left/flat",
            "families/masking/causal-bottom-right/flat",
            "families/masking/causal-offset/flat",
            "families/masking/window/flat",
            "families/masking/causal-window/flat",
            "families/masking/bool-mask-keys/flat",
            "families/masking/padding/flat",
            "families/masking/padding-bottom-right/flat",
            "families/masking/softcap-mask/flat",
            "families/masking/single-batch-mask/flat",
            "families/masking/single-batch-additive/flat",
            "families/masking/single-batch-window/flat",
        ],
    ),
    (
        // Not meant: `InputDistribution::Needle` chooses the key by the row's number, which heads have in common modulo the number
        // of keys where that is the number of queries.
        "query heads whose rows aim at the same keys",
        &["grouped heads"],
        &[
            "edge/shapes/types-single/f64/needle",
            "edge/shapes/types-single/f32/needle",
            "edge/shapes/types-single/bf16/needle",
            "edge/shapes/types-single/f16/needle",
            "families/masking/full/needle",
            "families/masking/sinks/needle",
        ],
    ),
    (
        "a softmax without a sink is the same when a number is added to all scores of a row",
        &["mask values"],
        &[
            "families/masking/additive-mask-heads/normal",
            "families/masking/additive-mask-heads/large-logits",
            "families/masking/additive-mask-heads/needle",
            "families/masking/additive-mask-heads/one-hot-v",
            "families/masking/additive-mask-heads/near-ties",
            "families/masking/additive-mask-heads/small-ints",
            "families/masking/additive-mask-heads/rising",
            "families/masking/additive-mask-heads/falling",
            "families/masking/additive-mask-heads/flat",
            "families/masking/additive-mask-heads/masked-poison",
        ],
    ),
    (
        "the last key scores about 40 less than the first",
        &["kv_len"],
        &["families/masking/padding/falling"],
    ),
    (
        "scores of 20 and more leave a sink no weight",
        &["sinks"],
        &[
            "families/masking/sinks/large-logits",
            "families/masking/sinks/needle",
            "families/masking/sinks/rising",
            "families/masking/sinks-empty-rows/needle",
            "families/masking/everything/large-logits",
        ],
    ),
];

/// What decides whether a random problem is vacuous.
pub(super) struct Facts {
    problem: Problem,
    distribution: InputDistribution,
    /// The most keys that a row admits, masks applied.
    most_keys: usize,
    /// Whether some row reads other keys where every batch has one less.
    reads_last: bool,
}

impl Facts {
    pub(super) fn of(problem: &Problem, inputs: &Inputs, distribution: InputDistribution) -> Self {
        let shape = *problem.shape();
        let rows = (0..shape.batch).flat_map(|b| (0..shape.len_q).map(move |i| (b, i)));
        let keys = rows.clone().flat_map(|(b, i)| {
            (0..shape.heads_q).map(move |h| {
                let admits =
                    |j: &usize| inputs.mask().is_none_or(|m| m.bias([b, h, i, *j]).is_some());
                problem.admitted(b, i).filter(admits).count()
            })
        });
        let shorter = |lengths: &Vec<usize>| lengths.iter().map(|n| n.saturating_sub(1)).collect();
        let kv_len = problem.spec().kv_len.as_ref().map(shorter);
        let shorter =
            Problem::new(ProblemSpec { kv_len, ..problem.spec().clone() }).expect("as valid");
        let reads_last =
            rows.clone().any(|(b, i)| problem.admitted(b, i) != shorter.admitted(b, i));
        Facts {
            problem: problem.clone(),
            distribution,
            most_keys: keys.max().unwrap_or(0),
            reads_last,
        }
    }

    fn is_graded(&self) -> bool {
        matches!(self.distribution, InputDistribution::Rising | InputDistribution::Falling)
    }

    /// Whether a softmax of one key is 1: no sink shares it, or the score, that of the first key, is 0 anyway.
    fn is_single(&self) -> bool {
        self.most_keys <= 1 && (!self.problem.spec().sinks || self.is_graded())
    }

    fn is_flat(&self) -> bool {
        (self.distribution == InputDistribution::Flat || self.problem.scale() == 0.0)
            && !self.problem.spec().sinks
    }

    fn is_steep(&self) -> bool {
        self.is_graded()
            || matches!(
                self.distribution,
                InputDistribution::LargeLogits | InputDistribution::Needle
            )
    }

    /// Whether the needles of all heads lie at the same keys.
    fn is_aimed_alike(&self) -> bool {
        let shape = self.problem.shape();
        self.distribution == InputDistribution::Needle && shape.len_q == shape.len_k
    }

    fn shares_values(&self) -> bool {
        self.problem.shape().heads_kv == 1
    }
}

/// A reason, what it makes vacuous (everything if that is empty), and when it holds.
type Reason = (&'static str, &'static [&'static str], fn(&Facts) -> bool);

const SCORES: [&str; 5] = ["q", "k", "w_q", "w_k", "w"];

pub(super) const REASONS: [Reason; 12] = [
    ("no row admits a key", &[], |f| f.most_keys == 0),
    ("a single key has weight 1", &SCORES, Facts::is_single),
    (
        "a single key for all rows, heads and biases",
        &["rows", "grouped heads", "mask values", "slopes"],
        Facts::is_single,
    ),
    ("heads that share their single key", &["heads"], |f| f.is_single() && f.shares_values()),
    ("one-hot values repeat in every batch", &["batches"], |f| {
        f.is_single() && f.distribution == InputDistribution::OneHotV
    }),
    (
        "all weights are equal",
        &["q", "k", "w_q", "w_k", "w", "rows", "grouped heads"],
        Facts::is_flat,
    ),
    ("heads that share keys that weigh the same", &["heads"], |f| {
        (f.is_flat() || f.is_aimed_alike()) && f.shares_values()
    }),
    ("heads that aim at the same keys", &["grouped heads"], Facts::is_aimed_alike),
    (
        "keys that hardly differ, in a half type",
        &["q", "k", "w_q", "w_k", "w", "grouped heads"],
        |f| f.distribution == InputDistribution::NearTies && f.problem.dtype().size() == 2,
    ),
    ("a number added to a whole row of scores", &["mask values"], |f| {
        !f.problem.spec().sinks && f.problem.spec().mask.is_some_and(|mask| mask.dims[3] == 1)
    }),
    ("few keys decide", &["sinks", "slopes", "kv_len", "rows"], Facts::is_steep),
    ("nobody reads the last key", &["kv_len"], |f| !f.reads_last),
];
