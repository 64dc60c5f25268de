//! How a verdict came about, for people.

use std::fmt::Write as _;

use super::interval;
use crate::pair::{Block, Replicate};
use crate::result::{CaseResult, Gate, Taken, TakenFor};
use crate::rule::percent;

/// The verdict of `case`, its reason, its replicates and, if wanted, `blocks`.
pub fn explain(gate: &Gate, case: &CaseResult, taken: &[Taken], blocks: bool) -> String {
    let mut out = format!("{} {}\n  {}\n", case.verdict, case.id, case.detail);
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "  {text}");
    };
    let reason = serde_json::to_value(case.reason).expect("a reason is a word");
    line(format!("reason code: {}", reason.as_str().unwrap_or_default()));
    case.counted.iter().for_each(|change| line(format!("counted: {change}")));
    if let Some(accepted) = &case.accepted {
        line(format!("accepted: {accepted}"));
    }
    if let Some(time) = case.time {
        let [base, head] = time.ns;
        line(format!("time per call: base {:.1} us, HEAD {:.1} us", base / 1e3, head / 1e3));
        let (change, interval) = (time.percent, interval(case));
        line(format!("change: {change:+.2} %, 95 % interval {interval}"));
        if let Some(sd) = time.sd {
            line(format!("standard deviation of a replicate: {sd:.2} %"));
        }
        if let Some([p, holm]) = time.p {
            let tolerate = gate.parameters.tolerate;
            line(format!("slowdown <= {tolerate:.2} %: exact p = {p:.2e}, after Holm {holm:.2e}"));
        }
    }
    if let Some(control) = &gate.control {
        let text = format!("control of the run: {:+.2} %, p = {:.3}", control.percent, control.p);
        line(text);
    }
    for (stage, name) in
        [(TakenFor::Screen, "screen"), (TakenFor::Confirm, "fresh"), (TakenFor::Control, "control")]
    {
        let own = taken.iter().filter(|taken| taken.id == case.id && taken.stage == stage);
        for (at, taken) in own.enumerate() {
            out += &replicate(&format!("{name} {}", at + 1), &taken.replicate, blocks);
        }
    }
    out
}

fn replicate(name: &str, replicate: &Replicate, blocks: bool) -> String {
    let Replicate { calls, ln_ratio, error, left_out, blocks: all } = replicate;
    let mut out = format!(
        "  {name:<12} {:+6.2} % +- {:.2}   {} blocks of {} calls, {left_out} left out\n",
        percent(*ln_ratio),
        percent(*error),
        all.len(),
        calls[0]
    );
    if blocks {
        out.extend(all.iter().map(block));
    }
    out
}

fn block(block: &Block) -> String {
    let us = |[a, b]: [f64; 2]| format!("{:9.3} {:9.3}", a / 1e3, b / 1e3);
    let order = if block.head_first { "HBBH" } else { "BHHB" };
    let waited = if block.disturbed { "  waited" } else { "" };
    format!(
        "    {order}  base {} us  HEAD {} us  {:+6.2} %{waited}\n",
        us(block.base),
        us(block.head),
        percent(block.ln_ratio())
    )
}
