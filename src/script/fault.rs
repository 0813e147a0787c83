//! Faults: errors at their place in a script, as `catch` gets them and as a person reads them.

use super::sources::Sources;
use super::{explain, hygiene, stdlib};
use crate::Error;
use crate::error::INTERRUPTED;
use rhai::{Dynamic, Engine, EvalAltResult, Map, Position};
use std::fmt;

/// What a native function that can fail returns to a script.
pub type Res<T> = Result<T, Box<EvalAltResult>>;

impl From<Error> for Box<EvalAltResult> {
    /// Catchable in a script: `catch (e)` gives `e.who`, `e.what`, `e.help`. An interruption or a limit is not.
    fn from(error: Error) -> Self {
        let fields = fields(&error).into();
        match error.is_final() {
            true => EvalAltResult::ErrorTerminated(fields, Position::NONE).into(),
            false => EvalAltResult::ErrorRuntime(fields, Position::NONE).into(),
        }
    }
}

/// An error as scripts see it.
pub fn fields(error: &Error) -> Map {
    let mut fields = Map::new();
    fields.insert("who".into(), error.who().into());
    fields.insert("what".into(), error.what().into());
    fields.insert("help".into(), error.advice().map_or(Dynamic::UNIT, |help| help.to_string().into()));
    fields
}

/// Whether the script was interrupted, between two operations or inside a native verb.
pub fn is_interrupted(error: &EvalAltResult) -> bool {
    let EvalAltResult::ErrorTerminated(token, _) = innermost(error) else { return false };
    match token.read_lock::<Map>() {
        Some(fields) => fields.get("who").is_some_and(|who| who.to_string() == INTERRUPTED),
        None => token.to_string() == INTERRUPTED,
    }
}

/// Why a script ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something in it is wrong.
    Script,
    /// It was asked to stop.
    Interrupted,
    /// levain itself is wrong.
    Internal,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub source: String,
    pub line: usize,
    pub column: usize,
    /// The line itself, where its script is known.
    pub text: Option<String>,
}

