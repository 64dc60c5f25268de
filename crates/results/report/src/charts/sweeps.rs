//! Time and rate over the size that a sweep varies.

use attn_analysis::peak_rates::{Peak, PeakRates};
use attn_analysis::sweep::Sweep;
use attn_core::DType;
use attn_record::{Axis, Record, stats};

use super::curves::{Curve, Level, Mark, Plot, Slope};
use super::frame::Tick;
use super::scale::Scale;
use super::tooltip::facts;
use super::{Chart, Theme};
use crate::description::description;
use crate::format::{significant, time as time_text};

/// Samples outside these quantiles are not covered by the bars.
const BARS: (f64, f64) = (0.1, 0.9);
/// Pixels between named ticks of a vertical axis.
const GAP: f64 = 22.0;

/// Time per call, both axes logarithmic; `None` if nothing was measured.
pub(super) fn time(sweep: &Sweep<'_>, theme: &Theme<'_>) -> Option<Chart> {
    let (slopes, growth) = match sweep.axis {
        Axis::Len => (
            vec![slope("∝ N", 1), slope("∝ N²", 2)],
            "attention over N tokens costs N² for long sequences",
        ),
        Axis::Dim => (
            vec![slope("∝ D", 1)],
            "a cost that follows D comes from the matrix products, one that does not from softmax",
        ),
    };
    let plot = Plot {
        what: "Time per call".into(),
        of: description(sweep),
        how: "Median; bars span the 10th to the 90th percentile of the samples; lower is better"
            .into(),
        x_name: axis_name(sweep).into(),
        y_name: "Time per call".into(),
        sizes: sweep.sizes(),
        y: times,
        show: time_text,
        curves: curves(sweep, theme.peak_rates, |_, ns| Some(ns)),
        slopes,
        levels: Vec::new(),
        palette: &theme.palette,
        origin: &theme.origin,
    };
    let caption = format!(
        "Parallel curves differ by a constant factor; the grey lines show how fast time grows: {growth}."
    );
    chart("time", sweep, &plot, caption)
}

/// Useful operations per time; `None` if nothing was measured.
pub(super) fn rate(sweep: &Sweep<'_>, theme: &Theme<'_>) -> Option<Chart> {
    let plot = Plot {
        what: "Useful work per second".into(),
        of: description(sweep),
        how: "2 (D + Dv) operations per admitted pair of query and key, over the time; higher is better"
            .into(),
        x_name: axis_name(sweep).into(),
        y_name: "GFLOP/s".into(),
        sizes: sweep.sizes(),
        y: rates,
        show: significant,
        curves: curves(sweep, theme.peak_rates, |record, ns| Some(record.work.flops.0 as f64 / ns)),
        slopes: Vec::new(),
        levels: levels(sweep, theme.peak_rates),
        palette: &theme.palette,
        origin: &theme.origin,
    };
    let caption = "The same measurements as a rate: a flat curve does a fixed amount of work per second, a falling \
         one meets a limit such as the size of a cache. The dashed line, where the limits of the machine \
         were measured, is the most that its arithmetic units do.";
    chart("rate", sweep, &plot, caption.into())
}

/// The chart of `plot`, which shows `what` of a sweep; `None` if it is empty.
pub(super) fn chart(
    what: &str,
    sweep: &Sweep<'_>,
    plot: &Plot<'_>,
    caption: String,
) -> Option<Chart> {
    let draw = |form| plot.draw(form);
    (!plot.is_empty()).then(|| Chart {
        caption,
        again: again(sweep),
        data: plot.data(),
        ..Chart::new(what, &slug(sweep), Some(sweep.group), draw)
    })
}

/// Arguments of `attn run` that select these cells.
fn again(sweep: &Sweep<'_>) -> String {
    let Sweep { group, threads, timing, .. } = sweep;
    format!("-c '{group}' --threads {threads} --timing {timing}")
}

/// A name for files: `seq-len-full`, with the storage type where it is not f32.
fn slug(sweep: &Sweep<'_>) -> String {
    let group = sweep.group.strip_prefix("sweep/").unwrap_or(sweep.group);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // File systems allow 255 bytes.
    let slug: String = group.chars().map(plain).take(100).collect();
    if sweep.dtype == DType::F32 { slug } else { format!("{slug}-{}", sweep.dtype) }
}

/// Where on the axis a cell is: `N = 512`.
pub(super) fn position(sweep: &Sweep<'_>, record: &Record) -> String {
    format!("{} = {}", sweep.axis.symbol(), sweep.size(record))
}

fn slope(name: &'static str, exponent: i32) -> Slope {
    Slope { name, exponent }
}

/// The peak of the processor, and those of devices that computed cells.
fn levels(sweep: &Sweep<'_>, peak_rates: &PeakRates) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for Peak { isa, gflops } in sweep.records.iter().filter_map(|record| peak_rates.peak(record)) {
        // Of a device the name alone: records have the rest.
        let name = format!("peak, {}", isa.split(',').next().unwrap_or(isa));
        if !levels.iter().any(|level| level.name == name) {
            levels.push(Level { name, value: gflops });
        }
    }
    levels
}

