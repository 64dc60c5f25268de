//! Whole comparisons of a program with itself in which one cell was slowed down, by this gate and by others:
//! `tries.jsonl`.

use attn_record::stats::median;
use serde::{Deserialize, Serialize};

use crate::calibrate::Share;

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Try {
    /// Who compared: `attn gate`, `criterion`.
    pub tool: String,
    /// `BACKEND:CASE` of the cell that was slowed down.
    pub cell: String,
    /// By how much, percent.
    pub planted: f64,
    /// How many cells were compared.
    pub cells: usize,
    /// How long that took, builds apart.
    pub seconds: f64,
    /// Cells that are said to be slower.
    pub regressed: Vec<String>,
    /// How many cells are inconclusive.
    pub undecided: usize,
}

/// All comparisons of one tool with one slowdown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub tool: String,
    /// The slowdown, percent.
    pub planted: f64,
    /// How many cells were compared each time, at most.
    pub cells: usize,
    /// Median of what one comparison took, seconds.
    pub seconds: f64,
    /// Comparisons that say that the slow cell is slower.
    pub found: Share,
    /// Comparisons that say so, and of no other cell.
    pub alone: Share,
    /// Cells that nothing was done to and that are said to be slower.
    pub accused: Share,
    /// Cells that are inconclusive.
    pub undecided: Share,
}

impl Tool {
    /// Of every tool and slowdown, in order of first appearance.
    pub fn all(tries: &[Try]) -> Vec<Self> {
        let mut keys: Vec<(&str, f64)> = Vec::new();
        for key in tries.iter().map(|one| (one.tool.as_str(), one.planted)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let own = |key| tries.iter().filter(move |one| (one.tool.as_str(), one.planted) == key);
        keys.into_iter().map(|key| Tool::of(&own(key).collect::<Vec<_>>())).collect()
    }

    fn of(tries: &[&Try]) -> Self {
        let count = |what: fn(&Try) -> bool| tries.iter().filter(|one| what(one)).count() as u64;
        let sum = |what: fn(&Try) -> usize| tries.iter().map(|one| what(one) as u64).sum::<u64>();
        let seconds: Vec<f64> = tries.iter().map(|one| one.seconds).collect();
        Tool {
            tool: tries[0].tool.clone(),
            planted: tries[0].planted,
            cells: tries.iter().map(|one| one.cells).max().unwrap_or(0),
            seconds: median(&seconds).unwrap_or(f64::NAN),
            found: Share::of(count(Try::found), tries.len() as u64),
            alone: Share::of(count(|one| one.found() && one.accused() == 0), tries.len() as u64),
            accused: Share::of(sum(Try::accused), sum(|one| one.cells.saturating_sub(1))),
            undecided: Share::of(sum(|one| one.undecided), sum(|one| one.cells)),
        }
    }
}

impl Try {
    fn found(&self) -> bool {
        self.regressed.contains(&self.cell)
    }

    /// How many other cells are said to be slower.
    fn accused(&self) -> usize {
        self.regressed.iter().filter(|cell| **cell != self.cell).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(tool: &str, regressed: &[&str], seconds: f64) -> Try {
        Try {
            tool: tool.into(),
            cell: "x:a".into(),
            planted: 3.0,
            cells: 20,
            seconds,
            regressed: regressed.iter().map(|&cell| cell.into()).collect(),
            undecided: 1,
        }
    }

    #[test]
    fn counts_by_hand() {
        let tries = [
            one("gate", &["x:a"], 50.0),
            one("other", &["x:a", "x:b", "x:c"], 61.0),
            one("gate", &[], 52.0),
            one("other", &["x:b"], 63.0),
            one("gate", &["x:a"], 57.0),
        ];
        let [gate, other] = &Tool::all(&tries)[..] else { panic!("two tools") };
        let counts =
            |tool: &Tool| [tool.found, tool.alone, tool.accused].map(|s| (s.hits, s.tries));
        assert_eq!(counts(gate), [(2, 3), (2, 3), (0, 57)]);
        assert_eq!(counts(other), [(1, 2), (0, 2), (3, 38)]);
        assert_eq!((gate.cells, gate.seconds, gate.undecided.hits), (20, 52.0, 3));
        // 2 of 3: from 9.4 % to 99.2 %, as tables of the binomial distribution say.
        let interval = gate.found.interval.unwrap();
        assert!((interval[0] - 0.0943).abs() < 1e-4 && (interval[1] - 0.9916).abs() < 1e-4);
    }

    #[test]
    fn slowdowns_are_told_apart() {
        let none = Try { planted: 0.0, ..one("gate", &[], 50.0) };
        assert_eq!(Tool::all(&[none, one("gate", &[], 50.0)]).len(), 2);
    }
}
