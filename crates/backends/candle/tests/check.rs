//! The example of attn-check's page: candle-nn's fused attention, called as its documentation says.

use attn_check::{CAUSAL_BOTTOM_RIGHT, GROUPED_HEADS, Problem};
use candle_core::{Device, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};

fn fused(p: &Problem, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let [q, k, v] = [q.transpose(1, 2)?, k.transpose(1, 2)?, v.transpose(1, 2)?];
    let mask = match p.causal() {
        Some(_) => AttnMask::Causal { kv_offset: p.shape().len_k - p.shape().len_q },
        None => AttnMask::None,
    };
    flash_attn::<f32>(&q, &k, &v, p.scale() as f32, mask, None, None)
}

#[test]
fn fused_is_right() {
    attn_check::candle::forward(&Device::Cpu, fused)
        .supports(GROUPED_HEADS | CAUSAL_BOTTOM_RIGHT)
        .cases(200)
        .assert();
}

#[test]
fn the_page_shows_this() {
    let page = include_str!("../../../check/README.md");
    let here = include_str!("check.rs");
    let (start, end) = ("use attn_check::", "#[test]\nfn the_page");
    let shown = here[here.find(start).unwrap()..here.find(end).unwrap()].trim_end();
    assert!(page.contains(shown), "{shown}");
}

/// The same with `kv_offset` 0, for a diagonal that begins at the first key: candle-nn 0.11.1 ignores it for one query, and for
/// more than one batch.
#[test]
fn the_offset_of_the_diagonal_is_ignored() {
    let top_left = |p: &Problem, q: &Tensor, k: &Tensor, v: &Tensor| -> Result<Tensor> {
        let [q, k, v] = [q.transpose(1, 2)?, k.transpose(1, 2)?, v.transpose(1, 2)?];
        let mask = AttnMask::Causal { kv_offset: 0 };
        flash_attn::<f32>(&q, &k, &v, p.scale() as f32, mask, None, None)
    };
    let report = attn_check::candle::forward(&Device::Cpu, top_left)
        .supports(attn_check::CAUSAL_TOP_LEFT)
        .problem("B1 H1 N1x2 D1 f32 causal:top-left inputs:small-ints seed:0")
        .run();
    assert_eq!(report.failures().len(), 1, "{report}");
    assert!(report.to_string().contains("agrees if causal = \"bottom-right\""), "{report}");
}
