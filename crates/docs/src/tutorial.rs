#![doc = include_str!("../TUTORIAL.md")]

use attn_core::{Alignment, DType, InputDistribution, Inputs, Problem, ProblemSpec, Shape};
use attn_oracle::{Reference, Rows};

/// One step: q, k, v and the width of a head to the output.
pub type Step = fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>;

/// The weights of `scores`, as step 2 computes them.
pub fn softmax(scores: &[f64]) -> Vec<f64> {
    let m = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p: Vec<f64> = scores.iter().map(|s| (s - m).exp()).collect();
    let l: f64 = p.iter().sum();
    p.iter().map(|p| p / l).collect()
}

/// Compares a step with the oracle, on 21 tokens: no multiple of any tile.
///
/// # Panics
/// If an element differs by more than 1e-13, which is a few hundred roundings of numbers of size 1.
pub fn check(step: Step, causal: Option<Alignment>) {
    let shape = Shape::square(1, 21, 6);
    let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, DType::F64) };
    let problem = Problem::new(spec).expect("a valid problem");
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let truth = Reference::compute(&problem, &inputs, Rows::all(&problem)).expect("finite inputs");
    let [q, k, v] = [inputs.q(), inputs.k(), inputs.v()].map(|tensor| tensor.data().to_f64());
    let out = step(&q, &k, &v, shape.dim);
    assert_eq!(out.len(), truth.o.len());
    for (at, (out, truth)) in out.iter().zip(&truth.o).enumerate() {
        assert!((out - truth).abs() <= 1e-13, "element {at} is {out}, expected {truth}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "element 0 is")]
    fn a_wrong_step_is_found() {
        check(|_, _, v, _| v.to_vec(), None);
    }
}
