//! From values to pixels, and which values deserve a tick.

use super::frame::Tick;

/// An axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    kind: Kind,
    /// Values at the ends.
    low: f64,
    high: f64,
    /// Pixels of the ends.
    from: f64,
    to: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Log,
}

impl Scale {
    /// From 0 to `high`.
    pub(super) fn linear(high: f64, from: f64, to: f64) -> Self {
        Scale { kind: Kind::Linear, low: 0.0, high, from, to }
    }

    /// From `low` to `high`.
    pub(super) fn linear_between(low: f64, high: f64, from: f64, to: f64) -> Self {
        Scale { kind: Kind::Linear, low, high, from, to }
    }

    /// From `low` to `high`, both positive, with a margin of the share `margin` at both ends.
    /// A single value has a factor of 2 on either side.
    pub(super) fn log((low, high): (f64, f64), margin: f64, from: f64, to: f64) -> Self {
        let (low, high) =
            if high / low < 1.000_001 { (low / 2.0, high * 2.0) } else { (low, high) };
        let factor = (high / low).powf(margin);
        Scale { kind: Kind::Log, low: low / factor, high: high * factor, from, to }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// The pixel of a value, or of the end that it lies beyond.
    pub(super) fn clamped(&self, value: f64) -> f64 {
        self.at(value.clamp(self.low, self.high))
    }

    /// Values at the ends.
    pub(super) const fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Ticks at round values, named by `name` where their names are about `gap` pixels apart: 1, 2 and 5 of each decade, or
    /// 1 of each, or of every second and so on. The ticks between them have no name.
    pub(super) fn round_ticks(&self, gap: f64, name: impl Fn(f64) -> String) -> Vec<Tick> {
        let decade = (self.to - self.from).abs() / (self.high / self.low).log10();
        // A third of a decade on average: the names of 1 and 2 may be a little nearer to each other.
        let named: &[u32] = if decade * 2f64.log10() >= 0.7 * gap { &[1, 2, 5] } else { &[1] };
        let every = (gap / decade).ceil().max(1.0) as i32;
        let small: &[u32] =
            if decade >= 3.0 * gap.min(12.0) { &[1, 2, 3, 4, 5, 6, 7, 8, 9] } else { &[1] };
        let exponents = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let ticks = exponents.flat_map(|exponent| {
            small.iter().filter_map(move |&digit| {
                // Parsed, so that 1e-3 is the number that is printed as 0.001.
                let value: f64 = format!("{digit}e{exponent}").parse().ok()?;
                Some((value, named.contains(&digit) && exponent.rem_euclid(every) == 0))
            })
        });
        let inside = ticks.filter(|(value, _)| self.low <= *value && *value <= self.high);
        inside.map(|(v, named)| (v, if named { name(v) } else { String::new() })).collect()
    }
}

/// Round values from 0 on, about `count` of them, the last at or above `high`.
pub(super) fn round_steps(high: f64, count: usize) -> Vec<f64> {
    let rough = high / count as f64;
    let exponent = rough.log10().floor() as i32;
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * 10f64.powi(exponent) >= rough * 0.999_999)
        .unwrap_or(10.0);
    let steps = (high / (step * 10f64.powi(exponent)) - 1e-9).ceil() as usize;
    let value = |i: usize| format!("{}e{exponent}", step * i as f64).parse();
    (0..=steps).filter_map(|i| value(i).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_map_to_ends() {
        let scale = Scale::log((1.0, 100.0), 0.0, 300.0, 100.0);
        assert_eq!(scale.at(1.0), 300.0);
        assert!((scale.at(10.0) - 200.0).abs() < 1e-9);
        assert!((scale.clamped(1e9) - 100.0).abs() < 1e-9);
        assert_eq!(Scale::linear(8.0, 0.0, 80.0).at(2.0), 20.0);
    }

    #[test]
    fn ticks_are_round() {
        let ticks = |ends: (f64, f64), pixels: f64| {
            let ticks = Scale::log(ends, 0.0, pixels, 0.0).round_ticks(20.0, |v| v.to_string());
            let names = ticks.into_iter().map(|(_, name)| name).filter(|name| !name.is_empty());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks((0.3, 12.0), 300.0), "0.5 1 2 5 10");
        assert_eq!(ticks((1.0, 2e3), 160.0), "1 2 5 10 20 50 100 200 500 1000 2000");
        assert_eq!(ticks((1.0, 2e3), 100.0), "1 10 100 1000");
        assert_eq!(
            ticks((1.0, 1e12), 120.0),
            "1 100 10000 1000000 100000000 10000000000 1000000000000"
        );
        assert_eq!(ticks((3.0, 3.0), 300.0), "2 5");
        assert_eq!(round_steps(87.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(round_steps(0.3, 3), [0.0, 0.1, 0.2, 0.3]);
    }
}
