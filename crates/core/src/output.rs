//! The buffers a backend writes its results to: poisoned and fenced.

use half::{bf16, f16};

use crate::dtype::each;
use crate::{DType, Data, Element, Problem, Tensor};

/// Elements before and after the payload that nobody may write.
const FENCE: usize = 64;

/// The outputs of one problem: `o` `[B, Hq, Nq, Dv]` in its storage type and, where it is asked for,
/// `lse` `[B, Hq, Nq, 1]` in f32 (f64 for f64).
#[derive(Clone, Debug)]
pub struct Output {
    o: Fenced,
    lse: Option<Fenced>,
}

impl Output {
    /// Poisoned buffers for `problem`.
    pub fn poisoned(problem: &Problem) -> Self {
        let [batch, heads, len, _] = problem.shape().out();
        let dtype = lse_dtype(problem.dtype());
        let lse = problem.spec().lse.then(|| Fenced::poisoned(dtype, [batch, heads, len, 1]));
        Output { o: Fenced::poisoned(problem.dtype(), problem.shape().out()), lse }
    }

    /// Poisons and fences the same buffers again.
    pub fn poison_again(&mut self) {
        for part in std::iter::once(&mut self.o).chain(&mut self.lse) {
            each!(&mut part.storage, elements => mark(elements));
        }
    }

    /// Takes over what `other`, of the same problem, holds, fences and poison included, without an allocation.
    pub fn copy_from(&mut self, other: &Output) {
        let others = std::iter::once(&other.o).chain(&other.lse);
        for (part, other) in std::iter::once(&mut self.o).chain(&mut self.lse).zip(others) {
            part.storage.copy_from(&other.storage);
        }
    }

    /// The same results as a problem stored as `storage` has them, each element rounded; what was not written, and what was written
    /// outside, still shows.
    #[must_use]
    pub fn stored_as(&self, storage: DType) -> Self {
        Output {
            o: self.o.stored_as(storage),
            lse: self.lse.as_ref().map(|lse| lse.stored_as(lse_dtype(storage))),
        }
    }

    /// Elements of the result, the log-sum-exp not counted.
    pub fn elements(&self) -> usize {
        self.o.dims.iter().product()
    }

    /// Bytes of the result and of the log-sum-exp.
    pub fn bytes(&self) -> usize {
        let parts = std::iter::once(&self.o).chain(&self.lse);
        parts.map(|part| part.dims.iter().product::<usize>() * part.dtype().size()).sum()
    }

    /// Everything that [`Output::from_le_bytes`] makes the same buffers of, fences and poison included.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        let mut bytes = self.o.storage.to_le_bytes();
        bytes.extend(self.lse.iter().flat_map(|lse| lse.storage.to_le_bytes()));
        bytes
    }

    /// How many bytes [`Output::to_le_bytes`] makes of an output of `problem`.
    pub fn stored_bytes(problem: &Problem) -> u64 {
        let [batch, heads, len, width] = problem.shape().out();
        let stored = |dtype: DType, elements: usize| (elements + 2 * FENCE) * dtype.size();
        let o = stored(problem.dtype(), batch * heads * len * width);
        let lse = stored(lse_dtype(problem.dtype()), batch * heads * len);
        (o + if problem.spec().lse { lse } else { 0 }) as u64
    }

    /// The buffers of `problem` that these bytes were; `None` if they are more or fewer.
    pub fn from_le_bytes(problem: &Problem, bytes: &[u8]) -> Option<Self> {
        let mut out = Output::poisoned(problem);
        let mut rest = bytes;
        for part in std::iter::once(&mut out.o).chain(&mut out.lse) {
            let dtype = part.dtype();
            let (own, later) = rest.split_at_checked(part.storage.len() * dtype.size())?;
            part.storage = Data::from_le_bytes(dtype, own)?;
            rest = later;
        }
        rest.is_empty().then_some(out)
    }

    /// The result.
    pub const fn o(&self) -> &Fenced {
        &self.o
    }

    /// The result, to be written.
    pub const fn o_mut(&mut self) -> &mut Fenced {
        &mut self.o
    }

    /// The log-sum-exp, if the problem asks for it.
    pub const fn lse(&self) -> Option<&Fenced> {
        self.lse.as_ref()
    }

    /// The log-sum-exp, to be written, if the problem asks for it.
    pub const fn lse_mut(&mut self) -> Option<&mut Fenced> {
        self.lse.as_mut()
    }
}

