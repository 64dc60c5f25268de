//! Inputs that are nearly what a reader expects: seeds with a few changes, the same for the same number.

use std::ops::Range;

/// `SplitMix64`: every seed gives another stream.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this number.
    pub const fn new(number: u64) -> Self {
        Random(number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 to `n - 1`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// Numbers at which readers give up, or should.
const NUMBERS: [&str; 34] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "7",
    "255",
    "256",
    "65535",
    "65536",
    "1000003",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "60000000000",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e18",
    "6e10",
    "1e308",
    "-1e308",
    "1e309",
    "5e-324",
    "1e-400",
    "0.1",
    "nan",
    "inf",
    "-inf",
];

/// Texts that stand for anything else.
const WORDS: [&str; 22] = [
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "\"NaN\"",
    "\"-inf\"",
    "[null]",
    "[[]]",
    "{\"x\":0}",
    ",",
    ":",
    "=",
    "\"",
    "\\u0000",
    "\"\\u001b[2J\"",
    "\u{7f}",
    "\"/dev/zero\"",
    "\"../..\"",
    "\u{1f40d}",
];

/// Bytes of an input, at most.
const LONGEST: usize = 1 << 18;

/// The input of this number: one of the seeds, changed.
pub fn input(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut bytes = seeds[random.below(seeds.len())].clone();
    let other = &seeds[random.below(seeds.len())];
    if random.below(12) == 0 {
        splice(&mut bytes, other, &mut random);
    }
    // Most inputs have one change or two: of others, parsers alone see much.
    let mut changes = 1 + random.below(2);
    if random.below(8) == 0 {
        changes += random.below(12);
    }
    for _ in 0..changes {
        change(&mut bytes, other, &mut random);
    }
    bytes.truncate(LONGEST);
    bytes
}

/// One change. The header of a safetensors file, which has its length in front of it, is text, and its length is mostly made right
/// again.
fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let header = header(bytes);
    let is_text = std::str::from_utf8(bytes).is_ok();
    if header.is_none() && !is_text || random.below(6) == 0 {
        return change_bytes(bytes, random);
    }
    let Some(header) = header else { return change_text(bytes, other, random) };
    if random.below(5) == 0 {
        let mut body = bytes.split_off(header.end);
        change_bytes(&mut body, random);
        bytes.append(&mut body);
        return;
    }
    let mut text = bytes[header.clone()].to_vec();
    change_text(&mut text, other, random);
    if random.below(16) > 0 {
        bytes[..8].copy_from_slice(&(text.len() as u64).to_le_bytes());
    }
    bytes.splice(header, text);
}

/// Where the header of a safetensors file is.
fn header(bytes: &[u8]) -> Option<Range<usize>> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    (bytes.get(8) == Some(&b'{') && end <= bytes.len()).then_some(8..end)
}

/// The beginning of one and the end of another.
fn splice(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    bytes.truncate(random.below(bytes.len() + 1));
    bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
}

fn part(length: usize, most: usize, random: &mut Random) -> Range<usize> {
    let start = random.below(length);
    start..(start + 1 + random.below(most)).min(length)
}

