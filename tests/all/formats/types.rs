//! The types behind the tables of `FORMATS.md`.

use std::collections::BTreeSet;

use attn_bench::attn_case::{Tokens, Tolerance};
use attn_bench::cell::sampling::SamplingTimes;
use attn_bench::suite::Tier;
use attn_bench::worker::{Answer, Ask, Counted, Opening, Ready, Reply, Setup, Slot, Stored, Timed};
use attn_core::{
    Arithmetic, Asked, BackendInfo, DType, Finding, Footprint, Format, InputDistribution, MaskKind,
    MaskSpec, Metrics, PhaseTime, Precision, ProblemSpec, Score, Shape, Span, ThreadPolicy,
    Verdict, Window, Work, Worst,
};
use attn_gate::calibrate::{Kind, Point, Sample, Share, Summary};
use attn_gate::config::{self, Accept, Config, Target, What};
use attn_gate::exact::Change;
use attn_gate::pair::{Block, Replicate};
use attn_gate::result::{self, CaseResult, Control, Gate, Parameters, Reason, Side, Taken, Time};
use attn_gate::tries::{Tool, Try};
use attn_record::claims::{Claim, ClaimVerdict, Claims, Curves, Picture, Series, Unit};
use attn_record::limits::{
    Access, Bandwidth, CopyRate, DeviceLimits, FmaPeak, Noise, Place, Probe, ProductPeak, Rate,
    Timer,
};
use attn_record::{
    Audit, Axis, Build, Cache, Digests, Fresh, Group, Limits, Machine, Map, Measurement, Memory,
    Outcome, Process, Record, Run, Shard, Timing, Volatile,
};
use serde_json::{Value, from_value, json, to_value};

use super::walk::Read;

/// Reads a value as a type, and writes it again.
macro_rules! both {
    ($type:ty) => {
        |value| from_value::<$type>(value).and_then(to_value).map_err(|error| error.to_string())
    };
}

/// Reads a value as a type.
macro_rules! read {
    ($type:ty) => {
        |value| {
            let read = from_value::<$type>(value);
            read.map(|_| Value::Null).map_err(|error| error.to_string())
        }
    };
}

/// Tables, and the types whose fields they list. Types that take unknown fields are not among them.
pub(super) const TYPES: &[(&str, Read)] = &[
    ("run", both!(Run)),
    ("shard", both!(Shard)),
    ("group", both!(Group)),
    ("machine", both!(Machine)),
    ("cache", both!(Cache)),
    ("record", both!(Record)),
    ("digests", both!(Digests)),
    ("problem", both!(ProblemSpec)),
    ("shape", both!(Shape)),
    ("score", both!(Score)),
    ("general-score", both!(Score)),
    ("additive-score", both!(Score)),
    ("window", both!(Window)),
    ("mask-form", both!(MaskSpec)),
    ("work", both!(Work)),
    ("receipt", both!(BackendInfo)),
    ("arithmetic", both!(Arithmetic)),
    ("footprint", both!(Footprint)),
    ("verdict", both!(Verdict)),
    ("metrics", both!(Metrics)),
    ("worst-element", both!(Worst)),
    ("build", both!(Build)),
    ("volatile", both!(Volatile)),
    ("memory", both!(Memory)),
    ("phase", both!(PhaseTime)),
    ("measurement", both!(Measurement)),
    ("process", both!(Process)),
    ("audit", both!(Audit)),
    ("asked", both!(Asked)),
    ("first-call", both!(Fresh)),
    ("limits", both!(Limits)),
    ("probe", both!(Probe)),
    ("rate", both!(Rate)),
    ("multiply-add-peak", both!(FmaPeak)),
    ("bandwidth", both!(Bandwidth)),
    ("timer", both!(Timer)),
    ("noise", both!(Noise)),
    ("device", both!(DeviceLimits)),
    ("product-peak", both!(ProductPeak)),
    ("copy-rate", both!(CopyRate)),
    ("map", both!(Map)),
    ("claims-file", both!(Claims)),
    ("claim", both!(Claim)),
    ("picture", both!(Picture)),
    ("curves", both!(Curves)),
    ("series", both!(Series)),
    ("gatetoml", read!(Config)),
    ("gate-section", read!(config::Limits)),
    ("build-section", both!(Target)),
    ("accept-section", read!(Accept)),
    ("gate-result", both!(Gate)),
    ("side", both!(Side)),
    ("parameters", both!(Parameters)),
    ("control", both!(Control)),
    ("case-result", both!(CaseResult)),
    ("time", both!(Time)),
    ("change", both!(Change)),
    ("taken-replicate", both!(Taken)),
    ("replicate", both!(Replicate)),
    ("block", both!(Block)),
    ("calibration-sample", both!(Sample)),
    ("try", both!(Try)),
    ("calibration", both!(Summary)),
    ("kind", both!(Kind)),
    ("point", both!(Point)),
    ("share", both!(Share)),
    ("tool", both!(Tool)),
    ("tolerance", both!(Tolerance)),
    ("tokens", both!(Tokens)),
    ("opening", both!(Opening)),
    ("request", both!(Ask)),
    ("setup", both!(Setup)),
    ("measure-request", both!(Timed)),
    ("timing", both!(SamplingTimes)),
    ("reply", both!(Reply)),
    ("answer", both!(Answer)),
    ("ready", both!(Ready)),
    ("stored", both!(Stored)),
    ("counted", both!(Counted)),
    ("slot", both!(Slot)),
];

