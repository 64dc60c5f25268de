//! Attention in f64 with a two-pass softmax, and the sums that its error bound is made of.

use std::ops::Range;

use attn_core::{Data, Inputs, Problem, Shape};

use crate::Rows;
use crate::budget::relative_score_error;

/// The true output on a set of query rows.
///
/// With `w_j = exp(s_j - lse)` the weights of row i, and `E_j` the relative error of `w_j` in
/// units of the unit roundoff ([`Budget`](crate::Budget) derives it), the arrays hold per element
/// `[B, Hq, R, Dv]`, R the number of rows:
///
/// ```text
/// o           = sum_j w_j v_jc
/// magnitude   = sum_j w_j |v_jc|
/// sensitivity = sum_j w_j |v_jc| E_j
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The rows, in order.
    pub rows: Rows,
    /// The result.
    pub o: Vec<f64>,
    /// The result with absolute values.
    pub magnitude: Vec<f64>,
    /// First-order effect of score errors on the numerator, per unit roundoff.
    pub sensitivity: Vec<f64>,
    /// One per `[B, Hq, R]`.
    pub stats: Vec<RowStats>,
}

/// What the bound needs to know of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStats {
    /// Natural logarithm of `sum_j exp(s_j)`; -inf for a row that admits no key.
    pub lse: f64,
    /// `sum_j w_j E_j`.
    pub mean_error: f64,
    /// `max_j E_j`.
    pub max_error: f64,
    /// `max_jc |v_jc|` over admitted keys.
    pub max_value: f64,
}

/// The oracle itself failed: an error of the harness, never a verdict about a backend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OracleError {
    /// The f64 result is NaN or infinite although the inputs are finite.
    #[error("the reference is {value} at {index:?}: the scores or values overflow f64")]
    NotFinite {
        /// The element.
        value: f64,
        /// `[b, h, i, c]`.
        index: [usize; 4],
    },
}

impl Reference {
    /// Computes the given rows of every batch and head.
    pub fn compute(problem: &Problem, inputs: &Inputs, rows: Rows) -> Result<Self, OracleError> {
        let shape = *problem.shape();
        let heads = Heads::new(problem, inputs);
        let len = shape.batch * shape.heads_q * rows.len();
        let mut reference = Reference {
            o: Vec::with_capacity(len * shape.dim_v),
            magnitude: Vec::with_capacity(len * shape.dim_v),
            sensitivity: Vec::with_capacity(len * shape.dim_v),
            stats: Vec::with_capacity(len),
            rows,
        };
        let mut row = Row::default();
        for b in 0..shape.batch {
            for h in 0..shape.heads_q {
                for at in 0..reference.rows.len() {
                    let i = reference.rows.indices()[at];
                    let keys = problem.admitted(i);
                    row.weigh(
                        heads.query(b, h, i),
                        heads.keys(b, h, &keys),
                        problem.scale(),
                    );
                    row.sum(heads.values(b, h, &keys), shape.dim_v);
                    if let Some(c) = row.o.iter().position(|o| !o.is_finite()) {
                        return Err(OracleError::NotFinite {
                            value: row.o[c],
                            index: [b, h, i, c],
                        });
                    }
                    reference.push(&row);
                }
            }
        }
        Ok(reference)
    }

    fn push(&mut self, row: &Row) {
        self.o.extend(&row.o);
        self.magnitude.extend(&row.magnitude);
        self.sensitivity.extend(&row.sensitivity);
        self.stats.push(row.stats);
    }

    /// Every checked element: its place in the full output `[b, h, i, c]` and its place in the
    /// arrays of this reference.
    pub fn elements(&self, problem: &Problem) -> impl Iterator<Item = ([usize; 4], usize)> {
        let [_, heads, _, width] = problem.shape().out();
        let rows = self.rows.len();
        (0..self.o.len()).map(move |at| {
            let (row, c) = (at / width, at % width);
            let (head, i) = (row / rows, self.rows.indices()[row % rows]);
            ([head / heads, head % heads, i, c], at)
        })
    }

    /// The result as it would be stored: rounded to the problem's type.
    pub fn rounded(&self, problem: &Problem) -> Data {
        Data::from_f64(problem.dtype(), self.o.iter().copied())
    }
}

