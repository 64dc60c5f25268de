//! The roofline (Williams, Waterman and Patterson 2009): how far from the machine's limit a cell is.
//!
//! ```text
//! rate <= min(peak, intensity x bandwidth)        intensity = useful operations / compulsory bytes
//! ```

use attn_core::DType;
use attn_record::limits::Access;
use attn_record::{Record, Timing};

use super::canvas::{Align, Canvas, INK, MUTED, Pen, Point, Type, WHITE, draw};
use super::frame::{Area, BODY, SMALL, Tick, heading, x_axis, y_axis};
use super::palette::style;
use super::scale::Scale;
use super::text::{widest, width};
use super::tooltip::facts;
use super::{Chart, TooltipPoint};
use crate::format::significant;
use crate::peak_rates::{Peak, PeakRates, on_processor};
use crate::rows::{best_ns, grouped};

const SHEET: f64 = 820.0;
const TOP: f64 = 68.0;
const BELOW: f64 = 54.0;
const HEIGHT: f64 = 380.0;
const LINE: f64 = 18.0;
const TITLE: &str = "Roofline: useful work per second against the limits of the machine";

/// Every f32 kernel cell with one thread; `None` without limits or cells.
pub(super) fn roofline(records: &[&Record], peak_rates: &PeakRates) -> Option<Chart> {
    let shown = |r: &&Record| {
        let kernel = matches!(r.timing, Some(Timing::Kernel | Timing::KernelCold));
        kernel
            && on_processor(r)
            && r.threads == 1
            && r.dtype() == DType::F32
            && r.gflops().is_some_and(f64::is_normal)
            && intensity(r).is_normal()
    };
    let cells: Vec<&Record> = records.iter().filter(|r| shown(r)).copied().collect();
    let peak = peak_rates.peak(cells.first()?)?;
    let reading = peak_rates.bandwidths().iter();
    let reading = reading.filter(|roof| roof.threads == 1 && roof.access == Access::Read);
    let bandwidths = reading.map(|roof| (roof.place.name(), roof.gb_per_s.best)).collect();
    let painter = Painter::of(&cells, peak, bandwidths);
    let svg = draw((SHEET, TOP + HEIGHT + BELOW), TITLE, |canvas| painter.paint(canvas, &cells));
    Some(Chart {
        name: "roofline".into(),
        group: None,
        caption: "Under the slanted lines memory is the limit, under the flat one arithmetic. The                   intensity counts q, k, v and the output once each: a kernel that moves more than that,                   such as N x N scores, meets its limit further left than where it is drawn."
            .into(),
        again: "--threads 1".into(),
        spots: painter.spots(&cells, peak_rates),
        svg,
    })
}

struct Painter<'a> {
    area: Area,
    x: Scale,
    y: Scale,
    peak: Peak<'a>,
    bandwidths: Vec<(&'a str, f64)>,
    /// One per backend, in order of first appearance.
    names: Vec<&'a str>,
}

/// Operations per byte.
fn intensity(record: &Record) -> f64 {
    record.work.flops.0 as f64 / record.work.bytes.0 as f64
}

