//! Where the functions of a session were written. The engine takes all of them for functions of the newest piece, and a
//! closure for one of whoever calls it: so what it says of an error is corrected before anybody reads it.

use super::explain::Spot;
use super::own_names;
use rhai::{AST, EvalAltResult, Position};
use std::collections::HashMap;
use std::sync::Arc;

/// The functions of a session, closures too, by name.
#[derive(Clone, Default)]
pub struct Origins(HashMap<String, Vec<Origin>>);

/// A function, and the text that it is in.
#[derive(Clone)]
struct Origin {
    params: usize,
    source: Arc<str>,
    text: Arc<str>,
    start: Position,
    end: Position,
}

impl Origins {
    /// Notes the functions of a piece, in place of earlier ones of the same names and parameters.
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

    /// Names the pieces in which the functions are that an error went through; `newest` is the piece that was run, whose
    /// text is `text`.
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

/// With how many arguments a function is called at a place of a text, if that is what is there.
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
