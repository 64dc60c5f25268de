//! Each rule, broken and kept.

use attn_core::{Asked, Bytes, DType, Flops, Work};

use super::*;
use crate::limits::{Ceilings, FmaPeak, Rate};

const T: f64 = 100_000.0;

type Change = fn(&mut Audit);

/// An honest process whose calls take [`T`] nanoseconds.
fn honest() -> Audit {
    let fresh = Fresh { load_ns: 4_000, call_ns: 101_000, store_ns: 1_000, ..Fresh::default() };
    let rotated = Fresh { call_ns: 140_000, rotated: true, ..fresh };
    Audit {
        seed: 1,
        signs: Some(2),
        first_call_ns: Some(2_000_000),
        single_ns: 99_000,
        beside_permille: Some(1000),
        copy_ns: 3_000,
        fault_ns: 500,
        fresh: vec![fresh, fresh, rotated, fresh],
        store_ns: 1_000,
        wall_ns: 60_000_000,
        clock_ns: 60_000_000,
        processor_ns: 60_000_000,
        children_ns: 0,
        on_device: false,
        asked: None,
        restarts: 0,
    }
}

fn seen(audits: &[Audit], reps: u32, threads: usize) -> Seen<'_> {
    let processes = audits.iter().map(|audit| SeenProcess { audit, reps, call_ns: T }).collect();
    Seen { processes, call_ns: T, threads }
}

fn doubt(audits: &[Audit], reps: u32) -> Option<Doubt> {
    seen(audits, reps, 1).doubt()
}

/// As seen of a library that allocates tensors in `load`.
#[test]
fn a_call_of_microseconds_may_have_a_load_and_a_store_that_were_forgotten() {
    let doubt = |fault_ns, [call_ns, first_ns, store_ns]: [u64; 3]| {
        let fresh = Fresh {
            load_ns: 1_500,
            call_ns: first_ns,
            before_ns: call_ns,
            store_ns,
            ..Fresh::default()
        };
        let mut fresh = vec![fresh; 5];
        fresh[0].store_ns = 700;
        let short = Audit { single_ns: call_ns, copy_ns: 40, fault_ns, fresh, ..honest() };
        let call_ns = call_ns as f64;
        let process = SeenProcess { audit: &short, reps: 200, call_ns };
        Seen { processes: vec![process; 3], call_ns, threads: 1 }.doubt().map(|doubt| doubt.rule)
    };
    assert_eq!(doubt(500, [2_600, 3_000, 3_700]), None);
    assert_eq!(doubt(500, [2_600, 3_000, 7_000]), Some(Rule::Escaped));
    // A virtual machine on which a new page takes 2 us.
    for slow in [[3_500, 6_500, 5_500], [23_500, 28_500, 5_500]] {
        assert_eq!(doubt(2_000, slow), None);
        assert_eq!(doubt(800, slow), Some(Rule::Escaped));
    }
    assert_eq!(doubt(2_000, [23_500, 28_500, 11_500]), Some(Rule::Escaped));
    // Whatever it is said to take.
    assert_eq!(doubt(60_000, [23_500, 28_500, 16_000]), Some(Rule::Escaped));
}

