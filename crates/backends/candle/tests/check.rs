//! The example of attn-check's page, which finds something: candle-nn's fused attention, called as its documentation says.

use attn_check::{CAUSAL_BOTTOM_RIGHT, GROUPED_HEADS, Problem, SOFTCAP};
use candle_core::{Device, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};

fn fused(p: &Problem, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let [q, k, v] = [q.transpose(1, 2)?, k.transpose(1, 2)?, v.transpose(1, 2)?];
    let mask = match p.causal() {
        Some(_) => AttnMask::Causal { kv_offset: p.shape().len_k - p.shape().len_q },
        None => AttnMask::None,
    };
    flash_attn::<f32>(&q, &k, &v, p.scale() as f32, mask, None, p.softcap().map(|cap| cap as f32))
}

fn check() -> attn_check::Check<'static> {
    attn_check::candle::forward(&Device::Cpu, fused)
        .supports(GROUPED_HEADS | CAUSAL_BOTTOM_RIGHT | SOFTCAP)
}

#[test]
fn the_page_shows_this() {
    let page = include_str!("../../../check/README.md");
    let here = include_str!("check.rs");
    let (start, end) = ("use attn_check::", "fn check()");
    let shown = &here[here.find(start).unwrap()..here.find(end).unwrap()];
    assert!(page.contains(shown.trim_end()), "{shown}");
}

#[test]
fn run() {
    let report = check().cases(200).run();
    println!("{report}");
}
