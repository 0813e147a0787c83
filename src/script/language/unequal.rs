//! Comparisons that can never hold: a filter that asks a column of ints for the text "1" keeps no row, without an error.

use crate::script::explain::{article, type_name};
use rhai::{Dynamic, Engine};
use std::cell::Cell;

thread_local! {
    /// Comparisons of values of types that are never equal on this thread, and the types of the last.
    static UNEQUAL: Cell<(usize, [&'static str; 2])> = const { Cell::new((0, ["", ""])) };
}

/// Counts a comparison of such values.
pub fn note(left: &Dynamic, right: &Dynamic) {
    UNEQUAL.set((UNEQUAL.get().0 + 1, [left.type_name(), right.type_name()]));
}

/// Watches a filter for such a comparison in every call of its closure.
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

    /// After it.
    pub fn end(&mut self, held: bool) {
        self.calls += 1;
        self.with += usize::from(UNEQUAL.get().0 > self.before);
        self.held += usize::from(held);
    }

    /// The message, if all calls made one and all had the same result.
    pub fn message(&self, engine: &Engine) -> Option<String> {
        let is_constant = self.held == 0 || self.held == self.calls;
        (self.calls > 0 && self.with == self.calls && is_constant).then(|| {
            let [left, right] = UNEQUAL.get().1.map(|kind| article(&type_name(kind, engine)));
            let kept = if self.held == 0 { "nothing is kept" } else { "all is kept" };
            format!("the closure compares {left} with {right}, which are never equal: {kept}")
        })
    }
}
