//! Of which types the loops are the fastest that a processor can run.
//!
//! A processor may have faster instructions than any loop uses: units for products of small matrices (AMX of x86-64;
//! Apple's, which no feature names), vectors of unknown width (SVE), or arithmetic of half types on aarch64. What the
//! loops reach is then less than what a program may reach.

use super::Element;

/// What a processor has beside what the loops use.
#[derive(Clone, Copy, Debug)]
struct Beyond {
    /// For every type, or for all that is known.
    all: bool,
    /// For half types.
    halves: bool,
}

/// The types whose peak the fastest of the loops reaches: this processor has no other instruction that multiplies
/// them faster.
pub fn complete() -> Vec<Element> {
    Beyond::of_this_processor().complete()
}

impl Beyond {
    #[cfg(target_arch = "x86_64")]
    fn of_this_processor() -> Self {
        use crate::vectors::Vectors;
        // Plain Rust leaves the wider vectors of a processor without fused multiply-adds unused.
        Beyond { all: Vectors::widest() == Vectors::PORTABLE, halves: has_amx() }
    }

    #[cfg(target_arch = "aarch64")]
    fn of_this_processor() -> Self {
        use std::arch::is_aarch64_feature_detected as has;
        Beyond {
            all: cfg!(target_vendor = "apple") || has!("sve"),
            halves: has!("fp16") || has!("bf16") || has!("fhm"),
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn of_this_processor() -> Self {
        Beyond { all: true, halves: true }
    }

    fn complete(self) -> Vec<Element> {
        let Beyond { all, halves } = self;
        let wide = [Element::F64, Element::F32].into_iter().filter(|_| !all);
        wide.chain([Element::BF16, Element::F16].into_iter().filter(|_| !all && !halves)).collect()
    }
}

/// Whether the processor multiplies tiles; it multiplies no f32 and no f64 in them.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "asking the processor was unsafe before Rust 1.94")]
fn has_amx() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const TILES: u32 = 1 << 24;
    // SAFETY: every processor of x86-64 has `cpuid`, and leaf 0 names the last leaf.
    #[allow(unused_unsafe, reason = "safe since Rust 1.94")]
    unsafe {
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & TILES != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_can_do_faster_is_not_complete() {
        let of = |all, halves| Beyond { all, halves }.complete();
        let wide = [Element::F64, Element::F32];
        assert_eq!(of(false, false), [Element::F64, Element::F32, Element::BF16, Element::F16]);
        assert_eq!(of(false, true), wide, "AMX");
        assert_eq!([of(true, false), of(true, true)], [[]; 2], "SVE");
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn amx_is_seen_where_the_system_lists_it() {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let listed = text.split_whitespace().any(|flag| flag == "amx_tile");
        assert!(has_amx() || !listed);
        let complete = complete().contains(&Element::BF16);
        assert!(!(complete && listed), "a peak that AMX exceeds");
    }
}
