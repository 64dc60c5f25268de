//! A calibration as a table and as a plot.

use attn_report::charts::{Figure, PowerCurve, power};
use attn_report::table::{Cell, Column, Table};

use crate::calibrate::{Kind, Share, Summary};
use crate::tries::Tool;

/// One table per kind, a sentence on suites without a slowdown, and a table of whole comparisons if there are any.
pub fn calibration_markdown(summary: &Summary) -> String {
    let kinds = summary.kinds.iter().map(kind);
    let parts = kinds.chain([suites(summary.suites)]).chain(tools(&summary.tools));
    parts.collect::<Vec<_>>().join("\n")
}

fn tools(tools: &[Tool]) -> Option<String> {
    let of = |share: Share| Cell::from(format!("{} of {}", share.hits, share.tries));
    let rows = tools.iter().map(|tool| {
        vec![
            tool.tool.clone().into(),
            Cell::count(Some(tool.cells)),
            format!("{} %", tool.planted).into(),
            format!("{:.0}", tool.seconds).into(),
            of(tool.found),
            interval(tool.found).into(),
            of(tool.alone),
            of(tool.accused),
            of(tool.undecided),
        ]
    });
    let numbers = [
        "cells",
        "planted",
        "seconds",
        "slow cell found",
        "95 % interval",
        "it alone",
        "false positives elsewhere",
        "inconclusive",
    ];
    let columns = std::iter::once(Column::words("tool")).chain(numbers.map(Column::number));
    let title = "Whole comparisons of a program with itself, one cell slowed down";
    (!tools.is_empty()).then(|| Table::new(title, columns).rows(rows).markdown())
}

fn kind(kind: &Kind) -> String {
    let sd = kind.sd.map_or("unknown".into(), |sd| format!("{sd:.2} %"));
    let title = format!(
        "{} (`{}`): {} replicates, standard deviation of a replicate {sd}",
        kind.name, kind.cell, kind.replicates
    );
    let rows = kind.points.iter().map(|point| {
        let measured = Cell::value(point.measured, |percent| format!("{percent:+.2} %"));
        let replayed = kind.replayed.iter().find(|(slow, _)| *slow == point.planted);
        let replayed = replayed.map(|(_, share)| *share);
        let Share { hits, tries, .. } = point.live;
        vec![
            format!("{} %", point.planted).into(),
            point.replicates.to_string().into(),
            measured,
            format!("{hits} of {tries}").into(),
            interval(point.live).into(),
            Cell::value(replayed, |share| format!("{:.1} %", 100.0 * share)),
        ]
    });
    let columns =
        ["planted", "replicates", "measured", "live tries REGRESSED", "95 % interval", "replayed"];
    Table::new(title, columns.map(Column::number)).rows(rows).markdown()
}

fn interval(share: Share) -> String {
    let shown =
        share.interval.map(|[low, high]| format!("{:.1} .. {:.1} %", 100.0 * low, 100.0 * high));
    shown.unwrap_or("-".into())
}

fn suites(share: Share) -> String {
    if share.tries == 0 {
        return "Too few replicates to replay suites without a slowdown.\n".into();
    }
    format!(
        "Suites of 20 cases without a slowdown, replayed: {} of {} have a case REGRESSED (95 % interval {}).\n",
        share.hits,
        share.tries,
        interval(share)
    )
}

/// The power curves; `None` without kinds.
pub fn calibration_plot(summary: &Summary) -> Option<Figure> {
    let curve = |kind: &Kind| {
        let live = kind
            .points
            .iter()
            .filter_map(|point| Some((point.planted, point.live.value()?, point.live.interval?)));
        PowerCurve {
            name: kind.name.clone(),
            replayed: kind.replayed.clone(),
            live: live.collect(),
        }
    };
    let curves: Vec<PowerCurve> = summary.kinds.iter().map(curve).collect();
    let replicates: usize = summary.kinds.iter().map(|kind| kind.replicates).sum();
    let subtitle =
        format!("{replicates} replicates of one program against itself, slowed by extra calls");
    power("How often a slowdown is found", &subtitle, &curves)
}
