//! Storage types of tensors and the arithmetic facts the budgets need.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// The type in which q, k, v and the output are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE binary64.
    F64,
    /// IEEE binary32.
    F32,
    /// bfloat16: 8 bits of significand.
    BF16,
    /// IEEE binary16.
    F16,
}

/// Evaluates an expression with a type of this name, the one that a [`DType`] stands for:
/// `with_type!(problem.dtype(), T => plan::<T>(problem))`.
#[macro_export]
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use $crate::{DType, bf16, f16};
        match $dtype {
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::BF16 => {
                type $T = bf16;
                $body
            }
            DType::F16 => {
                type $T = f16;
                $body
            }
        }
    }};
}

impl DType {
    /// Every storage type, in the order in which tables list them.
    pub const ALL: [DType; 4] = [DType::F64, DType::F32, DType::BF16, DType::F16];

    /// Size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 => 8,
            DType::F32 => 4,
            DType::BF16 | DType::F16 => 2,
        }
    }

    /// Unit roundoff `u`: the largest relative error of rounding to nearest (half an ulp of 1).
    pub const fn unit_roundoff(self) -> f64 {
        match self {
            DType::F64 => f64::EPSILON / 2.0,
            DType::F32 => f32::EPSILON as f64 / 2.0,
            DType::BF16 => 1.0 / 256.0,
            DType::F16 => 1.0 / 2048.0,
        }
    }

    /// The smallest positive normal number: below it, rounding errors are absolute.
    pub const fn min_positive(self) -> f64 {
        match self {
            DType::F64 => f64::MIN_POSITIVE,
            DType::F32 | DType::BF16 => f32::MIN_POSITIVE as f64,
            DType::F16 => 6.103_515_625e-5,
        }
    }

    /// `x` rounded to this type.
    pub fn round(self, x: f64) -> f64 {
        match self {
            DType::F64 => x,
            DType::F32 => f64::from(x as f32),
            DType::BF16 => bf16::from_f64(x).to_f64(),
            DType::F16 => f16::from_f64(x).to_f64(),
        }
    }

    /// Distance from `|x|`, rounded to this type, to the next larger number: one unit in the last place.
    pub fn ulp(self, x: f64) -> f64 {
        let step = 2.0 * self.unit_roundoff();
        let magnitude = self.round(x).abs().clamp(self.min_positive(), f64::MAX);
        let exponent = (magnitude.to_bits() >> 52) << 52;
        f64::from_bits(exponent) * step
    }

    /// The name used in files and on the command line: `f32`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F64 => "f64",
            DType::F32 => "f32",
            DType::BF16 => "bf16",
            DType::F16 => "f16",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for DType {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|d| d.name() == s)
            .ok_or_else(|| format!("unknown dtype `{s}`, expected one of f64, f32, bf16, f16"))
    }
}

/// A Rust type that a [`DType`] names. Sealed: the storage types are a closed set.
pub trait Element:
    Copy + Send + Sync + PartialOrd + std::fmt::Debug + sealed::Sealed + 'static
{
    /// The storage type that `Self` implements.
    const DTYPE: DType;
    /// The additive identity.
    const ZERO: Self;
    /// Rounds to nearest.
    fn from_f64(x: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounds to nearest, once.
    fn from_f32(x: f32) -> Self;
    /// The elements of `data` if it is stored as `Self`.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// The elements of `data` if it is stored as `Self`.
    fn slice_mut(data: &mut Data) -> Option<&mut [Self]>;
    /// Wraps elements.
    fn wrap(elements: Vec<Self>) -> Data;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f64 {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
    impl Sealed for half::f16 {}
}

/// Elements in one of the storage types.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// binary64 elements.
    F64(Vec<f64>),
    /// binary32 elements.
    F32(Vec<f32>),
    /// bfloat16 elements.
    BF16(Vec<bf16>),
    /// binary16 elements.
    F16(Vec<f16>),
}

macro_rules! element {
    ($float:ty, $dtype:ident, $zero:expr, $from_f64:expr, $to_f64:expr, $from_f32:expr) => {
        impl Element for $float {
            const DTYPE: DType = DType::$dtype;
            const ZERO: Self = $zero;

            fn from_f64(x: f64) -> Self {
                $from_f64(x)
            }

            fn to_f64(self) -> f64 {
                $to_f64(self)
            }

            fn from_f32(x: f32) -> Self {
                $from_f32(x)
            }

            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$dtype(elements) => Some(elements),
                    _ => None,
                }
            }

            fn slice_mut(data: &mut Data) -> Option<&mut [Self]> {
                match data {
                    Data::$dtype(elements) => Some(elements),
                    _ => None,
                }
            }

            fn wrap(elements: Vec<Self>) -> Data {
                Data::$dtype(elements)
            }
        }
    };
}

