//! Attention as plain loops: readable first, and the yardstick that every error budget is measured with.
//!
//! ```text
//! s_j = cap(scale * sum_d q_id k_jd) + bias_ij     for every admitted key j
//! m   = max_j s_j                                  the sink included
//! p_j = exp(s_j - m),  l = sum_j p_j               the sink included
//! o_c = (sum_j p_j v_jc) / l                       0 for a row that admits no key
//! lse = m + ln l
//! ```
//!
//! Arithmetic is in the storage type, f32 for the half types; sums run in index order, softmax is
//! two-pass. One thread, whatever [`Exec`] allows: its time is the same yardstick everywhere. Scratch
//! is one row of scores.

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, DType, Exec, Plan, Problem, Receipt,
    ThreadPolicy, Unavailable, Unsupported, target_features,
};
use attn_host::{Head, HeadKernel, HeadOutput, HostPlan, Real, Storage};

/// The backend `naive`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

impl Backend for Naive {
    fn id(&self) -> BackendId {
        BackendId::new("naive")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        Ok(Receipt {
            library: format!("attn-naive {}", env!("CARGO_PKG_VERSION")),
            device: "cpu".into(),
            isa: format!("{} (compile time)", target_features()),
            threads: ThreadPolicy::PerCall,
            arithmetic: Arithmetic::PLAIN,
        })
    }

    fn supports(&self, _: &Problem) -> Result<(), Unsupported> {
        Ok(())
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(match problem.dtype() {
            DType::F64 => plan::<f64>(problem),
            DType::F32 => plan::<f32>(problem),
            DType::BF16 => plan::<half::bf16>(problem),
            DType::F16 => plan::<half::f16>(problem),
        })
    }
}

fn plan<S: Storage>(problem: &Problem) -> Box<dyn Plan> {
    let kernel =
        Loops { keys: Vec::new(), p: Vec::<S::Compute>::new(), capacity: problem.shape().len_k };
    Box::new(HostPlan::<S, _>::new(problem, kernel))
}

struct Loops<C> {
    /// Admitted keys of one row.
    keys: Vec<usize>,
    /// Their scores, then weights.
    p: Vec<C>,
    capacity: usize,
}

impl<C: Real> HeadKernel<C> for Loops<C> {
    fn attend(&mut self, head: &Head<'_, C>, mut out: HeadOutput<'_, C>) {
        let width = head.shape().dim_v;
        for (i, o) in out.o.chunks_exact_mut(width).enumerate() {
            let lse = self.row(head, i, o);
            if let Some(all) = &mut out.lse {
                all[i] = lse;
            }
        }
    }

    fn scratch(&self) -> usize {
        self.capacity * (size_of::<C>() + size_of::<usize>())
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
        let dim = head.shape().dim;
        let (q, scale) = (&head.q[i * dim..][..dim], C::from_f64(head.problem.scale()));
        for j in head.admitted(i) {
            let s = head.finish(i, j, scale * dot(q, &head.k[j * dim..][..dim]));
            if s != C::NEG_INFINITY {
                self.keys.push(j);
                self.p.push(s);
            }
        }
    }
}

fn dot<C: Real>(a: &[C], b: &[C]) -> C {
    let mut sum = C::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}
