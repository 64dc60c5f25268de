//! A run, with all that is known about it.

use std::path::Path;

use attn_record::limits::Limits;
use attn_record::{Map, Record, Run, is_finished, read_limits, read_map, read_records, read_run};

use crate::ReportError;
use crate::charts::{self, Chart};
use crate::peak_rates::PeakRates;
use crate::place::{Place, places};
use crate::scaling::{Known, Scaling};

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
    pub(crate) place: Place,
    pub(crate) records: Vec<&'a Record>,
    pub(crate) peak_rates: PeakRates,
    pub(crate) scaling: Scaling,
    pub(crate) charts: Vec<Chart>,
}

impl<'a> MachineSection<'a> {
    /// Charts of several groups by their name within the machine: `roofline`.
    pub(crate) fn overall(&self, name: &str) -> impl Iterator<Item = &Chart> {
        self.charts.iter().filter(move |c| c.group.is_none() && c.name.ends_with(name))
    }

    /// One per place, in order of first appearance. With several, the files of the charts of the k-th lie
    /// in a folder `machine-k`.
    pub(crate) fn all(source: &'a Source<'_>) -> Vec<Self> {
        let records: Vec<&Record> = source.records.iter().collect();
        let places = places(&records);
        let several = places.len() > 1;
        let machines = places.into_iter().enumerate().map(|(at, (place, records))| {
            let limits = source.limits.as_ref();
            let peak_rates = limits.and_then(|limits| PeakRates::of(limits, &place.machine));
            let peak_rates = peak_rates.unwrap_or_default();
            let mut charts = charts::all(&records, &peak_rates);
            for chart in charts.iter_mut().filter(|_| several) {
                chart.name = format!("machine-{}/{}", at + 1, chart.name);
            }
            let scaling = Scaling::of_cells(&records, source.known);
            MachineSection { place, records, peak_rates, scaling, charts }
        });
        machines.collect()
    }
}
