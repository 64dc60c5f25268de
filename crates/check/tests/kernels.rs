//! Right kernels pass; wrong ones are told what is wrong with them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use attn_check::{
    BF16, CAUSAL, CAUSAL_BOTTOM_RIGHT, CAUSAL_TOP_LEFT, EMPTY_ROWS, F16, F32, F64, Features,
    GROUPED_HEADS, InputDistribution, Inputs, KV_LEN, Kind, LSE, Problem, Report, SLIDING_WINDOW,
    SOFTCAP, VALUE_DIM,
};
use attn_naive::Naive;
use half::bf16;

/// Plain loops over one row; `admits` says which keys it sees.
fn rows(
    p: &Problem,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    admits: impl Fn(usize, usize, usize) -> bool,
) -> (Vec<f32>, Vec<f32>) {
    let s = p.shape();
    let (mut out, mut lse) = (Vec::new(), Vec::new());
    for (row, q) in q.chunks(s.dim).enumerate() {
        let (b, h, i) = (row / s.len_q / s.heads_q, row / s.len_q % s.heads_q, row % s.len_q);
        let first = (b * s.heads_kv + s.kv_head(h)) * s.len_k;
        let key = |j: usize| &k[(first + j) * s.dim..][..s.dim];
        let score = |j: usize| {
            let x = q.iter().zip(key(j)).map(|(q, k)| q * k).sum::<f32>() * p.scale() as f32;
            p.softcap().map_or(x, |c| c as f32 * (x / c as f32).tanh())
        };
        let keys: Vec<usize> = (0..s.len_k).filter(|&j| admits(b, i, j)).collect();
        let max = keys.iter().map(|&j| score(j)).fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = keys.iter().map(|&j| (score(j) - max).exp()).collect();
        let sum: f32 = weights.iter().sum();
        lse.push(max + sum.ln());
        out.extend((0..s.dim_v).map(|c| {
            let terms = keys.iter().zip(&weights).map(|(j, w)| w * v[(first + j) * s.dim_v + c]);
            if keys.is_empty() { 0.0 } else { terms.sum::<f32>() / sum }
        }));
    }
    (out, lse)
}

fn honest(p: &Problem, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    rows(p, q, k, v, |b, i, j| p.admitted(b, i).contains(&j)).0
}

const MUCH: Features = Features::ALL.without(Features::OF_INPUTS).without(attn_check::LSE);

