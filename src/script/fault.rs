//! Faults: errors with their place in a script, as `catch` receives them and as a person reads them.

use crate::Error;
use crate::error::INTERRUPTED;
use crate::thrown::fields;
use rhai::{EvalAltResult, Map, Position};
use std::fmt;

/// The result of a fallible native function.
pub type Res<T> = Result<T, Box<EvalAltResult>>;

/// A script's fault on its way through a native loop, from which it emerges unchanged.
pub fn carried(who: &str, fault: Box<EvalAltResult>) -> Error {
    Error::new(who, innermost(&fault).to_string()).made_of(fault)
}

/// Whether the script was interrupted, between two operations or inside a native verb.
pub fn is_interrupted(error: &EvalAltResult) -> bool {
    let EvalAltResult::ErrorTerminated(token, _) = innermost(error) else { return false };
    match token.read_lock::<Map>() {
        Some(fields) => fields.get("who").is_some_and(|who| who.to_string() == INTERRUPTED),
        None => token.to_string() == INTERRUPTED,
    }
}

/// The key of an error that reports a panic in the host application.
const PANICKED: &str = "panicked";

/// The error for a panic in a host function: it ends the script, which can't catch it.
pub fn panicked(name: &str, panic: &str) -> Box<EvalAltResult> {
    let mut fields = fields(&Error::new(name, format!("a function of the application panicked: {panic}")));
    fields.insert(PANICKED.into(), true.into());
    EvalAltResult::ErrorTerminated(fields.into(), Position::NONE).into()
}

/// Whether a host function panicked.
pub fn is_of_host(error: &EvalAltResult) -> bool {
    let EvalAltResult::ErrorTerminated(token, _) = innermost(error) else { return false };
    token.read_lock::<Map>().is_some_and(|fields| fields.contains_key(PANICKED))
}

/// Whether the script called `exit`: a closure that a native verb calls reports this as an error.
pub fn is_exit(error: &EvalAltResult) -> bool {
    matches!(innermost(error), EvalAltResult::Exit(..))
}

/// Why a script ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// An error in the script.
    Script,
    /// It was asked to stop.
    Interrupted,
    /// It called `exit(code)` with a nonzero code.
    Exit(u8),
    /// A function or closure of the host application panicked.
    Host,
    /// A bug in levain.
    Internal,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The file, or the name given to the script.
    pub source: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The line itself, if its script is known.
    pub text: Option<String>,
}

/// An error of a script with its place, as a person reads it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Why the script ended.
    pub cause: Cause,
    /// `verb: what is wrong`
    pub message: String,
    /// A suggested fix.
    pub help: Option<String>,
    /// The place in the script.
    pub place: Option<Place>,
    /// The calls that led there, innermost first.
    pub trail: Vec<String>,
    /// The output of a test before it failed.
    pub printed: String,
    /// Whether the message is a value that the script threw, unchanged.
    pub is_thrown: bool,
}

impl Fault {
    /// A fault without a place in a script.
    pub fn plain(message: impl Into<String>) -> Fault {
        Fault {
            cause: Cause::Script,
            message: message.into(),
            help: None,
            place: None,
            trail: Vec::new(),
            printed: String::new(),
            is_thrown: false,
        }
    }

    /// The fault of a script that called `exit(code)`.
    pub fn exit(code: u8) -> Fault {
        let mut fault = Fault::plain(format!("exit: the script ended itself with code {code}"));
        fault.cause = Cause::Exit(code);
        fault
    }

    /// A panic in a closure of the host application.
    pub fn of_host(what: &str, panic: &str) -> Fault {
        let mut fault = Fault::plain(format!("{what}: a closure of the application panicked: {panic}"));
        fault.cause = Cause::Host;
        fault
    }

    /// A panic in either a host function or levain.
    pub fn unclear(panic: &str) -> Fault {
        let mut fault = Fault::plain(format!("panic: a function of the application, or of levain, panicked: {panic}"));
        fault.cause = Cause::Internal;
        fault.help = Some("the program's standard error names the file and line".to_string());
        fault
    }

    /// A panic in levain itself.
    pub fn internal(panic: &str) -> Fault {
        let mut fault = Fault::plain(format!("internal error: {panic}"));
        fault.cause = Cause::Internal;
        fault.help = Some("this is a mistake in levain, please report it with the script".to_string());
        fault
    }
}

impl Fault {
    /// The subject of the message, if it has one, and the rest: `matmul` of `matmul: cannot multiply …`.
    pub fn parts(&self) -> (Option<&str>, &str) {
        match self.message.split_once(": ") {
            Some((who, what)) if !self.is_thrown && !who.contains(char::is_whitespace) => (Some(who), what),
            _ => (None, &self.message),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        let mut fault = Fault::plain(error.to_string());
        fault.help = error.advice().map(str::to_string);
        if error.is_interrupted() {
            fault.cause = Cause::Interrupted;
        }
        fault
    }
}

impl std::error::Error for Fault {}

/// The error itself, without the calls that led to it.
pub fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            innermost(inner)
        }
        _ => error,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

impl Place {
    /// The line, and a caret under the column.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = &self.text else { return Ok(()) };
        let number = self.line.to_string();
        writeln!(f, "{number} | {}", text.trim_end())?;
        // tabs stay tabs and wide characters take two columns, so that the caret is under its column
        let before: String = text.chars().take(self.column.saturating_sub(1)).collect();
        let space: String = before
            .chars()
            .map(|c| match c {
                '\t' => "\t".to_string(),
                c => " ".repeat(unicode_width::UnicodeWidthChar::width(c).unwrap_or(0)),
            })
            .collect();
        writeln!(f, "{} | {space}^", " ".repeat(number.len()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write("error", f)
    }
}

impl Fault {
    /// Writes it as an error, or as a warning.
    pub fn write(&self, level: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{level}: {}", self.message)?;
        if let Some(place) = &self.place {
            writeln!(f, "  {place}")?;
            place.excerpt(f)?;
        }
        for call in shortened(&self.trail) {
            writeln!(f, "  {call}")?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "help: {help}")?;
        }
        Ok(())
    }
}

/// Shortens the trail of a deep recursion to a few lines.
fn shortened(trail: &[String]) -> Vec<String> {
    if trail.len() <= 8 {
        return trail.to_vec();
    }
    let mut shown = trail[..4].to_vec();
    shown.push(format!("… {} more calls", trail.len() - 6));
    shown.extend_from_slice(&trail[trail.len() - 2..]);
    shown
}
