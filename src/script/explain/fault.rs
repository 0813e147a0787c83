//! The fault of a script: an error's meaning, at the user's own line, and the calls that led to it.

use super::explain;
use crate::script::fault::{innermost, is_interrupted, is_of_host};
use crate::script::sources::{Names, Sources};
use crate::script::{Cause, Fault, Place, compile, own_names, stdlib, tables};
use rhai::{ASTNode, Engine, EvalAltResult, Position, Scope};

/// Makes the fault of the script `source`.
pub fn fault(error: &EvalAltResult, source: &str, sources: &Sources, engine: &Engine) -> Fault {
    let mut sites = sites(error, source);
    let inner = innermost(error);
    let text = sites.last().and_then(|site| sources.text(&site.source)).unwrap_or_default();
    let before = sites.last().map(|site| sources.before(&site.source)).unwrap_or_default();
    if let (EvalAltResult::ErrorDataRace(..), Some(site)) = (inner, sites.last_mut())
        && site.position.is_none()
    {
        site.position = raced(&text, &before, engine);
    }
    let (mut message, help) = explain(inner, &text, &before, engine);
    // option errors of a script function name that function, not `options`
    if let (Some(what), Some(name)) = (message.strip_prefix("options: "), option_taker(&sites)) {
        message = format!("{name}: {what}");
    }
    let cause = match () {
        () if is_interrupted(error) => Cause::Interrupted,
        () if is_of_host(error) => Cause::Host,
        () => Cause::Script,
    };
    // the user's own line, even if the error came from a standard library module that it calls
    let own = |site: &Site| !site.position.is_none() && !stdlib::is_source_name(&site.source);
    let shown = sites.iter().rposition(own).or_else(|| sites.iter().rposition(|site| !site.position.is_none()));
    let place = shown.map(|index| sites[index].place(sources));
    let mut trail = Vec::new();
    if let Some(shown) = shown {
        trail.extend(sites[shown + 1..].iter().rev().filter_map(Site::inside));
        let calls = sites[..shown].iter().zip(&sites[1..=shown]).rev();
        // a native verb that calls a closure has the position of the closure's call
        let calls = calls.filter(|(caller, callee)| caller.at() != callee.at());
        trail.extend(calls.map(|(caller, callee)| {
            let how = if callee.function.is_some() { "called" } else { "imported" };
            format!("in {}, {how} at {}", callee.name(), caller.at())
        }));
    }
    let is_thrown = matches!(inner, EvalAltResult::ErrorRuntime(value, _) if !super::is_error(value));
    Fault { cause, message, help, place, trail, printed: String::new(), is_thrown }
}

/// Position of the first closure of a text that captured its verb's receiver: the engine does not report it.
fn raced(text: &str, before: &Names, engine: &Engine) -> Position {
    let mut found = Position::NONE;
    let mut scope = Scope::new();
    for name in &before.variables {
        scope.push(name.as_str(), ());
    }
    if let Ok(ast) = compile::parsed(engine, &scope, text) {
        ast.walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Expr(chain)) = path.last()
                && let Some((_, position)) = tables::race(chain)
            {
                found = position;
            }
            found.is_none()
        });
    }
    found
}

/// One call on the way to an error: the callee, and the position in it.
struct Site {
    function: Option<String>,
    source: String,
    position: Position,
}

impl Site {
    fn place(&self, sources: &Sources) -> Place {
        let (mut line, mut column) = (self.position.line().unwrap_or(1), self.position.position().unwrap_or(1));
        // the error of a script that ends too early is after its last character
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

    /// For a call below the displayed line. Assertions need no such line.
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
                function = Some(own_names::plain(name).to_string());
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

/// The public standard library function that read its options where the error came from.
fn option_taker(sites: &[Site]) -> Option<String> {
    let inside = sites.iter().rev().take_while(|site| stdlib::is_source_name(&site.source));
    let public =
        |site: &&Site| site.function.as_ref().is_some_and(|name| !name.starts_with(['_', 'a']) || !name.contains('$'));
    inside
        .filter(public)
        .find(|site| !site.name().contains("::_"))
        .map(|site| site.name().trim_matches('`').to_string())
}
