//! Whether two programs are the same, as far as a processor can tell.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use object::{BinaryFormat, Object as _, ObjectSection as _, ReadCache};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the machine code and the constants of the program at `path`; `None` if it cannot be read or is neither
/// ELF nor Mach-O.
///
/// The other sections are left out on purpose: the places of panics (`.data.rel.ro`), debug information and
/// build ids change with comments, and what is in writable memory (`.data`) is no constant: the
/// [revision](crate::Build::revision) is there.
pub fn code(path: &Path) -> Option<String> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let sections: &[&str] = match file.format() {
        BinaryFormat::Elf => &[".text", ".rodata"],
        BinaryFormat::MachO => &["__text", "__const"],
        _ => return None,
    };
    let mut hash = Sha256::new();
    for name in sections {
        let data = file.section_by_name(name)?.uncompressed_data().ok()?;
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(&data);
    }
    let mut digits = String::new();
    for byte in hash.finalize() {
        write!(digits, "{byte:02x}").expect("memory");
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with nothing but the sections that count, and two that do not.
    fn program(format: BinaryFormat, text: &[u8], constants: &[u8], rest: &[u8]) -> Vec<u8> {
        use object::write::{Object, StandardSection, Symbol, SymbolSection};
        let (arch, order) = (object::Architecture::X86_64, object::Endianness::Little);
        let mut file = Object::new(format, arch, order);
        for (kind, data) in [
            (StandardSection::Text, text),
            (StandardSection::ReadOnlyData, constants),
            (StandardSection::ReadOnlyDataWithRel, rest),
            (StandardSection::Data, rest),
        ] {
            let section = file.section_id(kind);
            file.append_section_data(section, data, 1);
        }
        // A Mach-O file without any symbol is not well formed.
        file.add_symbol(Symbol {
            name: b"symbol".into(),
            value: 0,
            size: 0,
            kind: object::SymbolKind::Data,
            scope: object::SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Absolute,
            flags: object::SymbolFlags::None,
        });
        file.write().expect("the sections are plain")
    }

    #[test]
    fn code_and_constants_count_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let of = |bytes: Vec<u8>| {
            let path = folder.path().join("program");
            std::fs::write(&path, bytes).unwrap();
            code(&path)
        };
        for format in [BinaryFormat::Elf, BinaryFormat::MachO] {
            let of = |text: &[u8], constants, rest| of(program(format, text, constants, rest));
            let one = of(b"code", b"constants", b"line 1");
            assert!(one.is_some(), "{format:?}");
            assert_eq!(one, of(b"code", b"constants", b"line 2"));
            assert_ne!(one, of(b"cody", b"constants", b"line 1"));
            assert_ne!(one, of(b"code", b"constantz", b"line 1"));
            // A byte more here and one less there is not the same.
            assert_ne!(of(b"ab", b"c", b""), of(b"a", b"bc", b""));
        }
        assert_eq!(of(b"#!/bin/sh\n".to_vec()), None);
        assert_eq!(code(&folder.path().join("nowhere")), None);
    }
}
