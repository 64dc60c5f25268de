//! What the oracle says of a result, in a form that records keep.

use serde::{Deserialize, Serialize};

/// What is wrong with a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Finding {
    /// Other dimensions or storage type than the problem's output.
    #[error("the output is {found}, expected {expected}")]
    WrongShape {
        /// Storage type and dimensions.
        found: String,
        /// Storage type and dimensions.
        expected: String,
    },
    /// Something was written outside the output.
    #[error("memory outside the output was written")]
    FenceBroken,
    /// Elements that still hold the poison.
    #[error("{count} of {total} elements were never written, the first at {first:?}")]
    NotWritten {
        /// How many.
        count: usize,
        /// Out of how many.
        total: usize,
        /// `[b, h, i, c]`.
        first: [usize; 4],
    },
    /// NaN or infinity, checked in every row.
    #[error("{count} of {total} elements are NaN or infinite, the first is {value} at {first:?}")]
    NotFinite {
        /// How many.
        count: usize,
        /// Out of how many.
        total: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
        /// `[b, h, i, c]`.
        first: [usize; 4],
    },
    /// The a-priori bound is exceeded.
    #[error("{count} of {total} elements are beyond their error bound, the worst {worst}")]
    BeyondBound {
        /// How many.
        count: usize,
        /// Out of how many that were checked.
        total: usize,
        /// The element with the largest error in units of its bound.
        worst: Worst,
    },
    /// The error is larger than the yardstick allows.
    #[error("the largest error is {error:.3e}, allowed are {allowed:.3e} (naive has {naive:.3e})")]
    BeyondYardstick {
        /// Largest error.
        error: f64,
        /// Largest error allowed.
        allowed: f64,
        /// Largest error of naive.
        naive: f64,
    },
    /// The errors of some part of the output are larger together than rounding explains.
    #[error(
        "the errors of {part} are {share:.1} times what rounding explains (root mean square {error:.3e}, allowed {allowed:.3e})"
    )]
    BeyondNoise {
        /// Which elements.
        part: String,
        /// Root mean square of their errors.
        error: f64,
        /// What it may be.
        allowed: f64,
        /// `error / allowed`.
        share: f64,
    },
    /// Elements of undetermined rows that no weights can explain.
    #[error(
        "{count} of {total} elements of undetermined rows lie outside the values that they average, the first {worst}"
    )]
    OutsideValues {
        /// How many.
        count: usize,
        /// Out of how many elements of undetermined rows.
        total: usize,
        /// The first; its bound is the distance from the truth to the values' smallest or largest.
        worst: Worst,
    },
    /// A part of the output that the problem asks for is not there.
    #[error("{what} is missing")]
    Missing {
        /// `out` or `lse`.
        what: String,
    },
    /// The log-sum-exp is wrong.
    #[error("lse: {finding}")]
    Lse {
        /// What is wrong with it; its elements are `[b, h, i, 0]`.
        finding: Box<Finding>,
    },
    /// The scores are so large that no bound exists in this arithmetic.
    #[error("no error bound exists: the scores exceed what the arithmetic resolves")]
    NoBound,
}

/// One element, its truth and its budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worst {
    /// `[b, h, i, c]`.
    pub index: [usize; 4],
    /// As computed.
    #[serde(with = "any_float")]
    pub got: f64,
    /// The truth.
    #[serde(with = "any_float")]
    pub want: f64,
    /// The largest error allowed.
    pub bound: f64,
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [b, h, i, c] = self.index;
        let Worst { got, want, bound, .. } = self;
        let error = (got - want).abs();
        write!(f, "[b {b}, h {h}, i {i}, c {c}] = {got:.6e}, expected {want:.6e}, ")?;
        write!(f, "error {error:.2e}, bound {bound:.2e}")
    }
}

/// How far a result is from the truth, over the checked rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// `max |err|`.
    pub max_abs: f64,
    /// `max |err| / |want|` over elements that are not 0.
    pub max_rel: f64,
    /// `sqrt(sum err^2 / sum want^2)`.
    pub rel_l2: f64,
    /// `sum err^2 / sum want^2`.
    pub nmse: f64,
    /// `max |err|` in units in the last place of the expected value.
    pub max_ulp: f64,
    /// `max |err| / bound`, the share of the a-priori budget that is used.
    pub bound_share: f64,
    /// `max |err| / allowed`, the share of the yardstick's budget that is used.
    pub yardstick_share: Option<f64>,
    /// The largest share of what rounding explains that any part of the output uses; only of results that
    /// were computed elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_share: Option<f64>,
    /// The element with the largest share of its bound.
    pub worst: Worst,
}

/// The judgement of one result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Everything that is wrong; empty means that the result agrees.
    pub findings: Vec<Finding>,
    /// Absent if an element is missing or not finite.
    pub metrics: Option<Metrics>,
    /// Query rows compared with the reference, of every batch and head.
    pub rows_checked: usize,
    /// Query rows of the problem.
    pub rows_total: usize,
    /// Rows, over all batches and heads, whose scores are so large that rounding alone decides the weights:
    /// of them it is only asked that they lie within the values that they average.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undetermined: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Verdict {
    /// Whether the result is right.
    pub fn agrees(&self) -> bool {
        self.findings.is_empty()
    }

    /// The largest share of the budgets.
    pub fn budget_share(&self) -> Option<f64> {
        let metrics = self.metrics?;
        let shares = [metrics.yardstick_share, metrics.noise_share].into_iter().flatten();
        Some(shares.fold(metrics.bound_share, f64::max))
    }
}

/// Floats in JSON, which has no infinities and no NaN: those are strings.
mod any_float {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Float {
        Number(f64),
        Name(String),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
        if x.is_finite() { to.serialize_f64(*x) } else { to.serialize_str(&x.to_string()) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Float::deserialize(from)? {
            Float::Number(x) => Ok(x),
            Float::Name(name) => name.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_survive_json() {
        let worst = Worst { index: [0; 4], got: f64::NEG_INFINITY, want: 1.5, bound: 0.0 };
        let json = serde_json::to_string(&worst).unwrap();
        assert!(json.contains(r#""got":"-inf","want":1.5"#), "{json}");
        assert_eq!(serde_json::from_str::<Worst>(&json).unwrap(), worst);
    }
}
