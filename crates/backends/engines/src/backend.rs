//! An engine as a backend.

use std::sync::{Arc, Mutex};

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Feature, Plan, Problem, ThreadPolicy,
    Unavailable, Unsupported,
};

use crate::bias;
use crate::definition::{Bias, Variant};
use crate::install::Engine;
use crate::plan::EnginePlan;
use crate::process::Process;

/// One way in which an engine computes attention.
pub struct EngineBackend {
    engine: Arc<Engine>,
    variant: &'static Variant,
    /// Processes that no plan has at the moment.
    idle: Mutex<Vec<Process>>,
}

impl EngineBackend {
    /// The backend at position `variant` of an engine.
    pub fn new(engine: Arc<Engine>, variant: usize) -> Self {
        let variant = &engine.definition().backends[variant];
        EngineBackend { engine, variant, idle: Mutex::new(Vec::new()) }
    }

    /// What its engine says of it.
    pub fn variant(&self) -> &'static Variant {
        self.variant
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn error(&self, error: &dyn std::fmt::Display) -> BackendError {
        BackendError::Library { library: &self.variant.id, message: error.to_string() }
    }

    /// A process is of use to the next plan if it still runs.
    pub(crate) fn give_back(&self, process: Option<Process>) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        idle.extend(process);
    }

    fn process(&self, threads: usize) -> Result<Process, BackendError> {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        idle.retain_mut(Process::lives);
        let fits = idle.iter().position(|process| process.threads == threads);
        if let Some(at) = fits {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        self.engine.start(threads).map_err(|fault| {
            let name = &self.engine.definition().name;
            self.error(&format!("{fault}; see `attn engine doctor {name}`"))
        })
    }

    fn reason(&self, feature: Feature) -> Option<&'static str> {
        self.variant.refuses.get(&key(feature)).map(String::as_str)
    }
}

/// The name in `engine.toml` of ALiBi where q, k and v have a half type.
const ALIBI_HALF: &str = "alibi-half";

/// The name of a feature in `engine.toml`.
fn key(feature: Feature) -> String {
    let name = feature.to_string();
    name.split(" != ").next().unwrap_or_default().replace([' ', '_'], "-")
}

impl Backend for EngineBackend {
    fn id(&self) -> BackendId {
        BackendId::new(&self.variant.id)
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        let installed = self.engine.installed()?;
        Ok(BackendInfo {
            isa: installed.isa,
            threads: ThreadPolicy::PerProcess,
            arithmetic: self.variant.arithmetic,
            ..BackendInfo::on_cpu(installed.library)
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        problem.needs_only(Feature::is_basic)?;
        let variant = self.variant;
        let no = |feature, why| Err(Unsupported { feature, why });
        for feature in problem.features() {
            match feature {
                Feature::DType(dtype) if !variant.dtypes.contains(&dtype) => {
                    let why = self.reason(feature);
                    return no(feature, why.unwrap_or("the engine does not compute in this type"));
                }
                Feature::Score(_) | Feature::KeyDim => {
                    return no(feature, "the engine computes the scaled dot product alone");
                }
                feature => {
                    let in_half = feature == Feature::Alibi && problem.dtype().size() == 2;
                    let half = in_half.then(|| variant.refuses.get(ALIBI_HALF)).flatten();
                    if let Some(why) = self.reason(feature).or(half.map(String::as_str)) {
                        return no(feature, why);
                    }
                }
            }
        }
        let form = bias::form(problem, variant);
        if form.bias.is_some() && variant.bias == Bias::None {
            let masks = [
                Feature::Window,
                Feature::BoolMask,
                Feature::AdditiveMask,
                Feature::KvLen,
                Feature::Alibi,
                Feature::Causal,
            ];
            let features = problem.features();
            let feature = masks.into_iter().find(|mask| features.contains(mask));
            return no(feature.unwrap_or(Feature::Causal), "the engine takes no mask for it");
        }
        Ok(())
    }

    fn asks_a_process(&self) -> bool {
        true
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let process = self.process(exec.threads.get())?;
        Ok(Box::new(EnginePlan::new(self, problem, process)?))
    }
}