/// The type of the log-sum-exp of a problem stored as `storage`.
pub const fn lse_dtype(storage: DType) -> DType {
    match storage {
        DType::F64 => DType::F64,
        DType::F32 | DType::BF16 | DType::F16 => DType::F32,
    }
}

/// A tensor whose elements start as a NaN that no arithmetic produces, between two fences of another
/// such NaN. What a backend did not write, or wrote outside, shows.
#[derive(Clone, Debug)]
pub struct Fenced {
    dims: [usize; 4],
    storage: Data,
}

impl Fenced {
    fn poisoned(dtype: DType, dims: [usize; 4]) -> Self {
        let len = dims.iter().product();
        let storage = match dtype {
            DType::F64 => Data::F64(fenced(len)),
            DType::F32 => Data::F32(fenced(len)),
            DType::BF16 => Data::BF16(fenced(len)),
            DType::F16 => Data::F16(fenced(len)),
        };
        Fenced { dims, storage }
    }

    /// Sizes of the four axes.
    pub const fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The storage type.
    pub const fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// The elements to be written, if they are stored as `T`.
    pub fn slice_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        let storage = T::slice_mut(&mut self.storage)?;
        let payload = FENCE..storage.len() - FENCE;
        Some(&mut storage[payload])
    }

    /// The whole allocation, fences included: for tests that break out of it.
    pub const fn storage_mut(&mut self) -> &mut Data {
        &mut self.storage
    }

    /// Writes element `i` of the payload, rounded.
    pub fn set(&mut self, i: usize, x: f64) {
        self.storage.set(FENCE + i, x);
    }

    fn stored_as(&self, dtype: DType) -> Self {
        if dtype == self.dtype() {
            return self.clone();
        }
        let mut stored = Fenced::poisoned(dtype, self.dims);
        for at in 0..self.storage.len() {
            let (unwritten, fence) = marks(&self.storage, at);
            if !unwritten && !fence {
                stored.storage.set(at, self.storage.get(at));
            }
        }
        stored
    }

    /// Poisons element `i` of the payload again.
    pub fn poison(&mut self, i: usize) {
        each!(&mut self.storage, elements => elements[FENCE + i] = Marked::POISON);
    }

    /// Negates the chosen columns of every head; `chosen` has one flag for each.
    pub(crate) fn negate_columns(&mut self, chosen: &[Vec<bool>]) {
        let (payload, rows) = (FENCE..self.storage.len() - FENCE, self.dims[2]);
        self.storage.negate_columns(payload, rows, chosen);
    }

    /// Whether both fences are as they were made.
    pub fn fences_intact(&self) -> bool {
        let end = self.storage.len() - FENCE;
        (0..FENCE).chain(end..end + FENCE).all(|at| marks(&self.storage, at).1)
    }

    /// Whether element `i` of the payload still holds the poison.
    pub fn is_unwritten(&self, i: usize) -> bool {
        marks(&self.storage, FENCE + i).0
    }

    /// The payload.
    pub fn tensor(&self) -> Tensor {
        let data = self.storage.part(FENCE..self.storage.len() - FENCE);
        Tensor::new(self.dims, data).expect("the payload was made for these dimensions")
    }
}

/// Two NaN of every type that arithmetic does not produce.
trait Marked: Copy {
    const POISON: Self;
    const FENCE: Self;
}

impl Marked for f64 {
    const POISON: f64 = f64::from_bits(0x7ff8_0000_dead_dead);
    const FENCE: f64 = f64::from_bits(0x7ff4_a5a5_a5a5_a5a5);
}

impl Marked for f32 {
    const POISON: f32 = f32::from_bits(0x7fc0_dead);
    const FENCE: f32 = f32::from_bits(0x7fa5_a5a5);
}

impl Marked for bf16 {
    const POISON: bf16 = bf16::from_bits(0x7fda);
    const FENCE: bf16 = bf16::from_bits(0x7fa5);
}

impl Marked for f16 {
    const POISON: f16 = f16::from_bits(0x7eda);
    const FENCE: f16 = f16::from_bits(0x7da5);
}

fn fenced<T: Marked>(len: usize) -> Vec<T> {
    let mut storage = vec![T::FENCE; len + 2 * FENCE];
    mark(&mut storage);
    storage
}

