//! One row of attention in f64: weights, their error sensitivities, and the weighted sums.

use attn_core::DType;

use crate::RowStats;
use crate::bounds::{Score, amplification, relative_error};
use crate::columns::{LANES, Lanes, sums};
use crate::exact::Sum;
use crate::loose::LooseRow;
use crate::operands::Operands;
use crate::score::Projected;
use crate::twist::Softmax;

/// Keys whose score lies further below the largest, rounding errors taken off, have weight `exp(-400)` or
/// less: they are 0 in every arithmetic, and get no share in the error.
const FAR: f64 = 400.0;
/// Weights errors of this size, relative, are beyond first order: the row gets a bound of its own.
const LOOSE: f64 = 0.02;

/// Working memory of one row, reused.
#[derive(Default)]
pub(crate) struct Row {
    /// Admitted keys.
    pub(crate) keys: Vec<usize>,
    /// `exp(s_j - m)` of the admitted keys.
    pub(crate) exps: Vec<f64>,
    /// Weights `w_j` of the admitted keys.
    pub(crate) weights: Vec<f64>,
    /// The row's query, projected where the score does that.
    query: Vec<Projected>,
    /// Scores as they come, with what their rounding depends on.
    pub(crate) scores: Vec<Score>,
    /// Relative errors `E_j` of the weights.
    pub(crate) errors: Vec<f64>,
    /// Score, weight and `E` of the sink, if there is one.
    pub(crate) sink: Option<[f64; 3]>,
    pub(crate) o: Vec<f64>,
    pub(crate) magnitude: Vec<f64>,
    pub(crate) sensitivity: Vec<f64>,
    pub(crate) stats: RowStats,
    /// What bounds the row where its weights may be off by more than first order covers.
    pub(crate) loose: Option<LooseRow>,
}

impl Row {
    /// Computes row `at = [b, h, i]`.
    pub(crate) fn compute(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        self.score(operands, at);
        self.weigh(operands, operands.sink(at[1]));
        if let Some(weights) = operands.twist.weights {
            let scores: Vec<f64> = self.scores.iter().map(|score| score.value).collect();
            let (keys, lse) = (&self.keys, self.stats.lse);
            let row = Softmax { at, keys, scores: &scores, weights: &self.weights, lse };
            self.weights = weights(&row);
        }
        self.lose(operands, at);
        self.sum(operands, at);
        let unit = operands.unit();
        let relative = amplification(unit * self.stats.max_error) * unit * self.stats.mean_error;
        // Written so that NaN is loose.
        let tight = relative <= LOOSE || self.keys.is_empty() || operands.twist.weights.is_some();
        self.loose = (!tight).then(|| LooseRow::new(self, operands, at));
    }

    /// Whether rounding alone decides the weights.
    pub(crate) fn is_undetermined(&self) -> bool {
        self.loose.as_ref().is_some_and(|loose| loose.undetermined)
    }

    /// Final scores of all admitted keys: scale, softcap, ALiBi and mask.
    fn score(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        self.keys.clear();
        self.scores.clear();
        let problem = operands.problem();
        let rounding = operands.rounding(at[0], at[1]);
        operands.project_query(at, &mut self.query);
        if operands.twist.score.is_some() {
            return self.score_twisted(operands, at);
        }
        for j in problem.admitted(at[0], at[2]) {
            let Some([alibi, mask]) = operands.biases(at, j) else {
                continue;
            };
            let raw = operands.pair(at, &self.query, j).score(problem, &rounding);
            let capped = problem.softcap().map_or(raw.value, |c| c * (raw.value / c).tanh());
            self.keys.push(j);
            self.scores.push(Score {
                value: capped + alibi + mask,
                error: raw.error,
                walk: raw.walk,
                biases: alibi.abs() + mask.abs(),
                coarse: rounding.coarse,
            });
        }
    }

    /// Final scores of whatever keys a mistake lets take part.
    fn score_twisted(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        let problem = operands.problem();
        let rounding = operands.rounding(at[0], at[1]);
        for j in 0..problem.shape().len_k {
            let raw = operands.pair(at, &self.query, j).score(problem, &rounding);
            let capped = problem.softcap().map_or(raw.value, |c| c * (raw.value / c).tanh());
            if let Some(value) = operands.twisted(at, j, capped) {
                self.keys.push(j);
                let biases = (value - capped).abs();
                let (error, walk, coarse) = (raw.error, raw.walk, rounding.coarse);
                self.scores.push(Score { value, error, walk, biases, coarse });
            }
        }
    }

