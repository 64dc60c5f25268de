//! The page of claims: an illustrated companion to notes on attention.

use attn_analysis::place::Place;
use attn_record::claims::{Claim, ClaimVerdict, Claims};

use super::facts::program_facts;
use super::html::{anchor, code, definitions, folded, paragraph, text};
use super::plain;
use crate::charts::{claim_data, of_claim};

/// One self-contained page: all verdicts in a list, then each claim with its picture.
pub fn render(claims: &Claims) -> String {
    let title = "What is said about attention, measured";
    let body = [
        paragraph(&text(INTRODUCTION)),
        tally(claims),
        overview(claims),
        parts(claims),
        origin(claims),
    ];
    plain(title, INTRODUCTION, &body.concat())
}

/// Machine, program and day.
fn stamp(claims: &Claims) -> String {
    let place = Place { machine: claims.machine.clone(), build: claims.build.clone() };
    let day = claims.started.split('T').next().unwrap_or_default();
    format!("{}; {day}", place.title())
}

const INTRODUCTION: &str = "Each sentence is one that notes and textbooks say about attention. \
    Beside it stands what was measured or proved on this machine, and the verdict that follows from \
    the numbers. Where time was measured, the result was checked first.";

fn tally(claims: &Claims) -> String {
    let kinds = [
        ClaimVerdict::Holds,
        ClaimVerdict::WithCondition,
        ClaimVerdict::DoesNotHold,
        ClaimVerdict::Undecided,
    ];
    let counted = kinds.into_iter().filter_map(|verdict| {
        let count = claims.claims.iter().filter(|claim| claim.verdict == verdict).count();
        (count > 0).then(|| format!("<li>{count} {}</li>\n", badge(verdict)))
    });
    format!("<ul class=\"tally\">\n{}</ul>\n", counted.collect::<String>())
}

/// The verdict, in its colour and in words.
fn badge(verdict: ClaimVerdict) -> String {
    let class = match verdict {
        ClaimVerdict::Holds => "holds",
        ClaimVerdict::WithCondition => "condition",
        ClaimVerdict::DoesNotHold => "fails",
        ClaimVerdict::Undecided => "undecided",
    };
    format!("<span class=\"badge {class}\">{}</span>", verdict.words())
}

fn overview(claims: &Claims) -> String {
    let row = |claim: &Claim| {
        let (badge, id) = (badge(claim.verdict), text(&claim.id));
        format!("<li>{badge} <a href=\"#{id}\">{}</a></li>\n", text(&claim.sentence))
    };
    let rows: String = claims.claims.iter().map(row).collect();
    format!("<ul class=\"verdicts\">\n{rows}</ul>\n")
}

/// The sections of the notes, in the order in which they come first.
fn parts(claims: &Claims) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for claim in &claims.claims {
        if !parts.contains(&&*claim.section) {
            parts.push(&claim.section);
        }
    }
    let part = |part: &&str| {
        let own = claims.claims.iter().filter(|claim| claim.section == *part);
        let own: String = own.map(|claim| article(claim, &stamp(claims))).collect();
        format!("<section>\n<h2>{}</h2>\n{own}</section>\n", text(part))
    };
    parts.iter().map(part).collect()
}

fn article(claim: &Claim, stamp: &str) -> String {
    let figure = claim.picture.as_ref().and_then(|picture| of_claim(picture, stamp));
    let data = claim.picture.as_ref().and_then(claim_data);
    let data = data.map_or_else(String::new, |data| folded("data", "Figures", &data.html()));
    let figure = figure.map(|[wide, small]| {
        let name = text(&claim.id);
        format!(
            "<figure data-name=\"{name}\"><div class=\"card\"><div class=\"wide\">{wide}</div>\
             <div class=\"narrow\">{small}</div></div>\n<div class=\"tools\"></div>\n{data}</figure>\n"
        )
    });
    let facts = [
        ("Verdict", format!("{}: {}", badge(claim.verdict), text(&claim.reason))),
        ("Found", text(&claim.figure)),
        ("How", text(&claim.method)),
    ];
    format!(
        "<article id=\"{}\">\n<h3>{}{}</h3>\n{}{}</article>\n",
        text(&claim.id),
        text(&claim.sentence),
        anchor(&text(&claim.id), &text(&claim.id)),
        definitions(&facts),
        figure.unwrap_or_default()
    )
}

fn origin(claims: &Claims) -> String {
    let machine = &claims.machine;
    let mut facts = vec![
        ("Made by", code(&claims.command)),
        ("Started", text(&claims.started)),
        ("Processor", text(&format!("{}, {} logical processors", machine.cpu, machine.cores))),
    ];
    facts.extend(program_facts(&claims.build));
    format!("<section>\n<h2>Where and how</h2>\n{}</section>\n", definitions(&facts))
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;
    use attn_record::Build;
    use attn_record::claims::{Curves, Picture, Series, Unit};

    use super::*;

    fn claims(word: &str) -> Claims {
        let run = fixture::run();
        let series = Series { name: word.into(), points: vec![(1, 1.0), (2, 3.0)] };
        let claim = |verdict| Claim {
            id: word.into(),
            section: word.into(),
            sentence: word.into(),
            method: word.into(),
            figure: word.into(),
            verdict,
            reason: word.into(),
            picture: Some(Picture::Curves(Curves {
                title: word.into(),
                x: word.into(),
                y: word.into(),
                unit: Unit::Number,
                series: vec![series.clone()],
            })),
        };
        Claims {
            schema: Claims::SCHEMA.into(),
            command: word.into(),
            started: run.started.clone(),
            machine: run.machine,
            build: Build {
                version: word.into(),
                revision: Some(word.into()),
                dirty: false,
                code: Some(word.into()),
                target_features: word.into(),
                profile: word.into(),
            },
            claims: [ClaimVerdict::Holds, ClaimVerdict::DoesNotHold].map(claim).into(),
        }
    }

    #[test]
    fn hostile_words_are_only_text_and_nothing_comes_from_elsewhere() {
        let page = render(&claims("<script>alert('&\")</script>"));
        assert!(!page.contains("<script>alert"));
        let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!without_namespace.contains(outside), "{outside}");
        }
    }

    #[test]
    fn verdicts_are_counted_and_said_in_words() {
        let page = render(&claims("word"));
        assert!(page.contains("1 <span class=\"badge holds\">holds</span>"));
        assert!(page.contains("1 <span class=\"badge fails\">does not hold as stated</span>"));
        assert!(!page.contains("badge condition"));
        assert!(page.contains("<svg") && page.contains("<div class=\"scroll\""), "figures, too");
    }
}
