//! Which cases have their rounds in turns.

use super::Cell;

/// Measured cases whose rounds take turns, at most. More would spread a cell's processes further, and lose
/// more when a run is killed.
const WINDOW: usize = 8;

/// Measured cells of several cases whose rounds take turns, at most: a round of as many takes some seconds.
const CELLS: usize = 32;

/// Cells of one case are neighbours.
pub(super) fn same_case(a: &Cell<'_>, b: &Cell<'_>) -> bool {
    a.case.id == b.case.id
}

/// Up to [`WINDOW`] neighbouring cases that are measured, of [`CELLS`] cells together or one of more; cases that
/// are only checked stay alone, since they have a single round.
pub(super) fn windows<'c, 's>(cells: &'c [Cell<'s>]) -> Vec<&'c [Cell<'s>]> {
    let measured = |cells: &[Cell<'_>]| cells.iter().filter(|cell| cell.is_measured()).count();
    let mut windows = Vec::new();
    let (mut rest, mut cases, mut len) = (cells, 0, 0);
    for case in cells.chunk_by(same_case) {
        let (so_far, more) = (measured(&rest[..len]), measured(case));
        let alone = so_far == 0 || more == 0 || so_far + more > CELLS;
        if cases > 0 && (alone || cases == WINDOW) {
            let (window, later) = rest.split_at(len);
            windows.push(window);
            (rest, cases, len) = (later, 0, 0);
        }
        cases += 1;
        len += case.len();
    }
    windows.extend((len > 0).then_some(rest));
    windows
}

#[cfg(test)]
mod tests {
    use attn_record::Model;

    use super::*;
    use crate::run::Task;
    use crate::suite::{Directory, Suite};

    /// Cells of each case of a suite of `names`; those that start with `m` are measured. The windows' numbers
    /// of cases.
    fn window_sizes(names: &[&str], cells: usize) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let case =
            |name: &&str| format!("[[case]]\nname = '{name}'\nshape = {{ len = 1, dim = 1 }}\n");
        let cases: String = names.iter().map(case).collect();
        std::fs::write(folder.path().join("x.toml"), format!("analysis = 'a'\n{cases}")).unwrap();
        let suite = Suite::load(Box::new(Directory(folder.path().into()))).unwrap();
        let all: Vec<Cell<'_>> = suite
            .cases()
            .iter()
            .flat_map(|case| {
                let measured = case.id.contains("/m");
                let task = if measured { Task::Measure(Model::Kernel) } else { Task::Check };
                let cell = |threads| Cell { case, backend: 0, threads, task: task.clone() };
                (1..=cells).map(cell).collect::<Vec<_>>()
            })
            .collect();
        windows(&all).iter().map(|window| window.len() / cells).collect()
    }

    #[test]
    fn neighbouring_measured_cases_share_a_window_and_checked_ones_stay_alone() {
        assert_eq!(window_sizes(&["m1", "m2", "c1", "c2", "m3"], 2), [2, 1, 1, 1]);
        let many: Vec<String> = (0..=WINDOW).map(|at| format!("m{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(window_sizes(&many, 2), [WINDOW, 1]);
        assert_eq!(window_sizes(&["c1"], 2), [1]);
        assert!(windows(&[]).is_empty());
    }

    #[test]
    fn windows_are_short_enough_to_be_lost() {
        assert_eq!(window_sizes(&["m1", "m2", "m3"], CELLS / 2), [2, 1]);
        assert_eq!(window_sizes(&["m1", "m2"], CELLS + 1), [1, 1], "a case stays together");
    }
}
