//! The peak rates of a machine.

use attn_core::DType;
use attn_record::limits::{Access, DeviceLimits, Probe, Rate};

use super::Grid;
use crate::format::{bytes, count, percent, significant};
use crate::rows::distinct;

/// Types in the order of rows.
const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::BF16, DType::F16];

/// Multiply-adds, then bandwidth.
pub fn limits(probe: &Probe) -> Vec<Grid> {
    vec![fma(probe), bandwidth(probe)]
}

fn fma(probe: &Probe) -> Grid {
    let threads = distinct(probe.fma.iter().map(|peak| peak.threads));
    let mut rows = vec![vec!["type".to_string(), "instructions".into()]];
    rows[0].extend(threads.iter().map(|&n| count(n, "thread")));
    for dtype in TYPES {
        let own = probe.fma.iter().filter(|peak| peak.dtype == dtype);
        for isa in distinct(own.map(|peak| peak.isa.as_str())) {
            let rates = threads.iter().map(|&n| probe.fma(isa, dtype, n));
            rows.push([dtype.to_string(), isa.into()].into_iter().chain(rates.map(cell)).collect());
        }
    }
    let steady = "In brackets the median sample as a share of the best; well below 100% others use the \
                  machine.";
    let notes = std::iter::once(steady.to_string()).chain(halves(probe)).collect();
    let title = "FMA peak, GFLOP/s of all threads together".into();
    Grid { title, rows, names: 2, notes }
}

/// What is to be said of half types that have no row, or not all.
fn halves(probe: &Probe) -> Vec<String> {
    let Some(complete) = &probe.complete else {
        return Vec::new();
    };
    let halves = || [DType::BF16, DType::F16].into_iter();
    let names = |types: Vec<DType>| -> Option<String> {
        let names: Vec<String> = types.iter().map(DType::to_string).collect();
        (!names.is_empty()).then(|| names.join(" and "))
    };
    let missed = halves().filter(|dtype| !complete.contains(dtype)).collect();
    let in_f32 = |dtype: &DType| !probe.fma.iter().any(|peak| peak.dtype == *dtype);
    let none = halves().filter(|dtype| complete.contains(dtype) && in_f32(dtype)).collect();
    let missed = names(missed).map(|names| {
        format!("The peak of {names} is unknown: no loop uses all that this processor has for it.")
    });
    let none = names(none).map(|names| {
        format!("This processor computes {names} in f32, whose peak is the peak of it.")
    });
    missed.into_iter().chain(none).collect()
}

fn bandwidth(probe: &Probe) -> Grid {
    let mut rows = vec![vec!["place".to_string(), "each thread".into(), "threads".into()]];
    rows[0].extend(Access::ALL.map(|access| access.name().to_string()));
    let rows_of = distinct(probe.bandwidth.iter().map(|b| (b.place, b.threads, b.working_set)));
    for (place, threads, working_set) in rows_of {
        let rates = Access::ALL.map(|access| cell(probe.bandwidth(place, access, threads)));
        let names = [place.name().to_string(), bytes(working_set.0), threads.to_string()];
        rows.push(names.into_iter().chain(rates).collect());
    }
    let note = "A copy counts what it reads and what it writes; stores bypass no cache.";
    let title = "bandwidth, GB/s of all threads together".into();
    Grid { title, rows, names: 1, notes: vec![note.into()] }
}

/// Products, then copies.
pub fn device_limits(found: &DeviceLimits) -> Grid {
    let head = vec!["what".to_string(), "of".into(), "best".into()];
    let products = found.products.iter().map(|peak| {
        let size = peak.size;
        let rate = format!("{} GFLOP/s", cell(Some(peak.gflops)));
        vec![format!("products, {}", peak.dtype), format!("{size} x {size}"), rate]
    });
    let copy = format!("{} GB/s", cell(Some(found.copy.gb_per_s)));
    let copy = vec!["copy".to_string(), bytes(found.copy.bytes.0), copy];
    let rows = std::iter::once(head).chain(products).chain([copy]).collect();
    let note = "In brackets the median sample as a share of the best. A copy counts what it reads and what it \
                writes.";
    Grid { title: found.device.clone(), rows, names: 2, notes: vec![note.into()] }
}

/// `117 (98%)`.
fn cell(rate: Option<Rate>) -> String {
    rate.map_or_else(String::new, |Rate { best, median, .. }| {
        format!("{} ({})", significant(best), percent(median / best))
    })
}

#[cfg(test)]
mod tests {
    use attn_core::Bytes;
    use attn_record::limits::{Bandwidth, FmaPeak, Noise, Place, Timer};

    use super::*;
    use crate::fixture;
    use crate::table::Options;

    #[test]
    fn as_it_looks() {
        let rate = |best, share: f64| Rate { best, median: best * share, samples: 9 };
        let peak = |isa: &str, dtype, threads, best| FmaPeak {
            isa: isa.into(),
            dtype,
            threads,
            gflops: rate(best, 0.98),
        };
        let read = |threads, best| Bandwidth {
            place: Place::L1,
            working_set: Bytes(16 << 10),
            access: Access::Read,
            threads,
            gb_per_s: rate(best, 0.5),
        };
        let probe = Probe {
            measured: String::new(),
            machine: fixture::run().machine,
            pinned: true,
            fma: vec![
                peak("avx2+fma", DType::F32, 1, 117.4),
                peak("avx2+fma", DType::F64, 1, 58.6),
                peak("avx2+fma", DType::F32, 2, 234.0),
                peak("avx512bf16", DType::BF16, 1, 238.0),
            ],
            complete: Some(DType::ALL.into()),
            bandwidth: vec![read(1, 197.0), read(2, 390.0)],
            timer: Timer { step_ns: 20, reading_ns: 24.0 },
            noise: Noise { slot_ns: 1, slots: 4, spread: 0.0, pair_spread: 0.0 },
        };
        let text = terminal(&probe);
        assert!(text.contains("\n  f32   avx2+fma       117 (98%)  234 (98%)\n"), "{text}");
        assert!(text.contains("\n  f64   avx2+fma      58.6 (98%)\n"), "{text}");
        assert!(text.contains("\n  bf16  avx512bf16     238 (98%)\n"), "{text}");
        assert!(text.contains("\n  L1          16 KiB        2  390 (50%)"), "{text}");
        assert!(text.contains("computes f16 in f32"), "{text}");
        let text = terminal(&Probe { complete: Some(vec![DType::F32]), ..probe.clone() });
        assert!(text.contains("peak of bf16 and f16 is unknown"), "{text}");
        let text = terminal(&Probe { complete: None, ..probe });
        assert!(!text.contains("unknown") && !text.contains("f16 in"), "an old file: {text}");
    }

    /// In one line for each note.
    fn terminal(probe: &Probe) -> String {
        limits(probe).iter().map(|grid| grid.terminal(Options { width: 200 })).collect()
    }
}
