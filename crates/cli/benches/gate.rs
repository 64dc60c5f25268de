//! Criterion suite `gate`: the cases that `attn gate` compares, so that its verdicts can be held beside those of
//! `--save-baseline` and `--baseline`.
//!
//! `ATTN_PLANT=faer:gate/short=3` slows one cell down by 3 % in the way in which `attn gate --plant` does.

mod suite;

use std::env;

use criterion::Criterion;
use suite::{Fixture, Slowdown, Sweep};

fn main() {
    attn_cli::threads::fix(1);
    let planted = env::var("ATTN_PLANT").ok().map(|text| parse(&text));
    let sweep = Sweep::load();
    let mut criterion = Criterion::default().configure_from_args();
    let cells = sweep.cells(|case| case.id.starts_with("gate/"), |_| true);
    for cells in cells.chunk_by(|(a, _), (b, _)| a.id == b.id) {
        let fixture = Fixture::new(&sweep.suite, cells[0].0);
        for (case, backend) in cells {
            let id = format!("{backend}:{}", case.id);
            let percent = planted.as_ref().filter(|(cell, _)| *cell == id).map_or(0.0, |(_, x)| *x);
            fixture.bench(&mut criterion, sweep.backend(backend), Slowdown::by(percent / 100.0));
        }
    }
    criterion.final_summary();
}

/// `BACKEND:CASE=PERCENT`.
fn parse(text: &str) -> (String, f64) {
    let parts = text.rsplit_once('=').map(|(cell, percent)| (cell, percent.parse()));
    let Some((cell, Ok(percent))) = parts else {
        panic!("ATTN_PLANT={text}: expected BACKEND:CASE=PERCENT, such as faer:gate/short=3");
    };
    (cell.to_owned(), percent)
}
