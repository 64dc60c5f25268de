//! Peak memory over the sequence length: N x N scores against a part of them.

use attn_analysis::sweep::Sweep;
use attn_record::Record;

use super::curves::{Curve, Mark, Plot, Slope};
use super::frame::Tick;
use super::scale::Scale;
use super::sweeps::{axis_name, chart, position};
use super::{Chart, Theme};
use crate::description::description;
use crate::format::{bytes, count};

/// Peak scratch in bytes, both axes logarithmic; `None` if nobody counted.
pub(super) fn peak(sweep: &Sweep<'_>, theme: &Theme<'_>) -> Option<Chart> {
    let plot = Plot {
        what: "Peak scratch memory".into(),
        of: description(sweep),
        how: "Bytes beyond inputs and output, counted in an untimed call; lower is better".into(),
        x_name: axis_name(sweep).into(),
        y_name: "Peak scratch".into(),
        sizes: sweep.sizes(),
        y: sizes,
        show: |size| bytes(size as u64),
        curves: curves(sweep),
        slopes: vec![Slope { name: "∝ N", exponent: 1 }, Slope { name: "∝ N²", exponent: 2 }],
        levels: Vec::new(),
        palette: &theme.palette,
        origin: &theme.origin,
    };
    let caption = "A composed backend keeps all N x N scores of a head at once: its memory follows N². A \
         fused one keeps a row or a tile of them: its memory follows N or nothing.";
    chart("memory", sweep, &plot, caption.into())
}

fn curves<'a>(sweep: &Sweep<'a>) -> Vec<Curve<'a>> {
    let mark = |record: &Record| {
        // Without a measured time the sweep's axis need not have this size.
        record.median_ns()?;
        let peak = record.peak_bytes().filter(|&peak| peak > 0)?;
        let middle = peak as f64;
        let text = facts(record, &position(sweep, record), peak);
        Some(Mark { size: sweep.size(record) as f64, middle, low: middle, high: middle, text })
    };
    let lines = sweep.lines().into_iter().map(|line| Curve {
        backend: line.backend,
        points: line.cells.iter().filter_map(|r| mark(r)).collect(),
    });
    lines.filter(|curve| !curve.points.is_empty()).collect()
}

fn facts(record: &Record, place: &str, peak: u64) -> String {
    let calls = record.volatile.memory.and_then(|memory| {
        let (allocations, total) = (memory.allocations?, memory.allocated_bytes?);
        let allocations = count(allocations as usize, "allocation");
        Some(format!("\n{allocations} in a call, {} in total", bytes(total)))
    });
    let calls = calls.unwrap_or_default();
    format!("{}, {place}\n{} at its peak{calls}", record.backend, bytes(peak))
}

/// Powers of four, from below the smallest to above the largest.
pub(super) fn sizes((low, high): (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    let scale = Scale::log((low, high), 0.06, from, to);
    let (first, last) = scale.ends();
    // Names a line's height apart.
    let step = (from - to).abs() / (last / first).log(4.0);
    let every = (20.0 / step).ceil().max(1.0) as usize;
    let powers = (0..=30).step_by(every).map(|power| 1u64 << (2 * power));
    let powers = powers.filter(|&size| (first..=last).contains(&(size as f64)));
    (scale, powers.map(|size| (size as f64, bytes(size))).collect())
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{self, refs};
    use attn_analysis::peak_rates::PeakRates;
    use attn_record::Memory;

    use super::*;

    fn counted(peak: impl Fn(usize) -> u64) -> Vec<Record> {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[64, 128, 256]);
        for record in &mut records {
            let peak_bytes = peak(record.problem.shape.len_k);
            record.volatile.memory = Some(Memory {
                prepared_bytes: 0,
                peak_bytes,
                allocations: Some(3),
                allocated_bytes: Some(peak_bytes),
                uncounted_bytes: None,
            });
        }
        records
    }

    #[test]
    fn peaks_are_drawn_where_somebody_counted() {
        let records = counted(|n| 4 * (n * n) as u64);
        let cells = refs(&records);
        let peak_rates = PeakRates::default();
        let chart = peak(&Sweep::all(&cells)[0], &Theme::of(&cells, &peak_rates, "")).unwrap();
        assert_eq!(chart.name, "memory-seq-len-full");
        assert_eq!(chart.wide.spots.len(), 6);
        let text = "a, N = 64\n16 KiB at its peak\n3 allocations in a call, 16 KiB in total";
        assert_eq!(chart.wide.spots[0].text, text);
        assert!(crate::png::parse(&chart.wide.svg).is_ok());
    }

    #[test]
    fn no_scratch_has_no_place_on_a_logarithmic_axis() {
        let records = counted(|_| 0);
        let cells = refs(&records);
        let peak_rates = PeakRates::default();
        assert!(peak(&Sweep::all(&cells)[0], &Theme::of(&cells, &peak_rates, "")).is_none());
    }

    #[test]
    fn ticks_are_powers() {
        let labels = |ends| {
            let ticks = sizes(ends, 160.0, 0.0).1.into_iter();
            ticks.map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels((1e3, 5e4)), ["1 KiB", "4 KiB", "16 KiB"]);
        assert_eq!(
            labels((250.0, 2e8)),
            ["256 B", "4 KiB", "64 KiB", "1 MiB", "16 MiB", "256 MiB"]
        );
    }
}
