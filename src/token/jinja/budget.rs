//! What a template may take. It is a program, perhaps a stranger's.
//!
//! A step is one node of the template, one element of a list that is looked at, or 64 bytes of text that are made. Whatever
//! does more at once pays before it begins, so that nothing runs longer or grows larger than its steps.

use crate::{Error, cancel, limits};

/// Why a rendering ends.
#[derive(Debug)]
pub enum Fault {
    /// What the template does wrong.
    Told(String),
    /// It has taken all its steps.
    Endless,
    /// Something outside asks for an end: the script's limits, or who pressed Ctrl-C.
    Stopped(Box<Error>),
}

pub type Res<T> = Result<T, Fault>;

impl From<String> for Fault {
    fn from(told: String) -> Fault {
        Fault::Told(told)
    }
}

/// A fault that says what is wrong.
macro_rules! fail {
    ($($word:tt)*) => { return Err($crate::token::jinja::budget::Fault::Told(format!($($word)*))) };
}
pub(super) use fail;

/// Bytes of text that cost a step.
const BYTES: usize = 64;
/// Steps between two looks at what is outside.
const LOOK: u64 = 4096;

#[derive(Debug)]
pub struct Budget {
    left: u64,
    /// Steps since the script's own limits were asked.
    unpaid: u64,
}

impl Budget {
    pub fn new(steps: u64) -> Budget {
        Budget { left: steps, unpaid: 0 }
    }

    /// Takes steps before they are done.
    pub fn spend(&mut self, steps: u64) -> Res<()> {
        let Some(left) = self.left.checked_sub(steps) else { return Err(Fault::Endless) };
        self.left = left;
        self.unpaid += steps;
        if self.unpaid >= LOOK { self.settle() } else { Ok(()) }
    }

    /// Takes the steps of a text before it is made.
    pub fn spend_bytes(&mut self, bytes: usize) -> Res<()> {
        self.spend(1 + (bytes / BYTES) as u64)
    }

    /// Counts what was done as operations of the script.
    pub fn settle(&mut self) -> Res<()> {
        let steps = std::mem::take(&mut self.unpaid);
        let asked = cancel::check().and_then(|()| limits::current().charge(steps));
        asked.map_err(|error| Fault::Stopped(Box::new(error)))
    }
}
