//! The plan: operands, results, and the computation between.

use std::hint::black_box;
use std::num::NonZeroU32;

use attn_core::{
    BackendError, Bytes, Element, Fenced, Footprint, Inputs, Mask, Output, PhaseTime, Plan,
    Problem, Tensor,
};
use attn_host::Storage;

use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::operands::{Operands, Results};
use crate::phases::Phase;

/// A prepared computation with operands and results of its own.
pub(crate) struct FlashPlan<S: Storage> {
    problem: Problem,
    engine: Box<dyn Engine<S>>,
    loaded: Option<Loaded<S>>,
    o: Buffer<S>,
    lse: Buffer<S::Compute>,
}

struct Loaded<S> {
    qkv: [Buffer<S>; 3],
    mask: Option<Mask>,
    slopes: Option<Vec<f32>>,
    sinks: Option<Vec<f32>>,
}

impl<S: Storage> Loaded<S> {
    fn operands(&self) -> Operands<'_, S> {
        let Loaded { qkv: [q, k, v], mask, slopes, sinks } = self;
        let (slopes, sinks) = (slopes.as_deref(), sinks.as_deref());
        Operands { q, k, v, mask: mask.as_ref(), slopes, sinks }
    }
}

impl<S: Storage> FlashPlan<S> {
    pub(crate) fn new(problem: &Problem, engine: Box<dyn Engine<S>>) -> Self {
        let out: usize = problem.shape().out().iter().product();
        let rows = if problem.spec().lse { out / problem.shape().dim_v } else { 0 };
        FlashPlan {
            problem: problem.clone(),
            engine,
            loaded: None,
            o: Buffer::zeros(out),
            lse: Buffer::zeros(rows),
        }
    }
}

impl<S: Storage> Plan for FlashPlan<S> {
    /// Rows that nobody reads are zeroed: a weight of 0 cannot meet a NaN.
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        // The memory of the last operands, which the system has given already.
        let last = self.loaded.take().map(|loaded| loaded.qkv.map(Some)).unwrap_or_default();
        let [q, k, v] = last;
        let mut qkv = [copy(inputs.q(), q)?, copy(inputs.k(), k)?, copy(inputs.v(), v)?];
        inputs.zero_unread(&self.problem, qkv.each_mut().map(|buffer| &mut **buffer));
        self.loaded = Some(Loaded {
            qkv,
            mask: inputs.mask().cloned(),
            slopes: inputs.slopes().map(Into::into),
            sinks: inputs.sinks().map(Into::into),
        });
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let loaded = self.loaded.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            let results = Results { o: &mut self.o, lse: &mut self.lse };
            self.engine.run(&black_box(loaded).operands(), results);
            black_box((&mut self.o, &mut self.lse));
        }
        Ok(())
    }

    fn phases(&mut self) -> Result<Vec<PhaseTime>, BackendError> {
        let loaded = self.loaded.as_ref().ok_or(BackendError::NotLoaded)?;
        let results = Results { o: &mut self.o, lse: &mut self.lse };
        let phases = self.engine.run_timed(&loaded.operands(), results);
        let time = |phase: Phase| PhaseTime {
            name: phase.name().into(),
            ns: u64::try_from(phases.of(phase).as_nanos()).unwrap_or(u64::MAX),
        };
        Ok(Phase::ALL.map(time).into())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.loaded.as_ref().ok_or(BackendError::NotLoaded)?;
        write(out.o_mut(), &self.o)?;
        match out.lse_mut() {
            None => Ok(()),
            Some(lse) => write(lse, &self.lse),
        }
    }

    fn footprint(&self) -> Footprint {
        Footprint { scratch: Some(Bytes(self.engine.bytes() as u64)) }
    }
}

/// The elements of `tensor`, in the memory of `last` if there is any: a plan's operands do not change their size.
fn copy<T: Element>(tensor: &Tensor, last: Option<Buffer<T>>) -> Result<Buffer<T>, BackendError> {
    let slice = tensor.slice::<T>().ok_or(wrong_type::<T>(tensor.dtype()))?;
    let mut copy = last.unwrap_or_else(|| Buffer::zeros(slice.len()));
    copy.copy_from_slice(slice);
    Ok(copy)
}

fn write<T: Element>(out: &mut Fenced, values: &[T]) -> Result<(), BackendError> {
    let found = out.dtype();
    let slice = out.slice_mut::<T>().ok_or(wrong_type::<T>(found))?;
    slice.copy_from_slice(values);
    Ok(())
}

const fn wrong_type<T: Element>(found: attn_core::DType) -> BackendError {
    BackendError::DType { expected: T::DTYPE, found }
}
