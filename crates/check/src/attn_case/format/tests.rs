use attn_core::{DType, Data, InputDistribution, MaskKind, MaskSpec, Span};
use proptest::prelude::*;
use safetensors::Dtype as FileType;
use safetensors::tensor::TensorView;

use super::*;

fn sample(dtype: DType, kind: MaskKind) -> AttnCase {
    scored(dtype, kind, Score::ScaledDot, None)
}

fn scored(dtype: DType, kind: MaskKind, score: Score, dim_k: Option<usize>) -> AttnCase {
    let shape = Shape { heads_kv: 1, len_k: 4, dim_k, dim_v: 5, ..Shape::square(2, 3, 2) };
    let problem = Problem::new(ProblemSpec {
        score,
        causal: Some(Alignment::BottomRight),
        window: Some(Window { left: Some(2), right: None }),
        softcap: Some(5.0),
        mask: Some(MaskSpec { kind, dims: [1, 2, 1, 4] }),
        kv_len: Some(vec![3]),
        alibi: true,
        sinks: true,
        lse: true,
        ..ProblemSpec::new(shape, dtype)
    });
    let problem = problem.unwrap();
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let names = |n: usize| (0..n).map(|i| i.to_string()).collect();
    let tensor = |dtype, dims: [usize; 4]| {
        Tensor::new(dims, Data::filled(dtype, dims.iter().product(), 0.5)).unwrap()
    };
    let claim = Claim {
        out: Some(tensor(dtype, shape.out())),
        lse: Some(tensor(attn_core::lse_dtype(dtype), [1, 2, 3, 1])),
        lse_base_two: true,
        tolerance: Some(Tolerance { rtol: 1e-3, atol: 0.0 }),
        arithmetic: Some(ClaimArithmetic {
            scores: Format::Tf32,
            weights: Format::BF16,
            sums: DType::F32,
        }),
    };
    AttnCase {
        problem,
        inputs,
        claim: Some(claim),
        tokens: Some(Tokens { q: names(3), k: names(4) }),
        source: Some("a test".into()),
    }
}

const BASE: &str = r#"{"schema":"attn-case/1","score":"scaled-dot""#;

/// A file with 1x1x1x1 tensors, the given metadata and one more tensor.
fn file(json: &str, extra: Option<(&str, FileType, Vec<usize>, &[u8])>) -> Vec<u8> {
    let one = 1f32.to_le_bytes();
    let view = || TensorView::new(FileType::F32, vec![1, 1, 1, 1], &one).unwrap();
    let mut tensors: Vec<_> = ["q", "k", "v"].map(|name| (name, view())).into();
    if let Some((name, dtype, dims, bytes)) = extra {
        tensors.retain(|(known, _)| *known != name);
        tensors.push((name, TensorView::new(dtype, dims, bytes).unwrap()));
    }
    let map = HashMap::from([(KEY.to_string(), json.to_string())]);
    safetensors::serialize(tensors, Some(map)).unwrap()
}

fn message(json: &str) -> String {
    AttnCase::parse(&file(json, None)).unwrap_err().to_string()
}

fn message_with(name: &str, dtype: FileType, dims: Vec<usize>, bytes: &[u8]) -> String {
    let bytes = file(&format!("{BASE}}}"), Some((name, dtype, dims, bytes)));
    AttnCase::parse(&bytes).unwrap_err().to_string()
}

#[test]
fn everything_round_trips_in_every_type() {
    for dtype in DType::ALL {
        for kind in [MaskKind::Bool, MaskKind::Additive] {
            let case = sample(dtype, kind);
            assert_eq!(AttnCase::parse(&case.to_bytes()).unwrap(), case, "{dtype} {kind:?}");
        }
    }
}

/// Scores with everything, with some and with nothing, and the width of keys that goes with each.
fn scores() -> Vec<(Score, Option<usize>)> {
    let [shared, own] = [Some(Span::Shared), Some(Span::PerHead)];
    vec![
        (Score::General { w: None }, None),
        (Score::General { w: shared }, Some(7)),
        (Score::General { w: own }, None),
        (Score::Additive { dim: 2, w_q: None, w_k: None, w: None }, None),
        (Score::Additive { dim: 7, w_q: own, w_k: None, w: shared }, Some(7)),
        (Score::Additive { dim: 2, w_q: None, w_k: shared, w: own }, Some(3)),
        (Score::Additive { dim: 6, w_q: shared, w_k: own, w: None }, Some(3)),
    ]
}

