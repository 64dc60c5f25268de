//! One test for each problem, with the feature `libtest-mimic`.

use libtest_mimic::{Failed, Trial};

use crate::Check;

/// One test for each problem of `check`, for a test without the standard harness: each has the problem as its name, can be chosen by
/// it on the command line, and runs beside the others.
///
/// ```no_run
/// # fn my_sdpa(_: &attn_check::Problem, _: &[f32], _: &[f32], _: &[f32]) -> Vec<f32> { vec![] }
/// fn main() {
///     let trials = attn_check::trials("my_sdpa", || attn_check::forward(my_sdpa).cases(50));
///     libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit();
/// }
/// ```
pub fn trials<F>(name: &str, check: F) -> Vec<Trial>
where
    F: Fn() -> Check<'static> + Clone + Send + 'static,
{
    let cases = check().space.cases();
    let trials = cases.into_iter().map(|case| {
        let check = check.clone();
        Trial::test(format!("{name} {case}"), move || {
            let report = check().alone(case).run();
            if report.failures().is_empty() {
                Ok(())
            } else {
                Err(Failed::from(report.to_string()))
            }
        })
    });
    trials.collect()
}
