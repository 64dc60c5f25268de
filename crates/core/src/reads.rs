//! What of the operands some query reads; the rest may hold anything, NaN included.
//!
//! ```text
//! row (b, h, i) of q             some key j is admitted by position and by the mask
//! row (b, h', j) of k and v      some row i of a query head that shares h' admits key j
//! element of the mask            some row (b, i) admits by position a key j that the element is for
//! ```

use std::ops::Range;

use crate::{Mask, MaskSpec, Problem};

/// Which rows of q are read: one flag per `[B, Hq, Nq]`.
pub(crate) fn queries(problem: &Problem, mask: Option<&Mask>) -> Vec<bool> {
    let shape = problem.shape();
    let mut read = Vec::with_capacity(shape.batch * shape.heads_q * shape.len_q);
    for b in 0..shape.batch {
        let rows: Vec<Range<usize>> = (0..shape.len_q).map(|i| problem.admitted(b, i)).collect();
        for h in 0..shape.heads_q {
            read.extend(rows.iter().enumerate().map(|(i, keys)| match mask {
                None => !keys.is_empty(),
                Some(mask) => keys.clone().any(|j| mask.bias([b, h, i, j]).is_some()),
            }));
        }
    }
    read
}

/// Which rows of k and v are read: one flag per `[B, Hkv, Nk]`.
pub(crate) fn keys(problem: &Problem, mask: Option<&Mask>) -> Vec<bool> {
    let shape = problem.shape();
    let mut read = vec![false; shape.batch * shape.heads_kv * shape.len_k];
    for (b, read) in read.chunks_exact_mut(shape.heads_kv * shape.len_k).enumerate() {
        let Some(mask) = mask else {
            // By position, windows slide without leaving a gap, and all heads read the same.
            let used = problem.used_keys(b);
            read.chunks_exact_mut(shape.len_k).for_each(|read| read[used.clone()].fill(true));
            continue;
        };
        for h in 0..shape.heads_q {
            let read = &mut read[shape.kv_head(h) * shape.len_k..][..shape.len_k];
            for i in 0..shape.len_q {
                for j in problem.admitted(b, i) {
                    read[j] |= mask.bias([b, h, i, j]).is_some();
                }
            }
        }
    }
    read
}

/// Which elements of the mask are read, in its own dimensions; none without a mask.
pub(crate) fn mask(problem: &Problem) -> Vec<bool> {
    let Some(MaskSpec { dims, .. }) = problem.spec().mask else { return Vec::new() };
    let shape = problem.shape();
    let [batch, heads, rows, keys] = dims;
    let mut read = vec![false; dims.iter().product()];
    for b in 0..shape.batch {
        for i in 0..shape.len_q {
            let mut admitted = problem.admitted(b, i);
            if keys == 1 {
                admitted = 0..usize::from(!admitted.is_empty());
            }
            for h in 0..heads {
                let row = (b % batch * heads + h) * rows + i % rows;
                read[row * keys..][admitted.clone()].fill(true);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alignment, DType, MaskKind, ProblemSpec, Shape, Window};

    /// Two batches of four queries and five keys, the keys of the second padded from the third on.
    fn problem(dims: [usize; 4], causal: Option<Alignment>, window: Option<Window>) -> Problem {
        let mask = Some(MaskSpec { kind: MaskKind::Additive, dims });
        let shape = Shape { batch: 2, heads_kv: 1, len_k: 5, ..Shape::square(2, 4, 1) };
        let kv_len = Some(vec![5, 2]);
        let spec = ProblemSpec::new(shape, DType::F32);
        Problem::new(ProblemSpec { causal, window, mask, kv_len, ..spec }).unwrap()
    }

    /// Rows of the mask, `#` where it is read.
    fn drawn(problem: &Problem) -> String {
        let keys = problem.spec().mask.unwrap().dims[3];
        let read: Vec<char> =
            mask(problem).into_iter().map(|read| if read { '#' } else { '.' }).collect();
        let rows: Vec<String> = read.chunks_exact(keys).map(|row| row.iter().collect()).collect();
        rows.join(" ")
    }

    #[test]
    fn an_element_of_a_mask_is_read_where_some_row_admits_one_of_its_keys() {
        let causal = Some(Alignment::TopLeft);
        let full = drawn(&problem([2, 1, 4, 5], causal, None));
        assert_eq!(full, "#.... ##... ###.. ####. #.... ##... ##... ##...");
        assert_eq!(drawn(&problem([2, 1, 1, 5], causal, None)), "####. ##...");
        assert_eq!(drawn(&problem([1, 2, 1, 5], None, None)), "##### #####");
        let late = Some(Alignment::Offset(-2));
        assert_eq!(drawn(&problem([1, 1, 4, 1], late, None)), ". . # #");
        assert_eq!(drawn(&problem([1, 1, 1, 1], Some(Alignment::Offset(-9)), None)), ".");
    }

    /// The diagonals of the two batches lie three keys apart.
    #[test]
    fn a_mask_for_all_batches_may_be_read_with_a_gap() {
        let window = Some(Window { left: Some(0), right: Some(0) });
        let one_row = drawn(&problem([1, 1, 4, 5], Some(Alignment::BottomRight), window));
        assert_eq!(one_row, ".#... ..#.. #..#. .#..#");
    }

    #[test]
    fn a_row_of_q_is_read_where_position_and_mask_leave_it_a_key() {
        let p = problem([1, 2, 1, 5], Some(Alignment::Offset(-1)), None);
        let mask = Mask::Bool { dims: [1, 2, 1, 5], admits: (0..10).map(|at| at > 1).collect() };
        let read = queries(&p, Some(&mask));
        let rows: Vec<usize> = (0..16).filter(|&row| read[row]).collect();
        // Batch 0: head 0 from key 2 on, head 1 from key 0 on; batch 1 has keys 0 and 1 alone.
        assert_eq!(rows, [3, 5, 6, 7, 13, 14, 15]);
    }
}
