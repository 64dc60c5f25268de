//! What an encoder computes between its products.

use attn_core::{BackendError, Exec};
use attn_head::{Matrix, Projection};

/// `y = x W + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`, row-major.
    pub(crate) weight: Vec<f32>,
    /// `[out]`.
    pub(crate) bias: Vec<f32>,
}

impl Linear {
    /// Rows of `x` one by one.
    pub(crate) fn apply(
        &self,
        x: &[f32],
        projection: &dyn Projection,
        exec: Exec,
    ) -> Result<Vec<f32>, BackendError> {
        let width = self.bias.len();
        let inner = self.weight.len() / width;
        let rows = x.len() / inner;
        let mut out = self.bias.repeat(rows);
        let (x, w) = (Matrix::new(x, [rows, inner]), Matrix::new(&self.weight, [inner, width]));
        projection.multiply_add(x, w, &mut out, &exec)?;
        Ok(out)
    }
}

/// Zero mean and unit variance per row, then gain and bias (Ba, Kiros and Hinton 2016).
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// Added to the variance.
    pub(crate) eps: f64,
}

impl Norm {
    /// In place; mean and variance are summed in f64.
    pub(crate) fn apply(&self, x: &mut [f32]) {
        let width = self.gain.len();
        for row in x.chunks_exact_mut(width) {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
            let squares = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>();
            let scale = 1.0 / (squares / width as f64 + self.eps).sqrt();
            for ((x, gain), bias) in row.iter_mut().zip(&self.gain).zip(&self.bias) {
                *x = ((f64::from(*x) - mean) * scale) as f32 * gain + bias;
            }
        }
    }
}

/// `x Phi(x) = x (1 + erf(x / sqrt 2)) / 2` (Hendrycks and Gimpel 2016), not its tanh approximation.
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The mean of all rows, of length 1; `None` if it is 0 or not finite, and so has no direction.
pub(crate) fn pooled(x: &[f32], width: usize) -> Option<Vec<f32>> {
    let mut sums = vec![0.0f64; width];
    for row in x.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    let directed = length > 0.0 && length.is_finite();
    directed.then(|| sums.iter().map(|sum| (sum / length) as f32).collect())
}

/// `1 - cosine` of the angle between two vectors, in f64: `|a/|a| - b/|b||^2 / 2`, which does not
/// cancel where they are nearly parallel.
pub fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    let unit = |v: &[f32]| -> Vec<f64> {
        let length = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        v.iter().map(|x| f64::from(*x) / length).collect()
    };
    unit(a).iter().zip(unit(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_has_the_values_of_the_normal_distribution() {
        // x Phi(x) with Phi from tables.
        for (x, expected) in [(0.0, 0.0), (1.0, 0.841_344_7), (-1.0, -0.158_655_3), (3.0, 2.995_95)]
        {
            assert!((gelu(x) - expected).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn norm_gives_every_row_the_mean_and_variance_it_is_told() {
        let norm = Norm { gain: vec![2.0; 4], bias: vec![1.0; 4], eps: 0.0 };
        let mut x = [1.0, 2.0, 3.0, 4.0, 1e4, 1e4, 1e4, 1e4 + 8.0];
        norm.apply(&mut x);
        for row in x.chunks_exact(4) {
            let mean = row.iter().sum::<f32>() / 4.0;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 4.0;
            assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4, "{row:?}");
        }
    }

    #[test]
    fn distance_of_known_angles() {
        assert_eq!(cosine_distance(&[1.0, 0.0], &[3.0, 0.0]), 0.0);
        assert!((cosine_distance(&[1.0, 0.0], &[0.0, 2.0]) - 1.0).abs() < 1e-12);
        assert!((cosine_distance(&[1.0, 0.0], &[-1.0, 0.0]) - 2.0).abs() < 1e-12);
        assert!((pooled(&[3.0, 0.0, 3.0, 8.0], 2).unwrap()[1] - 0.8).abs() < 1e-7);
        assert_eq!(pooled(&[0.0, f32::MIN_POSITIVE, 0.0, -f32::MIN_POSITIVE], 2), None);
    }
}
