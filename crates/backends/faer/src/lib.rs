//! Attention composed of faer's matrix products.
//!
//! ```text
//! Q = Q W, or Q W_q and K W_k                matmul, general and additive scores only
//! S = scale * Q K^T     [Nq, used keys]      matmul; additive: w . tanh(q + k), pair by pair (attn-host)
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
//! after it is many times slower, so this crate wants a build with AVX enabled (its `BackendInfo` says which).
//!
//! ```
//! use attn_core::{Exec, InputDistribution, Inputs, Problem, compute};
//!
//! let problem = Problem::new("H4/2 N7x9 D8 causal:bottom-right".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let out = compute(&attn_faer::Faer, &problem, &Exec::SINGLE, &inputs)?;
//! assert_eq!(out.o().tensor().dims(), problem.shape().out());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ops::Range;
use std::sync::Arc;

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Plan, Problem, Score, Unavailable,
    Unsupported, target_features, with_type,
};
use attn_host::{
    Block, Compared, Head, HeadKernel, HeadOutput, HostPlan, Normaliser, Product, Projections,
    Real, Scratch, Storage, softmax,
};
use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The backend `faer`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faer;

impl Backend for Faer {
    fn id(&self) -> BackendId {
        BackendId::new("faer")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            // Sums of V are blocked by 512 keys in faer's x86 kernel (private-gemm-x86), but not in
            // its kernels for small matrices and for a single row, nor by a fixed depth elsewhere.
            ..BackendInfo::on_cpu("faer 0.24.4")
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        attn_host::supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let pool = pool(exec.threads.get())?;
        Ok(with_type!(problem.dtype(), T => plan::<T>(problem, pool)))
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
fn pool(threads: usize) -> Result<Option<Arc<ThreadPool>>, BackendError> {
    if threads == 1 {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(|pool| Some(Arc::new(pool)))
        .map_err(|error| BackendError::Library { library: "rayon", message: error.to_string() })
}

/// What faer's matmul and the shared softmax need of a number.
trait Float: Real + ComplexField {}

impl Float for f32 {}
impl Float for f64 {}

fn plan<S: Storage<Compute: Float>>(
    problem: &Problem,
    pool: Option<Arc<ThreadPool>>,
) -> Box<dyn Plan> {
    let (scratch, projections) = (Scratch::new(problem), Projections::new(problem));
    let kernel = Composed::<S::Compute> { scratch, projections, pool };
    Box::new(HostPlan::<S, _>::new(problem, kernel))
}

struct Composed<C> {
    scratch: Scratch<C>,
    projections: Projections<C>,
    /// Absent for one thread.
    pool: Option<Arc<ThreadPool>>,
}

/// Every row of S becomes weights; an additive row is computed first.
fn rows<C: Float>(
    scratch: &mut Scratch<C>,
    head: &Head<'_, C>,
    compared: Compared<'_, C>,
    used: &Range<usize>,
    par: Par,
) {
    let additive = matches!(head.problem.score(), Score::Additive { .. });
    let row = |(i, (row, normaliser)): (usize, (&mut [C], &mut Normaliser<C>))| {
        if additive {
            compared.add(head, i, used.start, row);
        }
        *normaliser = softmax(head, i, used.start, row, Block::ALL);
    };
    let (len_q, width) = (head.shape().len_q, used.len());
    let Scratch { s, normalisers } = scratch;
    // A head without keys still has a row of no weights for every query.
    if width == 0 || matches!(par, Par::Seq) {
        let mut rows = s[..len_q * width].chunks_exact_mut(width.max(1));
        let rows = normalisers.iter_mut().map(|n| (rows.next().unwrap_or_default(), n));
        rows.enumerate().for_each(row);
    } else {
        let rows = s[..len_q * width].par_chunks_exact_mut(width);
        rows.zip(normalisers).enumerate().for_each(row);
    }
}

impl<C: Float> HeadKernel<C> for Composed<C> {
    fn enter(&mut self, all: &mut (dyn FnMut(&mut Self) + Send)) {
        match self.pool.clone() {
            None => all(self),
            Some(pool) => pool.install(|| all(self)),
        }
    }

    fn attend(&mut self, head: &Head<'_, C>, out: HeadOutput<'_, C>) {
        let (shape, used) = (*head.shape(), head.used_keys());
        let par =
            self.pool.as_ref().map_or(Par::Seq, |pool| Par::rayon(pool.current_num_threads()));
        let v = view(&head.v[used.start * shape.dim_v..], used.len(), shape.dim_v);

        let compared = self.projections.project(head, &used, |product| multiply(product, par));
        if !matches!(head.problem.score(), Score::Additive { .. }) {
            let scale = C::from_f64(head.problem.scale());
            let [q, k] = [(compared.q, shape.len_q), (compared.k, used.len())]
                .map(|(x, rows)| view(x, rows, compared.width));
            let s = &mut self.scratch.s[..shape.len_q * used.len()];
            let s = MatMut::from_row_major_slice_mut(s, shape.len_q, used.len());
            matmul(s, Accum::Replace, q, k.transpose(), scale, par);
        }
        rows(&mut self.scratch, head, compared, &used, par);
        let p = view(&self.scratch.s, shape.len_q, used.len());
        let o = MatMut::from_row_major_slice_mut(&mut *out.o, shape.len_q, shape.dim_v);
        matmul(o, Accum::Replace, p, v, C::ONE, par);
        self.scratch.normalise(shape.dim_v, out);
    }

    /// S, the normalisers and the projections; not the packing buffers that faer keeps per thread, of which it
    /// touches at most the size of the packed operands.
    fn scratch(&self) -> usize {
        self.scratch.bytes() + self.projections.bytes()
    }
}

fn view<C>(from: &[C], rows: usize, columns: usize) -> MatRef<'_, C> {
    MatRef::from_row_major_slice(&from[..rows * columns], rows, columns)
}

fn multiply<C: Float>(product: Product<'_, C>, par: Par) {
    let Product { a, b, out, sizes: [rows, inner, columns] } = product;
    let out = MatMut::from_row_major_slice_mut(out, rows, columns);
    let (a, b) = (view(a, rows, inner), view(b, inner, columns));
    matmul(out, Accum::Replace, a, b, C::ONE, par);
}
