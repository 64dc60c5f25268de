//! The report of a run, written into its folder.

use std::fs;
use std::path::{Path, PathBuf};

use attn_analysis::compare;
use attn_analysis::scaling::{Known, Scaling};
use attn_record::{Timing, UNFINISHED};

use crate::charts::{self, Chart};
use crate::source::MachineSection;
use crate::table::{self, Table};
use crate::{ReportError, Source, page, png};

/// Pixels per unit of a chart, for screens with a high resolution.
const PNG_SCALE: f32 = 2.0;

/// What a report has beside what every report has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Every chart as PNG too.
    pub png: bool,
    /// Where the run folder will be on the web: other sites show a link to the page with its picture only if that has an
    /// address of its own.
    pub url: Option<&'a str>,
}

/// Reads the run folder `run_dir`, writes `charts/*.svg` and `index.html` into it, with `extras`, and returns the paths. The
/// chart that stands for the run is always there as PNG, and in dark colours.
pub fn write_report(
    run_dir: &Path,
    known: &Known<'_>,
    Extras { png, url }: Extras<'_>,
) -> Result<Vec<PathBuf>, ReportError> {
    let source = Source::read(run_dir, known)?;
    let machines = MachineSection::all(&source);
    let origin = machines.first().map_or("", |machine| &machine.origin);
    let map = source.map.as_ref().and_then(|map| charts::attention_map(map, origin));
    let drawn = || machines.iter().flat_map(|machine| &machine.charts).chain(&map);
    let folder = run_dir.join("charts");
    let mut written = write_charts(&folder, drawn(), png)?;
    if let Some(chart) = page::picture(&machines) {
        let dark = folder.join(format!("{}-dark.svg", chart.name));
        replace(&dark, charts::on_dark(&chart.wide.svg).as_bytes())?;
        written.push(dark);
        if !png {
            written.push(write_png(&folder, chart)?);
        }
    }
    let index = run_dir.join("index.html");
    replace(&index, page::render(&source, &machines, map.as_ref(), url).as_bytes())?;
    written.push(index);
    Ok(written)
}

fn write_png(folder: &Path, chart: &Chart) -> Result<PathBuf, ReportError> {
    let path = folder.join(format!("{}.png", chart.name));
    replace(&path, &png::rasterise(&chart.wide.svg, PNG_SCALE)?)?;
    Ok(path)
}

/// Reads the run folder `run_dir`, writes `report.md` into it (tables of the sweeps, rankings by kernel
/// time, scaling) and returns its path.
pub fn write_markdown(run_dir: &Path, known: &Known<'_>) -> Result<PathBuf, ReportError> {
    let Source { run, records, finished, .. } = Source::read(run_dir, known)?;
    let rankings = compare::rank(std::slice::from_ref(&records), Timing::Kernel);
    let parts = [
        ("Time", table::sweeps(&records)),
        ("Ranking", table::rankings(&rankings)),
        ("Scaling", table::scaling(&Scaling::of(&records, known))),
    ];
    let [preset, started] = [&run.preset, &run.started].map(|text| table::escape_markdown(text));
    let command = table::markdown_code(&run.command);
    let mut text = format!("# attn: {preset} run, {started}\n\nMade by {command}.\n");
    if !finished {
        text += &["\nThis run ", UNFINISHED, ".\n"].concat();
    }
    for (title, tables) in parts.iter().filter(|(_, tables)| !tables.is_empty()) {
        let tables: Vec<String> = tables.iter().map(Table::markdown).collect();
        text += &["\n## ", title, "\n\n", &tables.join("\n")].concat();
    }
    let path = run_dir.join("report.md");
    replace(&path, text.as_bytes())?;
    Ok(path)
}

fn write_charts<'a>(
    folder: &Path,
    charts: impl Iterator<Item = &'a Chart>,
    png: bool,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    for chart in charts {
        let svg = folder.join(format!("{}.svg", chart.name));
        let parent = svg.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .map_err(|source| ReportError::Write { path: parent.into(), source })?;
        replace(&svg, chart.wide.svg.as_bytes())?;
        written.push(svg);
        if png {
            written.push(write_png(folder, chart)?);
        }
    }
    Ok(written)
}

fn replace(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let written = attn_record::disk::write_whole(path, content);
    written.map_err(|source| ReportError::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;

    use super::*;

    fn run_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let records = fixture::sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        let lines = records.iter().map(|r| serde_json::to_string(r).unwrap());
        let lines: Vec<String> = lines.collect();
        let run = serde_json::to_string(&fixture::run()).unwrap();
        let map = serde_json::to_string(&fixture::map(3)).unwrap();
        fs::write(folder.path().join("records.jsonl"), lines.join("\n")).unwrap();
        fs::write(folder.path().join("run.json"), run).unwrap();
        fs::write(folder.path().join("map.json"), map).unwrap();
        folder
    }

    #[test]
    fn writes_charts_and_page_and_nothing_else() {
        let folder = run_folder();
        for _ in 0..2 {
            let written =
                write_report(folder.path(), &[], Extras { png: true, url: None }).unwrap();
            let names = written.iter().map(|p| p.strip_prefix(folder.path()).unwrap());
            let names: Vec<_> = names.map(|p| p.to_str().unwrap()).collect();
            let expected = [
                "charts/time-seq-len-full.svg",
                "charts/time-seq-len-full.png",
                "charts/rate-seq-len-full.svg",
                "charts/rate-seq-len-full.png",
                "charts/error-budget.svg",
                "charts/error-budget.png",
                "charts/attention-map.svg",
                "charts/attention-map.png",
                "charts/time-seq-len-full-dark.svg",
                "index.html",
            ];
            assert_eq!(names, expected);
            let found = fs::read_dir(folder.path().join("charts")).unwrap().count();
            assert_eq!(found, expected.len() - 1);
        }
    }

    #[test]
    fn markdown_has_times_ranking_and_scaling() {
        let folder = run_folder();
        let path = write_markdown(folder.path(), &[]).unwrap();
        let text = fs::read_to_string(path).unwrap();
        for part in ["# attn: quick run", "\n## Time\n", "\n## Ranking\n", "time ~ N^"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_same_records_make_the_same_files() {
        let folders = [run_folder(), run_folder()];
        let [a, b] = folders.each_ref().map(|folder| {
            let written =
                write_report(folder.path(), &[], Extras { png: true, url: None }).unwrap();
            let content = written.iter().map(|path| fs::read(path).unwrap());
            content.collect::<Vec<_>>()
        });
        assert!(a == b);
    }

    #[test]
    fn what_is_wrong_names_the_file() {
        let folder = run_folder();
        fs::remove_file(folder.path().join("run.json")).unwrap();
        let error = write_report(folder.path(), &[], Extras::default()).unwrap_err().to_string();
        assert!(error.contains("run.json"), "{error}");
    }

    #[test]
    fn a_sample_of_no_calls_is_refused_with_its_line() {
        let folder = run_folder();
        let path = folder.path().join("records.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let broken = rest.replacen("\"reps\":1,", "\"reps\":0,", 1);
        assert_ne!(broken, rest);
        fs::write(&path, format!("{first}\n{broken}")).unwrap();
        let error = write_report(folder.path(), &[], Extras::default()).unwrap_err().to_string();
        assert!(error.contains("records.jsonl:2: `reps` is 0"), "{error}");
    }
}
