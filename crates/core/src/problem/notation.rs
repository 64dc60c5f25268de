//! Problems in the notation in which they are printed: `B1 H32/8 N1x4096 D128 bf16 causal:bottom-right window:4096,0`.

use std::str::FromStr;

use super::{Alignment, MaskKind, MaskSpec, ProblemSpec, Window};
use crate::{DType, Score, Shape, Span};

/// An example of all that problems mostly have.
const EXAMPLE: &str = "`B1 H32/8 N1x4096 D128 bf16 causal:bottom-right window:4096,0`";

impl FromStr for ProblemSpec {
    type Err = String;

    /// Reads what [`Problem`](super::Problem) prints, in any order, with `=` for `:` if one likes. Besides, B and H may be left out
    /// where they are 1 and the type where it is f32, `causal` alone means top-left where there are as many keys as queries,
    /// `window:n` is open to the right, a mask without dimensions is the same for all batches and heads, and `scale:0.125` and
    /// `kv-len:3,5` say what is not printed.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec =
            ProblemSpec::new(Shape { len_q: 0, dim: 0, ..Shape::square(1, 0, 0) }, DType::F32);
        let (mut later, mut names) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            let name = name(word);
            if names.contains(&name) {
                return Err(format!("`{word}`: `{name}` is there already, expected it once"));
            }
            names.push(name);
            if !take_size(&mut spec.shape, word)? {
                later.push(word);
            }
        }
        if spec.shape.len_q == 0 || spec.shape.dim == 0 {
            return Err(format!("`{text}`: expected at least N and D, such as {EXAMPLE}"));
        }
        for word in later {
            take_word(&mut spec, word)?;
        }
        Ok(spec)
    }
}

/// What a word is about: all types are about the same.
fn name(word: &str) -> &str {
    if word.parse::<DType>().is_ok() {
        return "type";
    }
    let size =
        word.starts_with(['B', 'H', 'N', 'D']).then(|| word.find(|c: char| c.is_ascii_digit()));
    word.split_at(size.flatten().or(word.find([':', '='])).unwrap_or(word.len())).0
}

