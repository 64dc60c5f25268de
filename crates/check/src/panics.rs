//! Panics of kernels: caught, with their place, and not printed, because each is one of many findings.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Whether this thread is in a kernel.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where it panicked, and with what words.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `call` returns, or what it panicked with and where. Panics of other threads are printed as always.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                LAST.set(Some(told(info)));
            } else {
                usual(info);
            }
        }));
    });
    let outside = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outside);
    result.map_err(|_| LAST.take().unwrap_or_else(|| "without a message".into()))
}

fn told(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let words = words.unwrap_or("without a message");
    info.location().map_or_else(|| words.into(), |place| format!("{words} ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_place_are_told_and_what_follows_is_not_affected() {
        let told = caught(|| -> u8 { panic!("row {}", 7) }).unwrap_err();
        assert!(told.starts_with("row 7 (") && told.contains("panics.rs:"), "{told}");
        assert_eq!(caught(|| 3), Ok(3));
        let nested = caught(|| caught(|| -> u8 { panic!("inner") }).unwrap_err());
        assert!(nested.unwrap().starts_with("inner"));
        assert!(!INSIDE.get());
    }
}
