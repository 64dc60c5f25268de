//! Gives every reader of what others write many inputs that are nearly right: `fuzz-soak COUNT FOLDER`. `scripts/fuzz-soak` starts it.
//!
//! COUNT is of all readers together. FOLDER gets the inputs that a reader does not bear, and has the one that is being read.

use std::path::Path;
use std::process::ExitCode;

use attn_tests::entry::READERS;
use attn_tests::trial::{self, Finding, Report};

/// KiB that the process may occupy at its peak.
const MOST_MEMORY: u64 = 1 << 20;
/// Findings of a reader after which it gets no more inputs.
const ENOUGH: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, folder] = &arguments[..] else {
        eprintln!("usage: fuzz-soak COUNT FOLDER");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse::<u64>() else {
        eprintln!("fuzz-soak: COUNT is `{count}`, expected a number of inputs, such as 100000");
        return ExitCode::from(2);
    };
    let each = count.div_ceil(READERS.len() as u64);
    let folder = Path::new(folder);
    println!("{:16} {:>8} {:>8} {:>10} {:>9}", "reader", "inputs", "read", "worst ms", "findings");
    let (mut all, mut findings) = (Report::default(), 0);
    for reader in READERS {
        let (report, found) = soak(reader, each, folder);
        line(reader.name, &report, found.len());
        all.inputs += report.inputs;
        all.read += report.read;
        all.worst = all.worst.max(report.worst);
        findings += found.len();
        for finding in found {
            let path = folder.join(format!("{}-{}", finding.reader, finding.number));
            match std::fs::write(&path, &finding.input) {
                Ok(()) => println!("  {finding}\n  kept as {}", path.display()),
                Err(error) => println!("  {finding}\n  not kept: {}: {error}", path.display()),
            }
        }
    }
    line("all", &all, findings);
    let peak = peak_memory();
    println!("peak memory {} MiB, {} MiB are allowed", peak >> 10, MOST_MEMORY >> 10);
    ExitCode::from(u8::from(findings > 0 || peak > MOST_MEMORY))
}

/// Goes on behind each finding, until there are many.
fn soak(reader: attn_tests::entry::Reader, count: u64, folder: &Path) -> (Report, Vec<Finding>) {
    let (mut report, mut findings, mut from) = (Report::default(), Vec::new(), 0);
    let kept = folder.join(format!("{}-current", reader.name));
    while from < count && findings.len() < ENOUGH {
        let (part, finding) = trial::run(reader, from..count, Some(kept.clone()));
        report.inputs += part.inputs;
        report.read += part.read;
        report.worst = report.worst.max(part.worst);
        from = finding.as_ref().map_or(count, |finding| finding.number + 1);
        findings.extend(finding);
    }
    // Nothing is being read any more.
    let _ = std::fs::remove_file(kept);
    (report, findings)
}

fn line(name: &str, report: &Report, findings: usize) {
    let Report { inputs, read, worst: (worst, _) } = report;
    println!("{name:16} {inputs:8} {read:8} {:10.1} {findings:9}", worst.as_secs_f64() * 1e3);
}

/// KiB; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
