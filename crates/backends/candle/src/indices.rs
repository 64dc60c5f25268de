//! What candle's CUDA kernels can count.

use attn_core::{Feature, Problem, Score, Unsupported};

/// Refuses problems with a tensor of more than `2^31 - 1` elements: the softmax of candle-kernels 0.11.1 (`reduce.cu`) counts
/// them in an `int`, and would compute something else, or somewhere else.
pub fn countable(problem: &Problem) -> Result<(), Unsupported> {
    let shape = problem.shape();
    let keys = shape.len_k + usize::from(problem.spec().sinks);
    let pairs = [shape.batch, shape.heads_q, shape.len_q, keys];
    let width = match problem.score() {
        Score::Additive { .. } => problem.score().width(shape),
        Score::ScaledDot | Score::General { .. } => 1,
    };
    let elements = |dims: &[usize]| dims.iter().fold(1_usize, |n, &dim| n.saturating_mul(dim));
    let largest = [
        elements(&pairs).saturating_mul(width),
        elements(&shape.q()),
        elements(&shape.k()),
        elements(&shape.v()),
    ];
    if largest.into_iter().any(|elements| elements > i32::MAX as usize) {
        let why = "candle's CUDA kernels count the elements of a tensor with 31 bits";
        return Err(Unsupported { feature: Feature::Size, why });
    }
    problem.needs_only(Feature::is_basic)
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, ProblemSpec, Shape};

    use super::*;

    #[test]
    fn scores_that_an_int_does_not_count_are_refused() {
        let fits = |len, heads| {
            let shape = Shape { heads_q: heads, heads_kv: heads, ..Shape::square(1, len, 8) };
            let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
            countable(&problem).is_ok()
        };
        assert!(fits(16384, 7) && !fits(16384, 8));
        let shape = Shape { len_q: 65_536, ..Shape::square(1, 32_767, 8) };
        let mut spec = ProblemSpec::new(shape, DType::F32);
        assert!(countable(&Problem::new(spec.clone()).unwrap()).is_ok());
        spec.sinks = true;
        assert!(countable(&Problem::new(spec).unwrap()).is_err(), "their column counts");
    }
}
