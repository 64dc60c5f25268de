//! Sums over keys, one per column of the values: a few columns at a time, so that their sums stay in registers.

/// Columns at a time: two registers of four f64 for each sum.
const LANES: usize = 8;

/// `out[a][c] = sum over keys of term(position of the key, c, v_jc)[a]` for every column c of `values`, which has
/// `width` columns and a row for each key.
pub(crate) fn sums<const A: usize>(
    values: &[f64],
    width: usize,
    keys: &[usize],
    term: impl Fn(usize, usize, f64) -> [f64; A],
    out: [&mut Vec<f64>; A],
) {
    let mut at = 0;
    let mut columns = out.map(|column| {
        column.clear();
        column.resize(width, 0.0);
        column
    });
    while width - at >= LANES {
        block::<LANES, A>(values, width, keys, &term, at, &mut columns);
        at += LANES;
    }
    for c in at..width {
        block::<1, A>(values, width, keys, &term, c, &mut columns);
    }
}

#[inline]
fn block<const W: usize, const A: usize>(
    values: &[f64],
    width: usize,
    keys: &[usize],
    term: &impl Fn(usize, usize, f64) -> [f64; A],
    first: usize,
    out: &mut [&mut Vec<f64>; A],
) {
    let mut sums = [[0.0; W]; A];
    for (key, &j) in keys.iter().enumerate() {
        let row: &[f64; W] = values[j * width + first..].first_chunk().expect("a row of values");
        for (lane, &v) in row.iter().enumerate() {
            let terms = term(key, first + lane, v);
            for (sums, term) in sums.iter_mut().zip(terms) {
                sums[lane] += term;
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        out[first..first + W].copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_the_sum_over_the_chosen_keys() {
        for width in [1, 7, 8, 9, 21] {
            let values: Vec<f64> = (0..5 * width).map(|x| (x * 7 % 13) as f64).collect();
            let (mut plain, mut weighted) = (Vec::new(), vec![9.0]);
            let keys = [4, 0, 3];
            let term = |key: usize, c: usize, v: f64| [v, (key + 1) as f64 * v + c as f64];
            sums(&values, width, &keys, term, [&mut plain, &mut weighted]);
            for c in 0..width {
                let column = keys.map(|j| values[j * width + c]);
                assert_eq!(plain[c], column.iter().sum::<f64>());
                let [a, b, d] = column;
                assert_eq!(weighted[c], a + 2.0 * b + 3.0 * d + 3.0 * c as f64);
            }
        }
    }
}
