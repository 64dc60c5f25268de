//! Measures this machine's peak rates: the figures of [`attn_record::Limits`].
//!
//! A limit is what the fastest of many short samples reaches: whatever disturbs a sample makes it slower,
//! never faster. Of several threads, each counts with its own fastest where they share nothing: in instructions and in
//! private caches. The median is kept beside it, so that a noisy machine shows.

mod working_set;

use std::hint::black_box;
use std::time::{Duration, Instant};

use attn_core::{Bytes, DType, lse_dtype};
use attn_record::limits::{Access, Bandwidth, Ceilings, FmaPeak, Noise, Place, Probe, Rate, Timer};
use attn_record::{Machine, stats};
use attn_sys::bandwidth::{self, Buffer};
use attn_sys::cache::{self, Cache};
use attn_sys::fma::{self, Element, Loop, Step};
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
    let mut session = Session::new(question.effort, rate);
    let loops = Loop::available();
    let (mut peaks, mut bandwidths) = (Vec::new(), Vec::new());
    for &threads in question.threads {
        let plural = if threads == 1 { "" } else { "s" };
        tell(&format!("multiply-adds, {threads} thread{plural}"));
        peaks.extend(session.fma(&loops, threads));
        tell(&format!("bandwidth, {threads} thread{plural}"));
        bandwidths.extend(session.bandwidth(&Place::ALL, threads));
    }
    tell("clock and noise");
    let noise = session.noise();
    Probe {
        measured,
        machine: question.machine.clone(),
        pinned: session.pinned,
        fma: peaks,
        complete: Some(complete()),
        bandwidth: bandwidths,
        timer: Timer {
            step_ns: attn_sys::clock::step_ns(),
            reading_ns: attn_sys::clock::reading_ns(),
        },
        noise,
    }
}

/// Measures in about a twentieth of a second what no rate of problems stored as `dtypes`, computed by so many threads,
/// can exceed. For commands that have no limits at hand.
///
/// Everything is measured twice, so that what disturbs it for some milliseconds meets one of the two; the larger rate
/// counts. Threads are credited with what each of them reached by itself, even of what they share. Memory is left out: to fill more of it than the caches hold takes longer than all the rest. What caches do not
/// hold is bounded by the bandwidth of the last of them.
pub fn ceilings(machine: &Machine, dtypes: &[DType], threads: &[usize]) -> Ceilings {
    const TIME: Duration = Duration::from_millis(40);
    let turn = || ceilings_within(TIME / 2, machine, dtypes, threads);
    turn().best_of(turn())
}

fn ceilings_within(
    time: Duration,
    machine: &Machine,
    dtypes: &[DType],
    threads: &[usize],
) -> Ceilings {
    let places: Vec<Place> = Place::ALL.into_iter().filter(|&p| p != Place::Memory).collect();
    let loops = loops_of(dtypes);
    let rates = threads.len() * (loops.len() + Access::ALL.len() * places.len());
    let effort = Effort {
        sample: Duration::from_micros(100),
        rate: time / rates.max(1) as u32,
        noise: Duration::ZERO,
    };
    let mut session = Session::new(effort, sum_of_rates);
    let (mut peaks, mut bandwidths) = (Vec::new(), Vec::new());
    for &threads in threads {
        peaks.extend(session.fma(&loops, threads));
        bandwidths.extend(session.bandwidth(&places, threads));
    }
    let known = complete().into_iter().filter(|dtype| dtypes.contains(dtype)).collect();
    Ceilings::new(peaks, known, bandwidths, machine.caches.clone())
}

/// What may compute problems stored as `dtypes`: half types in f32 too. Of the portable loops only where there are no
/// others.
fn loops_of(dtypes: &[DType]) -> Vec<Loop> {
    let computes: Vec<DType> = dtypes.iter().flat_map(|&own| [own, lse_dtype(own)]).collect();
    let mut loops = Loop::available();
    loops.retain(|of| computes.contains(&dtype(of.element())));
    let portable = |of: &Loop| of.isa() == Vectors::PORTABLE.name();
    if !loops.iter().all(portable) {
        loops.retain(|of| !portable(of));
    }
    loops
}

/// The types whose fastest instructions are measured.
fn complete() -> Vec<DType> {
    fma::complete().into_iter().map(dtype).collect()
}

const fn dtype(element: Element) -> DType {
    match element {
        Element::F64 => DType::F64,
        Element::F32 => DType::F32,
        Element::BF16 => DType::BF16,
        Element::F16 => DType::F16,
    }
}

struct Session {
    effort: Effort,
    caches: Vec<Cache>,
    /// Whether all threads so far stayed where they were put.
    pinned: bool,
    /// Of what threads share, from samples of threads each of which does so many units of work in a repetition.
    shared: fn(&Samples, u64) -> Rate,
}

impl Session {
    fn new(effort: Effort, shared: fn(&Samples, u64) -> Rate) -> Self {
        Session { effort, caches: cache::levels(), pinned: true, shared }
    }

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