/// Poison between two fences.
fn mark<T: Marked>(storage: &mut [T]) {
    let end = storage.len() - FENCE;
    storage[..FENCE].fill(T::FENCE);
    storage[FENCE..end].fill(T::POISON);
    storage[end..].fill(T::FENCE);
}

/// Whether element `at` is, bit by bit, the poison and the fence.
fn marks(storage: &Data, at: usize) -> (bool, bool) {
    macro_rules! marks {
        ($x:expr, $float:ty) => {{
            let bits = $x[at].to_bits();
            (bits == <$float>::POISON.to_bits(), bits == <$float>::FENCE.to_bits())
        }};
    }
    match storage {
        Data::F64(x) => marks!(x, f64),
        Data::F32(x) => marks!(x, f32),
        Data::BF16(x) => marks!(x, bf16),
        Data::F16(x) => marks!(x, f16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProblemSpec, Shape};

    #[test]
    fn bytes_are_the_same_buffers_again() {
        for dtype in DType::ALL {
            let spec = ProblemSpec { lse: true, ..ProblemSpec::new(Shape::square(1, 3, 2), dtype) };
            let problem = Problem::new(spec).unwrap();
            let mut out = Output::poisoned(&problem);
            out.o.storage.set(FENCE + 1, 0.5);
            let bytes = out.to_le_bytes();
            let same = Output::from_le_bytes(&problem, &bytes).unwrap();
            assert_eq!(same.to_le_bytes(), bytes);
            assert!(same.o.fences_intact() && same.o.is_unwritten(0) && !same.o.is_unwritten(1));
            assert!(same.lse.unwrap().is_unwritten(2));
            out.o.poison(1);
            assert!(out.o.is_unwritten(1));
            out.o.storage.set(0, 0.5);
            out.o.storage.set(FENCE + 2, 0.5);
            assert!(!out.o.fences_intact());
            let mut copy = Output::poisoned(&problem);
            copy.copy_from(&out);
            assert_eq!(copy.to_le_bytes(), out.to_le_bytes());
            out.poison_again();
            assert_eq!(out.to_le_bytes(), Output::poisoned(&problem).to_le_bytes());
            for wrong in [&bytes[1..], &[&bytes[..], &[0]].concat()] {
                assert!(Output::from_le_bytes(&problem, wrong).is_none());
            }
        }
    }

    #[test]
    fn another_type_keeps_values_poison_and_broken_fences() {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 2, 2), DType::F32)).unwrap();
        let mut out = Output::poisoned(&problem);
        out.o.set(1, 1.0 + 1.0 / 512.0);
        for dtype in DType::ALL {
            let stored = out.stored_as(dtype);
            assert_eq!(stored.o.tensor().data().get(1), dtype.round(1.0 + 1.0 / 512.0));
            assert!(stored.o.is_unwritten(0) && !stored.o.is_unwritten(1), "{dtype}");
            assert!(stored.o.fences_intact(), "{dtype}");
        }
        out.o.storage.set(FENCE - 1, 0.0);
        assert!(DType::ALL.iter().all(|&dtype| !out.stored_as(dtype).o.fences_intact()));
    }

    #[test]
    fn starts_unwritten_and_intact_and_shows_every_write() {
        for dtype in DType::ALL {
            let spec = ProblemSpec { lse: true, ..ProblemSpec::new(Shape::square(1, 3, 2), dtype) };
            let out = Output::poisoned(&Problem::new(spec).unwrap());
            assert_eq!(out.lse().unwrap().dims(), [1, 1, 3, 1]);
            let out = out.o().clone();
            assert!(out.fences_intact());
            assert!((0..6).all(|i| out.is_unwritten(i) && out.tensor().data().get(i).is_nan()));
            let write = |out: &Fenced, at: usize, x: f64| {
                let mut out = out.clone();
                match out.storage_mut() {
                    Data::F64(s) => s[at] = x,
                    Data::F32(s) => s[at] = x as f32,
                    Data::BF16(s) => s[at] = bf16::from_f64(x),
                    Data::F16(s) => s[at] = f16::from_f64(x),
                }
                out
            };
            let nan = write(&out, FENCE + 2, f64::NAN);
            assert!(!nan.is_unwritten(2), "a computed NaN is not the poison");
            for at in [FENCE - 1, FENCE + 6] {
                assert!(!write(&out, at, 0.0).fences_intact());
            }
        }
    }
}
