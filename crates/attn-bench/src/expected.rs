//! What a result is judged by: oracle and yardstick of one set of inputs.
//!
//! Computed once per case and set of inputs, then handed to every worker as a file.

use std::collections::HashMap;
use std::path::Path;

use attn_core::{Arithmetic, BackendError, ByRows, Inputs, Output, Problem, Verdict};
use attn_oracle::{
    Budget, LooseRow, OracleError, Reference, RowStats, Rows, Yardstick, judge_output,
};
use safetensors::{Dtype as FileType, SafeTensors, tensor::TensorView};

/// Multiplications that the oracle may spend on one set of inputs: about a quarter of a second.
const MAX_PRODUCTS: u64 = 1 << 26;

/// Oracle and yardstick.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    reference: Reference,
    yardstick: Yardstick,
}

/// Why there is nothing to judge by: an error of the harness, whatever the backends do.
#[derive(Debug, thiserror::Error)]
pub enum ExpectedError {
    /// The oracle failed.
    #[error("oracle: {0}")]
    Oracle(#[from] OracleError),
    /// The yardstick could not be computed.
    #[error("yardstick `naive`: {0}")]
    Run(#[from] BackendError),
    /// The file cannot be read or written.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: String,
        /// Why.
        message: String,
    },
}

impl Expected {
    /// Computes the oracle on a choice of rows, then measures the yardstick with `naive` on the same
    /// rows. Where that is beyond its own a-priori bound it widens nobody's budget.
    pub fn compute(
        problem: &Problem,
        inputs: &Inputs,
        naive: &dyn ByRows,
    ) -> Result<Self, ExpectedError> {
        let rows = Rows::choose(problem, MAX_PRODUCTS);
        let reference = Reference::compute(problem, inputs, rows)?;
        let out = naive.compute_rows(problem, inputs, reference.rows.indices())?;
        let budget = Budget::new(problem, &Arithmetic::PLAIN);
        let verdict = judge_output(problem, &reference, &budget, None, &out);
        let yardstick =
            Yardstick::measure(problem, &reference, &out.o().tensor(), verdict.agrees());
        Ok(Expected { reference, yardstick })
    }

    /// Judges what a backend with the given arithmetic stored.
    pub fn judge(&self, problem: &Problem, arithmetic: &Arithmetic, out: &Output) -> Verdict {
        let budget = Budget::new(problem, arithmetic);
        judge_output(problem, &self.reference, &budget, Some(&self.yardstick), out)
    }

    /// Writes the file that [`Expected::load`] reads.
    pub fn save(&self, path: &Path) -> Result<(), ExpectedError> {
        let stats: Vec<f64> = self
            .reference
            .stats
            .iter()
            .flat_map(|s| {
                let RowStats { lse, max, mean_error, max_error, max_value, lost, .. } = *s;
                let keys = s.keys as f64;
                [keys, lse, max, mean_error, max_error, max_value, lost, s.concentration]
            })
            .collect();
        let loose_rows: Vec<f64> = self
            .reference
            .loose
            .iter()
            .flat_map(|(&at, row)| [at as f64, f64::from(u8::from(row.undetermined))])
            .collect();
        let loose: Vec<f64> = self
            .reference
            .loose
            .values()
            .flat_map(|row| [&row.bound, &row.lower, &row.upper].into_iter().flatten().copied())
            .collect();
        let rows: Vec<f64> = self.reference.rows.indices().iter().map(|&i| i as f64).collect();
        let yardstick = [self.yardstick.naive, self.yardstick.allowed, self.reference.noise];
        let Reference { o, magnitude, sensitivity, .. } = &self.reference;
        let arrays: [(&str, &[f64]); 8] = [
            ("o", o),
            ("magnitude", magnitude),
            ("sensitivity", sensitivity),
            ("stats", &stats),
            ("loose_rows", &loose_rows),
            ("loose", &loose),
            ("rows", &rows),
            ("yardstick", &yardstick),
        ];
        let bytes = arrays.map(|(name, array)| (name, le_bytes(array)));
        let views = bytes.iter().map(|(name, bytes)| {
            let view = TensorView::new(FileType::F64, vec![bytes.len() / 8], bytes);
            (*name, view.expect("eight bytes each"))
        });
        let file = safetensors::serialize(views, None::<HashMap<String, String>>);
        std::fs::write(path, file.expect("named arrays")).map_err(|error| file_error(path, &error))
    }

    /// Reads what [`Expected::save`] wrote.
    pub fn load(path: &Path) -> Result<Self, ExpectedError> {
        let bytes = std::fs::read(path).map_err(|error| file_error(path, &error))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| file_error(path, &error))?;
        let array = |name: &str| -> Result<Vec<f64>, ExpectedError> {
            let view = file.tensor(name).map_err(|error| file_error(path, &error))?;
            let (words, _) = view.data().as_chunks::<8>();
            Ok(words.iter().map(|&word| f64::from_le_bytes(word)).collect())
        };
        let stats = array("stats")?;
        let stats = stats.as_chunks::<8>().0.iter().map(|&stats| {
            let [keys, lse, max, mean_error, max_error, max_value, lost, concentration] = stats;
            let keys = keys as usize;
            RowStats { keys, lse, max, mean_error, max_error, max_value, lost, concentration }
        });
        let (loose_rows, loose) = (array("loose_rows")?, array("loose")?);
        // Two numbers a row there, three a column here.
        let width = loose.len().checked_div(loose_rows.len() / 2 * 3).unwrap_or(0);
        let rows = loose_rows.as_chunks::<2>().0.iter().zip(loose.chunks_exact(3 * width.max(1)));
        let loose = rows.map(|(&[at, undetermined], of_row)| {
            let [bound, lower, upper] =
                [0, 1, 2].map(|part| of_row[part * width..][..width].to_vec());
            (at as usize, LooseRow { bound, lower, upper, undetermined: undetermined != 0.0 })
        });
        let [naive, allowed, noise] = array("yardstick")?[..] else {
            return Err(file_error(path, &"no yardstick"));
        };
        let reference = Reference {
            rows: Rows::from_indices(array("rows")?.into_iter().map(|i| i as usize).collect()),
            o: array("o")?,
            magnitude: array("magnitude")?,
            sensitivity: array("sensitivity")?,
            stats: stats.collect(),
            loose: loose.collect(),
            noise,
            typical: None,
        };
        Ok(Expected { reference, yardstick: Yardstick { naive, allowed } })
    }
}

fn le_bytes(array: &[f64]) -> Vec<u8> {
    array.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn file_error(path: &Path, message: &dyn std::fmt::Display) -> ExpectedError {
    ExpectedError::File { path: path.display().to_string(), message: message.to_string() }
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, Family, ProblemSpec, Shape};
    use attn_naive::Naive;

    use super::*;

    #[test]
    fn the_file_is_the_same_expectation() {
        is_the_same(None, 0);
        is_the_same(Some(1e9), 18);
    }

    /// With scores so large that all rows are loose, or none is.
    fn is_the_same(scale: Option<f64>, loose: usize) {
        let shape = Shape { heads_kv: 1, dim_v: 3, ..Shape::square(2, 9, 4) };
        let problem = ProblemSpec { scale, ..ProblemSpec::new(shape, DType::F32) };
        let problem = Problem::new(problem).unwrap();
        let inputs = Inputs::generate(&problem, Family::Normal, 1);
        let expected = Expected::compute(&problem, &inputs, &Naive).unwrap();
        assert_eq!(expected.reference.loose.len(), loose);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("expected");
        expected.save(&path).unwrap();
        assert_eq!(Expected::load(&path).unwrap(), expected);
    }
}