/// The type of the table `finding`, whose fields depend on its kind.
pub(super) const FINDING: Read = both!(Finding);

/// How a table's type is read.
pub(super) fn reader(table: &str) -> Read {
    let known = TYPES.iter().find(|(known, _)| *known == table);
    known.unwrap_or_else(|| panic!("no type for the table `{table}`")).1
}

/// A value that the type of a table refuses because of a name that it does not know.
pub(super) fn probe(table: &str) -> Value {
    match table {
        "score" | "picture" | "request" | "answer" => json!("?"),
        "general-score" => json!({"general": {"?": 0}}),
        "additive-score" => json!({"additive": {"?": 0}}),
        _ => json!({"?": 0}),
    }
}

/// The names that an error lists after the name `?` that is not known.
pub(super) fn expected(error: &str) -> BTreeSet<&str> {
    let at = error.find("unknown ").unwrap_or_else(|| panic!("no unknown name: {error}"));
    let mut names = error[at..].split('`').skip(1).step_by(2);
    assert_eq!(names.next(), Some("?"), "{error}");
    names.collect()
}

/// Fields that hold one of several words, and the types that list these.
pub(super) const WORDS: &[(&str, &str, Read)] = &[
    ("record", "axis", read!(Axis)),
    ("record", "model", read!(Timing)),
    ("record", "outcome", read!(Outcome)),
    ("problem", "dtype", read!(DType)),
    ("general-score", "w", read!(Span)),
    ("additive-score", "w_q", read!(Span)),
    ("additive-score", "w_k", read!(Span)),
    ("additive-score", "w", read!(Span)),
    ("mask-form", "kind", read!(MaskKind)),
    ("receipt", "threads", read!(ThreadPolicy)),
    ("arithmetic", "scores", read!(Precision)),
    ("arithmetic", "weights", read!(Precision)),
    ("arithmetic", "sums", read!(Precision)),
    ("probe", "complete", read!(DType)),
    ("multiply-add-peak", "dtype", read!(DType)),
    ("product-peak", "dtype", read!(DType)),
    ("bandwidth", "place", read!(Place)),
    ("bandwidth", "access", read!(Access)),
    ("claim", "ruling", read!(ClaimVerdict)),
    ("curves", "unit", read!(Unit)),
    ("gate-result", "verdict", read!(result::Verdict)),
    ("case-result", "verdict", read!(result::Verdict)),
    ("case-result", "reason", read!(Reason)),
    ("change", "what", read!(What)),
    ("accept-section", "what", read!(What)),
    ("taken-replicate", "stage", read!(result::TakenFor)),
    ("measure-request", "model", read!(Timing)),
    ("failed", "outcome", read!(Outcome)),
    ("case-file", "axis", read!(Axis)),
    ("case", "dtype", read!(DType)),
    ("case", "inputs", read!(InputDistribution)),
    ("case", "tier", read!(Tier)),
    ("case", "timings", read!(Timing)),
    ("case-general-score", "w", read!(Span)),
    ("case-additive-score", "w_q", read!(Span)),
    ("case-additive-score", "w_k", read!(Span)),
    ("case-additive-score", "w", read!(Span)),
    ("case-mask", "kind", read!(MaskKind)),
    ("declared-arithmetic", "scores", read!(Format)),
    ("declared-arithmetic", "sums", read!(DType)),
];
