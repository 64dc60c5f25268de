//! Attention in f64 with a two-pass softmax, and the sums that its error bound is made of.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use attn_core::{ClaimArithmetic, DType, Data, Format, Inputs, Problem, lse_dtype};

use crate::bounds::{Bounds, NoiseUnits};
use crate::loose::LooseRow;
use crate::noise;
use crate::operands::Operands;
use crate::row::Row;
use crate::rows::Rows;
use crate::twist::Twist;
use crate::typical::Typical;

/// Rows that a thread computes at a time.
const PIECE: usize = 16;

/// The true output on a set of query rows.
///
/// With `w_j = exp(s_j - lse)` the weights of row i, and `E_j` the relative error of `w_j` in
/// units of the unit roundoff ([`Bounds`](crate::Bounds) derives it), the arrays hold per element
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
    /// What bounds the rows beyond first order, by their place in `stats`.
    pub loose: BTreeMap<usize, LooseRow>,
    /// The largest error that is to be expected of a correct result, see `noise.rs`; 0 where nobody asked.
    noise: f64,
    /// How large errors typically are, element by element: of a claim only.
    pub typical: Option<Typical>,
}

/// What the bound needs to know of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStats {
    /// Keys that the row admits.
    pub keys: usize,
    /// Natural logarithm of `sum_j exp(s_j)`, sink included; -inf for a row that admits no key.
    pub lse: f64,
    /// `max_j s_j`, sink included; 0 for a row that admits no key.
    pub max: f64,
    /// `sum_j w_j E_j`, sink included.
    pub mean_error: f64,
    /// `max_j E_j`.
    pub max_error: f64,
    /// `max_jc |v_jc|` over admitted keys.
    pub max_value: f64,
    /// What weights that are held in f16 may lose below its normal range.
    pub lost: f64,
    /// `sum_j w_j^2` over all keys but that of the largest weight.
    pub concentration: f64,
}

