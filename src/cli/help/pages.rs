//! The reference as data: one page per noun, one entry per verb.

use super::NOUNS;
use crate::script::doc::Doc;
use crate::script::registry::{self, Form, Function};
use crate::script::{Host, OptionKey, stdlib};

/// A noun, or a module of the standard library.
pub struct Page {
    pub name: String,
    /// One-line description.
    pub what: String,
    /// The rest of a module's doc.
    pub intro: String,
    pub is_module: bool,
    pub entries: Vec<Entry>,
}

/// A verb in one form, with all its overloads.
pub struct Entry {
    pub name: String,
    pub form: Form,
    pub summary: String,
    /// Overloads with the same doc are grouped.
    pub overloads: Vec<Overload>,
    pub options: Vec<OptionKey>,
}

pub struct Overload {
    pub signatures: Vec<String>,
    pub doc: String,
    /// Search terms.
    pub also: String,
}

impl Entry {
    /// The link anchor: one word, unique on its page.
    pub fn anchor(&self, page: &Page) -> String {
        let word = |c: char| if c.is_alphanumeric() || c == '_' { c.to_string() } else { format!("{:x}", c as u32) };
        let name: String =
            self.name.replace("::", "-").chars().map(|c| if c == '-' { "-".into() } else { word(c) }).collect();
        format!("{}-{}-{name}", page.name, title(self.form))
    }
}

/// The heading of verbs in a form.
pub fn title(form: Form) -> &'static str {
    match form {
        Form::Function => "functions",
        Form::Method => "methods",
        Form::Property => "properties",
        Form::Operator => "operators",
        Form::Index => "indexing",
    }
}

/// All pages: nouns in workflow order, then the standard library.
pub fn pages(host: &Host) -> Vec<Page> {
    let functions = registry::functions(host, false);
    let nouns = NOUNS.iter().map(|(name, what)| (*name, what.to_string(), String::new(), false));
    let modules = stdlib::MODULES.iter().filter(|(name, _)| !stdlib::is_inner(name)).map(|(name, text)| {
        let intro = Doc::of_module(text).text;
        let (first, rest) = intro.split_once("\n\n").unwrap_or((&intro, ""));
        (*name, first.replace('\n', " "), rest.to_string(), true)
    });
    let mut pages = Vec::new();
    for (name, what, intro, is_module) in nouns.chain(modules) {
        let entries = entries(host, functions.iter().filter(|function| function.noun == name && !function.is_inner));
        // `plot` and `measure` are both nouns and modules
        match pages.iter_mut().find(|page: &&mut Page| page.name == name) {
            Some(page) => {
                page.intro = if intro.is_empty() { what } else { format!("{what}\n\n{intro}") };
                page.is_module = true;
            }
            None if entries.is_empty() => {}
            None => pages.push(Page { name: name.to_string(), what, intro, is_module, entries }),
        }
    }
    pages
}

fn entries<'a>(host: &Host, functions: impl Iterator<Item = &'a Function>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for function in functions {
        let place = entries.iter().position(|entry| entry.name == function.name && entry.form == function.form);
        let place = place.unwrap_or_else(|| {
            entries.push(Entry {
                name: function.name.clone(),
                form: function.form,
                summary: String::new(),
                overloads: Vec::new(),
                options: host.option_keys(&function.name),
            });
            entries.len() - 1
        });
        let entry = &mut entries[place];
        if entry.summary.is_empty() {
            entry.summary = function.summary().replace('\n', " ");
        }
        match entry.overloads.iter_mut().find(|overload| overload.doc == function.doc) {
            Some(overload) => overload.signatures.push(function.signature()),
            None => entry.overloads.push(Overload {
                signatures: vec![function.signature()],
                doc: function.doc.clone(),
                also: function.also.join(", "),
            }),
        }
    }
    entries.sort_by(|a, b| (a.form, &a.name).cmp(&(b.form, &b.name)));
    entries
}
