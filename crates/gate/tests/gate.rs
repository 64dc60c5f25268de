//! The whole gate with two programs that are shell scripts: they speak the protocol and say how long they
//! took, so that every verdict is exact and nothing depends on this machine.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attn_bench::machine;
use attn_bench::suite::{Directory, Suite};
use attn_bench::worker::{Answer, CellId, Counted, Launcher, PROTOCOL, Ready, Stored};
use attn_core::{
    BackendInfo, Bytes, Exec, Flops, Footprint, Inputs, Output, Variation, Work, compute,
};
use attn_gate::config::Config;
use attn_gate::judge::Stage;
use attn_gate::result::{Gate, Reason, Side, Verdict};
use attn_gate::run::{GateError, Observer, Program, Request, gate};
use attn_naive::Naive;
use attn_record::limits::Ceilings;
use attn_record::{Audit, Memory};

/// A worker, as a script will play it.
#[derive(Clone)]
struct Worker {
    cells: Vec<CellId>,
    /// (part of the request, nanoseconds of a call); the first that fits.
    speeds: Vec<(&'static str, u32)>,
    ready: Ready,
    memory: Memory,
    /// Which file holds its result on inputs B.
    result: &'static str,
    /// Backends whose first result is wrong.
    wrong: Option<&'static str>,
    audit: Audit,
    /// Whether it dies instead of timing a slot.
    dies: bool,
}

fn cell(backend: &str) -> CellId {
    CellId { case: "tiny/x".into(), backend: backend.into(), threads: 1 }
}

impl Worker {
    fn new(backends: &[&str]) -> Self {
        let info = BackendInfo { isa: "none".into(), ..BackendInfo::on_cpu("x 1") };
        Worker {
            cells: backends.iter().map(|backend| cell(backend)).collect(),
            speeds: vec![("", 1000)],
            ready: Ready {
                info,
                footprint: Footprint { scratch: Some(Bytes(64)) },
                work: Work { pairs: 1, flops: Flops(4), exps: 1, tanhs: 0, bytes: Bytes(8) },
                cpu: None,
            },
            memory: Memory {
                prepared_bytes: 64,
                peak_bytes: 128,
                allocations: Some(2),
                allocated_bytes: Some(64),
                uncounted_bytes: None,
            },
            result: "b",
            wrong: None,
            audit: Audit::default(),
            dies: false,
        }
    }

