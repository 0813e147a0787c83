//! The catalog: verbs, options and modules, by their search terms.

use crate::script::doc::Doc;
use crate::script::registry::{Form, Function};
use crate::script::{OptionKey, stdlib};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Everything that has a doc.
#[derive(Default)]
pub struct Catalog {
    pub functions: Vec<Function>,
    /// The options of each verb.
    options: BTreeMap<String, Vec<OptionKey>>,
    /// Search terms by option: a key means the same everywhere.
    words: BTreeMap<String, Vec<String>>,
    texts: OnceLock<Vec<String>>,
}

/// Makes the whole catalog, in programs that have one.
static MAKE: OnceLock<fn() -> Catalog> = OnceLock::new();

/// Sets the function that makes the whole catalog, independent of the modules a script has loaded.
pub fn made_by(make: fn() -> Catalog) {
    let _ = MAKE.set(make);
}

/// An option under one of its other names.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionHit {
    pub name: String,
    pub verbs: Vec<String>,
}

impl Catalog {
    pub(super) fn new(functions: Vec<Function>, options: BTreeMap<String, Vec<OptionKey>>) -> Catalog {
        let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in options.values().flatten() {
            words.entry(key.name.clone()).or_default().extend(key.also.iter().map(|also| plain(also)));
        }
        Catalog { functions, options, words, texts: OnceLock::new() }
    }

    /// The whole catalog, independent of the modules a script has loaded; made on first use.
    pub fn whole() -> &'static Catalog {
        static WHOLE: OnceLock<Catalog> = OnceLock::new();
        WHOLE.get_or_init(|| MAKE.get().map(|make| make()).unwrap_or_default())
    }

    /// The verbs with exactly this search term, one overload of each.
    pub fn verbs(&self, word: &str) -> Vec<&Function> {
        let word = plain(word);
        let mut found: Vec<&Function> = Vec::new();
        for function in self.functions.iter().filter(|function| !function.is_inner) {
            let same = |other: &&Function| {
                other.name == function.name && other.form == function.form && receiver(other) == receiver(function)
            };
            if function.also.iter().any(|also| plain(also) == word) && !found.iter().any(&same) {
                found.push(function);
            }
        }
        found
    }

    /// The options with exactly this search term.
    pub fn options(&self, word: &str) -> Vec<OptionHit> {
        let wanted = plain(word);
        let called = self.words.iter().filter(|(_, words)| words.contains(&wanted));
        let hit = |(name, _): (&String, &Vec<String>)| {
            let takes = |keys: &Vec<OptionKey>| keys.iter().any(|key| key.name == *name);
            let verbs = self.options.iter().filter(|(_, keys)| takes(keys)).map(|(verb, _)| verb.clone());
            OptionHit { name: name.clone(), verbs: verbs.collect() }
        };
        called.map(hit).collect()
    }

    /// The standard library modules with exactly this search term.
    pub fn modules(&self, word: &str) -> Vec<&'static str> {
        let word = plain(word);
        let has = |text: &str| Doc::of_module(text).also.iter().any(|also| plain(also) == word);
        stdlib::MODULES.iter().filter(|(_, text)| has(text)).map(|(name, _)| *name).collect()
    }

    /// The searchable text of each function: its names, its doc and its options.
    pub fn texts(&self) -> &[String] {
        self.texts.get_or_init(|| self.functions.iter().map(|function| self.text(function)).collect())
    }

    fn text(&self, function: &Function) -> String {
        let mut text = format!("{} {} {} {}", function.name, function.noun, function.doc, function.also.join(" "));
        for key in self.options.get(&function.name).into_iter().flatten() {
            let words = self.words.get(&key.name).map(|words| words.join(" ")).unwrap_or_default();
            text.push_str(&format!(" {} {} {words}", key.name, key.about()));
        }
        plain(&text)
    }
}

/// The receiver type of a method or property.
fn receiver(function: &Function) -> &str {
    let own = matches!(function.form, Form::Method | Form::Property | Form::Index);
    function.params.first().filter(|_| own).map_or("", |(_, kind)| kind)
}

/// The option among `names` with the search term `word`: `batch_size` for `per_device_train_batch_size`.
pub fn option_of<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let words = &Catalog::whole().words;
    let mut names = names;
    names.find(|name| words.get(*name).is_some_and(|words| words.contains(&wanted)))
}

/// A word in normal form: `requires_grad_`, `requires-grad` and `Requires grad` are equal.
pub fn plain(word: &str) -> String {
    let word = word.to_lowercase().replace(['_', '-'], " ");
    word.split_whitespace().collect::<Vec<_>>().join(" ")
}
