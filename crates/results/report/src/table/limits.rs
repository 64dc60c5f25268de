//! The peak rates of a machine.

use attn_analysis::rows::distinct;
use attn_core::DType;
use attn_record::limits::{Access, DeviceLimits, Probe, Rate};

use super::{Cell, Column, Table};
use crate::format::{bytes, count, percent, significant};

/// Types in the order of rows.
const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::BF16, DType::F16];

/// Multiply-adds, then bandwidth.
pub fn limits(probe: &Probe) -> Vec<Table> {
    vec![fma(probe), bandwidth(probe)]
}

fn fma(probe: &Probe) -> Table {
    let threads = distinct(probe.fma.iter().map(|peak| peak.threads));
    let rows = TYPES.iter().flat_map(|&dtype| {
        let own = probe.fma.iter().filter(move |peak| peak.dtype == dtype);
        let row = |isa: &str| {
            let rates = threads.iter().map(|&n| cell(probe.fma(isa, dtype, n)));
            [dtype.to_string().into(), isa.into()].into_iter().chain(rates).collect()
        };
        distinct(own.map(|peak| peak.isa.as_str())).into_iter().map(row).collect::<Vec<_>>()
    });
    let steady = "In brackets the median sample as a share of the best; well below 100% others use the \
                  machine.";
    let names = ["type", "instructions"].map(Column::words).into_iter();
    let columns = names.chain(threads.iter().map(|&n| Column::number(count(n, "thread"))));
    Table::new("FMA peak, GFLOP/s of all threads together", columns)
        .rows(rows)
        .notes([steady])
        .notes(halves(probe))
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

fn bandwidth(probe: &Probe) -> Table {
    let measured = distinct(probe.bandwidth.iter().map(|b| (b.place, b.threads, b.working_set)));
    let rows = measured.into_iter().map(|(place, threads, working_set)| {
        let rates = Access::ALL.map(|access| cell(probe.bandwidth(place, access, threads)));
        let size = Cell::value(Some(working_set.0 as f64), |size| bytes(size as u64));
        let names = [place.name().into(), size, Cell::count(Some(threads))];
        names.into_iter().chain(rates).collect()
    });
    let names = [Column::words("place"), Column::number("each thread"), Column::number("threads")];
    let columns = names.into_iter().chain(Access::ALL.map(|access| Column::number(access.name())));
    Table::new("bandwidth, GB/s of all threads together", columns)
        .rows(rows)
        .notes(["A copy counts what it reads and what it writes; stores bypass no cache."])
}

/// Products, then copies.
pub fn device_limits(found: &DeviceLimits) -> Table {
    let row = |what: String, of: String, rate, unit: &str| {
        let Cell { text, value, .. } = cell(Some(rate));
        vec![what.into(), of.into(), Cell { value, ..format!("{text} {unit}").into() }]
    };
    let products = found.products.iter().map(|peak| {
        let (what, size) = (format!("products, {}", peak.dtype), peak.size);
        row(what, format!("{size} x {size}"), peak.gflops, "GFLOP/s")
    });
    let copy = row("copy".into(), bytes(found.copy.bytes.0), found.copy.gb_per_s, "GB/s");
    let note = "In brackets the median sample as a share of the best. A copy counts what it reads and what it \
                writes.";
    let columns = [Column::words("what"), Column::words("of"), Column::number("best")];
    Table::new(&*found.device, columns).rows(products.chain([copy])).notes([note])
}

/// `117 (98%)`.
fn cell(rate: Option<Rate>) -> Cell {
    rate.map_or_else(Cell::default, |Rate { best, median, .. }| {
        let text = format!("{} ({})", significant(best), percent(median / best));
        Cell::from(text).sorted_by(best)
    })
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;
    use attn_core::Bytes;
    use attn_record::limits::{Bandwidth, FmaPeak, Noise, Place, Timer};

    use super::*;
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
        limits(probe)
            .iter()
            .map(|table| table.terminal(Options { width: 200, ..Options::default() }))
            .collect()
    }
}