/// The weights of every row of one head: `[i][j]`, `None` where query i does not admit key j.
pub fn weights(problem: &Problem, inputs: &Inputs, b: usize, h: usize) -> Vec<Vec<Option<f64>>> {
    let heads = Heads::new(problem, inputs);
    let mut row = Row::default();
    let of_row = |i| {
        let keys = problem.admitted(i);
        row.weigh(
            heads.query(b, h, i),
            heads.keys(b, h, &keys),
            problem.scale(),
        );
        let mut weights = vec![None; problem.shape().len_k];
        for (slot, &weight) in weights[keys].iter_mut().zip(&row.weights) {
            *slot = Some(weight);
        }
        weights
    };
    (0..problem.shape().len_q).map(of_row).collect()
}

/// The inputs in f64, and where each head's rows are.
struct Heads {
    shape: Shape,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
}

impl Heads {
    fn new(problem: &Problem, inputs: &Inputs) -> Self {
        let [q, k, v] = [inputs.q(), inputs.k(), inputs.v()].map(|t| t.data().to_f64());
        Heads {
            shape: *problem.shape(),
            q,
            k,
            v,
        }
    }

    fn query(&self, b: usize, h: usize, i: usize) -> &[f64] {
        let Shape {
            heads_q,
            len_q,
            dim,
            ..
        } = self.shape;
        &self.q[((b * heads_q + h) * len_q + i) * dim..][..dim]
    }

    fn keys(&self, b: usize, h: usize, keys: &Range<usize>) -> &[f64] {
        let dim = self.shape.dim;
        &self.k[(self.first_key(b, h) + keys.start) * dim..][..keys.len() * dim]
    }

    fn values(&self, b: usize, h: usize, keys: &Range<usize>) -> &[f64] {
        let width = self.shape.dim_v;
        &self.v[(self.first_key(b, h) + keys.start) * width..][..keys.len() * width]
    }

    /// Row of k and v at which the key/value head of query head `h` begins: `h Hkv / Hq`.
    fn first_key(&self, b: usize, h: usize) -> usize {
        let Shape {
            heads_q,
            heads_kv,
            len_k,
            ..
        } = self.shape;
        (b * heads_kv + h * heads_kv / heads_q) * len_k
    }
}

/// Working memory of one row, reused.
#[derive(Default)]
struct Row {
    /// Weights `w_j`.
    weights: Vec<f64>,
    /// Relative errors `E_j` of the weights.
    errors: Vec<f64>,
    o: Vec<f64>,
    magnitude: Vec<f64>,
    sensitivity: Vec<f64>,
    stats: RowStats,
}

impl Row {
    /// Weights of the keys `k` (row-major) for the query `q`, and their error sensitivities.
    fn weigh(&mut self, q: &[f64], k: &[f64], scale: f64) {
        self.weights.clear();
        self.errors.clear();
        for k in k.chunks_exact(q.len()) {
            let (mut dot, mut absolute) = (0.0, 0.0);
            for (q, k) in q.iter().zip(k) {
                dot += q * k;
                absolute += (q * k).abs();
            }
            self.weights.push(scale * dot);
            self.errors.push(scale.abs() * absolute);
        }
        let max = self
            .weights
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (weight, error) in self.weights.iter_mut().zip(&mut self.errors) {
            let distance = max - *weight;
            *error = relative_score_error(q.len(), *error, distance);
            *weight = (-distance).exp();
            total += *weight;
        }
        let (mut mean_error, mut max_error) = (0.0, 0.0f64);
        for (weight, &error) in self.weights.iter_mut().zip(&self.errors) {
            *weight /= total;
            mean_error += *weight * error;
            max_error = max_error.max(error);
        }
        self.stats = RowStats {
            lse: max + total.ln(),
            mean_error,
            max_error,
            max_value: 0.0,
        };
    }

