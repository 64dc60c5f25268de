//! Criterion suite `head_dim`: time against head dimension, the cases of `sweep/head-dim`.

mod suite;

fn main() {
    suite::main("sweep/head-dim");
}
