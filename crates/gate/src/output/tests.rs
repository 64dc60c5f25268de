use attn_bench::worker::CellId;
use serde_json::Value;

use super::*;
use crate::config::What;
use crate::exact;
use crate::result::{Control, Parameters, Reason, SCHEMA, Side, Time};

fn case(name: &str, verdict: Verdict, percent: Option<f64>) -> CaseResult {
    let cell = CellId { case: format!("gate/{name}"), backend: "faer".into(), threads: 1 };
    let time = percent.map(|percent| Time {
        percent,
        interval: Some([percent - 1.0, percent + 1.0]),
        sd: Some(0.6),
        ns: [1000.0, 1010.0],
        replicates: [8, 16],
        p: Some([1e-4, 2e-4]),
        smallest: Some(1.9),
        needed: None,
    });
    CaseResult {
        id: cell.to_string(),
        cell,
        verdict,
        reason: Reason::Screened,
        detail: "why <&\"'> | 100 %".into(),
        time,
        counted: Vec::new(),
        accepted: None,
    }
}

fn gate(cases: Vec<CaseResult>) -> Gate {
    let side = |name: &str| Side { name: name.into(), code: None };
    Gate {
        schema: SCHEMA.into(),
        verdict: cases.iter().map(|case| case.verdict).max().unwrap(),
        exit: Gate::exit_of(&cases),
        base: side("1a2b3c4d5e6f"),
        head: side("<new> & \"bold\""),
        identical: false,
        started: "2026-01-31T12:00:00Z".into(),
        seconds: 61.5,
        machine: attn_bench::machine::detect(),
        parameters: Parameters { detect: 3.0, tolerate: 0.75, alpha: 0.01 },
        control: Some(Control { percent: 0.1, p: 0.4, replicates: 8, void: false }),
        cases,
        notes: vec!["accept `x` expired on 2026-01-01: old".into()],
    }
}

/// A case of every verdict.
fn every() -> Gate {
    let mut cases: Vec<CaseResult> =
        Verdict::ALL.iter().map(|&v| case(&format!("{v:?}"), v, Some(0.5))).collect();
    cases[2].accepted = Some("meant | so".into());
    cases[9].counted = vec![exact::Change {
        what: What::Allocations,
        name: "allocations per call".into(),
        base: 0.0,
        head: 1.0,
        worse: None,
    }];
    cases[10].time = None;
    gate(cases)
}

/// What of JSON Schema the published schema uses.
fn violation(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("the reference exists");
        return violation(root, target, value, at);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = options.iter().any(|option| violation(root, option, value, at).is_none());
        return (!fits).then(|| format!("{at}: no alternative fits {value}"));
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return Some(format!("{at}: {value}"));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        return Some(format!("{at}: {value} is not allowed"));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let is = |name: &Value| match name.as_str().expect("a type is a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Some(format!("{at}: {value} is none of {types:?}"));
    }
    if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        let required = schema["required"].as_array().expect("and which are required");
        let missing = required.iter().find(|name| !fields.contains_key(name.as_str().unwrap()));
        if let Some(name) = missing {
            return Some(format!("{at}: {name} is missing"));
        }
        return fields.iter().find_map(|(name, value)| match known.get(name) {
            None => Some(format!("{at}: unknown field {name}")),
            Some(schema) => violation(root, schema, value, &format!("{at}/{name}")),
        });
    }
    let items = value.as_array()?;
    let exact = [("minItems", true), ("maxItems", false)];
    let wrong = exact.iter().any(|(name, least)| {
        let limit = schema[name].as_u64();
        limit
            .is_some_and(|n| if *least { (items.len() as u64) < n } else { items.len() as u64 > n })
    });
    if wrong {
        return Some(format!("{at}: {} items", items.len()));
    }
    let each = items.iter().enumerate();
    each.into_iter()
        .find_map(|(n, item)| violation(root, &schema["items"], item, &format!("{at}/{n}")))
}

#[test]
fn the_published_schema_describes_what_is_written() {
    let schema: Value = serde_json::from_str(include_str!("../../gate.schema.json")).unwrap();
    let mut gates = [every(), gate(vec![case("x", Verdict::Pass, None)])];
    gates[1].control = None;
    for gate in gates {
        let value = serde_json::to_value(&gate).unwrap();
        assert_eq!(violation(&schema, &schema, &value, ""), None);
        assert_eq!(serde_json::from_value::<Gate>(value).unwrap(), gate);
    }
    // The checker itself notices.
    let mut value = serde_json::to_value(every()).unwrap();
    value["cases"][0]["verdict"] = "fine".into();
    assert!(violation(&schema, &schema, &value, "").is_some());
    let mut value = serde_json::to_value(every()).unwrap();
    value["extra"] = 1.into();
    assert!(violation(&schema, &schema, &value, "").is_some());
}

