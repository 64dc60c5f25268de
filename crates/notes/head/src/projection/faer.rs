//! `faer::linalg::matmul`, on the threads of rayon's current pool.

use attn_core::{BackendError, Exec};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::{Matrix, Projection};

/// `faer`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faer;

impl Projection for Faer {
    fn name(&self) -> &'static str {
        "faer"
    }

    fn multiply_add(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        exec: &Exec,
    ) -> Result<(), BackendError> {
        let par = match exec.threads.get() {
            1 => Par::Seq,
            threads => Par::rayon(threads),
        };
        let c = MatMut::from_row_major_slice_mut(c, a.rows, b.columns);
        matmul(c, Accum::Add, view(a), view(b), 1.0, par);
        Ok(())
    }
}

fn view(x: Matrix<'_>) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(x.data, x.rows, x.columns)
}
