use super::*;
use crate::{Alignment, DType, MaskKind, MaskSpec, ProblemSpec, Score, Shape, Span, Window};

fn spec(dtype: DType) -> ProblemSpec {
    let shape = Shape { batch: 2, heads_kv: 2, dim_v: 3, ..Shape::square(4, 5, 8) };
    ProblemSpec::new(shape, dtype)
}

fn problem(dtype: DType) -> Problem {
    Problem::new(spec(dtype)).unwrap()
}

fn generate(problem: &Problem, seed: u64) -> Inputs {
    Inputs::generate(problem, InputDistribution::Normal, seed)
}

/// Pinned: a change here changes every record's inputs.
#[test]
fn digests_are_the_same_on_every_platform() {
    let digest = |dtype| generate(&problem(dtype), 7).digest();
    assert_eq!(digest(DType::F32)[..16], *"d0eb6797289471cd");
    assert_eq!(digest(DType::F64)[..16], *"d7d771161254f542");
}

#[test]
fn seeds_and_tensors_have_streams_of_their_own() {
    let p = problem(DType::F64);
    let (a, b) = (generate(&p, 1), generate(&p, 2));
    assert_ne!(a.digest(), b.digest());
    assert_ne!(a.q().data().get(0), a.k().data().get(0));
    assert_eq!(a.digest(), generate(&p, 1).digest());
}

#[test]
fn a_mismatch_names_the_tensor() {
    let parts = generate(&problem(DType::F64), 1).parts;
    let error = Inputs::new(&problem(DType::F32), parts.clone()).unwrap_err().to_string();
    assert_eq!(error, "tensor `q` is f64 [2, 4, 5, 8], expected f32 [2, 4, 5, 8]");
    let with_sinks = InputParts { sinks: Some(vec![0.0; 4]), ..parts.clone() };
    let error = Inputs::new(&problem(DType::F64), with_sinks).unwrap_err().to_string();
    assert_eq!(error, "tensor `sinks` is 4, expected absent");
    let masked = ProblemSpec {
        mask: Some(MaskSpec { kind: MaskKind::Bool, dims: [1, 1, 5, 5] }),
        ..spec(DType::F64)
    };
    let error = Inputs::new(&Problem::new(masked).unwrap(), parts).unwrap_err().to_string();
    assert!(error.starts_with("tensor `mask` is absent, expected "), "{error}");
}

/// Two queries, three keys, one element each.
fn tiny(
    causal: Option<Alignment>,
    k: [f32; 3],
    v: [f32; 3],
    mask: Option<Mask>,
) -> Result<Inputs, InvalidInputs> {
    let spec = ProblemSpec {
        causal,
        mask: mask.as_ref().map(Mask::spec),
        ..ProblemSpec::new(Shape { len_k: 3, ..Shape::square(1, 2, 1) }, DType::F32)
    };
    let column = |values: [f32; 3]| Tensor::new([1, 1, 3, 1], Data::F32(values.into())).unwrap();
    let q = Tensor::new([1, 1, 2, 1], Data::F32(vec![1.0; 2])).unwrap();
    let parts = InputParts { mask, ..InputParts::plain(q, column(k), column(v)) };
    Inputs::new(&Problem::new(spec).unwrap(), parts)
}

#[test]
fn nan_is_refused_only_where_a_query_reads_it() {
    let top_left = Some(Alignment::TopLeft);
    let [fine, bad] = [[1.0, 2.0, f32::NAN], [1.0, f32::INFINITY, 3.0]];
    assert!(tiny(top_left, fine, fine, None).is_ok());
    let error = tiny(top_left, fine, bad, None).unwrap_err();
    assert!(matches!(error, InvalidInputs::NotFinite { tensor: "v", index: [0, 0, 1, 0], .. }));
    let hides = Mask::Bool { dims: [1, 1, 1, 3], admits: vec![true, false, true] };
    assert!(tiny(None, bad, bad, Some(hides)).is_ok());
}

#[test]
fn an_additive_mask_may_hold_minus_infinity_and_no_other() {
    let mask = |x: f32| {
        let data = Data::F32(vec![0.0, x, 0.0]);
        Some(Mask::Additive(Tensor::new([1, 1, 1, 3], data).unwrap()))
    };
    assert!(tiny(None, [1.0; 3], [1.0; 3], mask(f32::NEG_INFINITY)).is_ok());
    for x in [f32::INFINITY, f32::NAN] {
        let error = tiny(None, [1.0; 3], [1.0; 3], mask(x)).unwrap_err();
        assert!(matches!(error, InvalidInputs::NotFinite { tensor: "mask", .. }));
    }
}

