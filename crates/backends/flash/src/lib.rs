//! Attention at the machine's limit: tiles, an online softmax, vector registers.
//!
//! # The algorithm
//!
//! A softmax needs the maximum of a row before its first exponential, so it seems to need the whole row
//! of scores. It does not: everything so far can be corrected when a larger score turns up (Milakov and
//! Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3). With the weighted values
//! carried along (Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021, section 2), and a
//! block of keys at a time (Dao et al., "FlashAttention", 2022, algorithm 1; O divided by l once, at the
//! end: Dao, "FlashAttention-2", 2023, section 3.1):
//!
//! ```text
//! m' = max(m, max_j s_j)        a = exp(m - m')
//! p_j = exp(s_j - m')           l' = a l + sum_j p_j        O' = a O + sum_j p_j v_j
//! at the end: O / l,  lse = m + ln l
//! ```
//!
//! Nothing is as large as the score matrix: scratch is one block of scores, one tile of queries and of
//! outputs per thread, whatever the length.
//!
//! # Queries in lanes
//!
//! A tile is `W` queries, one in each lane of a few vectors. Scores are computed transposed,
//! `S^T = K Q^T`, and so is the output, `O^T = V^T P^T`: a number of K or V is broadcast and multiplied
//! with a vector of neighbouring queries. It follows that
//!
//! - K and V are read as they are stored. Nothing is packed but the queries, once per tile (half types are
//!   widened once for all tiles of a head that fits the cache, else block by block);
//! - maxima and sums of a row stay in its lane: there is no reduction across lanes;
//! - query heads that share a key/value head are neighbours in memory, so they share tiles and the keys in
//!   the caches;
//! - where a causal mask or a window cuts a block, whole vectors of queries are left out of it. A tile of
//!   64 queries wastes 8 keys per row at the diagonal, not 32.
//!
//! # Registers
//!
//! | | vectors | lanes f32 | queries W | register tile for S^T and O^T | multiply-adds per load |
//! |---|---|---|---|---|---|
//! | AVX-512 | 32 | 16 | 4 x 16 | 6 keys or columns x 4 vectors: 24 sums, 4 operands, 1 broadcast | 2.4 |
//! | AVX2 | 16 | 8 | 3 x 8 | 4 x 3: 12 sums, 3 operands, 1 broadcast | 1.7 |
//! | AVX512-BF16 | 32 | 16 pairs | 4 x 16 | O^T as AVX-512; S^T 4 x 4: 16 sums, 4 operands, 1 broadcast, 11 for weights | 2.4; 2.0 |
//! | AMX | 8 tiles | 16 x 16 | 4 x 16 | 2 x 2 tiles: 4 of sums, 2 and 2 of operands | a product of 16 x 16 x 32 for each tile read |
//!
//! With fewer vectors at work the tile grows in the other direction (8 x 3, 12 x 2, 12 x 1).
//!
//! # bf16 in pairs
//!
//! AVX512-BF16 adds the products of two pairs of bf16 to an f32 in the time of one multiply-add. So a lane holds two neighbours: along d
//! for scores, where pairs of K are as they are stored, and along the keys for values, where rows of V are interleaved two by two
//! (`products`). Products of bf16 are exact in f32. Weights are rounded to bf16, and l is the sum of exactly these, so that rounding
//! cancels where weights are alike; a log-sum-exp that is asked for is that of weights that were not rounded. The scale joins the
//! exponent, since queries times a scale would not be bf16 any more.
//!
//! Exponentials would then take as long as a fifth of the products at D = 64. A polynomial of degree 3 is exact enough for bf16
//! (7.5e-5 beside 2e-3), its argument comes from the bits of an integer, and while the products of four keys are summed up the scores of
//! the four keys before become weights (`kernel::fused`). For that a maximum has to be known: weights are relative to a maximum that
//! lags behind, and everything is rescaled, by a power of two, when it is exceeded by more than eight powers of two
//! (`kernel::softmax::renew`). The other variants lag behind, too: O is rescaled once or twice for each tile, not in every block.
//!
//! # bf16 in tiles
//!
//! AMX multiplies 16 rows of 32 bf16 and 32 rows of 16 in 16 cycles, sixteen times as many products as AVX-512 adds in f32. Queries in
//! lanes are what it takes as second factor, and K as it is stored is the first; for `O^T` V is transposed, 32 keys at a time
//! (`kernel::matrix`). Rounding is as for pairs, but for the order of sums. Products then take less time than exponentials: those
//! of 32 keys are computed from scores in the first-level cache, beside the products of the next 32. A few queries, which wait for
//! memory, are computed as by `flash/avx512`.
//!
//! # What it costs
//!
//! Per vector of scores (`L` lanes) the products take `D + Dv` multiply-adds, and the softmax about nine
//! instructions on the same units: seven multiply-adds of the exponential, one product, one to begin with; of pairs half of both. With
//! `f` vector multiply-adds a cycle, the best that can be hoped for is
//!
//! ```text
//! share of the peak = (D + Dv) / (D + Dv + 9)         93 % at D = 64, 97 % at D = 128
//! ```
//!
//! A tile also moves `2 D W` numbers of q and o, and a register tile begins with zeros and ends with stores:
//! one part in 40 at D = 64. Decoding moves `(D + Dv)` numbers per key for `2 (D + Dv)` operations per query:
//! a quarter of an operation per byte, so there the bandwidth is the limit, and the kernel another
//! one: a few queries share one pass over K and V, in the order in which they lie in memory, thousands of keys before
//! their values, since the processor's prefetchers follow one stream at a time.
//!
//! # The variants
//!
//! | variant | what changed |
//! |---|---|
//! | `flash/scalar` | online softmax: no score is kept, but every key costs two exponentials at worst and a chain of dependent sums |
//! | `flash/tiled` | queries in lanes, blocks of keys, an exponential without branches; the compiler vectorises |
//! | `flash/avx2` | register tiles that leave nothing to the compiler's judgement, transposes in registers |
//! | `flash/avx512` | twice the lanes and twice the registers |
//! | `flash/avx512bf16` | products of pairs of bf16, weights rounded to bf16; other types as before |
//! | `flash/amx` | products of tiles of bf16, likewise; other types, and a few queries, as `flash/avx512` |
//!
//! What each bought, and how close the fastest comes to the machine's limits: `crates/docs/VARIANTS.md`, measured
//! by `scripts/make-variants`.
//!
//! # Where things are
//!
//! [`Flash`] is a variant as a backend, [`Prepared`] the same on slices that the caller owns. `engine` shares
//! out the jobs of a `grid` to a `team` of threads; a job is `tile`s of queries (prefill) or a `stream` of keys
//! (decoding). `positions` say which keys a tile's queries admit, `wide` holds converted keys and values, `partials` what threads that
//! share a row make of it. `kernel` holds the inner loops, `simd` the instruction sets, `products` how these multiply.
//!
//! Not done: scores other than scaled dot products are refused.
//!
//! ```
//! use attn_core::{Exec, InputDistribution, Inputs, Problem, compute};
//! use attn_flash::{Flash, Variant};
//!
//! let problem = Problem::new("H4/2 N7x9 D8 bf16 causal:bottom-right".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let out = compute(&Flash(Variant::best()), &problem, &Exec::SINGLE, &inputs)?;
//! assert_eq!(out.o().tensor().dims(), problem.shape().out());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buffer;
mod engine;
mod grid;
mod kernel;
mod num;
mod operands;
mod partials;
mod phases;
mod plan;
mod positions;
mod products;
mod scalar;
mod simd;
mod stream;
mod team;
mod tile;
mod tiles;
mod variant;
mod wide;

pub use operands::{Operands, Results};
pub use phases::{Phase, Phases};
pub use tiles::Tiles;
pub use variant::{Computed, Flash, Prepared, Stored, Variant};
