//! One page, without any other file.

use attn_report::charts::Figure;
use attn_report::escape as xml;
use attn_report::page::plain;

use super::{alpha, machine, remarks, table, versus, worst_first};
use crate::result::Gate;

/// Summary, forest plot and table.
pub fn html(gate: &Gate, forest: Option<&Figure>) -> String {
    let title = format!("attn gate: {}", gate.summary());
    let figure = forest.map_or(String::new(), |chart| {
        let Figure { svg, small, caption } = chart;
        format!(
            "<figure data-name=\"gate\">\n<div class=\"card\"><div class=\"wide\">{svg}</div>\
             <div class=\"narrow\">{small}</div></div>\n<div class=\"tools\"></div>\n\
             <figcaption>{}</figcaption>\n</figure>\n",
            xml(caption)
        )
    });
    let table = table(&worst_first(gate)).html();
    let item = |remark: &String| format!("<li>{}</li>\n", xml(remark));
    let remarks = remarks(gate).iter().map(item).collect::<Vec<_>>().concat();
    let parameters = gate.parameters;
    let body = format!(
        "<p>{versus}</p>\n\
         <p class=\"muted\">{started}, {seconds:.0} s, {machine}. A slowdown of {detect:.1} % is \
         found with 95 %; a suite without a slowdown beyond {tolerate:.2} % fails with {alpha} % at \
         most.</p>\n<ul>\n{remarks}</ul>\n{figure}{table}",
        versus = xml(&versus(gate)),
        started = xml(&gate.started),
        seconds = gate.seconds,
        machine = xml(&machine(gate)),
        detect = parameters.detect,
        tolerate = parameters.tolerate,
        alpha = alpha(parameters.alpha),
    );
    plain(&title, &versus(gate), &body)
}