#[test]
fn an_honest_process_is_not_doubted_and_every_rule_can_be_broken() {
    let three = || [honest(), honest(), honest()];
    assert_eq!(doubt(&three(), 4), None);
    let changes: [(Rule, Change); 10] = [
        (Rule::Linearity, |audit| audit.single_ns = 116_000),
        (Rule::Linearity, |audit| audit.beside_permille = Some(1100)),
        (Rule::Fresh, |audit| audit.fresh.iter_mut().for_each(|f| f.call_ns = 116_000)),
        (Rule::Fresh, |audit| audit.fresh[2].call_ns = 264_000),
        (Rule::Escaped, |audit| audit.fresh.iter_mut().for_each(|f| f.load_ns = 32_000)),
        (Rule::Escaped, |audit| audit.store_ns = 29_000),
        // Sometimes in the first call, sometimes in `store`.
        (Rule::Escaped, |audit| {
            for (at, fresh) in audit.fresh.iter_mut().enumerate() {
                let [early, late] = [(150_000, 1_000), (1_000, 150_000)];
                (fresh.call_ns, fresh.store_ns) = if at % 2 == 0 { early } else { late };
            }
        }),
        (Rule::FirstCall, |audit| audit.first_call_ns = Some(23_000_000)),
        (Rule::Processor, |audit| audit.processor_ns = 64_000_000),
        (Rule::Clock, |audit| audit.clock_ns = 57_000_000),
    ];
    for (rule, change) in changes {
        let mut audits = three();
        audits.iter_mut().for_each(change);
        let found = doubt(&audits, 4).unwrap();
        assert_eq!(found.rule, rule, "{found}");
        // What disturbs one process of three proves nothing.
        let mut audits = three();
        change(&mut audits[0]);
        assert_eq!(doubt(&audits, 4), None, "{rule:?}");
    }
}

#[test]
fn one_process_that_copied_slowly_excuses_nothing() {
    let mut audits = [honest(), honest(), honest()];
    for audit in &mut audits {
        audit.store_ns = 29_000;
    }
    audits[1].copy_ns = 300_000;
    assert_eq!(doubt(&audits, 4).map(|doubt| doubt.rule), Some(Rule::Escaped));
}

#[test]
fn threads_may_have_to_be_woken() {
    let mut audit = honest();
    audit.single_ns = 160_000;
    audit.fresh.iter_mut().for_each(|fresh| fresh.call_ns = 150_000);
    let doubted = |threads| seen(std::slice::from_ref(&audit), 4, threads).doubt().is_some();
    assert!(doubted(1) && !doubted(2));
}

#[test]
fn single_calls_tell_nothing_where_samples_are_single_calls() {
    let audit = Audit { single_ns: 900_000, ..honest() };
    assert!(doubt(std::slice::from_ref(&audit), 2).is_some());
    assert_eq!(doubt(&[audit], 1).map(|doubt| doubt.rule), None);
}

#[test]
fn a_device_is_loaded_over_a_bus_and_waited_for() {
    let mut audit = Audit { single_ns: 300_000, processor_ns: 240_000_000, ..honest() };
    audit.fresh.iter_mut().for_each(|fresh| {
        (fresh.load_ns, fresh.processor_ns) = (900_000, Some([900_000, 1_000, 1_000]));
    });
    assert!(doubt(std::slice::from_ref(&audit), 4).is_some());
    audit.on_device = true;
    assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
    audit.single_ns = 500_000;
    assert_eq!(doubt(&[audit], 4).unwrap().rule, Rule::Linearity);
}

#[test]
fn an_engine_is_asked_and_operands_go_to_it_through_a_file() {
    let asked = Asked { request_ns: 2_000, asked_ns: 40_000_000, told_ns: 39_000_000 };
    let mut audit = Audit { single_ns: 115_000, store_ns: 60_000, ..honest() };
    audit.fresh.iter_mut().for_each(|fresh| (fresh.load_ns, fresh.processor_ns) = (30_000, None));
    assert!(doubt(std::slice::from_ref(&audit), 4).is_some());
    audit.asked = Some(asked);
    assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
    let rule = |asked: Asked, reps| {
        let audit = Audit { asked: Some(asked), ..audit.clone() };
        doubt(&[audit], reps).map(|doubt| doubt.rule)
    };
    let request = |request_ns| Asked { request_ns, ..asked };
    assert_eq!(rule(request(3_900), 4), None);
    assert_eq!(rule(request(4_100), 4), Some(Rule::Resolution), "of samples of 400 us");
    let ahead = Asked { told_ns: 40_000_001, ..asked };
    assert_eq!(rule(ahead, 4), Some(Rule::Clock));
    let late = Audit { single_ns: 140_000, asked: Some(asked), ..audit.clone() };
    assert_eq!(doubt(&[late], 4).map(|doubt| doubt.rule), Some(Rule::Linearity));
}