impl<'a> Painter<'a> {
    fn of(cells: &[&'a Record], peak: Peak<'a>, bandwidths: Vec<(&'a str, f64)>) -> Self {
        let names: Vec<&str> =
            grouped(cells, |r| r.backend.as_str()).into_iter().map(|(name, _)| name).collect();
        let ends = |of: &dyn Fn(&Record) -> f64| {
            let values = || cells.iter().map(|r| of(r));
            (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
        };
        let (first, last) = ends(&intensity);
        let (slowest, fastest) = ends(&|r| r.gflops().unwrap_or(1.0));
        let bottom = TOP + HEIGHT;
        let area = Area {
            left: 78.0,
            right: SHEET - widest(names.iter().copied(), BODY) - 52.0,
            top: TOP,
            bottom,
        };
        // Room at the left, so that the roofs are seen to slant.
        let x = Scale::log((first.min(0.25), last.max(64.0)), 0.03, area.left, area.right);
        let y = Scale::log((slowest, fastest.max(peak.gflops)), 0.08, bottom, TOP);
        Painter { area, x, y, peak, bandwidths, names }
    }

    fn paint(&self, canvas: &mut Canvas<'_>, cells: &[&Record]) {
        let subtitle = "f32, one thread; a point is a case on a backend; both axes are logarithmic";
        heading(canvas, SHEET, TITLE, subtitle);
        let ticks = |scale: &Scale| -> Vec<Tick> {
            scale.decades().into_iter().map(|v| (v, v.to_string())).collect()
        };
        let name = "Useful operations per byte of q, k, v and output";
        x_axis(canvas, self.area, &self.x, &ticks(&self.x), name);
        y_axis(canvas, self.area, &self.y, &ticks(&self.y), "GFLOP/s");
        self.peak_rates(canvas);
        for record in cells {
            let style = style(&record.backend);
            style.marker.draw(canvas, self.point(record), 3.2, style.color);
        }
        for (place, name) in self.names.iter().enumerate() {
            let (style, y) = (style(name), self.area.top + LINE * (place as f64 + 0.5));
            let x = self.area.right + 22.0;
            style.marker.draw(canvas, (x, y), 4.0, style.color);
            canvas.text((x + 12.0, y), name, Type::plain(BODY, INK), Align::Start);
        }
    }

    /// The flat roof, and slanted ones up to it.
    fn peak_rates(&self, canvas: &mut Canvas<'_>) {
        let pen = Pen { color: INK, width: 1.25 };
        let (low, high) = self.x.ends();
        let (bottom, _) = self.y.ends();
        let steepest = self.bandwidths.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let ridge = (self.peak.gflops / steepest).clamp(low, high);
        let top = self.y.at(self.peak.gflops);
        canvas.line((self.x.at(ridge), top), (self.area.right, top), pen);
        let name = format!("peak, {}: {} GFLOP/s", self.peak.isa, significant(self.peak.gflops));
        let at = (self.area.right - 4.0, top - 9.0);
        canvas.text(at, &name, Type::plain(SMALL, INK), Align::End);
        let pen = Pen { color: MUTED, width: 1.0 };
        let ends = |rate: f64| (low.max(bottom / rate), high.min(self.peak.gflops / rate));
        let at = |x: f64, rate: f64| (self.x.at(x), self.y.at(x * rate));
        let seen = || self.bandwidths.iter().filter(|(_, rate)| ends(*rate).0 < ends(*rate).1);
        for (_, rate) in seen() {
            let (from, to) = ends(*rate);
            canvas.line(at(from, *rate), at(to, *rate), pen);
        }
        let mut free = f64::NEG_INFINITY;
        for (level, rate) in seen() {
            // Names stand below each other where the lines enter, right of the line.
            let (x, y) = at(ends(*rate).0, *rate);
            let y = (y - 4.0).max(free + 14.0).min(self.area.bottom - 8.0);
            let on = self.x_at(y, *rate).unwrap_or(x);
            let name = format!("{level}: {} GB/s", significant(*rate));
            let (left, right) = (on + 6.0, on + 12.0 + width(&name, SMALL));
            canvas.rect((left, y - 8.0), (right, y + 8.0), WHITE);
            canvas.text((on + 8.0, y), &name, Type::plain(SMALL, MUTED), Align::Start);
            free = y;
        }
    }

    /// Where the roof of a bandwidth has the height `y` in pixels.
    fn x_at(&self, y: f64, rate: f64) -> Option<f64> {
        let value = self.y.value(y) / rate;
        value.is_finite().then(|| self.x.at(value))
    }

    fn point(&self, record: &Record) -> Point {
        (self.x.at(intensity(record)), self.y.at(record.gflops().unwrap_or(1.0)))
    }

    fn spots(&self, cells: &[&Record], peak_rates: &PeakRates) -> Vec<TooltipPoint> {
        let rivals = |of: &Record| {
            let same = |r: &&&Record| r.case == of.case && r.timing == of.timing;
            best_ns(&cells.iter().filter(same).copied().collect::<Vec<_>>())
        };
        let mut spots = Vec::new();
        for (backend, mut own) in grouped(cells, |r| r.backend.as_str()) {
            own.sort_by(|a, b| intensity(a).total_cmp(&intensity(b)));
            spots.extend(own.into_iter().map(|r| {
                let text = facts(r, &r.case, rivals(r), peak_rates);
                TooltipPoint::at(self.point(r), backend, &text)
            }));
        }
        spots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ok, refs, sweep};
    use crate::peak_rates::example;

    #[test]
    fn cells_lie_under_measured_roofs() {
        let mut records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 512]);
        records.push(Record { threads: 2, ..ok("g/parallel", "faer", 1e6) });
        let chart = roofline(&refs(&records), &example()).unwrap();
        assert_eq!(chart.spots.len(), 4, "one thread alone");
        for text in ["peak, avx512: 160 GFLOP/s", "L1: 200 GB/s", "memory: 10.0 GB/s"] {
            assert!(chart.svg.contains(text), "{text}");
        }
        assert!(chart.spots[0].text.contains("% of peak"), "{}", chart.spots[0].text);
        assert!(crate::png::parse(&chart.svg).is_ok());
    }

    #[test]
    fn what_moves_no_byte_has_no_place() {
        let mut records = sweep("sweep/seq-len/full", &["naive"], &[64, 128]);
        records[0].work.bytes.0 = 0;
        assert_eq!(roofline(&refs(&records), &example()).unwrap().spots.len(), 1);
    }

    #[test]
    fn without_limits_there_is_no_roof() {
        let records = sweep("sweep/seq-len/full", &["naive"], &[64]);
        assert!(roofline(&refs(&records), &PeakRates::default()).is_none());
        assert!(roofline(&[], &example()).is_none());
    }
}
