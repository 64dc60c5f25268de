//! Attention composed of faer's matrix products.
//!
//! ```text
//! S = scale * Q K^T     [Nq, used keys]      matmul
//! P = exp(S - max S),  l = sum P             row by row, 0 outside the admitted keys
//! O = P V,  O_i /= l_i                       matmul, then one division per element
//! ```
//!
//! One query head after another. Q, K, V and O are views of the plan's slices, grouped heads share
//! the view of their key/value head, S becomes P in place. Every plan for more than one thread has
//! a rayon pool of its own, in which the products and the softmax run. Rows that admit no key are
//! exactly 0.
//!
//! faer leaves the upper halves of the vector registers dirty; a softmax compiled to legacy SSE
//! after it is many times slower, so this crate wants a build with AVX enabled (the receipt says).

mod softmax;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, Bytes, DType, Exec, Footprint, HostKernel,
    HostPlan, Operands, Plan, Problem, Receipt, ThreadPolicy, Unavailable, Unsupported, heads,
    target_features,
};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use softmax::Float;

/// The backend `faer`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faer;

impl Backend for Faer {
    fn id(&self) -> BackendId {
        BackendId::new("faer")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        Ok(Receipt {
            library: "faer 0.24.4".into(),
            device: "cpu".into(),
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerCall,
            // Sums of V are blocked by 512 keys in faer's x86 kernel (private-gemm-x86), but not in
            // its kernels for small matrices and for a single row, nor by a fixed depth elsewhere.
            arithmetic: Arithmetic::PLAIN,
        })
    }

    fn supports(&self, _: &Problem) -> Result<(), Unsupported> {
        Ok(())
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let pool = pool(exec.threads.get())?;
        Ok(match problem.dtype() {
            DType::F32 => plan::<f32>(problem, pool),
            DType::F64 => plan::<f64>(problem, pool),
        })
    }
}

/// What faer 0.24.4 dispatches to for all but small matrices (`gemm_call!` in
/// `linalg/matmul/mod.rs`).
fn product_isa() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as detected;
        if detected!("avx512f") {
            return "avx512f";
        }
        if detected!("avx2") && detected!("fma") {
            return "avx2+fma";
        }
    }
    "portable"
}

/// faer takes a number of threads per call but caps it at the size of rayon's current pool, so only
/// a pool of the plan's own holds the promise of [`ThreadPolicy::PerCall`].
fn pool(threads: usize) -> Result<Option<ThreadPool>, BackendError> {
    if threads == 1 {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(Some).map_err(|error| BackendError::Library {
        library: "rayon",
        message: error.to_string(),
    })
}

fn plan<T: Float>(problem: &Problem, pool: Option<ThreadPool>) -> Box<dyn Plan> {
    let (rows, used) = (problem.shape().len_q, problem.used_keys().end);
    let kernel = Pooled {
        composed: Composed {
            s: vec![T::ZERO; rows * used],
            l: vec![T::ZERO; rows],
            used,
        },
        pool,
    };
    Box::new(HostPlan::new(problem, kernel))
}

struct Pooled<T> {
    composed: Composed<T>,
    /// Absent for one thread.
    pool: Option<ThreadPool>,
}

struct Composed<T> {
    /// Scores, then weights, of one query head: `[Nq, used]`.
    s: Vec<T>,
    /// Sums of the weights.
    l: Vec<T>,
    /// Keys that some row admits.
    used: usize,
}

impl<T: Float> Composed<T> {
    fn attend(&mut self, problem: &Problem, head: Operands<'_, T>, o: &mut [T], par: Par) {
        let (shape, used) = (problem.shape(), self.used);
        let rows = shape.len_q;
        let q = MatRef::from_row_major_slice(head.q, rows, shape.dim);
        let k = MatRef::from_row_major_slice(&head.k[..used * shape.dim], used, shape.dim);
        let v = MatRef::from_row_major_slice(&head.v[..used * shape.dim_v], used, shape.dim_v);

        let scale = T::from_f64(problem.scale());
        let s = MatMut::from_row_major_slice_mut(&mut self.s, rows, used);
        matmul(s, Accum::Replace, q, k.transpose(), scale, par);
        self.softmax(problem, par);
        let p = MatRef::from_row_major_slice(&self.s, rows, used);
        let product = MatMut::from_row_major_slice_mut(&mut *o, rows, shape.dim_v);
        matmul(product, Accum::Replace, p, v, T::ONE, par);
        for (o, &l) in o.chunks_exact_mut(shape.dim_v).zip(&self.l) {
            for o in o {
                *o /= l;
            }
        }
    }

    fn softmax(&mut self, problem: &Problem, par: Par) {
        let row = |(i, (row, l)): (usize, (&mut [T], &mut T))| {
            *l = softmax::weights(row, problem.admitted(i).end);
        };
        match par {
            Par::Seq => {
                let rows = self.s.chunks_exact_mut(self.used);
                rows.zip(&mut self.l).enumerate().for_each(row);
            }
            Par::Rayon(_) => {
                let rows = self.s.par_chunks_exact_mut(self.used);
                rows.zip(&mut self.l).enumerate().for_each(row);
            }
        }
    }
}

impl<T: Float> HostKernel<T> for Pooled<T> {
    fn compute(&mut self, problem: &Problem, t: Operands<'_, T>, o: &mut [T]) {
        let composed = &mut self.composed;
        if composed.used == 0 {
            o.fill(T::ZERO);
            return;
        }
        let mut attend = |par| {
            for (b, h, o) in heads(problem, o) {
                composed.attend(problem, t.head(problem, b, h), o, par);
            }
        };
        match &self.pool {
            None => attend(Par::Seq),
            Some(pool) => pool.install(|| attend(Par::rayon(pool.current_num_threads()))),
        }
    }

    /// S and l; not the packing buffers that faer keeps per thread, of which it touches at most
    /// the size of the packed operands.
    fn footprint(&self) -> Footprint {
        let elements = self.composed.s.len() + self.composed.l.len();
        Footprint {
            scratch: Some(Bytes((elements * size_of::<T>()) as u64)),
        }
    }
}
