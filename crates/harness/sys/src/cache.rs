//! The sizes of the caches.

use std::fs;
use std::path::Path;

/// A cache that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u8,
    /// Its size.
    pub bytes: u64,
    /// Processors that share it.
    pub shared_by: usize,
}

/// The caches of the first processor that hold data, nearest first; empty where the system does not
/// say.
pub fn levels() -> Vec<Cache> {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let mut found: Vec<Cache> =
        (0..16).filter_map(|index| read(&folder.join(format!("index{index}")))).collect();
    found.sort_by_key(|cache| cache.level);
    found
}

fn read(folder: &Path) -> Option<Cache> {
    let field = |name| fs::read_to_string(folder.join(name)).ok();
    if field("type")?.trim() == "Instruction" {
        return None;
    }
    Some(Cache {
        level: field("level")?.trim().parse().ok()?,
        bytes: bytes(field("size")?.trim())?,
        shared_by: field("shared_cpu_list").and_then(|list| processors(list.trim())).unwrap_or(1),
    })
}

/// `0-3,8` are five processors.
fn processors(list: &str) -> Option<usize> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    };
    list.split(',').map(range).sum()
}

/// `32K` is 32768.
fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        None => (text, 1),
        Some(digits) if text.ends_with('K') => (digits, 1 << 10),
        Some(digits) if text.ends_with('M') => (digits, 1 << 20),
        Some(digits) => (digits, 1 << 30),
    };
    Some(digits.parse::<u64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("48K"), Some(48 * 1024));
        assert_eq!(bytes("2M"), Some(2 * 1024 * 1024));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("x"), None);
    }

    #[test]
    fn processors_are_listed_as_ranges() {
        assert_eq!(processors("0"), Some(1));
        assert_eq!(processors("0-3,8,10-11"), Some(7));
        assert_eq!([processors(""), processors("3-1"), processors("0-")], [None; 3]);
    }
}
