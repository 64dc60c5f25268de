//! With how many threads a test computes.

use std::num::NonZeroUsize;

use attn_core::{Backend, Exec, ThreadPolicy};

/// The largest number of threads that is drawn: more than the machines of CI have processors.
pub(crate) const MOST: usize = 4;

/// One to four threads for what `name` names, always the same for a name, so that a failure repeats.
///
/// One alone where a library fixes its threads for the life of a process: to compute with more, it needs a process of
/// its own, which `attn check --threads` gives it.
pub(crate) fn exec(backend: &dyn Backend, name: &str) -> Exec {
    match backend.probe().map(|info| info.threads) {
        Ok(ThreadPolicy::PerCall) => drawn(name),
        Ok(ThreadPolicy::PerProcess | ThreadPolicy::Device) | Err(_) => Exec::SINGLE,
    }
}

/// One to four threads, always the same for a name.
pub(crate) fn drawn(name: &str) -> Exec {
    // FNV-1a: its prime is 2^40 + 435, so a letter moves the bits from 40 on most.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let threads = NonZeroUsize::MIN.saturating_add((hash >> 40) as usize % MOST);
    Exec { threads }
}

#[test]
fn names_draw_every_number_of_threads_and_always_the_same() {
    let draws: Vec<usize> = (0..400).map(|n| drawn(&format!("case {n}")).threads.get()).collect();
    for threads in 1..=MOST {
        let share = draws.iter().filter(|&&drawn| drawn == threads).count();
        assert!((50..150).contains(&share), "{share} of 400 draws are {threads}");
    }
    assert_eq!(drawn("case 7"), drawn("case 7"));
}
