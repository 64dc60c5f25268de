//! What no query reads may hold NaN or infinity, in every tensor and for every backend.
//!
//! Worked out here from the definition, pair by pair: a row of q that admits no key, rows of k and v that no
//! query admits, elements of an additive mask whose keys are all excluded by position.

use attn_bench::random::draw;
use attn_cli::registry;
use attn_core::{
    Backend, DType, Data, Exec, Feature, Fenced, InputDistribution, InputParts, Inputs, Mask,
    Output, Problem, Score, Shape, Tensor, compute,
};

const SEED: u64 = 4027;
const PROBLEMS: u64 = 1000;

/// A random problem; every second one without what few libraries have.
fn problem(number: u64) -> (Problem, u64) {
    let (problem, _, seed) = draw(SEED, number);
    let mut spec = problem.spec().clone();
    if number % 2 == 1 {
        spec.shape = Shape { batch: 1, dim_k: None, dim_v: spec.shape.dim, ..spec.shape };
        (spec.score, spec.dtype) = (Score::ScaledDot, DType::F32);
        (spec.alibi, spec.sinks, spec.lse) = (false, false, false);
        spec.kv_len.iter_mut().for_each(|lengths| lengths.truncate(1));
        spec.mask.iter_mut().for_each(|mask| [mask.dims[0], mask.dims[1]] = [1, 1]);
    }
    (Problem::new(spec).unwrap(), seed)
}

/// Which rows of q, rows of k and v, and elements of the mask some query reads.
struct Read {
    queries: Vec<bool>,
    keys: Vec<bool>,
    mask: Vec<bool>,
}

impl Read {
    fn new(problem: &Problem, inputs: &Inputs) -> Self {
        let shape = problem.shape();
        let dims = inputs.mask().map_or([0; 4], |mask| mask.spec().dims);
        let mut read = Read {
            queries: vec![false; shape.batch * shape.heads_q * shape.len_q],
            keys: vec![false; shape.batch * shape.heads_kv * shape.len_k],
            mask: vec![false; dims.iter().product()],
        };
        for row in 0..read.queries.len() {
            let (b, h, i) = (
                row / shape.len_q / shape.heads_q,
                row / shape.len_q % shape.heads_q,
                row % shape.len_q,
            );
            for j in problem.admitted(b, i) {
                if let Some(read) = read.mask.get_mut(place(dims, [b, h, i, j])) {
                    *read = true;
                }
                if inputs.mask().is_none_or(|mask| mask.bias([b, h, i, j]).is_some()) {
                    read.queries[row] = true;
                    read.keys[(b * shape.heads_kv + shape.kv_head(h)) * shape.len_k + j] = true;
                }
            }
        }
        read
    }
}

/// The element of a tensor of dimensions `dims` that is for `at`.
fn place(dims: [usize; 4], at: [usize; 4]) -> usize {
    dims.iter().zip(at).fold(0, |place, (&dim, at)| place * dim + if dim == 1 { 0 } else { at })
}

/// `inputs` with `fill` of its place in each element that is not read.
fn filled(inputs: &Inputs, read: &Read, fill: impl Fn(usize) -> f64) -> InputParts {
    let fill = |tensor: &Tensor, unit: usize, read: &[bool]| {
        let values = tensor.data().to_f64().into_iter().enumerate();
        let values = values.map(|(at, x)| if read[at / unit] { x } else { fill(at) });
        Tensor::new(tensor.dims(), Data::from_f64(tensor.dtype(), values)).unwrap()
    };
    let rows = |tensor: &Tensor, read| fill(tensor, tensor.dims()[3], read);
    InputParts {
        q: rows(inputs.q(), &read.queries),
        k: rows(inputs.k(), &read.keys),
        v: rows(inputs.v(), &read.keys),
        mask: inputs.mask().map(|mask| match mask {
            Mask::Additive(mask) => Mask::Additive(fill(mask, 1, &read.mask)),
            Mask::Bool { .. } => mask.clone(),
        }),
        ..inputs.parts().clone()
    }
}

/// Every element of the result, and of the log-sum-exp where there is one.
fn bits(output: &Output) -> [Vec<u64>; 2] {
    let bits = |tensor: Tensor| tensor.data().to_f64().into_iter().map(f64::to_bits).collect();
    [bits(output.o().tensor()), output.lse().map_or(Vec::new(), |lse| bits(lse.tensor()))]
}

