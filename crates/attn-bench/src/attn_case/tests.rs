use attn_core::{DType, Data, Family, MaskKind, MaskSpec};
use proptest::prelude::*;
use safetensors::Dtype as FileType;
use safetensors::tensor::TensorView;

use super::*;

fn sample(dtype: DType, kind: MaskKind) -> AttnCase {
    let shape = Shape { heads_kv: 1, len_k: 4, dim_v: 5, ..Shape::square(2, 3, 2) };
    let problem = Problem::new(ProblemSpec {
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
    let inputs = Inputs::generate(&problem, Family::Normal, 1);
    let names = |n: usize| (0..n).map(|i| i.to_string()).collect();
    let tensor = |dtype, dims: [usize; 4]| {
        Tensor::new(dims, Data::filled(dtype, dims.iter().product(), 0.5)).unwrap()
    };
    let claim = Claim {
        out: tensor(dtype, shape.out()),
        lse: Some(tensor(attn_core::lse_dtype(dtype), [1, 2, 3, 1])),
        tolerance: Some(Tolerance { rtol: 1e-3, atol: 0.0 }),
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

#[test]
fn absent_keys_are_null() {
    assert!(AttnCase::parse(&file(&format!("{BASE}}}"), None)).is_ok());
}

#[test]
fn metadata_that_cannot_be_followed_is_refused_by_name() {
    assert!(message(&format!(r#"{BASE},"typo":1}}"#)).contains("unknown field `typo`"));
    let score = message(r#"{"schema":"attn-case/1","score":"additive"}"#);
    assert_eq!(score, "score `additive` is not supported by this version");
    assert!(message(r#"{"schema":"attn-case/9","score":"scaled-dot"}"#).contains("attn-case/9"));
    assert!(message(&format!(r#"{BASE},"softcap":-1.0}}"#)).contains("softcap = -1"));
    assert!(message(&format!(r#"{BASE},"out":{{"rtol":-1,"atol":0}}}}"#)).contains("out.rtol"));
    let tokens = message(&format!(r#"{BASE},"tokens":{{"q":["a","b"],"k":["a"]}}}}"#));
    assert!(tokens.contains("2 and 1 tokens for 1 queries and 1 keys"), "{tokens}");
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let four = [0u8; 4];
    let unknown = message_with("w", FileType::F32, vec![1], &four);
    assert!(unknown.starts_with("unknown tensor `w`, expected only q, k, v"), "{unknown}");
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
    fn arbitrary_metadata_never_panics(json in ".{0,200}") {
        let _ = AttnCase::parse(&file(&json, None));
    }
}
