//! Measures what this machine can do at most: the figures of [`attn_record::Limits`].
//!
//! A limit is what the fastest of many short samples reaches: whatever disturbs a sample makes it slower,
//! never faster. The median is kept beside it, so that a noisy machine shows.

mod working_set;

use std::hint::black_box;
use std::time::{Duration, Instant};

use attn_core::{Bytes, DType};
use attn_record::limits::{Access, Bandwidth, FmaPeak, Noise, Place, Probe, Rate, Timer};
use attn_record::{Machine, stats};
use attn_sys::bandwidth::{self, Buffer};
use attn_sys::cache::{self, Cache};
use attn_sys::fma::{self, Element, Step};
use attn_sys::team::{self, Samples, Work};
use attn_sys::vectors::Vectors;

use working_set::working_set;

/// How long measuring may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Of one sample, at least.
    pub sample: Duration,
    /// Of all samples of one rate.
    pub rate: Duration,
    /// Of comparing the same with the same.
    pub noise: Duration,
}

impl Effort {
    /// About two seconds for two numbers of threads: what a run can afford.
    pub const QUICK: Effort = Effort {
        sample: Duration::from_micros(500),
        rate: Duration::from_millis(20),
        noise: Duration::from_millis(500),
    };

    /// About eight seconds.
    pub const THOROUGH: Effort = Effort {
        sample: Duration::from_micros(500),
        rate: Duration::from_millis(100),
        noise: Duration::from_secs(3),
    };

    /// [`Effort::QUICK`], or less where even that is more than a twentieth of `time`: what a short run
    /// can afford.
    pub fn within(time: Duration) -> Effort {
        let share = (time.as_secs_f64() / 40.0).clamp(0.02, 1.0);
        let Effort { sample, rate, noise } = Effort::QUICK;
        Effort { sample, rate: rate.mul_f64(share), noise: noise.mul_f64(share) }
    }

    fn of_rate(&self) -> team::Effort {
        team::Effort { sample: self.sample, total: self.rate }
    }
}

/// What is measured of which machine.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// This machine, as records name it.
    pub machine: &'a Machine,
    /// Numbers of threads to measure with.
    pub threads: &'a [usize],
    /// How long.
    pub effort: Effort,
}

/// Measures; `measured` is the present time, and `tell` is told what comes next.
pub fn measure(question: &Question<'_>, measured: String, tell: &mut dyn FnMut(&str)) -> Probe {
    let mut session = Session { effort: question.effort, caches: cache::levels(), pinned: true };
    let (mut peaks, mut bandwidths) = (Vec::new(), Vec::new());
    for &threads in question.threads {
        let plural = if threads == 1 { "" } else { "s" };
        tell(&format!("multiply-adds, {threads} thread{plural}"));
        peaks.extend(session.fma(threads));
        tell(&format!("bandwidth, {threads} thread{plural}"));
        bandwidths.extend(session.bandwidth(threads));
    }
    tell("clock and noise");
    let noise = session.noise();
    Probe {
        measured,
        machine: question.machine.clone(),
        pinned: session.pinned,
        fma: peaks,
        bandwidth: bandwidths,
        timer: Timer {
            step_ns: attn_sys::clock::step_ns(),
            reading_ns: attn_sys::clock::reading_ns(),
        },
        noise,
    }
}

struct Session {
    effort: Effort,
    caches: Vec<Cache>,
    /// Whether all threads so far stayed where they were put.
    pinned: bool,
}

