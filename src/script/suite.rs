//! Tests: `fn test_…()` in scripts, and the examples in docs.

use super::examples::{self, Example};
use super::{Fault, Host, Output, checker, host, registry, stdlib};
use rhai::{CallFnOptions, Dynamic, Scope};
use std::path::{Path, PathBuf};

/// One test: what it is called, and what became of it.
pub struct Outcome {
    pub name: String,
    pub fault: Option<Fault>,
}

/// Runs tests with one engine, and keeps what they print.
pub struct Suite {
    host: Host,
    output: Output,
    filter: Option<String>,
    pub outcomes: Vec<Outcome>,
}

impl Suite {
    /// A suite that runs the tests whose name holds `filter`.
    pub fn new(filter: Option<&str>) -> Suite {
        let host = Host::new();
        let output = host.output.clone();
        output.capture();
        crate::plot::progress::silence();
        let mut suite = Suite { host, output, filter: filter.map(str::to_string), outcomes: Vec::new() };
        for (name, fault) in std::mem::take(&mut suite.host.broken) {
            suite.outcomes.push(Outcome { name: format!("stdlib/{name}.rhai"), fault: Some(fault) });
        }
        for (module, text) in stdlib::MODULES {
            let name = stdlib::source_name(module);
            let faults = checker::check(&mut suite.host, &name, text);
            suite.outcomes.extend(faults.into_iter().map(|fault| Outcome { name: name.clone(), fault: Some(fault) }));
        }
        suite
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fault.is_none()).count()
    }

    pub fn failures(&self) -> impl Iterator<Item = (&str, &Fault)> {
        self.outcomes.iter().filter_map(|outcome| outcome.fault.as_ref().map(|fault| (outcome.name.as_str(), fault)))
    }

    /// The tests of a file: its `fn test_…()`, or the whole of it when it has none; of a Markdown file, its examples.
    pub fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let text = match host::read_script(path) {
            Ok(text) => text,
            Err(error) => return self.add(name, Some(error.into())),
        };
        if path.extension().is_some_and(|ending| ending == "md") {
            return self.examples(&examples::blocks(&name, &text));
        }
        if !text.contains("fn test_") {
            return self.one(&name, |host| host.run(&name, &text).map(|_| ()));
        }
        let ast = match self.host.guard(&name, || Ok(self.host.compile(&name, &text))).and_then(|compiled| compiled) {
            Ok(ast) => ast,
            Err(fault) => return self.add(name, Some(fault)),
        };
        let mut tests: Vec<(usize, String)> = ast
            .iter_functions()
            .filter(|function| function.name.starts_with("test_") && function.params.is_empty())
            .map(|function| (text.find(&format!("fn {}(", function.name)).unwrap_or(0), function.name.to_string()))
            .collect();
        tests.sort();
        for (_, test) in tests {
            self.one(&format!("{name} {test}"), |host| {
                host.guard(&name, || {
                    let options = CallFnOptions::new().eval_ast(true).rewind_scope(false);
                    host.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &ast, &test, ())
                })
                .map(|_| ())
            });
        }
    }

    /// Every test below a folder, in name order.
    pub fn folder(&mut self, path: &Path) {
        for file in scripts(path) {
            self.file(&file);
        }
    }

    /// The examples of all native functions and of the standard library.
    pub fn docs(&mut self) {
        let examples = registry::examples(&self.host);
        self.examples(&examples);
    }

    fn examples(&mut self, examples: &[Example]) {
        for example in examples {
            let output = self.output.clone();
            self.one(&format!("{}:{}", example.source, example.line), |host| examples::run(host, &output, example));
        }
    }

    fn one(&mut self, name: &str, test: impl FnOnce(&Host) -> Result<(), Fault>) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        // each test draws the same random numbers, whichever ran before it
        crate::tensor::rng::seed(0);
        let fault = test(&self.host).err();
        let printed = self.output.take();
        let fault = fault.map(|mut fault| {
            fault.printed = printed;
            fault
        });
        self.add(name.to_string(), fault);
    }

    fn add(&mut self, name: String, fault: Option<Fault>) {
        self.outcomes.push(Outcome { name, fault });
    }
}

/// The `.rhai` files below a folder, in name order.
pub fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|ending| ending == "rhai") {
            found.push(path);
        }
    }
    found
}
