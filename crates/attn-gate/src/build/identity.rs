//! Whether two programs are the same, as far as a processor can tell.

use std::path::Path;

use object::{Object as _, ObjectSection as _};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the machine code and the constants of the program at `path`; `None` if it is of a format that
/// cannot be read.
///
/// The other sections are left out on purpose: the places of panics (`.data.rel.ro`), debug information and
/// build ids change with comments.
pub fn code(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let mut hash = Sha256::new();
    for name in [".text", ".rodata"] {
        let data = file.section_by_name(name)?.uncompressed_data().ok()?;
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(&data);
    }
    Some(super::hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with nothing but the sections that count, and one that does not.
    fn elf(text: &[u8], constants: &[u8], places: &[u8]) -> Vec<u8> {
        use object::write::{Object, StandardSection};
        let (format, arch, order) =
            (object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
        let mut file = Object::new(format, arch, order);
        for (kind, data) in [
            (StandardSection::Text, text),
            (StandardSection::ReadOnlyData, constants),
            (StandardSection::ReadOnlyDataWithRel, places),
        ] {
            let section = file.section_id(kind);
            file.append_section_data(section, data, 1);
        }
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
        let one = of(elf(b"code", b"constants", b"line 1"));
        assert!(one.is_some());
        assert_eq!(one, of(elf(b"code", b"constants", b"line 2")));
        assert_ne!(one, of(elf(b"cody", b"constants", b"line 1")));
        assert_ne!(one, of(elf(b"code", b"constantz", b"line 1")));
        // A byte more here and one less there is not the same.
        assert_ne!(of(elf(b"ab", b"c", b"")), of(elf(b"a", b"bc", b"")));
        assert_eq!(of(b"#!/bin/sh\n".to_vec()), None);
        assert_eq!(code(&folder.path().join("nowhere")), None);
    }
}
