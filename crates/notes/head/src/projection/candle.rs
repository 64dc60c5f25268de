//! candle's `matmul` on the CPU, on its threads (fixed per process). Operands and product are copied:
//! a candle tensor owns its elements.

use attn_core::{BackendError, Exec};
use candle_core::{Device, Result as CandleResult, Tensor};

use super::{Matrix, Projection};

/// `candle`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candle;

impl Projection for Candle {
    fn name(&self) -> &'static str {
        "candle"
    }

    fn multiply_add(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        _: &Exec,
    ) -> Result<(), BackendError> {
        let product = product(a, b).map_err(|error| BackendError::Library {
            library: "candle",
            message: error.to_string(),
        })?;
        c.iter_mut().zip(product).for_each(|(c, p)| *c += p);
        Ok(())
    }
}

fn product(a: Matrix<'_>, b: Matrix<'_>) -> CandleResult<Vec<f32>> {
    let tensor = |x: Matrix<'_>| Tensor::from_slice(x.data, (x.rows, x.columns), &Device::Cpu);
    tensor(a)?.matmul(&tensor(b)?)?.flatten_all()?.to_vec1()
}
