//! Intervals of a probability from counts.

use statrs::function::beta::beta_reg;

use super::Interval;

/// The interval of Clopper and Pearson (1934) of the probability of something that was seen `hits` times
/// out of `tries`: exact, so never less sure than `level`, and often more. `None` without tries.
///
/// Where only the upper end matters, its one-sided level is `(1 + level) / 2`.
pub fn clopper_pearson(hits: u64, tries: u64, level: f64) -> Option<Interval> {
    if tries == 0 || hits > tries {
        return None;
    }
    let (k, n) = (hits as f64, tries as f64);
    let tail = (1.0 - level) / 2.0;
    // P(X >= k) = I_p(k, n - k + 1) and P(X <= k) = 1 - I_p(k + 1, n - k); both in p.
    let low = if hits == 0 { 0.0 } else { solve(|p| beta_reg(k, n - k + 1.0, p) < tail) };
    let high =
        if hits == tries { 1.0 } else { solve(|p| beta_reg(k + 1.0, n - k, p) < 1.0 - tail) };
    Some(Interval { low, high, level })
}

/// The number between 0 and 1 up to which `holds` does.
fn solve(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Halved until nothing lies between.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(interval: Option<Interval>, low: f64, high: f64) {
        let found = interval.unwrap();
        assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
    }

    #[test]
    fn known_intervals() {
        assert_eq!(clopper_pearson(0, 0, 0.95), None);
        assert_eq!(clopper_pearson(2, 1, 0.95), None);
        // Closed forms: 1 - tail^(1/n).
        close(clopper_pearson(0, 10, 0.95), 0.0, 1.0 - 0.025_f64.powf(0.1));
        close(clopper_pearson(10, 10, 0.95), 0.025_f64.powf(0.1), 1.0);
        // The rule of three, at 95 % one-sided.
        close(clopper_pearson(0, 299, 0.9), 0.0, 1.0 - 0.05_f64.powf(1.0 / 299.0));
        // R: binom.test(5, 10), binom.test(1, 20), binom.test(19, 20).
        close(clopper_pearson(5, 10, 0.95), 0.187_086, 0.812_914);
        close(clopper_pearson(1, 20, 0.95), 0.001_265, 0.248_733);
        close(clopper_pearson(19, 20, 0.95), 0.751_267, 0.998_735);
    }

    /// P(X <= k), term by term.
    fn at_most(k: u64, n: u64, p: f64) -> f64 {
        let mut term = (1.0 - p).powi(n as i32);
        let mut sum = term;
        for i in 0..k {
            term *= (n - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
            sum += term;
        }
        sum
    }

    proptest! {
        #[test]
        fn each_end_leaves_the_tail(n in 1u64..60, k in 0u64..60) {
            prop_assume!(k <= n);
            let Interval { low, high, .. } = clopper_pearson(k, n, 0.9).unwrap();
            if k > 0 {
                prop_assert!((1.0 - at_most(k - 1, n, low) - 0.05).abs() < 1e-6);
            }
            if k < n {
                prop_assert!((at_most(k, n, high) - 0.05).abs() < 1e-6);
            }
        }
    }
}
