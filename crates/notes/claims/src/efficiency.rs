//! Parallel, therefore faster than a recurrent network: up to which length?

use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::context::Context;
use crate::parallel::{WIDTH, attention, recurrence};
use crate::probe::normal;
use crate::recurrent::Recurrent;
use crate::timing::in_turns;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Per length: tokens, nanoseconds of self-attention, nanoseconds of the recurrent network.
    pub times: Vec<(usize, f64, f64)>,
}

const LENGTHS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

/// Times both over the length, with all processors.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let network = Recurrent::random(WIDTH, 61)?;
    let x = normal(LENGTHS[LENGTHS.len() - 1] * WIDTH, 62, 1.0)?;
    let mut times = Vec::new();
    for len in LENGTHS {
        let x = &x[..len * WIDTH];
        // The recurrent network gets whichever of one thread and all is faster.
        let mut calls = vec![
            attention(context, len, context.cores)?,
            recurrence(&network, x, 1)?,
            recurrence(&network, x, context.cores)?,
        ];
        let found = in_turns(&mut calls)?;
        times.push((len, found[0], found[1].min(found[2])));
    }
    Ok(Measurement { times })
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let faster = |&&(_, attention, recurrent): &&(usize, f64, f64)| attention < recurrent;
    let wins = found.times.iter().filter(faster).count();
    if found.times.is_empty() {
        return (ClaimVerdict::Undecided, "nothing was timed".into());
    }
    if wins == found.times.len() {
        return (ClaimVerdict::Holds, "at every length that was tried".into());
    }
    if wins == 0 {
        return (ClaimVerdict::DoesNotHold, "at no length that was tried".into());
    }
    let last = found.times.iter().rfind(faster).map_or(0, |(len, ..)| *len);
    let reason = format!(
        "up to {last} tokens at width {WIDTH}: the cost of self-attention grows with the square of \
         the length, that of the recurrent network with the length"
    );
    (ClaimVerdict::WithCondition, reason)
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let ratio = |at: usize| found.times.get(at).map_or(f64::NAN, |(_, a, r)| r / a);
    let last = LENGTHS.len() - 1;
    let attention = found.times.iter().map(|(len, attention, _)| (*len, *attention)).collect();
    let recurrent = found.times.iter().map(|(len, _, recurrent)| (*len, *recurrent)).collect();
    Ok(Claim {
        id: "efficiency".into(),
        section: section::SELF_ATTENTION.into(),
        sentence:
            "Because it is parallel, self-attention is more efficient than a recurrent network."
                .into(),
        method: format!(
            "Attention of {} heads of 64 and a recurrent network of width {WIDTH}, timed in turns \
             over {} to {} tokens with {} threads (the network with 1 where that is faster)",
            WIDTH / 64,
            LENGTHS[0],
            LENGTHS[last],
            context.cores
        ),
        figure: format!(
            "recurrent over self-attention: {:.1} at {} tokens, {:.2} at {}",
            ratio(0),
            LENGTHS[0],
            ratio(last),
            LENGTHS[last]
        ),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: format!("Time of a sequence, width {WIDTH}"),
            x: "Sequence length N (tokens)".into(),
            y: "Time per call".into(),
            unit: Unit::Nanoseconds,
            series: vec![
                Series { name: "self-attention".into(), points: attention },
                Series { name: "recurrent".into(), points: recurrent },
            ],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let of = |times: &[(usize, f64, f64)]| verdict(&Measurement { times: times.to_vec() }).0;
        assert_eq!(of(&[(64, 1.0, 2.0), (128, 2.0, 4.0)]), ClaimVerdict::Holds);
        assert_eq!(of(&[(64, 1.0, 2.0), (128, 5.0, 4.0)]), ClaimVerdict::WithCondition);
        assert_eq!(of(&[(64, 3.0, 2.0), (128, 5.0, 4.0)]), ClaimVerdict::DoesNotHold);
        assert_eq!(of(&[]), ClaimVerdict::Undecided);
    }
}
