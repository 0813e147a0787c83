//! Every example in a doc, and every `fn test_…()` of `tests/**/*.rhai`, from `cargo test`.

use levain::script::suite::Suite;
use std::path::Path;

/// Runs `tests` on a thread with the stack that scripts have, from the repository's root.
fn run(tests: impl FnOnce(&mut Suite) + Send + 'static) {
    let work = move || {
        let mut suite = Suite::new(None);
        tests(&mut suite);
        suite.run();
        let failures: Vec<_> = suite.failures().map(|(name, fault)| format!("FAILED {name}\n{fault}")).collect();
        assert!(
            failures.is_empty(),
            "{} of {} failed\n\n{}",
            failures.len(),
            suite.outcomes.len(),
            failures.join("\n")
        );
    };
    let thread = std::thread::Builder::new().stack_size(1 << 29).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn docs() {
    run(|suite| suite.docs());
}

#[test]
fn readme() {
    run(|suite| {
        if Path::new("README.md").exists() {
            suite.file(Path::new("README.md"));
        }
    });
}

#[test]
fn scripts() {
    run(|suite| suite.folder(Path::new("tests")));
}

/// The doc of a verb, identified by its name and receiver, has a sentence and an example; its overloads may share one doc.
#[test]
fn every_function_is_documented() {
    use levain::script::{Host, examples, registry, registry::Form};
    let mut verbs: std::collections::BTreeMap<String, (bool, bool)> = Default::default();
    for function in registry::functions(&Host::new(), false) {
        let receiver = function.params.first().filter(|_| matches!(function.form, Form::Method | Form::Property));
        let receiver = receiver.map_or("", |(_, kind)| kind);
        let verb = format!("{} {:?} {receiver} {}", function.noun, function.form, function.name);
        let (told, shown) = verbs.entry(verb).or_default();
        let first = function.doc.split("\n\n").next().unwrap_or_default();
        *told |= first.starts_with(|c: char| !c.is_lowercase()) && first.trim_end().ends_with(['.', ':']);
        *shown |= !examples::blocks("", &function.doc).is_empty();
    }
    let bare: Vec<String> = verbs
        .iter()
        .filter(|(_, (told, shown))| !(*told && *shown))
        .map(|(verb, (told, _))| format!("{verb}: no {}", if *told { "example" } else { "sentence" }))
        .collect();
    assert!(bare.is_empty(), "{} of {} verbs lack their doc:\n{}", bare.len(), verbs.len(), bare.join("\n"));
}
