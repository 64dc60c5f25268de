//! Rust text as the architecture tests read it: without what is in comments and literals, where words prove nothing.

use std::ops::Range;

/// The text with comments and the insides of literals blanked; every byte keeps its place.
pub(super) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + literal(&bytes[at..], at.checked_sub(1).map(|before| bytes[before]));
        let blank = |byte: &mut u8| *byte = if *byte == b'\n' { b'\n' } else { b' ' };
        let is_string = code[at..end].last() == Some(&b'"') || code[at..end].ends_with(b"#");
        code[at..end].iter_mut().for_each(blank);
        if is_string {
            // An attribute's reason stays one.
            code[at] = b'"';
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("only whole characters are blanked")
}

/// Length of the comment or literal with which `text` begins; 0 if it begins with neither.
fn literal(text: &[u8], before: Option<u8>) -> usize {
    let until = |end: &[u8]| {
        let found = text.windows(end.len()).position(|window| window == end);
        found.map_or(text.len(), |at| at + end.len())
    };
    match text {
        [b'/', b'/', ..] => until(b"\n"),
        [b'/', b'*', ..] => block_comment(text),
        [b'"', ..] => 1 + quoted(&text[1..], b'"'),
        [b'\'', b'\\', ..] => 1 + quoted(&text[1..], b'\''),
        [b'\'', rest @ ..] => {
            // `'x'` is a character, `'x` a lifetime.
            let character = std::str::from_utf8(&rest[..rest.len().min(4)]);
            let valid = character.unwrap_or_else(|error| {
                std::str::from_utf8(&rest[..error.valid_up_to()]).expect("checked")
            });
            let width = valid.chars().next().map_or(1, char::len_utf8);
            if rest.get(width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        [b'r', b'"' | b'#', ..] if !before.is_some_and(is_word) || before == Some(b'b') => {
            let hashes = text[1..].iter().take_while(|&&byte| byte == b'#').count();
            if text.get(1 + hashes) != Some(&b'"') {
                return 0;
            }
            let end: Vec<u8> =
                std::iter::once(b'"').chain(text[1..=hashes].iter().copied()).collect();
            let start = 2 + hashes;
            let inside = text[start..].windows(end.len()).position(|window| window == end);
            inside.map_or(text.len(), |at| start + at + end.len())
        }
        _ => 0,
    }
}

/// Length up to and with the `quote` that no backslash precedes.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// Block comments nest.
fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `word` stands alone in `code`.
pub(super) fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let alone = |at: usize| {
        let before = at.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
        !before && !bytes.get(at + word.len()).copied().is_some_and(is_word)
    };
    code.match_indices(word).map(|(at, _)| at).filter(|&at| alone(at)).collect()
}

/// The code without the items that are compiled for tests only.
pub(super) fn without_tests(code: &str) -> String {
    let mut kept = code.to_string();
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        let item = at..item_end(code, at + attribute.len());
        let blank = " ".repeat(item.len());
        kept.replace_range(item, &blank);
    }
    kept
}

/// Where the item ends that begins at `start`: at its `;`, or with the block that it opens first.
fn item_end(code: &str, start: usize) -> usize {
    let body = code[start..].find(['{', ';']).map_or(code.len(), |at| start + at);
    if code[body..].starts_with('{') {
        block_end(code, body + 1)
    } else {
        (body + 1).min(code.len())
    }
}

/// Where the block ends that `start` lies in: behind its closing brace, or with the text.
fn block_end(code: &str, start: usize) -> usize {
    let mut depth = 1;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The parts of `code` in which unsafe code is expected, with a reason.
fn expected(code: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    for (at, _) in code.match_indices("[expect(") {
        let end = code[at..].find(']').map_or(code.len(), |end| at + end + 1);
        let attribute: String = code[at..end].split_whitespace().collect();
        if !attribute.starts_with("[expect(unsafe_code,") || !attribute.contains("reason=\"") {
            continue;
        }
        match code[..at].chars().next_back() {
            Some('!') => parts.push(at..block_end(code, end)),
            Some('#') => parts.push(at..item_end(code, end)),
            _ => {}
        }
    }
    parts
}

/// Lines of `text` with an `unsafe` that is not expected.
pub(super) fn undeclared_unsafe(text: &str) -> Vec<usize> {
    let code = code(text);
    let expected = expected(&code);
    let undeclared = words(&code, "unsafe")
        .into_iter()
        .filter(|at| !expected.iter().any(|part| part.contains(at)));
    undeclared.map(|at| code[..at].matches('\n').count() + 1).collect()
}

#[test]
fn words_in_comments_and_literals_are_no_code() {
    for text in [
        "// unsafe\n",
        "/* unsafe /* unsafe */ unsafe */",
        "let x = \"unsafe \\\" unsafe\";",
        "let x = r#\"unsafe \" unsafe\"#;",
        "let x = br\"unsafe\";",
        "let (quote, x) = ('\"', \" unsafe\");",
        "let (quote, x) = ('\\'', \" unsafe\");",
        "#![forbid(unsafe_code)]",
    ] {
        assert_eq!(words(&code(text), "unsafe"), [0; 0], "{text}");
        assert_eq!(code(text).len(), text.len());
    }
    for text in [
        "unsafe { x() }",
        "fn f<'a>(x: &'a u8) { unsafe { x() } }",
        "let x = \"a\"; unsafe {}",
        "let x = '\\''; unsafe {}",
        "/* a */ unsafe impl Send for X {}",
        "let x = r\"\\\"; unsafe {}",
        "let x = 'ä'; unsafe {}",
    ] {
        assert_eq!(words(&code(text), "unsafe").len(), 1, "{text}");
    }
}

#[test]
fn code_after_a_test_module_counts() {
    let text =
        "#[cfg(test)]\nmod tests;\nprintln!();\n#[cfg(test)]\nmod more { dbg!({}) }\nfn f() {}";
    let code = without_tests(&code(text));
    assert!(code.contains("println!") && code.contains("fn f()"), "{code}");
    assert!(!code.contains("mod") && !code.contains("dbg"), "{code}");
}

#[test]
fn unsafe_code_is_found_unless_it_is_expected_with_a_reason() {
    for text in [
        "#![expect(unsafe_code, reason = \"pointers\")]\nfn f() { unsafe { g() } }",
        "#![expect(\n    unsafe_code,\n    clippy::other,\n    reason = \"pointers\"\n)]\nunsafe fn f() {}",
        "mod a {\n #![expect(unsafe_code, reason = \"x\")]\n fn f() { unsafe { g() } }\n}",
        "#[expect(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }",
        "// unsafe\nfn f() {}",
    ] {
        assert_eq!(undeclared_unsafe(text), [0; 0], "{text}");
    }
    for (text, line) in [
        ("fn f() {\n unsafe { g() } }", 2),
        ("#![allow(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }", 2),
        ("#![expect(unsafe_code)]\nfn f() { unsafe { g() } }", 2),
        ("// #![expect(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }", 2),
        ("mod a {\n #![expect(unsafe_code, reason = \"x\")]\n}\nunsafe fn f() {}", 4),
        ("#[expect(unsafe_code, reason = \"x\")]\nfn f() {}\nunsafe fn g() {}", 3),
        ("#[expect(dead_code, reason = \"x\")]\nunsafe fn g() {}", 2),
    ] {
        assert_eq!(undeclared_unsafe(text), [line], "{text}");
    }
}
