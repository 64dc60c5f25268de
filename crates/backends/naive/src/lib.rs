//! Attention as plain loops: readable first, and the yardstick that every error budget is measured with.
//!
//! ```text
//! x_j = sum_d q_id k_jd                            for every admitted key j: scaled-dot
//!       sum_e (sum_d q_id W_de) k_je               general
//!       sum_a w_a tanh(sum_d q_id Wq_da + sum_e k_je Wk_ea)     additive
//! s_j = cap(scale * x_j) + bias_ij
//! m   = max_j s_j                                  the sink included
//! p_j = exp(s_j - m),  l = sum_j p_j               the sink included
//! o_c = (sum_j p_j v_jc) / l                       0 for a row that admits no key
//! lse = m + ln l
//! ```
//!
//! Arithmetic is in the storage type, f32 for the half types; sums run in index order, softmax is
//! two-pass. One thread, whatever [`Exec`] allows: its time is the same yardstick everywhere. Scratch
//! is one row of scores, one projected query and, for an additive score, the projected keys of a head.
//!
//! ```
//! use attn_core::{Data, Exec, InputParts, Inputs, Problem, Tensor, compute};
//!
//! let problem = Problem::new("N1x2 D1".parse()?)?;
//! let column = |x: &[f32]| Tensor::new([1, 1, x.len(), 1], Data::F32(x.to_vec()));
//! let parts = InputParts::plain(column(&[0.0])?, column(&[5.0, -3.0])?, column(&[1.0, 3.0])?);
//! let inputs = Inputs::new(&problem, parts)?;
//!
//! let out = compute(&attn_naive::Naive, &problem, &Exec::SINGLE, &inputs)?;
//! // A query of zeros weighs both keys alike.
//! assert_eq!(out.o().tensor().slice::<f32>(), Some(&[2.0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, ByRows, Element, Exec, Inputs, Output, Plan,
    Problem, Score, Unavailable, Unsupported, run_once, with_type,
};
use attn_host::{Head, HeadKernel, HeadOutput, HostPlan, Real, Storage};

/// The backend `naive`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

impl Backend for Naive {
    fn id(&self) -> BackendId {
        BackendId::new("naive")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo::on_cpu(concat!("attn-naive ", env!("CARGO_PKG_VERSION"))))
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        attn_host::supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(plan(problem, None))
    }
}

impl ByRows for Naive {
    fn compute_rows(
        &self,
        problem: &Problem,
        inputs: &Inputs,
        rows: &[usize],
    ) -> Result<Output, BackendError> {
        run_once(&mut *plan(problem, Some(rows.into())), problem, inputs)
    }
}

fn plan(problem: &Problem, rows: Option<Vec<usize>>) -> Box<dyn Plan> {
    with_type!(problem.dtype(), T => stored_as::<T>(problem, rows))
}

fn stored_as<S: Storage>(problem: &Problem, rows: Option<Vec<usize>>) -> Box<dyn Plan> {
    let (shape, weights) = (problem.shape(), problem.score_weights());
    let width = problem.score().width(shape);
    let kernel = Loops {
        rows,
        keys: Vec::with_capacity(shape.len_k),
        p: Vec::<S::Compute>::with_capacity(shape.len_k),
        q: vec![S::Compute::ZERO; width],
        k: vec![S::Compute::ZERO; weights.w_k.map_or(0, |_| shape.len_k * width)],
    };
    Box::new(HostPlan::<S, _>::new(problem, kernel))
}

struct Loops<C> {
    /// The query rows to compute; all without.
    rows: Option<Vec<usize>>,
    /// Admitted keys of one row.
    keys: Vec<usize>,
    /// Their scores, then weights.
    p: Vec<C>,
    /// Its query, projected if the score has a matrix for it.
    q: Vec<C>,
    /// The projected keys of one head, `[Nk, A]`, if the score projects keys.
    k: Vec<C>,
}

impl<C: Real> HeadKernel<C> for Loops<C> {
    fn attend(&mut self, head: &Head<'_, C>, mut out: HeadOutput<'_, C>) {
        self.project_keys(head);
        let width = head.shape().dim_v;
        let rows = self.rows.take();
        let mut row = |i: usize| {
            let lse = self.row(head, i, &mut out.o[i * width..][..width]);
            if let Some(all) = &mut out.lse {
                all[i] = lse;
            }
        };
        match &rows {
            None => (0..head.shape().len_q).for_each(row),
            Some(rows) => rows.iter().for_each(|&i| row(i)),
        }
        self.rows = rows;
    }

    fn scratch(&self) -> usize {
        self.keys.capacity() * size_of::<usize>()
            + (self.p.capacity() + self.q.len() + self.k.len()) * size_of::<C>()
    }
}

