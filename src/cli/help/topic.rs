//! The page of one name: a verb, a noun, a module, or another library's name for one.

use super::rows::rows;
use super::{NOUNS, indented, search};
use crate::Error;
use crate::script::doc::Doc;
use crate::script::registry::{self, Form, Function};
use crate::script::{Fault, Host, OptionKey, stdlib};
use std::collections::HashSet;
use std::fmt::Write;

/// A noun, a module, or a verb with all its overloads.
pub fn about(host: &Host, name: &str) -> Result<String, Box<Fault>> {
    let functions = registry::functions(host, true);
    let wanted = name.trim_end_matches("()");
    let is_named = |function: &&Function| match wanted.split_once('.') {
        // as in signatures: `grads.clip`
        Some((kind, verb)) => {
            function.name == verb && function.params.first().is_some_and(|(_, of)| of.eq_ignore_ascii_case(kind))
        }
        None => function.name == wanted,
    };
    let named: Vec<&Function> = functions.iter().filter(is_named).collect();
    let within = |function: &&Function| function.noun == wanted && (!function.is_inner || stdlib::is_inner(wanted));
    let noun: Vec<&Function> = functions.iter().filter(within).collect();
    // `tensor` is a verb and a noun: the verb's page ends with the noun's
    let mut text = String::new();
    if !named.is_empty() {
        text.push_str(&verbs(host, &named));
        let related = related(&functions, wanted);
        if !related.is_empty() {
            let _ = writeln!(text, "related: {}", related.join(", "));
        }
    }
    if !noun.is_empty() {
        if !named.is_empty() {
            text.push('\n');
        }
        text.push_str(&contents(wanted, &noun));
    }
    match text.is_empty() {
        true => search::elsewhere(host, wanted).ok_or_else(|| Box::new(unknown(&functions, wanted))),
        false => Ok(text),
    }
}

fn unknown(functions: &[Function], wanted: &str) -> Fault {
    let shown = || functions.iter().filter(|function| !function.is_inner);
    let names = shown().map(|function| function.name.as_str()).chain(shown().map(|function| function.noun.as_str()));
    let member = format!("::{wanted}");
    let home = shown().find(|function| function.name.ends_with(&member)).map(|function| function.name.as_str());
    let error = Error::new("help", format!("nothing is called `{wanted}`"));
    match home {
        Some(home) => error.help(format!("did you mean `{home}`?")),
        None => error.meant(wanted, names).or_help(format!("`levain help --search {wanted}` looks into all docs")),
    }
    .into()
}

/// The page of a verb: overloads with the same doc are grouped.
fn verbs(host: &Host, named: &[&Function]) -> String {
    let mut text = String::new();
    let mut told: Vec<&str> = Vec::new();
    for function in named.iter().filter(|function| !function.doc.is_empty()) {
        if told.contains(&function.doc.as_str()) {
            continue;
        }
        told.push(&function.doc);
        for same in named.iter().filter(|other| other.doc == function.doc) {
            let _ = writeln!(text, "{}", same.signature());
        }
        let _ = writeln!(text, "{}", indented(&function.doc));
        if !function.also.is_empty() {
            let _ = writeln!(text, "    also: {}\n", function.also.join(", "));
        }
    }
    let bare: Vec<String> = named.iter().filter(|function| function.doc.is_empty()).map(|f| f.signature()).collect();
    for signature in &bare {
        let _ = writeln!(text, "{signature}");
    }
    if let Some(function) = named.first() {
        text.push_str(&options(&host.option_keys(&function.name)));
    }
    text
}

/// Verbs whose docs mention this one, and verbs that its own docs mention: in backticks, or called in an example.
fn related(functions: &[Function], wanted: &str) -> Vec<String> {
    let own = functions.iter().filter(|function| function.name == wanted).map(|function| function.doc.as_str());
    let own: HashSet<&str> = own.flat_map(told).collect();
    let mut names: Vec<&str> = functions
        .iter()
        .filter(|function| function.noun != "language" && function.name != wanted && !function.is_inner)
        .filter(|function| own.contains(function.name.as_str()) || told(&function.doc).any(|name| name == wanted))
        .map(|function| function.name.as_str())
        .collect();
    names.dedup();
    // names from its own doc come first
    names.sort_by_key(|name| !own.contains(name));
    // then other verbs of the same receiver, if there are few
    let receivers: HashSet<&str> = functions.iter().filter(|f| f.name == wanted).filter_map(receiver).collect();
    let same = functions
        .iter()
        .filter(|f| f.name != wanted && !f.is_inner && receiver(f).is_some_and(|kind| receivers.contains(kind)));
    let mut same: Vec<&str> = same.map(|function| function.name.as_str()).collect();
    same.dedup();
    if same.len() <= 12 {
        names.extend(same);
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names.into_iter().take(12).map(str::to_string).collect()
}

/// The receiver type of a method or property.
fn receiver(function: &Function) -> Option<&str> {
    let own = matches!(function.form, Form::Method | Form::Property) && function.noun != "language";
    function.params.first().filter(|_| own).map(|(_, kind)| kind.as_str())
}

/// Names in backticks in a doc's prose: the `clip` of `` `grads.clip(1.0)` `` and the `sft::run` of `` `sft::run` ``.
fn told(doc: &str) -> impl Iterator<Item = &str> {
    let prose = doc.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).map(|code| {
        let call = code.split('(').next().unwrap_or_default();
        call.rsplit('.').next().unwrap_or_default()
    })
}

fn options(table: &[OptionKey]) -> String {
    if table.is_empty() {
        return String::new();
    }
    let mut text = String::from("options:\n");
    let wide = table.iter().map(|opt| opt.name.len() + opt.default.len()).max().unwrap_or(0) + 2;
    for opt in table {
        let default = if opt.default.is_empty() { String::new() } else { format!(": {}", opt.default) };
        let _ = writeln!(text, "  {:<wide$}  {}", format!("{}{default}", opt.name), opt.about());
    }
    text.push('\n');
    text
}

/// A noun or module as a list, one line per verb.
fn contents(noun: &str, functions: &[&Function]) -> String {
    let mut text = String::new();
    if let Some((_, script)) = stdlib::MODULES.iter().find(|(name, _)| *name == noun) {
        let _ = writeln!(text, "{noun}\n{}\n", indented(&Doc::of_module(script).text));
    } else {
        let what = NOUNS.iter().find(|(name, _)| *name == noun).map_or("Rhai's own functions", |(_, what)| what);
        let _ = writeln!(text, "{noun}: {what}\n");
    }
    let titles = [
        (Form::Function, "functions"),
        (Form::Method, "methods"),
        (Form::Property, "properties"),
        (Form::Operator, "operators"),
        (Form::Index, "indexing"),
    ];
    for (form, title) in titles {
        let rows = rows(functions.iter().filter(|function| function.form == form).copied());
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        let wide = rows.iter().map(|(call, _)| call.chars().count()).max().unwrap_or(0).min(36);
        for (call, summary) in rows {
            let _ = writeln!(text, "  {call:<wide$}  {summary}");
        }
        text.push('\n');
    }
    text
}
