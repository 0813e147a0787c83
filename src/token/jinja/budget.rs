//! The resource limit of a template, which is a possibly untrusted program.
//!
//! A step is one node of the template, one visited element of a list, or 64 bytes of produced text. Larger operations pay in
//! advance, so that nothing runs longer or grows larger than its steps.

use crate::{Error, cancel, limits};

/// Why a rendering stopped.
#[derive(Debug)]
pub enum Fault {
    /// An error of the template.
    Told(String),
    /// It has used all its steps.
    Endless,
    /// A stop from outside: a limit of the script, or Ctrl-C.
    Stopped(Box<Error>),
}

pub type Res<T> = Result<T, Fault>;

impl From<String> for Fault {
    fn from(told: String) -> Fault {
        Fault::Told(told)
    }
}

/// Returns a fault with a message.
macro_rules! fail {
    ($($word:tt)*) => { return Err($crate::token::jinja::budget::Fault::Told(format!($($word)*))) };
}
pub(super) use fail;

/// Bytes of text per step.
const BYTES: usize = 64;
/// Steps between two checks of the outside.
const LOOK: u64 = 4096;

#[derive(Debug)]
pub struct Budget {
    left: u64,
    /// Steps since the last check of the script's own limits.
    unpaid: u64,
}

impl Budget {
    pub fn new(steps: u64) -> Budget {
        Budget { left: steps, unpaid: 0 }
    }

    /// Pays for steps in advance.
    pub fn spend(&mut self, steps: u64) -> Res<()> {
        let Some(left) = self.left.checked_sub(steps) else { return Err(Fault::Endless) };
        self.left = left;
        self.unpaid += steps;
        if self.unpaid >= LOOK { self.settle() } else { Ok(()) }
    }

    /// Pays for a text in advance.
    pub fn spend_bytes(&mut self, bytes: usize) -> Res<()> {
        self.spend(1 + (bytes / BYTES) as u64)
    }

    /// Counts the work done as operations of the script.
    pub fn settle(&mut self) -> Res<()> {
        let steps = std::mem::take(&mut self.unpaid);
        let asked = cancel::check().and_then(|()| limits::current().charge(steps));
        asked.map_err(|error| Fault::Stopped(Box::new(error)))
    }
}