/// Rows without a key are 0, and their log-sum-exp is the sink or -inf.
fn check_empty_rows(problem: &Problem, inputs: &Inputs, read: &Read, output: &Output) {
    let (o, lse) = (output.o().tensor(), output.lse().map(Fenced::tensor));
    let shape = problem.shape();
    for (row, _) in read.queries.iter().enumerate().filter(|(_, read)| !**read) {
        let o = (row * shape.dim_v..(row + 1) * shape.dim_v).map(|at| o.data().get(at));
        assert!({ o }.all(|o| o == 0.0), "row {row}");
        let sink = |sinks: &[f32]| f64::from(sinks[row / shape.len_q % shape.heads_q]);
        let expected = inputs.sinks().map_or(f64::NEG_INFINITY, sink);
        assert!(lse.as_ref().is_none_or(|lse| lse.data().get(row) == expected), "lse of row {row}");
    }
}

/// All of them, and the honest one among the mutants.
fn backends() -> Vec<Box<dyn Backend>> {
    let control = registry::mutants().pop().unwrap();
    let entries = registry::entries().into_iter().chain([control]);
    entries.map(|entry| entry.backend).filter(|backend| backend.probe().is_ok()).collect()
}

#[test]
fn what_nobody_reads_may_hold_anything() {
    let backends = backends();
    let poisons = [
        |_| f64::NAN,
        |_| f64::INFINITY,
        |at| [f64::NAN, f64::NEG_INFINITY, f64::INFINITY][at % 3],
    ];
    let (mut empty_rows, mut masks, mut results) = (0, 0, vec![0; backends.len()]);
    for number in 0..PROBLEMS {
        let (problem, seed) = problem(number);
        let clean = Inputs::generate(&problem, InputDistribution::Normal, seed);
        let read = Read::new(&problem, &clean);
        let additive = problem.features().contains(&Feature::AdditiveMask);
        let [some_row, some_place] =
            [read.queries.contains(&false), additive && read.mask.contains(&false)];
        if !some_row && !some_place {
            continue;
        }
        empty_rows += usize::from(some_row);
        masks += usize::from(some_place);
        let zeros = Inputs::new(&problem, filled(&clean, &read, |_| 0.0)).unwrap();
        let poison = poisons[number as usize % poisons.len()];
        let poisoned = Inputs::new(&problem, filled(&clean, &read, poison));
        let poisoned = poisoned.unwrap_or_else(|error| panic!("{problem}: {error}"));
        for (backend, results) in backends.iter().zip(&mut results) {
            if backend.supports(&problem).is_err() {
                continue;
            }
            *results += 1;
            let [expected, found] = [&zeros, &poisoned]
                .map(|inputs| compute(backend.as_ref(), &problem, &Exec::SINGLE, inputs).unwrap());
            let same = bits(&expected) == bits(&found);
            assert!(same, "{}: problem {number}, {problem}", backend.id());
            check_empty_rows(&problem, &poisoned, &read, &found);
        }
    }
    assert!(empty_rows > 200 && masks > 50, "{empty_rows} {masks}");
    assert!(results.iter().all(|&results| results > 10), "{results:?}");
}

#[test]
fn what_somebody_reads_may_not() {
    for number in 0..PROBLEMS / 5 {
        let (problem, seed) = problem(number);
        let clean = Inputs::generate(&problem, InputDistribution::Normal, seed);
        let read = Read::new(&problem, &clean);
        let parts = filled(&clean, &read, |_| f64::NAN);
        let pick = |read: &[bool]| {
            let places: Vec<usize> = (0..read.len()).filter(|&at| read[at]).collect();
            places.get(seed as usize % places.len().max(1)).copied()
        };
        let spoil = |tensor: &mut Tensor, at: usize| {
            let mut values = tensor.data().to_f64();
            values[at] = f64::INFINITY;
            let data = Data::from_f64(tensor.dtype(), values.into_iter());
            *tensor = Tensor::new(tensor.dims(), data).unwrap();
        };
        let refused = |parts: InputParts, tensor: &str| {
            let error = Inputs::new(&problem, parts).unwrap_err().to_string();
            let says = format!("tensor `{tensor}` holds inf at ");
            assert!(error.starts_with(&says), "{problem}: {error}");
        };
        if let Some(row) = pick(&read.queries) {
            let mut parts = parts.clone();
            spoil(&mut parts.q, row * problem.shape().dim);
            refused(parts, "q");
        }
        if let Some(row) = pick(&read.keys) {
            let mut parts = parts.clone();
            spoil(&mut parts.v, (row + 1) * problem.shape().dim_v - 1);
            refused(parts, "v");
        }
        // An element of +inf admits its keys, so that more is read: nothing else may be poisoned here.
        let mut parts = filled(&clean, &read, |_| 0.0);
        if let (Some(Mask::Additive(mask)), Some(at)) = (&mut parts.mask, pick(&read.mask)) {
            spoil(mask, at);
            refused(parts, "mask");
        }
    }
}
