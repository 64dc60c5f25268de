//! The whole path on the extract of a published model: tokenizer, embeddings, one layer, pooling.

use std::fs;
use std::path::{Path, PathBuf};

use attn_core::Exec;
use attn_head::Engines;
use attn_model::{Model, cosine_distance, reference};

fn extract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/model/extract")
}

fn engines() -> Engines<'static> {
    Engines { backend: &attn_naive::Naive, projection: &attn_head::Naive, exec: Exec::SINGLE }
}

#[test]
fn embeddings_are_those_that_were_recorded() {
    let model = Model::load(&extract()).unwrap();
    let known = reference::all().iter().filter(|known| known.weights == model.digest());
    let known: Vec<_> = known.collect();
    assert_eq!(known.len(), 3);
    let mut embeddings = Vec::new();
    for reference in known {
        let embedding = model.embed(&reference.text, engines()).unwrap();
        assert_eq!(embedding.tokens, reference.tokens);
        let distance = cosine_distance(&embedding.vector, &reference.embedding);
        assert!(distance < 1e-9, "{distance:e}");
        for (a, b) in embedding.vector.iter().zip(&reference.embedding) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        embeddings.push(embedding.vector);
    }
    // The texts are told apart, so that a constant would not pass.
    assert!(cosine_distance(&embeddings[0], &embeddings[1]) > 0.01);
}

#[test]
fn the_whole_text_counts_however_long() {
    let model = Model::load(&extract()).unwrap();
    // A published tokenizer cuts at 128 tokens and pads to 128; neither may happen here.
    let tokens = |text: &str| model.embed(text, engines()).map(|embedding| embedding.tokens.len());
    assert_eq!(tokens("why do cats purr?").unwrap(), 8);
    let long = tokens(&"the cat ".repeat(100)).unwrap_err().to_string();
    assert_eq!(long, "the text has 202 tokens, expected at most 64: shorten it");
}

#[test]
fn a_missing_or_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Model::load(folder.path()).err().unwrap().to_string();
    assert!(load().contains("config.json"));
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(extract().join(name), folder.path().join(name)).unwrap();
    }
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let wider = config.replace("\"intermediate_size\": 64", "\"intermediate_size\": 65");
    assert_ne!(wider, config);
    fs::write(folder.path().join("config.json"), wider).unwrap();
    let message = load();
    assert!(message.contains("encoder.layer.0.intermediate.dense.weight"), "{message}");
    assert!(message.contains("[64, 384]") && message.contains("[65, 384]"), "{message}");
}

/// What becomes of the extract with each of its weights replaced by `weight`.
fn with_weights(weight: f32) -> String {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(extract().join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for element in bytes[header..].chunks_exact_mut(4) {
        element.copy_from_slice(&weight.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    let embedded = Model::load(folder.path()).and_then(|model| model.embed("why?", engines()));
    embedded.err().expect("no model").to_string()
}

#[test]
fn weights_that_mean_nothing_are_refused() {
    assert!(with_weights(0.0).starts_with("the embedding of the text is zero or not finite"));
    assert!(!with_weights(f32::MAX).is_empty(), "what overflows is an error");
    let message = with_weights(f32::NAN);
    assert!(message.ends_with(", expected finite weights") && message.contains("NaN"), "{message}");
}
