//! The roofline (Williams, Waterman and Patterson 2009): how far from the machine's limit a cell is.
//!
//! ```text
//! rate <= min(peak, intensity x bandwidth)        intensity = useful operations / compulsory bytes
//! ```

use attn_analysis::peak_rates::{Peak, PeakRates, on_processor};
use attn_analysis::rows::{backends, best_ns, grouped};
use attn_core::DType;
use attn_record::limits::Access;
use attn_record::{Record, Timing};

use super::canvas::{Align, Canvas, INK, MUTED, Pen, Point, Sheet, Type};
use super::frame::{
    Area, BELOW, BODY, Form, Heading, Key, LINE, Legend, MARGIN, SMALL, x_axis, y_axis,
};
use super::scale::Scale;
use super::text::{widest, width};
use super::tooltip::facts;
use super::{Chart, Drawing, Theme, TooltipPoint};
use crate::format::{percent, significant};
use crate::table::{Cell, Column, Table};

const HEIGHT: f64 = 360.0;
const SMALL_HEIGHT: f64 = 250.0;
/// From one name of a roof to the next.
const STEP: f64 = 15.0;
const TITLE: &str = "Roofline: useful work per second against the limits of the machine";

/// Every f32 kernel cell with one thread; `None` without limits or cells.
pub(super) fn roofline(records: &[&Record], theme: &Theme<'_>) -> Option<Chart> {
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
    let peak = theme.peak_rates.peak(cells.first()?)?;
    let draw = |form| Painter::of(form, &cells, peak, theme).draw();
    Some(Chart {
        caption: "Under the slanted lines memory is the limit, under the flat one arithmetic. The \
                  intensity counts q, k, v and the output once each: a kernel that moves more than that, \
                  such as N x N scores, meets its limit further left than where it is drawn."
            .into(),
        again: "--threads 1".into(),
        data: data(&cells, theme.peak_rates),
        ..Chart::new("roofline", "", None, draw)
    })
}

/// Operations per byte.
fn intensity(record: &Record) -> f64 {
    record.work.flops.0 as f64 / record.work.bytes.0 as f64
}

fn data(cells: &[&Record], peak_rates: &PeakRates) -> Table {
    let names = [Column::backend("backend"), Column::id("case"), Column::words("timing")];
    let numbers = ["operations per byte", "GFLOP/s", "of peak"].map(Column::number);
    let rows = cells.iter().map(|record| {
        vec![
            record.backend.as_str().into(),
            record.case.as_str().into(),
            record.timing.map_or("", Timing::name).into(),
            Cell::value(Some(intensity(record)), significant),
            Cell::value(record.gflops(), significant),
            Cell::value(peak_rates.share(record), percent),
        ]
    });
    Table::new(TITLE, names.into_iter().chain(numbers)).rows(rows)
}

/// A bandwidth: operations per byte times it are the most that memory allows.
struct Roof<'a> {
    level: &'a str,
    rate: f64,
}

struct Painter<'a> {
    form: Form,
    heading: Heading,
    area: Area,
    x: Scale,
    y: Scale,
    peak: Peak<'a>,
    roofs: Vec<Roof<'a>>,
    cells: &'a [&'a Record],
    /// One per backend, in order of first appearance.
    names: Vec<&'a str>,
    theme: &'a Theme<'a>,
}

impl<'a> Painter<'a> {
    fn of(form: Form, cells: &'a [&'a Record], peak: Peak<'a>, theme: &'a Theme<'a>) -> Self {
        let reading = theme.peak_rates.bandwidths().iter();
        let reading = reading.filter(|roof| roof.threads == 1 && roof.access == Access::Read);
        let roofs: Vec<Roof<'_>> = reading
            .map(|roof| Roof { level: roof.place.name(), rate: roof.gb_per_s.best })
            .collect();
        let names = backends(cells);
        let how = "f32, one thread; a point is a case on a backend; both axes are logarithmic";
        let heading = Heading::of(form.width(), TITLE, &[how]);
        // The names of the roofs stand above the area, one line each.
        let top = heading.bottom + STEP * (roofs.len() + 1) as f64 + 8.0;
        let (height, beside) = match form {
            Form::Wide => (HEIGHT, widest(names.iter().copied(), BODY) + 52.0),
            Form::Small => (SMALL_HEIGHT, MARGIN),
        };
        let (right, bottom) = (form.width() - beside, top + height);
        let area = Area { left: 78.0, right, top, bottom };
        let ends = |of: &dyn Fn(&Record) -> f64| {
            let values = || cells.iter().map(|r| of(r));
            (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
        };
        let (first, last) = ends(&intensity);
        let (slowest, fastest) = ends(&|r| r.gflops().unwrap_or(1.0));
        // Room at the left, so that the roofs are seen to slant.
        let x = Scale::log((first.min(0.25), last.max(64.0)), 0.03, area.left, area.right);
        let y = Scale::log((slowest, fastest.max(peak.gflops)), 0.04, bottom, top);
        Painter { form, heading, area, x, y, peak, roofs, cells, names, theme }
    }

    fn draw(&self) -> Drawing {
        let styles = self.names.iter().map(|&name| (name, self.theme.palette.style(name)));
        let legend =
            Legend::of(self.form.width(), Key::Point, styles.filter(|_| self.form == Form::Small));
        let bottom = self.area.bottom + BELOW;
        let size = (self.form.width(), bottom + legend.height + 10.0);
        let svg = Sheet { size, title: TITLE, origin: &self.theme.origin }.draw(|canvas| {
            self.heading.paint(canvas);
            self.paint(canvas);
            legend.paint(canvas, bottom);
        });
        Drawing { svg, spots: self.spots() }
    }

