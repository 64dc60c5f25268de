//! Overviews as they are read.

use attn_analysis::fixture::{checked, disturbed, sure as cell, with_outcome};
use attn_record::Timing;

use super::*;

fn facts() -> Facts {
    Facts {
        preset: "preset quick".into(),
        took: Duration::from_millis(118_400),
        page: "runs/1/index.html".into(),
        next: vec![("attn cmp runs/1".into(), "every case")],
        ..Facts::default()
    }
}

fn text(records: &[Record]) -> String {
    overview(records, &facts(), Options::default())
}

#[test]
fn an_overview_reads_like_this() {
    let refused = |case| with_outcome(cell(case, "c", 1.0), Outcome::Unsupported);
    let records = [
        cell("curated/models/bert", "a", 100.0),
        cell("curated/models/bert", "b", 400.0),
        refused("curated/models/bert"),
        cell("sweep/n=1", "a", 100.0),
        cell("sweep/n=1", "b", 900.0),
        refused("sweep/n=1"),
        checked("semantics/x", "b", 0.38),
    ];
    let expected = "\
attn 0.1.0: Test CPU, 2 cores; preset quick, 7 cells in 118 s

QUIET    0 of 8 samples (0%) were disturbed; the fastest is certain in 2 of 2
         comparisons
RIGHT    all 5 results agree with the f64 oracle; the largest error is 38% of
         its bound (b on semantics/x)
FASTEST  kernel, scaled-dot, 1 thread: mean ratio to the fastest over 2 cases
         backend  ratio  fastest in
         a        1.00x      2 of 2  ████
         b        6.00x      0 of 2  ████████████████████████
LAYERS   case  fastest    time  next      ratio
         bert  a*       100 ns  b     4.00x ±0%
         *: certainly the fastest; ~: the intervals do not tell these apart
NOT RUN  2 unsupported (c): because of unsupported
PAGE     runs/1/index.html
NEXT     attn cmp runs/1  # every case
";
    assert_eq!(text(&records), expected);
}

#[test]
fn what_is_wrong_failed_or_noisy_comes_with_its_reason() {
    let causal = |case: &str| {
        let mut record = with_outcome(checked(case, "b", 3.0), Outcome::Disagrees);
        record.problem.causal = Some(attn_core::Alignment::TopLeft);
        record
    };
    let long = "a reason that is longer than a line ".repeat(5);
    let mut failed = with_outcome(cell("g/3", "a", 1.0), Outcome::Error);
    failed.reason = Some(long.clone());
    let records =
        [causal("g/1"), causal("g/2"), checked("g/3", "b", 0.1), failed, disturbed("g/4", 5, 10)];
    let text = text(&records);
    assert!(
        text.contains("\n! NOISY  50% of 10 samples were disturbed by other programs"),
        "{text}"
    );
    assert!(text.contains("\nWRONG    2 of 4 results disagree with the f64 oracle\n"), "{text}");
    let said = "b: 2 of 3 wrong, all of them causal, and none of the right ones; first g/1: because of disagrees";
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    let holds = |part: &str| words(&text).windows(words(part).len()).any(|w| w == words(part));
    assert!(holds(said), "{text}");
    assert!(holds(&format!("error: a on g/3: {long}")), "no reason is cut off: {text}");
}

