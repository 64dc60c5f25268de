//! Sums over keys, one per column of the values: a few columns at a time, so that their sums stay in registers.

/// Columns at a time: two registers of four f64 for each sum.
pub(crate) const LANES: usize = 8;
/// Values, or sums, of neighbouring columns.
pub(crate) type Lanes = [f64; LANES];

/// `out[a][c] = sum over keys of what add(position of the key, values of some columns, sums) adds to sums[a]`, for every
/// column c of `values`, which has `width` columns and a row for each key. `add` is made for each block of columns, from
/// the first of them.
pub(crate) fn sums<const A: usize, F: Fn(usize, &Lanes, &mut [Lanes; A])>(
    values: &[f64],
    width: usize,
    keys: &[usize],
    add: impl Fn(usize) -> F,
    out: [&mut Vec<f64>; A],
) {
    let mut out = out.map(|column| {
        column.clear();
        column.resize(width, 0.0);
        column
    });
    for first in (0..width).step_by(LANES) {
        let (add, here) = (add(first), LANES.min(width - first));
        let mut sums = [[0.0; LANES]; A];
        // One call of `add` alone, so that it is inlined and the sums stay in registers.
        for (key, &j) in keys.iter().enumerate() {
            let row = &values[j * width + first..];
            let row = row.first_chunk::<LANES>().filter(|_| here == LANES);
            let row = row.copied().unwrap_or_else(|| padded(&values[j * width + first..][..here]));
            add(key, &row, &mut sums);
        }
        for (out, sums) in out.iter_mut().zip(&sums) {
            out[first..first + here].copy_from_slice(&sums[..here]);
        }
    }
}

/// The columns of `row` from `first` on, zeros behind its end.
pub(crate) fn lanes(row: &[f64], first: usize) -> Lanes {
    padded(&row[first..row.len().min(first + LANES)])
}

fn padded(row: &[f64]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes[..row.len()].copy_from_slice(row);
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_the_sum_over_the_chosen_keys() {
        for width in [1, 7, 8, 9, 21] {
            let values: Vec<f64> = (0..5 * width).map(|x| (x * 7 % 13) as f64).collect();
            let numbers: Vec<f64> = (0..width).map(|c| c as f64).collect();
            let (mut plain, mut weighted) = (Vec::new(), vec![9.0]);
            let keys = [4, 0, 3];
            let add = |first: usize| {
                let c = lanes(&numbers, first);
                move |key: usize, v: &Lanes, sums: &mut [Lanes; 2]| {
                    for lane in 0..LANES {
                        sums[0][lane] += v[lane];
                        sums[1][lane] += (key + 1) as f64 * v[lane] + c[lane];
                    }
                }
            };
            sums(&values, width, &keys, add, [&mut plain, &mut weighted]);
            for c in 0..width {
                let column = keys.map(|j| values[j * width + c]);
                assert_eq!(plain[c], column.iter().sum::<f64>());
                let [a, b, d] = column;
                assert_eq!(weighted[c], a + 2.0 * b + 3.0 * d + 3.0 * c as f64);
            }
        }
    }
}