#[test]
fn varied_inputs_differ_in_every_head_and_in_sign() {
    let p = problem(DType::F32);
    let a = generate(&p, 3);
    let b = a.varied(&p);
    let at = |t: &Tensor, h| t.data().get(t.index([1, h, 4, 2]));
    assert_eq!(at(b.v(), 1), -at(a.v(), 0));
    assert_eq!(at(b.k(), 1), at(a.k(), 0));
    assert_eq!(at(b.q(), 3), at(a.q(), 1), "queries move with the keys of their group");
    assert_eq!(b.varied(&p).digest(), a.digest(), "with two kv heads, twice is back");
}

fn scored(score: Score) -> Problem {
    let shape = Shape { heads_kv: 2, ..Shape::square(4, 5, 8) };
    Problem::new(ProblemSpec { score, ..ProblemSpec::new(shape, DType::F32) }).unwrap()
}

#[test]
fn weights_of_the_score_are_inputs_with_names() {
    let w = Some(Span::PerHead);
    let p = scored(Score::Additive { dim: 6, w_q: w, w_k: Some(Span::Shared), w });
    let parts = generate(&p, 1).parts;
    assert!(Inputs::new(&p, parts.clone()).is_ok());
    let refused = |weights| {
        let parts = InputParts { weights, ..parts.clone() };
        Inputs::new(&p, parts).unwrap_err().to_string()
    };
    let without = ScoreWeights { w_q: None, ..parts.weights.clone() };
    assert_eq!(refused(without), "tensor `w_q` is absent, expected f32 [1, 4, 8, 6]");
    let nan = Tensor::new([1, 4, 1, 6], Data::filled(DType::F32, 24, f64::NAN)).unwrap();
    let error = refused(ScoreWeights { w: Some(nan), ..parts.weights.clone() });
    assert_eq!(error, "tensor `w` holds NaN at [0, 0, 0, 0], which some query reads");
    let error = Inputs::new(&scored(Score::ScaledDot), parts.clone()).unwrap_err().to_string();
    assert_eq!(error, "tensor `w_q` is f32 [1, 4, 8, 6], expected absent");
}

#[test]
fn weights_count_in_digest_and_bytes_and_turn_with_their_heads() {
    let p = scored(Score::General { w: Some(Span::PerHead) });
    let plain = generate(&scored(Score::ScaledDot), 1);
    let a = generate(&p, 1);
    assert_eq!(a.q(), plain.q(), "other streams stay as they are");
    assert_ne!(a.digest(), plain.digest());
    assert_eq!(p.operand_bytes(), scored(Score::ScaledDot).operand_bytes() + 4 * 8 * 8 * 4);
    let b = a.varied(&p);
    let at = |x: &Inputs, h| {
        let w = x.weights().w.as_ref().unwrap();
        w.data().get(w.index([0, h, 3, 2]))
    };
    assert_eq!(at(&b, 3), at(&a, 1));
}

/// Two batches, two query heads that share one of k and v, three queries, five keys; two keys of batch 1 are valid.
fn padded(
    mask: impl Into<Option<MaskSpec>>,
    causal: Option<Alignment>,
    window: Option<Window>,
) -> Problem {
    let shape = Shape { batch: 2, heads_kv: 1, len_k: 5, ..Shape::square(2, 3, 2) };
    let kv_len = Some(vec![5, 2]);
    let (spec, mask) = (ProblemSpec::new(shape, DType::F32), mask.into());
    Problem::new(ProblemSpec { causal, window, mask, kv_len, ..spec }).unwrap()
}

/// `tensor` with `x` at one place.
fn with(tensor: &Tensor, at: [usize; 4], x: f64) -> Tensor {
    let mut values = tensor.data().to_f64();
    values[tensor.index(at)] = x;
    Tensor::new(tensor.dims(), Data::from_f64(tensor.dtype(), values.into_iter())).unwrap()
}

/// What is said of a mask of zeros with `x` at `at`, or nothing.
fn refused_mask(problem: &Problem, at: [usize; 4], x: f64) -> Option<String> {
    let dims = problem.spec().mask.unwrap().dims;
    let len = dims.iter().product();
    let zeros = Tensor::new(dims, Data::filled(DType::F32, len, 0.0)).unwrap();
    let mask = Some(Mask::Additive(with(&zeros, at, x)));
    let parts = InputParts { mask, ..generate(problem, 1).parts };
    Inputs::new(problem, parts).err().map(|error| error.to_string())
}

const fn additive(dims: [usize; 4]) -> MaskSpec {
    MaskSpec { kind: MaskKind::Additive, dims }
}

