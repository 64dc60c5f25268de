//! The elements of a mask.

use crate::{MaskKind, MaskSpec, Tensor};

/// A mask `[1|B, 1|Hq, 1|Nq, 1|Nk]`; an axis of size 1 is broadcast.
#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    /// True admits the key.
    Bool {
        /// Dimensions.
        dims: [usize; 4],
        /// Row-major.
        admits: Vec<bool>,
    },
    /// Added to the scores; -inf does not admit the key.
    Additive(Tensor),
}

impl Mask {
    /// The form, as a problem states it.
    pub fn spec(&self) -> MaskSpec {
        match self {
            Mask::Bool { dims, .. } => MaskSpec { kind: MaskKind::Bool, dims: *dims },
            Mask::Additive(tensor) => MaskSpec { kind: MaskKind::Additive, dims: tensor.dims() },
        }
    }

    /// What is added to the score of `[b, h, i, j]`; `None` if the key is not admitted.
    pub fn bias(&self, at: [usize; 4]) -> Option<f64> {
        match self {
            Mask::Bool { dims, admits } => admits[flat(*dims, at)].then_some(0.0),
            Mask::Additive(tensor) => {
                let bias = tensor.data().get(flat(tensor.dims(), at));
                (bias != f64::NEG_INFINITY).then_some(bias)
            }
        }
    }
}

/// The flat index of `at` in a tensor of dimensions `dims`, axes of size 1 broadcast.
fn flat(dims: [usize; 4], at: [usize; 4]) -> usize {
    dims.iter().zip(at).fold(0, |flat, (&dim, at)| flat * dim + if dim == 1 { 0 } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Data;

    #[test]
    fn axes_of_size_one_are_broadcast() {
        let data = Data::F32((0..6).map(|x| x as f32).collect());
        let mask = Mask::Additive(Tensor::new([1, 2, 1, 3], data).unwrap());
        assert_eq!(mask.bias([7, 1, 9, 2]), Some(5.0));
        assert_eq!(mask.bias([0, 0, 4, 1]), Some(1.0));
    }

    #[test]
    fn false_and_minus_infinity_do_not_admit() {
        let mask = Mask::Bool { dims: [1, 1, 1, 2], admits: vec![true, false] };
        assert_eq!([mask.bias([0, 0, 3, 0]), mask.bias([0, 0, 3, 1])], [Some(0.0), None]);
        let data = Data::F64(vec![f64::NEG_INFINITY, -1.0]);
        let mask = Mask::Additive(Tensor::new([1, 1, 1, 2], data).unwrap());
        assert_eq!([mask.bias([0; 4]), mask.bias([0, 0, 0, 1])], [None, Some(-1.0)]);
    }
}
