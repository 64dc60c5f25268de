//! The same problem with the features of queries and keys in another order: the same truth, other roundings.

use attn_core::{Data, InputParts, Inputs, InvalidInputs, Problem, Tensor};

/// `inputs` with the D, Dk and A axes of q, k and the weights of the score reordered; orders differ by `number`.
pub(super) fn reordered(
    problem: &Problem,
    inputs: &Inputs,
    number: usize,
) -> Result<Inputs, InvalidInputs> {
    let columns = |tensor: &Tensor| along(tensor, 3, number);
    let parts = InputParts {
        q: columns(inputs.q()),
        k: columns(inputs.k()),
        weights: inputs.weights().as_ref().map(|_, w| along(&columns(w), 2, number)),
        ..inputs.parts().clone()
    };
    Inputs::new(problem, parts)
}

/// The last axis (3) or the one before (2) of `tensor` reordered.
fn along(tensor: &Tensor, axis: usize, number: usize) -> Tensor {
    let [.., rows, columns] = tensor.dims();
    let order = order([rows, columns][axis - 2], number);
    let matrix = |matrix: &[f64]| -> Vec<f64> {
        let element = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            if axis == 2 { order[row] * columns + column } else { row * columns + order[column] }
        };
        (0..matrix.len()).map(|at| matrix[element(at)]).collect()
    };
    let values = tensor.data().to_f64();
    let values: Vec<f64> = values.chunks_exact(rows * columns).flat_map(matrix).collect();
    let data = Data::from_f64(tensor.dtype(), values.into_iter());
    Tensor::new(tensor.dims(), data).expect("as many elements as before")
}

/// A permutation of `size` positions: axes of one size, which a missing matrix joins, have the same.
fn order(size: usize, number: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..size).collect();
    order
        .sort_by_key(|at| (at + 1).wrapping_mul(0x9E37_79B9).rotate_left(7 * number as u32) % 8191);
    order
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, InputDistribution, ProblemSpec, Score, Shape, Span};
    use attn_oracle::{Reference, Rows};

    use super::*;

    #[test]
    fn the_truth_stays() {
        let w = Some(Span::PerHead);
        let shape = Shape { heads_kv: 1, len_k: 9, dim_v: 3, ..Shape::square(2, 5, 8) };
        let scores = [
            Score::ScaledDot,
            Score::General { w },
            Score::Additive { dim: 8, w_q: None, w_k: w, w },
            Score::Additive { dim: 7, w_q: w, w_k: w, w },
        ];
        for score in scores {
            let spec = ProblemSpec { score, ..ProblemSpec::new(shape, DType::F32) };
            let problem = Problem::new(spec).unwrap();
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
            let other = reordered(&problem, &inputs, 1).unwrap();
            assert_ne!(inputs, other);
            let truth = |inputs| Reference::compute(&problem, inputs, Rows::all(&problem)).unwrap();
            let (truth, other) = (truth(&inputs), truth(&other));
            for (a, b) in truth.o.iter().zip(&other.o) {
                assert!((a - b).abs() < 1e-13, "{score}: {a} {b}");
            }
        }
    }
}
