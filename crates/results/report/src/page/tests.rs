//! What holds for whole pages.

use attn_analysis::fixture::{self, checked, elsewhere, ok, sweep, with_outcome};
use attn_record::{Map, Outcome, Record, Run};

use crate::charts::attention_map;
use crate::source::{MachineSection, Source};

const GROUP: &str = "sweep/seq-len/full";

fn render(run: Run, records: Vec<Record>, map: Option<Map>) -> String {
    let source = Source { run, records, finished: true, map, limits: None, known: &[] };
    let map = source.map.as_ref().and_then(|map| attention_map(map, ""));
    super::render(&source, &MachineSection::all(&source), map.as_ref(), None)
}

/// The page without its own style and script.
fn body(page: &str) -> &str {
    let body = page.split("<body>").nth(1).unwrap();
    body.split("<script>").next().unwrap()
}

#[test]
fn hostile_names_are_only_text() {
    let hostile = "<script>alert('&\")</script>";
    let mut records = sweep(GROUP, &[hostile, "naive"], &[64, 128]);
    records.push(ok(hostile, hostile, 10.0));
    records.push(with_outcome(checked(hostile, hostile, 0.1), Outcome::Error));
    for record in &mut records {
        record.reason = record.reason.is_some().then(|| hostile.into());
        record.machine.cpu = hostile.into();
        if let Some(info) = &mut record.info {
            info.library = hostile.into();
        }
    }
    records.push(elsewhere(ok("g/1", "naive", 1.0)));
    let mut run = fixture::run();
    run.command = hostile.into();
    run.arguments = vec!["--budget".into(), hostile.into()];
    run.groups[0].analysis = hostile.into();
    let mut map = fixture::map(3);
    map.case = hostile.into();
    map.tokens_k[0] = hostile.into();
    let page = render(run, records, Some(map));
    assert_eq!(page.matches("<script").count(), 1, "its own");
    assert!(!body(&page).contains("alert('"));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let records = sweep(GROUP, &["naive", "faer"], &[64, 128]);
    let page = render(fixture::run(), records, Some(fixture::map(4)));
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
        assert!(!without_namespace.contains(outside), "{outside}");
    }
    assert!(page.contains("Time grows with the square of the length."));
}

/// What stands above the table of contents and the first section.
fn first_screen(page: &str) -> &str {
    let body = page.split("<body>").nth(1).unwrap();
    body.split("<section id=").next().unwrap()
}

#[test]
fn the_page_begins_with_state_chart_and_ranking() {
    let mut records = sweep(GROUP, &["naive", "faer"], &[64, 128]);
    for record in &mut records {
        let ns = record.median_ns().unwrap();
        record.volatile.measurement = Some(fixture::certain(ns));
    }
    let page = render(fixture::run(), records, None);
    let first = first_screen(&page);
    for part in [
        "✓ right: all 4 results agree with the f64 oracle",
        "Test CPU, 2 cores",
        "attn 0.1.0 (release)",
        "2026-01-01T00:00:00Z",
        "Time per call: full attention",
        "data-series=\"faer\"",
        ">2.00x<",
        "sweep/seq-len/full: <strong>naive</strong>, ahead by 2.00x.",
    ] {
        assert!(first.contains(part), "{part} in {first}");
    }
    for part in [
        "The largest error uses <strong>3.0%</strong> of its budget",
        "Time grows as N<sup>2.00</sup> (naive) to N<sup>2.00</sup> (faer)",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_link_has_a_picture_where_the_address_is_known() {
    let records = sweep(GROUP, &["naive", "faer"], &[64, 128]);
    let (run, map, limits) = (fixture::run(), None, None);
    let source = Source { run, records, finished: true, map, limits, known: &[] };
    let page = |url| super::render(&source, &MachineSection::all(&source), None, url);
    assert!(!page(None).contains("og:image") && page(None).contains("og:title"));
    let tag = "<meta property=\"og:image\" content=\"https://example.org/attn/charts/time-seq-len-full.png\">";
    for url in ["https://example.org/attn", "https://example.org/attn/"] {
        assert!(page(Some(url)).contains(tag));
    }
}

#[test]
fn growth_is_that_of_the_sweep_with_the_most_sizes() {
    let mut records = sweep("sweep/scores/additive", &["short"], &[64, 128]);
    records.extend(sweep(GROUP, &["long"], &[64, 128, 256]));
    records.extend(sweep("sweep/seq-len/causal", &["later"], &[64, 128, 256]));
    let page = render(fixture::run(), records, None);
    assert!(page.contains("Time grows as N<sup>2.00</sup> (long)"), "{page}");
}

#[test]
fn a_wrong_result_is_said_first() {
    let records = vec![
        ok("g/1", "right", 1.0),
        with_outcome(ok("g/1", "wrong", 1.0), Outcome::Disagrees),
        with_outcome(ok("g/2", "slow", 1.0), Outcome::Timeout),
    ];
    let page = render(fixture::run(), records, None);
    let first = first_screen(&page);
    assert!(first.contains("✗ wrong: 1 of 2 results disagree"), "{first}");
    assert!(first.contains("✗ 1 cell timeout"), "{first}");
    assert!(page.contains("not ranked: <strong>wrong</strong>"), "{page}");
}

#[test]
fn machines_are_parts_of_one_page() {
    let here = sweep(GROUP, &["naive", "faer"], &[64, 128]);
    let there: Vec<Record> =
        sweep(GROUP, &["naive"], &[64, 128]).into_iter().map(elsewhere).collect();
    let page = render(fixture::run(), [here, there].concat(), None);
    let (_, main) = page.split_once("<main").unwrap();
    let (first, second) = main.split_once("class=\"place\">Other CPU, 2 cores").unwrap();
    assert!(first.contains("class=\"place\">Test CPU, 2 cores"));
    assert!(first.contains("faer") && !second.contains("faer"), "nothing of one in the other");
    for part in [first, second] {
        assert_eq!(part.matches("class=\"status\"").count(), 1);
        assert_eq!(part.matches("<h2>Who is the fastest</h2>").count(), 1);
    }
    assert!(second.contains("charts/machine-2/time-seq-len-full.svg"));
    assert!(page.contains("6 records from 2 machines or builds."));
}

#[test]
fn ids_and_links_match() {
    let here = sweep(GROUP, &["naive", "faer"], &[64, 128]);
    let there: Vec<Record> = here.iter().cloned().map(elsewhere).collect();
    let page = render(fixture::run(), [here, there].concat(), Some(fixture::map(3)));
    let targets = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for target in targets {
        assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "{target}");
    }
    let ids: Vec<&str> =
        body(&page).split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for id in &ids {
        assert_eq!(ids.iter().filter(|other| other == &id).count(), 1, "{id}");
        assert!(!id.contains(char::is_whitespace), "{id}");
    }
    assert!(ids.contains(&"machine-2/sweep/seq-len/full/time"), "{ids:?}");
}

#[test]
fn a_run_without_records_is_a_page_too() {
    assert!(render(fixture::run(), Vec::new(), None).contains("No cell"));
}