#[test]
fn an_engine_that_slept_may_read_its_operands_anew_right_after_many_calls() {
    let asked = Asked { request_ns: 1_000, asked_ns: 40_000_000, told_ns: 39_000_000 };
    let rule = |beside, asked| {
        let audit = Audit { beside_permille: Some(beside), copy_ns: 9_000, asked, ..honest() };
        doubt(&[audit], 4).map(|doubt| doubt.rule)
    };
    assert_eq!(rule(1_160, Some(asked)), None);
    assert_eq!(rule(1_160, None), Some(Rule::Linearity));
    assert_eq!(rule(1_220, Some(asked)), Some(Rule::Linearity));
}

#[test]
fn few_first_calls_may_all_have_been_disturbed() {
    let mut audit = honest();
    audit.fresh.iter_mut().for_each(|fresh| fresh.call_ns = 120_000);
    assert_eq!(doubt(std::slice::from_ref(&audit), 4), None, "four calls");
    let found = doubt(&[audit.clone(), audit.clone(), audit], 4).unwrap();
    assert_eq!(
        found.to_string(),
        "fresh call: the first call on other inputs takes 120.0 us, where calls of 100.0 us allow 114.0 us"
    );
}

#[test]
fn calls_just_before_say_what_a_first_call_may_take() {
    let three = |call_ns: u64, before_ns: u64| {
        let mut audit = honest();
        audit.fresh.iter_mut().for_each(|fresh| {
            (fresh.call_ns, fresh.before_ns) = (call_ns, before_ns);
        });
        audit
    };
    assert_eq!(doubt(&[three(120_000, 0)], 4), None, "few");
    let slow = [three(120_000, 118_000)];
    let mut slow = seen(&slow, 4, 1);
    slow.processes[0].call_ns = 115_000.0;
    assert_eq!(slow.doubt(), None, "as slow as the calls before");
    let found = doubt(&[three(120_000, 99_000)], 4).unwrap();
    assert_eq!(found.rule, Rule::Fresh, "few, but slower than the calls before");
    // One call that was disturbed before proves nothing for the others.
    let mut audit = three(120_000, 99_000);
    audit.fresh[0].before_ns = 150_000;
    assert!(doubt(&[audit], 4).is_some());
}

#[test]
fn a_machine_of_two_speeds_excuses_nobody_and_accuses_nobody() {
    let with = |slower: u64| {
        let both = |before_ns| Fresh { call_ns: before_ns * slower, before_ns, ..Fresh::default() };
        let fresh = [vec![both(50_000); 4], vec![both(100_000); 4]].concat();
        doubt(&[Audit { fresh, ..honest() }], 4).map(|doubt| doubt.rule)
    };
    // The first call of the fast moments takes as long as is shown.
    assert_eq!([with(1), with(2)], [None, Some(Rule::Fresh)]);
    // Calls before some happened to be fast.
    let both = |before_ns| Fresh { call_ns: 130_000, before_ns, ..Fresh::default() };
    let mut fresh = [vec![both(100_000); 4], vec![both(130_000); 4]].concat();
    fresh.extend([both(130_000); 2].map(|first| Fresh { call_ns: 105_000, ..first }));
    assert_eq!(doubt(&[Audit { fresh, ..honest() }], 4), None);
}

