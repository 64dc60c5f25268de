//! One problem with its inputs, in words that make it again.

use std::fmt;
use std::str::FromStr;

use attn_core::{
    Data, Element, InputDistribution, InputParts, Inputs, InvalidInputs, Problem, ProblemSpec,
    Tensor,
};

/// A problem and where its inputs come from. What it prints is read again:
///
/// ```
/// let text = "B1 H4/2 N7x9 D8 f32 causal:bottom-right inputs:needle seed:17";
/// let case: attn_check::Case = text.parse()?;
/// assert_eq!(case.to_string(), text);
/// assert_eq!(case.inputs().q().dims(), [1, 4, 7, 8]);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    problem: Problem,
    source: Source,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Drawn(InputDistribution, u64),
    Given(Box<Inputs>),
}

impl Case {
    /// Inputs drawn from `distribution` by `seed`.
    pub const fn drawn(problem: Problem, distribution: InputDistribution, seed: u64) -> Self {
        Case { problem, source: Source::Drawn(distribution, seed) }
    }

    /// Inputs of one's own: q `[B, Hq, Nq, D]`, k `[B, Hkv, Nk, D]` and v `[B, Hkv, Nk, Dv]`, row-major, of a problem that has no others.
    pub fn given<T: Element>(problem: Problem, [q, k, v]: [&[T]; 3]) -> Result<Self, String> {
        let tensor = |name: &str, dims: [usize; 4], x: &[T]| {
            let data = Data::from_f64(problem.dtype(), x.iter().map(|x| x.to_f64()));
            Tensor::new(dims, data).map_err(|error| format!("{name}: {error}"))
        };
        let shape = problem.shape();
        let parts = InputParts::plain(
            tensor("q", shape.q(), q)?,
            tensor("k", shape.k(), k)?,
            tensor("v", shape.v(), v)?,
        );
        let inputs =
            Inputs::new(&problem, parts).map_err(|error: InvalidInputs| error.to_string())?;
        Ok(Case { problem, source: Source::Given(Box::new(inputs)) })
    }

    /// The problem.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The numbers.
    pub fn inputs(&self) -> Inputs {
        match &self.source {
            Source::Drawn(distribution, seed) => {
                Inputs::generate(&self.problem, *distribution, *seed)
            }
            Source::Given(inputs) => (**inputs).clone(),
        }
    }

    /// Other inputs of the same problem.
    #[cfg(feature = "mutants")]
    pub(crate) fn other_inputs(&self) -> Inputs {
        match &self.source {
            Source::Drawn(distribution, seed) => {
                Inputs::generate(&self.problem, *distribution, seed.wrapping_add(1))
            }
            Source::Given(inputs) => inputs.varied(&self.problem),
        }
    }

    /// How the inputs are distributed, and their seed; `None` if they were given.
    pub(crate) const fn drawn_from(&self) -> Option<(InputDistribution, u64)> {
        match self.source {
            Source::Drawn(distribution, seed) => Some((distribution, seed)),
            Source::Given(_) => None,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.problem)?;
        match &self.source {
            Source::Drawn(distribution, seed) => {
                write!(f, " inputs:{} seed:{seed}", distribution.name())
            }
            Source::Given(_) => f.write_str(" inputs as given"),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    /// A problem in the notation of [`ProblemSpec`]; with `inputs:` and `seed:`, or normal inputs of seed 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut distribution, mut seed, mut rest) = (InputDistribution::Normal, 0, Vec::new());
        for word in text.split_whitespace() {
            match word.split_once([':', '=']) {
                Some(("inputs", name)) => distribution = named(name)?,
                Some(("seed", number)) => {
                    let wrong = |_| format!("`{word}`: expected a whole number, such as `seed:17`");
                    seed = number.parse().map_err(wrong)?;
                }
                _ => rest.push(word),
            }
        }
        let spec: ProblemSpec = rest.join(" ").parse()?;
        let problem = Problem::new(spec).map_err(|error| format!("`{text}`: {error}"))?;
        Ok(Case::drawn(problem, distribution, seed))
    }
}

fn named(name: &str) -> Result<InputDistribution, String> {
    let found = InputDistribution::ALL.into_iter().find(|one| one.name() == name);
    found.ok_or_else(|| {
        let names = InputDistribution::ALL.map(InputDistribution::name).join(", ");
        format!("`inputs:{name}`: expected one of {names}")
    })
}

#[cfg(test)]
mod tests {
    use attn_core::DType;

    use super::*;
    use crate::random::draw;

    #[test]
    fn what_is_printed_is_the_same_problem_with_the_same_inputs() {
        for number in 0..200 {
            let (problem, distribution, seed) = draw(5, number);
            let case = Case::drawn(problem, distribution, seed);
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        let case: Case = "N2 D3".parse().unwrap();
        assert_eq!(case.to_string(), "B1 H1 N2 D3 f32 inputs:normal seed:0");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, says) in [
            ("N2 D3 inputs:nromal", "expected one of normal, large-logits"),
            ("N2 D3 seed:x", "`seed:x`: expected a whole number"),
            ("N2 D3 causl", "`causl`: expected B, H, N"),
            ("H3/2 N2 D3", "heads_kv = 2 does not divide"),
        ] {
            let error = text.parse::<Case>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn given_inputs_are_those_that_were_given() {
        let problem = "N2 D1 f32".parse::<Case>().unwrap().problem;
        let case =
            Case::given::<f32>(problem.clone(), [&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]]).unwrap();
        assert_eq!(case.inputs().k().slice::<f32>(), Some(&[3.0, 4.0][..]));
        assert_eq!(case.problem().dtype(), DType::F32);
        let error =
            Case::given::<f32>(problem.clone(), [&[1.0], &[3.0, 4.0], &[5.0, 6.0]]).unwrap_err();
        assert!(error.starts_with("q: 1 elements do not fill"), "{error}");
        let nan = Case::given::<f32>(problem, [&[1.0, f32::NAN], &[3.0, 4.0], &[5.0, 6.0]]);
        assert!(nan.unwrap_err().contains("holds NaN"));
    }
}
