//! What is said of two backends that were compared with each other.

use attn_record::{group_of, leaf_of};
use attn_report::charts::{Band, Change, Figure, Tone, forest};
use attn_report::ratio;
use attn_report::table::{self, Cell, Column, Table};

use crate::duel::{Answer, Verdict};
use crate::live::LiveError;
use crate::rule::percent;

/// A case, and what was found of it: an answer, or why there is none.
pub type Duelled = (String, Result<Answer, LiveError>);

/// `faer is 2.31x as fast as ndarray`.
fn sentence(answer: &Answer, [first, second]: [&str; 2]) -> String {
    match answer.verdict {
        Verdict::First => format!("{first} is {} as fast as {second}", ratio(answer.ratio)),
        Verdict::Second => format!("{second} is {} as fast as {first}", ratio(1.0 / answer.ratio)),
        Verdict::NoDifference => "no difference".into(),
        Verdict::Inconclusive => "inconclusive".into(),
    }
}

/// A table for each group of cases, a row for each case.
pub fn duel_tables(duelled: &[Duelled], backends: [&str; 2], threads: usize) -> Vec<Table> {
    let threads = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
    let [first, second] = backends;
    let title = format!("{first} against {second}, kernel, {threads}");
    let groups = duelled.chunk_by(|(a, _), (b, _)| group_of(a) == group_of(b));
    let mut tables: Vec<Table> = groups.map(|cases| table(&title, cases, backends)).collect();
    if let Some(last) = tables.pop() {
        tables.push(last.notes([format!(
            "Interval: of the ratio, or of the time of {second} in units of {first}'s where there is no difference. A pair is two fresh \
             processes that take turns in slots of about a millisecond. Both backends were checked against the oracle first."
        )]));
    }
    tables
}

fn table(title: &str, cases: &[Duelled], backends: [&str; 2]) -> Table {
    let columns = [
        Column::id("case"),
        Column::prose("answer"),
        Column::number("95 % interval"),
        Column::number("pairs"),
    ];
    let row = |(case, found): &Duelled| {
        let name = leaf_of(case).into();
        match found {
            Ok(answer) => {
                // In the direction of the answer.
                let between = |[low, high]: [f64; 2]| match answer.verdict {
                    Verdict::Second => format!("{} to {}", ratio(1.0 / high), ratio(1.0 / low)),
                    _ => format!("{} to {}", ratio(low), ratio(high)),
                };
                let interval = answer.interval.map_or("-".into(), between);
                let pairs = answer.replicates.to_string();
                vec![name, sentence(answer, backends).into(), interval.into(), pairs.into()]
            }
            Err(why) => vec![name, Cell::from(why.to_string()).tone(table::Tone::Bad)],
        }
    };
    let group = cases.first().map_or("", |(case, _)| group_of(case));
    Table::new(format!("{group}: {title}"), columns).rows(cases.iter().map(row))
}

/// The ratios with their intervals, one below the other; `None` without any.
pub fn duel_plot(
    duelled: &[Duelled],
    backends: [&str; 2],
    precision: f64,
    on: &str,
) -> Option<Figure> {
    let change = |(case, found): &Duelled| {
        let answer = found.as_ref().ok()?;
        let more = |ratio: f64| percent(ratio.ln());
        Some(Change {
            name: case.clone(),
            percent: more(answer.ratio),
            interval: answer.interval.map(|ends| ends.map(more)),
            verdict: sentence(answer, backends),
            tone: match answer.verdict {
                Verdict::First => Tone::Good,
                Verdict::Second => Tone::Bad,
                Verdict::NoDifference => Tone::Plain,
                Verdict::Inconclusive => Tone::Open,
            },
        })
    };
    let changes: Vec<Change> = duelled.iter().filter_map(change).collect();
    let [first, second] = backends;
    let title = format!("attn duel: time of {second} beyond that of {first}");
    let band = Band { tolerate: precision, detect: precision };
    forest(&title, "", &changes, band, on)
}
