//! Whether two programs are the same, as far as a processor can tell.

use std::fs::File;
use std::path::Path;

use attn_core::text::hex;
use memchr::memmem;
use object::{
    BinaryFormat, Object as _, ObjectSection as _, ReadCache, SectionFlags, SectionKind, elf, macho,
};
use sha2::{Digest as _, Sha256};

/// What stands before the revision in a program's writable memory: [`code()`] leaves out the revision that follows, which is
/// another one in each commit.
pub const REVISION_MARK: &str = "attn revision ";

/// Characters of a revision: digits, as many as SHA-256 has, filled up with dots, and `+` or `-` for whether files were changed.
pub const REVISION_LEN: usize = 65;

/// SHA-256 of everything that the program at `path` has in memory when it starts: machine code, constants, initial values of
/// statics, and the addresses in tables. `None` if it cannot be read or is neither ELF nor Mach-O.
///
/// Left out is what changes with a comment or a commit and nothing else: debug information, build ids, the revision behind
/// [`REVISION_MARK`] and, in ELF files, the lines and columns of panics. Whatever is not understood counts.
pub fn code(path: &Path) -> Option<String> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let mut parts = match file.format() {
        BinaryFormat::Elf | BinaryFormat::MachO => memory(&file)?,
        _ => return None,
    };
    leave_out_places(&file, &mut parts);
    let mut hash = Sha256::new();
    for Part { name, address, data } in &mut parts {
        leave_out_revision(data);
        for bytes in [name.as_bytes(), &address.to_le_bytes(), data] {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    Some(hex(&hash.finalize()))
}

type Program<'d> = object::File<'d, &'d ReadCache<File>>;

/// A section that is in memory when the program runs.
struct Part {
    name: String,
    address: u64,
    data: Vec<u8>,
}

impl Part {
    /// Where `address` is in the data.
    fn at(&self, address: u64) -> Option<usize> {
        let at = usize::try_from(address.checked_sub(self.address)?).ok()?;
        (at < self.data.len()).then_some(at)
    }
}

/// All sections that are in memory, but for notes; at least one of code.
fn memory(file: &Program<'_>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut has_code = false;
    for section in file.sections() {
        let (is_there, is_note) = match section.flags() {
            SectionFlags::Elf { sh_flags } => {
                (sh_flags & u64::from(elf::SHF_ALLOC) != 0, section.kind() == SectionKind::Note)
            }
            SectionFlags::MachO { flags } => (flags & macho::S_ATTR_DEBUG == 0, false),
            _ => (true, false),
        };
        if !is_there || is_note {
            continue;
        }
        has_code |= section.kind() == SectionKind::Text && section.size() > 0;
        parts.push(Part {
            name: String::from_utf8_lossy(section.name_bytes().ok()?).into_owned(),
            address: section.address(),
            data: section.uncompressed_data().ok()?.into_owned(),
        });
    }
    has_code.then_some(parts)
}

/// Blanks the line and the column of every `core::panic::Location`: the address of a source file's name, its length, and both as
/// 32 bits each. An address is found by the relocation that the program's loader applies to it.
fn leave_out_places(file: &Program<'_>, parts: &mut [Part]) {
    /// Bytes of the address and of the length of the name.
    const NAME: usize = 16;
    /// Bytes of line and column.
    const PLACE: usize = 8;
    let relocations = file.dynamic_relocations().into_iter().flatten();
    for (place, relocation) in relocations {
        let name = relocation.addend() as u64;
        let found = parts.iter().enumerate().find_map(|(part, section)| {
            let at = section.at(place)?;
            let length = section.data.get(at + 8..at + NAME)?.first_chunk()?;
            section.data.get(at + NAME..at + NAME + PLACE)?;
            Some((part, at, usize::try_from(u64::from_le_bytes(*length)).ok()?))
        });
        let Some((part, at, length)) = found else { continue };
        let is_source = parts.iter().any(|section| {
            let text =
                section.at(name).and_then(|at| section.data.get(at..at.checked_add(length)?));
            text.is_some_and(|text| text.ends_with(b".rs"))
        });
        if is_source {
            parts[part].data[at + NAME..at + NAME + PLACE].fill(0);
        }
    }
}

/// Blanks what follows [`REVISION_MARK`], if it is a revision.
fn leave_out_revision(data: &mut [u8]) {
    let mark = REVISION_MARK.as_bytes();
    let starts: Vec<usize> = memmem::find_iter(data, mark).map(|at| at + mark.len()).collect();
    for start in starts {
        let revision = data.get_mut(start..start + REVISION_LEN);
        let is_digit = |byte: &u8| byte.is_ascii_hexdigit() || b".+-".contains(byte);
        if let Some(revision) = revision.filter(|revision| revision.iter().all(is_digit)) {
            revision.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use object::SectionKind::{Data, OtherString, ReadOnlyData, ReadOnlyDataWithRel, Text};

    use super::*;

    /// An object file with these sections.
    fn program(format: BinaryFormat, sections: &[(SectionKind, &[u8])]) -> Vec<u8> {
        use object::write::{Object, StandardSection, Symbol, SymbolSection};
        let (arch, order) = (object::Architecture::X86_64, object::Endianness::Little);
        let mut file = Object::new(format, arch, order);
        for &(kind, data) in sections {
            let section = match kind {
                Text => file.section_id(StandardSection::Text),
                Data => file.section_id(StandardSection::Data),
                ReadOnlyData => file.section_id(StandardSection::ReadOnlyData),
                ReadOnlyDataWithRel => file.section_id(StandardSection::ReadOnlyDataWithRel),
                _ => file.add_section(Vec::new(), b".comment".to_vec(), kind),
            };
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

    fn of(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, bytes).unwrap();
        code(&path)
    }

    #[test]
    fn code_constants_and_initial_values_count() {
        for format in [BinaryFormat::Elf, BinaryFormat::MachO] {
            let of = |text: &[u8], constants: &[u8], table: &[u8], data: &[u8]| {
                of(&program(
                    format,
                    &[
                        (Text, text),
                        (ReadOnlyData, constants),
                        (ReadOnlyDataWithRel, table),
                        (Data, data),
                    ],
                ))
            };
            let one = of(b"code", b"constants", b"table", b"data");
            assert!(one.is_some(), "{format:?}");
            assert_eq!(one, of(b"code", b"constants", b"table", b"data"));
            assert_ne!(one, of(b"cody", b"constants", b"table", b"data"));
            assert_ne!(one, of(b"code", b"constantz", b"table", b"data"));
            assert_ne!(one, of(b"code", b"constants", b"tables", b"data"));
            assert_ne!(one, of(b"code", b"constants", b"table", b"date"));
            // A byte more here and one less there is not the same.
            assert_ne!(of(b"ab", b"c", b"", b""), of(b"a", b"bc", b"", b""));
        }
        assert_eq!(of(b"#!/bin/sh\n"), None);
        assert_eq!(of(&program(BinaryFormat::Elf, &[(Data, b"no code")])), None);
        assert_eq!(code(Path::new("/nowhere")), None);
    }

    #[test]
    fn what_is_not_in_memory_does_not_count() {
        let of =
            |comment| of(&program(BinaryFormat::Elf, &[(Text, b"code"), (OtherString, comment)]));
        assert_eq!(of(b"compiled on Monday"), of(b"compiled on Tuesday"));
    }

    #[test]
    fn a_revision_is_left_out_and_nothing_else_in_its_place() {
        let of = |behind: &str| {
            let data = format!("before {REVISION_MARK}{behind:.<65} after");
            of(&program(BinaryFormat::Elf, &[(Text, b"code"), (Data, data.as_bytes())]))
        };
        assert_eq!(of("1234abcd"), of("832489e1"));
        assert_ne!(of("1234abcd"), of("other text"));
    }
}
