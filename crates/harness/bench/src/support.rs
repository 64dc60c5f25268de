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
    let square = Shape::square(2, 8, 16);
    let wide = Shape { len_k: 12, ..square };
    let tall = Shape { len_k: 5, ..square };
    let decode = Shape { len_q: 1, len_k: 12, ..square };
    let two = |shape| Shape { batch: 2, ..shape };
    let spec = |shape| ProblemSpec::new(shape, DType::F32);
    let typed = |dtype| ProblemSpec::new(square, dtype);
    let causal = |shape, alignment| ProblemSpec { causal: Some(alignment), ..spec(shape) };
    let mask = |kind, dims| ProblemSpec { mask: Some(MaskSpec { kind, dims }), ..spec(square) };
    let window = Some(Window { left: Some(2), right: Some(1) });
    let (top, bottom) = (Alignment::TopLeft, Alignment::BottomRight);
    let softcap = Some(10.0);
    let scored = |score, dim_k| ProblemSpec { score, ..spec(Shape { dim_k, ..square }) };
    let w = Some(Span::PerHead);
    let additive = |w_q, w_k| Score::Additive { dim: 16, w_q, w_k, w };
    [
        ("full attention, f32", typed(DType::F32)),
        ("f64", typed(DType::F64)),
        ("bf16", typed(DType::BF16)),
        ("f16", typed(DType::F16)),
        ("general score", scored(Score::General { w }, None)),
        ("general score, Dk != D", scored(Score::General { w }, Some(8))),
        (
            "general score, bf16",
            ProblemSpec { dtype: DType::BF16, ..scored(Score::General { w }, None) },
        ),
        ("additive score", scored(additive(w, w), None)),
        ("additive score, no projections", scored(additive(None, None), None)),
        ("additive score, Dk != D", scored(additive(w, w), Some(8))),
        ("batch", spec(two(square))),
        ("batch, bf16", ProblemSpec::new(two(square), DType::BF16)),
        ("grouped-query heads", spec(Shape { heads_kv: 1, ..square })),
        ("cross attention, Nq != Nk", spec(wide)),
        ("value width Dv != D", spec(Shape { dim_v: 8, ..square })),
        ("decoding, Nq = 1", spec(decode)),
        ("causal, Nq = Nk", causal(square, top)),
        ("causal top-left, Nq < Nk", causal(wide, top)),
        ("causal bottom-right, Nq < Nk", causal(wide, bottom)),
        ("causal bottom-right, empty rows", causal(tall, bottom)),
        ("causal decoding, bottom-right", causal(decode, bottom)),
        ("causal decoding, top-left", causal(decode, top)),
        ("causal, key offset 2", causal(wide, Alignment::Offset(2))),
        ("causal batch, bottom-right", causal(two(wide), bottom)),
        ("causal batch, top-left, Nq < Nk", causal(two(wide), top)),
        ("window", ProblemSpec { window, ..spec(square) }),
        ("window, batch", ProblemSpec { window, ..spec(two(square)) }),
        ("softcap", ProblemSpec { softcap, ..spec(square) }),
        ("softcap, batch", ProblemSpec { softcap, ..spec(two(square)) }),
        ("boolean mask [1,1,Nq,Nk]", mask(MaskKind::Bool, [1, 1, 8, 8])),
        ("boolean mask [1,H,Nq,Nk]", mask(MaskKind::Bool, [1, 2, 8, 8])),
        ("additive mask [1,1,Nq,Nk]", mask(MaskKind::Additive, [1, 1, 8, 8])),
        ("padding, kv_len", ProblemSpec { kv_len: Some(vec![5]), ..spec(square) }),
        ("padding, batch", ProblemSpec { kv_len: Some(vec![5, 8]), ..spec(two(square)) }),
        ("ALiBi", ProblemSpec { alibi: true, ..spec(square) }),
        ("sinks", ProblemSpec { sinks: true, ..spec(square) }),
        ("log-sum-exp", ProblemSpec { lse: true, ..spec(square) }),
    ]
    .map(|(name, spec)| {
        let problem = Problem::new(spec).expect("the questions are valid problems");
        Question { name, problem }
    })
    .into()
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