    /// Writes the script; it touches the file `timed` beside it whenever it times a slot.
    fn program(&self, folder: &Path, name: &str, code: Option<&str>) -> Program {
        let json = |answer: &Answer| serde_json::to_string(answer).unwrap();
        let stored = |results: &[(&str, Option<Variation>)]| Stored {
            results: results.iter().map(|(name, change)| (name.into(), *change)).collect(),
            ..Stored::default()
        };
        let answer = |results| json(&Answer::Stored(stored(results)));
        let (own, signed) = (("own", None), ("signed", Some(SIGNS)));
        let counted = Counted { memory: Some(self.memory), phases: Vec::new() };
        let finished = Answer::Finished { stored: stored(&[own]), audit: self.audit.clone() };
        let speeds = self.speeds.iter().map(|(part, ns)| format!("*'\"{part}'*) ns={ns};;\n"));
        let script = format!(
            "#!/bin/sh\nread -r line; n=${{line#*:\\\"}}; n=${{n%\\\"*}}\n\
             say() {{ echo \"{{\\\"nonce\\\":\\\"$n\\\",\\\"answer\\\":$1}}\"; }}\nsay '{hello}'\n\
             while read -r line; do\ncase \"$line\" in\n\
             *'\"list\"'*) say '{cells}';;\n\
             *'\"prepare\"'*) case \"$line\" in\n{speeds}esac\n\
             r=${{line#*results\\\":\\\"}}; r=${{r%%\\\"*}}\n\
             cp '{folder}/signed.out' \"$r/signed\"; cp '{folder}/{result}.out' \"$r/own\"\n\
             case \"$line\" in\n*'\"{wrong}\"'*) first=b;;\n*) first=a;;\nesac\n\
             cp '{folder}/'$first.out \"$r/first\"; say '{ready}';;\n\
             *'\"check\"'*) say '{first}';;\n\
             *'\"count\"'*) say '{counted}';;\n\
             *'\"repeat\"'*) say '{both}';;\n\
             *'\"load\"'*) say '{nothing}';;\n\
             *'\"fresh\"'*) say '{signed}';;\n\
             *'\"run\"'*) : > '{folder}/timed'; {dies} c=${{line#*calls\\\":}}; c=${{c%%,*}}\n\
             say \"{{\\\"ran\\\":{{\\\"ns\\\":$((c * ns)),\\\"disturbed\\\":false}}}}\";;\n\
             *) say '{finished}';;\nesac\ndone\n",
            hello = json(&Answer::Hello { protocol: PROTOCOL.into() }),
            cells = json(&Answer::Cells(self.cells.clone())),
            speeds = speeds.collect::<String>(),
            folder = folder.display(),
            result = self.result,
            wrong = self.wrong.unwrap_or("nobody"),
            ready = json(&Answer::Ready(Box::new(self.ready.clone()))),
            first = answer(&[("first", None)]),
            counted = json(&Answer::Counted(counted)),
            both = answer(&[own, signed]),
            nothing = answer(&[]),
            signed = answer(&[signed]),
            dies = if self.dies {
                "echo 'thread panicked at x' >&2; echo boom >&2; exit 9;"
            } else {
                ""
            },
            finished = json(&finished),
        );
        program(&write_script(folder, name, &script), name, code)
    }
}

fn write_script(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Started through `sh`: a file that was just written may still be open for writing in a child of another
/// test, and could not be executed itself.
fn program(path: &Path, name: &str, code: Option<&str>) -> Program {
    let start = Launcher {
        program: "sh".into(),
        args: vec![path.display().to_string()],
        thread_variables: Vec::new(),
        timeout: Duration::from_secs(60),
    };
    Program { start, side: Side { name: name.into(), code: code.map(String::from) } }
}

struct Quiet;

impl Observer for Quiet {
    fn checking(&mut self, _cell: &CellId, _at: usize, _of: usize) -> bool {
        true
    }

    fn round(&mut self, _stage: Stage, _cases: usize) -> bool {
        true
    }
}

struct Bench {
    folder: tempfile::TempDir,
    config: Config,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cases")).unwrap();
        let case = "analysis = 'a'\n[[case]]\nname = 'x'\nshape = { len = 3, dim = 2 }\n";
        fs::write(folder.path().join("cases/tiny.toml"), case).unwrap();
        write_results(folder.path());
        Bench { folder, config: Config::parse("schema = 1", "gate.toml").unwrap() }
    }

    fn accept(mut self, what: &str, max: f64) -> Self {
        let text = format!(
            "schema = 1\n[[accept]]\nglob = '*'\nwhat = '{what}'\nmax = {max}\nreason = 'meant'\n\
             expires = '2026-01-31'\n"
        );
        self.config = Config::parse(&text, "gate.toml").unwrap();
        self
    }

    fn compare(&self, base: Program, head: Program) -> Result<Gate, GateError> {
        let suite = Suite::load(Box::new(Directory(self.folder.path().join("cases")))).unwrap();
        let request = Request {
            base,
            head,
            suite: &suite,
            naive: &Naive,
            config: &self.config,
            ceilings: &Ceilings::new(Vec::new(), Vec::new(), Vec::new(), Vec::new()),
            cpu: None,
            machine: machine::detect(),
            started: "2026-01-31T12:00:00Z".into(),
            seed: 1,
            planted: Vec::new(),
            measure_identical: false,
            notes: Vec::new(),
        };
        gate(&request, &mut Quiet).map(|(gate, _)| gate)
    }

    fn gate(&self, base: &Worker, head: &Worker) -> Gate {
        let folder = self.folder.path();
        let (base, head) = (base.program(folder, "base", None), head.program(folder, "head", None));
        self.compare(base, head).unwrap()
    }

    fn was_timed(&self) -> bool {
        self.folder.path().join("timed").exists()
    }
}

/// How the inputs are changed that workers are given between slots.
const SIGNS: Variation = Variation::Signs(7);

/// The results of the case that workers copy: `a`, `b`, `signed`, and `off`, which is `b` a little less accurate.
fn write_results(folder: &Path) {
    let suite = Suite::load(Box::new(Directory(folder.join("cases")))).unwrap();
    let case = &suite.cases()[0];
    let [a, b] = suite.inputs(case).unwrap();
    let result = |inputs: &Inputs| compute(&Naive, &case.problem, &Exec::SINGLE, inputs).unwrap();
    let write = |name: &str, out: &Output| {
        fs::write(folder.join(name).with_extension("out"), out.to_le_bytes()).unwrap();
    };
    let mut off = result(&b);
    off.o_mut().slice_mut::<f32>().unwrap().iter_mut().for_each(|x| *x *= 1.0 + 3e-7);
    let mut signed = b.clone();
    SIGNS.apply(&case.problem, &mut signed);
    write("a", &result(&a));
    write("b", &result(&b));
    write("off", &off);
    write("signed", &result(&signed));
}

fn verdicts(gate: &Gate) -> Vec<Verdict> {
    gate.cases.iter().map(|case| case.verdict).collect()
}

const BACKENDS: [&str; 3] = ["a", "b", "c"];

#[test]
fn the_same_program_passes() {
    let worker = Worker::new(&BACKENDS);
    let gate = Bench::new().gate(&worker, &worker);
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Pass; 3], 0));
    let control = gate.control.unwrap();
    assert!(!control.void && control.percent == 0.0);
    assert!(gate.cases.iter().all(|case| case.time.unwrap().replicates == [5, 0]));
}