impl Session {
    /// Samples of each of `works`, on `threads` threads.
    fn sample<S>(
        &mut self,
        threads: usize,
        effort: team::Effort,
        make: impl Fn() -> S + Sync,
        works: &[Work<'_, S>],
    ) -> Vec<Samples> {
        let samples = team::sample(&team::processors(threads), effort, make, works);
        self.pinned &= samples.iter().all(|samples| samples.pinned);
        samples
    }

    fn fma(&mut self, threads: usize) -> Vec<FmaPeak> {
        let mut peaks = Vec::new();
        for vectors in Vectors::available() {
            for (element, dtype) in [(Element::F32, DType::F32), (Element::F64, DType::F64)] {
                let work = |(): &mut (), rounds| {
                    black_box(fma::run(vectors, element, Step::CALM, rounds));
                };
                let flops = 2 * fma::fmas_per_round(vectors, element) * threads as u64;
                let samples = self.sample(threads, self.effort.of_rate(), || (), &[&work]);
                let isa = vectors.name();
                peaks.extend(samples.iter().map(|samples| FmaPeak {
                    isa: isa.into(),
                    dtype,
                    threads,
                    gflops: rate(samples, flops),
                }));
            }
        }
        peaks
    }

    fn bandwidth(&mut self, threads: usize) -> Vec<Bandwidth> {
        let mut found = Vec::new();
        for place in Place::ALL {
            let Some(bytes) = working_set(place, &self.caches, threads) else {
                continue;
            };
            let make = || Buffer::new(bytes, Vectors::widest());
            let works = Access::ALL.map(passes);
            let works = works.each_ref().map(|work| work as Work<'_, Buffer>);
            let samples = self.sample(threads, self.effort.of_rate(), make, &works);
            let working_set = Bytes(Buffer::size(bytes));
            found.extend(samples.iter().zip(Access::ALL).map(|(samples, access)| Bandwidth {
                place,
                working_set,
                access,
                threads,
                gb_per_s: rate(samples, working_set.0 * threads as u64),
            }));
        }
        found
    }

    /// The same reading of half of the second-level cache in every slot.
    fn noise(&mut self) -> Noise {
        const SLOT: team::Effort =
            team::Effort { sample: Duration::from_micros(200), total: Duration::from_millis(3) };
        let bytes = working_set(Place::L2, &self.caches, 1).unwrap_or(256 << 10);
        let (start, read) = (Instant::now(), passes(Access::Read));
        let (mut medians, mut slots) = (Vec::new(), Vec::new());
        loop {
            let slot = Instant::now();
            let samples = self.sample(1, SLOT, || Buffer::new(bytes, Vectors::widest()), &[&read]);
            medians.extend(samples.iter().filter_map(|samples| stats::median(&seconds(samples))));
            slots.push(slot.elapsed());
            match Noise::of(&medians, &slots) {
                Some(noise) if start.elapsed() >= self.effort.noise => return noise,
                _ => {}
            }
        }
    }
}

/// Passes over a thread's own buffer.
fn passes(access: Access) -> impl Fn(&mut Buffer, u64) + Sync {
    let access = match access {
        Access::Read => bandwidth::Access::Read,
        Access::Write => bandwidth::Access::Write,
        Access::Copy => bandwidth::Access::Copy,
    };
    move |buffer, reps| {
        for _ in 0..reps {
            black_box(buffer.pass(access));
        }
    }
}

/// Seconds per repetition.
fn seconds(samples: &Samples) -> Vec<f64> {
    samples.times.iter().map(|time| time.as_secs_f64() / samples.reps as f64).collect()
}

/// 10^9 `units` a second.
fn rate(samples: &Samples, units: u64) -> Rate {
    let rates: Vec<f64> = seconds(samples).iter().map(|time| units as f64 / time / 1e9).collect();
    Rate::of(&rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_units_over_time() {
        let times = [4, 2, 5].map(Duration::from_micros).into();
        let found = rate(&Samples { reps: 10, times, pinned: true }, 800);
        // 8000 units in 2, 4 and 5 us.
        assert!((found.best - 4.0).abs() < 1e-9 && (found.median - 2.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.samples, 3);
    }

    #[test]
    fn a_short_run_gets_a_short_probe() {
        assert_eq!(Effort::within(Duration::from_secs(120)), Effort::QUICK);
        let half = Effort::within(Duration::from_secs(20));
        assert_eq!((half.rate * 2, half.sample), (Effort::QUICK.rate, Effort::QUICK.sample));
        assert!(Effort::within(Duration::ZERO).rate > Duration::ZERO);
    }

    #[test]
    fn everything_is_measured_and_finite() {
        let machine = crate::machine::detect();
        let effort = Effort {
            sample: Duration::from_micros(5),
            rate: Duration::from_micros(20),
            noise: Duration::from_micros(1),
        };
        let question = Question { machine: &machine, threads: &[1, 2], effort };
        let mut told = 0;
        let probe = measure(&question, "now".into(), &mut |_| told += 1);
        assert_eq!((told, &probe.machine), (5, &machine));
        let rates = probe.fma.iter().map(|peak| peak.gflops);
        let rates: Vec<Rate> = rates.chain(probe.bandwidth.iter().map(|b| b.gb_per_s)).collect();
        for rate in rates {
            assert!(rate.median > 0.0 && rate.best >= rate.median && rate.best.is_finite());
            assert!(rate.samples >= 5);
        }
        for threads in [1, 2] {
            assert!(probe.peak_gflops(DType::F32, threads).is_some());
            assert!(probe.fma("portable", DType::F64, threads).is_some());
            for access in Access::ALL {
                assert!(probe.bandwidth(Place::Memory, access, threads).is_some());
            }
        }
        assert!(probe.timer.step_ns > 0 && probe.timer.reading_ns > 0.0);
        assert!(probe.noise.spread.is_finite() && probe.noise.pair_spread.is_finite());
        assert!(probe.noise.slots >= 4 && probe.noise.slot_ns > 0);
    }
}