    /// Softmax over the scores and, if there is one, the sink.
    fn weigh(&mut self, operands: &Operands<'_>, sink: Option<f64>) {
        self.weights.clear();
        self.errors.clear();
        let (problem, unit) = (operands.problem(), operands.unit());
        let sink = sink.map(Score::given);
        let values = self.scores.iter().chain(&sink).map(|score| score.value);
        let max = values.fold(f64::NEG_INFINITY, f64::max);
        let mut largest_error = 0.0f64;
        for score in self.scores.iter().chain(&sink) {
            let error = relative_error(problem, score, max - score.value);
            if score.value == max {
                largest_error = largest_error.max(error);
            }
            self.errors.push(error);
        }
        let (mut total, mut mean_error, mut max_error) = (Sum::default(), 0.0, 0.0f64);
        for (score, error) in self.scores.iter().chain(&sink).zip(&mut self.errors) {
            let distance = max - score.value;
            if distance > FAR + unit * (*error + largest_error) {
                *error = 0.0;
            }
            let weight = (-distance).exp();
            self.weights.push(weight);
            total.add(weight);
            mean_error += weight * *error;
            max_error = max_error.max(*error);
        }
        let total = total.value();
        self.exps.clone_from(&self.weights);
        self.weights.iter_mut().for_each(|weight| *weight /= total);
        self.sink = sink.and_then(|sink| {
            self.exps.pop();
            let (weight, error) = (self.weights.pop()?, self.errors.pop()?);
            Some([sink.value, weight, error])
        });
        let empty = self.scores.is_empty() && sink.is_none();
        self.stats = RowStats {
            keys: self.keys.len(),
            lse: if empty { f64::NEG_INFINITY } else { max + total.ln() },
            max: if empty { 0.0 } else { max },
            mean_error: if empty { 0.0 } else { mean_error / total },
            max_error,
            max_value: 0.0,
            lost: 0.0,
            concentration: self.concentration(),
        };
    }

    /// The sum of the squares of all weights but the largest, which is that of `exp(0)` and exact in every type.
    fn concentration(&self) -> f64 {
        let squares = self.weights.iter().map(|weight| weight * weight);
        let (sum, largest) = squares.fold((0.0, 0.0f64), |(sum, max), x| (sum + x, max.max(x)));
        (sum - largest).max(0.0)
    }

    /// The largest value, and what storing the weights in f16 may lose: see `bounds.rs`.
    fn lose(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        let largest = operands.largest_values(at);
        let (tiny, half_step) = (2.0 * DType::F16.min_positive(), half_step_of_f16());
        let (mut flushed, mut rounded) = (0.0, 0.0);
        for ((&j, &weight), &exp) in self.keys.iter().zip(&self.weights).zip(&self.exps) {
            let value = largest[j];
            self.stats.max_value = self.stats.max_value.max(value);
            if exp < tiny {
                flushed += weight * value;
            }
            if weight < tiny {
                rounded += weight.min(half_step) * value;
            }
        }
        self.stats.lost = flushed.max(rounded);
    }

    /// Weighted sums of the values.
    fn sum(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        let width = operands.problem().shape().dim_v;
        let values = operands.values(at);
        let (weights, errors) = (&self.weights, &self.errors);
        let doubled = operands.rounding(at[0], at[1]).doubled;
        let add = |_: usize| {
            |key: usize, v: &Lanes, sums: &mut [Lanes; 3]| {
                let (weight, error) = (weights[key], errors[key]);
                for lane in 0..LANES {
                    let term = weight * v[lane];
                    sums[0][lane] += term;
                    sums[1][lane] += term.abs();
                    sums[2][lane] += term.abs() * error;
                }
            }
        };
        let [o, magnitude, sensitivity] = [&mut self.o, &mut self.magnitude, &mut self.sensitivity];
        sums(values, width, &self.keys, add, [&mut *o, magnitude, sensitivity]);
        if doubled {
            for (c, o) in o.iter_mut().enumerate() {
                let mut sum = Sum::default();
                for (&j, &weight) in self.keys.iter().zip(weights) {
                    sum.add_product(weight, values[j * width + c]);
                }
                *o = sum.value();
            }
        }
    }
}

/// Half a step of f16 below its normal range.
pub(crate) const fn half_step_of_f16() -> f64 {
    DType::F16.min_positive() * DType::F16.unit_roundoff()
}
