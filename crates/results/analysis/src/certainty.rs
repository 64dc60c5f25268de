//! When a difference between two cells is believed.

use attn_record::Estimate;
use attn_record::stats::Interval;

/// By what factor two processes of one program may differ when that was not measured. Where a process
/// happens to place its memory is worth several percent (Mytkowicz et al. 2009), so 10 % are allowed for.
const UNKNOWN_PROCESSES: f64 = 1.1;

/// The interval of a ratio of times, widened by a factor of 1.1 where it does not know other processes.
pub fn believed(ratio: &Estimate) -> Interval {
    let Estimate { interval, between } = *ratio;
    if between {
        return interval;
    }
    let (low, high) = (interval.low / UNKNOWN_PROCESSES, interval.high * UNKNOWN_PROCESSES);
    Interval { low, high, ..interval }
}

/// An interval that is wider than this share of its middle says too little for figures to be shown.
const TOO_WIDE: f64 = 0.5;

/// Whether the interval of `value` is so wide that three digits of it would mislead.
pub fn is_too_wide(interval: Interval, value: f64) -> bool {
    interval.high - interval.low > TOO_WIDE * value
}

/// Whether the ratio is believed to be another one than 1.
pub fn differs(ratio: &Estimate) -> bool {
    !believed(ratio).contains(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_process_has_to_differ_by_more() {
        let interval = Interval { low: 1.05, high: 1.06, level: 0.95 };
        assert!(differs(&Estimate { interval, between: true }));
        assert!(!differs(&Estimate { interval, between: false }));
        let interval = Interval { low: 0.5, high: 0.6, level: 0.95 };
        assert!(differs(&Estimate { interval, between: false }));
    }
}
