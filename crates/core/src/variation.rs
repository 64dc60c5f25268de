//! Other inputs, made in place, that nobody can have seen before.
//!
//! A plan that is always timed on the same inputs may remember their result. So at moments that it does not know it is given
//! others, drawn by a secret seed:
//!
//! | variation | what changes | what the result must be |
//! |---|---|---|
//! | signs | columns of v, per batch and head, change their sign; columns of q and k too, both alike, where the score is their product | the old one with the columns of v negated, bit for bit where arithmetic is symmetric |
//! | elements | columns of q and k as above, and every other element of v by chance, change their sign; then one column of v is 1 | another one, to be computed anew; 1 in that column |
//! | rotation | all elements of q, k and v move by as many places; then one column of v is 1 | another one, to be computed anew; 1 in that column |
//!
//! Who remembers results can know inputs with other signs of columns again, and turn the result into theirs. Not so where elements changed:
//! scores, and what branches on them, are as before, so that an honest call takes as long, but every row is a sum of other values.
//!
//! A rotation makes another problem of the same size, elements and masks, whatever the inputs were. It is only for inputs without
//! NaN and infinity, which would otherwise come where a query reads them.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::{Data, Inputs, Output, Problem, Score};

/// How inputs are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variation {
    /// By signs that this seed draws.
    Signs(u64),
    /// By signs of columns of q and k and of single elements of v that this seed draws.
    Elements(u64),
    /// By distances and a column that this seed draws.
    Rotation(u64),
}

/// What it takes to undo a variation; by default, of none.
#[derive(Debug, Default)]
pub struct Varied {
    variation: Option<Variation>,
    /// The column that became 1, as it was.
    column: Vec<f64>,
}

