//! Comparisons that are always false: a filter that compares a column of ints with the text "1" keeps no row, without an error.

use crate::script::explain::{article, type_name};
use rhai::{Dynamic, Engine};
use std::cell::Cell;

thread_local! {
    /// Number of comparisons on this thread between types that are never equal, and the types of the last.
    static UNEQUAL: Cell<(usize, [&'static str; 2])> = const { Cell::new((0, ["", ""])) };
}

/// Counts a comparison of two values whose types are never equal.
pub fn note(left: &Dynamic, right: &Dynamic) {
    UNEQUAL.set((UNEQUAL.get().0 + 1, [left.type_name(), right.type_name()]));
}

/// Watches for such a comparison in every call of a filter's closure.
#[derive(Default)]
pub struct Unequal {
    calls: usize,
    with: usize,
    held: usize,
    before: usize,
}

impl Unequal {
    /// Before a call of the closure.
    pub fn begin(&mut self) {
        self.before = UNEQUAL.get().0;
    }

    /// After a call of the closure.
    pub fn end(&mut self, held: bool) {
        self.calls += 1;
        self.with += usize::from(UNEQUAL.get().0 > self.before);
        self.held += usize::from(held);
    }

    /// The message, if all calls made such a comparison and had the same result.
    pub fn message(&self, engine: &Engine) -> Option<String> {
        let is_constant = self.held == 0 || self.held == self.calls;
        (self.calls > 0 && self.with == self.calls && is_constant).then(|| {
            let [left, right] = UNEQUAL.get().1.map(|kind| article(&type_name(kind, engine)));
            let kept = if self.held == 0 { "nothing is kept" } else { "all is kept" };
            format!("the closure compares {left} with {right}, which are never equal: {kept}")
        })
    }
}
