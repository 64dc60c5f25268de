//! What the problems that come out wrong have in common, and the others have not.

use attn_core::Problem;

use crate::{Case, Features};

/// Statements that are joined, at most.
const STATEMENTS: usize = 3;

/// A statement about a case.
struct Statement {
    words: String,
    holds: Box<dyn Fn(&Case) -> bool>,
}

impl Statement {
    fn new(words: impl Into<String>, holds: impl Fn(&Case) -> bool + 'static) -> Self {
        Statement { words: words.into(), holds: Box::new(holds) }
    }
}

/// What holds for all of `wrong` and for few of `right`, in words; `None` if nothing tells them apart.
pub(crate) fn of(wrong: &[&Case], right: &[&Case]) -> Option<String> {
    if wrong.len() < 2 || right.is_empty() {
        return None;
    }
    let candidates: Vec<Statement> = statements(wrong)
        .into_iter()
        .filter(|statement| wrong.iter().all(|case| (statement.holds)(case)))
        .collect();
    let (mut words, mut left) = (Vec::new(), right.to_vec());
    while words.len() < STATEMENTS && !left.is_empty() {
        let still =
            |statement: &&Statement| left.iter().filter(|case| (statement.holds)(case)).count();
        // Of those that say as much, the first.
        let best = candidates.iter().min_by_key(still)?;
        // What leaves nearly all of them says nothing.
        if 4 * still(&best) > 3 * left.len() {
            break;
        }
        words.push(best.words.as_str());
        left.retain(|case| (best.holds)(case));
    }
    if words.is_empty() {
        return None;
    }
    let (all, of) = (words.join(" and "), right.len());
    Some(match left.len() {
        0 => format!("all {} have {all}, none of the {of} right ones has", wrong.len()),
        n => format!("all {} have {all}, as {n} of the {of} right ones have", wrong.len()),
    })
}

/// Statements that may hold: of features and types, then of sizes.
fn statements(wrong: &[&Case]) -> Vec<Statement> {
    let mut all: Vec<Statement> = Features::named()
        .map(|(one, name)| {
            Statement::new(name, move |case| Features::of(case.problem()).contains(one))
        })
        .collect();
    let first = wrong[0];
    let dtype = first.problem().dtype();
    all.push(Statement::new(dtype.name(), move |case| case.problem().dtype() == dtype));
    if let Some((distribution, _)) = first.drawn_from() {
        let words = format!("{} inputs", distribution.name());
        let holds =
            move |case: &Case| case.drawn_from().is_some_and(|(one, _)| one == distribution);
        all.push(Statement::new(words, holds));
    }
    for (words, holds) in RELATIONS {
        all.push(Statement::new(*words, move |case| holds(case.problem())));
    }
    for (name, size) in SIZES {
        all.extend(of_size(name, *size, wrong));
    }
    all
}

/// Whether something holds of a problem.
type Relation = fn(&Problem) -> bool;

const RELATIONS: &[(&str, Relation)] = &[
    ("Nq != Nk", |p| p.shape().len_q != p.shape().len_k),
    ("Nq > Nk", |p| p.shape().len_q > p.shape().len_k),
    ("Nq < Nk", |p| p.shape().len_q < p.shape().len_k),
    ("a negative scale", |p| p.scale() < 0.0),
];

/// A size of a problem.
type Size = fn(&Problem) -> usize;

const SIZES: &[(&str, Size)] = &[
    ("B", |p| p.shape().batch),
    ("H", |p| p.shape().heads_q),
    ("Nq", |p| p.shape().len_q),
    ("Nk", |p| p.shape().len_k),
    ("D", |p| p.shape().dim),
    ("Dv", |p| p.shape().dim_v),
];

/// Its range over what is wrong, and what does not divide it.
fn of_size(name: &str, size: Size, wrong: &[&Case]) -> Vec<Statement> {
    let sizes = || wrong.iter().map(|case| size(case.problem()));
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    let mut all = vec![
        Statement::new(format!("{name} >= {least}"), move |case| size(case.problem()) >= least),
        Statement::new(format!("{name} <= {most}"), move |case| size(case.problem()) <= most),
    ];
    for by in [2, 4, 8, 16, 32, 64, 128] {
        let words = format!("{name} no multiple of {by}");
        all.push(Statement::new(words, move |case| !size(case.problem()).is_multiple_of(by)));
        let words = format!("{name} a multiple of {by}");
        all.push(Statement::new(words, move |case| size(case.problem()).is_multiple_of(by)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(wrong: &[&str], right: &[&str]) -> Option<String> {
        let cases = |texts: &[&str]| -> Vec<Case> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let (wrong, right) = (cases(wrong), cases(right));
        of(&wrong.iter().collect::<Vec<_>>(), &right.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_tells_them_apart_is_said() {
        assert_eq!(
            said(&["H4/2 N3 D4", "H2/1 N9 D5"], &["H2 N3 D4", "H4 N9 D5"]).unwrap(),
            "all 2 have grouped heads, none of the 2 right ones has"
        );
        assert_eq!(
            said(&["N65 D4", "N70 D5"], &["N64 D4", "N3 D5", "N9 D7"]).unwrap(),
            "all 2 have Nq >= 65, none of the 3 right ones has"
        );
        assert_eq!(
            said(
                &["N4x5 D4 causal:bottom-right", "N3x9 D4 causal:bottom-right"],
                &["N4 D4 causal:bottom-right", "N3x9 D4", "N4x5 D4 causal:top-left", "N4 D4"]
            )
            .unwrap(),
            "all 2 have causal bottom-right, none of the 4 right ones has"
        );
        let narrow = said(&["N4 D9", "N5 D7", "N2 D3"], &["N4 D8", "N5 D4", "N2 D2"]).unwrap();
        assert_eq!(narrow, "all 3 have D no multiple of 2, none of the 3 right ones has");
    }

    #[test]
    fn nothing_is_said_where_nothing_tells_them_apart() {
        assert_eq!(said(&["N3 D4", "N9 D5"], &["N3 D4", "N9 D5", "N3 D5"]), None);
        assert_eq!(said(&["N3 D4"], &["N9 D5"]), None);
        assert_eq!(said(&["N3 D4", "N9 D5"], &[]), None);
    }
}