#[test]
fn a_mask_may_hold_anything_where_position_excludes_its_keys() {
    let causal = Some(Alignment::TopLeft);
    let window = Some(Window { left: Some(1), right: Some(1) });
    let full = additive([2, 2, 3, 5]);
    let each = [
        ("beyond kv_len", padded(full, None, None), [1, 1, 0, 2], [1, 1, 0, 1]),
        ("beyond the diagonal", padded(full, causal, None), [0, 1, 1, 2], [0, 1, 1, 1]),
        ("outside the window", padded(full, None, window), [0, 0, 2, 0], [0, 0, 2, 1]),
        (
            "for all batches",
            padded(additive([1, 1, 3, 5]), causal, None),
            [0, 0, 1, 2],
            [0, 0, 2, 2],
        ),
        ("for all rows", padded(additive([2, 1, 1, 5]), None, None), [1, 0, 0, 4], [0, 0, 0, 4]),
        (
            "for all keys",
            padded(additive([1, 2, 3, 1]), Some(Alignment::Offset(-1)), None),
            [0, 1, 0, 0],
            [0, 1, 1, 0],
        ),
    ];
    for (where_, problem, unread, read) in each {
        for (x, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            assert_eq!(refused_mask(&problem, unread, x), None, "{where_}");
            let says = format!("tensor `mask` holds {name} at {read:?}, which some query reads");
            assert_eq!(refused_mask(&problem, read, x), Some(says), "{where_}");
        }
    }
}

/// What is said of a NaN in the row `[b, h, i]` of q, or nothing.
fn refused_query(problem: &Problem, [b, h, i]: [usize; 3], mask: Option<&Mask>) -> Option<String> {
    let parts = generate(problem, 1).parts;
    let q = with(&parts.q, [b, h, i, 1], f64::NAN);
    let mask = mask.cloned();
    let error = Inputs::new(problem, InputParts { q, mask, ..parts }).err()?.to_string();
    let says = format!("tensor `q` holds NaN at {:?}, which some query reads", [b, h, i, 1]);
    assert_eq!(error, says);
    Some(error)
}

#[test]
fn a_row_of_q_without_keys_may_hold_anything() {
    // The diagonal of batch 1 begins one key before the first.
    let bottom_right = padded(None, Some(Alignment::BottomRight), None);
    assert_eq!(refused_query(&bottom_right, [1, 0, 0], None), None);
    assert!(refused_query(&bottom_right, [1, 0, 1], None).is_some());
    assert!(refused_query(&bottom_right, [0, 0, 0], None).is_some());
    for kind in [MaskKind::Bool, MaskKind::Additive] {
        // Only key 3, which is padding in batch 1, and only in head 1.
        let (dims, admits) = ([1, 2, 1, 5], (0..10).map(|at| at == 8));
        let masked = padded(MaskSpec { kind, dims }, None, None);
        let mask = match kind {
            MaskKind::Bool => Mask::Bool { dims, admits: admits.collect() },
            MaskKind::Additive => {
                let bias = admits.map(|admits| if admits { 0.5 } else { f64::NEG_INFINITY });
                Mask::Additive(Tensor::new(dims, Data::from_f64(DType::F32, bias)).unwrap())
            }
        };
        for (row, read) in [([0, 1, 2], true), ([0, 0, 2], false), ([1, 1, 2], false)] {
            assert_eq!(refused_query(&masked, row, Some(&mask)).is_some(), read, "{row:?}");
        }
    }
}

#[test]
fn an_element_that_is_read_is_found_behind_others_that_are_not() {
    let problem = padded(None, Some(Alignment::BottomRight), None);
    let parts = generate(&problem, 1).parts;
    let nobody = with(&parts.k, [1, 0, 2, 0], f64::NAN);
    let k = with(&with(&nobody, [1, 0, 4, 1], f64::NAN), [1, 0, 1, 1], f64::INFINITY);
    let error = Inputs::new(&problem, InputParts { k, ..parts.clone() }).unwrap_err().to_string();
    assert_eq!(error, "tensor `k` holds inf at [1, 0, 1, 1], which some query reads");
    assert!(Inputs::new(&problem, InputParts { k: nobody, ..parts }).is_ok());
}

#[test]
fn copies_are_zeroed_where_nobody_reads_and_nowhere_else() {
    let mask = additive([2, 2, 3, 5]);
    let problem = padded(mask, Some(Alignment::BottomRight), None);
    let inputs = Inputs::generate(&problem, InputDistribution::MaskedPoison, 5);
    let copy = |tensor: &Tensor| tensor.slice::<f32>().unwrap().to_vec();
    let [mut q, mut k, mut v] = [inputs.q(), inputs.k(), inputs.v()].map(copy);
    inputs.zero_unread(&problem, [&mut q, &mut k, &mut v]);
    let zeroed = inputs.zeroed::<f32>(&problem).unwrap();
    assert_eq!(zeroed.map(|rows| rows.to_vec()), [q.clone(), k.clone(), v.clone()]);
    assert!(inputs.zeroed::<f64>(&problem).is_none());
    for (zeroed, tensor) in [(q, inputs.q()), (k, inputs.k()), (v, inputs.v())] {
        let before = copy(tensor);
        assert!(before.iter().any(|x| !x.is_finite()));
        let expected: Vec<f32> = before
            .chunks_exact(2)
            .flat_map(|row| if row[0].is_finite() { [row[0], row[1]] } else { [0.0; 2] })
            .collect();
        assert_eq!(zeroed, expected);
    }
}
