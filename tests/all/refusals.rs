//! What each backend is known to refuse: a backend that refuses more computes less than it did, and no wrong result
//! would tell.

use std::collections::BTreeMap;

use attn_bench::run::Entry;
use attn_cli::registry;

/// The backends that this program computes itself and this machine can run.
///
/// Nothing but an instruction set may keep one from running.
pub(crate) fn backends_here() -> Vec<Entry> {
    let mut entries = registry::in_process(None);
    entries.retain(|entry| {
        let (id, probe) = (entry.backend.id(), entry.backend.probe());
        let needs_instructions = id.as_str().starts_with("flash/a");
        assert!(probe.is_ok() || needs_instructions, "{id} is unavailable: {probe:?}");
        probe.is_ok()
    });
    entries
}

/// How many problems each backend computed and refused.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, Count>);

#[derive(Default)]
struct Count {
    computed: usize,
    refused: usize,
}

impl Tally {
    /// `backend` computed one more.
    pub(crate) fn computed(&mut self, backend: &str) {
        self.0.entry(backend.into()).or_default().computed += 1;
    }

    /// `backend` refused one more.
    pub(crate) fn refused(&mut self, backend: &str) {
        self.0.entry(backend.into()).or_default().refused += 1;
    }

    /// Every backend here met `problems`, and refused as many of them as `known` says, 0 if it does not name it.
    pub(crate) fn assert_known(&self, problems: usize, known: &[(&str, usize)]) {
        let none = Count::default();
        let mut wrong = Vec::new();
        for entry in backends_here() {
            let id = entry.backend.id();
            let Count { computed, refused } = self.0.get(id.as_str()).unwrap_or(&none);
            let expected = known.iter().find(|(known, _)| *known == id.as_str());
            let expected = expected.map_or(0, |(_, refused)| *refused);
            if (computed + refused, *refused) != (problems, expected) {
                wrong.push(format!(
                    "`{id}` computed {computed} and refused {refused} of {problems} problems, \
                     {expected} refusals are known"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The words with which `tally` is found wrong.
fn objection(tally: Tally, problems: usize, known: &'static [(&str, usize)]) -> String {
    let tally = std::panic::AssertUnwindSafe(tally);
    let found = std::panic::catch_unwind(move || tally.assert_known(problems, known));
    *found.expect_err("the tally is wrong").downcast::<String>().expect("a message")
}

#[test]
fn a_backend_that_refuses_more_or_meets_less_is_named() {
    let tally = |refuses: &str, misses: &str| {
        let mut tally = Tally::default();
        for entry in backends_here() {
            let id = entry.backend.id();
            match id.as_str() {
                id if id == refuses => tally.refused(id),
                id if id == misses => {}
                id => tally.computed(id),
            }
        }
        tally
    };
    tally("", "").assert_known(1, &[]);
    tally("faer", "").assert_known(1, &[("faer", 1)]);
    let more = objection(tally("faer", ""), 1, &[]);
    assert_eq!(more, "`faer` computed 0 and refused 1 of 1 problems, 0 refusals are known");
    let fewer = objection(tally("", ""), 1, &[("ndarray", 1)]);
    assert!(fewer.starts_with("`ndarray` computed 1 and refused 0") && !fewer.contains('\n'));
    let missed = objection(tally("", "naive"), 1, &[]);
    assert!(missed.starts_with("`naive` computed 0 and refused 0 of 1"), "{missed}");
}