#[test]
fn every_score_round_trips_in_every_type() {
    for dtype in DType::ALL {
        for (score, dim_k) in scores() {
            let case = scored(dtype, MaskKind::Bool, score, dim_k);
            assert_eq!(AttnCase::parse(&case.to_bytes()).unwrap(), case, "{dtype} {score}");
        }
    }
}

/// A file of the given score with one more tensor, all of `q`, `k` and `v` being 1x1x1x1.
fn message_of(score: &str, name: &str, dims: Vec<usize>, value: f32) -> String {
    let json = format!(r#"{{"schema":"attn-case/1","score":"{score}"}}"#);
    let data = vec![value; dims.iter().product()];
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
    let file = file(&json, Some((name, FileType::F32, dims, &bytes)));
    AttnCase::parse(&file).map_or_else(|error| error.to_string(), |_| "fine".into())
}

#[test]
fn weights_that_do_not_fit_their_score_are_refused_by_name() {
    let of = |score, name, dims: &[usize]| message_of(score, name, dims.into(), 1.0);
    assert_eq!(of("general", "w", &[1, 1, 1]), "fine");
    assert_eq!(of("additive", "w", &[1, 1]), "fine");
    assert_eq!(
        of("scaled-dot", "w", &[1, 1, 1]),
        "tensor `w` is f32 [1, 1, 1, 1], expected absent"
    );
    assert_eq!(
        of("general", "w_q", &[1, 1, 1]),
        "tensor `w_q` is f32 [1, 1, 1, 1], expected absent"
    );
    assert_eq!(of("general", "w", &[1, 1]), "tensor `w` is F32 [1, 1], expected 3 dimensions");
    assert_eq!(
        of("additive", "w", &[1, 1, 1]),
        "tensor `w` is F32 [1, 1, 1], expected 2 dimensions"
    );
    let rows = of("general", "w", &[1, 2, 1]);
    assert_eq!(rows, "tensor `w` is f32 [1, 1, 2, 1], expected f32 [1, 1, 1, 1]");
    let heads = of("additive", "w_q", &[3, 1, 1]);
    assert_eq!(heads, "tensor `w_q` is f32 [1, 3, 1, 1], expected f32 [1, 1, 1, 1]");
    let widths = of("additive", "w_q", &[1, 1, 4]);
    assert_eq!(
        widths,
        "the score's dim = 4, but dim_k = 1: the additive:A=4,w_q score has no matrix between them"
    );
    assert!(of("additive", "w_q", &[1, 1, 0]).contains("dim is 0"));
    let nan = message_of("additive", "w", vec![1, 1], f32::NAN);
    assert_eq!(nan, "tensor `w` holds NaN at [0, 0, 0, 0], which some query reads");
}

#[test]
fn absent_keys_are_null() {
    assert!(AttnCase::parse(&file(&format!("{BASE}}}"), None)).is_ok());
}

#[test]
fn metadata_that_cannot_be_followed_is_refused_by_name() {
    assert!(message(&format!(r#"{BASE},"typo":1}}"#)).contains("unknown field `typo`"));
    let score = message(r#"{"schema":"attn-case/1","score":"cosine"}"#);
    assert_eq!(
        score,
        "metadata `attn_case`: score `cosine`, expected one of scaled-dot, general, additive"
    );
    assert!(message(r#"{"schema":"attn-case/9","score":"scaled-dot"}"#).contains("attn-case/9"));
    assert!(message(&format!(r#"{BASE},"softcap":-1.0}}"#)).contains("softcap = -1"));
    assert!(message(&format!(r#"{BASE},"out":{{"rtol":-1,"atol":0}}}}"#)).contains("out.rtol"));
    let tokens = message(&format!(r#"{BASE},"tokens":{{"q":["a","b"],"k":["a"]}}}}"#));
    assert!(tokens.contains("2 and 1 tokens for 1 queries and 1 keys"), "{tokens}");
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let four = [0u8; 4];
    let unknown = message_with("u", FileType::F32, vec![1], &four);
    assert!(unknown.starts_with("unknown tensor `u`, expected only q, k, v, w_q"), "{unknown}");
    assert_eq!(
        message_with("out", FileType::F32, vec![1, 1, 1], &four),
        "tensor `out` is F32 [1, 1, 1], expected 4 dimensions"
    );
    assert_eq!(
        message_with("kv_len", FileType::I32, vec![1], &four),
        "tensor `kv_len` is I32 [1], expected I64 [B]"
    );
    let seven = 7i64.to_le_bytes();
    let long = message_with("kv_len", FileType::I64, vec![1], &seven);
    assert_eq!(long, "kv_len = [7], expected 1 numbers from 0 to 1");
    let mask = message_with("mask", FileType::U8, vec![1, 1, 1, 1], &[2]);
    assert_eq!(mask, "tensor `mask` is one with a byte 2, expected 0 or 1");
    let nan = message_with("v", FileType::F32, vec![1, 1, 1, 1], &f32::NAN.to_le_bytes());
    assert_eq!(nan, "tensor `v` holds NaN at [0, 0, 0, 0], which some query reads");
    let mixed = message_with("v", FileType::F64, vec![1, 1, 1, 1], &1f64.to_le_bytes());
    assert_eq!(mixed, "tensor `v` is f64 [1, 1, 1, 1], expected f32 [1, 1, 1, 1]");
}

#[test]
fn a_header_that_claims_gigabytes_is_refused_at_once() {
    let mut bytes = sample(DType::F32, MaskKind::Bool).to_bytes();
    bytes[..8].copy_from_slice(&(2u64 << 30).to_le_bytes());
    let error = AttnCase::parse(&bytes).unwrap_err().to_string();
    assert!(error.starts_with("not a safetensors file"), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = sample(DType::F16, MaskKind::Additive).to_bytes();
    for len in 0..bytes.len() {
        assert!(AttnCase::parse(&bytes[..len]).is_err(), "{len}");
    }
}

proptest! {
    #[test]
    fn flipped_bytes_never_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = sample(DType::F32, MaskKind::Bool).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = AttnCase::parse(&bytes);
    }

    #[test]
    fn flipped_bytes_of_a_scored_file_never_panic(
        which in 0usize..7, at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let (score, dim_k) = scores()[which];
        let mut bytes = scored(DType::F32, MaskKind::Bool, score, dim_k).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = AttnCase::parse(&bytes);
    }

    #[test]
    fn arbitrary_metadata_never_panics(json in ".{0,200}") {
        let _ = AttnCase::parse(&file(&json, None));
    }
}

#[test]
fn a_log_sum_exp_alone_round_trips() {
    let mut case = sample(DType::F32, MaskKind::Bool);
    case.claim.as_mut().unwrap().out = None;
    assert_eq!(AttnCase::parse(&case.to_bytes()).unwrap(), case);
}

#[test]
fn arithmetic_and_base_are_complete_or_refused() {
    let lse = (1f32).to_le_bytes();
    let parse = |more: &str| {
        let extra = Some(("lse", FileType::F32, vec![1, 1, 1], &lse[..]));
        AttnCase::parse(&file(&format!("{BASE}{more}}}"), extra))
    };
    let claim = parse(r#","arithmetic":{"scores":"int8"},"lse_base":2"#).unwrap().claim.unwrap();
    let assumed = ClaimArithmetic::assumed(DType::F32);
    let declared = ClaimArithmetic { scores: Format::Int8, ..assumed };
    assert_eq!((claim.arithmetic, claim.lse_base_two), (Some(declared), true));
    for (more, says) in [
        (r#","lse_base":10"#, "lse_base 10, expected 2"),
        (r#","arithmetic":["f32","f32","f32"]"#, "arithmetic is a list, expected an object"),
        (r#","window":[1,2]"#, "window is a list, expected an object"),
        (r#","arithmetic":{"weights":"int8"}"#, "arithmetic.weights int8, expected"),
        (r#","arithmetic":{"scores":"fp8"}"#, "unknown variant `fp8`"),
        (r#","arithmetic":{"score":"f32"}"#, "unknown field `score`"),
    ] {
        let message = parse(more).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    let general = BASE.replace("scaled-dot", "general");
    let general = format!(r#"{general},"arithmetic":{{"scores":"int8"}}}}"#);
    let extra = Some(("lse", FileType::F32, vec![1, 1, 1], &lse[..]));
    let message = AttnCase::parse(&file(&general, extra)).unwrap_err().to_string();
    assert!(message.contains("int8 is for scaled-dot"), "{message}");
}
