//! Looking into a backend: its weights, and seeded numbers.

use attn_core::{
    Backend, BackendError, DType, Data, Exec, InputDistribution, InputParts, Inputs, Problem,
    ProblemSpec, Shape, Tensor, compute,
};
use attn_head::{LayerProblem, Weights};

use crate::ClaimError;

/// A matrix of weights `[Nq, Nk]`, row by row.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// The weights that `backend` really uses, one matrix per head of the first sequence: its output
/// where the values are the rows of the identity. `None` if it does not support the problem.
pub(crate) fn weights(
    backend: &dyn Backend,
    spec: &ProblemSpec,
    inputs: &Inputs,
) -> Result<Option<Vec<Matrix>>, ClaimError> {
    let shape = Shape { dim_v: spec.shape.len_k, ..spec.shape };
    let problem = Problem::new(ProblemSpec { shape, ..spec.clone() })?;
    if backend.supports(&problem).is_err() {
        return Ok(None);
    }
    let n = shape.len_k;
    let cells = shape.v().iter().product::<usize>();
    let identity = (0..cells).map(|at| if at / n % n == at % n { 1.0 } else { 0.0 });
    let v = Tensor::new(shape.v(), Data::from_f64(spec.dtype, identity));
    let v = v.expect("as many elements as the dimensions say");
    let parts = InputParts { v, ..inputs.parts().clone() };
    let inputs = Inputs::new(&problem, parts)?;
    let out = compute(backend, &problem, &Exec::SINGLE, &inputs)?.o().tensor().data().to_f64();
    let heads = out.chunks_exact(shape.len_q * n).take(shape.heads_q);
    let matrix = |head: &[f64]| head.chunks_exact(n).map(<[f64]>::to_vec).collect();
    Ok(Some(heads.map(matrix).collect()))
}

/// What a sum of `keys` weights may differ from 1 by: a rounding or, with an online softmax, a
/// rescaling of 5 roundings per key in the denominator, and one of each weight.
pub(crate) fn allowed_deviation(dtype: DType, keys: usize) -> f64 {
    (6.0 * keys as f64 + 8.0) * dtype.unit_roundoff()
}

/// `count` normal numbers of standard deviation `deviation`.
pub(crate) fn normal(count: usize, seed: u64, deviation: f64) -> Result<Vec<f32>, ClaimError> {
    let problem = Problem::new(ProblemSpec::new(Shape::square(1, count, 1), DType::F32))?;
    let values = Inputs::generate(&problem, InputDistribution::Normal, seed).q().data().to_f64();
    Ok(values.into_iter().map(|x| (x * deviation) as f32).collect())
}

/// Random weights whose products keep the variance of what they multiply.
pub(crate) fn random_weights(problem: &LayerProblem, seed: u64) -> Result<Weights, ClaimError> {
    let Shape { heads_q, heads_kv, dim, dim_v, .. } = *problem.shape();
    let model = problem.model();
    let narrow = 1.0 / (model as f64).sqrt();
    let up = 1.0 / ((heads_q * dim_v) as f64).sqrt();
    Ok(Weights {
        q: normal(heads_q * model * dim, seed, narrow)?,
        k: normal(heads_kv * model * dim, seed + 1, narrow)?,
        down: normal(heads_kv * model * dim_v, seed + 2, narrow)?,
        up: normal(heads_q * dim_v * model, seed + 3, up)?,
        biases: None,
    })
}

/// Runs `check` with every backend that supports `problem` and returns how many there were.
pub(crate) fn each_backend(
    backends: &[&dyn Backend],
    problem: &Problem,
    mut check: impl FnMut(&dyn Backend) -> Result<(), ClaimError>,
) -> Result<usize, ClaimError> {
    let mut count = 0;
    for backend in backends.iter().filter(|backend| backend.supports(problem).is_ok()) {
        check(*backend)?;
        count += 1;
    }
    if count == 0 {
        let message = format!("no backend supports {problem}");
        return Err(BackendError::Library { library: "attn", message }.into());
    }
    Ok(count)
}
