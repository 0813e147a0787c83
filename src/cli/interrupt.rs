//! Ctrl-C: the first asks the script to stop, the second ends the process. The same applies to termination requests and to
//! closing the terminal, unless `nohup` made the process ignore the latter.

use crate::cancel::Cancel;
use crate::sync::unpoisoned;
use std::sync::Mutex;

static RUNNING: Mutex<Option<Cancel>> = Mutex::new(None);

/// From now on, Ctrl-C stops the work under `cancel`.
pub fn stops(cancel: &Cancel) {
    let first = lock().replace(cancel.clone()).is_none();
    if first {
        let nohup = Nohup::look();
        // without a handler, Ctrl-C ends the process at once, which is acceptable
        let _ = ctrlc::set_handler(|| match &*lock() {
            Some(cancel) if !cancel.is_asked() => cancel.request(),
            _ => std::process::exit(super::INTERRUPTED.into()),
        });
        nohup.keep();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Cancel>> {
    unpoisoned(RUNNING.lock())
}

/// Whether SIGHUP was ignored when the process started, as under `nohup`: a handler would undo that.
#[cfg(unix)]
struct Nohup(bool);

#[cfg(unix)]
impl Nohup {
    fn look() -> Nohup {
        // SAFETY: without a new action, the call only writes the current one into `old`, which is plain data
        Nohup(unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
        })
    }

    fn keep(self) {
        if self.0 {
            // SAFETY: ignoring a signal installs no code
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        }
    }
}

#[cfg(not(unix))]
struct Nohup;

#[cfg(not(unix))]
impl Nohup {
    fn look() -> Nohup {
        Nohup
    }

    fn keep(self) {}
}
