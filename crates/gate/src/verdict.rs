//! From what was measured to what is said, and what `gate.toml` accepts of it.

use attn_bench::worker::CellId;
use attn_record::stats::median;

use crate::config::{Accept, Config, What};
use crate::exact::Change;
use crate::judge::{End, Trial};
use crate::live::LiveError;
use crate::pair::Block;
use crate::result::{CaseResult, Reason, Taken, TakenFor, Time, Verdict};
use crate::rule::{Closed, Estimate, Rule, Screened, percent};

/// A result without times.
pub(crate) fn result(
    cell: &CellId,
    verdict: Verdict,
    reason: Reason,
    detail: String,
) -> CaseResult {
    CaseResult {
        id: cell.to_string(),
        cell: cell.clone(),
        verdict,
        reason,
        detail,
        time: None,
        counted: Vec::new(),
        accepted: None,
    }
}

/// The result of a case whose counts got worse.
pub(crate) fn counted(cell: &CellId, changes: Vec<Change>) -> CaseResult {
    let detail = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let result = result(cell, Verdict::Worse, Reason::Counted, detail);
    CaseResult { counted: changes, ..result }
}

/// The result of a case that was timed; `None` if it was stopped before it was decided.
pub(crate) fn timed(
    rule: &Rule,
    cell: &CellId,
    trial: &Trial<LiveError>,
    confirmed: usize,
    taken: &[Taken],
) -> Option<CaseResult> {
    let time = times(rule, cell, trial, taken);
    let (verdict, reason) = match trial.end.as_ref()? {
        End::Failed(LiveError::Wrong { side, finding }) if side == "HEAD" => {
            let detail = format!("on the inputs that were timed: {finding}");
            return Some(result(cell, Verdict::Wrong, Reason::WrongResult, detail));
        }
        End::Failed(error) => {
            return Some(result(cell, Verdict::Error, Reason::Failed, error.to_string()));
        }
        End::Screened(Screened::Improved) => (Verdict::Improved, Reason::Faster),
        End::Screened(_) => (Verdict::Pass, Reason::Screened),
        End::Closed { closed: Closed::Pass, .. } => (Verdict::Pass, Reason::Closed),
        End::Closed { closed: Closed::Regressed, .. } => (Verdict::Regressed, Reason::Slower),
        End::Closed { closed: Closed::Inconclusive, .. } => (Verdict::Inconclusive, Reason::Noise),
    };
    let mut time = time?;
    if let (Verdict::Inconclusive, Some(estimate)) = (verdict, Estimate::of(&trial.replicates())) {
        time.needed = estimate.sd.map(|sd| rule.needed(sd, estimate.theta, confirmed));
    }
    let detail = sentence(verdict, &time, rule);
    Some(CaseResult { time: Some(time), ..result(cell, verdict, reason, detail) })
}

fn times(rule: &Rule, cell: &CellId, trial: &Trial<LiveError>, taken: &[Taken]) -> Option<Time> {
    let replicates = trial.replicates();
    let estimate = Estimate::of(&replicates)?;
    let id = cell.to_string();
    let own = taken.iter().filter(|t| t.id == id && t.stage != TakenFor::Control);
    let blocks: Vec<&Block> = own.flat_map(|taken| &taken.replicate.blocks).collect();
    let middle = |side: fn(&Block) -> [f64; 2]| {
        let times: Vec<f64> = blocks.iter().flat_map(|block| side(block)).collect();
        median(&times).unwrap_or_default()
    };
    let p = match trial.end {
        Some(End::Closed { p, p_holm, .. }) => Some([p, p_holm]),
        _ => None,
    };
    Some(Time {
        percent: percent(estimate.theta),
        interval: estimate.interval.map(|i| [percent(i.low), percent(i.high)]),
        sd: estimate.sd.map(percent),
        ns: [middle(|block| block.base), middle(|block| block.head)],
        replicates: [trial.screen.len(), trial.fresh.len()],
        p,
        smallest: estimate.sd.map(|sd| percent(rule.smallest_effect(sd))),
        needed: None,
    })
}

/// The verdict in words.
fn sentence(verdict: Verdict, time: &Time, rule: &Rule) -> String {
    let (detect, tolerate) = (percent(rule.detect), percent(rule.tolerate));
    let all: usize = time.replicates.iter().sum();
    match verdict {
        Verdict::Regressed => {
            let p = time.p.map_or(1.0, |[_, holm]| holm);
            format!(
                "slower by more than {tolerate:.2} % (p = {p:.1e} after Holm, {all} replicates)"
            )
        }
        Verdict::Improved => format!("faster by more than {tolerate:.2} % ({all} replicates)"),
        Verdict::Inconclusive => {
            let sd = time.sd.unwrap_or_default();
            let needed = time.needed.map_or("more".into(), |needed| needed.to_string());
            format!(
                "a replicate varies by {sd:.1} %: about {needed} fresh replicates would decide, {} were taken",
                time.replicates[1]
            )
        }
        _ => format!("a slowdown of {detect:.1} % is excluded ({all} replicates)"),
    }
}

