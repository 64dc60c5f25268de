//! Estimates of Hodges and Lehmann (1963): as robust as a median against a few outliers, nearly as
//! precise as a mean where there are none.

use super::order::quantile_in_place;

/// The median of all Walsh averages `(x_i + x_j) / 2`, `i <= j`; `None` without samples.
///
/// Takes memory and time in proportion to the square of their number.
pub fn hodges_lehmann(samples: &[f64]) -> Option<f64> {
    let walsh = samples.iter().enumerate();
    let walsh = walsh.flat_map(|(i, a)| samples[i..].iter().map(move |b| f64::midpoint(*a, *b)));
    quantile_in_place(&mut walsh.collect::<Vec<_>>(), 0.5)
}

/// How far `b` lies above `a`: the median of all `b_j - a_i`; `None` if either is empty.
pub fn hodges_lehmann_shift(a: &[f64], b: &[f64]) -> Option<f64> {
    let differences = a.iter().flat_map(|a| b.iter().map(move |b| b - a));
    quantile_in_place(&mut differences.collect::<Vec<_>>(), 0.5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(hodges_lehmann(&[]), None);
        assert_eq!(hodges_lehmann(&[3.0]), Some(3.0));
        // 1, 1.5, 2, 2.5, 3, 4.
        assert_eq!(hodges_lehmann(&[1.0, 2.0, 4.0]), Some(2.25));
        assert_eq!(hodges_lehmann_shift(&[], &[1.0]), None);
        // 2, 3, 4, 5.
        assert_eq!(hodges_lehmann_shift(&[1.0, 2.0], &[4.0, 6.0]), Some(3.5));
    }

    #[test]
    fn one_wild_sample_of_nine_changes_little() {
        let calm = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let mut wild = calm;
        wild[8] = 1e9;
        assert_eq!(hodges_lehmann(&calm), Some(5.0));
        assert!(hodges_lehmann(&wild).unwrap() < 6.0);
    }

    proptest! {
        #[test]
        fn it_is_the_middle_of_all_averages(samples in prop::collection::vec(-1e3f64..1e3, 1..40)) {
            let mut averages = Vec::new();
            for i in 0..samples.len() {
                for j in 0..=i {
                    averages.push(f64::midpoint(samples[i], samples[j]));
                }
            }
            averages.sort_by(f64::total_cmp);
            let n = averages.len();
            let middle = f64::midpoint(averages[(n - 1) / 2], averages[n / 2]);
            prop_assert!((hodges_lehmann(&samples).unwrap() - middle).abs() < 1e-9);
        }

        #[test]
        fn a_shift_is_found(samples in prop::collection::vec(0u16..1000, 1..30), by in 0u16..1000) {
            let a: Vec<f64> = samples.iter().map(|&x| f64::from(x)).collect();
            let b: Vec<f64> = a.iter().map(|x| x + f64::from(by)).collect();
            prop_assert_eq!(hodges_lehmann_shift(&a, &b), Some(f64::from(by)));
            let center = hodges_lehmann(&a).unwrap();
            prop_assert_eq!(hodges_lehmann(&b), Some(center + f64::from(by)));
        }
    }
}
