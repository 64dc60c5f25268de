//! Records that nobody measured, for examples and tests.

use attn_core::{
    BackendInfo, Bytes, DType, Metrics, PhaseTime, Problem, ProblemSpec, Shape, Verdict, Work,
    Worst,
};
use attn_record::limits::{
    Access, Bandwidth, CopyRate, DeviceLimits, FmaPeak, Noise, Place, Probe, ProductPeak, Rate,
    Timer,
};
use attn_record::{
    Axis, Build, Cache, Group, Limits, Machine, Map, Measurement, Memory, Outcome, Process, Record,
    Run, SCHEMA, Timing, Volatile,
};

use crate::peak_rates::PeakRates;

/// A cell that ended `ok` after a single sample of `ns`.
pub fn ok(case: &str, backend: &str, ns: f64) -> Record {
    let spec = ProblemSpec::new(Shape::square(1, 64, 64), DType::F32);
    Record {
        schema: SCHEMA.into(),
        case: case.into(),
        axis: None,
        backend: backend.into(),
        threads: 1,
        timing: Some(Timing::Kernel),
        outcome: Outcome::Ok,
        reason: None,
        problem: spec.clone(),
        inputs: "normal, seed 1".into(),
        digests: None,
        work: Work::of(&Problem::new(spec).unwrap(), None),
        info: Some(info(backend)),
        footprint: None,
        check: Some(verdict(0.03)),
        recheck: None,
        build: Build {
            version: "0.1.0".into(),
            revision: None,
            dirty: false,
            code: None,
            target_features: "avx2+fma".into(),
            profile: "release".into(),
        },
        machine: machine(),
        volatile: Volatile { measurement: Some(samples(&[ns])), ..Volatile::default() },
    }
}

/// A cell whose time is certain: two processes found the same.
pub fn sure(case: &str, backend: &str, ns: f64) -> Record {
    let mut record = ok(case, backend, ns);
    record.volatile.measurement = Some(certain(ns));
    record
}

/// A cell that was checked, used `share` of its budget and was not to be measured.
pub fn checked(case: &str, backend: &str, share: f64) -> Record {
    let mut record = ok(case, backend, 1.0);
    record.timing = None;
    record.volatile.measurement = None;
    record.check = Some(verdict(share));
    record
}

/// A cell of `samples` samples of which the first `disturbed` are marked.
pub fn disturbed(case: &str, disturbed: u32, samples: usize) -> Record {
    let mut record = ok(case, "x", 1e6);
    let process = &mut record.volatile.measurement.as_mut().expect("measured").processes[0];
    process.samples_ns = vec![1_000_000; samples];
    process.disturbed = Some((0..disturbed).collect());
    record
}

/// The same cell with another end; whatever samples it carries stay.
pub fn with_outcome(mut record: Record, outcome: Outcome) -> Record {
    record.outcome = outcome;
    record.reason = Some(format!("because of {outcome}"));
    record
}

/// The same cell, measured on another machine.
pub fn elsewhere(mut record: Record) -> Record {
    record.machine.cpu = "Other CPU".into();
    record
}

/// A sweep over sequence length on `backends`, where the b-th is b + 1 times slower than the first.
pub fn sweep(group: &str, backends: &[&str], sizes: &[usize]) -> Vec<Record> {
    let cells =
        sizes.iter().flat_map(|&n| backends.iter().enumerate().map(move |(b, id)| (n, b, *id)));
    cells
        .map(|(n, b, id)| {
            let ns = (n * n * (b + 1)) as f64;
            let mut record = ok(&format!("{group}/n={n}"), id, ns);
            record.axis = Some(Axis::Len);
            record.problem.shape = Shape::square(1, n, 64);
            record.work = Work::of(&Problem::new(record.problem.clone()).unwrap(), None);
            let around = [0.9 * ns, ns, 1.3 * ns];
            record.volatile.measurement = Some(samples(&around));
            record
        })
        .collect()
}

/// References to all of them.
pub fn refs(records: &[Record]) -> Vec<&Record> {
    records.iter().collect()
}

/// The head of a run.
pub fn run() -> Run {
    Run {
        schema: Run::SCHEMA.into(),
        command: "attn run".into(),
        arguments: Vec::new(),
        shard: None,
        preset: "quick".into(),
        started: "2026-01-01T00:00:00Z".into(),
        load: None,
        machine: machine(),
        groups: vec![Group {
            prefix: "sweep/seq-len".into(),
            analysis: "Time grows with the square of the length.".into(),
        }],
    }
}

