//! Labels in a column that do not overlap.

/// Heights of labels that want to be at `wanted`, at least `gap` apart and from `low` on.
///
/// The labels keep the order of `wanted` and lie as close to it as that allows, in the sense of least
/// squares (the pool-adjacent-violators algorithm). They stay above `high` if all of them fit there.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // Without its share of the gaps, label i may be anywhere not above label i - 1.
    let reduced = order.iter().enumerate().map(|(place, &i)| wanted[i] - place as f64 * gap);
    let room = high - gap * wanted.len().saturating_sub(1) as f64;
    let mut heights = vec![0.0; wanted.len()];
    for (place, (&i, y)) in order.iter().zip(isotonic(reduced)).enumerate() {
        heights[i] = y.min(room).max(low) + place as f64 * gap;
    }
    heights
}

/// The non-decreasing sequence that is closest to `values`.
fn isotonic(values: impl Iterator<Item = f64>) -> Vec<f64> {
    // (mean, number) of runs of equal values.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let mut run = (value, 1);
        while let Some(&(mean, n)) = runs.last().filter(|(mean, _)| *mean > run.0) {
            runs.pop();
            let total = n + run.1;
            run = ((mean * n as f64 + run.0 * run.1 as f64) / total as f64, total);
        }
        runs.push(run);
    }
    let repeated = runs.iter().map(|&(mean, n)| std::iter::repeat_n(mean, n));
    repeated.flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_want_to_be() {
        assert_eq!(spread(&[50.0, 10.0], 16.0, 0.0, 100.0), [50.0, 10.0]);
        assert_eq!(spread(&[50.0, 50.0], 16.0, 0.0, 100.0), [42.0, 58.0]);
        assert_eq!(spread(&[0.0, 1.0], 16.0, 0.0, 100.0), [0.0, 16.0]);
    }

    proptest! {
        #[test]
        fn labels_never_overlap_nor_leave_the_column(
            wanted in prop::collection::vec(-50.0f64..450.0, 0..20)
        ) {
            let heights = spread(&wanted, 16.0, 10.0, 400.0);
            for (i, a) in heights.iter().enumerate() {
                prop_assert!((10.0 - 1e-9..=400.0 + 1e-9).contains(a));
                for (j, b) in heights[..i].iter().enumerate() {
                    prop_assert!((a - b).abs() > 16.0 - 1e-9);
                    prop_assert!((a < b) == (wanted[i] < wanted[j]) || wanted[i] == wanted[j]);
                }
            }
        }
    }
}
