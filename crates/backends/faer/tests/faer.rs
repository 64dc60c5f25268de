//! faer as an adapter.

#[path = "../../host/tests/adapter/mod.rs"]
mod adapter;

use adapter::{distance, problem, run};
use attn_core::{Backend, DType, InputDistribution, Inputs, ProblemSpec, Shape, ThreadPolicy};
use attn_faer::Faer;

#[test]
fn any_problem_is_computed_as_plain_loops_do() {
    adapter::computes_what_plain_loops_do(&Faer);
}

#[test]
fn no_problem_is_refused() {
    adapter::refuses_nothing(&Faer);
}

#[test]
fn a_head_reads_the_values_of_its_own_key_head() {
    adapter::reads_the_values_of_its_own_key_head(&Faer);
}

#[test]
fn rows_without_a_key_are_zero_and_their_log_sum_exp_is_minus_infinity() {
    adapter::leaves_rows_without_a_key_zero(&Faer);
}

#[test]
fn what_nobody_admits_changes_no_bit() {
    adapter::does_not_read_what_nobody_admits(&Faer);
}

#[test]
fn half_types_are_computed_in_f32_and_rounded_once() {
    adapter::computes_half_types_in_f32(&Faer);
}

#[test]
fn a_plan_without_its_inputs_is_an_error() {
    adapter::refuses_plans_without_their_inputs(&Faer);
}

/// faer caps the threads of a call at those of the pool that it runs in: the plan's own.
#[test]
fn threads_are_those_of_the_call_and_leave_the_result_as_it_is() {
    assert_eq!(Faer.probe().unwrap().threads, ThreadPolicy::PerCall);
    let p = problem(ProblemSpec::new(Shape::square(2, 200, 64), DType::F32));
    let x = Inputs::generate(&p, InputDistribution::Normal, 7);
    let one = run(&Faer, &p, &x, 1);
    for threads in [2, 5] {
        let far = distance(&run(&Faer, &p, &x, threads), &one);
        assert!(far <= 1e-5, "{threads} threads: {far:e}");
    }
}
