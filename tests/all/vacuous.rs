//! No case is vacuous: a result that hardly depends on an input, or hardly on anything, proves nothing about it.
//!
//! The truth of every case is computed again with one input changed. Somewhere it must move by more than a result may
//! be off: otherwise a backend that ignores the input would pass. Nor may it be the same, within that bound, for all
//! rows, columns, heads or batches, for the query heads that share keys, or zero everywhere.

mod nature;
mod perturb;

use std::collections::{BTreeMap, BTreeSet};

use attn_bench::random::draw;
use attn_bench::soak;
use attn_bench::suite::Suite;
use attn_cli::builtin::Builtin;
use attn_core::{
    Arithmetic, DType, Data, InputDistribution, InputParts, Inputs, Problem, ProblemSpec, Shape,
    Tensor,
};
use attn_oracle::{Bounds, Reference, Rows, weights};
use nature::{BY_NATURE, Facts, REASONS};
use perturb::{INPUTS, perturbed};

use crate::properties::parts;

/// The true result on some rows, and how far a result may be from it.
struct Truth {
    /// `[B, Hq, rows, Dv]`.
    dims: [usize; 4],
    o: Vec<f64>,
    bound: Vec<f64>,
}

/// All that this file asks of the oracle about results.
fn truth(problem: &Problem, inputs: &Inputs, rows: &[usize]) -> Truth {
    let rows = Rows::from_indices(rows.to_vec());
    let reference = Reference::compute(problem, inputs, rows).expect("inputs are finite");
    let bounds = Bounds::new(problem, &Arithmetic::PLAIN);
    let width = problem.shape().dim_v;
    let bound = (0..reference.o.len()).map(|at| {
        let element = [reference.o[at], reference.magnitude[at], reference.sensitivity[at]];
        bounds.row(&reference.stats[at / width], None).bound(element)
    });
    let [batch, heads, _, _] = problem.shape().out();
    let dims = [batch, heads, reference.rows.len(), width];
    Truth { dims, bound: bound.collect(), o: reference.o }
}

impl Truth {
    /// Whether `other` is not what a result may be.
    fn moved(&self, other: &Truth) -> bool {
        let pairs = self.o.iter().zip(&other.o).zip(&self.bound);
        pairs.into_iter().any(|((a, b), bound)| (a - b).abs() > *bound)
    }

    /// Whether results that differ along `axis` alone may all be the same one, in each `part` of its length.
    fn is_constant_along(&self, axis: usize, part: usize) -> bool {
        let step: usize = self.dims[axis + 1..].iter().product();
        let first = |at: usize| at - at / step % self.dims[axis] % part * step;
        (0..self.o.len()).all(|at| (self.o[at] - self.o[first(at)]).abs() <= self.bound[at])
    }

    fn is_zero(&self) -> bool {
        self.o.iter().zip(&self.bound).all(|(o, bound)| o.abs() <= *bound)
    }
}

/// At most `most` rows, the first and the last among them.
fn some_rows(len: usize, most: usize) -> Vec<usize> {
    let count = len.min(most);
    (0..count).map(|at| if count == 1 { 0 } else { at * (len - 1) / (count - 1) }).collect()
}

/// The element of the mask that carries the most weight of all that the first head reads.
fn heaviest(problem: &Problem, inputs: &Inputs) -> Option<[usize; 4]> {
    let rows = weights(problem, inputs, 0, 0);
    let all = rows.iter().enumerate().flat_map(|(i, row)| {
        row.iter().enumerate().filter_map(move |(j, weight)| weight.map(|w| (w, [0, 0, i, j])))
    });
    all.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
}

/// What the result of a problem does not depend on, and along which axes it does not change.
fn vacuous(problem: &Problem, inputs: &Inputs) -> BTreeSet<&'static str> {
    let len = problem.shape().len_q;
    let [few, all] = [some_rows(len, 4), some_rows(len, 80)];
    let on_few = truth(problem, inputs, &few);
    let on_all = truth(problem, inputs, &all);
    let mut found = BTreeSet::new();
    for input in INPUTS {
        let changed = perturbed(problem, inputs, input, || heaviest(problem, inputs));
        let Some((p, x)) = changed else { continue };
        // A few rows settle most cases.
        if !on_few.moved(&truth(&p, &x, &few)) && !on_all.moved(&truth(&p, &x, &all)) {
            found.insert(input);
        }
    }
    let [batch, heads, rows, width] = on_all.dims;
    for (axis, part, name) in [
        (0, batch, "batches"),
        (1, heads, "heads"),
        (1, problem.shape().group(), "grouped heads"),
        (2, rows, "rows"),
        (3, width, "columns"),
    ] {
        if part > 1 && on_all.is_constant_along(axis, part) {
            found.insert(name);
        }
    }
    if on_all.is_zero() {
        found.insert("zero");
    }
    found
}

