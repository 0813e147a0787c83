//! The options of functions of the standard library, read off their text: `options("sft::run", train::OPTIONS + #{ … }, given)`.

use super::super::stdlib::MODULES;
use super::scan::{self, Kind, Part, partner, parts};

/// The keys that `module::function` takes, each with its default as it is written.
pub fn of(function: &str) -> Vec<(String, String)> {
    let Some((module, name)) = function.split_once("::") else { return Vec::new() };
    let Some(text) = text_of(module) else { return Vec::new() };
    let mut found = Vec::new();
    for defined in scan::functions(text).into_iter().filter(|defined| defined.name == name) {
        let body = meaning(&text[defined.start..defined.end]);
        let call = body.windows(2).position(|two| two[0].text == "options" && two[1].is("("));
        let Some(close) = call.and_then(|at| partner(&body, at + 1)) else { continue };
        let inside = &body[call.map_or(0, |at| at + 2)..close];
        found.extend(arguments(inside).into_iter().flat_map(|argument| keys(module, argument)));
    }
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

fn text_of(module: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == module).map(|(_, text)| *text)
}

fn meaning(text: &str) -> Vec<Part<'_>> {
    parts(text).into_iter().filter(|part| !matches!(part.kind, Kind::Space | Kind::Comment)).collect()
}

/// The arguments of a call, apart at its own commas.
fn arguments<'p, 'a>(inside: &'p [Part<'a>]) -> Vec<&'p [Part<'a>]> {
    let mut depth = 0;
    let commas = |part: &Part| {
        match part.text {
            "(" | "[" | "{" | "#{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && part.is(",")
    };
    inside.split(commas).collect()
}

/// The keys of `#{ … }`, `global::NAME`, `module::NAME`, and of sums of them.
fn keys(module: &str, defaults: &[Part]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, part) in defaults.iter().enumerate() {
        if part.is("#{")
            && let Some(close) = partner(defaults, at)
        {
            found.extend(arguments(&defaults[at + 1..close]).into_iter().filter_map(pair));
            return found;
        }
        if let [owner, colons, name, ..] = &defaults[at..]
            && colons.is("::")
        {
            let home = if owner.text == "global" { module } else { owner.text };
            let Some(text) = text_of(home) else { continue };
            let all = meaning(text);
            let constant = |three: &[Part]| three[0].text == "const" && three[1].text == name.text && three[2].is("=");
            if let Some(start) = all.windows(3).position(constant) {
                let value = &all[start + 3..];
                let end = value.iter().position(|part| part.is(";")).unwrap_or(value.len());
                found.extend(keys(home, &value[..end]));
            }
        }
    }
    found
}

fn pair(written: &[Part]) -> Option<(String, String)> {
    let [key, colon, value @ ..] = written else { return None };
    let value = value.iter().map(|part| part.text).collect::<Vec<_>>().concat();
    colon.is(":").then(|| (key.text.to_string(), value))
}
