//! How time and memory grow, in sentences, a picture and tables.

use attn_record::Run;

use super::figure::figure;
use super::html::{folded, list, paragraph};
use super::{Section, answers};
use crate::source::MachineSection;
use crate::table::{Table, scaling as tables};

/// Exponents, slopes and crossings of every sweep, and speed-ups; `None` if there is nothing to say.
pub(super) fn section(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    if machine.scaling.is_empty() {
        return None;
    }
    let figures: String = machine.overall("threads").map(|chart| figure(run, chart)).collect();
    let how = paragraph(
        "Exponents are fitted to the medians on log-log axes, over the sizes from 512 on where these are \
         three or more. A local slope is that between one size and the one before; from N = 512 on it is marked \
         where it is more than 0.1 away from the exponent of the work. Where time grew faster than the work and \
         the working set (peak memory, inputs and output), or else the scores of a head, outgrew a cache of the \
         machine, the cache is named.",
    );
    let tables: String = tables(&machine.scaling).iter().map(Table::html).collect();
    let tables = folded("more", "Exponents, slopes, crossings and speed-ups", &(how + &tables));
    let content = list(&answers::growths(machine)) + &figures + &tables;
    Some(Section::new("scaling", "How it scales", content))
}
