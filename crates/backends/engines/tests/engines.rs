//! The protocol, with an engine that speaks it and with every way of breaking it; no engine has to be installed.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use attn_bench::cell::sampling::SamplingTimes;
use attn_bench::cell::{CellError, Prepared};
use attn_bench::expected::Expected;
use attn_bench::support::questions;
use attn_bench::worker::Timed;
use attn_core::{
    Backend, DType, Exec, Feature, InputDistribution, Inputs, Problem, ProblemSpec, Shape,
};
use attn_engines::{EngineBackend, Engines, Kind};
use attn_naive::Naive;
use attn_record::Timing;

const DEFINITION: &str = r#"
name = "fake"
kind = "program"
kernel = "nobody's"
ours = "everything"

[[backend]]
id = "fake"
gflops = 1.0
dtypes = ["f32"]
causal = ["square"]
bias = "additive"
arithmetic = { scores = "at-least-f32", weights = "at-least-f32", sums = "at-least-f32", order = "sequential", online = false }
[backend.refuses]
alibi = "has no slopes"
"#;

/// The fake engine with a fault, installed below `home`.
fn installed(home: &Path, fault: &str) -> Engines {
    let source = home.join("source");
    fs::create_dir_all(&source).unwrap();
    let command = format!("command = [{:?}, {fault:?}]\n", env!("CARGO_BIN_EXE_fake-engine"));
    fs::write(source.join("engine.toml"), command + DEFINITION).unwrap();
    let mut engines = Engines::open(&home.join("home")).unwrap();
    engines.add_program(&source).unwrap();
    engines
}

fn fake(engines: &Engines) -> EngineBackend {
    engines.backends().find(|backend| backend.id().as_str() == "fake").unwrap()
}

fn problem() -> Problem {
    Problem::new(ProblemSpec::new(Shape::square(2, 24, 8), DType::F32)).unwrap()
}

fn inputs(problem: &Problem, seed: u64) -> Inputs {
    Inputs::generate(problem, InputDistribution::Normal, seed)
}

/// The id of the process that was started last.
fn process(home: &Path) -> String {
    fs::read_to_string(home.join("source").join("pid")).unwrap()
}

/// What goes wrong with a fault: the words of the error, wherever it comes.
fn error(fault: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), fault);
    let backend = fake(&engines);
    let problem = problem();
    let compute = || attn_core::compute(&backend, &problem, &Exec::SINGLE, &inputs(&problem, 1));
    compute().expect_err(fault).to_string()
}

#[test]
fn what_an_engine_computes_is_judged_like_any_backend() {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "");
    let backend = fake(&engines);
    assert_eq!(backend.probe().unwrap().library, "fake 1.0");
    let (mut computed, mut refused) = (0, Vec::new());
    for question in questions() {
        let problem = &question.problem;
        let mut cell = match Prepared::new(&backend, problem, &Exec::SINGLE) {
            Ok(cell) => cell,
            Err(CellError::Unsupported(why)) => {
                refused.push(why.feature);
                continue;
            }
            Err(error) => panic!("{}: {error}", question.name),
        };
        for seed in [1, 2] {
            let inputs = inputs(problem, seed);
            let expected = Expected::compute(problem, &inputs, &Naive).unwrap();
            let verdict = cell.check(&inputs, &expected).unwrap();
            assert!(verdict.agrees(), "{}: {verdict:?}", question.name);
        }
        computed += 1;
    }
    assert!(computed > 20 && refused.contains(&Feature::Alibi), "{computed} {refused:?}");
}

#[test]
fn calls_are_timed_by_the_harness_with_samples_that_dwarf_a_request() {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "");
    let backend = fake(&engines);
    let problem = problem();
    let mut cell = Prepared::new(&backend, &problem, &Exec::SINGLE).unwrap().engine(true);
    let sampling_times =
        SamplingTimes { warmup_ms: 1, sampling_ms: 5, min_samples: 3, min_sample_us: 1 };
    let timing = Timing::Kernel;
    let timed = Timed { timing, sampling_times, cold_bytes: 1 << 16, spread: Vec::new() };
    let mut inputs = inputs(&problem, 1);
    let process = cell.measure(&timed, &mut inputs).unwrap().process;
    let asked = process.audit.unwrap().asked.unwrap();
    assert!(asked.request_ns > 0 && asked.told_ns > 0 && asked.told_ns <= asked.asked_ns);
    let longest = process.samples_ns.iter().max().unwrap();
    assert!(*longest >= 100 * asked.request_ns, "{longest} {asked:?}");
    assert!(cell.memory().unwrap().is_none(), "its memory is not this process's");
}

#[test]
fn every_fault_is_an_error_with_its_reason() {
    for (fault, words) in [
        ("crashes", "): kernel panic: not a real one"),
        ("lies", "the engine's clock says 9000000000000 ns for calls that took"),
        ("prints", "expected an answer in attn-engine/1, found `Loading the best kernels..`"),
        ("refuses", "out of memory"),
    ] {
        let error = error(fault);
        assert!(error.contains(words), "{fault}: {error}");
        assert!(error.starts_with("fake: ") && !error.contains('\n'), "{fault}: {error}");
    }
}

