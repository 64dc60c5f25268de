//! The limits of a device other than the processor.

use attn_core::{Bytes, DType};
use serde::{Deserialize, Serialize};

use super::Rate;

/// The peak rates of a device, with what its own libraries offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceLimits {
    /// Which one, as backends name it.
    pub device: String,
    /// Products of two square matrices, by type.
    pub products: Vec<ProductPeak>,
    /// Bytes copied within its memory.
    pub copy: CopyRate,
}

/// A product of two square matrices that leaves nothing idle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductPeak {
    /// Type of the matrices.
    pub dtype: DType,
    /// Rows and columns of each.
    pub size: usize,
    /// GFLOP/s, `2 size^3` operations a product.
    pub gflops: Rate,
}

/// A copy that no cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyRate {
    /// Bytes that are copied.
    pub bytes: Bytes,
    /// GB/s (10^9 bytes a second) of what is read and what is written together.
    pub gb_per_s: Rate,
}

impl DeviceLimits {
    /// The larger of each rate.
    pub(super) fn keep_best(&mut self, other: &DeviceLimits) {
        for peak in &other.products {
            match self.products.iter_mut().find(|own| own.dtype == peak.dtype) {
                Some(own) => own.gflops = own.gflops.larger(peak.gflops),
                None => self.products.push(*peak),
            }
        }
        self.copy.gb_per_s = self.copy.gb_per_s.larger(other.copy.gb_per_s);
    }

    /// The peak for problems stored as `dtype`, GFLOP/s. A kernel may well compute half types in f32; what the
    /// device could do is the scale nevertheless.
    pub fn peak_gflops(&self, dtype: DType) -> Option<f64> {
        self.products.iter().find(|peak| peak.dtype == dtype).map(|peak| peak.gflops.best)
    }
}
