//! The arithmetic of every cheat: honest attention in f32 that the compiler vectorises, and the places where a
//! [`Shortcut`] may leave work out.
//!
//! ```text
//! s_j = scale q.k_j            16 keys and four rows at a time, keys transposed
//! p_j = exp(s_j - max s),  l = sum p_j
//! o   = (sum p_j v_j) / l      16 columns and four rows at a time
//! ```

use std::ops::Range;

use attn_core::{BackendError, DType, Inputs, Problem, Tensor};

/// Keys, and columns of v, that are computed at a time: two vectors of eight.
pub(super) const BLOCK: usize = 16;

/// Blocks that [`Operands::typical`] says one score of.
const BLOCKS_OF_A_MEAN: usize = 4;

/// Rows that are computed at a time: they share what is read of k and v.
const ROWS: usize = 4;

/// Work that is left out; with [`HONEST`], none.
#[derive(Clone, Copy)]
pub(super) struct Shortcut {
    /// Whether a block of keys is read for a row at all.
    pub(super) keeps: fn(&Operands, usize, usize) -> bool,
    /// How many of the D products of a score are summed.
    pub(super) depth: fn(usize) -> usize,
    /// Whether scores and weights are cut off to bf16.
    pub(super) cuts: bool,
    /// Weights below this share of the largest become 0, and blocks of nothing else are not multiplied by v.
    pub(super) least: f32,
}

/// Nothing is left out.
pub(super) const HONEST: Shortcut =
    Shortcut { keeps: |_, _, _| true, depth: |dim| dim, cuts: false, least: 0.0 };

/// The operands of one `load`: k transposed, v with its rows filled up to whole blocks.
pub(super) struct Operands {
    heads_q: usize,
    heads_kv: usize,
    len_q: usize,
    len_k: usize,
    dim: usize,
    dim_v: usize,
    scale: f32,
    /// Keys that each row of a head admits: those before this one.
    ends: Vec<usize>,
    /// q, k and v as they were given.
    given: [Vec<f32>; 3],
    k: Vec<f32>,
    v: Vec<f32>,
}

/// The weights `p` of some rows and their sums.
pub(super) struct Weights {
    p: Vec<f32>,
    sums: Vec<f32>,
}

