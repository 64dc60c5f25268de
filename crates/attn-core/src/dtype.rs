//! Storage types of tensors and the arithmetic facts the budgets need.

use serde::{Deserialize, Serialize};

/// The type in which q, k, v and the output are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl DType {
    /// Every storage type, in the order in which tables list them.
    pub const ALL: [DType; 2] = [DType::F32, DType::F64];

    /// Size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F64 => 8,
        }
    }

    /// Unit roundoff `u`: the largest relative error of rounding to nearest (half an ulp of 1).
    pub const fn unit_roundoff(self) -> f64 {
        match self {
            DType::F32 => f32::EPSILON as f64 / 2.0,
            DType::F64 => f64::EPSILON / 2.0,
        }
    }

    /// The smallest positive normal number: below it, a flushed result is an absolute error.
    pub const fn min_positive(self) -> f64 {
        match self {
            DType::F32 => f32::MIN_POSITIVE as f64,
            DType::F64 => f64::MIN_POSITIVE,
        }
    }

    /// `x` rounded to this type.
    pub const fn round(self, x: f64) -> f64 {
        match self {
            DType::F32 => x as f32 as f64,
            DType::F64 => x,
        }
    }

    /// The name used in files and on the command line: `f32`, `f64`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
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
            .ok_or_else(|| format!("unknown dtype `{s}`, expected one of f32, f64"))
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
    /// The elements of `data` if it is stored as `Self`.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// The elements of `data` if it is stored as `Self`.
    fn slice_mut(data: &mut Data) -> Option<&mut [Self]>;
    /// Wraps elements.
    fn wrap(elements: Vec<Self>) -> Data;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Elements in one of the storage types.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// binary32 elements.
    F32(Vec<f32>),
    /// binary64 elements.
    F64(Vec<f64>),
}

macro_rules! element {
    ($float:ty, $dtype:ident) => {
        impl Element for $float {
            const DTYPE: DType = DType::$dtype;
            const ZERO: Self = 0.0;

            fn from_f64(x: f64) -> Self {
                x as $float
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
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

element!(f32, F32);
element!(f64, F64);

impl Data {
    /// `len` copies of `x`, rounded to `dtype`.
    pub fn filled(dtype: DType, len: usize, x: f64) -> Self {
        match dtype {
            DType::F32 => Data::F32(vec![x as f32; len]),
            DType::F64 => Data::F64(vec![x; len]),
        }
    }

    /// `values`, each rounded to `dtype`.
    pub fn from_f64(dtype: DType, values: impl Iterator<Item = f64>) -> Self {
        match dtype {
            DType::F32 => Data::F32(values.map(|x| x as f32).collect()),
            DType::F64 => Data::F64(values.collect()),
        }
    }

    /// The storage type.
    pub fn dtype(&self) -> DType {
        match self {
            Data::F32(_) => DType::F32,
            Data::F64(_) => DType::F64,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(x) => x.len(),
            Data::F64(x) => x.len(),
        }
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
        match self {
            Data::F32(x) => f64::from(x[i]),
            Data::F64(x) => x[i],
        }
    }

    /// Every element, exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Data::F32(x) => x.iter().map(|&x| f64::from(x)).collect(),
            Data::F64(x) => x.clone(),
        }
    }

    /// The elements as little-endian bytes: the stored form in files and digests.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Data::F32(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::F64(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// The inverse of [`Data::to_le_bytes`]; `None` if `bytes` is not a whole number of elements.
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Option<Self> {
        Some(match dtype {
            DType::F32 => Data::F32(words(bytes)?.map(f32::from_le_bytes).collect()),
            DType::F64 => Data::F64(words(bytes)?.map(f64::from_le_bytes).collect()),
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
        assert_eq!(DType::F32.unit_roundoff(), 2f64.powi(-24));
        assert_eq!(DType::F64.unit_roundoff(), 2f64.powi(-53));
    }

    #[test]
    fn bytes_round_trip_and_reject_a_torn_element() {
        let data = Data::F32(vec![1.5, -0.0, f32::INFINITY]);
        let bytes = data.to_le_bytes();
        assert_eq!(Data::from_le_bytes(DType::F32, &bytes), Some(data));
        assert_eq!(Data::from_le_bytes(DType::F32, &bytes[1..]), None);
        assert_eq!(Data::from_le_bytes(DType::F64, &bytes), None);
    }

    #[test]
    fn names_parse_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert!("f8".parse::<DType>().is_err());
    }
}
