//! Rows whose scores are so large that rounding changes the weights by per cents or altogether.
//!
//! First order no longer holds there, but the result is an average of the values whatever the weights are. Let
//! `t` be the key of the largest weight and `p_j = w_j exp(e_j)`, `|e_j| <= u E_j`, the weights as computed. Since
//! `sum_j w_j (v_j - o) = 0`, a factor common to all weights may be taken off, that of key t:
//!
//! ```text
//! o' - o = sum_j w_j (exp(e_j - e_t) - 1) (v_j - o) / sum_j w_j exp(e_j - e_t)
//! bound  = sum_{j != t} w_j expm1(x_j) |v_j - o| / (w_t + sum_{j != t} w_j exp(-x_j)),      x_j = u (E_j + E_t)
//! ```
//!
//! Where one key decides, nothing but the far smaller weights of the others counts, however wrong the scores are.
//! A sink is a key whose value is 0. Where the bound exceeds what separates o from the smallest and the largest value,
//! the row is *undetermined*: all that can be asked is that the result lies between these two.

use crate::operands::Operands;
use crate::row::Row;

/// What bounds a row beyond first order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LooseRow {
    /// The bound above, one per column.
    pub bound: Vec<f64>,
    /// The smallest admitted value of each column, 0 for a sink included.
    pub lower: Vec<f64>,
    /// The largest.
    pub upper: Vec<f64>,
    /// Whether nothing but these two bounds the row.
    pub undetermined: bool,
}

impl LooseRow {
    pub(crate) fn new(row: &Row, operands: &Operands<'_>, at: [usize; 3]) -> Self {
        let (gains, share) = gains(row, operands.unit());
        let width = row.o.len();
        let values = operands.values(at);
        let zero = row.sink.is_some();
        let mut loose = LooseRow {
            bound: vec![0.0; width],
            lower: vec![if zero { 0.0 } else { f64::INFINITY }; width],
            upper: vec![if zero { 0.0 } else { f64::NEG_INFINITY }; width],
            undetermined: false,
        };
        for c in 0..width {
            let o = row.o[c];
            for (&j, gain) in row.keys.iter().zip(&gains) {
                let v = values[j * width + c];
                loose.bound[c] += gain * (v - o).abs();
                loose.lower[c] = loose.lower[c].min(v);
                loose.upper[c] = loose.upper[c].max(v);
            }
            if zero {
                loose.bound[c] += gains.last().unwrap_or(&0.0) * o.abs();
            }
            loose.bound[c] /= share;
            let [below, above] = [o - loose.lower[c], loose.upper[c] - o];
            let decided = loose.bound[c] < below.max(above) || loose.upper[c] <= loose.lower[c];
            loose.undetermined |= !decided;
        }
        loose
    }
}

/// `w_j expm1(x_j)` of every key and, last, the sink, 0 for the key of the largest weight; and the denominator.
fn gains(row: &Row, unit: f64) -> (Vec<f64>, f64) {
    let keys = row.weights.iter().zip(&row.errors).zip(&row.scores);
    let keys = keys.map(|((&weight, &error), score)| (weight, error, score.value));
    let sink = row.sink.map(|[score, weight, error]| (weight, error, score));
    let all: Vec<_> = keys.chain(sink).collect();
    let top = (0..all.len()).max_by(|&a, &b| all[a].0.total_cmp(&all[b].0)).unwrap_or(0);
    let (_, top_error, _) = all[top];
    let mut share = 0.0;
    let gain = |(at, &(weight, error, score)): (usize, &(f64, f64, f64))| {
        if at == top {
            share += weight;
            return 0.0;
        }
        let x = unit * (error + top_error);
        share += weight * (-x).exp();
        // By its logarithm: the weight may be 0 where the gain is not.
        let largest = (score - row.stats.lse + x).exp();
        (largest - weight).clamp(0.0, f64::MAX)
    };
    let gains = all.iter().enumerate().map(gain).collect();
    (gains, share)
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, Data, InputParts, Inputs, Problem, ProblemSpec, Shape, Tensor};

    use crate::{Reference, Rows};

    /// One query of 1 and the given keys and values, scale 1, in f32.
    fn reference(k: &[f32], v: &[f32]) -> Reference {
        let shape = Shape { len_q: 1, ..Shape::square(1, k.len(), 1) };
        let spec = ProblemSpec { scale: Some(1.0), ..ProblemSpec::new(shape, DType::F32) };
        let problem = Problem::new(spec).unwrap();
        let tensor = |dims, x: &[f32]| Tensor::new(dims, Data::F32(x.to_vec())).unwrap();
        let q = tensor(shape.q(), &[1.0]);
        let parts = InputParts::plain(q, tensor(shape.k(), k), tensor(shape.v(), v));
        let inputs = Inputs::new(&problem, parts).unwrap();
        Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap()
    }

    #[test]
    fn a_row_that_one_key_decides_has_a_bound_however_large_its_scores_are() {
        let reference = reference(&[1e9, 2e9, -1e9], &[1.0, 2.0, 3.0]);
        let loose = &reference.loose[&0];
        assert!(!loose.undetermined && loose.bound[0] < 1e-6, "{loose:?}");
        assert_eq!((loose.lower[0], loose.upper[0]), (1.0, 3.0));
    }

    #[test]
    fn a_row_that_rounding_decides_is_undetermined() {
        let reference = reference(&[1e9, 1e9, -1e9], &[1.0, 2.0, 3.0]);
        assert!(reference.loose[&0].undetermined);
    }

    #[test]
    fn ordinary_rows_are_neither() {
        assert!(reference(&[1.0, 2.0, -1.0], &[1.0, 2.0, 3.0]).loose.is_empty());
        assert!(
            !reference(&[1e9, 1e9], &[2.0, 2.0]).loose[&0].undetermined,
            "all values are equal"
        );
    }

    /// The bound against the exact effect of every combination of extreme errors.
    #[test]
    fn no_errors_of_the_scores_move_the_result_beyond_the_bound() {
        let (k, v) = ([3.0e6f32, 3.000_000_5e6, 2.999_999e6], [1.0f32, -2.0, 0.5]);
        let reference = reference(&k, &v);
        let (loose, unit) = (&reference.loose[&0], DType::F32.unit_roundoff());
        let reach = unit * reference.stats[0].max_error;
        let average = |shifts: [f64; 3]| {
            let max = k.iter().fold(0.0f64, |max, &k| max.max(f64::from(k)));
            let p: Vec<f64> =
                k.iter().zip(shifts).map(|(&k, e)| (f64::from(k) - max + e).exp()).collect();
            let sum: f64 = p.iter().zip(v).map(|(p, v)| p * f64::from(v)).sum();
            sum / p.iter().sum::<f64>()
        };
        let mut largest = 0.0f64;
        for signs in 0..8 {
            let shifts = [0, 1, 2].map(|bit| if signs >> bit & 1 == 1 { reach } else { -reach });
            largest = largest.max((average(shifts) - reference.o[0]).abs());
        }
        assert!(largest <= loose.bound[0], "{largest} {loose:?}");
    }
}