/// The result with what `config` accepts: if every kind of regression is accepted and within its limit,
/// the verdict is ACCEPTED.
pub(crate) fn excused(result: CaseResult, config: &Config, today: &str) -> CaseResult {
    let kinds = kinds(&result);
    let excuses: Option<Vec<&Accept>> = kinds
        .iter()
        .map(|&what| config.excuse(&result.cell, what, extent(&result, what), today))
        .collect();
    match excuses {
        Some(excuses) if !excuses.is_empty() => {
            let text = |accept: &Accept| format!("{} (until {})", accept.reason, accept.expires);
            let mut texts: Vec<String> = excuses.into_iter().map(text).collect();
            texts.dedup();
            CaseResult { verdict: Verdict::Accepted, accepted: Some(texts.join("; ")), ..result }
        }
        _ => result,
    }
}

/// Kinds of regression that have to be excused one by one.
fn kinds(result: &CaseResult) -> Vec<What> {
    match result.verdict {
        Verdict::Regressed => vec![What::Time],
        Verdict::Removed => vec![What::Removed],
        Verdict::Worse => result.counted.iter().map(|change| change.what).collect(),
        _ => Vec::new(),
    }
}

/// The result of a case that was timed, with what is `counted` and accepted of it.
pub(crate) fn with_counted(result: CaseResult, counted: Option<CaseResult>) -> CaseResult {
    let Some(counted) = counted else {
        return result;
    };
    let fine = matches!(result.verdict, Verdict::Pass | Verdict::Improved | Verdict::Accepted);
    CaseResult {
        verdict: if fine { Verdict::Accepted } else { result.verdict },
        detail: format!("{}; {}", counted.detail, result.detail),
        counted: counted.counted,
        accepted: counted.accepted,
        ..result
    }
}

/// By how much it got worse: percent, or dB.
fn extent(result: &CaseResult, what: What) -> f64 {
    if what == What::Time {
        return result.time.map_or(0.0, |time| time.percent);
    }
    let changes = result.counted.iter().filter(|change| change.what == what);
    changes.map(|change| change.worse.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn cell() -> CellId {
        CellId { case: "gate/x".into(), backend: "faer".into(), threads: 1 }
    }

    fn config(what: &str, max: f64) -> Config {
        let text = format!(
            "schema = 1\n[[accept]]\nglob = 'faer:*'\nwhat = '{what}'\nmax = {max}\n\
             reason = 'meant'\nexpires = '2027-01-31'\n"
        );
        Config::parse(&text, "gate.toml").unwrap()
    }

    fn trial(replicates: &[f64], end: End<LiveError>) -> Trial<LiveError> {
        Trial { screen: replicates.to_vec(), fresh: replicates.to_vec(), end: Some(end) }
    }

    fn regressed() -> CaseResult {
        let end = End::Closed { closed: Closed::Regressed, p: 1e-4, p_holm: 3e-4 };
        let trial = trial(&[0.05; 10], end);
        timed(&Rule::default(), &cell(), &trial, 3, &[]).unwrap()
    }

    #[test]
    fn a_regression_says_how_sure_it_is() {
        let result = regressed();
        assert_eq!((result.verdict, result.reason), (Verdict::Regressed, Reason::Slower));
        let expected = "slower by more than 0.75 % (p = 3.0e-4 after Holm, 20 replicates)";
        assert_eq!(result.detail, expected);
        assert!((result.time.unwrap().percent - 5.127).abs() < 1e-3);
    }

    #[test]
    fn what_is_accepted_passes_up_to_its_limit_and_its_last_day() {
        let verdict = |config: &Config, today| excused(regressed(), config, today).verdict;
        assert_eq!(verdict(&config("time", 6.0), "2027-01-31"), Verdict::Accepted);
        assert_eq!(verdict(&config("time", 5.0), "2027-01-31"), Verdict::Regressed);
        assert_eq!(verdict(&config("time", 6.0), "2027-02-01"), Verdict::Regressed);
        assert_eq!(verdict(&config("memory", 6.0), "2027-01-31"), Verdict::Regressed);
    }

    #[test]
    fn a_case_that_is_gone_may_be_accepted() {
        let gone = result(&cell(), Verdict::Removed, Reason::NotInHead, String::new());
        let result = excused(gone, &config("removed", 0.0), "2027-01-01");
        assert_eq!(result.verdict, Verdict::Accepted);
        assert_eq!(result.accepted.as_deref(), Some("meant (until 2027-01-31)"));
    }

    #[test]
    fn noise_says_what_would_be_needed() {
        let end = End::Closed { closed: Closed::Inconclusive, p: 0.2, p_holm: 0.2 };
        let trial = trial(&[0.1, -0.1, 0.05, -0.04, 0.0], end);
        let result = timed(&Rule::default(), &cell(), &trial, 1, &[]).unwrap();
        assert!(result.time.unwrap().needed.unwrap() > 100);
        assert!(result.detail.contains("fresh replicates would decide, 5 were taken"));
    }

    #[test]
    fn a_result_that_turns_wrong_while_it_is_timed_is_wrong() {
        let wrong = LiveError::Wrong { side: "HEAD".into(), finding: "bad".into() };
        let trial = trial(&[0.0], End::Failed(wrong));
        let result = timed(&Rule::default(), &cell(), &trial, 1, &[]).unwrap();
        assert_eq!(result.verdict, Verdict::Wrong);
    }
}