/// How much of the machine the oracle may use, and who watches.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Threads, the caller's included.
    pub threads: usize,
    /// Told from time to time how many rows are done, of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Effort<'_> {
    /// One thread, unwatched.
    pub const SINGLE: Effort<'static> = Effort { threads: 1, progress: &|_, _| {} };

    /// All processors, unwatched.
    pub fn all() -> Effort<'static> {
        static THREADS: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, Into::into));
        Effort { threads: *THREADS, ..Effort::SINGLE }
    }
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
    /// Computes the given rows of every batch and head, for results whose scores are in the storage type or in f32
    /// for the half types.
    pub fn compute(problem: &Problem, inputs: &Inputs, rows: Rows) -> Result<Self, OracleError> {
        Reference::of_inputs(problem, inputs, rows, Beside::Nothing)
    }

    /// The same, and the largest error that is to be expected of a correct result: a
    /// [`Yardstick`](crate::Yardstick) is made of both.
    pub fn with_noise(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
    ) -> Result<(Self, f64), OracleError> {
        let reference = Reference::of_inputs(problem, inputs, rows, Beside::Noise)?;
        let noise = reference.noise;
        Ok((reference, noise))
    }

    fn of_inputs(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
        beside: Beside<'_>,
    ) -> Result<Self, OracleError> {
        let scores = Format::of(lse_dtype(problem.dtype()));
        let operands = Operands::new(problem, inputs, scores);
        Pass { operands: &operands, rows, beside }.run(Effort::all())
    }

    /// The same for a result of the given arithmetic that was computed elsewhere and stored as `out`, with the sizes
    /// of its typical errors.
    pub fn of_claim(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
        (arithmetic, out): (&ClaimArithmetic, DType),
        effort: Effort<'_>,
    ) -> Result<Self, OracleError> {
        let operands = Operands::new(problem, inputs, arithmetic.scores);
        Reference::judging(&operands, rows, (arithmetic, out), effort)
    }

    /// Likewise, with steps done wrong on purpose.
    pub fn of_mistake(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
        (arithmetic, out): (&ClaimArithmetic, DType),
        twist: Twist<'_>,
    ) -> Result<Self, OracleError> {
        let mut operands = Operands::new(problem, inputs, arithmetic.scores);
        operands.twist = twist;
        Reference::judging(&operands, rows, (arithmetic, out), Effort::SINGLE)
    }

    fn judging(
        operands: &Operands<'_>,
        rows: Rows,
        (arithmetic, out): (&ClaimArithmetic, DType),
        effort: Effort<'_>,
    ) -> Result<Self, OracleError> {
        let units = Bounds::of_claim(arithmetic, out).noise_units();
        Pass { operands, rows, beside: Beside::Typical(&units) }.run(effort)
    }

    fn empty(rows: Rows, beside: &Beside<'_>) -> Self {
        Reference {
            rows,
            o: Vec::new(),
            magnitude: Vec::new(),
            sensitivity: Vec::new(),
            stats: Vec::new(),
            loose: BTreeMap::new(),
            noise: 0.0,
            typical: matches!(beside, Beside::Typical(_)).then(Typical::default),
        }
    }

    fn push(&mut self, row: &mut Row) {
        self.o.extend(&row.o);
        self.magnitude.extend(&row.magnitude);
        self.sensitivity.extend(&row.sensitivity);
        if let Some(loose) = row.loose.take() {
            self.loose.insert(self.stats.len(), loose);
        }
        self.stats.push(row.stats);
    }

    fn append(&mut self, mut part: Reference) {
        let first = self.stats.len();
        self.o.append(&mut part.o);
        self.magnitude.append(&mut part.magnitude);
        self.sensitivity.append(&mut part.sensitivity);
        self.loose.extend(part.loose.into_iter().map(|(at, loose)| (first + at, loose)));
        self.stats.append(&mut part.stats);
        self.noise = self.noise.max(part.noise);
        if let (Some(all), Some(more)) = (&mut self.typical, &mut part.typical) {
            all.append(more);
        }
    }

    /// Whether rounding alone decides the weights of the row at this place in `stats`.
    pub fn is_undetermined(&self, row: usize) -> bool {
        self.loose.get(&row).is_some_and(|row| row.undetermined)
    }

    /// Every checked row: its place `[b, h, i]` in the full output and its place in `stats`.
    pub fn rows_of(&self, problem: &Problem) -> impl Iterator<Item = ([usize; 3], usize)> {
        let heads = problem.shape().heads_q;
        let rows = self.rows.len();
        (0..self.stats.len()).map(move |at| {
            let (head, i) = (at / rows, self.rows.indices()[at % rows]);
            ([head / heads, head % heads, i], at)
        })
    }

    /// Every checked element: its place in the full output `[b, h, i, c]` and its place in the
    /// arrays of this reference.
    pub fn elements(&self, problem: &Problem) -> impl Iterator<Item = ([usize; 4], usize)> {
        let width = problem.shape().dim_v;
        self.rows_of(problem).flat_map(move |([b, h, i], row)| {
            (0..width).map(move |c| ([b, h, i, c], row * width + c))
        })
    }

    /// The result as it would be stored: rounded to the problem's type.
    pub fn rounded(&self, problem: &Problem) -> Data {
        Data::from_f64(problem.dtype(), self.o.iter().copied())
    }
}

/// One computation of a reference, cut into pieces of rows.
struct Pass<'a> {
    operands: &'a Operands<'a>,
    rows: Rows,
    beside: Beside<'a>,
}

/// What is computed beside the result.
enum Beside<'a> {
    /// What its bound is made of.
    Nothing,
    /// The largest error that is to be expected.
    Noise,
    /// Of a claim, typical errors of every element, which are made of this.
    Typical(&'a NoiseUnits),
}

