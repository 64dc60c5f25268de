//! Every backend, in the order of tables.

use attn_bench::run::Entry;
use attn_core::Backend;

/// The yardstick of every budget.
pub static NAIVE: attn_naive::Naive = attn_naive::Naive;

/// Environment variables by which the libraries fix their number of threads for a process: rayon
/// (faer, candle), matrixmultiply (ndarray), candle's own spinning pool.
pub const THREAD_VARIABLES: [&str; 3] =
    ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS", "CANDLE_NUM_THREADS"];

/// Group names that mean one of their members in a filter.
pub const ALIASES: [(&str, &str); 1] = [("candle", "candle/composed")];

/// All backends with the rates that planning assumes.
pub fn entries() -> Vec<Entry> {
    let entry = |backend: Box<dyn Backend>, nominal_gflops| Entry { backend, nominal_gflops };
    vec![
        entry(Box::new(NAIVE), 3.0),
        entry(Box::new(attn_ndarray::Ndarray), 25.0),
        entry(Box::new(attn_faer::Faer), 25.0),
        entry(Box::new(attn_candle::Composed), 13.0),
        entry(Box::new(attn_candle::Fused), 4.0),
    ]
}
