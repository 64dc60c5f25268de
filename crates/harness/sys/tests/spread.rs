//! Spreading moves the threads of the whole process: this test has a process of its own.
#![cfg(target_os = "linux")]

use std::sync::mpsc;
use std::thread;

use attn_sys::affinity::{allowed, spread};

#[test]
fn threads_that_have_begun_are_spread_in_turn_and_the_first_stays_free() {
    let cpus = allowed();
    let ends = [cpus[0], cpus[cpus.len() - 1]];
    let (say, said) = mpsc::channel();
    let mut threads = Vec::new();
    let mut go = Vec::new();
    for at in 0..5 {
        let (tell, told) = mpsc::channel::<()>();
        let say = say.clone();
        threads.push(thread::spawn(move || {
            told.recv().unwrap();
            say.send((at, allowed())).unwrap();
        }));
        go.push(tell);
    }
    assert!(!spread(&[]), "there is nowhere to go");
    assert!(spread(&ends));
    for tell in go {
        tell.send(()).unwrap();
    }
    let mut found: Vec<(usize, Vec<u32>)> = said.iter().take(5).collect();
    found.sort_unstable();
    // The thread of the test itself may come before them: what counts is that they alternate.
    let of: Vec<u32> = found.iter().map(|(_, cpus)| cpus[0]).collect();
    assert!(found.iter().all(|(_, cpus)| cpus.len() == 1), "{found:?}");
    assert!(of.windows(2).all(|pair| ends[0] == ends[1] || pair[0] != pair[1]), "{of:?}");
    assert!(of.iter().all(|cpu| ends.contains(cpu)), "{of:?}");
    for thread in threads {
        thread.join().unwrap();
    }
}
