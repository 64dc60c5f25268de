//! Instruction sets that the probes know.

/// An instruction set that this processor has: only [`Vectors::available`] hands out any but the
/// portable one, so holding a value is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors(pub(crate) Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2Fma,
    #[cfg(target_arch = "x86_64")]
    Avx512f,
}

impl Vectors {
    /// Plain Rust, as the compiler vectorises it for the target that this program is built for.
    pub const PORTABLE: Vectors = Vectors(Set::Portable);

    /// All that this processor has, the narrowest first.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "nothing to add"))]
        let mut found = vec![Vectors::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Vectors(Set::Avx2Fma));
            }
            if is_x86_feature_detected!("avx512f") {
                found.push(Vectors(Set::Avx512f));
            }
        }
        found
    }

    /// The widest that this processor has.
    pub fn widest() -> Self {
        Vectors::available().pop().unwrap_or(Vectors::PORTABLE)
    }

    /// As it is commonly written: `avx2+fma`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Fma => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512f => "avx512f",
        }
    }
}
