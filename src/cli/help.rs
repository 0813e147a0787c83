//! `levain help [NAME] [--search WORDS]`: everything from the registry.

mod html;
mod markdown;
mod pages;

use super::FAULT;
use crate::script::registry::{self, Form, Function};
use crate::script::{Host, Opt, stdlib};
use std::collections::HashSet;
use std::fmt::Write;

/// What each folder of natives is about, in the order of a work day.
const NOUNS: &[(&str, &str)] = &[
    ("tensor", "numbers with gradients"),
    ("token", "tokenizers: open, train, extend, encode"),
    ("data", "datasets: open, clean, split, encode, batch"),
    ("model", "language models: open, forward, loss, generate, resize, LoRA, save"),
    ("train", "optimisers, records, checkpoints"),
    ("measure", "scores and statistics"),
    ("retrieve", "search over text"),
    ("plot", "charts"),
    ("serve", "a model behind HTTP"),
    ("script", "options, arguments, text of numbers"),
];

/// A form of the whole reference.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Format {
    Markdown,
    Html,
}

/// Writes the whole reference to standard output.
pub fn reference(format: Format) -> u8 {
    let host = Host::new();
    let pages = pages::pages(&host);
    let text = match format {
        Format::Markdown => markdown::reference(&pages),
        Format::Html => html::reference(&pages),
    };
    host.output.line(text.trim_end());
    0
}

pub fn main(name: Option<&str>, search: Option<&str>) -> u8 {
    let host = Host::new();
    let text = match (name, search) {
        (_, Some(words)) => found(&host, words),
        (Some(name), None) => about(&host, name),
        (None, None) => Ok(overview(&host)),
    };
    match text {
        Ok(text) => {
            host.output.line(text.trim_end());
            0
        }
        Err(fault) => {
            eprint!("{fault}");
            FAULT
        }
    }
}

/// The nouns, and the modules of the standard library.
pub fn overview(host: &Host) -> String {
    let functions = registry::functions(host, false);
    let mut text = String::from("levain runs scripts in Rhai that train and measure language models.\n\n");
    text.push_str("  levain run FILE [key=value…]    run a script\n");
    text.push_str("  levain check FILE…              find what is wrong with it, without running it\n");
    text.push_str("  levain test [PATH…]             tests and the examples in docs\n");
    text.push_str("  levain repl                     the prompt\n");
    text.push_str(
        "  levain new NAME                 an experiment to begin with\n  levain help NAME                a verb, a noun or a module: `help clip`, `help tensor`, `help sft::run`\n",
    );
    text.push_str("  levain help --search WORDS      verbs whose doc has these words\n\nnouns: x.verb(…)\n");
    for (noun, what) in NOUNS {
        if functions.iter().any(|function| function.noun == *noun) {
            let _ = writeln!(text, "  {noun:<10} {what}");
        }
    }
    text.push_str("\nstandard library: module::function(…)\n");
    for (module, script) in stdlib::MODULES {
        let intro = registry::intro(script);
        let first = intro.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let _ = writeln!(text, "  {module:<10} {}", sentence(&first));
    }
    text
}

/// A noun, a module, or a verb with all its overloads.
pub fn about(host: &Host, name: &str) -> Result<String, Box<crate::script::Fault>> {
    let functions = registry::functions(host, true);
    let wanted = name.trim_end_matches("()");
    let named: Vec<&Function> = functions.iter().filter(|function| function.name == wanted).collect();
    let noun: Vec<&Function> = functions.iter().filter(|function| function.noun == wanted).collect();
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
    if text.is_empty() { Err(Box::new(unknown(&functions, wanted))) } else { Ok(text) }
}

fn unknown(functions: &[Function], wanted: &str) -> crate::script::Fault {
    let mut fault = crate::script::Fault::plain(format!("help: nothing is called `{wanted}`"));
    let nouns = functions.iter().map(|function| function.noun.as_str());
    let names = functions.iter().map(|function| function.name.as_str());
    let member = format!("::{wanted}");
    let home =
        functions.iter().find(|function| function.name.ends_with(&member)).map(|function| function.name.as_str());
    fault.help = Some(match home.or_else(|| crate::nearest(wanted, names.chain(nouns))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`levain help --search {wanted}` looks into all docs"),
    });
    fault
}

/// The page of a verb: overloads with the same doc together.
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
    }
    let bare: Vec<String> = named.iter().filter(|function| function.doc.is_empty()).map(|f| f.signature()).collect();
    for signature in &bare {
        let _ = writeln!(text, "{signature}");
    }
    if let Some(function) = named.first() {
        for (_, table) in host.option_tables().iter().filter(|(verb, _)| *verb == function.name) {
            text.push_str(&options(table));
        }
    }
    text
}

