use std::path::Path;

use attn_core::{
    Backend, Bytes, DType, Flops, InputDistribution, Inputs, Problem, ProblemSpec, Shape,
};
use attn_naive::Naive;

use super::*;
use crate::run::Fixture;

/// The other end may be of another revision: if one of these lines changes, so must [`PROTOCOL`].
#[test]
fn the_requests_of_protocol_1() {
    let setup = Setup {
        backend: "faer".into(),
        on_device: false,
        threads: 1,
        cpu: Some(0),
        memory_limit: None,
        case: "b.case".into(),
        results: "r".into(),
    };
    let sampling_times =
        SamplingTimes { warmup_ms: 1, sampling_ms: 2, min_samples: 3, min_sample_us: 4 };
    let timed = Timed { timing: Timing::Kernel, sampling_times, cold_bytes: 5, spread: vec![0, 1] };
    let choice = Choice { backends: None, cases: Some("gate".into()) };
    let calls = NonZeroU32::new(40).unwrap();
    let asks = [
        (Ask::List(choice), r#"{"list":{"backends":null,"cases":"gate"}}"#),
        (
            Ask::Prepare(setup),
            concat!(
                r#"{"prepare":{"backend":"faer","on_device":false,"threads":1,"cpu":0,"memory_limit":null,"#,
                r#""case":"b.case","results":"r"}}"#,
            ),
        ),
        (Ask::Check { case: "a.case".into() }, r#"{"check":{"case":"a.case"}}"#),
        (Ask::Count { phases: true }, r#"{"count":{"phases":true}}"#),
        (
            Ask::Measure(timed),
            concat!(
                r#"{"measure":{"model":"kernel","timing":{"warmup_ms":1,"sampling_ms":2,"min_samples":3,"#,
                r#""min_sample_us":4},"cold_bytes":5,"spread":[0,1]}}"#,
            ),
        ),
        (Ask::Repeat, r#""repeat""#),
        (Ask::Load, r#""load""#),
        (Ask::Run { calls, warm: 1 }, r#"{"run":{"calls":40,"warm":1}}"#),
        (Ask::Fresh, r#""fresh""#),
        (Ask::Finish, r#""finish""#),
    ];
    for (ask, line) in asks {
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
        assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
    }
}

/// Likewise.
#[test]
fn the_answers_of_protocol_1() {
    let info = BackendInfo { isa: "none".into(), ..BackendInfo::on_cpu("x 1") };
    let ready = Ready {
        info,
        footprint: Footprint { scratch: Some(Bytes(64)) },
        work: Work { pairs: 1, flops: Flops(4), exps: 1, tanhs: 0, bytes: Bytes(8) },
        cpu: Some(1),
    };
    let memory = Memory {
        prepared_bytes: 1,
        peak_bytes: 2,
        allocations: Some(3),
        allocated_bytes: Some(4),
        uncounted_bytes: None,
    };
    let cell = CellId { case: "gate/x".into(), backend: "faer".into(), threads: 2 };
    let stored = Stored {
        results: vec![("0.out".into(), None), ("1.out".into(), Some(Variation::Elements(7)))],
        timed: Some(Variation::Signs(8)),
        unwritten: 0,
        fresh: Some(Fresh {
            load_ns: 1,
            call_ns: 2,
            store_ns: 3,
            rotated: false,
            before_ns: 4,
            processor_ns: Some([5, 6, 7]),
            waited_ns: Some([1, 2, 3]),
            load_faults: 6,
            call_faults: 7,
        }),
    };
    let answers = [
        (Answer::Hello { protocol: PROTOCOL.into() }, r#"{"hello":{"protocol":"attn-worker/1"}}"#),
        (
            Answer::Cells(vec![cell]),
            r#"{"cells":[{"case":"gate/x","backend":"faer","threads":2}]}"#,
        ),
        (
            Answer::Ready(Box::new(ready)),
            concat!(
                r#"{"ready":{"receipt":{"library":"x 1","device":"cpu","isa":"none","threads":"per-call","#,
                r#""arithmetic":{"scores":"at-least-f32","weights":"at-least-f32","sums":"at-least-f32","#,
                r#""order":"sequential","online":false}},"footprint":{"scratch":64},"#,
                r#""work":{"pairs":1,"flops":4,"exps":1,"bytes":8},"cpu":1}}"#,
            ),
        ),
        (
            Answer::Stored(stored),
            concat!(
                r#"{"stored":{"results":[["0.out",null],["1.out",{"elements":7}]],"timed":{"signs":8},"unwritten":0,"#,
                r#""fresh":{"load_ns":1,"call_ns":2,"store_ns":3,"rotated":false,"before_ns":4,"processor_ns":[5,6,7],"waited_ns":[1,2,3],"load_faults":6,"call_faults":7}}}"#,
            ),
        ),
        (
            Answer::Counted(Counted { memory: Some(memory), phases: Vec::new() }),
            concat!(
                r#"{"counted":{"memory":{"prepared_bytes":1,"peak_bytes":2,"allocations":3,"#,
                r#""allocated_bytes":4},"phases":[]}}"#,
            ),
        ),
        (
            Answer::Ran(Slot { ns: 12, disturbed: Some(false) }),
            r#"{"ran":{"ns":12,"disturbed":false}}"#,
        ),
        (
            Answer::Finished { stored: Stored::default(), audit: Audit::default() },
            concat!(
                r#"{"finished":{"stored":{"results":[],"unwritten":0},"audit":{"seed":0,"single_ns":0,"#,
                r#""copy_ns":0,"fault_ns":0,"fresh":[],"store_ns":0,"wall_ns":0,"clock_ns":0,"processor_ns":0,"children_ns":0,"restarts":0}}}"#,
            ),
        ),
        (
            Answer::Failed { outcome: Outcome::Error, reason: "x".into() },
            r#"{"failed":{"outcome":"error","reason":"x"}}"#,
        ),
    ];
    for (answer, line) in answers {
        let reply = Reply { nonce: "n".into(), answer };
        let line = format!(r#"{{"nonce":"n","answer":{line}}}"#);
        assert_eq!(serde_json::to_string(&reply).unwrap(), line);
        assert_eq!(serde_json::from_str::<Reply>(&line).unwrap(), reply);
    }
}

/// A program that knows `naive` alone.
struct One;

impl Host for One {
    fn backend(&self, id: &str) -> Option<&dyn Backend> {
        (id == "naive").then_some(&Naive as &dyn Backend)
    }

    fn cells(&self, _choice: &Choice) -> Result<Vec<CellId>, Box<dyn std::error::Error>> {
        Ok(vec![CellId { case: "gate/x".into(), backend: "naive".into(), threads: 1 }])
    }
}

/// What [`One`] answers to `lines`, without the hello.
fn answers(lines: &[String]) -> Vec<Answer> {
    let input = format!("{{\"nonce\":\"n\"}}\n{}\n", lines.join("\n"));
    let mut output = Vec::new();
    serve(&One, &mut input.as_bytes(), &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let replies = text.lines().map(|line| serde_json::from_str::<Reply>(line).unwrap());
    let mut answers: Vec<Answer> = replies
        .map(|reply| {
            assert_eq!(reply.nonce, "n");
            reply.answer
        })
        .collect();
    assert!(matches!(answers.remove(0), Answer::Hello { .. }));
    answers
}

fn setup(backend: &str, case: &Path, results: &Path) -> Ask {
    Ask::Prepare(Setup {
        backend: backend.into(),
        on_device: false,
        threads: 1,
        cpu: None,
        memory_limit: None,
        case: case.into(),
        results: results.into(),
    })
}

fn lines(asks: &[Ask]) -> Vec<String> {
    asks.iter().map(|ask| serde_json::to_string(ask).unwrap()).collect()
}

#[test]
fn a_dialogue_from_hello_to_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(ProblemSpec::new(Shape::square(1, 6, 4), DType::F32)).unwrap();
    let inputs = [1, 2].map(|seed| Inputs::generate(&problem, InputDistribution::Normal, seed));
    let files = Fixture::of(&problem, inputs, &Naive, folder.path()).unwrap();
    let results = files.results().unwrap();
    let run = Ask::Run { calls: NonZeroU32::new(3).unwrap(), warm: 1 };
    let setup = setup("naive", &files.b, results.path());
    let check = Ask::Check { case: files.a.clone() };
    let asks = [setup, check, Ask::Load, run, Ask::Fresh, Ask::Finish];
    let answers = answers(&lines(&asks));
    let [
        Answer::Ready(ready),
        Answer::Stored(first),
        Answer::Stored(_),
        Answer::Ran(slot),
        Answer::Stored(fresh),
        Answer::Finished { stored, audit },
    ] = &answers[..]
    else {
        panic!("six answers that fit");
    };
    assert_eq!((ready.work.pairs, ready.work), (36, files.work()));
    assert!(slot.ns > 0 && audit.single_ns > 0 && audit.fresh.len() == 1);
    assert!(audit.beside_permille > Some(0));
    let arithmetic = &ready.info.arithmetic;
    assert!(files.judge_first(results.path(), first, arithmetic).unwrap().agrees());
    let both = [&stored.results[..], &fresh.results[..]].concat();
    let all = Stored { results: both, ..stored.clone() };
    let found = files.judge_last(results.path(), &all, arithmetic).unwrap();
    assert!(found.verdict.agrees() && found.wrong.is_none(), "{found:?}");
    // The first result is that of other inputs, and so is the last if nothing says that they were changed; and what was timed
    // is in no file.
    for (wrong, timed) in [
        (&first.results[0].0, None),
        (&fresh.results[0].0, stored.timed),
        (&stored.results[0].0, None),
    ] {
        let wrong = vec![(wrong.clone(), None)];
        let wrong = Stored { results: wrong, timed, ..Stored::default() };
        let found = files.judge_last(results.path(), &wrong, arithmetic).unwrap();
        assert!(found.wrong.unwrap().starts_with("on the second inputs: "));
    }
    let unwritten = Stored { unwritten: 2, ..all };
    let found = files.judge_last(results.path(), &unwritten, arithmetic).unwrap();
    assert!(found.wrong.unwrap().starts_with("2 calls ended without writing"));
}

#[test]
fn what_does_not_work_is_said_and_the_dialogue_goes_on() {
    let nowhere = Path::new("/nowhere");
    let [nope, naive] = ["nope", "naive"].map(|id| setup(id, nowhere, nowhere));
    let mut asks = vec!["{".to_string()];
    asks.extend(lines(&[Ask::Finish, nope, naive]));
    let reasons = answers(&asks).into_iter().map(|answer| match answer {
        Answer::Failed { outcome, reason } => (outcome, reason),
        other => panic!("{other:?}"),
    });
    let (outcomes, reasons): (Vec<_>, Vec<_>) = reasons.unzip();
    assert!(reasons[0].starts_with("malformed request"), "{reasons:?}");
    assert_eq!(reasons[1], "nothing is prepared");
    assert_eq!(reasons[2], "the worker has no backend `nope`");
    assert!(reasons[3].starts_with("/nowhere: "), "{reasons:?}");
    // A file that cannot be read is no fault of the backend.
    let error = Outcome::Error;
    assert_eq!(outcomes, [error, error, error, Outcome::Untried]);
}

/// A worker says where its results are.
#[test]
fn a_result_is_read_from_a_regular_file_of_its_size_alone() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(ProblemSpec::new(Shape::square(1, 6, 4), DType::F32)).unwrap();
    let inputs = [1, 2].map(|seed| Inputs::generate(&problem, InputDistribution::Normal, seed));
    let files = Fixture::of(&problem, inputs, &Naive, folder.path()).unwrap();
    let results = files.results().unwrap();
    let out = attn_core::Output::poisoned(&problem).to_le_bytes();
    assert_eq!(attn_core::Output::stored_bytes(&problem), out.len() as u64);
    std::fs::write(results.path().join("short"), &out[1..]).unwrap();
    let large = std::fs::File::create(results.path().join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let arithmetic = attn_core::BackendInfo::on_cpu("x 1").arithmetic;
    for (file, says) in [
        ("/dev/zero", "a device or a pipe, expected a regular file"),
        ("..", "a folder, expected a regular file"),
        ("large", "1099511627776 bytes, expected 608 at most"),
        ("short", "607 bytes, expected the 608 of an output"),
    ] {
        let stored = Stored { results: vec![(file.into(), None)], ..Stored::default() };
        let first = files.judge_first(results.path(), &stored, &arithmetic).unwrap_err();
        let last = files.judge_last(results.path(), &stored, &arithmetic).unwrap_err();
        assert_eq!((first.outcome(), last.outcome()), (Outcome::Error, Outcome::Error));
        let (first, last) = (first.to_string(), last.to_string());
        assert!(first.ends_with(says) && last == first, "{first}");
    }
}
