//! The origins of a session's functions. The engine attributes all of them to the newest input, and a closure to its caller, so
//! positions in errors are corrected before display.

use super::explain::Spot;
use super::own_names;
use rhai::{AST, EvalAltResult, Position};
use std::collections::HashMap;
use std::sync::Arc;

/// The functions of a session, including closures, by name.
#[derive(Clone, Default)]
pub struct Origins(HashMap<String, Vec<Origin>>);

/// A function and its source text.
#[derive(Clone)]
struct Origin {
    params: usize,
    source: Arc<str>,
    text: Arc<str>,
    start: Position,
    end: Position,
}

impl Origins {
    /// Adds the functions of an input; they replace earlier ones with the same name and parameters.
    pub fn add(&mut self, piece: &AST, source: &str, text: &str) {
        let mut shared: Option<(Arc<str>, Arc<str>)> = None;
        for function in piece.iter_fn_def() {
            let (source, text) = shared.get_or_insert_with(|| (source.into(), text.into())).clone();
            let params = function.params.len();
            let (start, end) = (function.body.start_position(), function.body.end_position());
            let known = self.0.entry(function.name.to_string()).or_default();
            known.retain(|origin| origin.params != params);
            known.push(Origin { params, source, text, start, end });
        }
    }

    /// Sets the source of each function that an error passed through; `newest` is the name of the input that ran, and `text` its
    /// text.
    pub fn correct(&self, error: &mut EvalAltResult, newest: &str, text: &str) {
        let mut caller: Option<Arc<str>> = Some(text.into());
        let mut error = error;
        loop {
            error = match error {
                EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
                    let own = (source == newest || source.is_empty() || is_closure(name))
                        .then(|| self.origin(name, caller.as_deref(), *position, inner.position()))
                        .flatten();
                    if let Some(origin) = own {
                        *source = origin.source.to_string();
                    }
                    caller = own.map(|origin| origin.text.clone());
                    inner
                }
                EvalAltResult::ErrorInModule(_, inner, _) => {
                    caller = None;
                    inner
                }
                _ => return,
            }
        }
    }

    /// The function that was called at `call` of the text `caller`, and failed at `site`.
    fn origin(&self, name: &str, caller: Option<&str>, call: Position, site: Position) -> Option<&Origin> {
        let named = self.0.get(name)?;
        let mut fit: Vec<&Origin> = named.iter().filter(|origin| origin.holds(site)).collect();
        if fit.len() > 1
            && let Some(count) = caller.and_then(|text| arguments(text, name, call))
        {
            fit.retain(|origin| origin.params == count);
        }
        fit.last().copied().or(named.last())
    }
}

impl Origin {
    fn holds(&self, site: Position) -> bool {
        site.is_none() || ((self.start.is_none() || self.start <= site) && (self.end.is_none() || site <= self.end))
    }
}

fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}

/// Number of arguments of the call of a function at a position, if there is one.
fn arguments(text: &str, name: &str, call: Position) -> Option<usize> {
    let spot = Spot::new(text, call);
    if spot.word(0) != own_names::plain(name) || spot.word(1) != "(" {
        return None;
    }
    let close = crate::script::notebook::scan::partner(&spot.parts, spot.at + 1)?;
    let inside = &spot.parts[spot.at + 2..close];
    let mut depth = 0i32;
    let mut commas = 0;
    for part in inside {
        match part.text {
            "(" | "[" | "{" | "#{" | "?[" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," if depth == 0 => commas += 1,
            _ => {}
        }
    }
    Some(if inside.is_empty() { 0 } else { commas + 1 })
}
