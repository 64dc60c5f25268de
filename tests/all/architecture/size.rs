//! How long files and functions are, and how many arguments functions have.

use super::{metadata, read, source, sources};

/// Lines of a file,
const FILE: usize = 500;
/// of a function,
const FUNCTION: usize = 60;
/// and arguments of a public function, `self` aside.
const ARGUMENTS: usize = 5;

/// A function of a file.
#[derive(Debug, PartialEq)]
struct Function<'t> {
    name: &'t str,
    public: bool,
    lines: usize,
    arguments: usize,
}

/// The functions that have a body in `code`, whose comments and literals are blanked.
fn functions(code: &str) -> Vec<Function<'_>> {
    let found = source::words(code, "fn").into_iter().filter_map(|at| {
        let after = &code[at + "fn".len()..];
        let name = after.trim_start().split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
        // A pointer's type has no name.
        let open = after.find('(').filter(|_| !name.is_empty())?;
        let (arguments, close) = arguments(&after[open..]);
        let body = open + close + after[open + close..].find(['{', ';'])?;
        let end = body + closing(&after[body..])?;
        let line = code[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        let public = line.starts_with("pub ");
        Some(Function { name, public, lines: after[..end].lines().count(), arguments })
    });
    found.collect()
}

/// Arguments in the parentheses with which `text` begins, without `self`, and the length of all.
fn arguments(text: &str) -> (usize, usize) {
    let (mut depth, mut parts, mut part, mut before) = (0, Vec::new(), String::new(), ' ');
    for (at, c) in text.char_indices() {
        depth += match c {
            '(' | '[' | '{' | '<' => 1,
            ')' | ']' | '}' => -1,
            '>' if before != '-' && before != '=' => -1,
            _ => 0,
        };
        before = c;
        if depth == 0 || (depth == 1 && c == ',') {
            parts.push(std::mem::take(&mut part));
        } else if depth > 1 || c != '(' {
            part.push(c);
        }
        if depth == 0 {
            let is_receiver = |part: &&String| {
                let name = part.split(':').next().unwrap_or_default();
                source::words(name, "self").is_empty()
            };
            let named = parts.iter().filter(|part| !part.trim().is_empty());
            return (named.filter(is_receiver).count(), at + 1);
        }
    }
    (0, text.len())
}

/// Length up to the brace that closes the one with which `text` begins; `None` without one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return (at > 0).then_some(at + 1);
        }
    }
    None
}

#[test]
fn files_and_functions_are_short_and_take_few_arguments() {
    let mut seen = 0;
    let files = sources(&metadata(), "src").into_iter().map(|(_, path)| path);
    for path in files.filter(|path| !path.ends_with("tests.rs")) {
        let code = source::without_tests(&source::code(&read(&path)));
        let lines = code.trim_end().lines().count();
        assert!(lines <= FILE, "{}: {lines} lines, at most {FILE} are expected", path.display());
        for function in functions(&code) {
            let Function { name, public, lines, arguments } = function;
            let place = format!("{}: {name}", path.display());
            assert!(lines <= FUNCTION, "{place}: {lines} lines, at most {FUNCTION}");
            let few = !public || arguments <= ARGUMENTS;
            assert!(few, "{place}: {arguments} arguments, at most {ARGUMENTS}");
            seen += 1;
        }
    }
    assert!(seen > 2000, "functions were found: {seen}");
}

#[test]
fn functions_are_measured() {
    let code = "pub fn a<T>(&self, x: [T; 2], f: fn(u8, u8) -> u8) -> T {\n  x\n}\nfn b();\nfn c(self: Box<Self>) {}";
    let function = |name, public, lines, arguments| Function { name, public, lines, arguments };
    assert_eq!(functions(code), [function("a", true, 3, 2), function("c", false, 1, 0)]);
}
