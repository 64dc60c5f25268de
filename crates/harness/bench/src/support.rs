//! Who can compute what: small problems, each of which asks for one thing.

use attn_core::{
    Alignment, Backend, DType, MaskKind, MaskSpec, Problem, ProblemSpec, Score, Shape, Span,
    Unavailable, Unsupported, Window,
};

/// A part of the semantics and a problem that needs it.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked, in a few words.
    pub name: &'static str,
    /// A problem that needs just that.
    pub problem: Problem,
}

/// What a backend says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It computes the problem as stated.
    Yes,
    /// It refuses.
    Unsupported(Unsupported),
    /// It cannot run here at all.
    Unavailable(Unavailable),
}

impl Answer {
    /// Asks `backend` whether it computes `problem`.
    pub fn of(backend: &dyn Backend, problem: &Problem) -> Self {
        match (backend.probe(), backend.supports(problem)) {
            (Err(unavailable), _) => Answer::Unavailable(unavailable),
            (Ok(_), Err(unsupported)) => Answer::Unsupported(unsupported),
            (Ok(_), Ok(())) => Answer::Yes,
        }
    }

    /// One word.
    pub const fn name(&self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::Unsupported(_) => "unsupported",
            Answer::Unavailable(_) => "unavailable",
        }
    }

    /// Why not.
    pub fn reason(&self) -> Option<String> {
        match self {
            Answer::Yes => None,
            Answer::Unsupported(why) => Some(why.to_string()),
            Answer::Unavailable(why) => Some(why.to_string()),
        }
    }
}

/// The semantics as questions.
pub fn questions() -> Vec<Question> {
    let all = storage_and_scores().into_iter().chain(shapes()).chain(masks_and_more());
    let question = |(name, spec)| {
        let problem = Problem::new(spec).expect("the questions are valid problems");
        Question { name, problem }
    };
    all.map(question).collect()
}

/// What most questions ask about.
const SQUARE: Shape = Shape::square(2, 8, 16);
/// More keys than queries,
const WIDE: Shape = Shape { len_k: 12, ..SQUARE };
/// and fewer.
const TALL: Shape = Shape { len_k: 5, ..SQUARE };
/// One query.
const DECODE: Shape = Shape { len_q: 1, len_k: 12, ..SQUARE };

fn of(shape: Shape) -> ProblemSpec {
    ProblemSpec::new(shape, DType::F32)
}

fn two_batches(shape: Shape) -> Shape {
    Shape { batch: 2, ..shape }
}

fn storage_and_scores() -> [(&'static str, ProblemSpec); 10] {
    let typed = |dtype| ProblemSpec::new(SQUARE, dtype);
    let scored = |score, dim_k| ProblemSpec { score, ..of(Shape { dim_k, ..SQUARE }) };
    let w = Some(Span::PerHead);
    let general = |dim_k| scored(Score::General { w }, dim_k);
    let additive = |w_q, w_k| Score::Additive { dim: 16, w_q, w_k, w };
    [
        ("full attention, f32", typed(DType::F32)),
        ("f64", typed(DType::F64)),
        ("bf16", typed(DType::BF16)),
        ("f16", typed(DType::F16)),
        ("general score", general(None)),
        ("general score, Dk != D", general(Some(8))),
        ("general score, bf16", ProblemSpec { dtype: DType::BF16, ..general(None) }),
        ("additive score", scored(additive(w, w), None)),
        ("additive score, no projections", scored(additive(None, None), None)),
        ("additive score, Dk != D", scored(additive(w, w), Some(8))),
    ]
}

fn shapes() -> [(&'static str, ProblemSpec); 15] {
    let causal = |shape, alignment| ProblemSpec { causal: Some(alignment), ..of(shape) };
    let (top, bottom) = (Alignment::TopLeft, Alignment::BottomRight);
    [
        ("batch", of(two_batches(SQUARE))),
        ("batch, bf16", ProblemSpec::new(two_batches(SQUARE), DType::BF16)),
        ("grouped-query heads", of(Shape { heads_kv: 1, ..SQUARE })),
        ("cross attention, Nq != Nk", of(WIDE)),
        ("value width Dv != D", of(Shape { dim_v: 8, ..SQUARE })),
        ("decoding, Nq = 1", of(DECODE)),
        ("causal, Nq = Nk", causal(SQUARE, top)),
        ("causal top-left, Nq < Nk", causal(WIDE, top)),
        ("causal bottom-right, Nq < Nk", causal(WIDE, bottom)),
        ("causal bottom-right, empty rows", causal(TALL, bottom)),
        ("causal decoding, bottom-right", causal(DECODE, bottom)),
        ("causal decoding, top-left", causal(DECODE, top)),
        ("causal, key offset 2", causal(WIDE, Alignment::Offset(2))),
        ("causal batch, bottom-right", causal(two_batches(WIDE), bottom)),
        ("causal batch, top-left, Nq < Nk", causal(two_batches(WIDE), top)),
    ]
}

fn masks_and_more() -> [(&'static str, ProblemSpec); 12] {
    let mask = |kind, dims| ProblemSpec { mask: Some(MaskSpec { kind, dims }), ..of(SQUARE) };
    let window = Some(Window { left: Some(2), right: Some(1) });
    let softcap = Some(10.0);
    [
        ("window", ProblemSpec { window, ..of(SQUARE) }),
        ("window, batch", ProblemSpec { window, ..of(two_batches(SQUARE)) }),
        ("softcap", ProblemSpec { softcap, ..of(SQUARE) }),
        ("softcap, batch", ProblemSpec { softcap, ..of(two_batches(SQUARE)) }),
        ("boolean mask [1,1,Nq,Nk]", mask(MaskKind::Bool, [1, 1, 8, 8])),
        ("boolean mask [1,H,Nq,Nk]", mask(MaskKind::Bool, [1, 2, 8, 8])),
        ("additive mask [1,1,Nq,Nk]", mask(MaskKind::Additive, [1, 1, 8, 8])),
        ("padding, kv_len", ProblemSpec { kv_len: Some(vec![5]), ..of(SQUARE) }),
        ("padding, batch", ProblemSpec { kv_len: Some(vec![5, 8]), ..of(two_batches(SQUARE)) }),
        ("ALiBi", ProblemSpec { alibi: true, ..of(SQUARE) }),
        ("sinks", ProblemSpec { sinks: true, ..of(SQUARE) }),
        ("log-sum-exp", ProblemSpec { lse: true, ..of(SQUARE) }),
    ]
}

#[cfg(test)]
mod tests {
    use attn_naive::Naive;

    use super::*;

    #[test]
    fn the_yardstick_answers_every_question_with_yes() {
        for Question { name, problem } in questions() {
            assert_eq!(Answer::of(&Naive, &problem), Answer::Yes, "{name}");
        }
    }
}
