//! What the processes of one cell said, put together.

use std::collections::HashMap;

use crate::{Build, Machine, Outcome, Record, Timing, Volatile};

/// What names a cell: case, backend, threads, timing, machine and build.
pub type CellKey<'a> = (&'a str, &'a str, usize, Option<Timing>, &'a Machine, &'a Build);

impl Record {
    /// The cell that it is of.
    pub fn cell(&self) -> CellKey<'_> {
        (&self.case, &self.backend, self.threads, self.timing, &self.machine, &self.build)
    }

    /// Adds what a later process of the same cell said. The first that does not end `ok` decides, and then no
    /// time is kept. A process that ended [`Outcome::Untried`] says nothing where another said something.
    pub fn add(&mut self, mut later: Record) {
        if later.outcome == Outcome::Untried {
            self.volatile.spend(later.volatile.wall_ns, later.volatile.oracle_ns);
            return;
        }
        if self.outcome == Outcome::Untried {
            later.volatile.spend(self.volatile.wall_ns, self.volatile.oracle_ns);
            *self = later;
            return;
        }
        let (before, after) = (&mut self.volatile, std::mem::take(&mut later.volatile));
        before.spend(after.wall_ns, after.oracle_ns);
        before.memory = before.memory.or(after.memory);
        if before.phases.is_empty() {
            before.phases = after.phases;
        }
        match (&mut before.measurement, after.measurement) {
            (Some(before), Some(after)) => {
                before.clock_ns = before.clock_ns.min(after.clock_ns);
                before.processes.extend(after.processes);
            }
            (before, after) => *before = before.take().or(after),
        }
        if later.outcome != Outcome::Ok {
            later.volatile = std::mem::take(&mut self.volatile);
            later.volatile.measurement = None;
            later.check = later.check.or(self.check.take());
            later.info = later.info.or(self.info.take());
            later.footprint = later.footprint.or(self.footprint.take());
            *self = later;
        }
    }
}

impl Volatile {
    fn spend(&mut self, wall_ns: u64, oracle_ns: Option<u64>) {
        self.wall_ns = self.wall_ns.saturating_add(wall_ns);
        self.oracle_ns = self.oracle_ns.into_iter().chain(oracle_ns).reduce(u64::saturating_add);
    }
}

