//! ndarray as an adapter.

#[path = "../../host/tests/adapter/mod.rs"]
mod adapter;

use adapter::{problem, run};
use attn_core::{Backend, DType, InputDistribution, Inputs, ProblemSpec, Shape, ThreadPolicy};
use attn_ndarray::Ndarray;

#[test]
fn any_problem_is_computed_as_plain_loops_do() {
    adapter::computes_what_plain_loops_do(&Ndarray);
}

#[test]
fn no_problem_is_refused() {
    adapter::refuses_nothing(&Ndarray);
}

#[test]
fn a_head_reads_the_values_of_its_own_key_head() {
    adapter::reads_the_values_of_its_own_key_head(&Ndarray);
}

#[test]
fn rows_without_a_key_are_zero_and_their_log_sum_exp_is_minus_infinity() {
    adapter::leaves_rows_without_a_key_zero(&Ndarray);
}

#[test]
fn what_nobody_admits_changes_no_bit() {
    adapter::does_not_read_what_nobody_admits(&Ndarray);
}

#[test]
fn half_types_are_computed_in_f32_and_rounded_once() {
    adapter::computes_half_types_in_f32(&Ndarray);
}

#[test]
fn a_plan_without_its_inputs_is_an_error() {
    adapter::refuses_plans_without_their_inputs(&Ndarray);
}

/// The softmax of more than one thread works on the same rows in the same order of terms.
#[test]
fn threads_are_those_of_the_process_and_change_no_bit() {
    assert_eq!(Ndarray.probe().unwrap().threads, ThreadPolicy::PerProcess);
    let p = problem(ProblemSpec::new(Shape::square(2, 200, 64), DType::F32));
    let x = Inputs::generate(&p, InputDistribution::Normal, 7);
    assert_eq!(run(&Ndarray, &p, &x, 1).o().tensor(), run(&Ndarray, &p, &x, 4).o().tensor());
}
