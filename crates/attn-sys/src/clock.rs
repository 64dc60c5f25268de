//! The clock that everything is timed with.

use std::time::Instant;

/// Readings that each of the functions takes.
const READINGS: u32 = 1000;

/// The smallest step by which the clock is seen to advance, in nanoseconds.
pub fn step_ns() -> u64 {
    let step = || {
        let start = Instant::now();
        loop {
            let step = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if step > 0 {
                return step;
            }
        }
    };
    (0..READINGS).map(|_| step()).min().unwrap_or(u64::MAX)
}

/// What one reading costs, in nanoseconds: the least over a few rounds of many readings.
pub fn reading_ns() -> f64 {
    let round = || {
        let start = Instant::now();
        for _ in 0..READINGS {
            std::hint::black_box(Instant::now());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(READINGS)
    };
    (0..10).map(|_| round()).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_advances_and_reading_it_costs_something() {
        assert!(step_ns() > 0 && step_ns() < u64::MAX);
        assert!(reading_ns() > 0.0 && reading_ns().is_finite());
    }
}