    fn fma(&mut self, loops: &[Loop], threads: usize) -> Vec<FmaPeak> {
        let works: Vec<_> = loops.iter().map(|&of| rounds(of)).collect();
        let works: Vec<Work<'_, ()>> = works.iter().map(|work| work as Work<'_, ()>).collect();
        let warm_up = || loops.last().map_or((), |&widest| warm_up(widest));
        let samples = self.sample(threads, self.effort.of_rate(), warm_up, &works);
        let peaks = samples.iter().zip(loops).map(|(samples, of)| FmaPeak {
            isa: of.isa().into(),
            dtype: dtype(of.element()),
            threads,
            gflops: sum_of_rates(samples, 2 * of.fmas_per_round()),
        });
        peaks.collect()
    }

    fn bandwidth(&mut self, places: &[Place], threads: usize) -> Vec<Bandwidth> {
        let mut found = Vec::new();
        for &place in places {
            let Some(bytes) = working_set(place, &self.caches, threads) else {
                continue;
            };
            let make = || Buffer::new(bytes, Vectors::widest());
            let works = Access::ALL.map(passes);
            let works = works.each_ref().map(|work| work as Work<'_, Buffer>);
            let samples = self.sample(threads, self.effort.of_rate(), make, &works);
            let working_set = Bytes(Buffer::size(bytes));
            let is_private = matches!(place, Place::L1 | Place::L2);
            let rate = if is_private { sum_of_rates } else { self.shared };
            found.extend(samples.iter().zip(Access::ALL).map(|(samples, access)| Bandwidth {
                place,
                working_set,
                access,
                threads,
                gb_per_s: rate(samples, working_set.0),
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

/// Rounds of a loop.
fn rounds(of: Loop) -> impl Fn(&mut (), u64) + Sync {
    move |(), rounds| {
        black_box(of.run(Step::CALM, rounds));
    }
}

/// Computes for some milliseconds: an idle processor has a lower clock, and units of wide vectors that nobody used
/// have to be powered up.
fn warm_up(of: Loop) {
    const TIME: Duration = Duration::from_millis(2);
    let start = Instant::now();
    while start.elapsed() < TIME {
        black_box(of.run(Step::CALM, 1000));
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

/// 10^9 units a second of all threads together, of which each does `units` in a repetition.
fn rate(samples: &Samples, units: u64) -> Rate {
    let units = (units * samples.alone.len() as u64) as f64;
    let rates: Vec<f64> = seconds(samples).iter().map(|time| units / time / 1e9).collect();
    Rate::of(&rates)
}

/// As [`rate`], but the best is the sum of what each thread reached by itself: on a busy machine the threads may never be
/// left alone all at once.
fn sum_of_rates(samples: &Samples, units: u64) -> Rate {
    let done = (units * samples.reps) as f64;
    let each = samples.alone.iter().map(|time| done / time.as_secs_f64() / 1e9);
    Rate { best: each.sum(), ..rate(samples, units) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_units_over_time() {
        let times = [4, 2, 5].map(Duration::from_micros).into();
        let alone = [1, 2].map(Duration::from_micros).into();
        let samples = Samples { reps: 10, times, alone, pinned: true };
        let found = rate(&samples, 400);
        // 8000 units in 2, 4 and 5 us.
        assert!((found.best - 4.0).abs() < 1e-9 && (found.median - 2.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.samples, 3);
        // 4000 units in 1 us, and 4000 in 2 us.
        let found = sum_of_rates(&samples, 400);
        assert!((found.best - 6.0).abs() < 1e-9 && (found.median - 2.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_short_run_gets_a_short_probe() {
        assert_eq!(Effort::within(Duration::from_secs(120)), Effort::QUICK);
        let half = Effort::within(Duration::from_secs(20));
        assert_eq!((half.rate * 2, half.sample), (Effort::QUICK.rate, Effort::QUICK.sample));
        assert!(Effort::within(Duration::ZERO).rate > Duration::ZERO);
    }

    #[test]
    fn ceilings_are_of_what_was_asked_for() {
        let machine = crate::machine::detect();
        let known = complete();
        let found = ceilings(&machine, &[DType::BF16], &[1]);
        assert_eq!(found.gflops(DType::BF16, 1).is_some(), known.contains(&DType::BF16));
        assert_eq!(found.gflops(DType::BF16, 2), None);
        assert_eq!(found.gflops(DType::F64, 1), None);
        assert_eq!(found.gb_per_s(4096, 1).is_some(), !machine.caches.is_empty());
        let bounds = [4096, 64 << 10, 1 << 30].map(|bytes| found.gb_per_s(bytes, 1));
        assert!(bounds.is_sorted_by(|near, far| near >= far), "{bounds:?}");
    }

    #[test]
    fn half_types_are_measured_in_f32_and_with_their_own_instructions() {
        let types = |asked: &[DType]| -> Vec<DType> {
            loops_of(asked).iter().map(|of| dtype(of.element())).collect()
        };
        assert!(types(&[DType::F64]).iter().all(|&own| own == DType::F64));
        let halves = types(&[DType::F16]);
        assert!(halves.contains(&DType::F32) && !halves.contains(&DType::BF16));
        let own = Loop::available().iter().any(|of| of.element() == Element::F16);
        assert_eq!(halves.contains(&DType::F16), own);
        let portable = loops_of(&DType::ALL).iter().filter(|of| of.isa() == "portable").count();
        assert!(portable == 0 || Vectors::widest() == Vectors::PORTABLE);
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
            let known = complete().contains(&DType::BF16);
            assert_eq!(probe.ceiling_gflops(DType::BF16, threads).is_some(), known);
            for access in Access::ALL {
                assert!(probe.bandwidth(Place::Memory, access, threads).is_some());
            }
        }
        assert!(probe.timer.step_ns > 0 && probe.timer.reading_ns > 0.0);
        assert!(probe.noise.spread.is_finite() && probe.noise.pair_spread.is_finite());
        assert!(probe.noise.slots >= 4 && probe.noise.slot_ns > 0);
    }
}
