//! How often the intervals of cells hold, given the rule by which cells get processes: a simulation of that rule.
//!
//! What is simulated is how the medians of a cell's processes differ, no more: normally in their logarithms, or so for
//! nine processes of ten while the tenth is slower by 5 %. Rule and intervals are those of real cells. The true
//! time is the median of that distribution, and the true ratio of two cells of the same kind is 1.

use attn_record::stats::{self, Interval, normal_quantile};
use attn_record::{Measurement, Process, STOPPING};
use rand_core::{Rng, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::run::{Preset, Processes};

/// Standard deviations of the logarithms, as shares of the time.
const DEVIATIONS: [f64; 7] = [0.003, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05];

/// How far out a process of the second kind is, and which share of processes is.
const OUT: (f64, f64) = (0.05, 0.1);

/// The time around which processes lie, nanoseconds: long enough for the rounding to a nanosecond not to matter.
const NS: f64 = 1e9;

/// Draws whose median is taken as that of the distribution.
const DRAWS: usize = 100_001;

/// What was found for one amount of noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Name of the preset.
    pub preset: &'static str,
    /// How the processes differ.
    pub noise: Noise,
    /// Cells that were simulated.
    pub cells: u32,
    /// Processes of a cell, on average.
    pub processes: f64,
    /// Share of cells whose true time Student's interval would hold, as if the number of processes had been given.
    pub student: f64,
    /// Share of cells whose true time lies in their interval.
    pub time: f64,
    /// Share of pairs of cells whose true ratio Welch's interval would hold, likewise.
    pub welch: f64,
    /// Share of pairs of cells whose true ratio lies in its interval.
    pub ratio: f64,
}

/// How the logarithms of processes' medians differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// Standard deviation.
    pub deviation: f64,
    /// Whether one process of ten is slower by 5 % besides.
    pub outliers: bool,
}

/// Simulates `cells` cells, an even number, for both presets and every noise.
pub fn coverage(cells: u32) -> Vec<Coverage> {
    let presets = [Preset::QUICK, Preset::FULL];
    let noises = [false, true].into_iter().flat_map(|outliers| {
        DEVIATIONS.into_iter().map(move |deviation| Noise { deviation, outliers })
    });
    let noises: Vec<Noise> = noises.collect();
    let settings =
        presets.iter().flat_map(|preset| noises.iter().map(move |&noise| (preset, noise)));
    settings.map(|(preset, noise)| one(preset, noise, cells)).collect()
}

fn one(preset: &Preset, noise: Noise, cells: u32) -> Coverage {
    let mut bits = Xoshiro256PlusPlus::seed_from_u64(1);
    let draws: Vec<f64> = (0..DRAWS).map(|_| noise.draw(&mut bits)).collect();
    let truth = stats::median(&draws).expect("there are some") + NS.ln();
    let [mut processes, mut student, mut time, mut welch, mut ratio] = [0; 5];
    let alone =
        |logs: &Interval, truth| usize::from(logs.times_as_wide(1.0 / STOPPING).contains(truth));
    for _ in 0..cells / 2 {
        let pair = [(); 2].map(|()| cell(preset.processes, noise, &mut bits));
        for cell in &pair {
            let logs = cell.interval().expect("several processes").interval.map(f64::ln);
            processes += cell.processes.len();
            student += alone(&logs, truth);
            time += usize::from(logs.contains(truth));
        }
        let between = pair[0].ratio_to(&pair[1]).expect("several processes");
        welch += alone(&between.interval.map(f64::ln), 0.0);
        ratio += usize::from(between.interval.contains(1.0));
    }
    let share = |count: usize, of: u32| count as f64 / f64::from(of);
    Coverage {
        preset: preset.name,
        noise,
        cells,
        processes: share(processes, cells),
        student: share(student, cells),
        time: share(time, cells),
        welch: share(welch, cells / 2),
        ratio: share(ratio, cells / 2),
    }
}

/// `0.3 %, one of ten 5 % slower`.
impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = if self.outliers { ", one of ten 5 % slower" } else { "" };
        write!(f, "{} %{out}", 100.0 * self.deviation)
    }
}

impl Noise {
    fn draw(self, bits: &mut impl Rng) -> f64 {
        let (far, share) = OUT;
        let out = if self.outliers && uniform(bits) < share { far } else { 0.0 };
        self.deviation * normal_quantile(uniform(bits)) + out
    }
}

/// Strictly between 0 and 1.
fn uniform(bits: &mut impl Rng) -> f64 {
    ((bits.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// A cell that got processes until the rule said that it has enough.
fn cell(rule: Processes, noise: Noise, bits: &mut impl Rng) -> Measurement {
    let mut cell = Measurement { clock_ns: 1, processes: Vec::new() };
    while rule.goes_on(Some(&cell)) {
        cell.processes.push(process(NS * noise.draw(bits).exp()));
    }
    cell
}

/// One whose median is `ns`.
fn process(ns: f64) -> Process {
    Process {
        cpu: None,
        spread: Vec::new(),
        warmup_calls: 1,
        warmup_ns: 1,
        reps: 1,
        samples_ns: vec![ns.round() as u64],
        disturbed: None,
        pace_ns: Vec::new(),
        audit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_in_95_of_100_cells_however_noisy_they_are() {
        const CELLS: u32 = 2000;
        // Less four standard errors of cells, and of pairs, of which there are half as many.
        let least = |n: u32| 0.95 - 4.0 * (0.95 * 0.05 / f64::from(n)).sqrt();
        let found = coverage(CELLS);
        assert_eq!(found.len(), 28);
        for found in &found {
            let enough = found.time > least(CELLS) && found.ratio > least(CELLS / 2);
            assert!(enough, "{found:?}");
        }
        // What is allowed for is there, and no more of it is than it takes.
        let worst = |of: fn(&Coverage) -> f64| found.iter().map(of).reduce(f64::min).unwrap();
        assert!(worst(|found| found.student) < 0.93 && worst(|found| found.welch) < 0.92);
        assert!(worst(|found| found.ratio) < 0.97);
    }

    #[test]
    fn steady_cells_stop_early_and_noisy_ones_late() {
        let found = coverage(100);
        let of = |preset: &str, deviation: f64| {
            let noise = Noise { deviation, outliers: false };
            found.iter().find(|f| f.preset == preset && f.noise == noise).unwrap().processes
        };
        assert_eq!((of("quick", 0.003), of("full", 0.003)), (3.0, 5.0));
        assert!(of("quick", 0.05) > 8.0 && of("full", 0.05) > 11.0);
        assert_eq!(coverage(100), found, "the same seed, the same figures");
    }
}