element!(f64, F64, 0.0, |x| x, |x| x, f64::from);
element!(f32, F32, 0.0, |x| x as f32, f64::from, |x| x);
element!(bf16, BF16, bf16::ZERO, bf16::from_f64, bf16::to_f64, bf16::from_f32);
element!(f16, F16, f16::ZERO, f16::from_f64, f16::to_f64, f16::from_f32);

/// Evaluates `$body` with `$x` bound to the vector inside `$data`, whatever its type.
macro_rules! each {
    ($data:expr, $x:ident => $body:expr) => {
        match $data {
            Data::F64($x) => $body,
            Data::F32($x) => $body,
            Data::BF16($x) => $body,
            Data::F16($x) => $body,
        }
    };
}
pub(crate) use each;

impl Data {
    /// `len` copies of `x`, rounded to `dtype`.
    pub fn filled(dtype: DType, len: usize, x: f64) -> Self {
        Data::from_f64(dtype, std::iter::repeat_n(x, len))
    }

    /// `values`, each rounded to `dtype`.
    pub fn from_f64(dtype: DType, values: impl Iterator<Item = f64>) -> Self {
        match dtype {
            DType::F64 => Data::F64(values.collect()),
            DType::F32 => Data::F32(values.map(f32::from_f64).collect()),
            DType::BF16 => Data::BF16(values.map(bf16::from_f64).collect()),
            DType::F16 => Data::F16(values.map(f16::from_f64).collect()),
        }
    }

