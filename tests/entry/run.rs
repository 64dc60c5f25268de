//! Run folders.

use attn_analysis::compare::{diff, phases, rank, shares, side_by_side};
use attn_analysis::disturbance::Disturbance;
use attn_analysis::overhead::Overhead;
use attn_analysis::scaling::Scaling;
use attn_analysis::summary::Summary;
use attn_record::limits::{Access, Place};
use attn_record::{
    Limits, Measurement, Outcome, Process, Record, Timing, read_finished, read_limits, read_map,
    read_partial, read_records, read_run,
};
use attn_report::table;

use super::Folder;

/// A record of a cell that was measured.
const MEASURED: &str = include_str!("../fuzz/corpus/run_folder/measured.jsonl");

/// A file of a run folder: taken as each of those that there are.
pub fn run_folder(bytes: &[u8]) -> bool {
    let folder = Folder::new();
    let mut read = false;
    folder.write("records.jsonl", bytes);
    if let Ok(records) = read_records(folder.path()) {
        records.iter().for_each(figures);
        reads_back(&records);
        if records.iter().filter_map(Record::measurement).map(Measurement::samples).sum::<usize>()
            <= 64
        {
            shown(&records);
        }
        read |= !records.is_empty();
    }
    folder.write("records.jsonl", MEASURED.as_bytes());
    folder.write("partial.jsonl", bytes);
    let finished = read_finished(folder.path()).expect("the seed is a record");
    if let Ok(records) = read_partial(folder.path(), &finished) {
        read |= !records.is_empty();
        read_records(folder.path()).expect("both files are read").iter().for_each(figures);
    }
    folder.remove("partial.jsonl");
    folder.write("limits.json", bytes);
    if let Ok(Some(limits)) = read_limits(folder.path()) {
        rates(&limits);
        let records = read_records(folder.path()).expect("both files are read");
        records.iter().for_each(figures);
        table::shares(&shares(&records, &limits));
        read = true;
    }
    folder.write("run.json", bytes);
    if let Ok(run) = read_run(folder.path()) {
        folder.write("run.json", &serde_json::to_vec_pretty(&run).expect("a run is JSON"));
        assert_eq!(read_run(folder.path()).expect("what is written is read"), run);
        read = true;
    }
    folder.write("map.json", bytes);
    if let Ok(Some(map)) = read_map(folder.path()) {
        table::map(&map, 80);
        folder.write("map.json", &serde_json::to_vec_pretty(&map).expect("a map is JSON"));
        assert_eq!(read_map(folder.path()).expect("what is written is read"), Some(map));
        read = true;
    }
    read
}

/// Samples that were accepted make a record that is read.
pub(super) fn is_kept(process: Process, clock_ns: u64) {
    let mut record: Record = serde_json::from_str(MEASURED).expect("the seed is a record");
    record.volatile.measurement = Some(Measurement { clock_ns, processes: vec![process] });
    figures(&record);
    reads_back(&[record.doubted(None)]);
}

/// Records are written as lines, and these are read as the same records.
pub(super) fn reads_back(records: &[Record]) {
    let line = |record: &Record| serde_json::to_string(record).expect("a record is JSON") + "\n";
    let lines: String = records.iter().map(line).collect();
    let folder = Folder::new();
    folder.write("records.jsonl", lines.as_bytes());
    let again = read_records(folder.path()).expect("what is written is read");
    assert_eq!(again.iter().map(line).collect::<String>(), lines);
}

/// What commands ask of a record.
fn figures(record: &Record) {
    let (group, dtype) = (record.group(), record.dtype());
    assert!(record.case.starts_with(group) && dtype.size() > 0);
    let median = record.median_ns();
    assert!(median.is_none_or(|ns| ns >= 0.0), "{median:?}");
    let (_, _, _) = (record.peak_bytes(), record.working_set(), record.budget_share());
    let (_, _) = (record.gflops(), record.doubt(None));
    let Some(measurement) = record.measurement() else {
        assert!(record.outcome != Outcome::Ok || record.volatile.measurement.is_none());
        return;
    };
    let (_, _) = (measurement.spread(), measurement.disturbed());
    let (_, _) = (measurement.process_variance(), measurement.process_variance_at_equal_clock());
    let _ = measurement.ratio_at_equal_clock(measurement);
    if measurement.samples() <= 64 {
        let (_, _) = (measurement.interval(), measurement.ratio_to(measurement));
    }
}

/// What commands print of records.
fn shown(records: &[Record]) {
    let options = table::Options::default();
    table::render(records, options);
    let tables = [
        table::side_by_side(&side_by_side(records)),
        table::rankings(&rank(&[records.to_vec()], Timing::Kernel)),
        table::diff(&diff(records, records)),
        table::phases(&phases(records)),
        table::sweeps(records),
        table::scaling(&Scaling::of(records, &[])),
    ];
    for table in tables.iter().flatten() {
        assert!(!(table.terminal(options) + &table.markdown() + &table.html()).is_empty());
    }
    let (_, _, _) = (Summary::of(records), Overhead::of(records), Disturbance::of(records));
}

/// What commands ask of limits.
fn rates(limits: &Limits) {
    for device in limits.of_devices() {
        table::device_limits(&device).markdown();
    }
    for machine in limits.probes.iter().map(|probe| &probe.machine) {
        let probe = limits.of(machine).expect("it was measured");
        let ceilings = probe.ceilings();
        table::limits(&probe);
        for threads in [1, 2, usize::MAX] {
            for dtype in attn_core::DType::ALL {
                let (_, _) = (probe.peak_gflops(dtype, threads), ceilings.gflops(dtype, threads));
            }
            for bytes in [0, 1 << 20, u64::MAX] {
                ceilings.gb_per_s(bytes, threads);
            }
            probe.bandwidth(Place::L2, Access::Read, threads);
        }
    }
}
