//! Errors that are planted in an honest result.

use std::ops::Range;

use attn_core::{DType, Data, Tensor};
use serde::Serialize;

use super::trial::Trial;
use crate::attn_case::Claim;

/// Which elements are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// All.
    Everywhere,
    /// Those of one head.
    Head,
    /// Those of one row.
    Row,
    /// One.
    Element,
}

impl Place {
    /// Every place, in the order in which tables list them.
    pub const ALL: [Place; 4] = [Place::Everywhere, Place::Head, Place::Row, Place::Element];

    /// As the head of a column.
    pub const fn name(self) -> &'static str {
        match self {
            Place::Everywhere => "all elements",
            Place::Head => "one head",
            Place::Row => "one row",
            Place::Element => "one element",
        }
    }

    /// The elements of a tensor that are wrong with element `at`.
    fn elements(self, [batch, heads, len, width]: [usize; 4], at: usize) -> Range<usize> {
        let size = match self {
            Place::Everywhere => batch * heads * len * width,
            Place::Head => len * width,
            Place::Row => width,
            Place::Element => 1,
        };
        at / size * size..(at / size + 1) * size
    }
}

/// The smallest planted errors that are refused, of one type and length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planted {
    /// The storage type.
    pub dtype: DType,
    /// Keys.
    pub n: usize,
    /// The smallest relative error from which on every error is refused, in the order of [`Place::ALL`]; `None` if even
    /// the largest that was tried, 16, is accepted.
    pub smallest: [Option<f64>; 4],
}

/// Exponents of `sqrt(2)` that are tried, from the largest.
const LARGEST: i32 = 8;
const SMALLEST: i32 = -120;

impl Trial<'_> {
    /// Plants errors in the honest result.
    pub(super) fn plant(&self) -> Planted {
        let smallest = Place::ALL.map(|place| self.smallest(place));
        let problem = self.problem();
        Planted { dtype: problem.dtype(), n: problem.shape().len_k, smallest }
    }

    /// Not by bisection, which would take for granted that a larger error is never accepted.
    fn smallest(&self, place: Place) -> Option<f64> {
        let honest = self.control().out.as_ref()?;
        let (dims, values) = (honest.dims(), honest.data().to_f64());
        let elements = place.elements(dims, median(&values));
        let refused = |e: &f64| {
            let mut wrong = values.clone();
            wrong[elements.clone()].iter_mut().for_each(|x| *x *= 1.0 + e);
            let data = Data::from_f64(honest.dtype(), wrong.into_iter());
            let out = Tensor::new(dims, data).expect("as many elements as before");
            self.finding(&Claim { out: Some(out), ..self.control().clone() }).is_some()
        };
        let errors = (SMALLEST..=LARGEST).rev().map(|k| 2f64.powf(f64::from(k) / 2.0));
        errors.take_while(refused).last()
    }
}

/// The element of median size.
fn median(values: &[f64]) -> usize {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs()));
    order[order.len() / 2]
}
