//! What scripts see of Ctrl-C: a loop may hold it back until its step is whole.

use crate::cancel;
use crate::script::is_interrupted;
use crate::script::prelude::*;
use crate::tensor::rng;
use std::sync::{Arc, Mutex};

/// Holds an interruption back for as long as a copy of it lives, or until it is released.
#[derive(Clone)]
pub struct Hold(Arc<Mutex<Option<Arc<cancel::Hold>>>>);

impl Hold {
    fn requested(&self) -> bool {
        self.held().is_some_and(|hold| hold.is_requested())
    }

    fn held(&self) -> Option<Arc<cancel::Hold>> {
        self.0.lock().ok().and_then(|hold| hold.clone())
    }

    /// What `work` gives, or `()` where it was stopped: then random numbers are as they were before it.
    fn lift(&self, work: impl FnOnce() -> Res<Dynamic>) -> Res<Dynamic> {
        let Some(hold) = self.held() else { return work() };
        let random = rng::with_run(|run| run.clone());
        match hold.lift(work) {
            Err(error) if is_interrupted(&error) => {
                rng::with_run(|run| *run = random);
                Ok(Dynamic::UNIT)
            }
            result => result,
        }
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
        Hold(Arc::new(Mutex::new(Some(Arc::new(cancel::current().hold())))))
    }

    /// Do `work`, letting an interruption through, and give what it gives, or `()` when it was stopped.
    ///
    /// For the part of a step that changes nothing, such as taking a gradient: a loop that holds interruptions back stops
    /// at once there, with all as it was after its last whole step, random numbers too.
    ///
    /// ```rhai
    /// let stop = hold_interrupt();
    /// let loss = stop.lift(|| tensor([1.0, 2.0]).mean().item());
    /// if loss == () { /* save a checkpoint */ stop.release(); }
    /// loss                                     //=> 1.5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lift(ctx: NativeCallContext, hold: Hold, work: FnPtr) -> Res<Dynamic> {
        hold.lift(|| work.call_within_context(&ctx, ()))
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
