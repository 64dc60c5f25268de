//! Attention as plain loops: readable first, and the yardstick that every error budget is measured with.
//!
//! ```text
//! s_j = scale * sum_d q_id k_jd        for every admitted key j
//! p_j = exp(s_j - max_j s_j),  l = sum_j p_j
//! o_c = (sum_j p_j v_jc) / l           0 for a row that admits no key
//! ```
//!
//! All arithmetic is in the storage type, sums run in index order, softmax is two-pass. One thread,
//! whatever [`Exec`] allows: its time is the same yardstick everywhere. Scratch is one row of scores.

mod row;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, Bytes, DType, Exec, Footprint, HostKernel,
    HostPlan, Operands, Plan, Problem, Receipt, ThreadPolicy, Unavailable, Unsupported, heads,
    target_features,
};
use row::Float;

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
            DType::F32 => plan::<f32>(problem),
            DType::F64 => plan::<f64>(problem),
        })
    }
}

fn plan<T: Float>(problem: &Problem) -> Box<dyn Plan> {
    let kernel = Loops {
        p: vec![T::ZERO; problem.shape().len_k],
    };
    Box::new(HostPlan::new(problem, kernel))
}

struct Loops<T> {
    /// Scores, then weights, of one row.
    p: Vec<T>,
}

impl<T: Float> HostKernel<T> for Loops<T> {
    fn compute(&mut self, problem: &Problem, t: Operands<'_, T>, o: &mut [T]) {
        let shape = *problem.shape();
        let scale = T::from_f64(problem.scale());
        for (b, h, o) in heads(problem, o) {
            let head = t.head(problem, b, h);
            let rows = head
                .q
                .chunks_exact(shape.dim)
                .zip(o.chunks_exact_mut(shape.dim_v));
            for (i, (q, o)) in rows.enumerate() {
                let p = &mut self.p[problem.admitted(i)];
                row::attend(q, &head, scale, p, o);
            }
        }
    }

    fn footprint(&self) -> Footprint {
        Footprint {
            scratch: Some(Bytes((self.p.len() * size_of::<T>()) as u64)),
        }
    }
}