fn change_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    const VALUES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'{', b'9', 0xf0];
    if bytes.is_empty() {
        return bytes.push(VALUES[random.below(VALUES.len())]);
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = VALUES[random.below(VALUES.len())],
        3 => {
            let part = part(bytes.len(), 8, random);
            bytes[part].fill(VALUES[random.below(VALUES.len())]);
        }
        4 => bytes.insert(at, random.bits() as u8),
        5 => drop(bytes.drain(part(bytes.len(), 32, random))),
        6 => bytes.truncate(at),
        _ => {
            let copy = bytes[part(bytes.len(), 64, random)].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

/// Changes that know words and numbers of JSON and TOML, but not where they belong.
fn change_text(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let tokens = tokens(bytes);
    let numbers: Vec<Range<usize>> =
        tokens.iter().filter(|at| is_number(&bytes[(*at).clone()])).cloned().collect();
    if tokens.is_empty() {
        return change_bytes(bytes, random);
    }
    let token = tokens[random.below(tokens.len())].clone();
    let word = bytes[token.clone()].to_vec();
    match random.below(12) {
        0..=3 if !numbers.is_empty() => {
            let number = numbers[random.below(numbers.len())].clone();
            bytes.splice(number, random.pick(&NUMBERS).bytes());
        }
        0..=4 => drop(bytes.splice(token, random.pick(&WORDS).bytes())),
        5 => swap(bytes, &token, &tokens[random.below(tokens.len())]),
        6 => drop(bytes.drain(token)),
        7 => {
            let others = self::tokens(other);
            let from =
                others.get(random.below(others.len())).map_or(&[][..], |at| &other[at.clone()]);
            bytes.splice(token, from.iter().copied());
        }
        8 => {
            let times = [1, 2, 16, 300][random.below(4)];
            let more = [b",", word.as_slice()].concat().repeat(times);
            bytes.splice(token.end..token.end, more);
        }
        9 => {
            let long = word.repeat([2, 100, 3000][random.below(3)]);
            bytes.splice(token, long);
        }
        10 => nest(bytes, token.start, random),
        _ => group(bytes, &tokens, random),
    }
}

/// Words, numbers, and every other character that is no white space.
fn tokens(bytes: &[u8]) -> Vec<Range<usize>> {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        at += 1;
        if in_word(bytes[start]) {
            at += bytes[at..].iter().take_while(|&&byte| in_word(byte)).count();
        }
        if !bytes[start].is_ascii_whitespace() {
            tokens.push(start..at);
        }
    }
    tokens
}

fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    word.first().is_some_and(u8::is_ascii_digit) && !word.contains(&b'_')
}

fn swap(bytes: &mut Vec<u8>, one: &Range<usize>, other: &Range<usize>) {
    let (first, last) = if one.start <= other.start { (one, other) } else { (other, one) };
    if first.end <= last.start {
        let [before, after] = [first, last].map(|at| bytes[at.clone()].to_vec());
        bytes.splice(last.clone(), before);
        bytes.splice(first.clone(), after);
    }
}

/// Lists or objects in each other, deep.
fn nest(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let depth = [3, 120, 20_000][random.below(3)];
    let [open, close] = if random.below(2) == 0 { ["[", "]"] } else { ["{\"a\":", "}"] };
    let mut text = open.repeat(depth);
    if random.below(2) == 0 {
        text += "0";
        text += &close.repeat(depth);
    }
    bytes.splice(at..at, text.into_bytes());
}

/// Deletes, repeats or replaces what a pair of brackets holds, the brackets included.
fn group(bytes: &mut Vec<u8>, tokens: &[Range<usize>], random: &mut Random) {
    let is_open = |at: &&Range<usize>| matches!(bytes[at.start], b'[' | b'{');
    let opens: Vec<usize> = tokens.iter().filter(is_open).map(|at| at.start).collect();
    if opens.is_empty() {
        return;
    }
    let start = opens[random.below(opens.len())];
    let mut depth = 0;
    let end = bytes[start..].iter().position(|byte| {
        depth += i32::from(matches!(byte, b'[' | b'{')) - i32::from(matches!(byte, b']' | b'}'));
        depth == 0
    });
    let Some(end) = end.map(|length| start + length + 1) else { return };
    let inner = bytes[start..end].to_vec();
    match random.below(4) {
        0 => drop(bytes.drain(start..end)),
        1 => drop(bytes.splice(start..end, random.pick(&WORDS).bytes())),
        2 => drop(bytes.splice(end..end, [b",", inner.as_slice()].concat())),
        _ => {
            let to = tokens[random.below(tokens.len())].clone();
            bytes.splice(to, inner);
        }
    }
}
