//! A closure over slices as a backend.

use std::hint::black_box;
use std::num::NonZeroU32;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, Element, Exec, Feature, Inputs,
    Output, Plan, Problem, Unavailable, Unsupported,
};

use crate::features::{Features, LSE};

/// A kernel that takes q, k and v as slices and writes its output to another, as [`forward_into`](crate::forward_into) checks it, for
/// programs that also measure: a backend.
///
/// It is asked problems that are stored as the closure's elements, and that need nothing but q, k and v. Operands are copied once,
/// where they are loaded; a call is the closure alone.
///
/// ```
/// use attn_check::{CAUSAL, Closure, GROUPED_HEADS, Problem};
///
/// let mine = Closure::new("mine", |p: &Problem, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]| my_sdpa(p, q, k, v, out))
///     .supports(CAUSAL | GROUPED_HEADS)
///     .version(concat!("my-crate ", env!("CARGO_PKG_VERSION")));
/// attn_check::backend(&mine).cases(20).run();
/// # fn my_sdpa(_: &Problem, _: &[f32], _: &[f32], _: &[f32], _: &mut [f32]) {}
/// ```
pub struct Closure<T, F> {
    id: &'static str,
    version: String,
    features: Features,
    arithmetic: Arithmetic,
    kernel: F,
    element: std::marker::PhantomData<fn(T)>,
}

impl<T: Element, F: Fn(&Problem, &[T], &[T], &[T], &mut [T]) + Send + Sync> Closure<T, F> {
    /// A backend of this name: lower-case letters, digits and dashes, in parts between slashes.
    pub fn new(id: &'static str, kernel: F) -> Self {
        Closure {
            id,
            version: id.into(),
            features: Features::default(),
            // Kernels of one pass are common, and its bound is hardly the wider one.
            arithmetic: Arithmetic { online: true, ..Arithmetic::PLAIN },
            kernel,
            element: std::marker::PhantomData,
        }
    }

    /// What it computes beyond plain attention. What comes with the inputs (masks, slopes, sinks, weights of the score) is out of its reach,
    /// as is the log-sum-exp.
    #[must_use]
    pub fn supports(mut self, features: Features) -> Self {
        self.features = features.without(Features::OF_INPUTS | LSE);
        self
    }

    /// The library and its version, as records and tables name them.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// How it computes, if not in one pass in the type of its operands: its results are judged by that.
    #[must_use]
    pub fn arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self
    }
}

impl<T: Element, F: Fn(&Problem, &[T], &[T], &[T], &mut [T]) + Send + Sync> Backend
    for Closure<T, F>
{
    fn id(&self) -> BackendId {
        BackendId::new(self.id)
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo { arithmetic: self.arithmetic, ..BackendInfo::on_cpu(&self.version) })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let refused = |feature, why| Err(Unsupported { feature, why });
        if problem.dtype() != T::DTYPE {
            return refused(Feature::DType(problem.dtype()), "the closure takes another type");
        }
        let missing = Features::of(problem).without(self.features);
        if missing.is_empty() {
            return Ok(());
        }
        // The type comes first, and that is not it.
        let mut of_problem =
            problem.features().into_iter().filter(|f| !matches!(f, Feature::DType(_)));
        let feature = of_problem.next_back().unwrap_or(Feature::Size);
        refused(feature, "not among the features that it was said to support")
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let out = vec![T::from_f64(0.0); problem.shape().out().iter().product()];
        Ok(Box::new(ClosurePlan { problem: problem.clone(), kernel: &self.kernel, qkv: None, out }))
    }
}

/// Operands and result.
struct ClosurePlan<'b, T, F> {
    problem: Problem,
    kernel: &'b F,
    qkv: Option<[Vec<T>; 3]>,
    out: Vec<T>,
}

impl<T: Element, F: Fn(&Problem, &[T], &[T], &[T], &mut [T])> Plan for ClosurePlan<'_, T, F> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        let qkv = self.qkv.get_or_insert_with(|| [(); 3].map(|()| Vec::new()));
        for (held, tensor) in qkv.iter_mut().zip([inputs.q(), inputs.k(), inputs.v()]) {
            let found = tensor.dtype();
            let elements =
                tensor.slice().ok_or(BackendError::DType { expected: T::DTYPE, found })?;
            held.clear();
            held.extend_from_slice(elements);
        }
        inputs.zero_unread(&self.problem, qkv.each_mut().map(Vec::as_mut_slice));
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let [q, k, v] = self.qkv.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            (self.kernel)(&self.problem, black_box(q), k, v, black_box(&mut self.out));
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.qkv.as_ref().ok_or(BackendError::NotLoaded)?;
        let stored = out.o_mut().slice_mut::<T>().expect("`supports` takes problems of T alone");
        stored.copy_from_slice(&self.out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use attn_core::DType;

    use super::*;
    use crate::{CAUSAL, GROUPED_HEADS, SINKS};

    /// Attention by plain loops, for any admitted keys.
    fn plain(p: &Problem, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let s = p.shape();
        for (row, (q, out)) in q.chunks(s.dim).zip(out.chunks_mut(s.dim_v)).enumerate() {
            let (batch, head, i) =
                (row / s.len_q / s.heads_q, row / s.len_q % s.heads_q, row % s.len_q);
            let first = (batch * s.heads_kv + s.kv_head(head)) * s.len_k;
            let score = |j: usize| {
                let k = &k[(first + j) * s.dim..][..s.dim];
                q.iter().zip(k).map(|(q, k)| q * k).sum::<f32>() * p.scale() as f32
            };
            let scores: Vec<f32> = p.admitted(batch, i).map(score).collect();
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|s| (s - most).exp()).sum();
            out.fill(0.0);
            for (j, score) in p.admitted(batch, i).zip(&scores) {
                let weight = (score - most).exp() / sum;
                let v = &v[(first + j) * s.dim_v..][..s.dim_v];
                out.iter_mut().zip(v).for_each(|(out, v)| *out += weight * v);
            }
        }
    }

    #[test]
    fn a_closure_is_a_backend_that_computes_what_it_says_and_refuses_the_rest() {
        let mine = Closure::new("mine", plain).supports(CAUSAL | GROUPED_HEADS | SINKS);
        let report = crate::backend(&mine).cases(300).run();
        assert!(report.is_right() && report.skipped() > 0, "{report}");
        let of =
            |text: &str| Backend::supports(&mine, &Problem::new(text.parse().unwrap()).unwrap());
        of("B2 H4/2 N8 D4 f32 causal:top-left").unwrap();
        assert_eq!(of("H1 N8 D4 bf16").unwrap_err().feature, Feature::DType(DType::BF16));
        let error = of("H1 N8 D4 f32 softcap=20").unwrap_err().to_string();
        assert!(error.starts_with("softcap"), "{error}");
    }
}
