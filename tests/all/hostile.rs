//! Backends that fail in the ways that have fooled other harnesses, through the worker's own code.

use std::num::NonZeroU32;

use attn_bench::cell::sampling::SamplingTimes;
use attn_bench::run::Fixture;
use attn_bench::worker::{Answer, Ask, CellId, Choice, Host, Reply, Setup, Timed, serve};
use attn_cli::registry::NAIVE;
use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, DType, Exec, Finding, InputDistribution, Inputs,
    Output, Plan, Problem, ProblemSpec, Shape, Unavailable, Unsupported, Verdict,
};
use attn_record::Timing;

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

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
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

/// A program that knows the faulty backend alone.
struct Only(Faulty);

impl Host for Only {
    fn backend(&self, id: &str) -> Option<&dyn Backend> {
        (id == "faulty").then_some(&self.0 as &dyn Backend)
    }

    fn cells(&self, _choice: &Choice) -> Result<Vec<CellId>, Box<dyn std::error::Error>> {
        Ok(Vec::new())
    }
}

/// What is found of a worker that holds only the faulty backend: the verdict on its first result, what is wrong with those after
/// that, and how many samples it took.
fn found(fault: Fault) -> (Verdict, Option<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { batch: 2, ..Shape::square(2, 9, 8) };
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
    let inputs = [1, 2].map(|seed| Inputs::generate(&problem, InputDistribution::Normal, seed));
    let files = Fixture::of(&problem, inputs, &NAIVE, folder.path()).unwrap();
    let results = files.results().unwrap();
    let sampling_times =
        SamplingTimes { warmup_ms: 1, sampling_ms: 1, min_samples: 2, min_sample_us: 10 };
    let setup = Setup {
        backend: "faulty".into(),
        on_device: false,
        threads: 1,
        cpu: None,
        memory_limit: None,
        case: files.b.clone(),
        results: results.path().into(),
    };
    let timed = Timed { timing: Timing::Kernel, sampling_times, cold_bytes: 0, spread: Vec::new() };
    let asks = [Ask::Prepare(setup), Ask::Check { case: files.a.clone() }, Ask::Measure(timed)];
    let mut input = b"{\"nonce\":\"n\"}\n".to_vec();
    for ask in &asks {
        serde_json::to_writer(&mut input, ask).unwrap();
        input.push(b'\n');
    }
    let mut output = Vec::new();
    serve(&Only(Faulty(fault)), &mut input.as_slice(), &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let replies = text.lines().map(|line| serde_json::from_str::<Reply>(line).unwrap().answer);
    let replies: Vec<Answer> = replies.collect();
    let [Answer::Hello { .. }, Answer::Ready(ready), Answer::Stored(first), last] = &replies[..]
    else {
        panic!("{replies:?}");
    };
    let arithmetic = &ready.info.arithmetic;
    let check = files.judge_first(results.path(), first, arithmetic).unwrap();
    let Answer::Measured { process, stored, .. } = last else { panic!("{last:?}") };
    let last = files.judge_last(results.path(), stored, arithmetic).unwrap();
    (check, last.wrong, process.samples_ns.len())
}

#[test]
fn the_control_agrees_and_is_measured() {
    let (check, wrong, samples) = found(Fault::Honest);
    assert!(check.agrees() && wrong.is_none() && samples >= 2, "{wrong:?}");
}

#[test]
fn wrong_results_disagree() {
    for (fault, says) in [
        (Fault::Nan, "NaN"),
        (Fault::Zeros, "beyond their error bound"),
        (Fault::TooFewRows, "never written"),
        (Fault::NoOp, "never written"),
        (Fault::Scaled, "error"),
    ] {
        let (check, wrong, _) = found(fault);
        let finding = check.findings.first().unwrap().to_string();
        assert!(finding.contains(says), "{says}: {finding}");
        assert!(wrong.unwrap().contains(says));
    }
}

#[test]
fn a_stale_result_is_caught_after_timing() {
    let (check, wrong, _) = found(Fault::Stale);
    assert!(check.agrees(), "the first result was right");
    assert!(wrong.unwrap().starts_with("on the second inputs: "));
}

#[test]
fn too_few_rows_are_named_with_the_first_that_is_missing() {
    let last_row = Finding::NotWritten { count: 8, total: 288, first: [1, 1, 8, 0] };
    assert_eq!(found(Fault::TooFewRows).0.findings, [last_row]);
}
