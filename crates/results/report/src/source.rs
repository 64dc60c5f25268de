//! A run, with all that is known about it.

use std::path::Path;

use attn_analysis::peak_rates::PeakRates;
use attn_analysis::place::{Place, places};
use attn_analysis::scaling::{Known, Scaling};
use attn_record::limits::Limits;
use attn_record::{Map, Record, Run, is_finished, read_limits, read_map, read_records, read_run};

use crate::ReportError;
use crate::charts::{self, Chart, Theme};

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The head.
    pub run: Run,
    /// The cells.
    pub records: Vec<Record>,
    /// Whether that is all of them.
    pub finished: bool,
    /// One head's attention weights.
    pub map: Option<Map>,
    /// Peak rates of the machines.
    pub limits: Option<Limits>,
    /// What records do not say about backends.
    pub known: &'a Known<'a>,
}

impl<'a> Source<'a> {
    /// Reads a run folder.
    pub fn read(folder: &Path, known: &'a Known<'a>) -> Result<Self, ReportError> {
        let (run, records) = (read_run(folder)?, read_records(folder)?);
        let (map, limits) = (read_map(folder)?, read_limits(folder)?);
        Ok(Source { run, records, finished: is_finished(folder), map, limits, known })
    }
}

/// All that one machine and build has to show. Nothing in it is of another.
pub(crate) struct MachineSection<'a> {
    /// Counted from 1, where there are several.
    pub(crate) number: Option<usize>,
    pub(crate) place: Place,
    /// What its pictures say of themselves.
    pub(crate) origin: String,
    pub(crate) records: Vec<&'a Record>,
    pub(crate) peak_rates: PeakRates,
    pub(crate) scaling: Scaling,
    pub(crate) charts: Vec<Chart>,
}

impl<'a> MachineSection<'a> {
    /// Charts of several groups by what they show: `roofline`.
    pub(crate) fn overall(&self, what: &str) -> impl Iterator<Item = &Chart> {
        self.charts.iter().filter(move |c| c.group.is_none() && c.what() == what)
    }

    /// The name of an element of this place on a page.
    pub(crate) fn id(&self, name: &str) -> String {
        let name = name.replace(char::is_whitespace, "-");
        self.number.map_or_else(|| name.clone(), |number| format!("machine-{number}/{name}"))
    }

    /// One per place, in order of first appearance. With several, the files of the charts of the k-th lie
    /// in a folder `machine-k`.
    pub(crate) fn all(source: &'a Source<'_>) -> Vec<Self> {
        let records: Vec<&Record> = source.records.iter().collect();
        let places = places(&records);
        let several = places.len() > 1;
        let day = source.run.started.split('T').next().unwrap_or_default();
        let machines = places.into_iter().enumerate().map(|(at, (place, records))| {
            let limits = source.limits.as_ref();
            let peak_rates = limits.and_then(|limits| PeakRates::of(limits, &place.machine));
            let peak_rates = peak_rates.unwrap_or_default();
            let theme = Theme::of(&records, &peak_rates, day);
            let mut charts = charts::all(&records, &theme);
            let number = several.then_some(at + 1);
            let scaling = Scaling::of_cells(&records, source.known);
            if let Some(number) = number {
                for chart in &mut charts {
                    for name in [&mut chart.name, &mut chart.anchor] {
                        name.insert_str(0, &format!("machine-{number}/"));
                    }
                }
            }
            let origin = theme.origin;
            MachineSection { number, place, origin, records, peak_rates, scaling, charts }
        });
        machines.collect()
    }
}
