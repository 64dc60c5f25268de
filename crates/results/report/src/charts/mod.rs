//! The pictures, as SVG.
//!
//! Every picture is drawn from `ok` cells alone, except that of the errors, which shows wrong results
//! where they lie: beyond the budget. A backend has the same colour and marker everywhere.

mod canvas;
mod claims;
mod colors;
mod curves;
mod dots;
mod errors;
mod estimates;
mod forest;
mod frame;
mod labels;
mod map;
mod marker;
mod marks;
mod memory;
mod palette;
mod phases;
mod power;
mod ratios;
mod roofline;
mod scale;
mod scheme;
mod sweeps;
mod text;
mod threads;
mod thumbnail;
mod tooltip;

pub(crate) use claims::claim_data;
pub use claims::of_claim;
pub use estimates::{Estimate, Tone};
pub use forest::{Band, forest};
pub use map::attention_map;
pub(crate) use marks::{id as mark_id, symbols};
pub(crate) use palette::Palette;
pub use palette::has_style;
pub use power::{PowerCurve, power};
pub use ratios::ratios;
pub(crate) use scheme::{dark, on_dark};
pub use thumbnail::thumbnail;
pub use tooltip::TooltipPoint;

use std::collections::HashSet;

use attn_analysis::peak_rates::PeakRates;
use attn_analysis::place::Place;
use attn_analysis::sweep::Sweep;
use attn_record::{Axis, Record};

use crate::table::Table;
use frame::Form;

/// A picture that is not of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// How to read it.
    pub caption: String,
    /// The picture.
    pub svg: String,
    /// The picture for a telephone.
    pub small: String,
}

/// A picture and its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The picture.
    pub svg: String,
    /// What says its values when it is pointed at.
    pub spots: Vec<TooltipPoint>,
}

/// A picture, and what a page needs to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Name for files: `time-seq-len-full`.
    pub name: String,
    /// Where it stands on a page: `sweep/seq-len/full/time`.
    pub anchor: String,
    /// The sub-sweep that it shows: `sweep/seq-len/full`; `None` if it shows more than one group.
    pub group: Option<String>,
    /// How to read it, in one sentence.
    pub caption: String,
    /// The arguments of `attn run` that measure again what it shows.
    pub again: String,
    /// For a file, or the width of a page.
    pub wide: Drawing,
    /// For a telephone, or several side by side.
    pub small: Drawing,
    /// What is drawn, as figures.
    pub data: Table,
}

impl Chart {
    /// What it shows: `time`, `rate`, `memory`, `roofline`.
    pub(crate) fn what(&self) -> &str {
        self.anchor.rsplit('/').next().unwrap_or(&self.anchor)
    }

    /// Of one group of cases, or of several. `forms` draws it in each form.
    fn new(what: &str, slug: &str, group: Option<&str>, forms: impl Fn(Form) -> Drawing) -> Self {
        let join =
            |slug: &str, mark| if slug.is_empty() { what.into() } else { [what, slug].join(mark) };
        Chart {
            name: join(slug, "-"),
            anchor: group
                .map_or_else(|| what.into(), |group| [group, what].join("/"))
                .replace(char::is_whitespace, "-"),
            group: group.map(Into::into),
            caption: String::new(),
            again: String::new(),
            wide: forms(Form::Wide),
            small: forms(Form::Small),
            data: Table::default(),
        }
    }
}

/// What all charts of one place share.
pub(crate) struct Theme<'a> {
    pub(crate) palette: Palette,
    pub(crate) peak_rates: &'a PeakRates,
    /// Machine, program and day: what a picture says of itself wherever it goes.
    pub(crate) origin: String,
}

impl<'a> Theme<'a> {
    /// Of `records`, which are of one place and were measured on this day.
    pub(crate) fn of(records: &[&Record], peak_rates: &'a PeakRates, day: &str) -> Self {
        let palette = Palette::backends(records.iter().map(|r| r.backend.as_str()));
        let place = records.first().map(|record| Place::of(record).title());
        let origin = place.into_iter().chain([day.into()]).collect::<Vec<_>>().join("; ");
        Theme { palette, peak_rates, origin }
    }
}