    /// The storage type.
    pub const fn dtype(&self) -> DType {
        match self {
            Data::F64(_) => DType::F64,
            Data::F32(_) => DType::F32,
            Data::BF16(_) => DType::BF16,
            Data::F16(_) => DType::F16,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(self, x => x.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `i`, exactly.
    ///
    /// # Panics
    /// If `i` is out of range.
    pub fn get(&self, i: usize) -> f64 {
        each!(self, x => x[i].to_f64())
    }

    /// Every element, exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        each!(self, x => x.iter().map(|x| x.to_f64()).collect())
    }

    /// Place of the first element at or after the start of `range` that `is` what is looked for.
    ///
    /// # Panics
    /// If `range` is out of range.
    pub fn position(
        &self,
        range: std::ops::Range<usize>,
        is: impl Fn(f64) -> bool,
    ) -> Option<usize> {
        let start = range.start;
        let found = each!(self, x => x[range].iter().position(|x| is(x.to_f64())));
        found.map(|at| start + at)
    }

    /// A copy of the elements in `range`.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Data {
        each!(self, x => Element::wrap(x[range].to_vec()))
    }

    /// Sets element `i` to `x`, rounded.
    pub(crate) fn set(&mut self, i: usize, x: f64) {
        each!(self, elements => elements[i] = Element::from_f64(x));
    }

    /// Takes over the elements of `other`, which has as many of the same type.
    pub(crate) fn copy_from(&mut self, other: &Data) {
        each!(self, elements => {
            elements.copy_from_slice(Element::slice(other).expect("the same type"));
        });
    }

    /// Negates the elements in `range` that `is` chooses by their place in it.
    pub(crate) fn negate(&mut self, range: std::ops::Range<usize>, is: impl Fn(usize) -> bool) {
        each!(self, elements => {
            let chosen = elements[range].iter_mut().enumerate().filter(|(at, _)| is(*at));
            chosen.for_each(|(_, x)| *x = -*x);
        });
    }

    /// Negates the chosen columns of the matrices in `range`, of `rows` rows each; `chosen` has one flag for each column of each. NaN
    /// stay as they are: elements that nobody wrote are told by their bits.
    pub(crate) fn negate_columns(
        &mut self,
        range: std::ops::Range<usize>,
        rows: usize,
        chosen: &[Vec<bool>],
    ) {
        each!(self, elements => {
            let mut rest = &mut elements[range];
            for chosen in chosen {
                let matrix = rest.split_off_mut(..rows * chosen.len()).expect("rows of all matrices");
                for row in matrix.chunks_exact_mut(chosen.len().max(1)) {
                    for (x, &chosen) in row.iter_mut().zip(chosen) {
                        *x = if chosen && !x.to_f64().is_nan() { -*x } else { *x };
                    }
                }
            }
        });
    }

    /// Moves every element `by` places towards the front, those at the front to the end.
    pub(crate) fn rotate(&mut self, by: usize) {
        each!(self, elements => elements.rotate_left(by));
    }

    /// The elements as little-endian bytes: the stored form in files and digests.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        each!(self, elements => {
            let size = self.dtype().size();
            let mut bytes = vec![0; elements.len() * size];
            for (word, x) in bytes.chunks_exact_mut(size).zip(elements) {
                word.copy_from_slice(&x.to_le_bytes());
            }
            bytes
        })
    }

    /// The inverse of [`Data::to_le_bytes`]; `None` if `bytes` is not a whole number of elements.
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Option<Self> {
        Some(match dtype {
            DType::F64 => Data::F64(words(bytes)?.map(f64::from_le_bytes).collect()),
            DType::F32 => Data::F32(words(bytes)?.map(f32::from_le_bytes).collect()),
            DType::BF16 => Data::BF16(words(bytes)?.map(bf16::from_le_bytes).collect()),
            DType::F16 => Data::F16(words(bytes)?.map(f16::from_le_bytes).collect()),
        })
    }
}

fn words<const N: usize>(bytes: &[u8]) -> Option<impl Iterator<Item = [u8; N]>> {
    let (words, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| words.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_roundoff_is_half_an_ulp_of_one() {
        for dtype in DType::ALL {
            assert_eq!(dtype.unit_roundoff(), dtype.ulp(1.0) / 2.0);
            let above = 1.0 + dtype.ulp(1.0);
            assert_eq!(dtype.round(above), above);
            assert_eq!(dtype.round(1.0 + dtype.unit_roundoff() / 2.0), 1.0);
        }
    }

    #[test]
    fn the_smallest_normal_number_has_a_full_significand() {
        for dtype in DType::ALL {
            let (tiny, ulp) = (dtype.min_positive(), dtype.ulp(dtype.min_positive()));
            assert_eq!(dtype.round(tiny + ulp), tiny + ulp, "{dtype}");
            assert_eq!(ulp / tiny, dtype.ulp(1.0), "{dtype}");
        }
    }

    #[test]
    fn bytes_round_trip_and_reject_a_torn_element() {
        for dtype in DType::ALL {
            let data = Data::from_f64(dtype, [1.5, -0.0, f64::INFINITY].into_iter());
            let bytes = data.to_le_bytes();
            assert_eq!(Data::from_le_bytes(dtype, &bytes), Some(data));
            assert_eq!(Data::from_le_bytes(dtype, &bytes[1..]), None);
        }
    }

    #[test]
    fn names_parse_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert!("f8".parse::<DType>().is_err());
    }
}
