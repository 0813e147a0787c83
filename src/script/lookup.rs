//! What a word means here: verbs, options and modules by their names, and by those that other libraries give them.

use super::doc::{Doc, list};
use super::registry::{self, Form, Function};
use super::{Host, Opt, stdlib};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Everything that has a doc.
pub struct Catalog {
    pub functions: Vec<Function>,
    options: Vec<(&'static str, &'static [Opt])>,
}

/// An option under one of its other names.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionHit {
    pub name: String,
    /// The verbs that take it, where these are known.
    pub verbs: Vec<String>,
}

impl Catalog {
    pub fn of(host: &Host) -> Catalog {
        Catalog { functions: registry::functions(host, false), options: host.option_tables().to_vec() }
    }

    /// The whole of it, whatever a script has loaded; made when it is first asked for.
    pub fn whole() -> &'static Catalog {
        static WHOLE: OnceLock<Catalog> = OnceLock::new();
        WHOLE.get_or_init(|| Catalog::of(&Host::new()))
    }

    /// The verbs that are looked for under exactly this name, of each one overload.
    pub fn verbs(&self, word: &str) -> Vec<&Function> {
        let word = plain(word);
        let mut found: Vec<&Function> = Vec::new();
        for function in self.functions.iter().filter(|function| !function.is_inner) {
            let same = |other: &&Function| {
                other.name == function.name && other.form == function.form && receiver(other) == receiver(function)
            };
            if function.also.iter().any(|also| plain(also) == word) && !found.iter().any(|other| same(other)) {
                found.push(function);
            }
        }
        found
    }

    /// The options that are looked for under exactly this name.
    pub fn options(&self, word: &str) -> Vec<OptionHit> {
        let wanted = plain(word);
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (verb, table) in &self.options {
            for opt in table.iter().filter(|opt| opt.also.iter().any(|also| plain(also) == wanted)) {
                found.entry(opt.name).or_default().push((*verb).to_string());
            }
        }
        for (module, key, words) in module_options() {
            if words.iter().any(|also| plain(also) == wanted) {
                found.entry(key).or_default().push(format!("{module}::"));
            }
        }
        let hit = |(name, verbs): (&str, Vec<String>)| OptionHit { name: name.to_string(), verbs };
        found.into_iter().map(hit).collect()
    }

    /// The modules of the standard library that are looked for under exactly this name.
    pub fn modules(&self, word: &str) -> Vec<&'static str> {
        let word = plain(word);
        let has = |text: &str| Doc::of_module(text).also.iter().any(|also| plain(also) == word);
        stdlib::MODULES.iter().filter(|(_, text)| has(text)).map(|(name, _)| *name).collect()
    }

    /// All that is known of a function as one text: its names, its doc, and the options that it takes.
    pub fn text(&self, function: &Function) -> String {
        let mut text = format!("{} {} {} {}", function.name, function.noun, function.doc, function.also.join(" "));
        for (_, table) in self.options.iter().filter(|(verb, _)| *verb == function.name) {
            for opt in *table {
                text.push_str(&format!(" {} {} {}", opt.name, opt.doc, opt.also.join(" ")));
            }
        }
        if let Some((module, _)) = function.name.split_once("::") {
            for (_, key, words) in module_options().iter().filter(|(home, ..)| *home == module) {
                text.push_str(&format!(" {key} {}", words.join(" ")));
            }
        }
        plain(&text)
    }
}

/// What a method or property is of.
fn receiver(function: &Function) -> &str {
    let own = matches!(function.form, Form::Method | Form::Property | Form::Index);
    function.params.first().filter(|_| own).map_or("", |(_, kind)| kind)
}

/// The option among `names` that is looked for under `word`: `batch_size` for `per_device_train_batch_size`.
pub fn option_of<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let hits = Catalog::whole().options(word);
    let mut names = names;
    names.find(|name| hits.iter().any(|hit| hit.name == *name))
}

/// A word as it is compared: `requires_grad_`, `requires-grad` and `Requires grad` are one.
pub fn plain(word: &str) -> String {
    let word = word.to_lowercase().replace(['_', '-'], " ");
    word.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Options of the standard library with other names: of each its module, its key and the words. A comment behind an
/// option in its table may end with `also: a, b`; of several options on a line, the words are of the first.
pub fn module_options() -> &'static [(&'static str, &'static str, Vec<String>)] {
    static FOUND: OnceLock<Vec<(&'static str, &'static str, Vec<String>)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let of_line = |module: &'static str, line: &'static str| {
            let (code, comment) = line.split_once("//")?;
            let (_, words) = comment.split_once("also:")?;
            let start = code.rfind("#{").map_or(code, |at| &code[at + 2..]).trim_start();
            let key = start.split(':').next().filter(|_| start.contains(':'))?.trim();
            key.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| (module, key, list(words).collect()))
        };
        let of_module = |(module, text): &(&'static str, &'static str)| {
            let (module, text) = (*module, *text);
            text.lines().filter_map(move |line| of_line(module, line)).collect::<Vec<_>>()
        };
        stdlib::MODULES.iter().flat_map(of_module).collect()
    })
}
