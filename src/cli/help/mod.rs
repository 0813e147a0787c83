//! `levain help [NAME] [--search WORDS]`: help from the registry.

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

/// The topic of each folder of natives, in workflow order.
const NOUNS: &[(&str, &str)] = &[
    ("tensor", "n-dimensional arrays with gradients"),
    ("token", "tokenizers: open, train, extend, encode"),
    ("data", "datasets: open, clean, split, encode, batch"),
    ("clean", "text cleaning: encodings, normalization, HTML, near duplicates"),
    ("model", "language models: open, forward, loss, generate, resize, LoRA, save"),
    ("train", "optimizers, records, checkpoints"),
    ("ranks", "runs shared by several processes"),
    ("measure", "scores and statistics"),
    ("retrieve", "text search"),
    ("linear", "linear models: TF-IDF, logistic regression, a tagger"),
    ("plot", "charts"),
    ("serve", "a model served over HTTP"),
    ("script", "options, arguments, number formatting"),
];

/// Output formats of the whole reference.
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
    let mut text = String::from("levain runs Rhai scripts that train and measure language models.\n\n");
    text.push_str("  levain run FILE [key=value…]    run a script\n");
    text.push_str("  levain check FILE…              check scripts for errors without running them\n");
    text.push_str("  levain test [PATH…]             run tests, and the examples in docs\n");
    text.push_str("  levain repl                     start the interactive prompt\n");
    text.push_str("  levain new NAME                 write a starter experiment\n");
    text.push_str("  levain help NAME                help for a verb, noun or module: `clip`, `tensor`, `sft::run`\n");
    text.push_str("  levain help --search WORDS      verbs by words in their docs, or by other libraries' names\n");
    text.push_str("\nnouns: x.verb(…)\n");
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
