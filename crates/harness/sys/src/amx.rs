//! Tiles of AMX, which a process has to ask the system for.
//!
//! They are 8 KiB, for which there is no room where a thread's registers are kept until the process says that it wants them (Linux,
//! `Documentation/arch/x86/xstate.rst`, "Using dynamically enabled XSTATE features in user space applications").

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

/// Whether this processor has tiles (AMX-TILE).
pub fn has_tiles() -> bool {
    leaf_7(0, EDX, 24)
}

/// Whether it multiplies bf16 in them (AMX-BF16).
pub fn has_bf16() -> bool {
    leaf_7(0, EDX, 22)
}

/// Whether it multiplies f16 in them (AMX-FP16).
pub fn has_f16() -> bool {
    leaf_7(1, EAX, 21)
}

/// Whether the system lets this process use them; asks the first time.
pub fn permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| has_tiles() && request())
}

/// Whether this process may multiply bf16 in them. Cheap but for the first time: asking the processor is slow in a virtual machine.
pub fn multiplies_bf16() -> bool {
    static MULTIPLIES: OnceLock<bool> = OnceLock::new();
    *MULTIPLIES.get_or_init(|| has_bf16() && permitted())
}

/// Sizes of tiles, as `ldtilecfg` reads them: palette 1.
#[repr(C, align(64))]
pub struct Config {
    palette: [u8; 16],
    /// Bytes of a row of each tile.
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight tiles of 16 rows of 64 bytes.
pub static WHOLE: Config = Config {
    palette: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

const EAX: usize = 0;
const EDX: usize = 3;

/// A bit of a register of `cpuid`, leaf 7 (Intel, "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 2, CPUID).
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "asking the processor was unsafe before Rust 1.94")]
fn leaf_7(sub_leaf: u32, register: usize, bit: u32) -> bool {
    // SAFETY: every processor of x86-64 has `cpuid`; leaf 0 names the last leaf, and leaf 7 its last part.
    #[allow(unused_unsafe, reason = "safe since Rust 1.94")]
    let found = unsafe {
        if __cpuid(0).eax < 7 || __cpuid_count(7, 0).eax < sub_leaf {
            return false;
        }
        __cpuid_count(7, sub_leaf)
    };
    [found.eax, found.ebx, found.ecx, found.edx][register] & 1 << bit != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn leaf_7(_: u32, _: usize, _: u32) -> bool {
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[expect(unsafe_code, reason = "a system call that no library wraps")]
fn request() -> bool {
    use nix::libc::{SYS_arch_prctl, syscall};
    /// `ARCH_REQ_XCOMP_PERM`.
    const REQUEST: i64 = 0x1023;
    /// `XFEATURE_XTILEDATA`.
    const TILE_DATA: i64 = 18;
    // SAFETY: the call takes two numbers, and changes nothing but what this process may use.
    unsafe { syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// No other system is known to give them.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn request() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn what_the_system_lists_is_found() {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let listed = |flag| text.split_whitespace().any(|word| word == flag);
        let found = [("amx_tile", has_tiles()), ("amx_bf16", has_bf16()), ("amx_fp16", has_f16())];
        for (flag, found) in found {
            // A system that is older than a feature does not list it.
            assert!(found || !listed(flag), "{flag}");
        }
        assert!(has_tiles() || !permitted());
    }
}
