//! What the doctor found, for a terminal of 80 columns.

use attn_record::Machine;
use attn_report::table::{self, Options, Table};

use super::diagnosis::{Diagnosis, Installed, TileChoice};

/// Characters of a line.
const WIDTH: usize = 80;

/// All of it, the warnings last.
pub(super) fn render(found: &Diagnosis) -> String {
    let mut blocks = vec![machine(found), build(found)];
    let options = Options { width: WIDTH, ..Options::default() };
    blocks.extend(limits(found).iter().map(|table| table.terminal(options)));
    blocks.extend([measuring(found), backends(&found.backends), tiles(&found.tiles)]);
    blocks.push(warnings(&found.warnings));
    blocks.join("\n")
}

/// What the machine and its devices can do.
pub(super) fn limits(found: &Diagnosis) -> Vec<Table> {
    let devices = found.devices.iter().map(table::device_limits);
    table::limits(&found.limits).into_iter().chain(devices).collect()
}

/// A title, and below it names with what is to be said of them.
fn facts(title: &str, facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        table::wrap(value, &format!("  {name:<width$}  "), width + 4, WIDTH)
    };
    let lines = facts.iter().map(line);
    [title, "\n"].into_iter().map(String::from).chain(lines).collect()
}

fn machine(found: &Diagnosis) -> String {
    let Machine { cpu, cores, isa, arch, os, caches } = &found.limits.machine;
    let unknown = || "unknown on this system".to_string();
    let caches = caches.iter().map(|cache| format!("L{} {} KiB", cache.level, cache.bytes >> 10));
    let caches: Vec<String> = caches.collect();
    let memory = found.memory_bytes.map(|bytes| format!("{:.1} GiB", bytes as f64 / 2f64.powi(30)));
    let caches = if caches.is_empty() { unknown() } else { caches.join(", ") };
    facts(
        "machine",
        &[
            ("processor", format!("{cpu}, {arch}, {os}")),
            ("cores", cores.to_string()),
            ("instructions", isa.clone()),
            ("caches", caches),
            ("memory", memory.unwrap_or_else(unknown)),
        ],
    )
}

fn build(found: &Diagnosis) -> String {
    let build = &found.build;
    facts(
        "build",
        &[("program", build.to_string()), ("target features", build.target_features.clone())],
    )
}

fn measuring(found: &Diagnosis) -> String {
    let (timer, noise) = (found.limits.timer, found.limits.noise);
    let surroundings = &found.surroundings;
    let percent = |share: f64| format!("{:.3} %", share * 100.0);
    let unknown = || "unknown".to_string();
    let mut rows = vec![
        ("clock", format!("steps of {} ns, {:.0} ns a reading", timer.step_ns, timer.reading_ns)),
        (
            "A/A",
            format!(
                "{} slots of {:.1} ms: spread {}, between neighbours {}",
                noise.slots,
                noise.slot_ns as f64 / 1e6,
                percent(noise.spread),
                percent(noise.pair_spread)
            ),
        ),
    ];
    let differences = found.smallest_differences.iter();
    let differences = differences.map(|d| format!("{} in {} s", percent(d.share), d.seconds));
    rows.push(("smallest difference", differences.collect::<Vec<_>>().join(", ")));
    let pinned = if found.limits.pinned { "works" } else { "does not work here" };
    rows.push(("pinning threads", pinned.into()));
    rows.push(("governor", surroundings.governor.clone().unwrap_or_else(unknown)));
    let load = surroundings.load.map(|load| format!("{load:.2}"));
    rows.push(("load before", load.unwrap_or_else(unknown)));
    rows.push(("stolen time", surroundings.stolen_share.map_or_else(unknown, percent)));
    facts("measuring", &rows)
}

fn backends(installed: &[Installed]) -> String {
    let of = |backend: &Installed| match (&backend.info, &backend.unavailable) {
        (Some(info), _) => format!("{}; {}", info.library, info.isa),
        (None, Some(why)) => format!("unavailable: {why}"),
        (None, None) => String::new(),
    };
    let lines: Vec<(&str, String)> =
        installed.iter().map(|backend| (backend.backend.as_str(), of(backend))).collect();
    facts("backends", &lines)
}

fn tiles(choices: &[TileChoice]) -> String {
    let Some(first) = choices.first() else {
        return String::new();
    };
    let lines = choices.iter().map(|choice| {
        let TileChoice { len, dim, queries, keys, tiles_per_job, .. } = choice;
        let tiles = if *tiles_per_job == 1 { "tile" } else { "tiles" };
        let pieces =
            format!("blocks of {keys} keys for {tiles_per_job} {tiles} of {queries} queries");
        (format!("D = {dim}, N = {len}"), pieces)
    });
    let lines: Vec<(String, String)> = lines.collect();
    let lines: Vec<(&str, String)> =
        lines.iter().map(|(shape, pieces)| (shape.as_str(), pieces.clone())).collect();
    facts(&format!("pieces of {}, f32", first.backend), &lines)
}

fn warnings(warnings: &[String]) -> String {
    let title = if warnings.is_empty() { "no warnings" } else { "warnings" };
    let lines: Vec<(&str, String)> = warnings.iter().map(|text| ("-", text.clone())).collect();
    facts(title, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_hangs_below_itself_and_no_line_is_too_long() {
        let long = "word ".repeat(40);
        let text = facts("title", &[("a", long.clone()), ("name", "short".into())]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "title");
        assert!(lines[1].starts_with("  a     word word"), "{text}");
        assert!(lines[2].starts_with("        word"), "{text}");
        assert_eq!(lines.last(), Some(&"  name  short"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.matches("word").count(), 40);
    }
}
