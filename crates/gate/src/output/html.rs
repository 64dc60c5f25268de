//! One page, without any other file.

use attn_report::charts::Figure;
use attn_report::escape as xml;

use super::{alpha, remarks, table, versus, worst_first};
use crate::result::Gate;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #e4e4e4;vertical-align:top}\
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
.bad{color:#b34700;font-weight:600}.good{color:#0072b2}\
figure{margin:1.5rem 0;overflow-x:auto}figcaption,p.muted{color:#666;font-size:.9rem}.muted{color:#666}\
.scroll{overflow-x:auto}code{font-size:.9em}";

/// Summary, forest plot and table.
pub fn html(gate: &Gate, forest: Option<&Figure>) -> String {
    let title = format!("attn gate: {}", gate.summary());
    let figure = forest.map_or(String::new(), |chart| {
        let Figure { svg, caption } = chart;
        format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", xml(caption))
    });
    let table = table(&worst_first(gate)).html();
    let item = |remark: &String| format!("<li>{}</li>\n", xml(remark));
    let remarks = remarks(gate).iter().map(item).collect::<Vec<_>>().concat();
    let parameters = gate.parameters;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n<p>{versus}</p>\n\
         <p class=\"muted\">{started}, {seconds:.0} s, {cpu}, {cores} cores. A slowdown of {detect:.1} % is \
         found with 95 %; a suite without a slowdown beyond {tolerate:.2} % fails with {alpha} % at \
         most.</p>\n<ul>\n{remarks}</ul>\n{figure}{table}</body>\n</html>\n",
        title = xml(&title),
        versus = xml(&versus(gate)),
        started = xml(&gate.started),
        seconds = gate.seconds,
        cpu = xml(&gate.machine.cpu),
        cores = gate.machine.cores,
        detect = parameters.detect,
        tolerate = parameters.tolerate,
        alpha = alpha(parameters.alpha),
    )
}
