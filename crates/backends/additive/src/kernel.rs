//! One head: keys packed, then row after row with an online softmax over tiles of keys.

use std::ops::Range;

use attn_core::Problem;
use attn_host::{Head, HeadKernel, HeadOutput};

use crate::tanh::Lane;

/// Keys of a tile: the score of one hidden unit is computed for so many keys at a time.
pub(crate) const TILE: usize = 64;
/// Rows that a thread takes at a time: neighbours, so that causal rows share out evenly.
const ROWS: usize = 8;

/// The projected keys of one head, `[tiles][A][TILE]`: the keys of a tile lie side by side.
struct Keys<C> {
    packed: Vec<C>,
    width: usize,
}

/// Working memory of one thread: O(A + Dv).
struct Worker<C> {
    /// One projected query.
    q: Vec<C>,
    /// A tile's share of the output row.
    o: Vec<C>,
}

pub(crate) struct Additive<C> {
    keys: Keys<C>,
    /// `w`, or ones.
    w: Vec<C>,
    /// One projected key.
    key: Vec<C>,
    /// One for each thread.
    workers: Vec<Worker<C>>,
}

impl<C: Lane> Additive<C> {
    pub(crate) fn new(problem: &Problem, threads: usize) -> Self {
        let shape = problem.shape();
        let width = problem.score().width(shape);
        let zeros = |len: usize| vec![C::ZERO; len];
        let worker = |_| Worker { q: zeros(width), o: zeros(shape.dim_v) };
        Additive {
            keys: Keys { packed: zeros(shape.len_k.next_multiple_of(TILE) * width), width },
            w: vec![C::ONE; width],
            key: zeros(width),
            workers: (0..threads.min(shape.len_q.div_ceil(ROWS))).map(worker).collect(),
        }
    }

    /// `W_k^T k` of every key that some row admits, into its place.
    fn pack(&mut self, head: &Head<'_, C>) {
        let (dim_k, width) = (head.shape().dim_k(), self.keys.width);
        for j in head.used_keys() {
            project(&head.k[j * dim_k..][..dim_k], head.weights.w_k, &mut self.key);
            let tile = &mut self.keys.packed[j / TILE * TILE * width..][..TILE * width];
            for (slots, &x) in tile.chunks_exact_mut(TILE).zip(&self.key) {
                slots[j % TILE] = x;
            }
        }
    }
}

impl<C: Lane> HeadKernel<C> for Additive<C> {
    fn attend(&mut self, head: &Head<'_, C>, out: HeadOutput<'_, C>) {
        self.pack(head);
        if let Some(w) = head.weights.w {
            self.w.copy_from_slice(w);
        }
        let (keys, w) = (&self.keys, &self.w[..]);
        let width = head.shape().dim_v;
        let mut lse = out.lse.map(|lse| lse.chunks_mut(ROWS));
        let blocks = out.o.chunks_mut(ROWS * width).enumerate();
        let blocks = blocks.map(|(at, o)| Block {
            first: at * ROWS,
            o,
            lse: lse.as_mut().and_then(Iterator::next),
        });
        if let [worker] = &mut self.workers[..] {
            blocks.for_each(|block| worker.block(head, keys, w, block));
            return;
        }
        let threads = self.workers.len();
        let mut shares: Vec<Vec<Block<'_, C>>> = (0..threads).map(|_| Vec::new()).collect();
        blocks.enumerate().for_each(|(at, block)| shares[at % threads].push(block));
        std::thread::scope(|scope| {
            for (worker, share) in self.workers.iter_mut().zip(shares) {
                scope.spawn(move || {
                    for block in share {
                        worker.block(head, keys, w, block);
                    }
                });
            }
        });
    }

    fn scratch(&self) -> usize {
        let workers = self.workers.iter().map(|worker| worker.q.len() + worker.o.len());
        let elements = self.keys.packed.len() + self.w.len() + self.key.len();
        (elements + workers.sum::<usize>()) * size_of::<C>()
    }
}

/// Neighbouring rows of the result.
struct Block<'o, C> {
    first: usize,
    o: &'o mut [C],
    lse: Option<&'o mut [C]>,
}

impl<C: Lane> Worker<C> {
    fn block(&mut self, head: &Head<'_, C>, keys: &Keys<C>, w: &[C], mut block: Block<'_, C>) {
        for (row, o) in block.o.chunks_exact_mut(head.shape().dim_v).enumerate() {
            let lse = self.row(head, keys, w, block.first + row, o);
            if let Some(all) = &mut block.lse {
                all[row] = lse;
            }
        }
    }

