//! Ctrl-C: the first asks the script to stop, the second ends the process.

use crate::cancel::Cancel;
use crate::sync::unpoisoned;
use std::sync::Mutex;

static RUNNING: Mutex<Option<Cancel>> = Mutex::new(None);

/// From now on Ctrl-C stops what runs under `cancel`.
pub fn stops(cancel: &Cancel) {
    let first = lock().replace(cancel.clone()).is_none();
    if first {
        // without a handler Ctrl-C ends the process at once, which is fine too
        let _ = ctrlc::set_handler(|| match &*lock() {
            Some(cancel) if !cancel.is_asked() => cancel.request(),
            _ => std::process::exit(super::INTERRUPTED.into()),
        });
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Cancel>> {
    unpoisoned(RUNNING.lock())
}
