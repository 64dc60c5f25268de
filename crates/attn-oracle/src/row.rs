//! One row of attention in f64: weights, their error sensitivities, and the weighted sums.

use crate::RowStats;
use crate::budget::{Score, relative_error};
use crate::exact::Sum;
use crate::operands::Operands;
use crate::score::Projected;

/// Keys whose score lies further below the largest have weight `exp(-400)` or less: they are 0 in
/// every arithmetic, whatever the rounding of their scores, and get no share in the error.
const FAR: f64 = 400.0;

/// Working memory of one row, reused.
#[derive(Default)]
pub(crate) struct Row {
    /// Admitted keys.
    pub(crate) keys: Vec<usize>,
    /// Weights `w_j` of the admitted keys.
    pub(crate) weights: Vec<f64>,
    /// The row's query, projected where the score does that.
    query: Vec<Projected>,
    /// Scores as they come, with what their rounding depends on.
    pub(crate) scores: Vec<Score>,
    /// Relative errors `E_j` of the weights.
    errors: Vec<f64>,
    sums: Vec<Sum>,
    pub(crate) o: Vec<f64>,
    pub(crate) magnitude: Vec<f64>,
    pub(crate) sensitivity: Vec<f64>,
    pub(crate) stats: RowStats,
}

impl Row {
    /// Computes row `at = [b, h, i]`.
    pub(crate) fn compute(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        self.score(operands, at);
        self.weigh(operands, operands.sink(at[1]));
        self.sum(operands, at);
    }

    /// Final scores of all admitted keys: scale, softcap, ALiBi and mask.
    fn score(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        self.keys.clear();
        self.scores.clear();
        let problem = operands.problem();
        operands.project_query(at, &mut self.query);
        for j in problem.admitted(at[0], at[2]) {
            let Some([alibi, mask]) = operands.biases(at, j) else {
                continue;
            };
            let raw = operands.pair(at, &self.query, j).score(problem);
            let capped = problem.softcap().map_or(raw.value, |c| c * (raw.value / c).tanh());
            self.keys.push(j);
            self.scores.push(Score {
                value: capped + alibi + mask,
                error: raw.error,
                walk: raw.walk,
                biases: alibi.abs() + mask.abs(),
            });
        }
    }

    /// Softmax over the scores and, if there is one, the sink.
    fn weigh(&mut self, operands: &Operands<'_>, sink: Option<f64>) {
        self.weights.clear();
        self.errors.clear();
        let problem = operands.problem();
        let values = self.scores.iter().map(|score| score.value).chain(sink);
        let max = values.fold(f64::NEG_INFINITY, f64::max);
        let (mut total, mut mean_error, mut max_error) = (Sum::default(), 0.0, 0.0f64);
        for score in &self.scores {
            let distance = max - score.value;
            let weight = (-distance).exp();
            let near = distance <= FAR;
            let error = if near { relative_error(problem, score, distance) } else { 0.0 };
            self.weights.push(weight);
            self.errors.push(error);
            total.add(weight);
            mean_error += weight * error;
            max_error = max_error.max(error);
        }
        if let Some(sink) = sink {
            let weight = (sink - max).exp();
            let score = Score { value: sink, error: 0.0, walk: 0.0, biases: 0.0 };
            let error = relative_error(problem, &score, (max - sink).min(FAR));
            total.add(weight);
            mean_error += weight * error;
            max_error = max_error.max(error);
        }
        let total = total.value();
        self.weights.iter_mut().for_each(|weight| *weight /= total);
        let empty = self.scores.is_empty() && sink.is_none();
        self.stats = RowStats {
            keys: self.keys.len(),
            lse: if empty { f64::NEG_INFINITY } else { max + total.ln() },
            max: if empty { 0.0 } else { max },
            mean_error: if empty { 0.0 } else { mean_error / total },
            max_error,
            max_value: 0.0,
        };
    }

    /// Weighted sums of the values.
    fn sum(&mut self, operands: &Operands<'_>, at: [usize; 3]) {
        let width = operands.problem().shape().dim_v;
        self.sums.clear();
        self.sums.resize(width, Sum::default());
        for sums in [&mut self.magnitude, &mut self.sensitivity] {
            sums.clear();
            sums.resize(width, 0.0);
        }
        for ((&j, &weight), &error) in self.keys.iter().zip(&self.weights).zip(&self.errors) {
            for (c, &v) in operands.value(at, j).iter().enumerate() {
                let term = (weight * v).abs();
                self.sums[c].add_product(weight, v);
                self.magnitude[c] += term;
                self.sensitivity[c] += term * error;
                self.stats.max_value = self.stats.max_value.max(v.abs());
            }
        }
        self.o.clear();
        self.o.extend(self.sums.iter().map(|sum| sum.value()));
    }
}
