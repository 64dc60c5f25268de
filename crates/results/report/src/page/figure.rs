//! A chart with its points, its caption and the command that measures it again.

use std::fmt::Write as _;

use attn_record::Run;

use super::html::{anchor, code, folded, paragraph, text};
use crate::charts::{Chart, Drawing, TooltipPoint};

/// Radius of a point's reach, pixels of the picture.
const REACH: u32 = 9;

/// A chart as wide as the page, with its caption.
pub(super) fn figure(run: &Run, chart: &Chart) -> String {
    let caption = paragraph(&text(&chart.caption));
    frame(chart, &pictures(chart), &(caption + &folded("data", "Figures", &facts(run, chart))))
}

/// A chart that stands beside others; all words are folded.
pub(super) fn multiple(run: &Run, chart: &Chart) -> String {
    let words = paragraph(&text(&chart.caption)) + &facts(run, chart);
    frame(chart, &picture(&chart.small), &folded("data", "How to read it, and figures", &words))
}

fn frame(chart: &Chart, pictures: &str, caption: &str) -> String {
    let (id, name) = (text(&chart.anchor), text(&chart.name));
    let link = anchor(&id, &name);
    format!(
        "<figure id=\"{id}\" data-name=\"{name}\">\n<div class=\"card\">{pictures}</div>\n\
         <div class=\"tools\">{link}</div>\n<figcaption>{caption}</figcaption>\n</figure>\n"
    )
}

/// The picture for wide and for narrow windows.
pub(super) fn pictures(chart: &Chart) -> String {
    let [wide, small] = [&chart.wide, &chart.small].map(picture);
    format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{small}</div>\n")
}

/// What is drawn as a table, and where it comes from.
fn facts(run: &Run, chart: &Chart) -> String {
    let again = match chart.again.as_str() {
        "" => run.command.clone(),
        again => format!("{} run {again}{}", program(run), amount(run)),
    };
    let file = format!("charts/{}.svg", chart.name);
    let origin = format!("Measured by {}; drawn in {}.", code(&again), code(&file));
    paragraph(&origin) + &chart.data.html_rows()
}

/// The picture with points that [`script`](super::SCRIPT) lets say their values. Without a script, browsers show the
/// title of the point below the pointer.
fn picture(drawing: &Drawing) -> String {
    let mut points = String::new();
    for TooltipPoint { x, y, series, text: said } in &drawing.spots {
        let _ = writeln!(
            points,
            "<circle class=\"spot\" cx=\"{x}\" cy=\"{y}\" r=\"{REACH}\" data-of=\"{}\"><title>{}</title></circle>",
            text(series),
            text(said),
        );
    }
    drawing.svg.replace("</svg>", &(points + "</svg>"))
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
    use attn_analysis::fixture::{refs, run, sweep};
    use attn_analysis::peak_rates::PeakRates;

    use super::*;
    use crate::charts::{Theme, all};

    #[test]
    fn a_figure_has_points_and_a_command() {
        let records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        let (refs, peak_rates) = (refs(&records), PeakRates::default());
        let charts = all(&refs, &Theme::of(&refs, &peak_rates, ""));
        let html = figure(&run(), &charts[0]);
        assert_eq!(html.matches("class=\"spot\"").count(), 8, "wide and narrow");
        assert_eq!(multiple(&run(), &charts[0]).matches("class=\"spot\"").count(), 4);
        assert!(html.contains("<figure id=\"sweep/seq-len/full/time\""));
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
