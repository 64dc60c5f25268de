//! Criterion suite `seq_len`: time against sequence length, the cases of `sweep/seq-len`.

mod suite;

fn main() {
    suite::main("sweep/seq-len");
}