#[test]
fn a_slowdown_of_one_case_is_that_cases_alone() {
    let base = Worker::new(&BACKENDS);
    let head = Worker { speeds: vec![("backend\":\"b\"", 1030), ("", 1000)], ..base.clone() };
    let gate = Bench::new().gate(&base, &head);
    assert_eq!(verdicts(&gate), [Verdict::Pass, Verdict::Regressed, Verdict::Pass]);
    assert_eq!(gate.exit, 1);
    let time = gate.cases[1].time.unwrap();
    assert!((time.percent - 3.0).abs() < 1e-9, "{time:?}");
    assert_eq!(time.replicates, [8, 16]);
    assert_eq!(time.p, Some([0.5_f64.powi(16); 2]));
    // A limit that it keeps makes it accepted, one that it does not keep changes nothing.
    let accepted = Bench::new().accept("time", 3.5).gate(&base, &head);
    assert_eq!((accepted.cases[1].verdict, accepted.exit), (Verdict::Accepted, 0));
    let beyond = Bench::new().accept("time", 2.5).gate(&base, &head);
    assert_eq!(beyond.cases[1].verdict, Verdict::Regressed);
}

#[test]
fn a_wrong_result_fails_before_anything_is_timed() {
    let base = Worker::new(&BACKENDS);
    let head = Worker { wrong: Some("c"), ..base.clone() };
    let bench = Bench::new();
    let gate = bench.gate(&base, &head);
    assert_eq!(verdicts(&gate), [Verdict::NotTimed, Verdict::NotTimed, Verdict::Wrong]);
    assert_eq!(gate.exit, 1);
    let detail = &gate.cases[2].detail;
    assert!(detail.contains("are beyond their error bound, the worst [b 0, h 0"), "{detail}");
    assert!(!bench.was_timed());
}