/// Takes `B2`, `H32/8`, `N1x4096`, `D64/128` or `Dk48`; says whether it was one.
fn take_size(shape: &mut Shape, word: &str) -> Result<bool, String> {
    let (name, sizes) =
        word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
    let pair = |by: char| -> Result<_, String> {
        let (a, b) = sizes.split_once(by).unwrap_or((sizes, sizes));
        Ok((size(a, word)?, size(b, word)?))
    };
    match name {
        "B" => shape.batch = size(sizes, word)?,
        "H" => (shape.heads_q, shape.heads_kv) = pair('/')?,
        "N" => (shape.len_q, shape.len_k) = pair('x')?,
        "D" => (shape.dim, shape.dim_v) = pair('/')?,
        "Dk" => shape.dim_k = Some(size(sizes, word)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn size(text: &str, word: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|&size| size > 0);
    size.ok_or_else(|| format!("`{word}`: expected sizes of at least 1, such as {EXAMPLE}"))
}

/// Takes everything but sizes, which are known.
fn take_word(spec: &mut ProblemSpec, word: &str) -> Result<(), String> {
    let (name, value) = match word.split_once([':', '=']) {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let number = |what: &str| {
        let value = value.and_then(|value| value.parse::<f64>().ok());
        value.ok_or_else(|| format!("`{word}`: expected a number, such as `{what}`"))
    };
    match (name, value) {
        ("causal", _) => spec.causal = Some(alignment(&spec.shape, word, value)?),
        ("align", _) => spec.align = Some(alignment(&spec.shape, word, value)?),
        ("window", Some(value)) => spec.window = Some(window(word, value)?),
        ("softcap", _) => spec.softcap = Some(number("softcap:30")?),
        ("scale", _) => spec.scale = Some(number("scale:0.125")?),
        ("bool-mask", _) => spec.mask = Some(mask(MaskKind::Bool, &spec.shape, word, value)?),
        ("additive-mask", _) => {
            spec.mask = Some(mask(MaskKind::Additive, &spec.shape, word, value)?);
        }
        ("kv-len", None) => {
            return Err(format!(
                "`{word}`: expected the number of keys of each batch behind it, such as `kv-len:3,5`"
            ));
        }
        ("kv-len", Some(value)) => spec.kv_len = Some(lengths(word, value)?),
        ("general" | "additive", _) => spec.score = score(&spec.shape, word, name, value)?,
        ("scaled-dot", None) => spec.score = Score::ScaledDot,
        ("alibi", None) => spec.alibi = true,
        ("sinks", None) => spec.sinks = true,
        ("lse", None) => spec.lse = true,
        (name, None) if name.parse::<DType>().is_ok() => spec.dtype = name.parse()?,
        _ => {
            return Err(format!(
                "`{word}`: expected B, H, N, D or Dk with sizes, f64, f32, bf16 or f16, causal, align, window, softcap, scale, \
                 bool-mask, additive-mask, kv-len, general, additive, alibi, sinks or lse, such as {EXAMPLE}"
            ));
        }
    }
    Ok(())
}

fn alignment(shape: &Shape, word: &str, value: Option<&str>) -> Result<Alignment, String> {
    match value {
        Some("top-left") => return Ok(Alignment::TopLeft),
        Some("bottom-right") => return Ok(Alignment::BottomRight),
        None if shape.len_q == shape.len_k => return Ok(Alignment::TopLeft),
        _ => {}
    }
    let offset = value.and_then(|value| value.strip_prefix("offset=")?.parse().ok());
    offset.map(Alignment::Offset).ok_or_else(|| {
        format!("`{word}`: expected top-left, bottom-right or offset=n behind it, such as `causal:bottom-right`")
    })
}

fn window(word: &str, value: &str) -> Result<Window, String> {
    let side = |text: &str| match text {
        "*" => Ok(None),
        text => {
            let keys = text.parse().map(Some);
            keys.map_err(|_| {
                format!("`{word}`: expected numbers of keys or *, such as `window:4096,0`")
            })
        }
    };
    let (left, right) = value.split_once(',').unwrap_or((value, "*"));
    Ok(Window { left: side(left)?, right: side(right)? })
}

fn mask(
    kind: MaskKind,
    shape: &Shape,
    word: &str,
    value: Option<&str>,
) -> Result<MaskSpec, String> {
    let Some(value) = value else {
        return Ok(MaskSpec { kind, dims: [1, 1, shape.len_q, shape.len_k] });
    };
    let dims: Option<Vec<usize>> = value.split('x').map(|size| size.parse().ok()).collect();
    let dims = dims.and_then(|dims| dims.try_into().ok());
    dims.map(|dims| MaskSpec { kind, dims })
        .ok_or_else(|| format!("`{word}`: expected four sizes, such as `bool-mask:1x1x128x128`"))
}

fn lengths(word: &str, value: &str) -> Result<Vec<usize>, String> {
    let lengths: Option<Vec<usize>> = value.split(',').map(|n| n.parse().ok()).collect();
    lengths.ok_or_else(|| {
        format!("`{word}`: expected a number of keys for each batch, such as `kv-len:3,5`")
    })
}

/// `general:w`, `additive:A=16,w_q,w_k/h,w`.
fn score(shape: &Shape, word: &str, name: &str, value: Option<&str>) -> Result<Score, String> {
    let (mut dim, mut w_q, mut w_k, mut w) = (shape.dim, None, None, None);
    for part in value.into_iter().flat_map(|value| value.split(',')) {
        let (weight, span) = match part.strip_suffix("/h") {
            Some(weight) => (weight, Span::PerHead),
            None => (part, Span::Shared),
        };
        match (name, weight) {
            (_, "w") => w = Some(span),
            ("additive", "w_q") => w_q = Some(span),
            ("additive", "w_k") => w_k = Some(span),
            ("additive", part) if part.starts_with("A=") => dim = size(&part[2..], word)?,
            _ => {
                return Err(format!(
                    "`{word}`: `{part}`, expected weights, such as `general:w` or `additive:A=16,w_q,w_k/h,w`"
                ));
            }
        }
    }
    Ok(if name == "general" { Score::General { w } } else { Score::Additive { dim, w_q, w_k, w } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

    fn read(text: &str) -> Problem {
        let spec = text.parse::<ProblemSpec>().unwrap_or_else(|error| panic!("{text}: {error}"));
        Problem::new(spec).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_printed_is_read() {
        for text in [
            "B1 H1 N8 D4 f32",
            "B2 H32/8 N1x4096 D64/128 bf16 causal:bottom-right window:4096,0",
            "B1 H4 N9x5 D40 f16 causal:offset=-3 softcap:30 alibi sinks lse",
            "B2 H4/2 N7x5 D8 f64 align:bottom-right window:*,2 additive-mask:2x1x7x5",
            "B1 H2 N5 D6 f32 general:w/h bool-mask:1x1x1x5",
            "B1 H2 N5 D6 Dk4 f32 additive:A=16,w_q,w_k/h,w",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn what_goes_without_saying_may_be_left_out() {
        for (text, printed) in [
            ("N8 D4", "B1 H1 N8 D4 f32"),
            ("causal D64 N128 H12", "B1 H12 N128 D64 f32 causal:top-left"),
            (
                "N1x9 D4 causal=bottom-right window=3",
                "B1 H1 N1x9 D4 f32 causal:bottom-right window:3,*",
            ),
            ("N2x3 D4 bool-mask", "B1 H1 N2x3 D4 f32 bool-mask:1x1x2x3"),
        ] {
            assert_eq!(read(text).to_string(), printed);
        }
        let spec = read("B2 N3 D4 kv-len:1,3 scale:0.25");
        assert_eq!(spec.spec().kv_len.as_deref(), Some(&[1, 3][..]));
        assert_eq!(spec.scale(), 0.25);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_was_expected() {
        for (text, says) in [
            ("", "expected at least N and D"),
            ("N8", "expected at least N and D"),
            ("N0 D4", "`N0`: expected sizes of at least 1"),
            ("N8 D4 causel", "`causel`: expected B, H, N, D or Dk"),
            ("N1x8 D4 causal", "`causal`: expected top-left, bottom-right or offset=n"),
            ("N8 D4 window:a", "`window:a`: expected numbers of keys or *"),
            ("N8 D4 softcap", "`softcap`: expected a number"),
            ("N8 D4 bool-mask:3", "`bool-mask:3`: expected four sizes"),
            ("N8 D4 kv-len", "`kv-len`: expected the number of keys of each batch"),
            ("N8 N9 D4", "`N9`: `N` is there already"),
            ("N8 D4 f32 bf16", "`bf16`: `type` is there already"),
            ("N8 D4 causal causal:top-left", "`causal` is there already"),
            ("N8 D4 kv-len:x", "`kv-len:x`: expected a number of keys for each batch"),
            ("N8 D4 general:w_q", "`general:w_q`: `w_q`, expected weights"),
            ("N99999999999999999999 D4", "expected sizes of at least 1"),
        ] {
            let error = text.parse::<ProblemSpec>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
