use std::path::Path;

use attn_core::{
    Arithmetic, Backend, Bytes, DType, Family, Flops, Inputs, Problem, ProblemSpec, Shape,
    ThreadPolicy,
};
use attn_naive::Naive;

use super::*;
use crate::attn_case::AttnCase;
use crate::expected::Expected;

/// The other end may be of another revision: if one of these lines changes, so must [`PROTOCOL`].
#[test]
fn the_messages_of_protocol_1() {
    let file = |name: &str| Exercise {
        case: format!("{name}.case").into(),
        expected: format!("{name}.expected").into(),
    };
    let setup = Setup { backend: "faer".into(), threads: 1, cpu: Some(0), a: None, b: file("b") };
    let choice = Choice { backends: None, cases: Some("gate".into()) };
    let calls = NonZeroU32::new(40).unwrap();
    let asks = [
        (Ask::List(choice), r#"{"list":{"backends":null,"cases":"gate"}}"#),
        (
            Ask::Prepare(setup),
            r#"{"prepare":{"backend":"faer","threads":1,"cpu":0,"a":null,"b":{"case":"b.case","expected":"b.expected"}}}"#,
        ),
        (Ask::Run { calls, warm: 1 }, r#"{"run":{"calls":40,"warm":1}}"#),
        (Ask::Finish, r#""finish""#),
    ];
    for (ask, line) in asks {
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
        assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
    }
    let receipt = Receipt {
        library: "x 1".into(),
        device: "cpu".into(),
        isa: "none".into(),
        threads: ThreadPolicy::PerCall,
        arithmetic: Arithmetic::PLAIN,
    };
    let ready = Ready {
        receipt,
        footprint: Footprint { scratch: Some(Bytes(64)) },
        work: Work { pairs: 1, flops: Flops(4), exps: 1, tanhs: 0, bytes: Bytes(8) },
        check: None,
        memory: Some(Memory {
            prepared_bytes: 1,
            peak_bytes: 2,
            allocations: Some(3),
            allocated_bytes: Some(4),
        }),
    };
    let cell = CellId { case: "gate/x".into(), backend: "faer".into(), threads: 2 };
    let answers = [
        (Answer::Hello { protocol: PROTOCOL.into() }, r#"{"hello":{"protocol":"attn-slots/1"}}"#),
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
                r#""work":{"pairs":1,"flops":4,"exps":1,"bytes":8},"check":null,"#,
                r#""memory":{"prepared_bytes":1,"peak_bytes":2,"allocations":3,"allocated_bytes":4}}}"#,
            ),
        ),
        (
            Answer::Ran(Slot { ns: 12, disturbed: Some(false) }),
            r#"{"ran":{"ns":12,"disturbed":false}}"#,
        ),
        (
            Answer::Failed { outcome: Outcome::Error, reason: "x".into() },
            r#"{"failed":{"outcome":"error","reason":"x"}}"#,
        ),
    ];
    for (answer, line) in answers {
        assert_eq!(serde_json::to_string(&answer).unwrap(), line);
        assert_eq!(serde_json::from_str::<Answer>(line).unwrap(), answer);
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
    let input = lines.join("\n") + "\n";
    let mut output = Vec::new();
    serve(&One, &mut input.as_bytes(), &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let mut answers: Vec<Answer> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(answers.remove(0), Answer::Hello { .. }));
    answers
}

fn exercise(folder: &Path, name: &str, seed: u64) -> Exercise {
    let problem = Problem::new(ProblemSpec::new(Shape::square(1, 6, 4), DType::F32)).unwrap();
    let inputs = Inputs::generate(&problem, Family::Normal, seed);
    let path = |what: &str| folder.join(format!("{name}.{what}"));
    let exercise = Exercise { case: path("case"), expected: path("expected") };
    Expected::compute(&problem, &inputs, &Naive).unwrap().save(&exercise.expected).unwrap();
    let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
    std::fs::write(&exercise.case, file.to_bytes()).unwrap();
    exercise
}

#[test]
fn a_dialogue_from_hello_to_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = [("a", 1), ("b", 2)].map(|(name, seed)| exercise(folder.path(), name, seed));
    let setup = Setup { backend: "naive".into(), threads: 1, cpu: None, a: Some(a), b };
    let run = Ask::Run { calls: NonZeroU32::new(3).unwrap(), warm: 1 };
    let asks = [Ask::Prepare(setup), run, Ask::Finish];
    let lines: Vec<String> = asks.iter().map(|ask| serde_json::to_string(ask).unwrap()).collect();
    let [Answer::Ready(ready), Answer::Ran(slot), Answer::Finished(verdict)] = &answers(&lines)[..]
    else {
        panic!("three answers that fit");
    };
    assert!(ready.check.as_ref().unwrap().agrees() && verdict.agrees());
    assert_eq!(ready.work.pairs, 36);
    assert!(slot.ns > 0);
}

#[test]
fn what_does_not_work_is_said_and_the_dialogue_goes_on() {
    let setup = |backend: &str| {
        let b = Exercise { case: "/nowhere".into(), expected: "/nowhere".into() };
        let setup = Setup { backend: backend.into(), threads: 1, cpu: None, a: None, b };
        serde_json::to_string(&Ask::Prepare(setup)).unwrap()
    };
    let lines = ["{".into(), r#""finish""#.into(), setup("nope"), setup("naive")];
    let reasons = answers(&lines).into_iter().map(|answer| match answer {
        Answer::Failed { outcome: Outcome::Error, reason } => reason,
        other => panic!("{other:?}"),
    });
    let reasons: Vec<String> = reasons.collect();
    assert!(reasons[0].starts_with("malformed request"), "{reasons:?}");
    assert_eq!(reasons[1], "nothing is prepared");
    assert_eq!(reasons[2], "there is no backend `nope`");
    assert!(reasons[3].starts_with("/nowhere: "), "{reasons:?}");
}
