//! A dense tensor in canonical layout.

use crate::{DType, Data, Element};

/// A rank-4 tensor, contiguous and row-major, in one storage type.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    dims: [usize; 4],
    data: Data,
}

/// The number of elements does not match the dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{elements} elements do not fill a tensor of dimensions {dims:?}")]
pub struct WrongLength {
    /// As given.
    pub dims: [usize; 4],
    /// As given.
    pub elements: usize,
}

impl Tensor {
    /// Gives `data` its dimensions.
    pub fn new(dims: [usize; 4], data: Data) -> Result<Self, WrongLength> {
        let elements = data.len();
        if dims.iter().product::<usize>() == elements {
            Ok(Tensor { dims, data })
        } else {
            Err(WrongLength { dims, elements })
        }
    }

    /// Sizes of the four axes.
    pub const fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The elements.
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, to be changed in place.
    pub(crate) const fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// The storage type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The elements as `T`, if that is how they are stored.
    pub fn slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// The flat index of element `[b, h, i, c]`.
    pub const fn index(&self, [b, h, i, c]: [usize; 4]) -> usize {
        let [_, heads, len, width] = self.dims;
        ((b * heads + h) * len + i) * width + c
    }
}