impl Pass<'_> {
    /// Pieces in order, each computed by whichever thread is free.
    fn run(self, effort: Effort<'_>) -> Result<Reference, OracleError> {
        let pieces = self.total().div_ceil(PIECE);
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            let mut parts = Vec::new();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return parts;
                }
                let part = self.piece(piece * PIECE..self.total().min((piece + 1) * PIECE));
                // One row that cannot be judged ends it all.
                if part.is_err() {
                    next.store(pieces, Ordering::Relaxed);
                }
                parts.push((piece, part));
                (effort.progress)(1 + done.fetch_add(1, Ordering::Relaxed), pieces);
            }
        };
        let mut parts = std::thread::scope(|scope| {
            let helpers: Vec<_> =
                (1..effort.threads.min(pieces)).map(|_| scope.spawn(work)).collect();
            let mut parts = work();
            for helper in helpers {
                parts
                    .extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            parts
        });
        parts.sort_by_key(|(piece, _)| *piece);
        let mut whole = Reference::empty(self.rows, &self.beside);
        for (_, part) in parts {
            whole.append(part?);
        }
        Ok(whole)
    }

    /// Rows of all batches and heads.
    fn total(&self) -> usize {
        let shape = self.operands.problem().shape();
        shape.batch * shape.heads_q * self.rows.len()
    }

    fn piece(&self, rows: std::ops::Range<usize>) -> Result<Reference, OracleError> {
        let heads = self.operands.problem().shape().heads_q;
        let mut part = Reference::empty(Rows::from_indices(Vec::new()), &self.beside);
        let mut row = Row::default();
        for at in rows {
            let (head, i) = (at / self.rows.len(), self.rows.indices()[at % self.rows.len()]);
            let at = [head / heads, head % heads, i];
            row.compute(self.operands, at);
            if let Some(c) = row.o.iter().position(|o| !o.is_finite()) {
                let [b, h, i] = at;
                return Err(OracleError::NotFinite { value: row.o[c], index: [b, h, i, c] });
            }
            match (&mut part.typical, &self.beside) {
                (Some(typical), Beside::Typical(units)) => {
                    typical.push(self.operands, &row, at, units);
                }
                (_, Beside::Noise) if !row.is_undetermined() => {
                    part.noise = part.noise.max(noise::largest(self.operands, &row, at));
                }
                _ => {}
            }
            part.push(&mut row);
        }
        Ok(part)
    }
}

