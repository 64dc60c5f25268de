//! Work that threads share out among themselves.

use std::sync::Mutex;
use std::thread;

/// Does `work` on all `items`, on so many threads (at least one): each takes the next item, in order, when it is done
/// with one.
pub fn share_out<T>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let items = Mutex::new(items);
    let next = || items.lock().expect("the iterator does not panic").next();
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_whatever_the_number_of_threads() {
        for threads in [0, 1, 3, 20] {
            let done = Mutex::new(Vec::new());
            share_out(threads, 0..10, |item| done.lock().unwrap().push(item));
            let mut done = done.into_inner().unwrap();
            assert!(threads > 1 || done.is_sorted(), "one thread keeps the order");
            done.sort_unstable();
            assert!(done.iter().copied().eq(0..10), "{threads} threads: {done:?}");
        }
    }
}
