//! One page, without any other file.

use attn_report::charts::{Figure, Tone};
use attn_report::escape as xml;
use attn_report::page::{Fact, plain, status};

use super::{alpha, machine, remarks, table, tone, versus, worst_first};
use crate::result::Gate;

/// Summary, forest plot and table.
pub fn html(gate: &Gate, forest: Option<&Figure>) -> String {
    let title = format!("attn gate: {}", gate.summary());
    let figure = forest.map_or(String::new(), |chart| {
        let Figure { svg, small, caption } = chart;
        format!(
            "<figure data-name=\"gate\" data-figures=\"cases\">\n<div class=\"card\"><div class=\"wide\">{svg}</div>\
             <div class=\"narrow\">{small}</div></div>\n<div class=\"tools\"></div>\n\
             <figcaption>{}</figcaption>\n</figure>\n",
            xml(caption)
        )
    });
    let table = format!("<div id=\"cases\">{}</div>\n", table(&worst_first(gate)).html());
    let item = |remark: &String| format!("<li>{}</li>\n", xml(remark));
    let remarks = remarks(gate).iter().map(item).collect::<Vec<_>>().concat();
    let parameters = gate.parameters;
    let body = format!(
        "{state}<p>{versus}</p>\n\
         <p class=\"muted\">A slowdown of {detect:.1} % is found with 95 %; a suite without a slowdown beyond \
         {tolerate:.2} % fails with {alpha} % at most.</p>\n<ul>\n{remarks}</ul>\n{figure}{table}",
        state = state(gate),
        versus = xml(&versus(gate)),
        detect = parameters.detect,
        tolerate = parameters.tolerate,
        alpha = alpha(parameters.alpha),
    );
    plain(&title, &versus(gate), &body)
}

/// The verdict, how the control came out, where and when.
fn state(gate: &Gate) -> String {
    let verdict = match tone(gate.verdict) {
        Tone::Bad => Fact::bad(format!("✗ {}", gate.verdict)),
        Tone::Open => Fact::open(format!("? {}", gate.verdict)),
        Tone::Good | Tone::Plain => Fact::good(format!("✓ {}", gate.verdict)),
    };
    let control = gate.control.as_ref().map(|control| {
        if control.void {
            Fact::open("! noisy: base differs from itself")
        } else {
            Fact::good("✓ quiet: base is the same as itself")
        }
    });
    let rest = [machine(gate), format!("{:.0} s", gate.seconds), gate.started.clone()];
    let facts: Vec<Fact> =
        [verdict].into_iter().chain(control).chain(rest.map(Fact::plain)).collect();
    status("comparison", &facts)
}
