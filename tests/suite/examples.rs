//! Every example in a doc, and every `fn test_…()` of `tests/**/*.rhai`, from `cargo test`.

use levain::script::suite::Suite;
use std::path::Path;

/// Runs `tests` on a thread with the stack that scripts have, from the repository's root.
fn run(tests: impl FnOnce(&mut Suite) + Send + 'static) {
    let work = move || {
        let mut suite = Suite::new(None);
        tests(&mut suite);
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
