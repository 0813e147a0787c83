//! Deferring Ctrl-C in scripts: a loop finishes its step before it is interrupted.

use crate::script::is_interrupted;
use crate::script::prelude::*;
use crate::tensor::rng;
use crate::{cancel, ranks};
use std::sync::{Arc, Mutex};

/// Defers interrupts until its last copy is dropped, or until it is released.
#[derive(Clone)]
pub struct Interrupt(Arc<Mutex<Option<Arc<cancel::Hold>>>>);

impl Interrupt {
    fn is_pending(&self) -> bool {
        self.held().is_some_and(|hold| hold.is_requested())
    }

    /// Whether a stop was requested in any rank; then all ranks stop.
    fn agrees_to_stop(&self, own: bool) -> Res<bool> {
        let stops = ranks::agreed("whether to stop", own)?;
        if stops {
            cancel::current().request();
        }
        Ok(stops)
    }

    fn held(&self) -> Option<Arc<cancel::Hold>> {
        self.0.lock().ok().and_then(|hold| hold.clone())
    }

    /// Returns the result of `work`, or `()` if it was interrupted in any rank, with the earlier random state. A failure in one
    /// rank is a failure in all.
    fn interruptible(&self, work: impl FnOnce() -> Res<Dynamic>) -> Res<Dynamic> {
        let Some(hold) = self.held() else { return work() };
        let random = rng::state();
        let result = hold.lift(work);
        let stopped = result.as_ref().is_err_and(|error| is_interrupted(error));
        let fault = result.as_ref().err().filter(|_| !stopped).map(|error| fault_text(error));
        let elsewhere = ranks::together("a step's work", fault);
        if let (Ok(_), Err(elsewhere)) = (&result, elsewhere) {
            return Err(elsewhere.into());
        }
        if result.is_err() && !stopped {
            return result;
        }
        if self.agrees_to_stop(stopped)? {
            rng::restore(random);
            return Ok(Dynamic::UNIT);
        }
        result
    }

    fn release(&self) {
        if let Ok(mut hold) = self.0.lock() {
            *hold = None;
        }
    }
}

/// The text of a script's error, for the other ranks.
fn fault_text(error: &EvalAltResult) -> String {
    if let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner()
        && let Some(fields) = value.read_lock::<Map>()
    {
        let field = |name: &str| fields.get(name).map(ToString::to_string).unwrap_or_default();
        return format!("{}: {}", field("who"), field("what"));
    }
    error.to_string()
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Interrupt>("Interrupt");
}

#[export_module]
mod verbs {
    pub type Interrupt = super::Interrupt;

    /// Defers Ctrl-C until the returned handle goes out of scope or is released.
    ///
    /// A loop checks `pending` where it can stop, saves its checkpoint, and calls `release()`, which interrupts it there. All
    /// ranks get the same answer: a stop requested in one applies to all.
    ///
    /// ```rhai
    /// let stop = defer_interrupt();
    /// for step in 0..3 {
    ///     // … a whole step …
    ///     if stop.pending { /* save a checkpoint */ stop.release(); }
    /// }
    /// stop.pending                             //=> false
    /// ```
    ///
    /// also: Ctrl-C, SIGINT, KeyboardInterrupt, signal handler
    pub fn defer_interrupt() -> Interrupt {
        Interrupt(Arc::new(Mutex::new(Some(Arc::new(cancel::current().hold())))))
    }

    /// Runs `work` and lets an interrupt end it; returns its result, or `()` if interrupted.
    ///
    /// For the part of a step that changes nothing, such as computing a gradient: a loop that defers interrupts stops there at
    /// once, in the state of its last complete step, random numbers included.
    ///
    /// ```rhai
    /// let stop = defer_interrupt();
    /// let loss = stop.interruptible(|| tensor([1.0, 2.0]).mean().item());
    /// if loss == () { /* save a checkpoint */ stop.release(); }
    /// loss                                     //=> 1.5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn interruptible(ctx: NativeCallContext, hold: Interrupt, work: FnPtr) -> Res<Dynamic> {
        hold.interruptible(|| work.call_within_context(&ctx, ()))
    }

    /// Returns whether Ctrl-C was pressed since interrupts were deferred.
    ///
    /// ```rhai
    /// defer_interrupt().pending                //=> false
    /// ```
    #[rhai_fn(get = "pending", pure, return_raw)]
    pub fn pending(hold: &mut Interrupt) -> Res<bool> {
        let own = hold.is_pending();
        hold.agrees_to_stop(own)
    }

    /// Ends the deferral; a pending interrupt stops the script here.
    ///
    /// ```rhai
    /// let stop = defer_interrupt();
    /// stop.release();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn release(hold: &mut Interrupt) -> Res<()> {
        hold.release();
        Ok(cancel::check()?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn hold_to_string(hold: &mut Interrupt) -> String {
        format!("interrupts deferred{}", if hold.is_pending() { ", one pending" } else { "" })
    }
}