    /// Row `i`; returns its log-sum-exp.
    fn row(&mut self, head: &Head<'_, C>, keys: &Keys<C>, w: &[C], i: usize, o: &mut [C]) -> C {
        let (dim, admitted) = (head.shape().dim, head.admitted(i));
        project(&head.q[i * dim..][..dim], head.weights.w_q, &mut self.q);
        o.fill(C::ZERO);
        let mut m = head.sink.unwrap_or(C::NEG_INFINITY);
        let mut l = head.sink.map_or(C::ZERO, |_| C::ONE);
        for tile in admitted.start / TILE..admitted.end.div_ceil(TILE) {
            let span = admitted.start.max(tile * TILE)..admitted.end.min((tile + 1) * TILE);
            let mut s = keys.scores(tile, &self.q, w);
            finish(head, i, tile * TILE, &span, &mut s);
            let next = s.iter().fold(m, |m, &s| s.larger(m));
            if next == C::NEG_INFINITY {
                continue;
            }
            let shrink = (m - next).exp_negative();
            for s in &mut s {
                *s = (*s - next).exp_negative();
            }
            l = l * shrink + sum(&s);
            self.values(head, tile * TILE, &span, &s);
            for (o, &tile) in o.iter_mut().zip(&self.o) {
                *o = o.fma(shrink, tile);
            }
            m = next;
        }
        if l == C::ZERO {
            return C::NEG_INFINITY;
        }
        for o in o {
            *o /= l;
        }
        m + l.ln()
    }

    /// `sum_j p_j v_j` over the keys of `span`.
    fn values(&mut self, head: &Head<'_, C>, first: usize, span: &Range<usize>, p: &[C; TILE]) {
        let width = head.shape().dim_v;
        self.o.fill(C::ZERO);
        for (v, &p) in head.v[span.start * width..]
            .chunks_exact(width)
            .zip(&p[span.start - first..span.end - first])
        {
            for (o, &v) in self.o.iter_mut().zip(v) {
                *o = p.fma(v, *o);
            }
        }
    }
}

impl<C: Lane> Keys<C> {
    /// `sum_a w_a tanh(q_a + k_ja)` for every key j of a tile.
    fn scores(&self, tile: usize, q: &[C], w: &[C]) -> [C; TILE] {
        let mut s = [C::ZERO; TILE];
        let (units, _) =
            self.packed[tile * TILE * self.width..][..TILE * self.width].as_chunks::<TILE>();
        for ((k, &q), &w) in units.iter().zip(q).zip(w) {
            for (s, &k) in s.iter_mut().zip(k) {
                *s = w.fma((q + k).fast_tanh(), *s);
            }
        }
        s
    }
}

/// From raw scores to final ones; -inf for the keys of the tile that are not in `span`.
fn finish<C: Lane>(
    head: &Head<'_, C>,
    i: usize,
    first: usize,
    span: &Range<usize>,
    s: &mut [C; TILE],
) {
    let scale = C::from_f64(head.problem.scale());
    for s in &mut *s {
        *s *= scale;
    }
    s[..span.start - first].fill(C::NEG_INFINITY);
    s[span.end - first..].fill(C::NEG_INFINITY);
    if !head.is_plain() {
        for j in span.clone() {
            s[j - first] = head.finish(i, j, s[j - first]);
        }
    }
}

/// The sum in eight lanes.
fn sum<C: Lane>(p: &[C; TILE]) -> C {
    let mut lanes = [C::ZERO; 8];
    for p in p.as_chunks::<8>().0 {
        lanes.iter_mut().zip(p).for_each(|(lane, &p)| *lane += p);
    }
    lanes.into_iter().fold(C::ZERO, |sum, lane| sum + lane)
}

/// `out_a = sum_d x_d w_da`; x itself without a matrix.
fn project<C: Lane>(x: &[C], matrix: Option<&[C]>, out: &mut [C]) {
    let Some(matrix) = matrix else {
        out.copy_from_slice(x);
        return;
    };
    out.fill(C::ZERO);
    for (&x, row) in x.iter().zip(matrix.chunks_exact(out.len())) {
        for (out, &w) in out.iter_mut().zip(row) {
            *out = x.fma(w, *out);
        }
    }
}
