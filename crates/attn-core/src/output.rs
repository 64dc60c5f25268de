//! The buffer a backend writes its result to: poisoned and fenced.

use crate::{DType, Data, Element, Problem, Tensor};

/// Elements before and after the payload that nobody may write.
const FENCE: usize = 64;
const FENCE_F32: u32 = 0x7fa5_a5a5;
const FENCE_F64: u64 = 0x7ff4_a5a5_a5a5_a5a5;
const POISON_F32: u32 = 0x7fc0_dead;
const POISON_F64: u64 = 0x7ff8_0000_dead_dead;

/// An output tensor `[B, Hq, Nq, Dv]` whose elements start as a NaN that no arithmetic produces,
/// between two fences of another such NaN. What a backend did not write, or wrote outside, shows.
#[derive(Clone, Debug)]
pub struct Output {
    dims: [usize; 4],
    storage: Data,
}

impl Output {
    /// A poisoned output for `problem`.
    pub fn poisoned(problem: &Problem) -> Self {
        let dims = problem.shape().out();
        let len = dims.iter().product::<usize>();
        let storage = match problem.dtype() {
            DType::F32 => Data::F32(fenced(
                len,
                f32::from_bits(POISON_F32),
                f32::from_bits(FENCE_F32),
            )),
            DType::F64 => Data::F64(fenced(
                len,
                f64::from_bits(POISON_F64),
                f64::from_bits(FENCE_F64),
            )),
        };
        Output { dims, storage }
    }

    /// Sizes of the four axes.
    pub const fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The storage type.
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// The elements to be written, if they are stored as `T`.
    pub fn slice_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        let storage = T::slice_mut(&mut self.storage)?;
        let payload = FENCE..storage.len() - FENCE;
        Some(&mut storage[payload])
    }

    /// The whole allocation, fences included: for tests that break out of it.
    pub fn storage_mut(&mut self) -> &mut Data {
        &mut self.storage
    }

    /// Whether both fences are as they were made.
    pub fn fences_intact(&self) -> bool {
        let end = self.storage.len() - FENCE;
        (0..FENCE)
            .chain(end..end + FENCE)
            .all(|at| match &self.storage {
                Data::F32(x) => x[at].to_bits() == FENCE_F32,
                Data::F64(x) => x[at].to_bits() == FENCE_F64,
            })
    }

    /// Whether element `i` of the payload still holds the poison.
    pub fn is_unwritten(&self, i: usize) -> bool {
        match &self.storage {
            Data::F32(x) => x[FENCE + i].to_bits() == POISON_F32,
            Data::F64(x) => x[FENCE + i].to_bits() == POISON_F64,
        }
    }

    /// The payload.
    pub fn tensor(&self) -> Tensor {
        let data = match &self.storage {
            Data::F32(x) => Data::F32(x[FENCE..x.len() - FENCE].to_vec()),
            Data::F64(x) => Data::F64(x[FENCE..x.len() - FENCE].to_vec()),
        };
        Tensor::new(self.dims, data).expect("the payload was made for these dimensions")
    }
}

fn fenced<T: Copy>(len: usize, poison: T, fence: T) -> Vec<T> {
    let mut storage = vec![fence; len + 2 * FENCE];
    storage[FENCE..FENCE + len].fill(poison);
    storage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProblemSpec, Shape};

    #[test]
    fn starts_unwritten_and_intact_and_shows_every_write() {
        for dtype in DType::ALL {
            let problem = Problem::new(ProblemSpec::new(Shape::square(1, 3, 2), dtype)).unwrap();
            let mut out = Output::poisoned(&problem);
            assert!(out.fences_intact());
            assert!((0..6).all(|i| out.is_unwritten(i)));
            let write = |data: &mut Data, at: usize, x: f64| match data {
                Data::F32(s) => s[at] = x as f32,
                Data::F64(s) => s[at] = x,
            };
            write(out.storage_mut(), FENCE + 2, f64::NAN);
            assert!(!out.is_unwritten(2), "a computed NaN is not the poison");
            for at in [FENCE - 1, FENCE + 6] {
                let mut broken = out.clone();
                write(broken.storage_mut(), at, 0.0);
                assert!(!broken.fences_intact());
            }
        }
    }
}