#[test]
fn exit_codes() {
    use Verdict::{Accepted, Error, Improved, Inconclusive, New, Pass, Regressed, Void, Wrong};
    let exit = |verdicts: &[Verdict]| {
        let cases: Vec<CaseResult> = verdicts.iter().map(|&v| case("x", v, None)).collect();
        Gate::exit_of(&cases)
    };
    assert_eq!(exit(&[Pass, Improved, Accepted, New]), 0);
    assert_eq!(exit(&[Pass, Regressed, Error, Void]), 1);
    assert_eq!(exit(&[Wrong]), 1);
    assert_eq!(exit(&[Pass, Error, Inconclusive]), 3);
    assert_eq!(exit(&[Pass, Inconclusive]), 4);
    assert_eq!(exit(&[Void]), 4);
    assert_eq!(exit(&[]), 3);
}

#[test]
fn markdown_shows_what_matters_and_folds_the_rest() {
    let text = markdown(&every());
    assert!(text.starts_with(MARKER));
    let folded = text.find("<details>").unwrap();
    assert!(text.find("| `faer:gate/Regressed` ").unwrap() < folded);
    assert!(text.find("| `faer:gate/Pass` ").unwrap() > folded);
    assert!(text.contains("accepted: meant \\| so"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| :"));
    // A bar inside of a text is escaped, so that every row has five cells.
    assert!(rows.clone().all(|row| row.replace("\\|", "").matches('|').count() == 6));
    assert_eq!(rows.count(), 12 + 2);
}

#[test]
fn a_comment_only_shows_what_a_repository_says() {
    const TEXT: &str = "@org/team [x](y) ![x](y) <!-- x --> https://x.org #123 a\\|b";
    let mut gate =
        gate(vec![case(TEXT, Verdict::Regressed, Some(3.0)), case("x", Verdict::Pass, None)]);
    for case in &mut gate.cases {
        (case.detail, case.accepted) = (TEXT.into(), Some(TEXT.into()));
    }
    (gate.base.name, gate.head.name) = (TEXT.into(), TEXT.into());
    gate.notes = vec![TEXT.into()];
    let text = markdown(&gate);
    let text = text.strip_prefix(MARKER).expect("the comment is found by it");
    let text = text.replace("\\]", " ");
    // The case has a bar behind a backslash, which code cannot hold: nothing here is code.
    for act in ["@org", "](", "<!--", "://", "#123"] {
        assert!(!text.contains(act), "{act} in {text}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| :"));
    assert!(rows.clone().all(|row| row.replace("\\\\\\|", "").matches('|').count() == 6), "{text}");
    assert_eq!(rows.count(), 2 + 2);
}

#[test]
fn markup_is_well_formed_whatever_the_texts_hold() {
    let gate = every();
    let junit = junit(&gate);
    let page = html(&gate, forest(&gate).as_ref());
    // The one XML parser at hand reads SVG; so the elements of JUnit are put into one.
    let body = junit.split_once("?>").unwrap().1;
    let wrapped =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\">{body}</svg>");
    attn_report::png::rasterise(&wrapped, 1.0).unwrap();
    assert_eq!(junit.matches("<testcase").count(), 12);
    assert_eq!(junit.matches("<failure").count(), 4);
    assert_eq!(junit.matches("<skipped").count(), 3);
    assert!(junit.contains("failures=\"4\" errors=\"1\" skipped=\"3\""));
    assert!(!page.contains("<new>") && page.contains("&lt;new&gt;"));
    assert!(!page.contains("http-equiv") && !page.contains("src="));
    assert!(page.contains("<svg"));
}

#[test]
fn annotations_are_few_and_escaped() {
    let lines = annotations(&every());
    assert_eq!(lines.len(), 7);
    assert!(lines[0].starts_with("::error title=attn gate::WRONG faer:gate/Wrong +0.5 %25: why"));
    assert_eq!(lines.iter().filter(|line| line.starts_with("::warning")).count(), 2);
    let many: Vec<CaseResult> =
        (0..30).map(|n| case(&format!("{n}"), Verdict::Regressed, None)).collect();
    let lines = annotations(&gate(many));
    assert_eq!(lines.len(), 10);
    assert!(lines[9].ends_with("21 more, see gate.md"));
}

#[test]
fn the_terminal_table_fits_into_80_columns() {
    let text = terminal(&every());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("Control: base is the same"));
    assert!(text.contains("expired on 2026-01-01"));
}

#[test]
fn everything_is_written_into_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let gate = every();
    let written = write(folder.path(), &gate, &[]).unwrap();
    assert_eq!(written.len(), 6);
    assert_eq!(crate::result::read(folder.path()).unwrap(), gate);
    assert_eq!(crate::result::read_replicates(folder.path()).unwrap(), []);
    std::fs::write(folder.path().join("gate.json"), "{}").unwrap();
    let error = crate::result::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("gate.json: missing field"), "{error}");
}
