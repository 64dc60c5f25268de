//! Numbers for people: three significant digits, a unit, never more precision than a measurement has.

/// `x` rounded to three significant digits, without exponent: `1230`, `12.3`, `0.0123`.
pub fn significant(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    // Rounding first: 9.996 has its leading digit one place further left than its logarithm says.
    let scale = 10f64.powi(2 - x.abs().log10().floor() as i32);
    let rounded = (x * scale).round() / scale;
    let decimals = (2 - rounded.abs().log10().floor() as i32).max(0);
    format!("{rounded:.*}", decimals as usize)
}

/// A time in nanoseconds with the unit that keeps it between 1 and 1000: `812 ns`, `1.23 µs`.
pub fn time(ns: f64) -> String {
    // 999.5 and above would round to 1000 of the smaller unit.
    let (unit, name) = [(1.0, "ns"), (1e3, "µs"), (1e6, "ms")]
        .into_iter()
        .find(|(unit, _)| ns < 999.5 * unit)
        .unwrap_or((1e9, "s"));
    format!("{} {name}", significant(ns / unit))
}

/// A share as percent, two significant digits below 10 %: `3.1%`, `12%`, `0.042%`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 {
        "0%".into()
    } else if percent < 0.001 {
        "<0.001%".into()
    } else if percent < 9.95 {
        let decimals = (1 - percent.log10().floor() as i32).max(1);
        format!("{percent:.*}%", decimals as usize)
    } else {
        format!("{percent:.0}%")
    }
}

/// How many times the best: `1.00x`, `12.3x`, `1230x`.
pub fn ratio(ratio: f64) -> String {
    format!("{}x", significant(ratio))
}

/// A size with the binary unit that keeps it below 1024: `48 KiB`, `2 MiB`, `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = (bytes.max(1).ilog2() / 10).min(4);
    let size = bytes as f64 / (1u64 << (10 * at)) as f64;
    let text = if size.fract() == 0.0 { format!("{size}") } else { significant(size) };
    format!("{text} {}", units[at as usize])
}

/// `1 cell`, `2 cells`.
pub fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.012_34, "0.0123"),
            (9.996, "10.0"),
            (99.96, "100"),
            (1.0, "1.00"),
            (1234.0, "1230"),
        ];
        for (x, text) in cases {
            assert_eq!(significant(x), text);
        }
    }

    #[test]
    fn times_change_unit_where_they_would_round_to_a_thousand() {
        let cases = [
            (812.0, "812 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 µs"),
            (12_345.0, "12.3 µs"),
            (2.5e6, "2.50 ms"),
            (1.5e12, "1500 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn percents_keep_small_shares_visible() {
        let cases = [
            (0.0, "0%"),
            (1e-7, "<0.001%"),
            (0.000_42, "0.042%"),
            (0.0314, "3.1%"),
            (0.0998, "10%"),
            (1.5, "150%"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (48 << 10, "48 KiB"), (3 << 19, "1.50 MiB")];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(bytes(2 << 30), "2 GiB");
    }
}