    /// Weighted sums of the values `v` (row-major, `width` columns).
    fn sum(&mut self, v: &[f64], width: usize) {
        for sums in [&mut self.o, &mut self.magnitude, &mut self.sensitivity] {
            sums.clear();
            sums.resize(width, 0.0);
        }
        for ((v, &weight), &error) in v.chunks_exact(width).zip(&self.weights).zip(&self.errors) {
            for (c, &v) in v.iter().enumerate() {
                let term = weight * v;
                self.o[c] += term;
                self.magnitude[c] += term.abs();
                self.sensitivity[c] += term.abs() * error;
                self.stats.max_value = self.stats.max_value.max(v.abs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use attn_core::{Alignment, DType, Family, ProblemSpec, Tensor};

    use super::*;

    fn inputs(problem: &Problem, q: Vec<f64>, k: Vec<f64>, v: Vec<f64>) -> Inputs {
        let shape = problem.shape();
        let tensor = |dims, data| Tensor::new(dims, Data::F64(data)).unwrap();
        Inputs::new(
            problem,
            tensor(shape.q(), q),
            tensor(shape.k(), k),
            tensor(shape.v(), v),
        )
        .unwrap()
    }

    /// Keras' documented result of plain dot attention without the factor 1/sqrt(d).
    #[test]
    fn agrees_with_the_published_dot_product_example() {
        let spec = ProblemSpec {
            scale: Some(1.0),
            ..ProblemSpec::new(Shape::square(1, 2, 2), DType::F64)
        };
        let problem = Problem::new(spec).unwrap();
        let inputs = inputs(
            &problem,
            vec![1.0, 0.0, 0.0, 1.0],
            vec![0.0, 1.0, 1.0, 0.0],
            vec![1.0, 2.0, 3.0, 4.0],
        );
        let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        for (got, want) in reference.o.iter().zip([2.462, 3.462, 1.538, 2.538]) {
            assert!((got - want).abs() < 1e-3, "{got} {want}");
        }
    }

    #[test]
    fn a_row_without_keys_is_zero_with_lse_minus_infinity() {
        let spec = ProblemSpec {
            causal: Some(Alignment::Offset(-1)),
            ..ProblemSpec::new(Shape::square(1, 2, 1), DType::F64)
        };
        let problem = Problem::new(spec).unwrap();
        let inputs = inputs(
            &problem,
            vec![1.0; 2],
            vec![1.0, f64::NAN],
            vec![5.0, f64::NAN],
        );
        let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        assert_eq!(reference.o, [0.0, 5.0]);
        assert_eq!(reference.stats[0].lse, f64::NEG_INFINITY);
    }

    #[test]
    fn weights_sum_to_one_over_the_admitted_keys() {
        let shape = Shape {
            heads_kv: 1,
            ..Shape::square(2, 4, 3)
        };
        let causal = Some(Alignment::TopLeft);
        let spec = ProblemSpec {
            causal,
            ..ProblemSpec::new(shape, DType::F32)
        };
        let problem = Problem::new(spec).unwrap();
        let weights = weights(
            &problem,
            &Inputs::generate(&problem, Family::Normal, 1),
            0,
            1,
        );
        for (i, row) in weights.iter().enumerate() {
            assert_eq!(row.iter().flatten().count(), i + 1);
            assert!((row.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn scores_that_overflow_f64_are_an_error_of_the_harness() {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 1, 1), DType::F64)).unwrap();
        let inputs = inputs(&problem, vec![1e200], vec![1e200], vec![1.0]);
        let error = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap_err();
        assert!(matches!(
            error,
            OracleError::NotFinite {
                index: [0, 0, 0, 0],
                ..
            }
        ));
    }

    #[test]
    fn chosen_rows_are_the_rows_of_the_whole() {
        let shape = Shape {
            batch: 2,
            heads_kv: 2,
            len_k: 9,
            dim_v: 3,
            ..Shape::square(4, 7, 5)
        };
        let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
        let inputs = Inputs::generate(&problem, Family::Normal, 1);
        let whole = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        let rows = Rows::from_indices(vec![6, 0, 3]);
        let part = Reference::compute(&problem, &inputs, rows).unwrap();
        let all: std::collections::BTreeMap<_, _> = whole.elements(&problem).collect();
        assert_eq!(part.o.len(), 2 * 4 * 3 * 3);
        for (index, at) in part.elements(&problem) {
            assert_eq!(part.o[at], whole.o[all[&index]]);
        }
    }
}
