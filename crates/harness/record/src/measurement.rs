//! What the samples of a cell say: its time per call, how sure that is, and how much it spreads.

use serde::Serialize;

use crate::stats::{self, Interval, LEVEL};
use crate::{Measurement, Process};

/// How much wider than Student's and Welch's an interval over processes is.
///
/// A cell gets processes until its interval is narrow, so the spread that stops it is smaller than the true one more
/// often than not, and intervals that take the number of values as given hold too seldom: Student's in 91 % of cells
/// instead of 95 % at worst, Welch's in 89 % of ratios. With this factor both hold in 95 % at least, by a simulation of the
/// very rule (`attn check --intervals`).
pub const STOPPING: f64 = 1.35;

/// `MAD * 1.4826` estimates the standard deviation where samples are normal.
const MAD_TO_SD: f64 = 1.4826;

/// An interval, and what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// At 95 %.
    #[serde(flatten)]
    pub interval: Interval,
    /// Whether it holds for other processes too. If not, it is of this one process alone, and another
    /// one may well lie outside: the layout of memory alone moves a time by percents (Mytkowicz et al.
    /// 2009).
    pub between: bool,
}

/// How much the time per call of one cell spreads, as a share of the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Within a process: `1.4826 MAD / median`, the median over processes.
    pub within: f64,
    /// From process to process: standard deviation of their medians, divided by the mean of these;
    /// `None` for a single process.
    pub between: Option<f64>,
}

impl Measurement {
    /// The median of each process, nanoseconds per call.
    pub fn process_medians(&self) -> Vec<f64> {
        medians(&self.by_process())
    }

    /// The interval of the time per call, nanoseconds.
    ///
    /// Over two and more processes, which are what is independent, it is Student's over the logarithms of
    /// their medians, [`STOPPING`] times as wide. Over one it is the bootstrap's over that one's samples.
    pub fn interval(&self) -> Option<Estimate> {
        if let Some(logs) = stats::mean_interval(&log_medians(&self.by_process()), LEVEL) {
            return Some(between(&logs));
        }
        let interval = stats::bootstrap_median(&self.per_call_ns(), LEVEL)?;
        Some(Estimate { interval, between: false })
    }

    /// The interval of this time per call divided by that of `other`.
    ///
    /// Where both have two and more processes, it is Welch's over the logarithms of their medians, [`STOPPING`] times as
    /// wide; else the bootstrap's over all samples.
    pub fn ratio_to(&self, other: &Measurement) -> Option<Estimate> {
        ratio(&self.by_process(), &other.by_process())
    }

    /// [`Measurement::ratio_to`] had the processor run equally fast both times: of the times per call in units of the
    /// pace beside each. First the ratio of the medians, then its interval. `None` unless both have taken the pace.
    pub fn ratio_at_equal_clock(&self, other: &Measurement) -> Option<(f64, Estimate)> {
        let (own, others) = (self.paces_by_process()?, other.paces_by_process()?);
        let centre = stats::median(&medians(&own))? / stats::median(&medians(&others))?;
        Some((centre, ratio(&own, &others)?))
    }

    /// The spread within a process, apart from that between processes; `None` without samples.
    pub fn spread(&self) -> Option<Spread> {
        let within: Vec<f64> = self.processes.iter().filter_map(Process::spread).collect();
        let medians = self.process_medians();
        let mean = medians.iter().sum::<f64>() / medians.len() as f64;
        Some(Spread {
            within: stats::median(&within)?,
            between: stats::standard_deviation(&medians).map(|sd| sd / mean),
        })
    }

    /// How much the processes differ: the variance of the logarithms of their medians; `None` for fewer than two.
    pub fn process_variance(&self) -> Option<f64> {
        stats::variance(&log_medians(&self.by_process()))
    }

    /// [`Measurement::process_variance`] of the times in units of the pace; `None` where it was not taken, too.
    pub fn process_variance_at_equal_clock(&self) -> Option<f64> {
        stats::variance(&log_medians(&self.paces_by_process()?))
    }

    fn by_process(&self) -> Vec<Vec<f64>> {
        self.processes.iter().map(Process::per_call_ns).collect()
    }

    fn paces_by_process(&self) -> Option<Vec<Vec<f64>>> {
        self.processes.iter().map(Process::per_call_paces).collect()
    }
}

/// The interval of a ratio of what the processes of one cell took to what those of another did.
fn ratio(own: &[Vec<f64>], others: &[Vec<f64>]) -> Option<Estimate> {
    let (own_logs, other_logs) = (log_medians(own), log_medians(others));
    if let Some(logs) = stats::difference_interval(&own_logs, &other_logs, LEVEL) {
        return Some(between(&logs));
    }
    let interval = stats::bootstrap_ratio(&own.concat(), &others.concat(), LEVEL)?;
    Some(Estimate { interval, between: false })
}