/// A hash of two numbers: the mixing of `SplitMix64`.
const fn mixed(seed: u64, at: u64) -> u64 {
    let mut x = seed.wrapping_add(at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Whether column `c` of v, or of q and k, of key head `head` (batches after each other) changes its sign.
const fn is_negated(seed: u64, of_values: bool, head: usize, c: usize) -> bool {
    mixed(seed, ((of_values as u64) << 63) | ((head as u64) << 32) | c as u64) & 1 == 1
}

impl Variation {
    /// What draws it.
    pub const fn seed(self) -> u64 {
        match self {
            Variation::Signs(seed) | Variation::Elements(seed) | Variation::Rotation(seed) => seed,
        }
    }

    /// The column of v that is set to 1.
    pub fn column_of_ones(self, problem: &Problem) -> Option<usize> {
        match self {
            Variation::Signs(_) => None,
            Variation::Elements(seed) | Variation::Rotation(seed) => {
                Some((mixed(seed, 0) % problem.shape().dim_v.max(1) as u64) as usize)
            }
        }
    }

    /// Changes `inputs` of `problem` in place: their tensors stay where they are in memory.
    pub fn apply(self, problem: &Problem, inputs: &mut Inputs) -> Varied {
        match self {
            Variation::Signs(seed) => negate(seed, problem, inputs, true),
            Variation::Elements(seed) => {
                negate(seed, problem, inputs, false);
                negate_elements(seed, inputs);
            }
            Variation::Rotation(seed) => {
                for (tensor, by) in inputs.parts_mut().into_iter().zip(distances(seed)) {
                    rotate(tensor, by);
                }
            }
        }
        let [_, _, values] = inputs.parts_mut();
        let mut column = Vec::new();
        for at in ones(self, problem, values.len()) {
            column.push(values.get(at));
            values.set(at, 1.0);
        }
        Varied { variation: Some(self), column }
    }

    /// Turns the result of the changed inputs into that of the inputs as they were, where it follows from it.
    pub fn undo_output(self, problem: &Problem, out: &mut Output) {
        let Variation::Signs(seed) = self else { return };
        let shape = problem.shape();
        let heads = shape.batch * shape.heads_q;
        out.o_mut().negate_columns(&chosen(seed, true, heads, shape.group(), shape.dim_v));
    }
}

impl Varied {
    /// The inputs as they were.
    pub fn undo(self, problem: &Problem, inputs: &mut Inputs) {
        let Some(variation) = self.variation else { return };
        let [_, _, values] = inputs.parts_mut();
        for (at, x) in ones(variation, problem, values.len()).zip(self.column) {
            values.set(at, x);
        }
        match variation {
            Variation::Signs(seed) => negate(seed, problem, inputs, true),
            Variation::Elements(seed) => {
                negate_elements(seed, inputs);
                negate(seed, problem, inputs, false);
            }
            Variation::Rotation(seed) => {
                for (tensor, by) in inputs.parts_mut().into_iter().zip(distances(seed)) {
                    let len = tensor.len();
                    rotate(tensor, len as u64 - by % len.max(1) as u64);
                }
            }
        }
    }
}

/// Signs of columns, of v as well if `values`; the same again are the old ones.
fn negate(seed: u64, problem: &Problem, inputs: &mut Inputs, values: bool) {
    let shape = problem.shape();
    let [q, k, v] = inputs.parts_mut();
    let columns = |tensor: &mut Data, of_values, width: usize, rows: usize, group: usize| {
        let (len, heads) = (tensor.len(), tensor.len() / (width * rows).max(1));
        tensor.negate_columns(0..len, rows, &chosen(seed, of_values, heads, group, width));
    };
    if values {
        columns(v, true, shape.dim_v, shape.len_k, 1);
    }
    if matches!(problem.spec().score, Score::ScaledDot) {
        columns(q, false, shape.dim, shape.len_q, shape.group());
        columns(k, false, shape.dim, shape.len_k, 1);
    }
}

/// Signs of half of the elements of v, on which no score and no branch depends; the same again are the old ones.
fn negate_elements(seed: u64, inputs: &mut Inputs) {
    const BLOCK: usize = 64;
    let [_, _, v] = inputs.parts_mut();
    for start in (0..v.len()).step_by(BLOCK) {
        let bits = mixed(seed, start as u64);
        v.negate(start..v.len().min(start + BLOCK), |at| bits >> at & 1 == 1);
    }
}

/// Which columns change their sign, of each of `heads` heads, `group` of which share their choice: in each head at
/// least one.
fn chosen(seed: u64, of_values: bool, heads: usize, group: usize, width: usize) -> Vec<Vec<bool>> {
    let of_head = |head: usize| {
        let mut columns: Vec<bool> =
            (0..width).map(|c| is_negated(seed, of_values, head / group, c)).collect();
        if !columns.contains(&true)
            && let Some(column) = columns.get_mut(seed as usize % width.max(1))
        {
            *column = true;
        }
        columns
    };
    (0..heads).map(of_head).collect()
}

/// How far q, k and v move.
fn distances(seed: u64) -> [u64; 3] {
    let mut bits = Xoshiro256PlusPlus::seed_from_u64(seed);
    [bits.next_u64(), bits.next_u64(), bits.next_u64()]
}

fn rotate(tensor: &mut Data, by: u64) {
    if !tensor.is_empty() {
        tensor.rotate((by % tensor.len() as u64) as usize);
    }
}

/// The places of the column of ones among `len` values, if there is one.
fn ones(variation: Variation, problem: &Problem, len: usize) -> impl Iterator<Item = usize> {
    let first = variation.column_of_ones(problem).unwrap_or(len);
    (first..len).step_by(problem.shape().dim_v.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, InputDistribution, ProblemSpec, Shape};

    fn case(dtype: DType) -> (Problem, Inputs) {
        let shape = Shape { batch: 2, heads_kv: 1, dim_v: 3, ..Shape::square(2, 5, 4) };
        let problem = Problem::new(ProblemSpec::new(shape, dtype)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
        (problem, inputs)
    }

    #[test]
    fn inputs_change_in_place_and_come_back_bit_by_bit() {
        for dtype in DType::ALL {
            for seed in 0..20 {
                for variation in [Variation::Signs, Variation::Elements, Variation::Rotation] {
                    let variation = variation(seed);
                    let (problem, mut inputs) = case(dtype);
                    let (before, digest) = (inputs.clone(), inputs.digest());
                    let varied = variation.apply(&problem, &mut inputs);
                    assert_ne!(inputs.digest(), digest, "{dtype} {variation:?}");
                    if let Some(column) = variation.column_of_ones(&problem) {
                        let v = inputs.v().data().to_f64();
                        assert!(v.iter().skip(column).step_by(3).all(|&x| x == 1.0));
                    }
                    varied.undo(&problem, &mut inputs);
                    assert_eq!(inputs, before);
                }
            }
        }
    }

    #[test]
    fn single_elements_of_v_change_their_sign() {
        let shape = Shape { dim_v: 32, ..Shape::square(2, 64, 32) };
        let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
        let mut changed = inputs.clone();
        negate_elements(5, &mut changed);
        let counts = inputs.clone().parts_mut().map(|x| x.to_f64()).into_iter();
        let counts = counts.zip(changed.parts_mut()).map(|(a, b)| {
            let b = b.to_f64();
            assert!(a.iter().zip(&b).all(|(a, b)| a.abs() == b.abs()));
            a.iter().zip(&b).filter(|(a, b)| a != b).count()
        });
        let counts: Vec<usize> = counts.collect();
        assert_eq!(counts[..2], [0, 0]);
        assert!((1948..2148).contains(&counts[2]), "about half of 4096: {counts:?}");
    }

    #[test]
    fn signs_change_a_column_of_every_head_however_few_there_are() {
        for (seed, width) in (0..50).flat_map(|seed| [(seed, 1), (seed, 2), (seed, 64)]) {
            let heads = chosen(seed, true, 6, 2, width);
            assert!(heads.iter().all(|head| head.len() == width && head.contains(&true)));
            assert_eq!(heads[0], heads[1], "a group shares its choice");
        }
    }

    #[test]
    fn the_output_of_signs_is_the_old_one_with_the_same_columns_negated() {
        let (problem, mut inputs) = case(DType::F64);
        let before = inputs.v().data().to_f64();
        let score = |inputs: &Inputs| -> f64 {
            let [q, k] = [inputs.q(), inputs.k()].map(|x| x.data().to_f64());
            (0..4).map(|d| q[d] * k[d]).sum()
        };
        let (old, q) = (score(&inputs), inputs.q().clone());
        Variation::Signs(3).apply(&problem, &mut inputs);
        assert_eq!(score(&inputs), old);
        assert_ne!(inputs.q(), &q);
        let after = inputs.v().data().to_f64();
        // An output that is the values of key 0 for every query, as if all weight were there.
        let mut out = Output::poisoned(&problem);
        let of = |v: &[f64]| -> Vec<f64> {
            (0..4 * 5 * 3).map(|at| v[at / 3 / 5 / 2 * 5 * 3 + at % 3]).collect()
        };
        out.o_mut().slice_mut::<f64>().unwrap().copy_from_slice(&of(&after));
        assert_ne!(of(&after), of(&before));
        Variation::Signs(3).undo_output(&problem, &mut out);
        assert_eq!(out.o().tensor().data().to_f64(), of(&before));
        assert!(out.o().fences_intact());
    }
}