impl Operands {
    /// Room for the operands of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let shape = problem.shape();
        let mut operands = Operands {
            heads_q: shape.heads_q,
            heads_kv: shape.heads_kv,
            len_q: shape.len_q,
            len_k: shape.len_k,
            dim: shape.dim,
            dim_v: shape.dim_v,
            scale: problem.scale() as f32,
            ends: (0..shape.len_q).map(|i| problem.admitted(0, i).end).collect(),
            given: [shape.q(), shape.k(), shape.v()].map(|dims| vec![0.0; dims.iter().product()]),
            k: Vec::new(),
            v: Vec::new(),
        };
        let heads = shape.batch * shape.heads_kv;
        operands.k = vec![0.0; heads * shape.dim * operands.stride()];
        operands.v = vec![0.0; heads * operands.size_v()];
        operands
    }

    /// Copies the operands and zeroes what no query reads.
    pub(super) fn load(&mut self, problem: &Problem, inputs: &Inputs) -> Result<(), BackendError> {
        for (to, from) in self.given.iter_mut().zip([inputs.q(), inputs.k(), inputs.v()]) {
            to.copy_from_slice(elements(from)?);
        }
        inputs.zero_unread(problem, self.given.each_mut().map(|x| &mut x[..]));
        self.transpose();
        self.fill_up();
        Ok(())
    }

    /// Rows of all heads and batches.
    pub(super) fn rows(&self) -> usize {
        self.q().len() / self.dim
    }

    fn q(&self) -> &[f32] {
        &self.given[0]
    }

    /// Columns of the output.
    pub(super) fn width(&self) -> usize {
        self.dim_v
    }

    /// Distance between two dimensions of the transposed keys. Not a multiple of a page: their cache lines would
    /// fall into one set.
    fn stride(&self) -> usize {
        self.len_k.next_multiple_of(BLOCK) + BLOCK
    }

    /// Distance between two rows of v.
    fn width_v(&self) -> usize {
        self.dim_v.next_multiple_of(BLOCK)
    }

    /// Elements of v of a head.
    fn size_v(&self) -> usize {
        self.len_k.next_multiple_of(BLOCK) * self.width_v()
    }

    fn transpose(&mut self) {
        let (dim, stride) = (self.dim, self.stride());
        let [_, k, _] = &self.given;
        let heads = self.k.chunks_exact_mut(dim * stride);
        for (to, from) in heads.zip(k.chunks_exact(dim * self.len_k)) {
            for (d, to) in to.chunks_exact_mut(stride).enumerate() {
                let column = from.iter().skip(d).step_by(dim);
                to.iter_mut().zip(column).for_each(|(to, &x)| *to = x);
            }
        }
    }

    fn fill_up(&mut self) {
        let (dim_v, width, size) = (self.dim_v, self.width_v(), self.size_v());
        let [.., v] = &self.given;
        let heads = self.v.chunks_exact_mut(size);
        for (to, from) in heads.zip(v.chunks_exact(self.len_k * dim_v)) {
            for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(dim_v)) {
                to[..dim_v].copy_from_slice(from);
            }
        }
    }

    /// The key and value head that `row` reads.
    fn head(&self, row: usize) -> usize {
        let head = row / self.len_q;
        let (b, h) = (head / self.heads_q, head % self.heads_q);
        b * self.heads_kv + h / (self.heads_q / self.heads_kv)
    }

    /// Computes `rows`, counted over all heads and batches, into `o`, which has room for these.
    pub(super) fn attend(&self, rows: Range<usize>, o: &mut [f32], shortcut: &Shortcut) {
        let stride = self.stride();
        let mut p = vec![0.0; ROWS * stride];
        for (row, count) in self.groups(rows.clone()) {
            let out = &mut o[(row - rows.start) * self.dim_v..][..count * self.dim_v];
            if count == ROWS {
                let sums = self.weigh::<ROWS>(row, &mut p, shortcut);
                self.combine::<ROWS>(row, &p, sums, out, shortcut);
            } else {
                let sums = self.weigh::<1>(row, &mut p, shortcut);
                self.combine::<1>(row, &p, sums, out, shortcut);
            }
        }
    }

    /// The first half of [`Operands::attend`] for all rows.
    pub(super) fn weights(&self) -> Weights {
        let (rows, stride) = (self.rows(), self.stride());
        let mut weights = Weights { p: vec![0.0; rows * stride], sums: vec![0.0; rows] };
        for (row, count) in self.groups(0..rows) {
            let p = &mut weights.p[row * stride..][..count * stride];
            if count == ROWS {
                let sums = self.weigh::<ROWS>(row, p, &HONEST);
                weights.sums[row..][..ROWS].copy_from_slice(&sums);
            } else {
                [weights.sums[row]] = self.weigh::<1>(row, p, &HONEST);
            }
        }
        weights
    }

    /// Bytes of [`Operands::weights`].
    pub(super) fn weights_bytes(&self) -> usize {
        self.rows() * (self.stride() + 1) * size_of::<f32>()
    }

    /// The second half of [`Operands::attend`] for all rows.
    pub(super) fn combine_all(&self, weights: &Weights, o: &mut [f32]) {
        let stride = self.stride();
        for (row, count) in self.groups(0..self.rows()) {
            let p = &weights.p[row * stride..][..count * stride];
            let out = &mut o[row * self.dim_v..][..count * self.dim_v];
            if count == ROWS {
                let sums = std::array::from_fn(|r| weights.sums[row + r]);
                self.combine::<ROWS>(row, p, sums, out, &HONEST);
            } else {
                self.combine::<1>(row, p, [weights.sums[row]], out, &HONEST);
            }
        }
    }

    /// `rows` in groups of [`ROWS`] within a head and, where that is not possible, one.
    fn groups(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        let (mut row, len_q) = (rows.start, self.len_q);
        std::iter::from_fn(move || {
            let left = (rows.end.saturating_sub(row)).min(len_q - row % len_q);
            let group = (row, if left >= ROWS { ROWS } else { 1 });
            row += group.1;
            (group.0 < rows.end).then_some(group)
        })
    }

    /// Blocks of keys that some of the `count` rows from `row` on admits.
    fn blocks(&self, row: usize, count: usize) -> Range<usize> {
        let i = row % self.len_q;
        let ends = &self.ends[i..i + count];
        0..ends.iter().copied().max().unwrap_or(0).div_ceil(BLOCK)
    }

    /// The weights of `R` rows into `p`, and their sums. What a shortcut leaves out has weight 0.
    fn weigh<const R: usize>(&self, row: usize, p: &mut [f32], shortcut: &Shortcut) -> [f32; R] {
        let (stride, blocks) = (self.stride(), self.blocks(row, R));
        let mut largest = [[f32::NEG_INFINITY; BLOCK]; R];
        for block in blocks.clone() {
            let scores = if (shortcut.keeps)(self, row, block) {
                self.scores::<R>(row, block, shortcut)
            } else {
                [[f32::NEG_INFINITY; BLOCK]; R]
            };
            for (r, scores) in scores.iter().enumerate() {
                for (largest, &s) in largest[r].iter_mut().zip(scores) {
                    *largest = if s > *largest { s } else { *largest };
                }
                p[r * stride + block * BLOCK..][..BLOCK].copy_from_slice(scores);
            }
        }
        std::array::from_fn(|r| {
            let largest = largest[r].iter().copied().fold(f32::MIN, f32::max);
            let mut sums = [0.0; BLOCK];
            for p in p[r * stride..][..blocks.len() * BLOCK].as_chunks_mut::<BLOCK>().0 {
                for (p, sum) in p.iter_mut().zip(&mut sums) {
                    let weight = exp(*p - largest);
                    *p = if weight < shortcut.least { 0.0 } else { weight };
                    *sum += *p;
                }
                if shortcut.cuts {
                    cut(p);
                }
            }
            sums.iter().sum()
        })
    }

    /// Scaled scores of `R` rows with one block of keys; -inf where a row does not admit the key.
    fn scores<const R: usize>(
        &self,
        row: usize,
        block: usize,
        shortcut: &Shortcut,
    ) -> [[f32; BLOCK]; R] {
        let (dim, stride, depth) = (self.dim, self.stride(), (shortcut.depth)(self.dim));
        let keys = &self.k[self.head(row) * dim * stride..][..dim * stride];
        let queries: [&[f32]; R] = std::array::from_fn(|r| &self.q()[(row + r) * dim..][..depth]);
        let mut sums = [[0.0; BLOCK]; R];
        for (d, keys) in keys.chunks_exact(stride).take(depth).enumerate() {
            let keys: &[f32; BLOCK] =
                keys[block * BLOCK..].first_chunk().expect("rows are whole blocks");
            for (sums, query) in sums.iter_mut().zip(&queries) {
                *sums = plus(sums, query[d], keys);
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let admitted = self.ends[row % self.len_q + r].saturating_sub(block * BLOCK);
            for sum in sums.iter_mut() {
                *sum *= self.scale;
            }
            if shortcut.cuts {
                cut(sums);
            }
            sums.iter_mut().skip(admitted).for_each(|sum| *sum = f32::NEG_INFINITY);
        }
        sums
    }

    /// Values weighted by `p` and divided by `sums`; a row without keys is 0.
    fn combine<const R: usize>(
        &self,
        row: usize,
        p: &[f32],
        sums: [f32; R],
        o: &mut [f32],
        shortcut: &Shortcut,
    ) {
        let (stride, width) = (self.stride(), self.width_v());
        let size = self.size_v();
        let values = &self.v[self.head(row) * size..][..size];
        let weights: [&[f32]; R] = std::array::from_fn(|r| &p[r * stride..][..stride]);
        let is_used = |block: &usize| {
            let of_row = |p: &&[f32]| p[block * BLOCK..][..BLOCK].iter().any(|&p| p > 0.0);
            shortcut.least == 0.0 || weights.iter().any(of_row)
        };
        for column in (0..width).step_by(BLOCK) {
            let mut o_of_rows = [[0.0; BLOCK]; R];
            for block in self.blocks(row, R).filter(is_used) {
                let keys = block * BLOCK..(block + 1) * BLOCK;
                let rows = values[keys.start * width..keys.end * width].chunks_exact(width);
                for (j, v) in keys.zip(rows) {
                    let v: &[f32; BLOCK] = v[column..].first_chunk().expect("whole blocks");
                    for (o, p) in o_of_rows.iter_mut().zip(&weights) {
                        *o = plus(o, p[j], v);
                    }
                }
            }
            let columns = column..(column + BLOCK).min(self.dim_v);
            for ((from, to), sum) in o_of_rows.iter().zip(o.chunks_exact_mut(self.dim_v)).zip(sums)
            {
                let factor = if sum > 0.0 { 1.0 / sum } else { 0.0 };
                let to = &mut to[columns.clone()];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
            }
        }
    }

    /// Roughly what the row scores with the 64 keys around `block`: that of the first key of each of four blocks, on
    /// average.
    pub(super) fn typical(&self, row: usize, block: usize) -> f32 {
        let (dim, stride) = (self.dim, self.stride());
        let keys = &self.k[self.head(row) * dim * stride..][..dim * stride];
        let first = block / BLOCKS_OF_A_MEAN * BLOCKS_OF_A_MEAN * BLOCK;
        let some = (first..self.len_k).step_by(BLOCK).take(BLOCKS_OF_A_MEAN);
        let score = |j: usize| -> f32 {
            let query = &self.q()[row * dim..][..dim];
            query.iter().enumerate().map(|(d, q)| q * keys[d * stride + j]).sum()
        };
        some.map(score).sum::<f32>() * self.scale
    }

    /// Whether the row is in the second half of its head.
    pub(super) fn is_far(&self, row: usize) -> bool {
        row % self.len_q >= self.len_q / 2
    }
}

