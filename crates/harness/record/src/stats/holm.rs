//! Several tests at once.

/// The p-values adjusted by Holm (1979): rejecting where the adjusted value is at most `alpha` rejects a
/// true hypothesis, any of them, with probability at most `alpha`, however the tests depend on each other.
///
/// ```text
/// adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))        p_(1) <= ... <= p_(m)
/// ```
///
/// The order of the arguments is kept.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (passed, at) in order.into_iter().enumerate() {
        largest = largest.max(((p.len() - passed) as f64 * p[at]).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[0.2]), [0.2]);
        // In order 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1 raised to the one before.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
    }

    /// The step-down procedure itself: compare the smallest with `alpha / m`, the next with
    /// `alpha / (m - 1)` and so on, and stop at the first that is larger.
    fn step_down(p: &[f64], alpha: f64) -> Vec<bool> {
        let mut rejected = vec![false; p.len()];
        loop {
            let left = (0..p.len()).filter(|&at| !rejected[at]);
            let Some(at) = left.min_by(|&a, &b| p[a].total_cmp(&p[b])) else {
                return rejected;
            };
            let left = rejected.iter().filter(|rejected| !**rejected).count();
            if p[at] * left as f64 > alpha {
                return rejected;
            }
            rejected[at] = true;
        }
    }

    proptest! {
        #[test]
        fn it_rejects_what_stepping_down_rejects(
            p in prop::collection::vec(0.0f64..0.1, 1..12), alpha in 0.0f64..0.2
        ) {
            let adjusted: Vec<bool> = holm(&p).iter().map(|&p| p <= alpha).collect();
            prop_assert_eq!(adjusted, step_down(&p, alpha));
        }
    }
}
