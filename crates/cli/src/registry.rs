//! Every backend, in the order of tables.

use std::sync::OnceLock;

use attn_analysis::scaling::Scores;
use attn_bench::run::{Entry, Measured};
use attn_core::Backend;
use attn_engines::Engines;
use attn_flash::{Flash, Variant};
use attn_record::limits::DeviceLimits;

use crate::cuda::Cuda;
use crate::engines;

/// The yardstick of every budget.
pub static NAIVE: attn_naive::Naive = attn_naive::Naive;

/// Environment variables by which the libraries fix their number of threads for a process: rayon
/// (faer, candle), matrixmultiply (ndarray), candle's own spinning pool.
pub const THREAD_VARIABLES: [&str; 3] =
    ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS", "CANDLE_NUM_THREADS"];

/// Group names that mean one of their members in a filter; `flash` is the fastest variant here.
pub fn aliases() -> [(&'static str, &'static str); 2] {
    [("candle", "candle/composed"), ("flash", Variant::best().id())]
}

/// Where backends keep the scores of a head: what their memory is expected to grow like.
pub const SCORES: [(&str, Scores); 13] = [
    ("naive", Scores::Part),
    ("ndarray", Scores::Matrix),
    ("faer", Scores::Matrix),
    ("candle/composed", Scores::Matrix),
    ("candle/fused", Scores::Part),
    ("candle/cuda", Scores::Matrix),
    ("flash/scalar", Scores::Part),
    ("flash/tiled", Scores::Part),
    ("flash/avx2", Scores::Part),
    ("flash/avx512", Scores::Part),
    ("flash/avx512bf16", Scores::Part),
    ("flash/amx", Scores::Part),
    ("additive", Scores::Part),
];

/// Backends of the program that this crate is linked into.
static MORE: OnceLock<fn() -> Vec<Entry>> = OnceLock::new();

/// Adds the backends of another crate, once, before anything else is done.
pub(crate) fn add(more: fn() -> Vec<Entry>) {
    // A second call would come from a program that calls `main_with` twice; the first holds.
    let _ = MORE.set(more);
}

/// All backends with the rates that planning assumes, those of other crates last.
pub fn entries() -> Vec<Entry> {
    let mut entries = own();
    entries.extend(more());
    entries
}

/// Those of the program that this crate is linked into.
pub(crate) fn more() -> Vec<Entry> {
    MORE.get().map(|more| more()).unwrap_or_default()
}

fn own() -> Vec<Entry> {
    let entry = |backend: Box<dyn Backend>, nominal_gflops| Entry {
        measured: Measured::Always,
        ..by_name(backend, nominal_gflops)
    };
    let variant = |variant, nominal_gflops| {
        let of = if variant == Variant::best() { entry } else { by_name };
        of(Box::new(Flash(variant)), nominal_gflops)
    };
    vec![
        entry(Box::new(NAIVE), 3.0),
        entry(Box::new(attn_ndarray::Ndarray), 25.0),
        entry(Box::new(attn_faer::Faer), 25.0),
        entry(Box::new(attn_candle::Composed), 13.0),
        entry(Box::new(attn_candle::Fused), 4.0),
        by_name(Box::new(Cuda::beside_this_program()), 1000.0),
        variant(Variant::Scalar, 2.0),
        variant(Variant::Tiled, 30.0),
        variant(Variant::Avx2, 70.0),
        variant(Variant::Avx512, 80.0),
        variant(Variant::Avx512Bf16, 80.0),
        variant(Variant::Amx, 80.0),
        entry(Box::new(attn_additive::Additive), 10.0),
    ]
}

/// Measured only if it is asked for.
fn by_name(backend: Box<dyn Backend>, nominal_gflops: f64) -> Entry {
    Entry { backend, nominal_gflops, measured: Measured::ByName }
}

fn hidden(backend: Box<dyn Backend>) -> Entry {
    by_name(backend, 3.0)
}

/// Peak rates of the device that one of `backends` computes on, measured now, or why that is unknown; `None`
/// if all that can run here run on the processor.
pub(crate) fn device_limits<'b>(
    mut backends: impl Iterator<Item = &'b dyn Backend>,
) -> Option<Result<DeviceLimits, String>> {
    backends.find(|backend| backend.runner().is_some() && backend.probe().is_ok())?;
    let limits = Cuda::beside_this_program().limits();
    Some(limits.map_err(|unavailable| {
        format!("the limits of the CUDA device are unknown: {}", unavailable.reason)
    }))
}

/// Deliberately wrong backends: in no list and no default, but there for who asks by name.
pub fn mutants() -> Vec<Entry> {
    let mutants = attn_mutants::all().into_iter().chain([attn_mutants::control()]);
    mutants.map(|mutant| hidden(mutant.backend)).collect()
}

/// What the cheats' kernel reaches, roughly.
const CHEATS_GFLOPS: f64 = 6.0;

/// Backends that do not return, and those that cheat the clock: as hidden as the mutants.
pub fn faults() -> Vec<Entry> {
    let cheats = attn_mutants::cheats().into_iter().map(|cheat| cheat.backend);
    let faults = attn_mutants::faults().into_iter().map(hidden);
    faults.chain(cheats.map(|cheat| by_name(cheat, CHEATS_GFLOPS))).collect()
}

/// Every backend of every engine, installed or not.
pub fn engines() -> Vec<Entry> {
    let entry = |backend: attn_engines::EngineBackend| {
        let gflops = backend.variant().gflops;
        by_name(Box::new(backend), gflops)
    };
    engines::known().into_iter().flat_map(Engines::backends).map(entry).collect()
}

/// `named`, or without it all that is measured or, unless one is to `measure`, all; and every engine that is installed.
pub(crate) fn with_engines(named: Option<String>, measure: bool) -> String {
    let own = |entry: &Entry| !measure || entry.measured == Measured::Always;
    let own = named.map_or_else(|| ids(entries().into_iter().filter(own)), |named| vec![named]);
    let there = engines().into_iter().filter(|entry| entry.backend.probe().is_ok());
    [own, ids(there)].concat().join(",")
}

fn ids(entries: impl Iterator<Item = Entry>) -> Vec<String> {
    entries.map(|entry| entry.backend.id().to_string()).collect()
}

/// Those of [`entries_for`] that this program computes itself.
pub fn in_process(filter: Option<&str>) -> Vec<Entry> {
    let mut entries = entries_for(filter);
    entries.retain(|entry| !entry.on_device());
    entries
}

/// All backends, and the engines, mutants and faults that `filter` asks for.
pub fn entries_for(filter: Option<&str>) -> Vec<Entry> {
    let mut entries = entries();
    let named = |entry: &Entry, filter: &str| {
        let id = entry.backend.id();
        let engine = id.as_str().split('/').next().unwrap_or_default();
        let mut parts = filter.split(',').map(|part| part.trim().split('/').next());
        parts.any(|part| part == Some(engine))
    };
    if let Some(filter) = filter {
        entries.extend(engines().into_iter().filter(|entry| named(entry, filter)));
    }
    if filter.is_some_and(|filter| filter.contains("mutant/")) {
        entries.extend(mutants());
    }
    if filter.is_some_and(|filter| filter.contains("fault/")) {
        entries.extend(faults());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_a_style_of_its_own() {
        for entry in own() {
            let id = entry.backend.id().to_string();
            assert!(attn_report::charts::has_style(&id), "{id}: add it to charts/palette.rs");
        }
    }
}
