//! How much memory has to be gone over so that it is a certain cache that answers.

use attn_record::limits::Place;
use attn_sys::cache::Cache;

/// Assumed where the system does not tell the last cache.
const UNKNOWN_LAST_CACHE: u64 = 64 << 20;

/// Never more of the machine's memory than this share, all threads together.
const MEMORY_SHARE: u64 = 4;

/// Bytes that each of `threads` threads goes over.
///
/// L1 and L2: half of the cache. L3: a quarter of the thread's share, but at least twice the L2. Memory:
/// four times the last cache, divided among the threads that share it. `None` where there is no such
/// cache, or where a thread's share of it is hardly more than the cache before.
pub(super) fn working_set(place: Place, caches: &[Cache], threads: usize) -> Option<usize> {
    let level = |level| caches.iter().find(|cache| cache.level == level);
    let sharing = |cache: &Cache| threads.min(cache.shared_by).max(1) as u64;
    let share = |cache: &Cache| cache.bytes / sharing(cache);
    let bytes = match place {
        Place::L1 => share(level(1)?) / 2,
        Place::L2 => share(level(2)?) / 2,
        Place::L3 => {
            let (before, own) = (share(level(2)?), share(level(3)?));
            Some((2 * before).max(own / 4)).filter(|&bytes| bytes <= own / 2)?
        }
        Place::Memory => {
            let last = caches.last().map_or(UNKNOWN_LAST_CACHE / threads as u64, share);
            let memory = attn_sys::limit::physical_memory().unwrap_or(u64::MAX);
            (4 * last).min(memory / MEMORY_SHARE / threads as u64)
        }
    };
    usize::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caches(l3: u64, shared_by: usize) -> Vec<Cache> {
        let cache = |level, bytes, shared_by| Cache { level, bytes, shared_by };
        vec![cache(1, 32 << 10, 1), cache(2, 1 << 20, 1), cache(3, l3, shared_by)]
    }

    #[test]
    fn each_place_outgrows_the_one_before_and_fits() {
        let caches = caches(32 << 20, 2);
        let of = |threads| Place::ALL.map(|place| working_set(place, &caches, threads));
        assert_eq!(of(1), [16 << 10, 512 << 10, 8 << 20, 128 << 20].map(Some));
        assert_eq!(of(2), [16 << 10, 512 << 10, 4 << 20, 64 << 20].map(Some));
        assert_eq!(of(16), of(2), "only two threads share this cache");
    }

    #[test]
    fn a_cache_that_is_not_there_or_not_larger_is_left_out() {
        assert_eq!(working_set(Place::L3, &caches(2 << 20, 1), 1), None);
        assert_eq!(working_set(Place::L3, &caches(32 << 20, 32), 32), None);
        assert_eq!(working_set(Place::L1, &[], 1), None);
        assert_eq!(working_set(Place::Memory, &[], 2), Some(128 << 20));
    }
}
