//! How time and memory grow, in tables and sentences.

use super::Section;
use super::html::paragraph;
use crate::scaling::Scaling;
use crate::table::{Table, scaling as tables};

/// Exponents, slopes and crossings of every sweep, then speed-ups; `None` if there is nothing to say.
pub(super) fn section(scaling: &Scaling) -> Option<Section> {
    if scaling.is_empty() {
        return None;
    }
    let intro = paragraph(
        "Exponents are fitted to the medians on log-log axes, over the sizes from 512 on where these are \
         three or more. A local slope is that between one size and the one before; from N = 512 on it is marked \
         where it is more than 0.1 away from the exponent of the work. Where time grew faster than the work and \
         the working set (peak memory, inputs and output), or else the scores of a head, outgrew a cache of the \
         machine, the cache is named.",
    );
    let tables: String = tables(scaling).iter().map(Table::html).collect();
    Some(Section { title: "How it scales".into(), content: intro + &tables })
}
