//! Who can compute what: small problems, each of which asks for one thing.

use attn_core::{Alignment, Backend, DType, Problem, ProblemSpec, Shape, Unavailable, Unsupported};

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
    let wide = Shape {
        len_k: 12,
        ..square
    };
    let tall = Shape { len_k: 5, ..square };
    let decode = Shape {
        len_q: 1,
        len_k: 12,
        ..square
    };
    let batched = Shape { batch: 2, ..square };
    let (top, bottom) = (Some(Alignment::TopLeft), Some(Alignment::BottomRight));
    let f32 = DType::F32;
    [
        ("full attention, f32", square, f32, None),
        ("full attention, f64", square, DType::F64, None),
        ("batch", batched, f32, None),
        (
            "grouped-query heads",
            Shape {
                heads_kv: 1,
                ..square
            },
            f32,
            None,
        ),
        ("cross attention, Nq != Nk", wide, f32, None),
        (
            "value width Dv != D",
            Shape { dim_v: 8, ..square },
            f32,
            None,
        ),
        ("decoding, Nq = 1", decode, f32, None),
        ("causal, Nq = Nk", square, f32, top),
        ("causal top-left, Nq < Nk", wide, f32, top),
        ("causal bottom-right, Nq < Nk", wide, f32, bottom),
        ("causal bottom-right, empty rows", tall, f32, bottom),
        ("causal decoding, bottom-right", decode, f32, bottom),
        ("causal decoding, top-left", decode, f32, top),
        (
            "causal, key offset 2",
            wide,
            f32,
            Some(Alignment::Offset(2)),
        ),
        (
            "causal batch, bottom-right",
            Shape { batch: 2, ..wide },
            f32,
            bottom,
        ),
        (
            "causal batch, top-left, Nq < Nk",
            Shape { batch: 2, ..wide },
            f32,
            top,
        ),
    ]
    .map(|(name, shape, dtype, causal)| {
        let spec = ProblemSpec {
            causal,
            ..ProblemSpec::new(shape, dtype)
        };
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
