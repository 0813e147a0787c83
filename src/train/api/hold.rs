//! What scripts see of Ctrl-C: a loop may hold it back until its step is whole.

use crate::cancel;
use crate::script::prelude::*;
use std::sync::{Arc, Mutex};

/// Holds an interruption back for as long as a copy of it lives, or until it is released.
#[derive(Clone)]
pub struct Hold(Arc<Mutex<Option<cancel::Hold>>>);

impl Hold {
    fn requested(&self) -> bool {
        self.0.lock().is_ok_and(|hold| hold.as_ref().is_some_and(cancel::Hold::is_requested))
    }

    fn release(&self) {
        if let Ok(mut hold) = self.0.lock() {
            *hold = None;
        }
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Hold>("Hold");
}

#[export_module]
mod verbs {
    pub type Hold = super::Hold;

    /// From here on Ctrl-C waits: nothing is interrupted until the result goes out of scope or is released.
    ///
    /// A loop asks `requested` where it can stop, writes its checkpoint, and calls `release()`, which stops it.
    ///
    /// ```rhai
    /// let stop = hold_interrupt();
    /// for step in 0..3 {
    ///     // … a whole step …
    ///     if stop.requested { /* save a checkpoint */ stop.release(); }
    /// }
    /// stop.requested                           //=> false
    /// ```
    pub fn hold_interrupt() -> Hold {
        Hold(Arc::new(Mutex::new(Some(cancel::current().hold()))))
    }

    /// Whether Ctrl-C was pressed meanwhile.
    ///
    /// ```rhai
    /// hold_interrupt().requested               //=> false
    /// ```
    #[rhai_fn(get = "requested", pure)]
    pub fn requested(hold: &mut Hold) -> bool {
        hold.requested()
    }

    /// Let an interruption through again; one that waits stops the script here.
    ///
    /// ```rhai
    /// let stop = hold_interrupt();
    /// stop.release();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn release(hold: &mut Hold) -> Res<()> {
        hold.release();
        Ok(cancel::check()?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn hold_to_string(hold: &mut Hold) -> String {
        format!("interrupt held{}", if hold.requested() { ", requested" } else { "" })
    }
}