/// The weights of every row of one head: `[i][j]`, `None` where query i does not admit key j.
pub fn weights(problem: &Problem, inputs: &Inputs, b: usize, h: usize) -> Vec<Vec<Option<f64>>> {
    let scores = Format::of(lse_dtype(problem.dtype()));
    let operands = Operands::new(problem, inputs, scores);
    let mut row = Row::default();
    let of_row = |i| {
        row.compute(&operands, [b, h, i]);
        let mut weights = vec![None; problem.shape().len_k];
        for (&j, &weight) in row.keys.iter().zip(&row.weights) {
            weights[j] = Some(weight);
        }
        weights
    };
    (0..problem.shape().len_q).map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use attn_core::{
        Alignment, InputDistribution, InputParts, MaskKind, MaskSpec, ProblemSpec, Score, Shape,
        Tensor,
    };

    use super::*;

    fn inputs(problem: &Problem, q: Vec<f64>, k: Vec<f64>, v: Vec<f64>) -> Inputs {
        let shape = problem.shape();
        let tensor = |dims, data| Tensor::new(dims, Data::F64(data)).unwrap();
        let sinks = problem.spec().sinks.then(|| vec![0.5; shape.heads_q]);
        let parts = InputParts {
            slopes: problem.spec().alibi.then(|| vec![0.25; shape.heads_q]),
            sinks,
            ..InputParts::plain(tensor(shape.q(), q), tensor(shape.k(), k), tensor(shape.v(), v))
        };
        Inputs::new(problem, parts).unwrap()
    }

    fn compute(problem: &Problem, inputs: &Inputs) -> Reference {
        Reference::compute(problem, inputs, Rows::all(problem)).unwrap()
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

    /// Keras' documented result of additive attention: unit scale, no projections.
    #[test]
    fn agrees_with_the_published_additive_example() {
        let score = Score::Additive { dim: 2, w_q: None, w_k: None, w: None };
        let spec = ProblemSpec { score, ..ProblemSpec::new(Shape::square(1, 2, 2), DType::F64) };
        let problem = Problem::new(spec).unwrap();
        let [q, k] = [vec![1.0, 0.0, 0.0, 1.0], vec![0.0, 1.0, 1.0, 0.0]];
        let inputs = inputs(&problem, q, k, vec![1.0, 2.0, 3.0, 4.0]);
        for (got, want) in compute(&problem, &inputs).o.iter().zip([1.727, 2.727, 2.272, 3.272]) {
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
        let inputs = inputs(&problem, vec![1.0; 2], vec![1.0, f64::NAN], vec![5.0, f64::NAN]);
        let reference = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap();
        assert_eq!(reference.o, [0.0, 5.0]);
        assert_eq!(reference.stats[0].lse, f64::NEG_INFINITY);
    }

    #[test]
    fn weights_sum_to_one_over_the_admitted_keys() {
        let shape = Shape { heads_kv: 1, ..Shape::square(2, 4, 3) };
        let causal = Some(Alignment::TopLeft);
        let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, DType::F32) };
        let problem = Problem::new(spec).unwrap();
        let weights =
            weights(&problem, &Inputs::generate(&problem, InputDistribution::Normal, 1), 0, 1);
        for (i, row) in weights.iter().enumerate() {
            assert_eq!(row.iter().flatten().count(), i + 1);
            assert!((row.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-14);
        }
    }

    /// One query, two keys: `q.k` is 2 and 1.
    fn by_hand(spec: ProblemSpec) -> Reference {
        let shape = Shape { len_k: 2, ..Shape::square(1, 1, 1) };
        let problem = Problem::new(ProblemSpec { shape, scale: Some(1.0), ..spec }).unwrap();
        compute(&problem, &inputs(&problem, vec![1.0], vec![2.0, 1.0], vec![10.0, 20.0]))
    }

    fn spec() -> ProblemSpec {
        ProblemSpec::new(Shape::square(1, 1, 1), DType::F64)
    }

    /// `[o, lse]` of two scores and perhaps a sink.
    fn softmax(s: [f64; 2], sink: Option<f64>) -> [f64; 2] {
        let l = s[0].exp() + s[1].exp() + sink.map_or(0.0, f64::exp);
        [(10.0 * s[0].exp() + 20.0 * s[1].exp()) / l, l.ln()]
    }

    #[test]
    fn softcap_alibi_and_sinks_by_hand_and_in_order() {
        let close = |reference: Reference, want: [f64; 2]| {
            let got = [reference.o[0], reference.stats[0].lse];
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-14), "{got:?} {want:?}");
        };
        close(by_hand(spec()), softmax([2.0, 1.0], None));
        let capped = [1.5 * (2.0 / 1.5f64).tanh(), 1.5 * (1.0 / 1.5f64).tanh()];
        let softcap = Some(1.5);
        close(by_hand(ProblemSpec { softcap, ..spec() }), softmax(capped, None));
        // The diagonal of the one query is key 0; key 1 is one away, after the softcap.
        let alibi = ProblemSpec { softcap, alibi: true, ..spec() };
        close(by_hand(alibi), softmax([capped[0], capped[1] - 0.25], None));
        let sinks = ProblemSpec { sinks: true, ..spec() };
        close(by_hand(sinks), softmax([2.0, 1.0], Some(0.5)));
    }

    #[test]
    fn a_row_without_keys_but_with_a_sink_is_zero_with_lse_sink() {
        let reference = by_hand(ProblemSpec { sinks: true, kv_len: Some(vec![0]), ..spec() });
        assert_eq!((reference.o[0], reference.stats[0].lse), (0.0, 0.5));
    }

    #[test]
    fn a_mask_takes_keys_away_and_adds_to_scores() {
        for kind in [MaskKind::Bool, MaskKind::Additive] {
            let mask = Some(MaskSpec { kind, dims: [1, 2, 1, 6] });
            let shape = Shape { len_k: 6, ..Shape::square(2, 3, 4) };
            let problem = Problem::new(ProblemSpec { mask, shape, ..spec() }).unwrap();
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, 2);
            let weights = weights(&problem, &inputs, 0, 1);
            for row in &weights {
                for (j, weight) in row.iter().enumerate() {
                    let bias = inputs.mask().unwrap().bias([0, 1, 0, j]);
                    assert_eq!(weight.is_some(), bias.is_some());
                }
            }
        }
    }

    #[test]
    fn scores_that_overflow_f64_are_an_error_of_the_harness() {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 1, 1), DType::F64)).unwrap();
        let inputs = inputs(&problem, vec![1e200], vec![1e200], vec![1.0]);
        let error = Reference::compute(&problem, &inputs, Rows::all(&problem)).unwrap_err();
        assert!(matches!(error, OracleError::NotFinite { index: [0, 0, 0, 0], .. }));
    }

    #[test]
    fn chosen_rows_are_the_rows_of_the_whole() {
        let shape = Shape { batch: 2, heads_kv: 2, len_k: 9, dim_v: 3, ..Shape::square(4, 7, 5) };
        let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
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