/// A causal map over `n` tokens.
pub fn map(n: usize) -> Map {
    let row = |i: usize| (0..n).map(move |j| (j <= i).then(|| 1.0 / (i + 1) as f64));
    let tokens: Vec<String> = (0..n).map(|i| format!("##t{i}")).collect();
    Map {
        schema: Map::SCHEMA.into(),
        case: "real/fluffy-dog/layer-2".into(),
        source: "a model, layer 2, text: <b>".into(),
        head: 8,
        tokens_q: tokens.clone(),
        tokens_k: tokens,
        weights: (0..n).map(|i| row(i).collect()).collect(),
    }
}

/// Memory of a call that needs `bytes`.
pub fn peak(bytes: u64) -> Memory {
    Memory {
        prepared_bytes: bytes,
        peak_bytes: bytes,
        allocations: Some(0),
        allocated_bytes: Some(0),
        uncounted_bytes: None,
    }
}

/// The same cell, whose backend spent `phases` nanoseconds on its parts.
pub fn with_phases(mut record: Record, phases: &[(&'static str, u64)]) -> Record {
    let times = phases.iter().map(|&(name, ns)| PhaseTime { name: name.into(), ns });
    record.volatile.phases = times.collect();
    record
}

/// Peak rates of the machine of all of these records, with [`probe`], and of the device of this name.
pub fn peak_rates(device: Option<&str>) -> PeakRates {
    let copy = CopyRate { bytes: Bytes(1 << 28), gb_per_s: rate(2000.0) };
    let products = vec![ProductPeak { dtype: DType::F32, size: 4096, gflops: rate(50_000.0) }];
    let devices = device.map(|name| DeviceLimits { device: name.into(), products, copy });
    let limits = Limits::new(vec![probe()], devices.into_iter().collect());
    PeakRates::of(&limits, &machine()).expect("they are of this machine")
}

/// What its processor can do with one thread.
pub fn probe() -> Probe {
    let peak = |isa: &str, dtype, gflops| FmaPeak {
        isa: isa.into(),
        dtype,
        threads: 1,
        gflops: rate(gflops),
    };
    let bandwidth = |place, gb_per_s| Bandwidth {
        place,
        working_set: Bytes(1 << 14),
        access: Access::Read,
        threads: 1,
        gb_per_s: rate(gb_per_s),
    };
    Probe {
        measured: String::new(),
        machine: machine(),
        pinned: true,
        fma: vec![
            peak("avx2", DType::F32, 80.0),
            peak("avx512", DType::F32, 160.0),
            peak("avx2", DType::F64, 40.0),
            peak("avx512bf16", DType::BF16, 320.0),
        ],
        complete: Some(vec![DType::F64, DType::F32, DType::BF16]),
        bandwidth: vec![bandwidth(Place::L1, 200.0), bandwidth(Place::Memory, 10.0)],
        timer: Timer { step_ns: 20, reading_ns: 24.0 },
        noise: Noise { slot_ns: 1, slots: 4, spread: 0.0, pair_spread: 0.0 },
    }
}

const fn rate(best: f64) -> Rate {
    Rate { best, median: best, samples: 9 }
}

/// Two processes that found the same time: its interval is a point.
pub fn certain(ns: f64) -> Measurement {
    let mut measurement = samples(&[ns]);
    measurement.processes.push(measurement.processes[0].clone());
    measurement
}

fn samples(ns: &[f64]) -> Measurement {
    let process = Process {
        cpu: Some(0),
        spread: Vec::new(),
        warmup_calls: 1,
        warmup_ns: 1000,
        reps: 1,
        samples_ns: ns.iter().map(|&ns| ns as u64).collect(),
        disturbed: Some(Vec::new()),
        pace_ns: Vec::new(),
        audit: None,
    };
    Measurement { clock_ns: 1, processes: vec![process] }
}

fn verdict(share: f64) -> Verdict {
    let metrics = Metrics {
        max_abs: 1e-7,
        max_rel: 1e-6,
        rel_l2: 1e-7,
        nmse: 1e-14,
        max_ulp: 2.0,
        bound_share: share,
        yardstick_share: None,
        noise_share: None,
        worst: Worst { index: [0; 4], got: 1.0, want: 1.0, bound: 1e-6 },
    };
    Verdict {
        findings: Vec::new(),
        metrics: Some(metrics),
        rows_checked: 64,
        rows_total: 64,
        undetermined: 0,
    }
}

fn info(backend: &str) -> BackendInfo {
    BackendInfo {
        isa: "avx2 (compile time)".into(),
        ..BackendInfo::on_cpu(format!("{backend} 1.0"))
    }
}

fn machine() -> Machine {
    Machine {
        cpu: "Test CPU".into(),
        cores: 2,
        isa: "avx2+fma".into(),
        arch: "x86_64".into(),
        os: "linux".into(),
        caches: [(1, 48 << 10), (2, 2 << 20), (3, 1 << 30)]
            .map(|(level, bytes)| Cache { level, bytes })
            .to_vec(),
    }
}
