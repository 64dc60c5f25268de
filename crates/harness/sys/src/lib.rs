//! What needs the machine. `unsafe` is allowed here, because a global allocator cannot be written without,
//! nor can instructions be used that only some processors have, nor a device's driver be asked.
//!
//! | module | contents |
//! |---|---|
//! | [`alloc`] | counting what a computation allocates |
//! | [`amx`] | whether this process may multiply tiles |
//! | [`affinity`] | staying on one processor |
//! | [`bandwidth`] | how many bytes a second: passes over a buffer |
//! | [`cache`] | the sizes of the caches |
//! | [`clock`] | how finely time is told, and what telling it costs |
//! | `device` (feature `cuda`) | how much of a device's memory is in use |
//! | [`fma`] | how many multiply-adds a second: loops of nothing else |
//! | `guard` (Linux) | memory with pages around it that nobody may touch |
//! | [`host`] | what else may disturb a measurement: governor, load, stolen time |
//! | [`limit`] | how much memory a process may use |
//! | [`pages`] | large pages for large memory |
//! | [`parent`] | the process that started this one |
//! | [`sched`] | whether a process had to wait for a processor |
//! | [`stdio`] | descriptors for a dialogue that nothing else in the process reads or prints to |
//! | [`team`] | threads that do the same at the same time, each on a processor of its own |
//! | [`usage`] | processor time and memory that a process has used, its children included |
//! | [`vectors`] | instruction sets that the probes know |
//!
//! What asks the system (`affinity`, `cache`, `host`, `limit`, `pages`, `parent`, `sched`, `stdio`, `usage`) knows Linux alone; elsewhere
//! it says that it knows nothing.
//!
//! ```
//! use attn_sys::alloc;
//!
//! #[global_allocator]
//! static ALLOCATOR: alloc::Counting = alloc::Counting;
//!
//! let (_, usage) = alloc::measure(|| vec![0u8; 4096]);
//! assert_eq!(usage.peak_bytes, 4096);
//! ```

pub mod affinity;
pub mod alloc;
pub mod amx;
pub mod bandwidth;
pub mod cache;
pub mod clock;
#[cfg(feature = "cuda")]
pub mod device;
pub mod fma;
#[cfg(target_os = "linux")]
pub mod guard;
pub mod host;
pub mod limit;
pub mod pages;
pub mod parent;
pub mod sched;
pub mod stdio;
pub mod team;
pub mod usage;
pub mod vectors;
