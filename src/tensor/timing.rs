//! Start times of operations, for a profile.
//!
//! An operation ends when it calls [`Tensor::derive`]. It began when it first read one of its inputs, so reads are kept until
//! then. Reads for another reason (printing, for example) are discarded when an operation that began earlier ends.

use super::{Array, Tensor};
use crate::kernel::profile::{self, Pass, Span, Timestamp};
use std::cell::{Cell, RefCell};

/// Maximum number of kept reads: those of nested operations, and stray ones.
const READS: usize = 64;

thread_local! {
    static READ: RefCell<Vec<(candle_core::TensorId, Timestamp)>> = const { RefCell::new(Vec::new()) };
    static BACKWARD: Cell<bool> = const { Cell::new(false) };
}

/// Records the read of a value.
#[inline]
pub fn read(value: &Array) {
    if profile::on() {
        keep(value);
    }
}

#[cold]
fn keep(value: &Array) {
    READ.with_borrow_mut(|reads| {
        if reads.len() == READS {
            reads.remove(0);
        }
        reads.push((value.id(), profile::now()));
    });
}

/// Ends an operation on these inputs, whose backward is called `name`.
#[cold]
pub fn derived(name: &'static str, inputs: &[&Tensor]) {
    let start = READ.with_borrow_mut(|reads| {
        let of_inputs = |id| inputs.iter().any(|input| input.peek().id() == id);
        let first = reads.iter().position(|(id, _)| of_inputs(*id))?;
        reads.drain(first..).next()
    });
    let pass = if BACKWARD.get() { Pass::Recompute } else { Pass::Forward };
    profile::done(operation(name), pass, start.map_or_else(profile::now, |(_, start)| start));
}

/// A whole backward pass: its cost besides its operations belongs to the tape.
pub fn backward() -> impl Drop {
    struct Whole(#[allow(dead_code)] Span, bool);
    impl Drop for Whole {
        fn drop(&mut self) {
            BACKWARD.set(self.1);
        }
    }
    Whole(profile::span("tape", Pass::Backward), BACKWARD.replace(true))
}

/// The backward of one operation.
pub fn backward_of(name: &'static str) -> Span {
    if profile::on() { profile::span(operation(name), Pass::Backward) } else { profile::span("", Pass::Backward) }
}

/// The name of an operation, from the type name of its backward closure: `silu` of `levain::tensor::nn::silu::{{closure}}`.
pub fn operation(closure: &'static str) -> &'static str {
    let function = closure.split("::{{closure}}").next().unwrap_or(closure);
    let function = function.split('<').next().unwrap_or(function);
    function.rsplit("::").next().unwrap_or(function)
}