/// Every chart that `records`, which are of one place, have data for: those of the sweeps, then those of
/// several groups.
pub(crate) fn all(records: &[&Record], theme: &Theme<'_>) -> Vec<Chart> {
    let mut charts = Vec::new();
    for sweep in Sweep::all(records) {
        charts.extend(sweeps::time(&sweep, theme));
        if sweep.axis == Axis::Len {
            charts.extend(sweeps::rate(&sweep, theme));
            charts.extend(memory::peak(&sweep, theme));
        }
    }
    charts.extend(threads::speedups(records, theme));
    charts.extend(roofline::roofline(records, theme));
    charts.extend(phases::phases(records, theme));
    charts.extend(errors::errors(records, theme));
    apart(&mut charts, |chart| &mut chart.name);
    apart(&mut charts, |chart| &mut chart.anchor);
    charts
}

/// Two groups may have the same name for files, on file systems that do not tell capitals apart too: later charts get a number.
fn apart(charts: &mut [Chart], name_of: fn(&mut Chart) -> &mut String) {
    let mut names = HashSet::new();
    for chart in charts {
        let name = name_of(chart);
        let free = |name: &String| names.insert(name.to_lowercase());
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let found = std::iter::once(name.clone()).chain(numbered).find(free);
        *name = found.expect("numbers do not end");
    }
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{map, refs, sweep, with_outcome};
    use attn_record::Outcome;

    use super::*;
    use crate::png::parse;

    const GROUP: &str = "sweep/seq-len/full";

    #[test]
    fn two_charts_never_share_a_file() {
        let long = format!("sweep/{}", "x".repeat(300));
        let groups = ["sweep/seq-len/full", "sweep/seq/len/full", "sweep/Seq-len/full", &long];
        let records: Vec<Record> =
            groups.iter().flat_map(|group| sweep(group, &["a"], &[64, 128, 256])).collect();
        let charts = all(&records);
        let names: HashSet<String> = charts.iter().map(|chart| chart.name.to_lowercase()).collect();
        assert_eq!(names.len(), charts.len());
        assert!(names.contains("time-seq-len-full-3") && names.iter().all(|name| name.len() < 200));
    }

    fn all(records: &[Record]) -> Vec<Chart> {
        let (refs, peak_rates) = (refs(records), PeakRates::default());
        super::all(&refs, &Theme::of(&refs, &peak_rates, "2026-01-01"))
    }

    fn named<'a>(charts: &'a [Chart], name: &str) -> &'a str {
        &charts.iter().find(|c| c.name == name).unwrap().wide.svg
    }

    #[test]
    fn every_chart_is_well_formed_however_little_there_is_to_draw() {
        let backends = ["naive", "faer", "candle/fused", "flash/avx2", "mine/<&\">"];
        for sizes in [&[64][..], &[64, 128], &[1, 2, 4, 8, 16, 32, 64, 128, 4096]] {
            for n in 1..=backends.len() {
                let mut records = sweep(GROUP, &backends[..n], sizes);
                // A hole in the first curve.
                records[0] = with_outcome(records[0].clone(), Outcome::Timeout);
                for chart in all(&records) {
                    for svg in [&chart.wide.svg, &chart.small.svg] {
                        parse(svg).unwrap_or_else(|e| panic!("{}: {e}", chart.name));
                        assert!(svg.contains("Test CPU") && svg.contains("2026-01-01"));
                    }
                }
            }
        }
        assert!(parse(&attention_map(&map(4), "").unwrap().wide.svg).is_ok());
    }

    #[test]
    fn a_backend_keeps_its_colour_whoever_else_is_there() {
        let fused = "#C13208";
        for backends in [&["candle/fused"][..], &["naive", "faer", "candle/fused"]] {
            let charts = all(&sweep(GROUP, backends, &[64, 128]));
            assert_eq!(charts.len(), 3);
            assert!(charts.iter().all(|c| c.wide.svg.contains(fused)));
        }
        let without = all(&sweep(GROUP, &["naive", "faer"], &[64, 128]));
        assert!(without.iter().all(|c| !c.wide.svg.contains(fused)));
    }

    #[test]
    fn wrong_results_have_no_time_even_if_they_carry_samples() {
        let mut records = sweep(GROUP, &["naive", "wrong"], &[64, 128]);
        for record in records.iter_mut().filter(|r| r.backend == "wrong") {
            *record = with_outcome(record.clone(), Outcome::Disagrees);
        }
        let charts = all(&records);
        for name in ["time-seq-len-full", "rate-seq-len-full"] {
            assert!(named(&charts, name).contains("naive"));
            assert!(!named(&charts, name).contains("wrong"));
        }
        let failed: Vec<Record> = records.into_iter().filter(|r| r.backend == "wrong").collect();
        assert!(all(&failed).iter().all(|c| c.name == "error-budget"));
    }

    #[test]
    fn no_records_no_charts() {
        assert!(all(&[]).is_empty());
    }
}
