//! What ran where, and how to run it again.

use attn_analysis::place::Place;
use attn_analysis::rows::grouped;
use attn_core::{Arithmetic, BackendInfo, Precision, SumOrder, ThreadPolicy};
use attn_record::{Build, Record, Run};

use super::Section;
use super::figure::{amount, program};
use super::html::{code, definitions, folded, paragraph, text};
use crate::format::bytes;
use crate::source::MachineSection;
use crate::table::{Column, Table};

/// Machine and build, and what every backend really ran.
pub(super) fn machine(run: &Run, section: &MachineSection<'_>) -> Section {
    let Place { machine, build } = &section.place;
    let caches: Vec<String> = machine
        .caches
        .iter()
        .map(|cache| format!("L{} {}", cache.level, bytes(cache.bytes)))
        .collect();
    let mut pairs = vec![
        ("Processor", text(&machine.cpu)),
        ("Logical processors", machine.cores.to_string()),
        ("Instruction sets", text(&machine.isa)),
        ("Caches", if caches.is_empty() { "not known".into() } else { caches.join(", ") }),
        ("System", text(&format!("{}, {}", machine.os, machine.arch))),
    ];
    pairs.extend(program_facts(build));
    pairs.extend([("Preset", text(&run.preset)), ("Started", text(&run.started))]);
    let receipts = folded("more", "Receipts of the backends", &infos(&section.records).html());
    Section::new("machine", "Machine and build", definitions(&pairs) + &receipts)
}

/// What is known of the program that measured, in full.
pub(super) fn program_facts(build: &Build) -> Vec<(&'static str, String)> {
    let Build { version, revision, dirty, code: program, target_features, profile } = build;
    let line = format!("attn {version}, {profile}, compiled for {target_features}");
    let changes = if *dirty { ", with changes that were not committed" } else { "" };
    let revision = revision.as_ref().map(|commit| ("Revision", code(commit) + changes));
    let program = program.as_ref().map(|hash| ("SHA-256 of its code", code(hash)));
    [Some(("Build", text(&line))), revision, program].into_iter().flatten().collect()
}

/// What every backend really ran, as it says itself.
fn infos(records: &[&Record]) -> Table {
    let ran = records.iter().filter(|r| r.info.is_some());
    let ran: Vec<&Record> = ran.copied().collect();
    let distinct = grouped(&ran, |r| (&r.backend, &r.info));
    let columns = [
        Column::backend("backend"),
        Column::prose("library"),
        Column::words("device"),
        Column::prose("instruction set"),
        Column::words("threads"),
        Column::prose("arithmetic"),
    ];
    let rows = distinct.into_iter().filter_map(|((backend, info), _)| {
        let info: &BackendInfo = info.as_ref()?;
        Some(vec![
            backend.into(),
            (&*info.library).into(),
            (&*info.device).into(),
            (&*info.isa).into(),
            threads(info.threads).into(),
            arithmetic(&info.arithmetic).into(),
        ])
    });
    Table::new("", columns).rows(rows)
}

fn threads(policy: ThreadPolicy) -> &'static str {
    match policy {
        ThreadPolicy::PerCall => "per call",
        ThreadPolicy::PerProcess => "per process",
        ThreadPolicy::Device => "the device's own",
    }
}

/// `scores, weights and sums as stored; keys in order; two-pass softmax`.
fn arithmetic(arithmetic: &Arithmetic) -> String {
    let parts =
        [("scores", arithmetic.scores), ("weights", arithmetic.weights), ("sums", arithmetic.sums)];
    let named = |precision: Precision, words: &str| {
        let names: Vec<&str> =
            parts.iter().filter(|(_, p)| *p == precision).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| format!("{} {words}", names.join(", ")))
    };
    let order = match arithmetic.order {
        SumOrder::Sequential => "keys summed one by one".into(),
        SumOrder::Blocked(n) => format!("keys summed in blocks of at most {n}"),
    };
    let softmax = if arithmetic.online { "online softmax" } else { "two-pass softmax" };
    let parts = [
        named(Precision::Storage, "as stored"),
        named(Precision::F32, "in f32"),
        Some(order),
        Some(softmax.into()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

/// Commands: the one that made this page's numbers, and the one for a single cell.
pub(super) fn again(run: &Run, records: &[Record]) -> Section {
    let program = program(run);
    let example = records.iter().find(|r| r.median_ns().is_some());
    let example = example.map_or_else(String::new, |r| {
        let (backend, case) = (&r.backend, &r.case);
        let command = format!("{program} measure -b '{backend}' -c '{case}'{}", amount(run));
        paragraph(&format!("For example {}.", code(&command)))
    });
    let content = [
        paragraph("This run:"),
        format!("<pre><code>{}</code></pre>\n", text(&run.command)),
        paragraph(
            "One cell of it, checked and measured again; every figure names its own command:",
        ),
        format!("<pre><code>{} measure -b BACKEND -c CASE</code></pre>\n", text(program)),
        example,
        paragraph("This page and its charts, from the records beside it:"),
        format!("<pre><code>{} report --png RUN</code></pre>\n", text(program)),
    ];
    Section::new("repeat", "How to repeat it", content.concat())
}
