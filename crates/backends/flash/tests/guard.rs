//! No variant reads or writes an element past the end of q, k, v, the output or the log-sum-exp: each lies
//! before a page that kills whoever touches it.
//!
//! The first variant is safe code on slices that are checked.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "the same memory as another type of the same size")]

use std::num::NonZeroUsize;

use attn_core::{Alignment, Backend, DType, Element, Exec, Problem, ProblemSpec, Shape};
use attn_flash::{Flash, Operands, Prepared, Results, Stored, Variant};
use attn_sys::guard::{Guarded, Plain};
use half::{bf16, f16};

/// A storage type and a plain type of the same size.
trait Bits: Stored {
    type Bits: Plain;
}

impl Bits for f64 {
    type Bits = f64;
}
impl Bits for f32 {
    type Bits = f32;
}
impl Bits for bf16 {
    type Bits = u16;
}
impl Bits for f16 {
    type Bits = u16;
}

/// The same memory as elements.
fn elements<S: Bits>(bits: &[S::Bits]) -> &[S] {
    assert_eq!((size_of::<S>(), align_of::<S>()), (size_of::<S::Bits>(), align_of::<S::Bits>()));
    // SAFETY: the same size and alignment, and every bit pattern is a value of a float.
    unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
}

/// The same memory as elements.
fn elements_mut<S: Bits>(bits: &mut [S::Bits]) -> &mut [S] {
    assert_eq!((size_of::<S>(), align_of::<S>()), (size_of::<S::Bits>(), align_of::<S::Bits>()));
    // SAFETY: the same size and alignment, and every bit pattern is a value of a float.
    unsafe { std::slice::from_raw_parts_mut(bits.as_mut_ptr().cast(), bits.len()) }
}

fn guarded<T: Plain + Default>(dims: [usize; 4]) -> Guarded<T> {
    Guarded::copy_of(&vec![T::default(); dims.iter().product()]).expect("memory can be mapped")
}

fn stays_inside<S: Bits<Bits: Default> + Element>(shape: Shape, causal: bool, threads: usize)
where
    S::Compute: Plain + Default,
{
    let causal = causal.then_some(Alignment::BottomRight);
    let spec = ProblemSpec { causal, lse: true, ..ProblemSpec::new(shape, S::DTYPE) };
    let problem = Problem::new(spec).unwrap();
    let [q, k, v] = [shape.q(), shape.k(), shape.v()].map(guarded::<S::Bits>);
    let mut o = guarded::<S::Bits>(shape.out());
    let rows = shape.batch * shape.heads_q * shape.len_q;
    let mut lse = guarded::<S::Compute>([1, 1, 1, rows]);
    let exec = Exec { threads: NonZeroUsize::new(threads).unwrap() };
    for variant in Variant::ALL.into_iter().filter(|&variant| variant != Variant::Scalar) {
        if let Err(unavailable) = Flash(variant).probe() {
            assert_ne!(variant, Variant::Tiled, "{unavailable}: tiled needs no instructions");
            continue;
        }
        let [q, k, v] = [&q, &k, &v].map(|x| elements::<S>(x));
        let operands = Operands { q, k, v, mask: None, slopes: None, sinks: None };
        let mut prepared = Prepared::<S>::new(variant, &problem, &exec, None).unwrap();
        let results = Results { o: elements_mut(&mut o), lse: &mut lse };
        prepared.run(&operands, results);
        // All scores are 0: every weight is the same, and so is the log-sum-exp of full rows.
        let last = lse.last().expect("there is a row").to_f64();
        assert!((last - (shape.len_k as f64).ln()).abs() < 1e-5, "{}: {problem}", variant.id());
    }
}

#[test]
fn every_variant_stays_inside_its_operands() {
    for (len_q, len_k) in [(1, 1), (1, 300), (3, 130), (7, 9), (17, 31), (65, 129), (130, 257)] {
        for dims in
            [1, 3, 7, 16, 17, 31, 40, 64, 72].map(|dim| (dim, dim)).into_iter().chain([(5, 33)])
        {
            for (group, threads) in [(1, 1), (3, 2)] {
                let (dim, dim_v) = dims;
                let shape = Shape {
                    batch: 1,
                    heads_q: group,
                    heads_kv: 1,
                    len_q,
                    len_k,
                    dim,
                    dim_v,
                    dim_k: None,
                };
                for causal in [false, true] {
                    stays_inside::<f64>(shape, causal, threads);
                    stays_inside::<f32>(shape, causal, threads);
                    stays_inside::<bf16>(shape, causal, threads);
                    stays_inside::<f16>(shape, causal, threads);
                }
            }
        }
    }
    assert_eq!(DType::ALL.len(), 4, "all of them are above");
}
