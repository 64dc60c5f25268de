//! What is seen first: one chart with a choice of cases and quantities, beside it the ranking.
//!
//! The choice needs no script: radio buttons, and a rule of CSS for every picture they lead to.

use std::fmt::Write as _;

use attn_analysis::rows::distinct;

use super::figure::pictures;
use super::html::{list, text};
use super::{answers, summary};
use crate::charts::Chart;
use crate::source::MachineSection;

/// What one can choose of a sweep, in this order.
const QUANTITIES: [&str; 3] = ["time", "rate", "memory"];

/// The charts that one chooses from.
struct Hero<'a> {
    /// Sweeps, as `full` and `causal`, with their groups.
    groups: Vec<(&'a str, &'a str)>,
    charts: Vec<&'a Chart>,
    /// Speed-ups by threads.
    threads: Option<&'a Chart>,
}

/// Picture and ranking; `place` begins the names of its elements.
pub(super) fn hero(machine: &MachineSection<'_>, place: &str) -> String {
    let chosen = Hero::of(&machine.charts).map(|hero| hero.html(&format!("{place}hero")));
    let chosen = chosen.or_else(|| Some(pictures(picture(&machine.charts)?)));
    let chart =
        chosen.map_or_else(String::new, |chart| format!("<div class=\"chart\">\n{chart}</div>\n"));
    let answers: Vec<String> = answers::fastest(machine);
    format!(
        "<section class=\"hero\" aria-label=\"At a glance\">\n{chart}<div class=\"ranking\">\n<h2>Who is the fastest</h2>\n{}{}</div>\n</section>\n",
        summary::ranking(&machine.records),
        list(&answers)
    )
}

/// The one picture that stands for the page.
pub(crate) fn picture(charts: &[Chart]) -> Option<&Chart> {
    let first = Hero::of(charts).and_then(|hero| hero.charts.first().copied());
    let of = |what: &str| charts.iter().find(|chart| chart.what() == what);
    first.or_else(|| {
        QUANTITIES.into_iter().chain(["threads", "roofline", "error-budget"]).find_map(of)
    })
}

impl<'a> Hero<'a> {
    /// The sweeps over N beside each other with the most points; `None` without any.
    fn of(charts: &'a [Chart]) -> Option<Self> {
        // Rates are drawn for sweeps over N alone.
        let rates: Vec<&Chart> = charts.iter().filter(|chart| chart.what() == "rate").collect();
        let parent =
            |chart: &&Chart| split(chart.group.as_deref()?).map(|(parent, _)| parent.to_owned());
        let points = |parent: &str| {
            let own =
                rates.iter().filter(|chart| split(group(chart)).is_some_and(|(p, _)| p == parent));
            own.map(|chart| chart.wide.spots.len()).sum::<usize>()
        };
        // The first of several.
        let parents = distinct(rates.iter().filter_map(parent));
        let parent = parents.into_iter().rev().max_by_key(|parent| points(parent))?;
        let own = charts.iter().filter(|chart| {
            QUANTITIES.contains(&chart.what())
                && split(group(chart)).is_some_and(|(p, _)| p == parent)
        });
        let own: Vec<&Chart> = own.collect();
        let groups = distinct(own.iter().map(|chart| group(chart)));
        let groups = groups.into_iter().filter_map(|group| Some((split(group)?.1, group)));
        let threads = charts.iter().find(|chart| chart.what() == "threads");
        Some(Hero { groups: groups.collect(), charts: own, threads })
    }

    fn html(&self, id: &str) -> String {
        let quantities: Vec<&str> = QUANTITIES
            .into_iter()
            .filter(|what| self.charts.iter().any(|chart| chart.what() == *what))
            .collect();
        let of: Vec<&str> = self.groups.iter().map(|(name, _)| *name).collect();
        let shown = quantities.iter().copied().chain(self.threads.map(|_| "threads"));
        let mut html = String::from("<div class=\"choices\">\n");
        html += &choice(id, "of", "Attention", &of);
        html += &choice(id, "what", "Quantity", &shown.collect::<Vec<_>>());
        html += "</div>\n<style>\n";
        let mut panels = String::new();
        for (g, (_, group_of)) in self.groups.iter().enumerate() {
            for (q, quantity) in quantities.iter().enumerate() {
                let own = |c: &&&Chart| group(c) == *group_of && c.what() == *quantity;
                let Some(chart) = self.charts.iter().find(own) else { continue };
                let panel = format!("{id}-{g}-{q}");
                let chosen = [format!("{id}-of-{g}"), format!("{id}-what-{q}")];
                html += &rule(&chosen, &panel);
                panels += &panel_of(&panel, chart);
            }
        }
        if let Some(chart) = self.threads {
            let panel = format!("{id}-threads");
            html += &rule(&[format!("{id}-what-{}", quantities.len())], &panel);
            panels += &panel_of(&panel, chart);
        }
        html + "</style>\n" + &panels
    }
}

fn panel_of(id: &str, chart: &Chart) -> String {
    format!("<div class=\"panel\" id=\"{}\">\n{}</div>\n", text(id), pictures(chart))
}

fn group(chart: &Chart) -> &str {
    chart.group.as_deref().unwrap_or_default()
}

/// `sweep/seq-len` and `full`.
fn split(group: &str) -> Option<(&str, &str)> {
    group.rsplit_once('/')
}

/// Radio buttons, of which the first is chosen; nothing where there is no choice.
fn choice(id: &str, name: &str, legend: &str, options: &[&str]) -> String {
    let hidden = if options.len() < 2 { " hidden" } else { "" };
    let mut html = format!("<fieldset{hidden}><legend class=\"unseen\">{legend}</legend>\n");
    for (at, option) in options.iter().enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        let [name, button, option] =
            [format!("{id}-{name}"), format!("{id}-{name}-{at}"), (*option).to_owned()]
                .map(|it| text(&it));
        // Writing to a String cannot fail.
        let _ = writeln!(
            html,
            "<input type=\"radio\" name=\"{name}\" id=\"{button}\"{checked}><label for=\"{button}\">{option}</label>"
        );
    }
    html + "</fieldset>\n"
}

/// Shows the panel if all of `chosen` are.
fn rule(chosen: &[String], panel: &str) -> String {
    let quoted = |id: &str| format!("[id=\"{id}\"]");
    let chosen = chosen.iter().map(|id| format!(":has({}:checked)", quoted(id)));
    format!(".chart{} {} {{ display: block; }}\n", chosen.collect::<String>(), quoted(panel))
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{refs, sweep};
    use attn_analysis::peak_rates::PeakRates;

    use super::*;
    use crate::charts::{Theme, all};

    #[test]
    fn every_choice_leads_to_one_picture() {
        let mut records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        records.extend(sweep("sweep/seq-len/causal", &["naive", "faer"], &[64, 128]));
        records.extend(sweep("sweep/scores/additive", &["naive"], &[64, 128]));
        let (refs, peak_rates) = (refs(&records), PeakRates::default());
        let charts = all(&refs, &Theme::of(&refs, &peak_rates, ""));
        let hero = Hero::of(&charts).unwrap();
        let names: Vec<&str> = hero.groups.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["full", "causal"]);
        let html = hero.html("hero");
        assert_eq!(html.matches("class=\"panel\"").count(), 4, "time and rate of both");
        assert_eq!(html.matches("display: block").count(), 4);
        assert_eq!(html.matches(" checked").count(), 2);
        assert_eq!(picture(&charts).unwrap().name, "time-seq-len-full");
        assert!(Hero::of(&[]).is_none() && picture(&[]).is_none());
    }
}
