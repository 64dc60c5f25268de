//! What must hold of every adapter over a library, against plain loops and against results that are known without any.
//!
//! Included by the tests of the crates that are adapters.

use std::num::NonZeroUsize;

use attn_core::{
    Alignment, Backend, BackendError, DType, Data, Exec, InputDistribution, InputParts, Inputs,
    MaskKind, MaskSpec, Output, Problem, ProblemSpec, Score, Shape, Span, Tensor, Window, compute,
};
use attn_naive::Naive;

pub(crate) const SHAPE: Shape =
    Shape { batch: 2, len_k: 41, dim_v: 12, ..Shape::square(6, 33, 20) };

pub(crate) fn problem(spec: ProblemSpec) -> Problem {
    Problem::new(spec).unwrap()
}

/// Problems that take every way through the adapter.
fn specs(dtype: DType) -> Vec<ProblemSpec> {
    let plain = ProblemSpec::new(Shape { heads_kv: 2, ..SHAPE }, dtype);
    let (own, shared) = (Some(Span::PerHead), Some(Span::Shared));
    let window = Some(Window { left: Some(5), right: Some(3) });
    let keys = Shape { heads_kv: 3, dim_k: Some(7), ..SHAPE };
    let additive = Score::Additive { dim: 9, w_q: own, w_k: shared, w: own };
    let bare = Score::Additive { dim: 20, w_q: None, w_k: None, w: None };
    vec![
        plain.clone(),
        ProblemSpec { shape: Shape { len_q: 1, ..plain.shape }, ..plain.clone() },
        // The keys that are used begin at 15: the views do too.
        ProblemSpec { window, align: Some(Alignment::Offset(20)), lse: true, ..plain.clone() },
        // A batch without keys, one with a few.
        ProblemSpec { kv_len: Some(vec![0, 7]), lse: true, ..plain.clone() },
        ProblemSpec { kv_len: Some(vec![0, 7]), sinks: true, lse: true, ..plain.clone() },
        ProblemSpec { score: Score::General { w: own }, shape: keys, ..plain.clone() },
        ProblemSpec { score: additive, shape: keys, window, ..plain.clone() },
        ProblemSpec { score: bare, ..plain.clone() },
        // Keys between others that no row admits.
        ProblemSpec { mask: Some(MaskSpec { kind: MaskKind::Bool, dims: [2, 1, 1, 41] }), ..plain },
    ]
}

pub(crate) fn run(
    backend: &dyn Backend,
    problem: &Problem,
    inputs: &Inputs,
    threads: usize,
) -> Output {
    let exec = Exec { threads: NonZeroUsize::new(threads).unwrap() };
    compute(backend, problem, &exec, inputs).unwrap()
}

/// The largest difference of an element, relative to 1 or to what is expected; infinite for NaN.
pub(crate) fn distance(got: &Output, want: &Output) -> f64 {
    let outputs = [(got.o(), want.o())].into_iter().chain(got.lse().zip(want.lse()));
    let elements = outputs.flat_map(|(got, want)| {
        let [got, want] = [got, want].map(|x| x.tensor().data().to_f64());
        got.into_iter().zip(want)
    });
    let distance = |(got, want): (f64, f64)| match (got - want).abs() / want.abs().max(1.0) {
        _ if got == want => 0.0,
        distance if distance.is_nan() => f64::INFINITY,
        distance => distance,
    };
    elements.map(distance).fold(0.0, f64::max)
}

pub(crate) fn computes_what_plain_loops_do(backend: &dyn Backend) {
    for dtype in DType::ALL {
        for p in specs(dtype).into_iter().map(problem) {
            let x = Inputs::generate(&p, InputDistribution::MaskedPoison, 1);
            let want = compute(&Naive, &p, &Exec::SINGLE, &x).unwrap();
            for threads in [1, 3] {
                let got = run(backend, &p, &x, threads);
                assert!(got.o().fences_intact());
                let far = distance(&got, &want);
                assert!(far <= 200.0 * dtype.unit_roundoff().max(1e-16), "{p}, {threads}: {far:e}");
            }
        }
    }
}

/// Every problem is supported.
pub(crate) fn refuses_nothing(backend: &dyn Backend) {
    for p in specs(DType::BF16).into_iter().map(problem) {
        assert_eq!(backend.supports(&p), Ok(()), "{p}");
    }
}