/// Verbs whose docs name this one, and those that its own docs name: in backticks, or called in an example.
fn related(functions: &[Function], wanted: &str) -> Vec<String> {
    let own = functions.iter().filter(|function| function.name == wanted).map(|function| function.doc.as_str());
    let own: HashSet<&str> = own.flat_map(told).collect();
    let mut names: Vec<&str> = functions
        .iter()
        .filter(|function| function.noun != "language" && function.name != wanted)
        .filter(|function| own.contains(function.name.as_str()) || told(&function.doc).any(|name| name == wanted))
        .map(|function| function.name.as_str())
        .collect();
    names.dedup();
    // what its own doc names comes first
    names.sort_by_key(|name| !own.contains(name));
    // then what else the same kind of thing does, where that is not a long list
    let receivers: HashSet<&str> = functions.iter().filter(|f| f.name == wanted).filter_map(receiver).collect();
    let same =
        functions.iter().filter(|f| f.name != wanted && receiver(f).is_some_and(|kind| receivers.contains(kind)));
    let mut same: Vec<&str> = same.map(|function| function.name.as_str()).collect();
    same.dedup();
    if same.len() <= 12 {
        names.extend(same);
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names.into_iter().take(12).map(str::to_string).collect()
}

/// What a method or property is of.
fn receiver(function: &Function) -> Option<&str> {
    let own = matches!(function.form, Form::Method | Form::Property) && function.noun != "language";
    function.params.first().filter(|_| own).map(|(_, kind)| kind.as_str())
}

/// Names in the backticks of a doc's prose: the `clip` of `` `grads.clip(1.0)` `` and the `sft::run` of `` `sft::run` ``.
fn told(doc: &str) -> impl Iterator<Item = &str> {
    let prose = doc.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).map(|code| {
        let call = code.split('(').next().unwrap_or_default();
        call.rsplit('.').next().unwrap_or_default()
    })
}

fn options(table: &[Opt]) -> String {
    let mut text = String::from("options:\n");
    let wide = table.iter().map(|opt| opt.name.len() + opt.default.len()).max().unwrap_or(0) + 2;
    for opt in table {
        let default = if opt.default.is_empty() { String::new() } else { format!(": {}", opt.default) };
        let _ = writeln!(text, "  {:<wide$}  {}", format!("{}{default}", opt.name), opt.doc);
    }
    text.push('\n');
    text
}

/// A noun or module as a list, one line a verb.
fn contents(noun: &str, functions: &[&Function]) -> String {
    let mut text = String::new();
    if let Some((_, script)) = stdlib::MODULES.iter().find(|(name, _)| *name == noun) {
        let _ = writeln!(text, "{noun}\n{}\n", indented(&registry::intro(script)));
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

/// A verb once, with its first call and sentence.
fn rows<'a>(functions: impl Iterator<Item = &'a Function>) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for function in functions {
        let signature = function.signature();
        let call = signature.split(" -> ").next().unwrap_or_default().to_string();
        // operators of one sign stand together whatever they are for
        let key = match function.form {
            Form::Operator => function.name.clone(),
            _ => format!("{} {}", function.name, function.params.first().map_or("", |(_, kind)| kind)),
        };
        match rows.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, summary)) if summary.is_empty() => *summary = function.summary().to_string(),
            Some(_) => {}
            None => rows.push((key, call, function.summary().to_string())),
        }
    }
    rows.into_iter().map(|(_, call, summary)| (call, summary.replace('\n', " "))).collect()
}

/// Verbs whose name, signature or doc has all the words.
fn found(host: &Host, words: &str) -> Result<String, Box<crate::script::Fault>> {
    let functions = registry::functions(host, false);
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let fits = |function: &&Function| {
        let text = format!("{} {} {}", function.name, function.noun, function.doc).to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    let rows = rows(functions.iter().filter(fits));
    if rows.is_empty() {
        return Err(Box::new(crate::script::Fault::plain(format!("help: no doc has `{}`", words.join(" ")))));
    }
    let wide = rows.iter().map(|(call, _)| call.chars().count()).max().unwrap_or(0).min(36);
    Ok(rows.iter().map(|(call, summary)| format!("{call:<wide$}  {summary}\n")).collect())
}

fn sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_string() } else { format!("    {line}\n") }).collect()
}
