//! Criterion suite `variants`: causal masks, grouped heads, cross attention and decoding, as in the layers of
//! known models: the cases of `curated/models`.

mod suite;

fn main() {
    suite::main("curated/models");
}
