//! The machine's peak rates, and how far from them the cells are.

use attn_record::Run;
use attn_record::limits::{DeviceLimits, Rate};

use super::figure::figure;
use super::html::list;
use super::{Section, answers};
use crate::format::{bytes, significant};
use crate::source::MachineSection;
use crate::table::{Cell, Column, Table, Tone};

/// The roofline, the measured limits and where the time goes; `None` where nobody measured them.
pub(super) fn section(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    let (peaks, bandwidths) = (machine.peak_rates.peaks(), machine.peak_rates.bandwidths());
    let said: Vec<String> = answers::peak(machine).into_iter().collect();
    let charts = ["roofline", "phases"].into_iter().flat_map(|name| machine.overall(name));
    let charts: String = charts.map(|chart| figure(run, chart)).collect();
    if peaks.is_empty() && bandwidths.is_empty() && charts.is_empty() {
        return None;
    }
    let arithmetic = peaks.iter().map(|peak| {
        let what = format!("multiply-adds, {}", peak.dtype);
        row(&what, &peak.isa, Some(peak.threads), peak.gflops, "GFLOP/s")
    });
    let memory = bandwidths.iter().map(|found| {
        let place = format!("{}, {} a thread", found.place.name(), bytes(found.working_set.0));
        row(found.access.name(), &place, Some(found.threads), found.gb_per_s, "GB/s")
    });
    let devices = machine.peak_rates.devices().iter().flat_map(device);
    let note = "Measured before the first cell and after the last one; the best is the limit that shares \
                refer to, the median says how calm the machine was.";
    let columns = ["limit", "of"].map(Column::words).into_iter();
    let columns = columns.chain(["threads", "best", "median"].map(Column::number));
    let rows = arithmetic.chain(memory).chain(devices);
    let table = Table::new("Measured limits", columns).rows(rows).notes([note]);
    let content = list(&said) + &charts + &table.html();
    Some(Section::new("limits", "Limits of the machine", content))
}

/// Products of matrices, and copies within the memory.
fn device(limits: &DeviceLimits) -> Vec<Vec<Cell>> {
    let name = &limits.device;
    let products = limits.products.iter().map(|peak| {
        let what = format!("products, {}, {size} x {size}", peak.dtype, size = peak.size);
        row(&what, name, None, peak.gflops, "GFLOP/s")
    });
    let what = format!("copy, {}", bytes(limits.copy.bytes.0));
    products.chain([row(&what, name, None, limits.copy.gb_per_s, "GB/s")]).collect()
}

fn row(what: &str, of: &str, threads: Option<usize>, rate: Rate, unit: &str) -> Vec<Cell> {
    let show = |value: f64| format!("{} {unit}", significant(value));
    vec![
        what.into(),
        of.into(),
        Cell::count(threads),
        Cell::value(Some(rate.best), show),
        Cell::value(Some(rate.median), show).tone(Tone::Muted),
    ]
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{peak_rates, refs, run, sweep};
    use attn_analysis::peak_rates::PeakRates;
    use attn_analysis::place::Place;
    use attn_analysis::scaling::Scaling;

    use super::*;
    use crate::charts::{self, Theme};

    fn html(peak_rates: PeakRates) -> Option<String> {
        let records = sweep("sweep/seq-len/full", &["naive"], &[64, 128]);
        let records = refs(&records);
        let charts = charts::all(&records, &Theme::of(&records, &peak_rates, ""));
        let (place, scaling) = (Place::of(records[0]), Scaling::default());
        let machine = MachineSection {
            number: None,
            origin: String::new(),
            place,
            records,
            peak_rates,
            scaling,
            charts,
        };
        section(&run(), &machine).map(|section| section.content)
    }

    #[test]
    fn limits_are_shown_where_they_were_measured() {
        let html = html(peak_rates(None)).unwrap();
        for part in ["<svg", "multiply-adds, f32", "160 GFLOP/s", "L1, 16 KiB a thread", "200 GB/s"]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn those_of_a_device_stand_below() {
        let html = html(peak_rates(Some("a GPU, compute capability 9.0"))).unwrap();
        for part in ["products, f32, 4096 x 4096", "a GPU, comp", "50000 GFLOP/s", "copy, 256 MiB"]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn without_limits_there_is_no_section() {
        assert!(html(PeakRates::default()).is_none());
    }
}
