//! Attention composed of ndarray's matrix products, which are those of matrixmultiply.
//!
//! ```text
//! S = scale * Q K^T     [Nq, used keys]      general_mat_mul
//! P = exp(S - max S),  l = sum P             row by row, 0 outside the admitted keys
//! O = P V,  O_i /= l_i                       general_mat_mul, then one division per element
//! ```
//!
//! One query head after another. Q, K, V and O are views of the plan's slices, grouped heads share
//! the view of their key/value head, S becomes P in place. The products run on matrixmultiply's
//! threads, the softmax on rayon's through `Zip::par_for_each`; both pools are fixed for the life
//! of a process. Rows that admit no key are exactly 0.

mod softmax;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, Bytes, DType, Exec, Footprint, HostKernel,
    HostPlan, Operands, Plan, Problem, Receipt, SumOrder, ThreadPolicy, Unavailable, Unsupported,
    heads, target_features,
};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Zip};
use softmax::Float;

/// The backend `ndarray`. Supports every problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndarray;

impl Backend for Ndarray {
    fn id(&self) -> BackendId {
        BackendId::new("ndarray")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        Ok(Receipt {
            library: "ndarray 0.17.2, matrixmultiply 0.3.11".into(),
            device: "cpu".into(),
            isa: format!(
                "products {} (run time), softmax {} (compile time)",
                product_isa(),
                target_features()
            ),
            threads: ThreadPolicy::PerProcess,
            arithmetic: Arithmetic {
                order: SumOrder::Blocked(BLOCK),
                ..Arithmetic::PLAIN
            },
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
        let parallel = exec.threads.get() > 1;
        Ok(match problem.dtype() {
            DType::F32 => plan::<f32>(problem, parallel),
            DType::F64 => plan::<f64>(problem, parallel),
        })
    }
}

/// Keys that are summed before the sum joins the others. matrixmultiply 0.3.11 multiplies in panels
/// of `S_KC = D_KC = 256` rows of V (`archparam_defaults.rs`) and adds each panel's product to O; the
/// softmax sums l in the same blocks.
const BLOCK: u32 = 256;

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

fn plan<T: Float>(problem: &Problem, parallel: bool) -> Box<dyn Plan> {
    let rows = problem.shape().len_q;
    let kernel = Composed::<T> {
        s: Array2::zeros([rows, problem.used_keys().end]),
        l: Array1::zeros(rows),
        parallel,
    };
    Box::new(HostPlan::new(problem, kernel))
}

struct Composed<T> {
    /// Scores, then weights, of one query head.
    s: Array2<T>,
    /// Sums of the weights.
    l: Array1<T>,
    parallel: bool,
}

impl<T: Float> Composed<T> {
    /// One query head: `head` has `used keys` rows of k and v or more.
    fn attend(&mut self, problem: &Problem, head: Operands<'_, T>, o: &mut [T]) {
        let shape = problem.shape();
        let used = self.s.ncols();
        let q = view(head.q, [shape.len_q, shape.dim]);
        let k = view(&head.k[..used * shape.dim], [used, shape.dim]);
        let v = view(&head.v[..used * shape.dim_v], [used, shape.dim_v]);
        let mut o = ArrayViewMut2::from_shape([shape.len_q, shape.dim_v], o).expect(FITS);

        let scale = T::from_f64(problem.scale());
        general_mat_mul(scale, &q, &k.t(), T::zero(), &mut self.s);
        self.softmax(problem);
        general_mat_mul(T::one(), &self.s, &v, T::zero(), &mut o);
        Zip::from(o.rows_mut())
            .and(&self.l)
            .for_each(|mut o, &l| o /= l);
    }

    fn softmax(&mut self, problem: &Problem) {
        let rows = Zip::indexed(self.s.rows_mut()).and(&mut self.l);
        let row = |i, row: ndarray::ArrayViewMut1<'_, T>, l: &mut T| {
            let row = row.into_slice().expect("rows of a row-major matrix");
            *l = softmax::weights(row, problem.admitted(i).end, BLOCK as usize);
        };
        if self.parallel {
            rows.par_for_each(row);
        } else {
            rows.for_each(row);
        }
    }
}

const FITS: &str = "an operand has the size that the problem's shape says";

fn view<T>(rows: &[T], dim: [usize; 2]) -> ArrayView2<'_, T> {
    ArrayView2::from_shape(dim, rows).expect(FITS)
}

impl<T: Float> HostKernel<T> for Composed<T> {
    fn compute(&mut self, problem: &Problem, t: Operands<'_, T>, o: &mut [T]) {
        for (b, h, o) in heads(problem, o) {
            self.attend(problem, t.head(problem, b, h), o);
        }
    }

    /// S and l; not the packing buffers that matrixmultiply allocates in every product, at most
    /// 1024 x 256 + 4 x 64 x 256 elements.
    fn footprint(&self) -> Footprint {
        let elements = self.s.len() + self.l.len();
        Footprint {
            scratch: Some(Bytes((elements * size_of::<T>()) as u64)),
        }
    }
}
