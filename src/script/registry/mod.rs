//! The registry: every function that scripts can call, with its doc. Help, errors, the checker and the tests of the examples read
//! it.

pub mod function;

pub use function::{Form, Function, indexed, known, members, of_module, returns, script_type};

use super::doc::Doc;
use super::examples::{self, Example};
use super::{Host, stdlib};
use function::{collect, ordered};
use rhai::Engine;
use std::collections::HashMap;

/// Every function, sorted by name: levain's, and with `language` also Rhai's own.
pub fn functions(host: &Host, language: bool) -> Vec<Function> {
    let mut nouns: HashMap<(String, u64), &str> = HashMap::new();
    for (noun, module) in host.nouns() {
        let mut engine = Engine::new_raw();
        engine.register_global_module(module.clone());
        for name in engine.collect_fn_metadata(None, |f| Some((f.metadata.name.to_string(), f.metadata.hash)), false) {
            nouns.insert(name, noun);
        }
    }
    let mut found = collect(&host.engine, language);
    for (function, hash) in &mut found {
        if function.noun.is_empty() {
            let key = (function.name.clone(), *hash);
            function.noun = nouns.get(&key).map_or("script", |noun| noun).to_string();
        }
    }
    ordered(found)
}

/// Every function for Tab and hints: includes Rhai's own, excludes internal ones.
pub fn shown(host: &Host) -> Vec<Function> {
    let mut functions = functions(host, true);
    functions.retain(|function| !function.is_inner);
    functions
}

/// The examples of every function, and of the modules of the standard library as a whole.
pub fn examples(host: &Host) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for function in functions(host, false) {
        for example in examples::blocks(&format!("help {}", function.name), &function.doc) {
            // overloads may share a doc
            if !found.iter().any(|other| other.source == example.source && other.text == example.text) {
                found.push(example);
            }
        }
    }
    for (name, text) in stdlib::MODULES {
        found.extend(examples::blocks(&format!("help {name}"), &Doc::of_module(text).text));
    }
    found
}
