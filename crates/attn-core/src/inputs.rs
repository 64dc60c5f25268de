//! The numbers a problem is computed on.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::family::Draft;
use crate::{Data, Family, Problem, Tensor};

/// q, k and v of one problem, in its shape and storage type.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

/// Why tensors are not inputs of a problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidInputs {
    /// A tensor has other dimensions or another storage type than the problem.
    #[error("tensor `{tensor}` is {found}, expected {expected}")]
    Mismatch {
        /// `q`, `k` or `v`.
        tensor: &'static str,
        /// Storage type and dimensions of the tensor.
        found: String,
        /// Storage type and dimensions that the problem asks for.
        expected: String,
    },
    /// NaN or infinity where some query reads it.
    #[error("tensor `{tensor}` holds {value} at {index:?}, which some query reads")]
    NotFinite {
        /// `q`, `k` or `v`.
        tensor: &'static str,
        /// The element.
        value: f64,
        /// `[b, h, i, c]`.
        index: [usize; 4],
    },
}

impl Inputs {
    /// Checks that the tensors fit the problem and that every element that is read is finite.
    /// Rows of k and v that no query admits may hold anything.
    pub fn new(problem: &Problem, q: Tensor, k: Tensor, v: Tensor) -> Result<Self, InvalidInputs> {
        let shape = problem.shape();
        let used = problem.used_keys();
        for (name, tensor, dims, rows) in [
            ("q", &q, shape.q(), 0..shape.len_q),
            ("k", &k, shape.k(), used.clone()),
            ("v", &v, shape.v(), used),
        ] {
            if (tensor.dims(), tensor.dtype()) != (dims, problem.dtype()) {
                return Err(InvalidInputs::Mismatch {
                    tensor: name,
                    found: format!("{} {:?}", tensor.dtype(), tensor.dims()),
                    expected: format!("{} {dims:?}", problem.dtype()),
                });
            }
            if let Some((value, index)) = first_not_finite(tensor, &rows) {
                return Err(InvalidInputs::NotFinite {
                    tensor: name,
                    value,
                    index,
                });
            }
        }
        Ok(Inputs { q, k, v })
    }

    /// Seeded inputs, rounded to the problem's storage type: the same on every platform.
    ///
    /// q, k and v come from three separate streams, so a change of one size leaves the rest alone.
    pub fn generate(problem: &Problem, family: Family, seed: u64) -> Self {
        let shape = problem.shape();
        let Draft { q, k, v } = Draft::new(problem, family, seed);
        let tensor = |dims, values: Vec<f64>| {
            let data = Data::from_f64(problem.dtype(), values.into_iter());
            Tensor::new(dims, data).expect("a draft has the problem's dimensions")
        };
        Inputs {
            q: tensor(shape.q(), q),
            k: tensor(shape.k(), k),
            v: tensor(shape.v(), v),
        }
    }

    /// Other inputs of the same problem, made of these: tokens in reverse order, v negated.
    ///
    /// For inputs that come from a file there is no second seed; these differ from the first in
    /// every output element that is not 0, so a stale result shows, and cost the same to compute.
    /// Rows of k and v that no query admits stay where they are.
    #[must_use]
    pub fn reversed(&self, problem: &Problem) -> Self {
        let used = problem.used_keys().end;
        let queries = problem.shape().len_q;
        Inputs {
            q: reverse_rows(&self.q, queries, 1.0),
            k: reverse_rows(&self.k, used, 1.0),
            v: reverse_rows(&self.v, used, -1.0),
        }
    }

    /// Queries, `[B, Hq, Nq, D]`.
    pub const fn q(&self) -> &Tensor {
        &self.q
    }

    /// Keys, `[B, Hkv, Nk, D]`.
    pub const fn k(&self) -> &Tensor {
        &self.k
    }

    /// Values, `[B, Hkv, Nk, Dv]`.
    pub const fn v(&self) -> &Tensor {
        &self.v
    }

