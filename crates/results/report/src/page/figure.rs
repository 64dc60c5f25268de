//! A chart with its points, its caption and the command that measures it again.

use std::fmt::Write as _;

use attn_record::Run;

use super::html::{code, text};
use crate::charts::Chart;

/// Radius of a point's reach, in units of the picture's `viewBox`.
const REACH: u32 = 36;

/// The chart, which [`script`](super::SCRIPT) lets say its values. Without a script, browsers show the
/// title of the point below the pointer.
pub(super) fn figure(run: &Run, chart: &Chart) -> String {
    let mut points = String::new();
    for spot in &chart.spots {
        let _ = writeln!(
            points,
            "<circle class=\"spot\" cx=\"{}\" cy=\"{}\" r=\"{REACH}\" data-series=\"{}\"><title>{}</title></circle>",
            spot.x,
            spot.y,
            text(&spot.series),
            text(&spot.text),
        );
    }
    let svg = chart.svg.replace("</svg>", &(points + "</svg>"));
    let again = match chart.again.as_str() {
        "" => run.command.clone(),
        again => format!("{} run {again}{}", program(run), amount(run)),
    };
    format!(
        "<figure>\n<div class=\"card\">{svg}</div>\n<figcaption>{} <span class=\"again\">Measured by {}; \
         drawn in {}.</span></figcaption>\n</figure>\n",
        text(&chart.caption),
        code(&again),
        code(&format!("charts/{}.svg", chart.name)),
    )
}

/// The program that made the run, the first word of its command: kernels of another crate are measured by a program
/// of their own.
pub(super) fn program(run: &Run) -> &str {
    let command = &run.command;
    let end = match command.strip_prefix('\'') {
        None => command.find(' '),
        Some(rest) => rest.find("' ").map(|at| at + 2),
    };
    &command[..end.unwrap_or(command.len())]
}

/// The argument that says how much the run did: ` --preset quick`, ` --budget 10m`.
pub(super) fn amount(run: &Run) -> String {
    let mut arguments = run.arguments.iter();
    while let Some(argument) = arguments.next() {
        if let Some(budget) = argument.strip_prefix("--budget") {
            let budget = budget.strip_prefix('=').or(arguments.next().map(String::as_str));
            return budget.map_or_else(String::new, |budget| format!(" --budget {budget}"));
        }
    }
    if ["quick", "full"].contains(&&*run.preset) {
        format!(" --preset {}", run.preset)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::all;
    use crate::fixture::{refs, run, sweep};
    use crate::peak_rates::PeakRates;

    #[test]
    fn a_figure_has_points_and_a_command() {
        let records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        let charts = all(&refs(&records), &PeakRates::default());
        let html = figure(&run(), &charts[0]);
        assert_eq!(html.matches("class=\"spot\"").count(), 4);
        let command =
            "attn run -c &#39;sweep/seq-len/full&#39; --threads 1 --timing kernel --preset quick";
        assert!(html.contains(command), "{html}");
        assert!(html.contains("charts/time-seq-len-full.svg"));
    }

    #[test]
    fn commands_are_those_of_the_program_that_made_the_run() {
        let of = |command: &str| program(&Run { command: command.into(), ..run() }).to_string();
        assert_eq!(of("attn run"), "attn");
        assert_eq!(of("my-attn run -b 'a b'"), "my-attn");
        assert_eq!(of("'my attn' run -b 'a b'"), "'my attn'");
        assert_eq!(of("'a"), "'a");
    }

    #[test]
    fn the_amount_is_that_of_the_run() {
        let of = |preset: &str, arguments: &[&str]| {
            let arguments = arguments.iter().map(|&a| a.into()).collect();
            amount(&Run { preset: preset.into(), arguments, ..run() })
        };
        assert_eq!(of("full", &["--preset", "full"]), " --preset full");
        assert_eq!(of("budget", &["--budget", "10m"]), " --budget 10m");
        assert_eq!(of("budget", &["--budget=10m", "-c", "x"]), " --budget 10m");
        assert_eq!(of("budget", &[]), "");
    }
}