/// What an interval of logarithms that takes the numbers of processes as given says of these processes.
fn between(logs: &Interval) -> Estimate {
    Estimate { interval: logs.times_as_wide(STOPPING).map(f64::exp), between: true }
}

fn medians(processes: &[Vec<f64>]) -> Vec<f64> {
    processes.iter().filter_map(|samples| stats::median(samples)).collect()
}

fn log_medians(processes: &[Vec<f64>]) -> Vec<f64> {
    medians(processes).iter().map(|median| median.ln()).collect()
}

impl Process {
    /// `1.4826 MAD / median` of the time per call.
    fn spread(&self) -> Option<f64> {
        let samples = self.per_call_ns();
        let median = stats::median(&samples).filter(|&median| median > 0.0)?;
        Some(MAD_TO_SD * stats::mad(&samples)? / median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(processes: &[&[u64]]) -> Measurement {
        let processes = processes.iter().map(|samples| Process::of_samples(10, samples));
        Measurement { clock_ns: 1, processes: processes.collect() }
    }

    #[test]
    fn processes_decide_where_there_are_several() {
        let found = measurement(&[&[900, 1000, 5000], &[1000, 1000], &[990, 1000, 1010]]);
        let point = found.interval().unwrap();
        assert!(point.between);
        assert!((point.interval.low - 100.0).abs() < 1e-9);
        assert!((point.interval.high - 100.0).abs() < 1e-9);

        // Logs of 100 and 110: mean 4.652825, half width 1.35 * 12.706205 * 0.067394 / sqrt 2 = 0.817444.
        let two = measurement(&[&[1000], &[1100]]).interval().unwrap();
        assert!((two.interval.low - 46.3111).abs() < 1e-2, "{two:?}");
        assert!((two.interval.high - 237.524).abs() < 1e-2, "{two:?}");
    }

    #[test]
    fn one_process_speaks_for_itself_alone() {
        let one = measurement(&[&[1000, 1000, 1000, 1100, 1100]]).interval().unwrap();
        assert!(!one.between);
        assert_eq!((one.interval.low, one.interval.high), (100.0, 110.0));
        assert_eq!(measurement(&[&[1000]]).interval(), None);
        assert_eq!(measurement(&[]).interval(), None);
    }

    #[test]
    fn ratios() {
        let slow = measurement(&[&[2000], &[2000]]);
        let fast = measurement(&[&[1000], &[1000]]);
        let ratio = slow.ratio_to(&fast).unwrap();
        assert!(ratio.between && (ratio.interval.low - 2.0).abs() < 1e-12);
        let single = measurement(&[&[1000, 1000]]);
        let ratio = slow.ratio_to(&single).unwrap();
        assert!(!ratio.between && ratio.interval.high == 2.0);
        assert_eq!(slow.ratio_to(&measurement(&[&[1000]])), None);
    }

    #[test]
    fn ratios_at_equal_clock() {
        let paced = |samples: &[u64], pace_ns: &[u64]| {
            let mut found = measurement(&[samples, samples]);
            found.processes.iter_mut().for_each(|p| p.pace_ns = pace_ns.to_vec());
            found
        };
        // The processor slows down by a half, and so do the samples, between the paces 2 and 4 by the mean of both.
        let slowing = paced(&[200, 300, 400], &[2, 2, 4, 4]);
        let steady = paced(&[100, 100, 100], &[2, 2, 2, 2]);
        let (centre, ratio) = slowing.ratio_at_equal_clock(&steady).unwrap();
        assert_eq!(centre, 2.0);
        assert!((ratio.interval.low - 2.0).abs() < 1e-12 && ratio.between);
        // Twice as fast on a processor twice as fast: the processes differ by their times alone.
        let mut uneven = paced(&[100, 100], &[2, 2, 2]);
        uneven.processes[1] = paced(&[50, 50], &[1, 1, 1]).processes.remove(0);
        assert!((uneven.process_variance().unwrap() - 2f64.ln().powi(2) / 2.0).abs() < 1e-12);
        assert!(uneven.process_variance_at_equal_clock().unwrap() < 1e-24);
        for without in [&[][..], &[2, 2, 2], &[2, 0, 2, 2]] {
            assert_eq!(paced(&[100; 3], without).ratio_at_equal_clock(&steady), None);
        }
    }

    #[test]
    fn spread_within_is_apart_from_spread_between() {
        // Medians 100 and 110; MAD 10 and 0.
        let spread = measurement(&[&[900, 1000, 1100], &[1100, 1100]]).spread().unwrap();
        assert!((spread.within - 1.4826 * 0.1 / 2.0).abs() < 1e-12);
        assert!((spread.between.unwrap() - 50f64.sqrt() / 105.0).abs() < 1e-12);
        assert_eq!(measurement(&[&[1000, 1000]]).spread().unwrap().between, None);
        assert_eq!(measurement(&[]).spread(), None);
    }
}