/// An error of a script with its place, as a person reads it.
#[derive(Clone, Debug)]
pub struct Fault {
    pub cause: Cause,
    /// `verb: what is wrong`
    pub message: String,
    pub help: Option<String>,
    pub place: Option<Place>,
    /// The calls that led there, the innermost first.
    pub trail: Vec<String>,
    /// What a test had printed before.
    pub printed: String,
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
        }
    }

    /// What went wrong in the script called `source`.
    pub fn new(error: &EvalAltResult, source: &str, sources: &Sources, engine: &Engine) -> Fault {
        let sites = sites(error, source);
        let inner = innermost(error);
        let text = sites.last().and_then(|site| sources.text(&site.source)).unwrap_or_default();
        let (mut message, help) = explain::explain(inner, &text, engine);
        // a script function's options are its own: it tells of them, not `options`
        if let (Some(what), Some(name)) = (message.strip_prefix("options: "), option_taker(&sites)) {
            message = format!("{name}: {what}");
        }
        let cause = if is_interrupted(error) { Cause::Interrupted } else { Cause::Script };
        // the user's own line, even if the error came from a module of the standard library that it calls
        let own = |site: &Site| !site.position.is_none() && !stdlib::is_source_name(&site.source);
        let shown = sites.iter().rposition(own).or_else(|| sites.iter().rposition(|site| !site.position.is_none()));
        let place = shown.map(|index| sites[index].place(sources));
        let mut trail = Vec::new();
        if let Some(shown) = shown {
            trail.extend(sites[shown + 1..].iter().rev().filter_map(Site::inside));
            let calls = sites[..shown].iter().zip(&sites[1..=shown]).rev();
            // a native verb that calls a closure stands where the closure is called from
            let calls = calls.filter(|(caller, callee)| caller.at() != callee.at());
            trail.extend(calls.map(|(caller, callee)| {
                let how = if callee.function.is_some() { "called" } else { "imported" };
                format!("in {}, {how} at {}", callee.name(), caller.at())
            }));
        }
        Fault { cause, message, help, place, trail, printed: String::new() }
    }

    pub fn internal(panic: &str) -> Fault {
        let mut fault = Fault::plain(format!("internal error: {panic}"));
        fault.cause = Cause::Internal;
        fault.help = Some("this is a mistake in levain, please report it with the script".to_string());
        fault
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

/// One call on the way to an error: what was called, and where in it.
struct Site {
    function: Option<String>,
    source: String,
    position: Position,
}

impl Site {
    fn place(&self, sources: &Sources) -> Place {
        let (mut line, mut column) = (self.position.line().unwrap_or(1), self.position.position().unwrap_or(1));
        // a script that ends too early is wrong behind its last character
        let last = sources.text(&self.source).map_or(line, |text| text.trim_end().lines().count().max(1));
        let end = |line| sources.line(&self.source, line).map_or(1, |text| 1 + text.trim_end().chars().count());
        if line > last {
            (line, column) = (last, end(last));
        }
        Place { source: self.source.clone(), line, column, text: sources.line(&self.source, line) }
    }

    fn at(&self) -> String {
        match (self.position.line(), self.position.position()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.source),
            (Some(line), None) => format!("{}:{line}", self.source),
            _ => self.source.clone(),
        }
    }

    fn name(&self) -> String {
        match &self.function {
            Some(name) if name.starts_with("anon$") => "a closure".to_string(),
            Some(name) if stdlib::is_source_name(&self.source) && !name.contains("::") => {
                let module = self.source.trim_start_matches("stdlib/").trim_end_matches(".rhai");
                format!("`{module}::{name}`")
            }
            Some(name) => format!("`{name}`"),
            None => self.source.clone(),
        }
    }

    /// For a call below the line that is shown. Assertions speak for themselves.
    fn inside(&self) -> Option<String> {
        (self.source != "stdlib/assert.rhai" && !self.position.is_none())
            .then(|| format!("inside {}, at {}", self.name(), self.at()))
    }
}

/// From the script to the error, outermost first.
fn sites(error: &EvalAltResult, source: &str) -> Vec<Site> {
    let mut sites = Vec::new();
    let (mut function, mut source, mut error) = (None, source.to_string(), error);
    loop {
        sites.push(Site { function: function.take(), source: source.clone(), position: error.position() });
        match error {
            EvalAltResult::ErrorInFunctionCall(name, callee, inner, _) => {
                function = Some(hygiene::plain(name).to_string());
                if !callee.is_empty() {
                    source = callee.clone();
                }
                error = inner;
            }
            EvalAltResult::ErrorInModule(path, inner, _) => {
                if !path.is_empty() {
                    source = path.clone();
                }
                error = inner;
            }
            _ => return sites,
        }
    }
}

/// The public function of the standard library that read its options where the error came from.
fn option_taker(sites: &[Site]) -> Option<String> {
    let inside = sites.iter().rev().take_while(|site| stdlib::is_source_name(&site.source));
    let public =
        |site: &&Site| site.function.as_ref().is_some_and(|name| !name.starts_with(['_', 'a']) || !name.contains('$'));
    inside
        .filter(public)
        .find(|site| !site.name().contains("::_"))
        .map(|site| site.name().trim_matches('`').to_string())
}

fn innermost(error: &EvalAltResult) -> &EvalAltResult {
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
        // tabs stay tabs, wide characters take two columns, so that the caret stands under its column
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

/// A deep recursion in a few lines.
fn shortened(trail: &[String]) -> Vec<String> {
    if trail.len() <= 8 {
        return trail.to_vec();
    }
    let mut shown = trail[..4].to_vec();
    shown.push(format!("… {} more calls", trail.len() - 6));
    shown.extend_from_slice(&trail[trail.len() - 2..]);
    shown
}