    /// SHA-256 over names, storage types, dimensions and little-endian elements, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, tensor) in [("q", &self.q), ("k", &self.k), ("v", &self.v)] {
            hash.update(format!("{name} {} {:?}\n", tensor.dtype(), tensor.dims()));
            hash.update(tensor.data().to_le_bytes());
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

fn first_not_finite(tensor: &Tensor, rows: &std::ops::Range<usize>) -> Option<(f64, [usize; 4])> {
    let [batch, heads, _, width] = tensor.dims();
    for b in 0..batch {
        for h in 0..heads {
            for i in rows.clone() {
                let start = tensor.index([b, h, i, 0]);
                for c in 0..width {
                    let value = tensor.data().get(start + c);
                    if !value.is_finite() {
                        return Some((value, [b, h, i, c]));
                    }
                }
            }
        }
    }
    None
}

/// `sign` times the tensor, the first `rows` rows of every head in reverse order.
fn reverse_rows(tensor: &Tensor, rows: usize, sign: f64) -> Tensor {
    let [batch, heads, len, width] = tensor.dims();
    let values = (0..batch * heads * len).flat_map(|row| {
        let (head, i) = (row / len, row % len);
        let source = if i < rows { rows - 1 - i } else { i };
        let start = (head * len + source) * width;
        (start..start + width).map(|at| sign * tensor.data().get(at))
    });
    let data = Data::from_f64(tensor.dtype(), values);
    Tensor::new(tensor.dims(), data).expect("the same number of elements")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alignment, DType, ProblemSpec, Shape};

    fn problem(dtype: DType) -> Problem {
        let shape = Shape {
            batch: 2,
            heads_kv: 2,
            dim_v: 3,
            ..Shape::square(4, 5, 8)
        };
        Problem::new(ProblemSpec::new(shape, dtype)).unwrap()
    }

    /// Pinned: a change here changes every record's inputs.
    #[test]
    fn digests_are_the_same_on_every_platform() {
        let digest = |dtype| Inputs::generate(&problem(dtype), Family::Normal, 7).digest();
        assert_eq!(digest(DType::F32)[..16], *"d0eb6797289471cd");
        assert_eq!(digest(DType::F64)[..16], *"d7d771161254f542");
    }

    #[test]
    fn seeds_and_tensors_have_streams_of_their_own() {
        let p = problem(DType::F64);
        let (a, b) = (
            Inputs::generate(&p, Family::Normal, 1),
            Inputs::generate(&p, Family::Normal, 2),
        );
        assert_ne!(a.digest(), b.digest());
        assert_ne!(a.q().data().get(0), a.k().data().get(0));
        assert_eq!(a.digest(), Inputs::generate(&p, Family::Normal, 1).digest());
    }

    #[test]
    fn a_mismatch_names_the_tensor() {
        let p = problem(DType::F32);
        let Inputs { q, k, v } = Inputs::generate(&problem(DType::F64), Family::Normal, 1);
        let error = Inputs::new(&p, q, k, v).unwrap_err().to_string();
        assert_eq!(
            error,
            "tensor `q` is f64 [2, 4, 5, 8], expected f32 [2, 4, 5, 8]"
        );
    }

    #[test]
    fn nan_is_refused_only_where_a_query_reads_it() {
        let spec = ProblemSpec {
            causal: Some(Alignment::TopLeft),
            ..ProblemSpec::new(
                Shape {
                    len_k: 3,
                    ..Shape::square(1, 2, 1)
                },
                DType::F32,
            )
        };
        let p = Problem::new(spec).unwrap();
        let column =
            |values: [f32; 3]| Tensor::new([1, 1, 3, 1], Data::F32(values.into())).unwrap();
        let q = || Tensor::new([1, 1, 2, 1], Data::F32(vec![1.0; 2])).unwrap();
        let fine = column([1.0, 2.0, f32::NAN]);
        assert!(Inputs::new(&p, q(), fine.clone(), fine.clone()).is_ok());
        let bad = column([1.0, f32::INFINITY, 3.0]);
        let error = Inputs::new(&p, q(), fine, bad).unwrap_err();
        assert!(matches!(
            error,
            InvalidInputs::NotFinite {
                tensor: "v",
                index: [0, 0, 1, 0],
                ..
            }
        ));
    }

    #[test]
    fn reversed_reverses_tokens_and_negates_values() {
        let p = problem(DType::F32);
        let a = Inputs::generate(&p, Family::Normal, 3);
        let b = a.reversed(&p);
        let last = a.v().index([1, 1, 4, 2]);
        assert_eq!(
            b.v().data().get(b.v().index([1, 1, 0, 2])),
            -a.v().data().get(last)
        );
        assert_eq!(b.reversed(&p).digest(), a.digest());
    }
}
