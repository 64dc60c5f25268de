//! Of which types the loops are the fastest that a processor can run.
//!
//! A processor may have faster instructions than any loop uses: units for products of small matrices (AMX of x86-64 for f16, or where the
//! system does not permit it; Apple's, which no feature names), vectors of unknown width (SVE), or arithmetic of half types on aarch64.
//! What the loops reach is then less than what a program may reach.

use super::Element;

/// What a processor has beside what the loops use, by type.
#[derive(Clone, Copy, Debug)]
struct Beyond {
    /// For every type, or for all that is known.
    all: bool,
    bf16: bool,
    f16: bool,
}

/// The types whose peak the fastest of the loops reaches: this processor has no other instruction that multiplies
/// them faster.
pub fn complete() -> Vec<Element> {
    Beyond::of_this_processor().complete()
}

impl Beyond {
    #[cfg(target_arch = "x86_64")]
    fn of_this_processor() -> Self {
        use crate::amx;
        use crate::vectors::Vectors;
        // Plain Rust leaves the wider vectors of a processor without fused multiply-adds unused.
        let all = Vectors::widest() == Vectors::PORTABLE;
        Beyond { all, bf16: amx::has_bf16() && !amx::permitted(), f16: amx::has_f16() }
    }

    #[cfg(target_arch = "aarch64")]
    fn of_this_processor() -> Self {
        use std::arch::is_aarch64_feature_detected as has;
        let halves = has!("fp16") || has!("bf16") || has!("fhm");
        Beyond { all: cfg!(target_vendor = "apple") || has!("sve"), bf16: halves, f16: halves }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn of_this_processor() -> Self {
        Beyond { all: true, bf16: true, f16: true }
    }

    fn complete(self) -> Vec<Element> {
        let Beyond { all, bf16, f16 } = self;
        let beyond = [
            (Element::F64, false),
            (Element::F32, false),
            (Element::BF16, bf16),
            (Element::F16, f16),
        ];
        let reached = beyond.into_iter().filter(|(_, faster)| !all && !faster);
        reached.map(|(element, _)| element).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_can_do_faster_is_not_complete() {
        use Element::{BF16, F16, F32, F64};
        let of = |all, bf16, f16| Beyond { all, bf16, f16 }.complete();
        assert_eq!(of(false, false, false), [F64, F32, BF16, F16]);
        assert_eq!(of(false, true, false), [F64, F32, F16], "AMX that is not permitted");
        assert_eq!(of(false, false, true), [F64, F32, BF16], "AMX of f16");
        assert_eq!([of(true, false, false), of(true, true, true)], [[]; 2], "SVE");
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn where_the_system_lists_amx_the_peak_is_of_tiles_or_unknown() {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let listed = text.split_whitespace().any(|flag| flag == "amx_bf16");
        let tiles = super::super::Loop::available().iter().any(|of| of.isa() == "amx-bf16");
        assert!(!listed || tiles || !complete().contains(&Element::BF16));
    }
}
