//! What an interrupted run leaves to the run that goes on with it.
//!
//! A checkpoint on disk outlives the run that wrote it. One in memory would not, and neither would the record beside
//! it: so the things that a run makes with [`kept`] are remembered in the order in which they were made, and the same
//! run, when it is repeated to go on, gets them again.

use std::any::Any;
use std::cell::RefCell;

/// What one run made, and what it did with its checkpoints.
#[derive(Default)]
pub struct Kept {
    made: Vec<Box<dyn Any>>,
    /// How many of them the run that goes on has got.
    given: usize,
    saved: bool,
    removed: bool,
}

impl Kept {
    /// Whether a repetition can go on: there is a checkpoint, and no training before it that would be done twice.
    pub fn goes_on(&self) -> bool {
        self.saved && !self.removed
    }

    /// Whether some training had come to its end.
    pub fn finished_one(&self) -> bool {
        self.removed
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// A run begins on this thread: a new one, or the repetition of the one that left `earlier`.
pub fn begin(earlier: Kept) {
    KEPT.replace(Kept { made: earlier.made, ..Kept::default() });
}

/// What the run of this thread made.
pub fn end() -> Kept {
    KEPT.take()
}

/// What the interrupted run made at this place, or else a new one. `T` is a handle: copies are the same thing.
pub fn kept<T: Clone + 'static>(make: impl FnOnce() -> T) -> T {
    KEPT.with_borrow_mut(|kept| {
        let place = kept.given;
        kept.given += 1;
        if let Some(earlier) = kept.made.get(place).and_then(|thing| thing.downcast_ref::<T>()) {
            return earlier.clone();
        }
        // from here on it is another run
        kept.made.truncate(place);
        let made = make();
        kept.made.push(Box::new(made.clone()));
        made
    })
}

/// A checkpoint was saved.
pub fn saved() {
    KEPT.with_borrow_mut(|kept| kept.saved = true);
}

/// A checkpoint was removed, since its run has come to its end.
pub fn removed() {
    KEPT.with_borrow_mut(|kept| kept.removed = true);
}
