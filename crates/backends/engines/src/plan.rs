//! One problem in an engine's process.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use attn_core::{
    Asked, BackendError, DType, Element, Fenced, Inputs, Output, Plan, Problem, lse_dtype,
    with_type,
};
use bytemuck::{Pod, cast_slice, cast_slice_mut};

use crate::backend::EngineBackend;
use crate::bias::{self, BiasForm};
use crate::process::{Fault, Process};
use crate::protocol::{Ask, Place, Prepare};

/// Where files are kept in memory on Linux.
const SHARED_MEMORY: &str = "/dev/shm";
/// Tensors begin at multiples of so many bytes.
const ALIGNED: u64 = 64;

/// A problem that an engine has prepared.
pub(crate) struct EnginePlan<'b> {
    backend: &'b EngineBackend,
    problem: Problem,
    /// Always there until the plan is dropped: then the next one may have it.
    process: Option<Process>,
    file: File,
    places: BTreeMap<String, Place>,
    bias: Option<BiasForm>,
    loaded: bool,
}

impl Drop for EnginePlan<'_> {
    fn drop(&mut self) {
        self.backend.give_back(self.process.take());
    }
}

impl<'b> EnginePlan<'b> {
    pub(crate) fn new(
        backend: &'b EngineBackend,
        problem: &Problem,
        mut process: Process,
    ) -> Result<Self, BackendError> {
        let failed = |error: &dyn std::fmt::Display| backend.error(error);
        let form = bias::form(problem, backend.variant());
        let places = places(problem, form.bias);
        let end = places.values().map(|place| place.at + bytes(place)).max().unwrap_or(0);
        let folder = Path::new(SHARED_MEMORY);
        let named = if folder.is_dir() {
            tempfile::NamedTempFile::with_prefix_in("attn-engine-", folder)
        } else {
            tempfile::NamedTempFile::with_prefix("attn-engine-")
        };
        let named = named.map_err(|error| failed(&error))?;
        named.as_file().set_len(end).map_err(|error| failed(&error))?;
        let ask = prepare(backend, problem, process.threads, form.causal, &places, named.path());
        process.tell(&Ask::Prepare(Box::new(ask))).map_err(|fault| backend.error(&fault))?;
        process.time_requests().map_err(|fault| backend.error(&fault))?;
        attn_sys::usage::count_as_own(process.id());
        // Both ends have it open: no crash leaves anything.
        let file = named.into_file();
        let (problem, process) = (problem.clone(), Some(process));
        Ok(EnginePlan { backend, problem, process, file, places, bias: form.bias, loaded: false })
    }

    fn ask<R>(
        &mut self,
        what: impl FnOnce(&mut Process) -> Result<R, Fault>,
    ) -> Result<R, BackendError> {
        let process = self.process.as_mut().expect("there until it is dropped");
        what(process).map_err(|fault| self.backend.error(&fault))
    }

    fn write(&self, tensor: &str, bytes: &[u8]) -> Result<(), BackendError> {
        let at = self.places[tensor].at;
        self.file.write_all_at(bytes, at).map_err(|error| self.backend.error(&error))
    }

    fn write_operands<T: Element + Pod>(&self, inputs: &Inputs) -> Result<(), BackendError> {
        let zeroed = inputs.zeroed::<T>(&self.problem);
        let found = inputs.q().dtype();
        let zeroed = zeroed.ok_or(BackendError::DType { expected: T::DTYPE, found })?;
        for (name, elements) in ["q", "k", "v"].into_iter().zip(&zeroed) {
            self.write(name, cast_slice(elements))?;
        }
        Ok(())
    }

    fn write_bias(&self, inputs: &Inputs) -> Result<(), BackendError> {
        let Some(bias) = self.bias else { return Ok(()) };
        let elements = bias.elements(&self.problem, inputs);
        let bytes = if bias.boolean {
            elements.into_iter().map(|bias| u8::from(bias == 0.0)).collect()
        } else {
            attn_core::Data::from_f64(lse_dtype(self.problem.dtype()), elements.into_iter())
                .to_le_bytes()
        };
        self.write("bias", &bytes)
    }

    fn read(&self, tensor: &str, out: &mut Fenced) -> Result<(), BackendError> {
        let at = self.places[tensor].at;
        with_type!(out.dtype(), T => {
            let elements = out.slice_mut::<T>().expect("its own type");
            let read = self.file.read_exact_at(cast_slice_mut(elements), at);
            read.map_err(|error| self.backend.error(&error))
        })
    }
}

impl Plan for EnginePlan<'_> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        with_type!(self.problem.dtype(), T => self.write_operands::<T>(inputs))?;
        self.write_bias(inputs)?;
        if let Some(sinks) = inputs.sinks() {
            self.write("sinks", cast_slice(sinks))?;
        }
        self.ask(|process| process.tell(&Ask::Load))?;
        self.loaded = true;
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        if !self.loaded {
            return Err(BackendError::NotLoaded);
        }
        self.ask(|process| process.run(reps.get()))
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        if !self.loaded {
            return Err(BackendError::NotLoaded);
        }
        self.ask(|process| process.tell(&Ask::Store))?;
        self.read("o", out.o_mut())?;
        out.lse_mut().map_or(Ok(()), |lse| self.read("lse", lse))
    }

    fn asked(&self) -> Option<Asked> {
        self.process.as_ref().map(|process| process.asked)
    }
}

/// Bytes of a tensor.
fn bytes(place: &Place) -> u64 {
    let size = place.dtype.parse::<DType>().map_or(1, DType::size);
    (place.dims.iter().product::<usize>() * size) as u64
}

/// Where the tensors of a problem are in its file.
fn places(problem: &Problem, bias: Option<BiasForm>) -> BTreeMap<String, Place> {
    let (shape, dtype, spec) = (problem.shape(), problem.dtype().name(), problem.spec());
    let sums = lse_dtype(problem.dtype()).name();
    let [batch, heads, len, _] = shape.out();
    let bias =
        bias.map(|bias| ("bias", if bias.boolean { "bool" } else { sums }, bias.dims.to_vec()));
    let sinks = spec.sinks.then(|| ("sinks", "f32", vec![shape.heads_q]));
    let lse = spec.lse.then(|| ("lse", sums, vec![batch, heads, len]));
    let operands = [("q", shape.q()), ("k", shape.k()), ("v", shape.v()), ("o", shape.out())];
    let operands = operands.into_iter().map(|(name, dims)| (name, dtype, dims.to_vec()));
    let mut at = 0;
    let mut places = BTreeMap::new();
    for (name, dtype, dims) in operands.chain(bias).chain(sinks).chain(lse) {
        let place = Place { at, dtype: dtype.into(), dims };
        at = (at + bytes(&place)).next_multiple_of(ALIGNED);
        places.insert(name.to_string(), place);
    }
    places
}

fn prepare(
    backend: &EngineBackend,
    problem: &Problem,
    threads: usize,
    causal: Option<&str>,
    places: &BTreeMap<String, Place>,
    file: &Path,
) -> Prepare {
    let shape = problem.shape();
    Prepare {
        backend: backend.variant().id.clone(),
        threads,
        file: file.into(),
        dtype: problem.dtype().name().into(),
        batch: shape.batch,
        heads_q: shape.heads_q,
        heads_kv: shape.heads_kv,
        len_q: shape.len_q,
        len_k: shape.len_k,
        dim: shape.dim,
        dim_v: shape.dim_v,
        scale: problem.scale(),
        causal: causal.map(String::from),
        softcap: problem.softcap(),
        tensors: places.clone(),
    }
}