/// With one key its value is the result, whatever the query: heads, batches and columns that are mixed up show.
pub(crate) fn reads_the_values_of_its_own_key_head(backend: &dyn Backend) {
    for heads_kv in [1, 2, 6] {
        let shape = Shape { heads_kv, len_q: 3, len_k: 1, ..SHAPE };
        let p = problem(ProblemSpec::new(shape, DType::F32));
        let x = Inputs::generate(&p, InputDistribution::Normal, 2);
        let numbers = (0..shape.v().iter().product()).map(|at| at as f64);
        let v = Tensor::new(shape.v(), Data::from_f64(DType::F32, numbers)).unwrap();
        let x = InputParts::plain(x.q().clone(), x.k().clone(), v);
        let o = run(backend, &p, &Inputs::new(&p, x).unwrap(), 1).o().tensor();
        for at in 0..o.data().len() {
            let (head, c) = (at / (3 * 12), at % 12);
            let kv = head / 6 * heads_kv + head % 6 / (6 / heads_kv);
            assert_eq!(o.data().get(at), (kv * 12 + c) as f64, "{p}: element {at}");
        }
    }
}

pub(crate) fn leaves_rows_without_a_key_zero(backend: &dyn Backend) {
    let causal = Some(Alignment::Offset(-4));
    let spec = ProblemSpec { causal, lse: true, ..ProblemSpec::new(SHAPE, DType::F32) };
    let p = problem(spec);
    let out = run(backend, &p, &Inputs::generate(&p, InputDistribution::Normal, 3), 2);
    let (o, lse) = (out.o().tensor(), out.lse().unwrap().tensor());
    for row in 0..2 * 6 * 33 {
        let empty = row % 33 < 4;
        let o = (row * 12..(row + 1) * 12).map(|at| o.data().get(at));
        assert_eq!(o.into_iter().all(|o| o == 0.0), empty, "row {row}");
        assert_eq!(lse.data().get(row) == f64::NEG_INFINITY, empty, "row {row}");
    }
}

pub(crate) fn does_not_read_what_nobody_admits(backend: &dyn Backend) {
    let mask = Some(MaskSpec { kind: MaskKind::Bool, dims: [2, 1, 1, 41] });
    let padded = Some(vec![25, 39]);
    let p = problem(ProblemSpec { kv_len: padded, mask, ..ProblemSpec::new(SHAPE, DType::F32) });
    let [clean, poisoned] = [InputDistribution::Normal, InputDistribution::MaskedPoison]
        .map(|family| Inputs::generate(&p, family, 4));
    assert_ne!(clean, poisoned);
    assert_eq!(
        run(backend, &p, &clean, 1).o().tensor(),
        run(backend, &p, &poisoned, 1).o().tensor()
    );
}

/// 300 equal weights: sums in a half type would stop growing at 256.
pub(crate) fn computes_half_types_in_f32(backend: &dyn Backend) {
    for dtype in [DType::BF16, DType::F16] {
        let shape = Shape { len_k: 300, ..Shape::square(2, 3, 16) };
        let p = problem(ProblemSpec::new(shape, dtype));
        let x = Inputs::generate(&p, InputDistribution::Flat, 5);
        let wide = problem(ProblemSpec::new(shape, DType::F32));
        let widened = [x.q(), x.k(), x.v()].map(|x| {
            let data = Data::from_f64(DType::F32, x.data().to_f64().into_iter());
            Tensor::new(x.dims(), data).unwrap()
        });
        let [q, k, v] = widened;
        let y = Inputs::new(&wide, InputParts::plain(q, k, v)).unwrap();
        let [got, want] =
            [run(backend, &p, &x, 1), run(backend, &wide, &y, 1)].map(|out| out.o().tensor());
        for at in 0..got.data().len() {
            let want = dtype.round(want.data().get(at));
            assert_eq!(got.data().get(at), want, "{p}: element {at}");
        }
    }
}

pub(crate) fn refuses_plans_without_their_inputs(backend: &dyn Backend) {
    let [p, other] = [DType::F32, DType::F16].map(|d| problem(ProblemSpec::new(SHAPE, d)));
    let mut plan = backend.prepare(&p, &Exec::SINGLE).unwrap();
    let mut out = Output::poisoned(&p);
    assert!(matches!(plan.run(std::num::NonZeroU32::MIN), Err(BackendError::NotLoaded)));
    assert!(matches!(plan.store(&mut out), Err(BackendError::NotLoaded)));
    let wrong = plan.load(&Inputs::generate(&other, InputDistribution::Normal, 6));
    let expected =
        matches!(wrong, Err(BackendError::DType { expected: DType::F32, found: DType::F16 }));
    assert!(expected, "{wrong:?}");
}
