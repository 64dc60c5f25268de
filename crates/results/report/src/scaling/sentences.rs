//! Scaling in plain English: one function per kind of sentence.

use attn_record::Axis;
use attn_record::stats::Interval;

use super::{Crossing, LARGE, Line, Outgrown, Slope, Sweep};
use crate::format::{bytes, count, significant, two_decimals};

impl Sweep {
    /// The letter of the size that varies.
    pub const fn symbol(&self) -> &'static str {
        match self.axis {
            Axis::Len => "N",
            Axis::Dim => "D",
        }
    }

    /// `sweep/seq-len/full, f32, kernel, 1 thread`.
    pub fn title(&self) -> String {
        let threads = count(self.threads, "thread");
        format!("{}, {}, {}, {threads}", self.group, self.dtype, self.timing)
    }

    /// Slopes that depart from what is expected, and crossings, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let of_line = |line: &Line| {
            let said = line.slopes.iter().filter_map(|slope| self.of_slope(line, slope));
            said.collect::<Vec<_>>()
        };
        let mut said: Vec<String> = self.backends.iter().flat_map(of_line).collect();
        said.extend(self.crossings.iter().map(|crossing| self.of_crossing(crossing)));
        said
    }

    /// `faer: from N = 512 to 1024 the slope is 2.31 (2.25 to 2.37), where the working set (4 MiB) outgrew the
    /// L2 cache (2 MiB).` Only where the slope departs from the expected one and a cache was outgrown or, at
    /// large sizes, none was.
    pub fn of_slope(&self, line: &Line, slope: &Slope) -> Option<String> {
        let why = match slope.outgrew {
            Some(Outgrown { level, cache_bytes, what, bytes: held }) => format!(
                "where {} ({}) outgrew the L{level} cache ({})",
                what.name(),
                bytes(held),
                bytes(cache_bytes),
            ),
            None if self.is_marked(slope) && line.on_device => {
                "on a device of whose caches nothing is known".into()
            }
            None if self.is_marked(slope) => {
                "where it is not known to have outgrown a cache".into()
            }
            None => return None,
        };
        Some(format!(
            "{}: from {} = {} to {} the slope is {:.2}{}, {why}.",
            line.backend,
            self.symbol(),
            slope.from,
            slope.to,
            slope.slope,
            range(slope.interval),
        ))
    }

    /// Whether a slope at large sizes departs from the expected one.
    pub(crate) fn is_marked(&self, slope: &Slope) -> bool {
        self.axis == Axis::Len && slope.from >= LARGE && slope.departs == Some(true)
    }

    /// `faer overtakes ndarray at N = 310.`
    pub fn of_crossing(&self, crossing: &Crossing) -> String {
        let Crossing { winner, loser, from, to, at, decided } = crossing;
        let symbol = self.symbol();
        if *decided {
            return format!("{winner} overtakes {loser} at {symbol} = {}.", significant(*at));
        }
        format!(
            "{winner} may overtake {loser} between {symbol} = {from} and {to}: their intervals overlap."
        )
    }
}

/// ` (1.93 to 2.03)`.
fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |i| {
        format!(" ({} to {})", two_decimals(i.low), two_decimals(i.high))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Scaling;
    use crate::fixture;

    #[test]
    fn sentences_read_like_this() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([9e5, 1e6, 9e6, 4e6, 36e6, 16e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        for (record, mib) in records.iter_mut().step_by(2).zip([1, 3, 12]) {
            record.volatile.memory = Some(fixture::peak(mib << 20));
        }
        let sweep = &Scaling::of(&records, &[]).sweeps[0];
        assert_eq!(sweep.title(), "sweep/seq-len/full, f32, kernel, 1 thread");
        let said = sweep.sentences();
        let slope = "a: from N = 512 to 1024 the slope is 3.32 (3.32 to 3.32), where the working set (4 MiB) \
                     outgrew the L2 cache (2 MiB).";
        assert!(said.iter().any(|said| said == slope), "{said:?}");
        let slope = "a: from N = 1024 to 2048 the slope is 2.00 (2.00 to 2.00)";
        assert!(!said.iter().any(|said| said.starts_with(slope)), "{said:?}");
        assert_eq!(said.last().unwrap(), "b overtakes a at N = 554.");
    }
}
