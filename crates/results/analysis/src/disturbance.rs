//! How many samples were disturbed: while they were taken, the process had to wait for a processor, or the hypervisor
//! gave time to others.

use std::fmt;

use attn_record::Record;
use serde::Serialize;

use attn_record::figures::{count, percent};

/// A share of disturbed samples above this is warned of.
pub const MUCH: f64 = 0.1;

/// Samples of cells that ended `ok`, and how many of them were disturbed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disturbance {
    /// Samples of cells whose processes could all tell.
    pub samples: usize,
    /// Of them, those that were disturbed. They count like all others.
    pub disturbed: usize,
    /// What to do, in one line, if they are many.
    pub warning: Option<String>,
}

impl Disturbance {
    /// Of all cells together; `None` without a sample that could tell.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let (mut samples, mut disturbed) = (0, 0);
        for measured in records.into_iter().filter_map(Record::measurement) {
            if let Some(n) = measured.disturbed() {
                (samples, disturbed) = (samples + measured.samples(), disturbed + n);
            }
        }
        let mut found = Disturbance { samples, disturbed, warning: None };
        if found.share() > MUCH {
            found.warning = Some(format!(
                "{found}: others used the machine, so times may be too long and vary more; quiet it and measure again"
            ));
        }
        (samples > 0).then_some(found)
    }

    /// Disturbed samples as a share of all.
    pub fn share(&self) -> f64 {
        self.disturbed as f64 / self.samples.max(1) as f64
    }

    /// The warning, or else how many there are.
    pub fn line(&self) -> String {
        self.warning.clone().unwrap_or_else(|| self.to_string())
    }
}

/// `12 of 345 samples (3.5%) were disturbed`.
impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (samples, share) = (count(self.samples, "sample"), percent(self.share()));
        write!(f, "{} of {samples} ({share}) were disturbed", self.disturbed)
    }
}

/// The share of a cell's samples that were disturbed, where all of its processes could tell.
pub fn share(record: &Record) -> Option<f64> {
    Some(Disturbance::of([record])?.share())
}

#[cfg(test)]
mod tests {
    use attn_record::Outcome;

    use super::*;
    use crate::fixture::{checked, disturbed, with_outcome};

    #[test]
    fn samples_are_counted_over_cells_and_many_are_warned_of() {
        let few = [disturbed("g/1", 1, 10), disturbed("g/2", 0, 10), checked("g/3", "x", 0.1)];
        let found = Disturbance::of(&few).unwrap();
        assert_eq!((found.samples, found.disturbed, found.warning.clone()), (20, 1, None));
        assert_eq!(found.line(), "1 of 20 samples (5.0%) were disturbed");
        let many = Disturbance::of(&[disturbed("g/1", 3, 10), few[1].clone()]).unwrap();
        let warning = many.warning.clone().expect("15 %");
        assert!(warning.starts_with("3 of 20 samples (15%) were disturbed: "), "{warning}");
        assert!(!warning.contains('\n') && many.line() == warning);
    }

    #[test]
    fn what_nobody_could_tell_is_not_calm() {
        let mut silent = disturbed("g/1", 0, 10);
        silent.volatile.measurement.as_mut().unwrap().processes[0].disturbed = None;
        assert_eq!(Disturbance::of(&[silent.clone()]), None);
        assert_eq!(share(&silent), None);
        let known = disturbed("g/2", 2, 4);
        assert_eq!(share(&known), Some(0.5));
        assert_eq!(Disturbance::of(&[silent, known]).unwrap().samples, 4);
        let wrong = with_outcome(disturbed("g/1", 2, 4), Outcome::Disagrees);
        assert_eq!(Disturbance::of(&[wrong]), None, "without a verdict there are no samples");
    }
}
