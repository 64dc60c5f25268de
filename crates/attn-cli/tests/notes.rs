//! The commands about attention itself: parameters, maps, models, claims.

use std::process::{Command, Output};

use serde_json::Value;

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
    let rows: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON document");
    let of = |name: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["preset"] == name).unwrap();
        row["lines"].as_array().unwrap().clone()
    };
    let layer = of("llama-3-8b").iter().find(|line| line["what"] == "layer").unwrap().clone();
    // W_Q and W_O are 4096 x 4096, W_K and W_V 4096 x 1024.
    assert_eq!(layer["parameters"], 2 * 4096 * 4096 + 2 * 4096 * 1024);
}