#[test]
fn an_engine_that_does_not_start_or_speaks_otherwise_is_not_installed() {
    let home = tempfile::tempdir().unwrap();
    for (fault, words) in [
        ("no-start", "the engine's process ended (exit status: 3)"),
        ("old", r#"found `{"hello":{"protocol":"attn-engine/0""#),
    ] {
        let source = home.path().join("source");
        fs::create_dir_all(&source).unwrap();
        let command = format!("command = [{:?}, {fault:?}]\n", env!("CARGO_BIN_EXE_fake-engine"));
        fs::write(source.join("engine.toml"), command + DEFINITION).unwrap();
        let mut engines = Engines::open(&home.path().join("home")).unwrap();
        let error = engines.add_program(&source).unwrap_err().to_string();
        assert!(error.contains(words), "{fault}: {error}");
        let reason = fake(&engines).probe().unwrap_err().reason;
        assert_eq!(reason, "not installed: attn engine install fake");
    }
}

#[test]
fn a_wrong_answer_disagrees() {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "wrong");
    let backend = fake(&engines);
    let (problem, mut cell) =
        (problem(), Prepared::new(&backend, &problem(), &Exec::SINGLE).unwrap().engine(true));
    let inputs = inputs(&problem, 1);
    let expected = Expected::compute(&problem, &inputs, &Naive).unwrap();
    assert!(!cell.check(&inputs, &expected).unwrap().agrees());
}

#[test]
fn a_killed_engine_is_an_error_and_the_next_plan_has_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "");
    let backend = fake(&engines);
    let problem = problem();
    let mut plan = backend.prepare(&problem, &Exec::SINGLE).unwrap();
    plan.load(&inputs(&problem, 1)).unwrap();
    assert!(Command::new("kill").args(["-9", &process(home.path())]).status().unwrap().success());
    let error = plan.run(NonZeroU32::MIN).unwrap_err().to_string();
    assert!(error.contains("signal: 9 (SIGKILL)"), "{error}");
    drop(plan);
    assert!(attn_core::compute(&backend, &problem, &Exec::SINGLE, &inputs(&problem, 1)).is_ok());
}

#[test]
fn an_engine_that_was_removed_is_unavailable_with_the_command_that_installs_it() {
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "");
    let backend = fake(&engines);
    backend.engine().remove().unwrap();
    assert_eq!(backend.probe().unwrap_err().reason, "not installed: attn engine install fake");
    let error = backend.prepare(&problem(), &Exec::SINGLE).err().unwrap().to_string();
    assert!(error.contains("not installed"), "{error}");
}

#[test]
fn a_hanging_engine_ends_with_its_worker() {
    // The harness ends a worker's group when its time is over; here the thread that started it ends.
    let home = tempfile::tempdir().unwrap();
    let engines = installed(home.path(), "hangs");
    let child = std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            let backend = fake(&engines);
            let plan = backend.prepare(&problem(), &Exec::SINGLE).unwrap();
            std::mem::forget(plan);
            std::mem::forget(backend);
            process(home.path())
        });
        started.join().unwrap()
    });
    let stat = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let gone = |stat: &str| stat.is_empty() || stat.contains(") Z ");
    let ends = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        gone(&stat())
    });
    assert!(ends, "{}", stat());
}

#[test]
fn definitions_that_make_no_sense_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut engines = Engines::open(home.path()).unwrap();
    for (from, to, words) in [
        ("name = \"fake\"", "name = \"../up\"", "expected letters, digits"),
        ("id = \"fake\"", "id = \"torch\"", "expected `fake` or `fake/..`"),
        ("kind = \"program\"", "kind = \"python\"", "expected `program`"),
        ("gflops", "gigaflops", "unknown field"),
    ] {
        fs::write(
            home.path().join("engine.toml"),
            format!("command = [\"x\"]\n{DEFINITION}").replace(from, to),
        )
        .unwrap();
        let error = engines.add_program(home.path()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn every_engine_that_is_built_in_says_whose_kernel_it_is_and_is_pinned() {
    let home = tempfile::tempdir().unwrap();
    let engines = Engines::open(home.path()).unwrap();
    assert!(engines.all().len() >= 10);
    for engine in engines.all() {
        let definition = engine.definition();
        assert!(!definition.kernel.is_empty() && !definition.ours.is_empty(), "{}", engine.name());
        assert!(definition.download_mb > 0 && definition.disk_mb > 0, "{}", engine.name());
        engine.write().unwrap();
        let read = |name| fs::read_to_string(engine.folder().join(name)).unwrap_or_default();
        let (program, longest, packages, pinned) = match definition.kind {
            Kind::Python => {
                let packages = read("requirements.txt");
                let count = |what| packages.lines().filter(|line| line.contains(what)).count();
                (read("engine.py"), 60, count("=="), count("--hash=sha256:"))
            }
            Kind::Cargo => {
                assert!(read("Cargo.toml").contains("\n[workspace]\n"), "{}", engine.name());
                let packages = read("Cargo.lock");
                let count = |what| packages.lines().filter(|line| line.starts_with(what)).count();
                (read("main.rs"), 80, count("source = "), count("checksum = "))
            }
            Kind::Program => panic!("{}: a program is not built in", engine.name()),
        };
        assert!((5..=longest).contains(&program.lines().count()), "{}", engine.name());
        assert!(packages > 0 && pinned >= packages, "{}: {pinned} of {packages}", engine.name());
    }
}
