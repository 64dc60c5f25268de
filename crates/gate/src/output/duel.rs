//! What is said of two backends that were compared with each other.

use attn_record::{group_of, leaf_of};
use attn_report::charts::{Estimate, Figure, Tone, ratios};
use attn_report::ratio;
use attn_report::table::{self, Cell, Column, Table};

use crate::duel::{Answer, Verdict};
use crate::live::LiveError;

/// A case, and what was found of it: an answer, or why there is none.
pub type Duelled = (String, Result<Answer, LiveError>);

/// What the backends are called: told apart where they are one.
fn names([first, second]: [&str; 2]) -> [String; 2] {
    if first == second {
        ["the first".into(), "the second".into()]
    } else {
        [first.into(), second.into()]
    }
}

/// `faer against ndarray, kernel, 1 thread`.
fn title([first, second]: [&str; 2], threads: usize) -> String {
    let second = if first == second { "itself" } else { second };
    let threads = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
    format!("{first} against {second}, kernel, {threads}")
}

/// `2.31x`, and `1.012x` where three digits would hide the difference.
fn times(value: f64) -> String {
    if (0.9..1.1).contains(&value) { format!("{value:.3}x") } else { ratio(value) }
}

/// `faer is 2.31x as fast`: the title names both.
fn sentence(answer: &Answer, [first, second]: &[String; 2]) -> String {
    match answer.verdict {
        Verdict::First => format!("{first} is {} as fast", times(answer.ratio)),
        Verdict::Second => format!("{second} is {} as fast", times(1.0 / answer.ratio)),
        Verdict::NoDifference => "no difference".into(),
        Verdict::Inconclusive => "inconclusive".into(),
    }
}

/// A table for each group of cases, a row for each case.
pub fn duel_tables(duelled: &[Duelled], backends: [&str; 2], threads: usize) -> Vec<Table> {
    let [first, second] = names(backends);
    let title = title(backends, threads);
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
        Column::number("pairs").detail(),
    ];
    let names = names(backends);
    let row = |(case, found): &Duelled| {
        let name = leaf_of(case).into();
        match found {
            Ok(answer) => {
                // In the direction of the answer.
                let between = |[low, high]: [f64; 2]| match answer.verdict {
                    Verdict::Second => format!("{} to {}", times(1.0 / high), times(1.0 / low)),
                    _ => format!("{} to {}", times(low), times(high)),
                };
                let interval = answer.interval.map_or("-".into(), between);
                let pairs = answer.replicates.to_string();
                vec![name, sentence(answer, &names).into(), interval.into(), pairs.into()]
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
    threads: usize,
    machine: &str,
) -> Option<Figure> {
    let [first, second] = names(backends);
    let estimate = |(case, found): &Duelled| {
        let answer = found.as_ref().ok()?;
        let (verdict, tone) = match answer.verdict {
            Verdict::First => (format!("{first} {}", times(answer.ratio)), Tone::Good),
            Verdict::Second => (format!("{second} {}", times(1.0 / answer.ratio)), Tone::Bad),
            Verdict::NoDifference => ("no difference".into(), Tone::Plain),
            Verdict::Inconclusive => ("inconclusive".into(), Tone::Open),
        };
        let (name, value, interval) = (case.clone(), answer.ratio, answer.interval);
        Some(Estimate { name, value, interval, verdict, tone })
    };
    let estimates: Vec<Estimate> = duelled.iter().filter_map(estimate).collect();
    let title = format!("attn duel: {}", title(backends, threads));
    let subtitle = format!(
        "Right of 1x {first} is faster, left of it {second}; each ratio with its interval at 95 %"
    );
    let axis = format!("time of {second} in units of {first}'s");
    ratios([&title, &subtitle, &axis], &estimates, machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duelled(name: &str, ratio: f64, [low, high]: [f64; 2], verdict: Verdict) -> Duelled {
        let answer = Answer { verdict, ratio, interval: Some([low, high]), replicates: 8 };
        (name.into(), Ok(answer))
    }

    #[test]
    fn answers_name_the_faster_and_small_differences_are_seen() {
        let cases = [
            duelled("gate/a", 2.312, [2.29, 2.33], Verdict::First),
            duelled("gate/b", 0.9951, [0.992, 0.998], Verdict::Second),
            duelled("gate/c", 1.0004, [0.997, 1.004], Verdict::NoDifference),
        ];
        let text = |pair, threads| duel_tables(&cases, pair, threads)[0].markdown();
        let table = text(["faer", "ndarray"], 2);
        for said in [
            "faer against ndarray, kernel, 2 threads",
            "faer is 2.31x as fast",
            "2.29x to 2.33x",
            "ndarray is 1.005x as fast",
            "1.002x to 1.008x",
            "no difference",
            "0.997x to 1.004x",
        ] {
            assert!(table.contains(said), "{said}: {table}");
        }
        let table = text(["faer", "faer"], 1);
        assert!(table.contains("faer against itself, kernel, 1 thread:"), "{table}");
        assert!(table.contains("the second is 1.005x as fast"), "{table}");
    }

    #[test]
    fn the_chart_says_what_the_table_says() {
        let broken = (
            "gate/b".into(),
            Err(LiveError::Wrong { side: "naive".into(), finding: "NaN".into() }),
        );
        let cases = [duelled("gate/a", 6.8, [6.5, 7.0], Verdict::First), broken];
        let chart = duel_plot(&cases, ["flash", "naive"], 1, "cpu").unwrap();
        for said in [
            ">attn duel: flash against naive, kernel, 1 thread<",
            ">time of naive in units of flash&#39;s<",
            ">flash 6.80x<",
            ">cpu<",
        ] {
            assert!(chart.svg.contains(said), "{said}: {}", chart.svg);
        }
        assert!(!chart.svg.contains("gate/b"));
        assert!(duel_plot(&cases[1..], ["flash", "naive"], 1, "cpu").is_none());
    }
}
