//! `ndarray::linalg::general_mat_mul`, on matrixmultiply's threads (fixed per process).

use attn_core::{BackendError, Exec};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::{Matrix, Projection};

/// `ndarray`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndarray;

const FITS: &str = "a matrix has rows x columns elements";

impl Projection for Ndarray {
    fn name(&self) -> &'static str {
        "ndarray"
    }

    fn multiply_add(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        _: &Exec,
    ) -> Result<(), BackendError> {
        let mut c = ArrayViewMut2::from_shape([a.rows, b.columns], c).expect(FITS);
        general_mat_mul(1.0, &view(a), &view(b), 1.0, &mut c);
        Ok(())
    }
}

fn view(x: Matrix<'_>) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(x.dims(), x.data).expect(FITS)
}
