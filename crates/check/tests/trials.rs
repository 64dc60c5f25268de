//! One test for each problem, as a user writes it.

fn main() {
    let average = |p: &attn_check::Problem, _: &[f32], _: &[f32], v: &[f32]| {
        // Right where there is one key.
        (p.shape().len_k == 1 && p.shape().len_q == 1).then(|| v.to_vec())
    };
    let trials = attn_check::trials("one key", move || attn_check::forward(average).cases(40));
    assert!(trials.len() == 40 && trials[0].name().starts_with("one key B"));
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit();
}
