//! What the doctor found, for a terminal of 80 columns.

use attn_record::Machine;
use attn_report::table::{self, Grid, Options};

use super::diagnosis::{Diagnosis, Installed};

/// All of it, the warnings last.
pub(super) fn render(found: &Diagnosis) -> String {
    let mut grids = vec![machine(found), build(found)];
    grids.extend(table::limits(&found.limits));
    grids.extend([measuring(found), backends(&found.backends), warnings(&found.warnings)]);
    let texts: Vec<String> = grids.iter().map(|grid| grid.terminal(Options::default())).collect();
    texts.join("\n")
}

fn facts(title: &str, facts: Vec<(&str, String)>) -> Grid {
    let rows = facts.into_iter().map(|(name, value)| vec![name.to_string(), value]).collect();
    Grid { title: title.into(), rows, names: 2, notes: Vec::new() }
}

fn machine(found: &Diagnosis) -> Grid {
    let Machine { cpu, cores, isa, arch, os, caches } = &found.limits.machine;
    let unknown = || "not told by this system".to_string();
    let caches = caches.iter().map(|cache| format!("L{} {} KiB", cache.level, cache.bytes >> 10));
    let caches: Vec<String> = caches.collect();
    let memory = found.memory_bytes.map(|bytes| format!("{:.1} GiB", bytes as f64 / 2f64.powi(30)));
    let caches = if caches.is_empty() { unknown() } else { caches.join(", ") };
    facts(
        "machine",
        vec![
            ("processor", format!("{cpu}, {arch}, {os}")),
            ("cores", cores.to_string()),
            ("instructions", isa.clone()),
            ("caches", caches),
            ("memory", memory.unwrap_or_else(unknown)),
        ],
    )
}

fn build(found: &Diagnosis) -> Grid {
    let build = &found.build;
    facts(
        "build",
        vec![
            ("attn", format!("{}, {}", build.version, build.profile)),
            ("target features", build.target_features.clone()),
        ],
    )
}

fn measuring(found: &Diagnosis) -> Grid {
    let (timer, noise) = (found.limits.timer, found.limits.noise);
    let surroundings = &found.surroundings;
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let unknown = || "not told".to_string();
    let mut rows = vec![
        ("clock", format!("steps of {} ns, {:.0} ns a reading", timer.step_ns, timer.reading_ns)),
        (
            "same against same",
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
    facts("measuring", rows)
}

fn backends(installed: &[Installed]) -> Grid {
    let row = |backend: &Installed| match (&backend.receipt, &backend.unavailable) {
        (Some(receipt), _) => {
            vec![backend.backend.clone(), receipt.library.clone(), receipt.isa.clone()]
        }
        (None, _) => vec![backend.backend.clone(), "unavailable".into(), String::new()],
    };
    let missing = installed.iter().filter_map(|backend| {
        Some(format!("{}: {}", backend.backend, backend.unavailable.as_ref()?))
    });
    Grid {
        title: "backends".into(),
        rows: installed.iter().map(row).collect(),
        names: 3,
        notes: missing.collect(),
    }
}

fn warnings(warnings: &[String]) -> Grid {
    let title = if warnings.is_empty() { "no warnings" } else { "warnings" };
    let notes = warnings.iter().map(|warning| format!("- {warning}")).collect();
    Grid { title: title.into(), rows: Vec::new(), names: 0, notes }
}