/// More than that per call would take longer than it is worth: the same problems are there in smaller sizes.
const MAX_FLOPS: u64 = 500_000_000;

type Facets = BTreeMap<String, BTreeSet<&'static str>>;

#[test]
fn no_case_is_vacuous_but_by_nature() {
    let suite = Suite::load(Box::new(Builtin)).unwrap();
    let mut found = Facets::new();
    let cases = suite.cases().iter().filter(|case| case.work.flops.0 < MAX_FLOPS);
    let mut checked = 0;
    for case in cases {
        let [inputs, _] = suite.inputs(case).unwrap();
        checked += 1;
        let facets = vacuous(&case.problem, &inputs);
        if !facets.is_empty() {
            found.insert(case.id.clone(), facets);
        }
    }
    assert!(checked > 400, "{checked} cases");
    let mut known = Facets::new();
    for (_, facets, cases) in BY_NATURE {
        for case in *cases {
            known.entry((*case).to_string()).or_default().extend(*facets);
        }
    }
    for case in found.keys().chain(known.keys()) {
        let [found, known] = [&found, &known].map(|all| all.get(case).cloned().unwrap_or_default());
        assert_eq!(found, known, "{case}: found to be vacuous in (left), known to be (right)");
    }
}

const SEED: u64 = 2026;
const PROBLEMS: u64 = 300;

#[test]
fn random_problems_are_vacuous_for_a_reason_alone() {
    let (mut whole, mut used) = (0, BTreeSet::new());
    let mut seen = BTreeMap::<&str, usize>::new();
    for number in 0..PROBLEMS {
        let case = soak::case(SEED, number);
        let (_, distribution, _) = draw(SEED, number);
        let facts = Facts::of(&case.problem, &case.inputs, distribution);
        let facets = vacuous(&case.problem, &case.inputs);
        whole += u64::from(facets.is_empty());
        for facet in &facets {
            let holds = REASONS.iter().filter(|(_, explains, holds)| {
                (explains.is_empty() || explains.contains(facet)) && holds(&facts)
            });
            let reasons: Vec<&str> = holds.map(|(reason, ..)| *reason).collect();
            let source = case.source.as_deref().unwrap_or_default();
            assert!(!reasons.is_empty(), "{source}: {}: {facet} is vacuous", case.problem);
            used.extend(reasons);
        }
        for input in INPUTS.into_iter().filter(|input| !facets.contains(input)) {
            let is_there = perturbed(&case.problem, &case.inputs, input, || Some([0; 4])).is_some();
            *seen.entry(input).or_default() += usize::from(is_there);
        }
    }
    assert!(whole * 3 > PROBLEMS * 2, "{whole} of {PROBLEMS} depend on all of their inputs");
    for input in INPUTS {
        assert!(seen[input] >= 20, "{input} decides {} problems alone", seen[input]);
    }
    for (reason, ..) in REASONS {
        assert!(used.contains(reason), "explains nothing: {reason}");
    }
}

/// What a suite of bland inputs looks like: keys that hardly differ, values that are all alike.
#[test]
fn bland_inputs_are_found_vacuous() {
    let shape = Shape { batch: 2, heads_kv: 2, ..Shape::square(4, 9, 8) };
    let problem = Problem::new(ProblemSpec::new(shape, DType::F32)).unwrap();
    let normal = Inputs::generate(&problem, InputDistribution::Normal, 1);
    assert_eq!(vacuous(&problem, &normal), BTreeSet::new());
    let with_values = |value: f64| {
        let len = normal.v().data().len();
        let v = Tensor::new(shape.v(), Data::filled(DType::F32, len, value)).unwrap();
        Inputs::new(&problem, InputParts { v, ..parts(&normal) })
    };
    let found = |value| vacuous(&problem, &with_values(value).unwrap());
    let constant = ["q", "k", "batches", "heads", "grouped heads", "rows", "columns"];
    assert_eq!(found(0.5), BTreeSet::from(constant));
    let nothing = BTreeSet::from(constant).into_iter().chain(["v", "zero"]).collect();
    assert_eq!(found(0.0), nothing);
}
