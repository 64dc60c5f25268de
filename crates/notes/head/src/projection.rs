//! Matrix products outside the attention: `C += A B`, one function by four libraries.

mod candle;
mod faer;
mod naive;
mod ndarray;

use attn_core::{BackendError, Exec};

pub use candle::Candle;
pub use faer::Faer;
pub use naive::Naive;
pub use ndarray::Ndarray;

/// A row-major matrix.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
}

impl<'a> Matrix<'a> {
    /// `data` as `[rows, columns]`.
    ///
    /// # Panics
    /// If there are more or fewer elements.
    pub fn new(data: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        assert_eq!(data.len(), rows * columns, "a matrix of {rows} x {columns}");
        Matrix { data, rows, columns }
    }

    /// The elements, row by row.
    pub const fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Rows and columns.
    pub const fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }
}

/// One way of computing `C += A B`.
///
/// Each element is a sum of `inner + 1` terms in some order, so its error is at most
/// `u (inner + 1) (|C| + sum |A| |B|)`, u the unit roundoff of f32.
pub trait Projection: Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// Adds the product of `a` `[n, inner]` and `b` `[inner, m]` to `c` `[n, m]`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    fn multiply_add(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        exec: &Exec,
    ) -> Result<(), BackendError>;
}

/// Every projection, the plain loops first.
pub fn all() -> [&'static dyn Projection; 4] {
    [&Naive, &Ndarray, &Faer, &Candle]
}

/// The projection of that name.
pub fn named(name: &str) -> Option<&'static dyn Projection> {
    all().into_iter().find(|projection| projection.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_add_the_product_to_what_is_there() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 0.0, -1.0, 2.0, 0.5, -3.0, 0.0, 0.25, 1.0, 1.0, 1.0];
        let (a, b) = (Matrix::new(&a, [2, 3]), Matrix::new(&b, [3, 4]));
        for projection in all() {
            let mut c = [10.0; 8];
            projection.multiply_add(a, b, &mut c, &Exec::SINGLE).unwrap();
            // Small integers and halves: exact, whatever the order.
            let expected = [15.75, 14.0, 7.0, 12.0, 25.5, 18.5, 1.0, 12.0];
            assert_eq!(c, expected, "{}", projection.name());
            assert_eq!(named(projection.name()).map(Projection::name), Some(projection.name()));
        }
        assert!(named("blas").is_none());
    }
}
