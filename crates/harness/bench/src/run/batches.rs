//! Which cases are measured in turns.

use super::Cell;

/// Bytes of inputs and expectations that a run keeps on disk for its workers at a time, roughly.
const BYTES: u64 = 1 << 30;

/// Cells of one case are neighbours.
pub(super) fn same_case(a: &Cell<'_>, b: &Cell<'_>) -> bool {
    a.case.id == b.case.id
}

/// As many neighbouring cases as their inputs may take disk space: in all but huge suites, one batch of all.
pub(super) fn batches<'c, 's>(cells: &'c [Cell<'s>]) -> Vec<&'c [Cell<'s>]> {
    let mut batches = Vec::new();
    let (mut rest, mut len, mut bytes) = (cells, 0, 0);
    for case in cells.chunk_by(same_case) {
        let more = on_disk(case);
        if len > 0 && bytes + more > BYTES {
            let (batch, later) = rest.split_at(len);
            batches.push(batch);
            (rest, len, bytes) = (later, 0, 0);
        }
        len += case.len();
        bytes += more;
    }
    batches.extend((len > 0).then_some(rest));
    batches
}

/// What the files of a case take until its last round: inputs A and B. A case that is only checked has one round.
fn on_disk(case: &[Cell<'_>]) -> u64 {
    let measured = case.iter().any(Cell::is_measured);
    if measured { 2 * case[0].case.work.bytes.0 } else { 0 }
}

#[cfg(test)]
mod tests {
    use attn_record::Timing;

    use super::*;
    use crate::run::Task;
    use crate::suite::{Directory, Suite};

    /// Numbers of cells in the batches of cases of these lengths, two cells each; those below 0 are only checked.
    fn batch_sizes(lengths: &[i64]) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let case = |(at, len): (usize, &i64)| {
            let len = len.unsigned_abs();
            format!("[[case]]\nname = 'c{at}'\nshape = {{ len = {len}, dim = 1024 }}\n")
        };
        let cases: String = lengths.iter().enumerate().map(case).collect();
        std::fs::write(folder.path().join("x.toml"), format!("analysis = 'a'\n{cases}")).unwrap();
        let suite = Suite::load(Box::new(Directory(folder.path().into()))).unwrap();
        let cell = |(case, len): (_, &i64), threads| {
            let task = if *len > 0 { Task::Measure(Timing::Kernel) } else { Task::Check };
            Cell { case, backend: 0, threads, task }
        };
        let cases = suite.cases().iter().zip(lengths);
        let cells: Vec<Cell<'_>> =
            cases.flat_map(|case| [1, 2].map(|threads| cell(case, threads))).collect();
        batches(&cells).iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn everything_is_one_batch_unless_its_inputs_are_huge() {
        assert_eq!(batch_sizes(&[1, -1, 2, -2, 3]), [10]);
        // q, k, v and the output of 16384 rows of 4 KiB are 256 MiB, twice that on disk.
        let huge = 16384;
        assert_eq!(batch_sizes(&[huge, huge, huge, 1]), [4, 4]);
        assert_eq!(
            batch_sizes(&[-huge, -huge, -huge, 1]),
            [8],
            "nothing is kept of what is checked"
        );
        assert_eq!(batch_sizes(&[3 * huge, 1]), [2, 2], "a case stays together");
        assert!(batches(&[]).is_empty());
    }
}
