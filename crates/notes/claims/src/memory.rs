//! Multiplicative attention needs less memory than additive attention: peak bytes against the width.

use attn_core::Exec;
use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::additive::{LEN, problems};
use crate::context::Context;
use crate::timing::Checks;
use crate::{ClaimError, section};

/// Peak bytes of one backend at one width, multiplicative and additive.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// Its id.
    pub backend: String,
    /// Width of a head and of the hidden layer.
    pub dim: usize,
    /// Bytes beyond the operands.
    pub bytes: [u64; 2],
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Every backend that computes both, at every width.
    pub peaks: Vec<Peak>,
}

const DIMS: [usize; 3] = [16, 32, 64];

/// Counts what each backend allocates at its peak, after its result was checked.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let mut peaks = Vec::new();
    for dim in DIMS {
        let both = problems([LEN, dim])?;
        let checks = both.each_ref().map(|problem| Checks::new(problem, context.naive));
        let [multiplicative, additive] = checks;
        let checks = [multiplicative?, additive?];
        for &backend in &context.backends {
            if both.iter().any(|problem| backend.supports(problem).is_err()) {
                continue;
            }
            let mut bytes = [0; 2];
            for (bytes, checks) in bytes.iter_mut().zip(&checks) {
                let mut cell = checks.prepare(backend, Exec::SINGLE)?;
                let Some(memory) = cell.memory()? else {
                    return Ok(Measurement { peaks: Vec::new() });
                };
                *bytes = memory.peak_bytes;
            }
            peaks.push(Peak { backend: backend.id().to_string(), dim, bytes });
        }
    }
    Ok(Measurement { peaks })
}

/// More than this factor counts as more memory.
const MORE: f64 = 1.1;

/// The verdict, at the largest width.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let largest = found.peaks.iter().map(|peak| peak.dim).max().unwrap_or(0);
    let at_largest = found.peaks.iter().filter(|peak| peak.dim == largest);
    let more = |peak: &&Peak| peak.bytes[1] as f64 > MORE * peak.bytes[0] as f64;
    let (less, equal): (Vec<&Peak>, Vec<&Peak>) = at_largest.partition(|peak| more(peak));
    let names = |peaks: &[&Peak]| {
        peaks.iter().map(|peak| peak.backend.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (less.is_empty(), equal.is_empty()) {
        (true, true) => (ClaimVerdict::Undecided, "nothing was counted".into()),
        (false, true) => (ClaimVerdict::Holds, "with every backend".into()),
        (true, false) => (ClaimVerdict::DoesNotHold, "with no backend".into()),
        (false, false) => {
            let reason = format!(
                "with {}, which keep the hidden layer of many pairs at once; not with {}, which keep \
                 that of a few",
                names(&less),
                names(&equal)
            );
            (ClaimVerdict::WithCondition, reason)
        }
    }
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let factor = |peak: &&Peak| peak.bytes[1] as f64 / peak.bytes[0].max(1) as f64;
    let most = found.peaks.iter().max_by(|a, b| factor(a).total_cmp(&factor(b)));
    let figure = most.map_or("nothing was counted".into(), |peak| {
        let [multiplicative, additive] = peak.bytes;
        format!(
            "most with {} at width {}: {additive} bytes against {multiplicative}",
            peak.backend, peak.dim
        )
    });
    let of_most = |which: usize| {
        let own = found.peaks.iter().filter(|peak| most.is_some_and(|m| m.backend == peak.backend));
        own.map(|peak| (peak.dim, peak.bytes[which] as f64)).filter(|point| point.1 > 0.0).collect()
    };
    Ok(Claim {
        id: "memory".into(),
        section: section::MULTIPLICATIVE.into(),
        sentence: "Multiplicative attention is more space-efficient than additive attention."
            .into(),
        method: format!(
            "Bytes that each backend allocates at its peak, prepared and run, over {LEN} tokens; the \
             chart shows the backend with the largest difference"
        ),
        figure,
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: most.map_or(String::new(), |peak| format!("Peak memory of {}", peak.backend)),
            x: "Width d".into(),
            y: "Bytes beyond the operands".into(),
            unit: Unit::Bytes,
            series: vec![
                Series { name: "multiplicative".into(), points: of_most(0) },
                Series { name: "additive".into(), points: of_most(1) },
            ],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let of = |bytes: &[[u64; 2]]| {
            let peak = |&bytes: &[u64; 2]| Peak { backend: "a".into(), dim: 64, bytes };
            verdict(&Measurement { peaks: bytes.iter().map(peak).collect() }).0
        };
        assert_eq!(of(&[[100, 900], [100, 200]]), ClaimVerdict::Holds);
        assert_eq!(of(&[[100, 900], [100, 100]]), ClaimVerdict::WithCondition);
        assert_eq!(of(&[[100, 100]]), ClaimVerdict::DoesNotHold);
        assert_eq!(of(&[]), ClaimVerdict::Undecided);
    }
}
