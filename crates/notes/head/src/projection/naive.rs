//! Plain loops.

use attn_core::{BackendError, Exec};

use super::{Matrix, Projection};

/// `naive`: three loops, one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

impl Projection for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn multiply_add(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        _: &Exec,
    ) -> Result<(), BackendError> {
        for (a, c) in a.data.chunks_exact(a.columns).zip(c.chunks_exact_mut(b.columns)) {
            for (&a, b) in a.iter().zip(b.data.chunks_exact(b.columns)) {
                c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
            }
        }
        Ok(())
    }
}
