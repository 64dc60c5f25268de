//! The machine's peak rates, and how far from them the cells are.

use attn_record::Run;
use attn_record::limits::{DeviceLimits, Rate};

use super::Section;
use super::figure::figure;
use crate::format::{bytes, significant};
use crate::source::MachineSection;
use crate::table::{Cell, Column, Table, Tone};

/// The roofline and the measured limits; `None` where nobody measured them.
pub(super) fn section(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    let (peaks, bandwidths) = (machine.peak_rates.peaks(), machine.peak_rates.bandwidths());
    if peaks.is_empty() && bandwidths.is_empty() {
        return None;
    }
    let roofline: String = machine.overall("roofline").map(|chart| figure(run, chart)).collect();
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
    let table = Table::new("Limits of the machine", columns).rows(rows).notes([note]);
    Some(Section { title: "How far from the limit".into(), content: roofline + &table.html() })
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
    use super::*;
    use crate::charts;
    use crate::fixture::{refs, run, sweep};
    use crate::peak_rates::{PeakRates, example, example_with_device};
    use crate::place::Place;
    use crate::scaling::Scaling;

    fn html(peak_rates: PeakRates) -> Option<String> {
        let records = sweep("sweep/seq-len/full", &["naive"], &[64, 128]);
        let records = refs(&records);
        let charts = charts::all(&records, &peak_rates);
        let place = Place::of(records[0]);
        let machine =
            MachineSection { place, records, peak_rates, scaling: Scaling::default(), charts };
        section(&run(), &machine).map(|section| section.content)
    }

    #[test]
    fn limits_are_shown_where_they_were_measured() {
        let html = html(example()).unwrap();
        for part in ["<svg", "multiply-adds, f32", "160 GFLOP/s", "L1, 16 KiB a thread", "200 GB/s"]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn those_of_a_device_stand_below() {
        let html = html(example_with_device("a GPU, compute capability 9.0")).unwrap();
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
