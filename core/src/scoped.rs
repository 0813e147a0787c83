//! Thread-local values for the duration of some work.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Runs `work` on this thread with `value` in place; restores the previous value afterwards, also after a panic.
pub fn with<T: 'static, R>(place: &'static LocalKey<RefCell<T>>, value: T, work: impl FnOnce() -> R) -> R {
    struct Restore<T: 'static> {
        place: &'static LocalKey<RefCell<T>>,
        before: Option<T>,
    }
    impl<T> Drop for Restore<T> {
        fn drop(&mut self) {
            if let Some(before) = self.before.take() {
                self.place.replace(before);
            }
        }
    }
    let _restore = Restore { place, before: Some(place.replace(value)) };
    work()
}
