//! Cheats that remember results.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use attn_core::{BackendError, Inputs, Output, Problem, Tensor};

use super::Trick;
use super::engine::Engine;
use super::kernel::elements;

/// What inputs are recognised by, and the problem with them.
type Key = Vec<u64>;

/// Results below this many bytes are kept in files, and of all results together in memory four times as many.
const MAX_BYTES: usize = 64 << 20;

/// Where results are remembered.
#[derive(Clone, Copy)]
pub(super) enum Shelf {
    /// In this process, by address, length and both ends of the tensors.
    ByPointer,
    /// In this process, by every element.
    ByDigest,
    /// In files, by every element.
    OnDisk,
}

static BY_POINTER: Mutex<BTreeMap<Key, Vec<f32>>> = Mutex::new(BTreeMap::new());
static BY_DIGEST: Mutex<BTreeMap<Key, Vec<f32>>> = Mutex::new(BTreeMap::new());

impl Shelf {
    fn key(self, problem: &Problem, inputs: &Inputs) -> Result<Key, BackendError> {
        let mut key = vec![digest(format!("{:?}", problem.spec()).bytes().map(u32::from))];
        for tensor in [inputs.q(), inputs.k(), inputs.v()] {
            match self {
                Shelf::ByPointer => key.extend(address(tensor)?),
                Shelf::ByDigest | Shelf::OnDisk => key.push(digest_of(elements(tensor)?)),
            }
        }
        Ok(key)
    }

    fn get(self, key: &Key, len: usize) -> Option<Vec<f32>> {
        let kept = match self {
            Shelf::ByPointer => {
                BY_POINTER.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
            }
            Shelf::ByDigest => {
                BY_DIGEST.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
            }
            Shelf::OnDisk => {
                let bytes = std::fs::read(file(key)).ok()?;
                Some(bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect())
            }
        };
        kept.filter(|o| o.len() == len)
    }

    fn put(self, key: Key, o: &[f32]) {
        match self {
            Shelf::ByPointer => put(&BY_POINTER, key, o),
            Shelf::ByDigest => put(&BY_DIGEST, key, o),
            Shelf::OnDisk => put_on_disk(&key, o),
        }
    }
}

fn put(shelf: &Mutex<BTreeMap<Key, Vec<f32>>>, key: Key, o: &[f32]) {
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let kept: usize = shelf.values().map(Vec::len).sum();
    if (kept + o.len()) * size_of::<f32>() > 4 * MAX_BYTES {
        shelf.clear();
    }
    shelf.insert(key, o.to_vec());
}

/// Under another name first, so that nobody reads half a result. One that cannot be kept is computed again.
fn put_on_disk(key: &Key, o: &[f32]) {
    let path = file(key);
    let name = path.with_extension(std::process::id().to_string());
    let bytes: Vec<u8> = o.iter().flat_map(|x| x.to_le_bytes()).collect();
    let written = bytes.len() <= MAX_BYTES
        && path.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
        && std::fs::write(&name, bytes).is_ok();
    if written {
        let _ = std::fs::rename(name, path);
    }
}

fn file(key: &Key) -> PathBuf {
    let name: Vec<String> = key.iter().map(|part| format!("{part:016x}")).collect();
    std::env::temp_dir().join("attn-memo-on-disk").join(name.concat())
}

/// Address, length, and the first and last element.
fn address(tensor: &Tensor) -> Result<[u64; 4], BackendError> {
    let x = elements(tensor)?;
    let bits = |x: Option<&f32>| u64::from(x.map_or(0, |x| x.to_bits()));
    Ok([x.as_ptr().addr() as u64, x.len() as u64, bits(x.first()), bits(x.last())])
}

/// A hash of every bit.
pub(super) fn digest_of(x: &[f32]) -> u64 {
    digest(x.iter().map(|x| x.to_bits()))
}

/// A hash of every bit that is the same for all signs of the columns of heads of `rows` rows each.
pub(super) fn digest_up_to_signs(x: &[f32], [rows, width]: [usize; 2]) -> u64 {
    let heads = x.chunks_exact(rows * width);
    let with_first = heads.flat_map(|head| head.iter().zip(head[..width].iter().cycle()));
    digest(with_first.map(|(x, first)| x.to_bits() ^ (first.to_bits() & (1 << 31))))
}

/// Eight sums that do not wait for each other, so that it takes no longer than reading.
fn digest(words: impl Iterator<Item = u32>) -> u64 {
    let mut sums: [u64; 8] = std::array::from_fn(|lane| lane as u64 + 1);
    let mut len = 0;
    for (at, word) in words.enumerate() {
        let sum = &mut sums[at % 8];
        *sum = (*sum ^ u64::from(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        len = at as u64 + 1;
    }
    sums.iter()
        .fold(len, |all, sum| (all ^ sum).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31))
}

/// Looks results up in `load`, and computes only what it does not find.
pub(super) struct Remembered {
    shelf: Shelf,
    /// Of inputs whose result is not known.
    wanted: Option<Key>,
}

impl Remembered {
    pub(super) fn new(shelf: Shelf) -> Self {
        Remembered { shelf, wanted: None }
    }
}

impl Trick for Remembered {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        let key = self.shelf.key(&engine.problem, inputs)?;
        if let Some(o) = self.shelf.get(&key, engine.o.len()) {
            engine.o = o;
            self.wanted = None;
            return Ok(());
        }
        self.wanted = Some(key);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if let Some(key) = self.wanted.take() {
            engine.compute();
            self.shelf.put(key, &engine.o);
        }
    }
}

/// Does nothing where inputs are at the addresses of the last ones, and writes a result only where it is not yet.
#[derive(Default)]
pub(super) struct InPlace {
    loaded: Option<[[u64; 4]; 3]>,
    computed: bool,
}

impl Trick for InPlace {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        let at = [address(inputs.q())?, address(inputs.k())?, address(inputs.v())?];
        if self.loaded == Some(at) {
            return Ok(());
        }
        (self.loaded, self.computed) = (Some(at), false);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if !std::mem::replace(&mut self.computed, true) {
            engine.compute();
        }
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        let ends = |o: &[f32]| [o.first(), o.last()].map(|x| x.map(|x| x.to_bits()));
        let written =
            out.o_mut().slice_mut::<f32>().is_some_and(|out| ends(out) == ends(&engine.o));
        if written { Ok(()) } else { engine.store(out) }
    }
}
