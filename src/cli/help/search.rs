//! Search: `levain help --search WORDS`, and names of other libraries.

use super::rows::rows;
use crate::script::doc::{self, Doc};
use crate::script::explain::foreign_word;
use crate::script::lookup::{Catalog, plain};
use crate::script::registry::Function;
use crate::script::{Fault, Host, stdlib};
use std::sync::LazyLock;

/// Verbs and modules whose names, docs or options contain all the words: matches by name first.
pub fn found(catalog: &Catalog, words: &str) -> Result<String, Box<Fault>> {
    let wanted = plain(words);
    let fits = |text: &str| wanted.split(' ').all(|word| text.contains(word));
    let named = |function: &Function| {
        let names = function.also.iter().map(|also| plain(also)).chain([plain(&function.name)]);
        names.map(|name| if name == wanted { 0 } else { 1 + usize::from(!fits(&name)) }).min().unwrap_or(2)
    };
    let shown = catalog.functions.iter().zip(catalog.texts());
    let mut shown: Vec<&Function> =
        shown.filter(|(function, text)| !function.is_inner && fits(text)).map(|(function, _)| function).collect();
    shown.sort_by_key(|function| named(function));
    let mut lines = rows(shown.into_iter());
    lines.extend(modules(|module, doc| fits(&plain(&format!("{module} {} {}", doc.text, doc.also.join(" "))))));
    match lines.is_empty() {
        true => Err(Box::new(Fault::plain(format!("help: no doc has `{words}`")))),
        false => Ok(listed(&lines)),
    }
}

/// Suggestions for an unknown name: verbs, modules and options with this name in other libraries.
pub fn elsewhere(host: &Host, name: &str) -> Option<String> {
    let catalog = Catalog::of(host);
    let wanted = plain(name);
    let mut lines = rows(catalog.verbs(name).into_iter());
    lines.extend(modules(|_, doc| doc.also.iter().any(|also| plain(also) == wanted)));
    lines.extend(catalog.options(name).into_iter().map(|hit| {
        let verbs: Vec<String> = hit.verbs.iter().map(|verb| format!("`{verb}`")).collect();
        (format!("#{{ {}: … }}", hit.name), format!("an option of {}", verbs.join(", ")))
    }));
    let told = foreign_word(name).map(|help| format!("`{name}`: {help}\n"));
    let found = (!lines.is_empty()).then(|| format!("`{name}` is here:\n\n{}", listed(&lines)));
    (told.is_some() || found.is_some()).then(|| [told, found].into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

/// The public modules of the standard library.
static MODULES: LazyLock<Vec<(&str, Doc)>> = LazyLock::new(|| {
    let shown = stdlib::MODULES.iter().filter(|(module, _)| !stdlib::is_inner(module));
    shown.map(|(module, text)| (*module, Doc::of_module(text))).collect()
});

fn modules(fits: impl Fn(&str, &Doc) -> bool) -> Vec<(String, String)> {
    MODULES
        .iter()
        .filter(|(module, doc)| fits(module, doc))
        .map(|(module, doc)| (format!("{module}::"), doc::summary(&doc.text).replace('\n', " ")))
        .collect()
}

fn listed(lines: &[(String, String)]) -> String {
    let wide = lines.iter().map(|(call, _)| call.chars().count()).max().unwrap_or(0).min(36);
    lines.iter().map(|(call, summary)| format!("{call:<wide$}  {summary}\n")).collect()
}
