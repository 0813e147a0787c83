//! `levain help [NAME] [--search WORDS]`: everything from the registry.

mod html;
mod markdown;
mod pages;
mod rows;
mod search;
mod topic;

pub use search::found;
pub use topic::about;

use super::FAULT;
use crate::script::doc::{self, Doc};
use crate::script::lookup::Catalog;
use crate::script::{Host, registry, stdlib};
use std::fmt::Write;

/// What each folder of natives is about, in the order of a work day.
const NOUNS: &[(&str, &str)] = &[
    ("tensor", "numbers with gradients"),
    ("token", "tokenizers: open, train, extend, encode"),
    ("data", "datasets: open, clean, split, encode, batch"),
    ("clean", "texts of any origin: encodings, normalizing, pages, near duplicates"),
    ("model", "language models: open, forward, loss, generate, resize, LoRA, save"),
    ("train", "optimizers, records, checkpoints"),
    ("ranks", "several processes that share a run"),
    ("measure", "scores and statistics"),
    ("retrieve", "search over text"),
    ("linear", "models without a network: TF-IDF, logistic regression, a tagger"),
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
        (_, Some(words)) => found(&Catalog::of(&host), words),
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
    text.push_str("  levain help --search WORDS      verbs by words of their docs, and by their names in other libraries\n\nnouns: x.verb(…)\n");
    for (noun, what) in NOUNS {
        if functions.iter().any(|function| function.noun == *noun) {
            let _ = writeln!(text, "  {noun:<10} {what}");
        }
    }
    text.push_str("\nstandard library: module::function(…)\n");
    for (module, script) in stdlib::MODULES.iter().filter(|(module, _)| !stdlib::is_inner(module)) {
        let _ = writeln!(text, "  {module:<10} {}", doc::summary(&Doc::of_module(script).text).replace('\n', " "));
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_string() } else { format!("    {line}\n") }).collect()
}