/// One record per cell, in the order in which the cells first come in `records`.
pub fn merge_processes(records: &[Record]) -> Vec<Record> {
    let mut places: HashMap<CellKey<'_>, usize> = HashMap::new();
    let mut cells: Vec<Record> = Vec::new();
    for record in records {
        if let Some(&at) = places.get(&record.cell()) {
            cells[at].add(record.clone());
        } else {
            places.insert(record.cell(), cells.len());
            cells.push(record.clone());
        }
    }
    cells
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Measurement, Memory, Process};

    /// Of a process that measured one sample.
    pub(crate) fn record(case: &str, outcome: Outcome, ns: u64) -> Record {
        let json = r#"{"schema":"attn-record/1","case":"CASE","axis":null,"backend":"b","threads":1,
            "model":"kernel","outcome":"OUTCOME","reason":null,
            "problem":{"shape":{"batch":1,"heads_q":1,"heads_kv":1,"len_q":1,"len_k":1,"dim":1,"dim_v":1},
                "dtype":"f32"},
            "inputs":"i","digests":null,"work":{"pairs":1,"flops":4,"exps":1,"tanhs":0,"bytes":16},
            "receipt":null,"footprint":null,"check":null,"recheck":null,
            "build":{"version":"1","target_features":"","profile":"release"},
            "machine":{"cpu":"c","cores":2,"isa":"","arch":"","os":""},
            "volatile":{"started_ms":0,"wall_ns":0,"oracle_ns":null,"memory":null,"measurement":null}}"#;
        let json = json.replace("CASE", case).replace("OUTCOME", outcome.name());
        let mut record: Record = serde_json::from_str(&json).unwrap();
        let process = Process::of_samples(1, &[ns]);
        record.volatile.wall_ns = 5;
        record.volatile.measurement = (outcome == Outcome::Ok)
            .then(|| Measurement { clock_ns: ns, processes: vec![process] });
        record
    }

    #[test]
    fn every_process_of_a_cell_adds_its_samples() {
        let mut first = record("x", Outcome::Ok, 30);
        first.volatile.oracle_ns = Some(7);
        let memory = Memory {
            prepared_bytes: 1,
            peak_bytes: 2,
            allocations: Some(3),
            allocated_bytes: Some(4),
            uncounted_bytes: None,
        };
        first.volatile.memory = Some(memory);
        let all = [first, record("y", Outcome::Ok, 1), record("x", Outcome::Ok, 20)];
        let [x, y] = &merge_processes(&all)[..] else { panic!("two cells") };
        assert_eq!((x.case.as_str(), y.case.as_str()), ("x", "y"));
        let measurement = x.measurement().unwrap();
        assert_eq!((measurement.clock_ns, measurement.process_medians()), (20, vec![30.0, 20.0]));
        assert_eq!((x.volatile.wall_ns, x.volatile.oracle_ns), (10, Some(7)));
        assert_eq!(x.volatile.memory, Some(memory));
    }

    #[test]
    fn times_that_no_clock_shows_are_added_up() {
        let mut long = record("x", Outcome::Ok, 30);
        (long.volatile.wall_ns, long.volatile.oracle_ns) = (u64::MAX, Some(u64::MAX));
        let [x] = &merge_processes(&[long.clone(), long])[..] else { panic!("one cell") };
        assert_eq!((x.volatile.wall_ns, x.volatile.oracle_ns), (u64::MAX, Some(u64::MAX)));
    }

    #[test]
    fn a_working_set_beyond_all_memory_is_one() {
        let mut large = record("x", Outcome::Ok, 30);
        large.work.bytes.0 = u64::MAX;
        large.volatile.memory = Some(Memory {
            prepared_bytes: 1,
            peak_bytes: 2,
            allocations: None,
            allocated_bytes: None,
            uncounted_bytes: None,
        });
        assert_eq!(large.working_set(), Some(u64::MAX));
    }

    #[test]
    fn a_clock_that_hardly_ever_advances_is_doubted() {
        let mut slow = record("x", Outcome::Ok, 30);
        slow.timing = Some(Timing::Kernel);
        slow.volatile.measurement.as_mut().unwrap().clock_ns = u64::MAX;
        assert_eq!(slow.doubt(None).unwrap().rule, crate::Rule::Resolution);
    }

    #[test]
    fn one_process_that_fails_decides_and_no_time_is_kept() {
        let mut first = record("x", Outcome::Ok, 30);
        first.footprint = Some(attn_core::Footprint::default());
        let all = [first, record("x", Outcome::Disagrees, 0)];
        let [x] = &merge_processes(&all)[..] else { panic!("one cell") };
        assert_eq!((x.outcome, &x.volatile.measurement), (Outcome::Disagrees, &None));
        assert_eq!(x.volatile.wall_ns, 10);
        assert!(x.footprint.is_some(), "what the first process said is kept");
    }

    #[test]
    fn a_process_that_was_not_tried_says_nothing_where_another_did() {
        for all in [[Outcome::Ok, Outcome::Untried], [Outcome::Untried, Outcome::Ok]] {
            let [x] = &merge_processes(&all.map(|outcome| record("x", outcome, 30)))[..] else {
                panic!("one cell")
            };
            assert_eq!((x.outcome, x.volatile.wall_ns), (Outcome::Ok, 10));
            assert_eq!(x.measurement().unwrap().process_medians(), [30.0]);
        }
        let [x] = &merge_processes(&[record("x", Outcome::Untried, 0)])[..] else { panic!() };
        assert_eq!(x.outcome, Outcome::Untried);
    }
}