fn says(report: &Report, parts: &[&str]) {
    let text = report.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn honest_kernels_pass_in_every_way_of_asking() {
    attn_check::forward(honest).supports(MUCH).dtypes([F32, BF16, F16]).cases(200).assert();
    attn_check::forward_into(|p, q: &[f32], k, v, out: &mut [f32]| {
        out.copy_from_slice(&honest(p, q, k, v));
    })
    .supports(CAUSAL | GROUPED_HEADS)
    .dtypes([F32, F16])
    .assert();
    attn_check::forward(|p, q: &[f32], k: &[f32], v: &[f32]| rows(p, q, k, v, |_, _, _| true))
        .supports(LSE)
        .assert();
    let in_bf16 = |p: &Problem, q: &[bf16], k: &[bf16], v: &[bf16]| -> Vec<bf16> {
        let wide = |x: &[bf16]| x.iter().map(|x| x.to_f32()).collect::<Vec<_>>();
        honest(p, &wide(q), &wide(k), &wide(v)).into_iter().map(bf16::from_f32).collect()
    };
    attn_check::forward(in_bf16).supports(CAUSAL_BOTTOM_RIGHT).assert();
    let report = attn_check::backend(&Naive).cases(150).run();
    assert!(report.is_right() && report.skipped() == 0, "{report}");
}

#[test]
fn a_kernel_of_masks_gets_them() {
    attn_check::forward_with(|p, q: &[f32], k: &[f32], v: &[f32], inputs: &Inputs| {
        let s = p.shape();
        (s.heads_q == 1).then(|| {
            let admitted =
                |b, i, j| inputs.mask().is_none_or(|mask| mask.bias([b, 0, i, j]).is_some());
            rows(p, q, k, v, admitted).0
        })
    })
    .supports(attn_check::BOOL_MASK | EMPTY_ROWS)
    .assert();
}

#[test]
fn the_other_alignment_is_named_with_a_small_problem_that_shows_it() {
    let top_left = |p: &Problem, q: &[f32], k: &[f32], v: &[f32]| {
        rows(p, q, k, v, |_, i, j| p.causal().is_none() || j <= i).0
    };
    let report = attn_check::forward(top_left)
        .supports(CAUSAL_BOTTOM_RIGHT | GROUPED_HEADS)
        .cases(200)
        .seed(1)
        .run();
    says(
        &report,
        &[
            "wrong values",
            "have causal bottom-right, none of the",
            "hint: agrees if causal = \"top-left\"\n",
            "smallest: B1 H1 N1x2 D1 f32 causal:bottom-right inputs:",
            "q = [",
            ".problem(\"B1 H1 N1x2 D1 f32 causal:bottom-right inputs:",
        ],
    );
    let text = report.smallest().unwrap().to_string();
    let again = attn_check::forward(top_left).supports(CAUSAL_BOTTOM_RIGHT).problem(&text).run();
    assert_eq!((again.failures().len(), again.right()), (1, 0), "{again}");
    attn_check::forward(top_left).supports(CAUSAL_TOP_LEFT).cases(200).assert();
}

#[test]
fn a_tail_that_is_forgotten_shows_in_sizes() {
    let tail = |p: &Problem, q: &[f32], k: &[f32], v: &[f32]| {
        let whole = p.shape().len_k / 4 * 4;
        rows(p, q, k, v, |_, _, j| whole == 0 || j < whole).0
    };
    let report = attn_check::forward(tail).cases(100).run();
    says(&report, &["Nk no multiple of 4", "hint: agrees if the last key is left out"]);
    assert_eq!(report.smallest().unwrap().problem().shape().len_k, 5, "{report}");
}

#[test]
fn whatever_goes_wrong_is_named_and_the_others_are_asked() {
    let kernel = |p: &Problem, q: &[f32], k: &[f32], v: &[f32]| -> Result<Vec<f32>, String> {
        let mut out = honest(p, q, k, v);
        match p.shape().dim % 5 {
            0 => panic!("no kernel for D = {}", p.shape().dim),
            1 => return Err("out of registers".into()),
            2 => out.truncate(out.len() - 1),
            3 => out[0] = f32::NAN,
            _ => {}
        }
        Ok(out)
    };
    let report = attn_check::forward(kernel).cases(100).run();
    let found = |kind: Kind| report.failures().iter().filter(|one| one.kind == kind).count();
    let kinds = [Kind::Panicked, Kind::Failed, Kind::WrongLength, Kind::NotFinite];
    assert!(kinds.iter().all(|&kind| found(kind) > 5) && report.right() > 5, "{report}");
    let of = |kind: Kind| &report.failures().iter().find(|one| one.kind == kind).unwrap().finding;
    assert!(of(Kind::Panicked).starts_with("the kernel panicked: no kernel for D = "));
    assert!(of(Kind::Panicked).contains("tests/kernels.rs:"), "the place");
    assert_eq!(of(Kind::Failed), "the kernel failed: out of registers");
    assert!(of(Kind::WrongLength).contains("elements, expected"));
}

#[test]
fn what_is_not_written_shows() {
    let last = |p: &Problem, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]| {
        let right = honest(p, q, k, v);
        let last = right.len() - 1;
        out[..last].copy_from_slice(&right[..last]);
    };
    for dtype in [F32, BF16] {
        let report = attn_check::forward_into(last).dtypes([dtype]).cases(20).run();
        assert_eq!(report.failures().len(), 20);
        assert!(report.failures().iter().all(|one| one.kind == Kind::NotWritten), "{report}");
    }
}

