//! The clock that everything is timed with, and that of the processor.

use std::time::{Duration, Instant};

/// Readings that each of the functions takes.
const READINGS: u32 = 1000;

/// The smallest step by which the clock is seen to advance, in nanoseconds.
pub fn step_ns() -> u64 {
    let step = || {
        let start = Instant::now();
        loop {
            let step = elapsed_ns(start);
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

/// Multiplications of [`pace_ns`]: about as many nanoseconds, give or take a third.
const CHAIN: u32 = 10_000;

/// The time of a chain of multiplications each of which waits for the one before it, in nanoseconds.
///
/// It needs neither memory nor other threads and takes a fixed number of the processor's cycles, so that it is
/// inversely proportional to the processor's frequency at this moment.
pub fn pace_ns() -> u64 {
    let start = Instant::now();
    let mut product = std::hint::black_box(3_u64);
    for _ in 0..CHAIN {
        // Hidden from the compiler, which would make a shorter chain of it.
        product = std::hint::black_box(product.wrapping_mul(0x5851_f42d_4c95_7f2d));
    }
    elapsed_ns(start)
}

/// A stretch of time, told by the clock that takes samples and by the kernel's own.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    clock: Instant,
    /// Readings of the kernel's before and after that of the clock.
    kernel: Option<[Duration; 2]>,
}

impl Clocks {
    /// From now on.
    pub fn start() -> Self {
        let before = kernel();
        let clock = Instant::now();
        Clocks { clock, kernel: before.zip(kernel()).map(|(before, after)| [before, after]) }
    }

    /// Nanoseconds so far, by the clock and by the kernel's, which is not taken to differ where a wait between two readings can
    /// explain it; 0 for the kernel's where it cannot be asked.
    pub fn elapsed_ns(&self) -> (u64, u64) {
        let end = Clocks::start();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let clock = nanos(end.clock.duration_since(self.clock));
        let kernel = self.kernel.zip(end.kernel).map(|([first, second], [third, fourth])| {
            let (least, most) = (third.saturating_sub(second), fourth.saturating_sub(first));
            clock.clamp(nanos(least), nanos(most))
        });
        (clock, kernel.unwrap_or(0))
    }
}

/// Time since some fixed moment, asked of the kernel itself: a library that replaces the C functions which read
/// clocks does not change it.
#[cfg(target_os = "linux")]
fn kernel() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::Monotonic)).ok()
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
fn kernel() -> Option<Duration> {
    None
}

fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_advances_and_reading_it_costs_something() {
        assert!(step_ns() > 0 && step_ns() < u64::MAX);
        assert!(reading_ns() > 0.0 && reading_ns().is_finite());
    }

    #[test]
    fn both_clocks_tell_the_same_time() {
        let clocks = Clocks::start();
        std::thread::sleep(Duration::from_millis(2));
        let (clock, kernel) = clocks.elapsed_ns();
        assert!(clock >= 2_000_000);
        assert!(kernel == clock || !cfg!(target_os = "linux"), "{clock} {kernel}");
    }

    #[test]
    fn no_multiplication_of_the_chain_is_saved() {
        // Three cycles each at 12 GHz, which no processor reaches, would take a quarter of a nanosecond.
        let fastest = (0..100).map(|_| pace_ns()).min().unwrap();
        assert!(fastest > u64::from(CHAIN) / 4, "{fastest} ns");
    }
}
