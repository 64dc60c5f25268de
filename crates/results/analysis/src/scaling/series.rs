//! Records as points along a size.

use attn_core::DType;
use attn_record::{Axis, Record, Timing};

use crate::place::Place;
use crate::rows::grouped;

/// One sweep: its backends, each with its points by size.
pub(super) struct Series<'a> {
    pub(super) place: Place,
    pub(super) group: String,
    pub(super) axis: Axis,
    pub(super) dtype: DType,
    pub(super) timing: Timing,
    pub(super) threads: usize,
    pub(super) lines: Vec<(String, Vec<Point<'a>>)>,
}

/// A cell that ended `ok` and was measured.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) size: usize,
    pub(super) ns: f64,
    pub(super) record: &'a Record,
}

impl<'a> Series<'a> {
    pub(super) fn all(records: &[&'a Record]) -> Vec<Self> {
        let measured = records.iter().filter(|r| r.median_ns().is_some());
        let measured: Vec<&Record> = measured.copied().collect();
        let place = |r: &'a Record| (&r.machine, &r.build);
        let key = |r: &'a Record| (place(r), r.group(), r.axis, r.dtype(), r.timing, r.threads);
        let groups = grouped(&measured, key).into_iter();
        let series = groups.filter_map(|((_, group, axis, dtype, timing, threads), records)| {
            let (axis, timing) = (axis?, timing?);
            let lines = grouped(&records, |r| r.backend.as_str()).into_iter();
            let lines = lines.map(|(id, cells)| (id.to_owned(), points(axis, &cells))).collect();
            let place = Place::of(records.first()?);
            Some(Series { place, group: group.into(), axis, dtype, timing, threads, lines })
        });
        series.collect()
    }

    /// Every point, whosever it is.
    pub(super) fn points(&self) -> impl Iterator<Item = &Point<'a>> {
        self.lines.iter().flat_map(|(_, points)| points)
    }
}

/// By size; of two cells of one size the first.
fn points<'a>(axis: Axis, cells: &[&'a Record]) -> Vec<Point<'a>> {
    let point =
        |r: &&'a Record| Some(Point { size: axis.size(&r.problem), ns: r.median_ns()?, record: r });
    let mut points: Vec<Point<'a>> = cells.iter().filter_map(point).collect();
    points.sort_by_key(|point| point.size);
    points.dedup_by_key(|point| point.size);
    points
}