#[test]
fn a_dtype_that_is_narrower_than_it_says_is_found() {
    let narrow = |p: &Problem, q: &[f64], k: &[f64], v: &[f64]| -> Vec<f64> {
        let short = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        honest(p, &short(q), &short(k), &short(v)).into_iter().map(f64::from).collect()
    };
    attn_check::forward(narrow).dtypes([F32]).assert();
    let report = attn_check::forward(narrow).dtypes([F64]).run();
    assert!(report.failures().len() > 50, "{report}");
}

#[test]
fn nothing_computed_is_not_right() {
    let none = |_: &Problem, _: &[f32], _: &[f32], _: &[f32]| -> Option<Vec<f32>> { None };
    let report = attn_check::forward(none).cases(10).run();
    says(
        &report,
        &["nothing was computed: 10 problems skipped", "skipped: 10, the kernel returned None"],
    );
    assert!(catch_unwind(AssertUnwindSafe(|| attn_check::forward(none).assert())).is_err());
    assert!(!attn_check::forward(honest).cases(0).run().is_right());
    assert!(!attn_check::forward(honest).filter(|_| false).run().is_right());
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_reason() {
    let told = |call: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let check = || attn_check::forward(honest);
    let mask = told(&|| drop(check().supports(attn_check::BOOL_MASK | CAUSAL)));
    assert!(mask.starts_with("boolean mask: the closure is not given"), "{mask}");
    let wide = told(&|| drop(check().dtypes([F64])));
    assert_eq!(
        wide,
        "elements of f32 do not hold those of f64: expected slices of f64, f32 or f64"
    );
    let text = told(&|| drop(check().problem("N4 D4 causl")));
    assert!(text.starts_with("`causl`: expected B, H, N"), "{text}");
}

#[cfg(feature = "files")]
#[test]
fn a_wrong_result_is_written_for_the_command_that_judges_it_again() {
    let folder = std::env::temp_dir().join(format!("attn-check-{}", std::process::id()));
    let twice = |p: &Problem, q: &[f32], k: &[f32], v: &[f32]| -> Vec<f32> {
        honest(p, q, k, v).into_iter().map(|x| 2.0 * x).collect()
    };
    let report = attn_check::forward(twice).cases(10).save_to(&folder).run();
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{report}");
    let case =
        attn_check::attn_case::AttnCase::parse(&std::fs::read(files[0].path()).unwrap()).unwrap();
    assert!(case.claim.is_some());
    says(&report, &["judge it again: attn verify "]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn inputs_of_ones_own_are_judged() {
    let problem = "H1 N2 D1 f32".parse::<attn_check::Case>().unwrap().problem().clone();
    let case =
        attn_check::Case::given::<f32>(problem, [&[1.0, 1.0], &[1.0, 1.0], &[1.0, 3.0]]).unwrap();
    let report = attn_check::forward(honest).case(case).run();
    assert_eq!(
        (report.right(), report.failures().len()),
        (1, 0),
        "only the problem that was named"
    );
    let of = InputDistribution::ALL.map(|one| format!("N3 D2 inputs:{}", one.name()));
    let all = of.iter().fold(attn_check::forward(honest), |check, text| check.problem(text));
    assert_eq!(all.run().right(), of.len());
}

#[test]
fn windows_lengths_and_caps_are_drawn_where_they_are_supported() {
    let ignored = |p: &Problem, q: &[f32], k: &[f32], v: &[f32]| {
        rows(p, q, k, v, |_, i, j| p.causal().is_none() || j <= i).0
    };
    let report = attn_check::forward(ignored)
        .supports(CAUSAL_TOP_LEFT | SLIDING_WINDOW | SOFTCAP)
        .cases(200)
        .run();
    says(&report, &["have sliding window", "hint: agrees without the window"]);
    let report = attn_check::forward(ignored).supports(KV_LEN | VALUE_DIM).cases(200).run();
    says(&report, &["have kv_len", "hint: agrees if kv_len is ignored"]);
}
