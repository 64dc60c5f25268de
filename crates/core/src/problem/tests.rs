use super::*;

fn causal(len_q: usize, len_k: usize, alignment: Alignment) -> Problem {
    let shape = Shape { len_q, len_k, ..Shape::square(1, 1, 4) };
    let causal = Some(alignment);
    Problem::new(ProblemSpec { causal, ..ProblemSpec::new(shape, DType::F32) }).unwrap()
}

fn row_lengths(problem: &Problem) -> Vec<usize> {
    (0..problem.shape().len_q).map(|i| problem.admitted(0, i).len()).collect()
}

#[test]
fn alignments_differ_where_the_lengths_do() {
    assert_eq!(row_lengths(&causal(2, 5, Alignment::TopLeft)), [1, 2]);
    assert_eq!(row_lengths(&causal(2, 5, Alignment::BottomRight)), [4, 5]);
    assert_eq!(row_lengths(&causal(4, 2, Alignment::TopLeft)), [1, 2, 2, 2]);
    assert_eq!(row_lengths(&causal(4, 2, Alignment::BottomRight)), [0, 0, 1, 2]);
    assert_eq!(row_lengths(&causal(3, 3, Alignment::Offset(-2))), [0, 0, 1]);
    assert_eq!(row_lengths(&causal(3, 3, Alignment::Offset(7))), [3, 3, 3]);
}

#[test]
fn extreme_offsets_do_not_overflow() {
    assert_eq!(row_lengths(&causal(2, 2, Alignment::Offset(i64::MAX))), [2, 2]);
    assert_eq!(row_lengths(&causal(2, 2, Alignment::Offset(i64::MIN))), [0, 0]);
}

#[test]
fn windows_are_inclusive_on_both_sides_and_capped_by_causal() {
    let spec = ProblemSpec {
        window: Some(Window { left: Some(1), right: Some(2) }),
        align: Some(Alignment::Offset(1)),
        ..ProblemSpec::new(Shape { len_k: 6, ..Shape::square(1, 6, 2) }, DType::F32)
    };
    let keys = |spec: &ProblemSpec| {
        let problem = Problem::new(spec.clone()).unwrap();
        (0..6).map(|i| problem.admitted(0, i)).collect::<Vec<_>>()
    };
    assert_eq!(keys(&spec), [0..4, 1..5, 2..6, 3..6, 4..6, 5..6]);
    let causal = ProblemSpec { causal: spec.align, align: None, ..spec.clone() };
    assert_eq!(keys(&causal), [0..2, 1..3, 2..4, 3..5, 4..6, 5..6]);
    let open = ProblemSpec { window: Some(Window { left: None, right: Some(0) }), ..causal };
    assert_eq!(keys(&open), [0..2, 0..3, 0..4, 0..5, 0..6, 0..6]);
}

#[test]
fn padding_moves_the_bottom_right_corner_of_its_batch() {
    let spec = ProblemSpec {
        kv_len: Some(vec![5, 2, 0]),
        causal: Some(Alignment::BottomRight),
        ..ProblemSpec::new(Shape { batch: 3, len_k: 5, ..Shape::square(1, 3, 2) }, DType::F32)
    };
    let problem = Problem::new(spec).unwrap();
    let row = |b| [0, 1, 2].map(|i| problem.admitted(b, i).len());
    assert_eq!([row(0), row(1), row(2)], [[3, 4, 5], [0, 1, 2], [0, 0, 0]]);
    assert_eq!(problem.used_keys(2), 0..0);
}

#[test]
fn used_keys_stop_where_the_last_row_stops() {
    assert_eq!(causal(2, 5, Alignment::TopLeft).used_keys(0), 0..2);
    assert_eq!(causal(2, 5, Alignment::BottomRight).used_keys(0), 0..5);
}

