//! State handed from an interrupted run to its resumption.
//!
//! A checkpoint on disk outlives the run that wrote it. One in memory would not, and neither would the record beside it: so the
//! handles that a run creates through [`reused`] are stored in order, and the same run, when it is repeated to resume, gets them
//! again.

use std::any::Any;
use std::cell::RefCell;

/// The handles that one run created, and the state of its checkpoints.
#[derive(Default)]
pub struct Handover {
    made: Vec<Box<dyn Any>>,
    /// Number of handles that the resumed run has received.
    given: usize,
    saved: bool,
    removed: bool,
}

impl Handover {
    /// Whether a repetition can resume: there is a checkpoint, and no earlier training that would be repeated.
    pub fn can_resume(&self) -> bool {
        self.saved && !self.removed
    }

    /// Whether some training had finished.
    pub fn has_finished(&self) -> bool {
        self.removed
    }
}

thread_local! {
    static CURRENT: RefCell<Handover> = RefCell::default();
}

/// Begins a run on this thread: a new one, or the repetition of the one that left `earlier`.
pub fn begin(earlier: Handover) {
    CURRENT.replace(Handover { made: earlier.made, ..Handover::default() });
}

/// Ends the run of this thread, and returns the state needed to resume it.
pub fn end() -> Handover {
    CURRENT.take()
}

/// The handle that the interrupted run created at this point, otherwise a new one. Copies of a `T` share state.
pub fn reused<T: Clone + 'static>(make: impl FnOnce() -> T) -> T {
    CURRENT.with_borrow_mut(|current| {
        let place = current.given;
        current.given += 1;
        if let Some(earlier) = current.made.get(place).and_then(|thing| thing.downcast_ref::<T>()) {
            return earlier.clone();
        }
        // from here on the runs differ
        current.made.truncate(place);
        let made = make();
        current.made.push(Box::new(made.clone()));
        made
    })
}

/// Notes that a checkpoint was saved.
pub fn checkpoint_saved() {
    CURRENT.with_borrow_mut(|current| current.saved = true);
}

/// Notes that a checkpoint was removed, since its run has finished.
pub fn checkpoint_removed() {
    CURRENT.with_borrow_mut(|current| current.removed = true);
}
