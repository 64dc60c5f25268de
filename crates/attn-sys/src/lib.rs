//! What needs the machine. The only crate with `unsafe`: a global allocator cannot be written without.
//!
//! | module | room for |
//! |---|---|
//! | [`alloc`] | counting what a computation allocates |
//! | [`affinity`] | staying on one processor |
//! | [`cache`] | the sizes of the caches |
//! | [`limit`] | how much memory a process may use |
//! | [`sched`] | whether a process had to wait for a processor |
//!
//! All but [`alloc`] know Linux alone; elsewhere they say that they know nothing.

pub mod affinity;
pub mod alloc;
pub mod cache;
pub mod limit;
pub mod sched;