#[test]
fn invalid_specs_are_refused_with_the_field_that_is_wrong() {
    let good = ProblemSpec::new(Shape::square(4, 8, 16), DType::F64);
    let with = |shape: Shape| Problem::new(ProblemSpec { shape, ..good.clone() }).unwrap_err();
    let zero = with(Shape { len_k: 0, ..good.shape });
    assert_eq!(zero, InvalidProblem::ZeroSize { size: "len_k" });
    let heads = with(Shape { heads_kv: 3, ..good.shape });
    assert_eq!(heads, InvalidProblem::Heads { heads_q: 4, heads_kv: 3 });
    let large = Shape { batch: usize::MAX, ..good.shape };
    assert!(matches!(with(large), InvalidProblem::TooLarge { .. }));
    let refused = |spec: ProblemSpec| Problem::new(spec).unwrap_err().to_string();
    let mask = Some(MaskSpec { kind: MaskKind::Bool, dims: [1, 2, 8, 8] });
    let message = refused(ProblemSpec { mask, ..good.clone() });
    assert_eq!(message, "mask dimensions [1, 2, 8, 8], expected each 1 or that of [1, 4, 8, 8]");
    let message = refused(ProblemSpec { kv_len: Some(vec![9]), ..good.clone() });
    assert_eq!(message, "kv_len = [9], expected 1 numbers from 0 to 8");
    assert!(refused(ProblemSpec { softcap: Some(0.0), ..good.clone() }).contains("above 0"));
    let both = Some(Alignment::TopLeft);
    assert!(refused(ProblemSpec { causal: both, align: both, ..good.clone() }).contains("align"));
    for scale in [f64::NAN, f64::INFINITY] {
        let spec = ProblemSpec { scale: Some(scale), ..good.clone() };
        assert!(matches!(Problem::new(spec), Err(InvalidProblem::Scale { .. })));
    }
}

#[test]
fn scores_have_their_own_default_scale_and_widths_that_fit() {
    let spec = |score, dim_k| {
        let shape = Shape { dim_k, ..Shape::square(2, 4, 16) };
        ProblemSpec { score, ..ProblemSpec::new(shape, DType::F32) }
    };
    let w = Some(crate::Span::Shared);
    let general = Problem::new(spec(Score::General { w }, Some(8))).unwrap();
    assert_eq!((general.scale(), general.score_weights().w), (1.0, Some([1, 1, 16, 8])));
    assert_eq!(general.to_string(), "B1 H2 N4 D16 Dk8 f32 general:w");
    let same = Problem::new(spec(Score::ScaledDot, Some(16))).unwrap();
    assert_eq!(same, Problem::new(spec(Score::ScaledDot, None)).unwrap());
    let refused = |spec| Problem::new(spec).unwrap_err().to_string();
    assert_eq!(
        refused(spec(Score::ScaledDot, Some(8))),
        "dim = 16, but dim_k = 8: the scaled-dot score has no matrix between them"
    );
    let additive = |dim| Score::Additive { dim, w_q: w, w_k: None, w: None };
    assert!(refused(spec(additive(16), Some(8))).starts_with("the score's dim = 16, but dim_k"));
    assert!(refused(spec(additive(0), None)).contains("dim is 0"));
    assert!(refused(spec(additive(1 << 60), Some(1 << 60))).contains("2^40"));
}

#[test]
fn serialises_as_its_spec_and_validates_on_the_way_back() {
    let problem = causal(2, 5, Alignment::Offset(-3));
    let json = serde_json::to_string(&problem).unwrap();
    assert!(json.contains(r#""causal":{"offset":-3}"#), "{json}");
    assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
    let broken = json.replace(r#""heads_kv":1"#, r#""heads_kv":0"#);
    let error = serde_json::from_str::<Problem>(&broken).unwrap_err().to_string();
    assert!(error.contains("heads_kv is 0"), "{error}");
}

#[test]
fn what_is_not_known_is_refused_and_named() {
    let spec = ProblemSpec { sinks: true, ..ProblemSpec::new(Shape::square(1, 2, 4), DType::F32) };
    let problem = Problem::new(spec).unwrap();
    assert_eq!(problem.needs_only(|_| true), Ok(()));
    let refused = problem.needs_only(|feature| feature != Feature::Sinks).unwrap_err();
    assert_eq!(refused.feature, Feature::Sinks);
    assert!(problem.features().into_iter().all(Feature::is_basic));
}