    fn paint(&self, canvas: &mut Canvas) {
        let name = "Useful operations per byte of q, k, v and output";
        let ticks = self.x.round_ticks(30.0, |v| v.to_string());
        x_axis(canvas, self.area, &self.x, &ticks, name);
        let ticks = self.y.round_ticks(22.0, |v| v.to_string());
        y_axis(canvas, self.area, &self.y, &ticks, "GFLOP/s");
        self.roofs(canvas);
        for (name, cells) in grouped(self.cells, |r| r.backend.as_str()) {
            let style = self.theme.palette.style(name);
            canvas.series(name, |canvas| {
                for record in cells {
                    style.marker.draw(canvas, self.point(record), 3.2, style.color);
                }
            });
        }
        let named = self.names.iter().enumerate().filter(|_| self.form == Form::Wide);
        for (place, name) in named {
            let at = (self.area.right + 18.0, self.area.top + LINE * (place as f64 + 0.5));
            let style = self.theme.palette.style(name);
            canvas.series(name, |canvas| Key::Point.entry(canvas, at, name, style));
        }
    }

    /// The flat roof, and slanted ones up to it, each named above the point where they meet: those on the right lower, so
    /// that no line to a name crosses another.
    fn roofs(&self, canvas: &mut Canvas) {
        let (low, high) = self.x.ends();
        let (bottom, _) = self.y.ends();
        let steepest = self.roofs.iter().map(|roof| roof.rate).fold(0.0, f64::max);
        let ridge = (self.peak.gflops / steepest).clamp(low, high);
        let top = self.y.at(self.peak.gflops);
        canvas.line((self.x.at(ridge), top), (self.area.right, top), Pen::solid(INK, 1.25));
        let name = format!("peak, {}: {} GFLOP/s", self.peak.isa, significant(self.peak.gflops));
        let at = (self.area.right - 4.0, self.area.top - 8.0);
        canvas.text(at, &name, Type::plain(SMALL, INK), Align::End);
        let ends =
            |roof: &Roof<'_>| (low.max(bottom / roof.rate), high.min(self.peak.gflops / roof.rate));
        let mut shown: Vec<&Roof<'_>> =
            self.roofs.iter().filter(|roof| ends(roof).0 < ends(roof).1).collect();
        shown.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        for (line, roof) in (1..).zip(shown) {
            let (from, to) = ends(roof);
            let at = |x: f64| (self.x.at(x), self.y.at(x * roof.rate));
            let (start, end) = (at(from), at(to));
            canvas.line(start, end, Pen::solid(MUTED, 1.0));
            let y = self.area.top - 8.0 - STEP * f64::from(line);
            let dotted = Pen { dash: Some((1.0, 2.0)), ..Pen::solid(MUTED, 0.75) };
            canvas.line(end, (end.0, y + 6.0), dotted);
            let name = format!("{}: {} GB/s", roof.level, significant(roof.rate));
            let x = end.0.min(self.area.right - width(&name, SMALL));
            canvas.text((x, y), &name, Type::plain(SMALL, MUTED), Align::Start);
        }
    }

    fn point(&self, record: &Record) -> Point {
        (self.x.at(intensity(record)), self.y.at(record.gflops().unwrap_or(1.0)))
    }

    fn spots(&self) -> Vec<TooltipPoint> {
        let rivals = |of: &Record| {
            let same = |r: &&&Record| r.case == of.case && r.timing == of.timing;
            best_ns(&self.cells.iter().filter(same).copied().collect::<Vec<_>>())
        };
        let mut spots = Vec::new();
        for (backend, mut own) in grouped(self.cells, |r| r.backend.as_str()) {
            own.sort_by(|a, b| intensity(a).total_cmp(&intensity(b)));
            spots.extend(own.into_iter().map(|r| {
                let text = facts(r, &r.case, rivals(r), self.theme.peak_rates);
                TooltipPoint::at(self.point(r), backend, &text)
            }));
        }
        spots
    }
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::peak_rates;
    use attn_analysis::fixture::{ok, refs, sweep};

    use super::*;

    fn drawn(records: &[Record], peak_rates: &PeakRates) -> Option<Chart> {
        let refs = refs(records);
        roofline(&refs, &Theme::of(&refs, peak_rates, ""))
    }

    #[test]
    fn cells_lie_under_measured_roofs() {
        let mut records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 512]);
        records.push(Record { threads: 2, ..ok("g/parallel", "faer", 1e6) });
        let chart = drawn(&records, &peak_rates(None)).unwrap();
        let svg = &chart.wide.svg;
        assert_eq!(chart.wide.spots.len(), 4, "one thread alone");
        for text in ["peak, avx512: 160 GFLOP/s", "L1: 200 GB/s", "memory: 10.0 GB/s"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(chart.wide.spots[0].text.contains("% of peak"), "{}", chart.wide.spots[0].text);
        assert!(crate::png::parse(svg).is_ok());
    }

    #[test]
    fn what_moves_no_byte_has_no_place() {
        let mut records = sweep("sweep/seq-len/full", &["naive"], &[64, 128]);
        records[0].work.bytes.0 = 0;
        assert_eq!(drawn(&records, &peak_rates(None)).unwrap().wide.spots.len(), 1);
    }

    #[test]
    fn without_limits_there_is_no_roof() {
        let records = sweep("sweep/seq-len/full", &["naive"], &[64]);
        assert!(drawn(&records, &PeakRates::default()).is_none());
        assert!(drawn(&[], &peak_rates(None)).is_none());
    }
}