/// A run in which everything is there that an overview speaks of, as far as `with` asks for it.
fn crowded(with: u8) -> (Vec<Record>, Facts) {
    let asked = |bit: u8| with & (1 << bit) != 0;
    let sentence = |n: usize| {
        format!("reason {n} takes two lines of a narrow terminal, or even three of them ").repeat(2)
    };
    let ended = |case: &str, backend: &str, outcome, reason: usize| {
        let mut record = with_outcome(cell(case, backend, 1.0), outcome);
        record.reason = Some(sentence(reason).trim_end().into());
        record
    };
    let ids = [
        "mine",
        "flash/avx2",
        "candle/composed",
        "faer",
        "ndarray",
        "naive",
        "torch/compile",
        "additive",
    ];
    let mut records = Vec::new();
    for (group, timing, threads) in [
        ("curated/models", Timing::Kernel, 1),
        ("sweep/seq-len/full", Timing::Kernel, 2),
        ("curated/decode", Timing::EndToEnd, 1),
    ] {
        for (case, (at, id)) in
            (0..9).flat_map(|case| ids.iter().enumerate().map(move |it| (case, it)))
        {
            let mut record =
                cell(&format!("{group}/case-{case}"), id, 1e5 * (at + case + 1) as f64);
            (record.timing, record.threads) = (Some(timing), threads);
            records.push(record);
        }
    }
    if asked(0) {
        records.extend((0..3).map(|n| disturbed(&format!("noisy/{n}"), 24, 30)));
    }
    for (at, id) in ["wrong/first", "wrong/second", "wrong/third"].into_iter().enumerate() {
        if asked(1) {
            records.push(ended("semantics/masks/boolean/f16", id, Outcome::Disagrees, at));
        }
        if asked(2) {
            records.push(ended("sweep/head-dim/d=80", id, Outcome::Implausible, 3 + at));
            records.push(ended("sweep/head-dim/d=96", id, Outcome::Timeout, 6 + at));
        }
        if asked(3) {
            records.push(ended("sweep/seq-len/full/n=8192", id, Outcome::Skipped, 9 + at));
            records.push(ended("sweep/seq-len/full/n=4096", id, Outcome::Unsupported, 12 + at));
        }
    }
    if asked(4) {
        // Without layers of models, groups.
        records.retain(|record| record.group() != "curated/models");
    }
    for record in &mut records {
        record.machine.cpu = "AMD EPYC-Milan Processor with a name as long as they come".into();
        (record.build.revision, record.build.dirty) = (Some("593d8ed6c0ffee".into()), true);
    }
    let path = "bench-results/runs/2026-01-31T12-00-00Z";
    let command = |name: &str| (format!("attn {name} {path}"), "what it says");
    let verify = "attn verify -b wrong/first bench-results/failures/semantics.masks.boolean.f16@wrong.first@inputs-a.safetensors";
    let facts = Facts {
        own: if asked(5) { vec!["mine".into()] } else { Vec::new() },
        load: Some(2.5),
        kept: asked(1).then(|| (3, "bench-results/failures".into())),
        page: format!("{path}/index.html"),
        next: vec![(verify.into(), "the first that is wrong"), command("cmp"), command("doctor")],
        ..facts()
    };
    (records, facts)
}

#[test]
fn an_overview_takes_thirty_lines_at_most_and_reasons_are_whole() {
    for with in 0..64 {
        let (records, facts) = crowded(with);
        for width in [80, 100, 140] {
            let text = overview(&records, &facts, Options { width, color: false });
            let taken: usize =
                text.lines().map(|line| line.chars().count().div_ceil(width).max(1)).sum();
            assert!(taken <= 30, "{with:b} at {width} takes {taken}:\n{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for n in words.match_indices("reason ").filter_map(|(at, found)| {
                words[at + found.len()..].split(' ').next()?.parse::<usize>().ok()
            }) {
                let whole = format!(
                    "reason {n} takes two lines of a narrow terminal, or even three of them"
                );
                assert!(words.contains(&[&*whole, &*whole].join(" ")), "{with:b}: {n} in\n{text}");
            }
            let said = |bit: u8, part: &str| {
                assert_eq!(with & (1 << bit) != 0, text.contains(part), "{part}\n{text}");
            };
            said(0, "! NOISY");
            said(1, "WRONG    3 of ");
            said(1, "wrong/first: 1 of 1 wrong");
            said(2, "FAILED   6 cells");
            said(2, "implausible: wrong/first on ");
            said(3, "NOT RUN");
            said(5, "mean ratio to mine");
            for part in ["FASTEST", "PAGE ", "NEXT ", "load 2.50 on 2 cores"] {
                assert!(text.contains(part), "{part}\n{text}");
            }
        }
    }
}

#[test]
fn backends_of_ones_own_come_first_and_others_are_relative_to_them() {
    let records = [cell("g/1", "a", 100.0), cell("g/1", "mine", 200.0), cell("g/1", "b", 400.0)];
    let facts = Facts { own: vec!["mine".into()], ..facts() };
    let text = overview(&records, &facts, Options::default());
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    assert!(place("mine      1.00x") < place("a        0.500x"), "{text}");
    assert!(text.contains("b         2.00x") && text.contains("mean ratio to mine"), "{text}");
}

#[test]
fn no_line_is_wider_than_asked_and_colours_change_nothing_else() {
    let mut records = vec![disturbed("g/x", 1, 2)];
    for n in 1..20 {
        for (at, id) in ["a", "flash/avx512", "candle/composed"].iter().enumerate() {
            records.push(cell(&format!("sweep/len-{}/n={n}", n % 4), id, (100 + at * n) as f64));
        }
    }
    for width in [40, 80, 140] {
        let plain = overview(&records, &facts(), Options { width, color: false });
        assert!(plain.lines().all(|line| line.chars().count() <= width), "{plain}");
        let colored = overview(&records, &facts(), Options { width, color: true });
        assert!(colored.contains("\x1b["));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    }
}
