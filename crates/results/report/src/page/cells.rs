//! Cells in tables.

use attn_analysis::peak_rates::PeakRates;
use attn_record::{Outcome, Record};

use super::html::folded;
use crate::format::count;
use crate::table;

/// Every cell of one sub-sweep or folder of cases but those that were skipped.
pub(super) fn of_group(records: &[&Record], peak_rates: &PeakRates) -> String {
    let shown: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Skipped).copied().collect();
    let skipped = match records.len() - shown.len() {
        0 => None,
        n => Some(format!("{} skipped: the reasons are listed below.", count(n, "cell"))),
    };
    table::cells_table(&shown, peak_rates).notes(skipped).html()
}

/// Every cell that did not end `ok`, with its whole reason, folded; nothing if all did.
pub(super) fn not_ok(records: &[&Record]) -> String {
    let table = table::not_ok(records);
    let cells = records.iter().filter(|record| record.outcome != Outcome::Ok).count();
    folded("cells", &format!("{} that did not end ok", count(cells, "cell")), &table.html())
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::peak_rates;
    use attn_analysis::fixture::{checked, disturbed, ok, refs, with_outcome};
    use attn_record::Memory;

    use super::*;

    fn of_group(records: &[Record]) -> String {
        super::of_group(&refs(records), &PeakRates::default())
    }

    #[test]
    fn only_ok_cells_have_numbers() {
        for outcome in Outcome::ALL.into_iter().filter(|&o| o != Outcome::Ok) {
            let records =
                [ok("g/a", "right", 777_000.0), with_outcome(ok("g/a", "other", 333.0), outcome)];
            let html = of_group(&records);
            assert!(html.contains("777 µs") && !html.contains("333"), "{html}");
            let ending = format!("{outcome}: because of {outcome}");
            let listed = not_ok(&refs(&records));
            assert!(listed.contains(&format!("because of {outcome}")), "{listed}");
            assert_eq!(html.contains(&ending), outcome != Outcome::Skipped);
            assert_eq!(html.contains("1 cell skipped"), outcome == Outcome::Skipped);
        }
    }

    #[test]
    fn times_are_left_out_where_none_was_to_be_taken() {
        let html = of_group(&[checked("g/a", "x", 0.5)]);
        assert!(html.contains("50%") && !html.contains("GFLOP/s"));
    }

    #[test]
    fn disturbed_samples_are_shown_and_many_stand_out() {
        let html = of_group(&[disturbed("g/a", 1, 20), disturbed("g/b", 5, 10)]);
        for part in [">disturbed<", ">5.0%<", "bad\" data-value=\"0.5\">50%<"] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn memory_and_share_of_peak_are_shown_where_they_are_known() {
        let mut record = ok("g/a", "x", 13_107.0);
        let plain = of_group(std::slice::from_ref(&record));
        assert!(!plain.contains("of peak") && !plain.contains("scratch"));
        record.volatile.memory = Some(Memory {
            prepared_bytes: 0,
            peak_bytes: 3 << 20,
            allocations: Some(7),
            allocated_bytes: Some(0),
            uncounted_bytes: None,
        });
        let html = super::of_group(&[&record], &peak_rates(None));
        for part in ["of peak", ">50%<", "3 MiB", "data-value=\"7\""] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn alike_cells_share_a_row_and_name_their_cases() {
        let refused = |case| with_outcome(ok(case, "x", 1.0), Outcome::Unsupported);
        let records = [refused("g/a"), refused("h/c"), refused("g/b"), ok("g/d", "x", 1.0)];
        let html = not_ok(&refs(&records));
        assert!(html.contains("g/ a, b; h/ c"), "{html}");
        assert!(!html.contains("g/ d"));
    }
}