#[test]
fn calls_before_that_are_not_what_is_shown_excuse_nothing() {
    // It computes for a while after each load, and else only now and then: most of the calls before were honest ones.
    let mut audit = honest();
    let both = |call_ns, before_ns| Fresh { call_ns, before_ns, ..Fresh::default() };
    audit.fresh = vec![both(300_000, 300_000); 5];
    let mut slow = seen(std::slice::from_ref(&audit), 4, 1);
    slow.processes[0].call_ns = 3.0 * T;
    assert_eq!(slow.doubt(), None, "a slow process, for all that is known");
    let accused = Some(Rule::Fresh);
    assert_eq!(doubt(std::slice::from_ref(&audit), 4).map(|doubt| doubt.rule), accused);
    audit.fresh.push(both(300_000, 100_000));
    assert_eq!(doubt(&[audit], 4).map(|doubt| doubt.rule), accused);
}

#[test]
fn what_others_take_from_the_processor_is_no_part_of_a_first_call() {
    let mut audit = honest();
    for fresh in &mut audit.fresh {
        fresh.call_ns = 8_000_000;
        fresh.processor_ns = Some([4_000, 101_000, 1_000]);
        fresh.waited_ns = Some([0, 7_899_000, 0]);
    }
    assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
    // It slept, as if for a process that computes in its place.
    audit.fresh.iter_mut().for_each(|fresh| fresh.waited_ns = Some([0; 3]));
    assert!(doubt(&[audit], 4).is_some());
}

#[test]
fn memory_that_is_new_to_a_first_call_takes_time_that_is_not_its_own() {
    let mut audit = honest();
    let mut of = |call_ns, faults| {
        let first = Fresh { load_ns: 4_000, call_ns, call_faults: faults, ..Fresh::default() };
        audit.fresh = vec![first; 12];
        doubt(std::slice::from_ref(&audit), 4).map(|doubt| doubt.rule)
    };
    assert_eq!([of(130_000, 0), of(130_000, 50)], [Some(Rule::Fresh), None]);
    // As much as it likes it cannot have been.
    assert_eq!(of(180_000, 1000), Some(Rule::Fresh));
}

/// One query against 4096 keys of 8 heads in bf16, 17 MB that the third-level cache holds: a call takes 223 us, the first on other
/// inputs reads them from memory in 390.
#[test]
fn a_call_that_does_little_but_read_may_have_to_read_from_memory() {
    let mut audit = honest();
    (audit.single_ns, audit.copy_ns) = (223_400, 900_000);
    let first = Fresh { call_ns: 389_600, ..Fresh::default() };
    audit.fresh = vec![first; 12];
    let doubted = |audit: &Audit| {
        let process = SeenProcess { audit, reps: 40, call_ns: 223_400.0 };
        let seen = Seen { processes: vec![process], call_ns: 223_400.0, threads: 1 };
        seen.doubt().map(|doubt| doubt.rule)
    };
    assert_eq!(doubted(&audit), None);
    // Operands that are copied in half of the time of a call do not explain it.
    audit.copy_ns = 110_000;
    assert_eq!(doubted(&audit), Some(Rule::Fresh));
}

/// 67 MB for the first time in a virtual machine: 149 ms were seen, of which copying them took 3.65.
#[test]
fn a_first_call_on_large_operands_waits_for_the_host_to_find_memory() {
    let mut audit = honest();
    audit.first_call_ns = Some(149_000_000);
    assert_eq!(
        doubt(std::slice::from_ref(&audit), 4).map(|doubt| doubt.rule),
        Some(Rule::FirstCall)
    );
    audit.copy_ns = 3_650_000;
    assert_eq!(doubt(&[audit], 4), None);
}

#[test]
fn another_thread_that_helps_with_a_first_call_saves_nothing() {
    let mut audit = honest();
    let both = |ns: [u64; 3]| move |fresh: &mut Fresh| fresh.processor_ns = Some(ns);
    audit.fresh.iter_mut().for_each(both([12_000, 110_000, 9_000]));
    assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
    audit.fresh.iter_mut().for_each(both([4_000, 185_000, 1_000]));
    let doubted =
        |threads| seen(std::slice::from_ref(&audit), 4, threads).doubt().map(|doubt| doubt.rule);
    assert_eq!([doubted(1), doubted(2)], [Some(Rule::Fresh), None]);
}

