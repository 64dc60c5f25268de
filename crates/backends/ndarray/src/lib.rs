//! Attention composed of ndarray's matrix products, which are those of matrixmultiply.
//!
//! ```text
//! Q = Q W, or Q W_q and K W_k                general_mat_mul, general and additive scores only
//! S = scale * Q K^T     [Nq, used keys]      general_mat_mul; additive: w . tanh(q + k), pair by pair (attn-host)
//! P = exp(S - max S),  l = sum P             row by row, 0 outside the admitted keys (attn-host)
//! O = P V,  O_i /= l_i                       general_mat_mul, then one division per element
//! ```
//!
//! One query head after another. Q, K, V and O are views of the plan's slices, grouped heads share
//! the view of their key/value head, S becomes P in place. The products run on matrixmultiply's
//! threads, the softmax on rayon's through `Zip::par_for_each`; both pools are fixed for the life
//! of a process. Rows that admit no key are exactly 0.
//!
//! ```
//! use attn_core::{Exec, InputDistribution, Inputs, Problem, compute};
//!
//! let problem = Problem::new("H4/2 N7x9 D8 causal:bottom-right".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let out = compute(&attn_ndarray::Ndarray, &problem, &Exec::SINGLE, &inputs)?;
//! assert_eq!(out.o().tensor().dims(), problem.shape().out());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, Exec, Plan, Problem, Score,
    ThreadPolicy, Unavailable, Unsupported, target_features, with_type,
};
use attn_host::{
    Block, Head, HeadKernel, HeadOutput, HostPlan, Normaliser, Product, Projections, Real, Scratch,
    Storage, softmax,
};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, LinalgScalar, ScalarOperand, Zip};

/// The backend `ndarray`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndarray;

impl Backend for Ndarray {
    fn id(&self) -> BackendId {
        BackendId::new("ndarray")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerProcess,
            arithmetic: Arithmetic { order: BLOCK.order(), ..Arithmetic::PLAIN },
            ..BackendInfo::on_cpu("ndarray 0.17.2, matrixmultiply 0.3.11")
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
        let parallel = exec.threads.get() > 1;
        Ok(with_type!(problem.dtype(), T => plan::<T>(problem, parallel)))
    }
}

/// Keys that are summed before the sum joins the others. matrixmultiply 0.3.11 multiplies in panels
/// of `S_KC = D_KC = 256` rows of V (`archparam_defaults.rs`) and adds each panel's product to O; the
/// softmax sums l in the same blocks.
const BLOCK: Block = Block(256);

/// What matrixmultiply 0.3.11 dispatches to (`detect` in `sgemm_kernel.rs` and `dgemm_kernel.rs`). Its AVX-512 kernels
/// need its feature `avx512`, which ndarray 0.17.2 does not enable.
fn product_isa() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        use std::arch::is_x86_feature_detected as detected;
        if detected!("fma") && detected!("avx2") {
            return "avx2+fma";
        }
        if detected!("avx") {
            return "avx";
        }
    }
    "portable"
}

/// What ndarray's operations and the shared softmax need of a number.
trait Float: Real + LinalgScalar + ScalarOperand {}

impl Float for f32 {}
impl Float for f64 {}

fn plan<S: Storage<Compute: Float>>(problem: &Problem, parallel: bool) -> Box<dyn Plan> {
    let (scratch, projections) = (Scratch::new(problem), Projections::new(problem));
    let kernel = Composed::<S::Compute> { scratch, projections, parallel };
    Box::new(HostPlan::<S, _>::new(problem, kernel))
}

struct Composed<C> {
    scratch: Scratch<C>,
    projections: Projections<C>,
    parallel: bool,
}

impl<C: Float> HeadKernel<C> for Composed<C> {
    fn attend(&mut self, head: &Head<'_, C>, out: HeadOutput<'_, C>) {
        let shape = *head.shape();
        let used = head.used_keys();
        let Scratch { s, normalisers } = &mut self.scratch;
        let s = &mut s[..shape.len_q * used.len()];
        let mut s = ArrayViewMut2::from_shape([shape.len_q, used.len()], s).expect(FITS);
        let v = view(&head.v[used.start * shape.dim_v..], used.len(), shape.dim_v);
        let mut o = ArrayViewMut2::from_shape([shape.len_q, shape.dim_v], &mut *out.o).expect(FITS);

        let compared = self.projections.project(head, &used, multiply);
        let additive = matches!(head.problem.score(), Score::Additive { .. });
        if !additive {
            let scale = C::from_f64(head.problem.scale());
            let q = view(compared.q, shape.len_q, compared.width);
            let k = view(compared.k, used.len(), compared.width);
            general_mat_mul(scale, &q, &k.t(), C::zero(), &mut s);
        }
        let rows = Zip::indexed(s.rows_mut()).and(ArrayViewMut1::from(&mut normalisers[..]));
        let row = |i, row: ArrayViewMut1<'_, C>, normaliser: &mut Normaliser<C>| {
            let row = row.into_slice().expect("rows of a row-major matrix");
            if additive {
                compared.add(head, i, used.start, row);
            }
            *normaliser = softmax(head, i, used.start, row, BLOCK);
        };
        if self.parallel {
            rows.par_for_each(row);
        } else {
            rows.for_each(row);
        }
        general_mat_mul(C::one(), &s, &v, C::zero(), &mut o);
        self.scratch.normalise(shape.dim_v, out);
    }

    /// S, the normalisers and the projections; not the packing buffers that matrixmultiply allocates in every
    /// product, at most 1024 x 256 + 4 x 64 x 256 elements.
    fn scratch(&self) -> usize {
        self.scratch.bytes() + self.projections.bytes()
    }
}

const FITS: &str = "an operand has the size that the problem's shape says";

fn view<T>(from: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape([rows, columns], &from[..rows * columns]).expect(FITS)
}

fn multiply<C: Float>(product: Product<'_, C>) {
    let Product { a, b, out, sizes: [rows, inner, columns] } = product;
    let mut out = ArrayViewMut2::from_shape([rows, columns], out).expect(FITS);
    general_mat_mul(C::one(), &view(a, rows, inner), &view(b, inner, columns), C::zero(), &mut out);
}