#[test]
fn one_more_allocation_and_three_decibels_are_named_before_anything_is_timed() {
    let base = Worker::new(&["a"]);
    let mut head = base.clone();
    head.memory.allocations = Some(3);
    head.result = "off";
    let bench = Bench::new();
    let gate = bench.gate(&base, &head);
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Worse], 1));
    let detail = &gate.cases[0].detail;
    assert!(detail.starts_with("allocations per call: 2 to 3 (+50.0 %); accuracy: 1"), "{detail}");
    assert!(!bench.was_timed());
}

#[test]
fn what_is_counted_and_accepted_is_timed_too() {
    let base = Worker::new(&["a"]);
    let mut head = base.clone();
    head.ready.footprint = Footprint { scratch: Some(Bytes(96)) };
    let bench = Bench::new().accept("memory", 50.0);
    let gate = bench.gate(&base, &head);
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Accepted], 0));
    assert!(gate.cases[0].time.is_some() && !gate.cases[0].counted.is_empty());
    head.speeds = vec![("", 1100)];
    assert_eq!(verdicts(&bench.gate(&base, &head)), [Verdict::Regressed]);
}

#[test]
fn cases_come_and_go() {
    let (base, head) = (Worker::new(&["a", "b"]), Worker::new(&["b", "c"]));
    let gate = Bench::new().gate(&base, &head);
    assert_eq!(gate.exit, 1);
    assert_eq!(verdicts(&gate)[0], Verdict::Removed);
    let gate = Bench::new().accept("removed", 0.0).gate(&base, &head);
    assert_eq!(verdicts(&gate), [Verdict::Accepted, Verdict::Pass, Verdict::New]);
    assert_eq!(gate.exit, 0);
}

#[test]
fn the_same_machine_code_is_checked_and_not_timed() {
    let worker = Worker::new(&BACKENDS);
    let bench = Bench::new();
    let program = |name| worker.program(bench.folder.path(), name, Some("hash"));
    let gate = bench.compare(program("base"), program("head")).unwrap();
    assert!(gate.identical && !bench.was_timed());
    assert!(gate.cases.iter().all(|case| case.reason == Reason::Identical));
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Pass; 3], 0));
}

#[test]
fn a_worker_that_dies_costs_its_cell() {
    let base = Worker::new(&["a"]);
    let gate = Bench::new().gate(&base, &Worker { dies: true, ..base.clone() });
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Error], 3));
    assert!(gate.cases[0].detail.contains("boom"), "{}", gate.cases[0].detail);
}

#[test]
fn a_base_without_the_protocol_is_told_in_one_line() {
    let bench = Bench::new();
    let folder = bench.folder.path();
    let refuses = |script: &str| {
        let old = program(&write_script(folder, "old", script), "old", None);
        let head = Worker::new(&["a"]).program(folder, "head", None);
        bench.compare(old, head).unwrap_err().to_string()
    };
    let error =
        refuses("#!/bin/sh\necho \"error: unrecognized subcommand 'worker'\" >&2\nexit 2\n");
    assert_eq!(
        error,
        "base: sh: expected a worker that speaks attn-worker/1, found nothing: the worker died \
         (exit status: 2): error: unrecognized subcommand 'worker'"
    );
    let error = refuses("echo '{\"hello\":{\"protocol\":\"attn-slots/1\"}}'\n");
    assert!(error.ends_with("found `{\"hello\":{\"protocol\":\"attn-slots/1\"}}`"), "{error}");
}

#[test]
fn a_time_that_cannot_be_decides_nothing() {
    let base = Worker::new(&["a"]);
    // Its calls alone take a thousand times as long as each of many.
    let audit = Audit { single_ns: 1_000_000, ..Audit::default() };
    let gate = Bench::new().gate(&base, &Worker { audit, ..base.clone() });
    assert_eq!((verdicts(&gate), gate.exit), (vec![Verdict::Error], 3));
    let detail = &gate.cases[0].detail;
    assert!(detail.contains("HEAD: implausible: linearity: "), "{detail}");
}