#[test]
fn a_rate_beyond_the_peak_is_doubted_and_one_a_little_above_is_not() {
    let gflops = Rate { best: 100.0, median: 90.0, samples: 9 };
    let peak = FmaPeak { isa: "x".into(), dtype: DType::F32, threads: 1, gflops };
    let ceilings = Ceilings::new(vec![peak], vec![DType::F32], Vec::new(), Vec::new());
    let work = Work { pairs: 1, flops: Flops(10_400_000), exps: 0, tanhs: 0, bytes: Bytes(8) };
    let of = |ns, threads| Doubt::of_rate(&ceilings, &work, DType::F32, threads, ns);
    assert_eq!(of(T, 1), None);
    assert_eq!(of(T / 2.0, 1).unwrap().rule, Rule::Ceiling);
    assert_eq!(of(T / 2.0, 2), None, "not measured");
}

#[test]
fn a_rule_has_a_name_of_its_own() {
    let mut names = Rule::ALL.map(Rule::name);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn no_core_of_any_processor_is_exceeded_where_nothing_was_measured() {
    let of = |arch: &str, ns| {
        let mut record = crate::processes::tests::record("x", crate::Outcome::Ok, ns);
        record.machine.arch = arch.into();
        record.volatile.measurement.as_mut().unwrap().clock_ns = 1;
        record.work.flops = attn_core::Flops(1 << 30);
        record.doubt(None).map(|doubt| doubt.rule)
    };
    // 1 GFLOP at 511, 513 and 4100 GFLOP/s.
    let ns = |rate: u64| (1 << 30) / rate;
    assert_eq!(of("x86_64", ns(511)), None);
    assert_eq!(of("x86_64", ns(513)), Some(Rule::Ceiling));
    assert_eq!(of("aarch64", ns(513)), None);
    assert_eq!(of("aarch64", ns(4100)), Some(Rule::Ceiling));
}

#[test]
fn one_lucky_moment_of_many_excuses_nothing() {
    let mut audits = [honest(), honest(), honest()];
    audits.iter_mut().flat_map(|audit| &mut audit.fresh).for_each(|f| f.call_ns = 145_000);
    audits[1].fresh[0].call_ns = 1_000;
    assert_eq!(doubt(&audits, 4).unwrap().rule, Rule::Fresh);
    audits[2].fresh[1].call_ns = 101_000;
    assert_eq!(doubt(&audits, 4), None);
}

#[test]
fn single_calls_are_compared_with_those_of_their_own_process() {
    // The processor of the second is half as fast.
    let mut audits = [honest(), honest(), honest()];
    for (audit, ns) in audits.iter_mut().zip([125_000, 250_000, 125_000]) {
        audit.single_ns = ns;
        audit.fresh.clear();
    }
    let mut seen = seen(&audits, 4, 1);
    seen.processes[1].call_ns = 2.0 * T;
    (seen.call_ns, seen.processes[0].call_ns) = (2.0 * T, T);
    assert_eq!(seen.doubt().unwrap().rule, Rule::Linearity);
    seen.processes.iter_mut().for_each(|process| process.call_ns *= 1.25);
    assert_eq!(seen.doubt(), None);
}

#[test]
fn operands_that_come_from_memory_may_be_waited_for() {
    // Decoding: a copy takes 1.1 ms, warm calls 6.5 ms and cold ones 9.5 ms.
    let mut audit = Audit { copy_ns: 1_100_000, ..honest() };
    let mut of = |call_ns: u64, copy_ns: u64| {
        let first = Fresh { load_ns: 1_000_000, call_ns, before_ns: 6_500_000, ..Fresh::default() };
        (audit.fresh, audit.copy_ns) = (vec![first; 3], copy_ns);
        let process = SeenProcess { audit: &audit, reps: 1, call_ns: 6_500_000.0 };
        let seen = Seen { processes: vec![process], call_ns: 6_500_000.0, threads: 1 };
        seen.doubt().map(|doubt| doubt.rule)
    };
    assert_eq!(of(9_500_000, 1_100_000), None);
    // Nothing explains as much where a core's caches hold the operands, or where the call takes twice as long.
    assert_eq!(of(9_500_000, 300_000), Some(Rule::Fresh));
    assert_eq!(of(13_000_000, 1_100_000), Some(Rule::Fresh));
}

/// As where calls are so long that each process has time for one.
#[test]
fn first_calls_that_are_all_on_rotated_inputs_may_take_a_fifth_more() {
    let doubt = |call_ns, before_ns| {
        let first = Fresh { call_ns, before_ns, rotated: true, ..honest().fresh[0] };
        let audit = Audit { fresh: vec![first], ..honest() };
        doubt(&[audit.clone(), audit.clone(), audit], 1).map(|doubt| doubt.rule)
    };
    assert_eq!([doubt(130_000, 0), doubt(125_000, 100_000)], [None; 2]);
    // A kernel that remembers what does not depend on signs, or waits for the rest of the time where it knows the result.
    assert_eq!([doubt(138_000, 0), doubt(128_000, 100_000)], [Some(Rule::Fresh); 2]);
}

/// As of a kernel that computes until it has been given other inputs, and knows that there is one such moment in each process.
#[test]
fn calls_that_are_right_until_inputs_were_others_excuse_nothing() {
    // What is usual in each process, and what calls took before its moment.
    let doubt = |processes: [[f64; 2]; 3]| {
        let audits = processes.map(|[_, before_ns]| {
            let (call_ns, before_ns) = (1_000_000, before_ns as u64);
            let first = Fresh { call_ns, before_ns, rotated: true, ..honest().fresh[0] };
            Audit { fresh: vec![first], ..honest() }
        });
        let mut seen = seen(&audits, 1, 1);
        for (process, [usual_ns, _]) in seen.processes.iter_mut().zip(processes) {
            process.call_ns = usual_ns;
        }
        seen.doubt().map(|doubt| doubt.rule)
    };
    let (early, middle, late) = ([T, 0.0], [T, 10.0 * T], [10.0 * T, 10.0 * T]);
    for cheat in [[middle; 3], [early, middle, late], [early, early, late], [middle, middle, late]]
    {
        assert_eq!(doubt(cheat), Some(Rule::Fresh), "{cheat:?}");
    }
    assert_eq!(doubt([late, late, early]), None, "two processes are slow, for all that is known");
}

/// As where calls take about as long as what decides how many moments there are.
#[test]
fn one_process_that_had_time_for_another_moment_changes_no_rule() {
    let rotated =
        Fresh { call_ns: 120_000, before_ns: 100_000, rotated: true, ..honest().fresh[0] };
    let other = Fresh { call_ns: 101_000, rotated: false, ..rotated };
    let of = |fresh: Vec<Fresh>| Audit { fresh, ..honest() };
    let mut audits = vec![of(vec![rotated]); 4];
    audits[0] = of(vec![other, rotated]);
    assert_eq!(doubt(&audits, 1), None);
    for audit in &mut audits {
        audit.fresh.insert(0, other);
        audit.fresh.iter_mut().for_each(|first| first.call_ns = 120_000);
    }
    assert_eq!(doubt(&audits, 1).map(|doubt| doubt.rule), Some(Rule::Fresh));
}

#[test]
fn few_calls_on_rotated_inputs_may_all_have_met_a_slow_moment() {
    let mut audit = honest();
    audit.fresh[2].call_ns = 230_000;
    let of = |processes: usize| doubt(&vec![audit.clone(); processes], 4).map(|doubt| doubt.rule);
    assert_eq!([of(1), of(2), of(3)], [None, None, Some(Rule::Fresh)]);
}