impl<C: Real> Loops<C> {
    /// Row `i` of one head; returns its log-sum-exp.
    fn row(&mut self, head: &Head<'_, C>, i: usize, o: &mut [C]) -> C {
        o.fill(C::ZERO);
        self.score(head, i);
        let start = head.sink.unwrap_or(C::NEG_INFINITY);
        let m = self.p.iter().fold(start, |m, &s| s.larger(m));
        if m == C::NEG_INFINITY {
            return m;
        }
        let mut l = head.sink.map_or(C::ZERO, |sink| (sink - m).exp());
        for p in &mut self.p {
            *p = (*p - m).exp();
            l += *p;
        }
        let width = head.shape().dim_v;
        for (&p, &j) in self.p.iter().zip(&self.keys) {
            for (o, &v) in o.iter_mut().zip(&head.v[j * width..][..width]) {
                *o += p * v;
            }
        }
        for o in o {
            *o /= l;
        }
        m + l.ln()
    }

    /// The admitted keys of row `i` and their final scores.
    fn score(&mut self, head: &Head<'_, C>, i: usize) {
        self.keys.clear();
        self.p.clear();
        self.project_query(head, i);
        let (width, scale) = (self.q.len(), C::from_f64(head.problem.scale()));
        let k = if self.k.is_empty() { head.k } else { &self.k };
        for j in head.admitted(i) {
            let k = &k[j * width..][..width];
            let x = match head.problem.score() {
                Score::ScaledDot | Score::General { .. } => dot(&self.q, k),
                Score::Additive { .. } => hidden(head.weights.w, &self.q, k),
            };
            let s = head.finish(i, j, scale * x);
            if s != C::NEG_INFINITY {
                self.keys.push(j);
                self.p.push(s);
            }
        }
    }

    fn project_query(&mut self, head: &Head<'_, C>, i: usize) {
        let dim = head.shape().dim;
        let q = &head.q[i * dim..][..dim];
        let matrix = match head.problem.score() {
            Score::ScaledDot => None,
            Score::General { .. } => head.weights.w,
            Score::Additive { .. } => head.weights.w_q,
        };
        match matrix {
            None => self.q.copy_from_slice(q),
            Some(matrix) => project(q, matrix, &mut self.q),
        }
    }

    fn project_keys(&mut self, head: &Head<'_, C>) {
        let (dim_k, width) = (head.shape().dim_k(), self.q.len());
        if let Some(matrix) = head.weights.w_k {
            for (k, out) in head.k.chunks_exact(dim_k).zip(self.k.chunks_exact_mut(width)) {
                project(k, matrix, out);
            }
        }
    }
}

/// `out_a = sum_d x_d w_da`.
fn project<C: Real>(x: &[C], matrix: &[C], out: &mut [C]) {
    out.fill(C::ZERO);
    for (&x, row) in x.iter().zip(matrix.chunks_exact(out.len())) {
        for (out, &w) in out.iter_mut().zip(row) {
            *out += x * w;
        }
    }
}

/// `sum_a w_a tanh(q_a + k_a)`.
fn hidden<C: Real>(w: Option<&[C]>, q: &[C], k: &[C]) -> C {
    let mut sum = C::ZERO;
    for (a, (&q, &k)) in q.iter().zip(k).enumerate() {
        let x = (q + k).tanh();
        sum += w.map_or(x, |w| w[a] * x);
    }
    sum
}

fn dot<C: Real>(a: &[C], b: &[C]) -> C {
    let mut sum = C::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}

#[cfg(test)]
mod tests {
    use attn_core::{Alignment, DType, InputDistribution, ProblemSpec, Shape, Span, compute};

    use super::*;

    #[test]
    fn chosen_rows_are_those_of_the_whole_result_and_only_they_are_computed() {
        let shape = Shape { batch: 2, heads_kv: 2, dim_v: 3, ..Shape::square(4, 9, 5) };
        let w_k = Some(Span::PerHead);
        let scores = [
            Score::ScaledDot,
            Score::General { w: None },
            Score::Additive { dim: 5, w_q: None, w_k, w: None },
        ];
        for (dtype, score) in [DType::F64, DType::F32, DType::BF16, DType::F16]
            .into_iter()
            .flat_map(|dtype| scores.map(|score| (dtype, score)))
        {
            let causal = Some(Alignment::TopLeft);
            let spec = ProblemSpec { score, causal, lse: true, ..ProblemSpec::new(shape, dtype) };
            let problem = Problem::new(spec).unwrap();
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
            let whole = compute(&Naive, &problem, &Exec::SINGLE, &inputs).unwrap();
            let chosen = Naive.compute_rows(&problem, &inputs, &[0, 4, 8]).unwrap();
            let outputs = [(whole.o(), chosen.o()), (whole.lse().unwrap(), chosen.lse().unwrap())];
            for (whole, chosen) in outputs.map(|(w, c)| (w.tensor(), c.tensor())) {
                let width = whole.dims()[3];
                for at in 0..whole.data().len() {
                    let (row, found) = (at / width % 9, chosen.data().get(at));
                    let expected = if row % 4 == 0 { whole.data().get(at) } else { 0.0 };
                    assert_eq!(found.to_bits(), expected.to_bits(), "{dtype} {score:?} at {at}");
                }
            }
        }
    }
}