pub(super) fn axis_name(sweep: &Sweep<'_>) -> &'static str {
    match sweep.axis {
        Axis::Len => "Sequence length N (tokens)",
        Axis::Dim => "Head dimension D",
    }
}

/// The measured cells, each drawn at `value(cell, nanoseconds per call)`.
fn curves<'a>(
    sweep: &Sweep<'a>,
    peak_rates: &PeakRates,
    value: impl Fn(&Record, f64) -> Option<f64>,
) -> Vec<Curve<'a>> {
    let mark = |record: &Record| {
        let samples = record.measurement()?.per_call_ns();
        // What a coarse clock saw as no time at all has no place on these axes.
        let at = |q| value(record, stats::quantile(&samples, q)?).filter(|v| v.is_normal());
        let middle = value(record, record.median_ns()?).filter(|v| v.is_normal())?;
        let (a, b) = (at(BARS.0).unwrap_or(middle), at(BARS.1).unwrap_or(middle));
        let text = facts(record, &position(sweep, record), sweep.best(record), peak_rates);
        let (low, high) = (a.min(b).min(middle), a.max(b).max(middle));
        Some(Mark { size: sweep.size(record) as f64, middle, low, high, text })
    };
    let lines = sweep.lines().into_iter().map(|line| Curve {
        backend: line.backend,
        points: line.cells.iter().filter_map(|r| mark(r)).collect(),
    });
    lines.filter(|curve| !curve.points.is_empty()).collect()
}

pub(super) fn times(ends: (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    logarithmic(ends, (from, to), time_tick)
}

fn rates(ends: (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    logarithmic(ends, (from, to), |rate| rate.to_string())
}

fn logarithmic(
    ends: (f64, f64),
    (from, to): (f64, f64),
    name: impl Fn(f64) -> String,
) -> (Scale, Vec<Tick>) {
    let scale = Scale::log(at_least_a_decade(ends), 0.05, from, to);
    let ticks = scale.round_ticks(GAP, name);
    (scale, ticks)
}

/// A wider range with the same middle, so that noise does not fill the picture and there are ticks.
pub(super) fn at_least_a_decade((low, high): (f64, f64)) -> (f64, f64) {
    let (middle, half) = ((low * high).sqrt(), 10f64.sqrt());
    (low.min(middle / half), high.max(middle * half))
}

/// A round time: `200 ns`, `5 ms`.
fn time_tick(ns: f64) -> String {
    let (unit, name) = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")]
        .into_iter()
        .find(|(unit, _)| ns >= *unit)
        .unwrap_or((1.0, "ns"));
    format!("{} {name}", ns / unit)
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;
    use attn_analysis::fixture::peak_rates;

    use super::*;

    #[test]
    fn a_clock_that_stands_still_leaves_a_gap() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a"], &[64, 128]);
        let still = records[0].volatile.measurement.as_mut().unwrap();
        still.processes[0].samples_ns.fill(0);
        let cells = fixture::refs(&records);
        let (sweeps, peak_rates) = (Sweep::all(&cells), PeakRates::default());
        let curves = curves(&sweeps[0], &peak_rates, |_, ns| Some(ns));
        assert_eq!(curves[0].points.len(), 1);
        let theme = Theme::of(&cells, &peak_rates, "");
        assert!(time(&sweeps[0], &theme).is_some() && rate(&sweeps[0], &theme).is_some());
    }

    #[test]
    fn a_device_has_a_peak_of_its_own_and_room_beside_the_processor() {
        let device = "a GPU, compute capability 9.0";
        let mut records = fixture::sweep("sweep/seq-len/full", &["cpu", "gpu"], &[64, 128]);
        for record in records.iter_mut().filter(|record| record.backend == "gpu") {
            record.info.as_mut().unwrap().device = device.into();
        }
        let cells = fixture::refs(&records);
        let sweep = &Sweep::all(&cells)[0];
        let peak_rates = fixture::peak_rates(Some(device));
        let chart = rate(sweep, &Theme::of(&cells, &peak_rates, "")).unwrap();
        for text in ["peak, avx512<", "peak, a GPU<", ">10000<"] {
            assert!(chart.wide.svg.contains(text), "{text} in {}", chart.wide.svg);
        }
        assert_eq!((chart.anchor.as_str(), chart.data.rows.len()), ("sweep/seq-len/full/rate", 4));
    }

    #[test]
    fn ticks_of_time_have_units() {
        let cases = [(20.0, "20 ns"), (5e3, "5 µs"), (2e7, "20 ms"), (1e10, "10 s")];
        for (ns, text) in cases {
            assert_eq!(time_tick(ns), text);
        }
    }

    #[test]
    fn narrow_ranges_are_widened_around_their_middle() {
        let (low, high) = at_least_a_decade((90.0, 110.0));
        assert!((high / low - 10.0).abs() < 1e-9);
        assert!(((low * high).sqrt() - 9900f64.sqrt()).abs() < 1e-9);
        assert_eq!(at_least_a_decade((1.0, 1000.0)), (1.0, 1000.0));
    }
}