/// `sum + a x`. By value: the compiler then keeps sums in registers.
#[inline]
fn plus(sum: &[f32; BLOCK], a: f32, x: &[f32; BLOCK]) -> [f32; BLOCK] {
    std::array::from_fn(|i| sum[i] + a * x[i])
}

/// Cuts off to bf16.
fn cut(x: &mut [f32; BLOCK]) {
    for x in x {
        *x = f32::from_bits(x.to_bits() & 0xffff_0000);
    }
}

/// The elements of a tensor, which have to be f32.
pub(super) fn elements(tensor: &Tensor) -> Result<&[f32], BackendError> {
    let wrong = BackendError::DType { expected: DType::F32, found: tensor.dtype() };
    tensor.slice().ok_or(wrong)
}

/// `e^x` for `x <= 0`, to about an ulp: `2^n e^r` with `|r| <= ln 2 / 2` and the polynomial of Cephes; 0 below -87.
#[inline]
fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let series = POLYNOMIAL.iter().fold(0.0, |sum, c| sum * r + c);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let e = (series * r * r + r + 1.0) * power;
    if x < -87.0 { 0.0 } else { e }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_as_good_as_it_says() {
        for step in 0..87_000 {
            let x = step as f32 * -1e-3;
            let truth = f64::from(x).exp();
            let error = (f64::from(exp(x)) - truth).abs() / truth;
            assert!(error < 1.5 * f64::from(f32::EPSILON), "{x}: {error:e}");
        }
        assert_eq!([exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
    }
}
