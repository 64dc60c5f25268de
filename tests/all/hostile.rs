//! Backends that fail in the ways that have fooled other harnesses, through the worker's own code.

use std::num::NonZeroU32;
use std::path::Path;

use attn_bench::attn_case::AttnCase;
use attn_bench::cell::sampling::Timing;
use attn_bench::expected::Expected;
use attn_bench::worker::{Exercise, Reply, Request, Timed, serve};
use attn_cli::registry::NAIVE;
use attn_core::{
    Backend, BackendError, BackendId, DType, Exec, Family, Finding, Inputs, Output, Plan, Problem,
    ProblemSpec, Receipt, Shape, Unavailable, Unsupported,
};
use attn_record::{Model, Outcome};

/// Naive attention with one fault.
#[derive(Clone, Copy)]
enum Fault {
    /// The last element is NaN.
    Nan,
    /// All zeros.
    Zeros,
    /// The first result, whatever is loaded later.
    Stale,
    /// The last query row is not written.
    TooFewRows,
    /// Nothing is written at all.
    NoOp,
    /// The whole result is one part in a thousand too large.
    Scaled,
    /// None: the control.
    Honest,
}

struct Faulty(Fault);

impl Backend for Faulty {
    fn id(&self) -> BackendId {
        BackendId::new("faulty")
    }

    fn probe(&self) -> Result<Receipt, Unavailable> {
        NAIVE.probe()
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        NAIVE.supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let plan = NAIVE.prepare(problem, exec)?;
        Ok(Box::new(FaultyPlan { fault: self.0, plan, width: problem.shape().dim_v, first: None }))
    }
}

struct FaultyPlan<'b> {
    fault: Fault,
    plan: Box<dyn Plan + 'b>,
    width: usize,
    first: Option<Vec<f32>>,
}

impl Plan for FaultyPlan<'_> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        self.plan.load(inputs)
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self.plan.run(reps)
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        let before: Vec<f32> = out.o_mut().slice_mut::<f32>().unwrap().to_vec();
        self.plan.store(out)?;
        let o = out.o_mut().slice_mut::<f32>().unwrap();
        let len = o.len();
        match self.fault {
            Fault::Nan => o[len - 1] = f32::NAN,
            Fault::Zeros => o.fill(0.0),
            Fault::Stale => o.copy_from_slice(self.first.get_or_insert_with(|| o.to_vec())),
            Fault::TooFewRows => {
                o[len - self.width..].copy_from_slice(&before[len - self.width..]);
            }
            Fault::NoOp => o.copy_from_slice(&before),
            Fault::Scaled => o.iter_mut().for_each(|x| *x *= 1.001),
            Fault::Honest => {}
        }
        Ok(())
    }
}

fn exercise(folder: &Path, problem: &Problem, seed: u64) -> Exercise {
    let inputs = Inputs::generate(problem, Family::Normal, seed);
    let path = |what: &str| folder.join(format!("{seed}.{what}"));
    let exercise = Exercise { case: path("case"), expected: path("expected") };
    Expected::compute(problem, &inputs, &NAIVE).unwrap().save(&exercise.expected).unwrap();
    let file =
        AttnCase { problem: problem.clone(), inputs, claim: None, tokens: None, source: None };
    std::fs::write(&exercise.case, file.to_bytes()).unwrap();
    exercise
}

/// What a worker that holds only the faulty backend replies to a request to check and measure it.
fn reply(fault: Fault) -> Reply {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { batch: 2, ..Shape::square(2, 9, 8) };
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
    let timing = Timing { warmup_ms: 1, sampling_ms: 1, min_samples: 2, min_sample_us: 10 };
    let request = Request {
        backend: "faulty".into(),
        threads: 1,
        cpu: None,
        memory_limit: None,
        a: Some(exercise(folder.path(), &problem, 1)),
        b: exercise(folder.path(), &problem, 2),
        timed: Some(Timed { model: Model::Kernel, timing, cold_bytes: 0, spread: Vec::new() }),
    };
    let (faulty, mut output) = (Faulty(fault), Vec::new());
    let line = serde_json::to_vec(&request).unwrap();
    let find = |id: &str| (id == "faulty").then_some(&faulty as &dyn Backend);
    serve(find, &mut line.as_slice(), &mut output).unwrap();
    serde_json::from_slice(&output).unwrap()
}

#[test]
fn the_control_agrees_and_is_measured() {
    let reply = reply(Fault::Honest);
    assert_eq!((reply.outcome, reply.reason), (Outcome::Ok, None));
    assert!(reply.process.is_some_and(|m| m.samples_ns.len() >= 2));
    assert!(reply.check.unwrap().agrees() && reply.recheck.unwrap().agrees());
}

#[test]
fn wrong_results_disagree_and_are_never_timed() {
    for (fault, says) in [
        (Fault::Nan, "NaN"),
        (Fault::Zeros, "beyond their error bound"),
        (Fault::TooFewRows, "never written"),
        (Fault::NoOp, "never written"),
        (Fault::Scaled, "error"),
    ] {
        let reply = reply(fault);
        assert_eq!(reply.outcome, Outcome::Disagrees);
        let reason = reply.reason.unwrap();
        assert!(reason.contains(says), "{says}: {reason}");
        assert_eq!((reply.process, reply.recheck), (None, None), "{says}");
    }
}

#[test]
fn a_stale_result_is_caught_after_timing_and_its_time_is_not_kept() {
    let reply = reply(Fault::Stale);
    assert_eq!(reply.outcome, Outcome::Disagrees);
    assert!(reply.reason.unwrap().starts_with("on the second inputs: "));
    assert!(reply.check.unwrap().agrees(), "the first result was right");
    assert_eq!(reply.process, None);
}

#[test]
fn too_few_rows_are_named_with_the_first_that_is_missing() {
    let findings = reply(Fault::TooFewRows).check.unwrap().findings;
    let last_row = Finding::NotWritten { count: 8, total: 288, first: [1, 1, 8, 0] };
    assert_eq!(findings, [last_row]);
}
