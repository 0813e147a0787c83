//! One thread's share of the tests: a file or some examples, with an engine of its own.

use super::Outcome;
use super::timeout::Seat;
use crate::script::examples::{self, Example};
use crate::script::fault::Cause;
use crate::script::{Fault, Host, Place, diff, read_script};
use crate::text::counted;
use rhai::{AST, CallFnOptions, Dynamic, Scope, ScriptFnMetadata};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Only tests whose name contains this.
    pub filter: Option<&'a str>,
    pub bless: bool,
}

pub struct Runner<'a> {
    host: Host,
    rules: Rules<'a>,
    seat: Seat<'a>,
    pub outcomes: Vec<Outcome>,
    pub blessed: Vec<PathBuf>,
    /// Functions that look like tests but are not.
    pub left_out: Vec<String>,
}

impl<'a> Runner<'a> {
    pub fn new(rules: Rules<'a>, seat: Seat<'a>) -> Runner<'a> {
        let host = Host::new();
        host.output.capture();
        host.input.close();
        Runner { host, rules, seat, outcomes: Vec::new(), blessed: Vec::new(), left_out: Vec::new() }
    }

    pub fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let text = match read_script(path) {
            Ok(text) => text,
            Err(error) => return self.outcomes.push(Outcome::fault(name, error.into())),
        };
        let golden = Some(path.with_extension("out")).filter(|golden| golden.is_file());
        if let Some(golden) = &golden {
            self.transcript(path, &text, golden);
        }
        let compiled = self.host.guard(&name, || Ok(self.host.compile(&name, &text))).and_then(|compiled| compiled);
        let ast = match compiled {
            Ok(ast) => ast,
            // a transcript may record this very error
            Err(_) if golden.is_some() => return,
            Err(fault) => return self.outcomes.push(Outcome::fault(name, fault)),
        };
        let tests = tests(&ast, &name, &text);
        self.left_out.extend(
            misnamed(&ast, &text)
                .map(|function| format!("{name}: `fn {function}` is not run: the name of a test begins with `test_`")),
        );
        if tests.is_empty() && golden.is_none() {
            return self.one(&name, |host| host.run(&name, &text).map(|_| ()));
        }
        for test in tests {
            let title = format!("{name} {}", test.name);
            if let Some(fault) = test.fault {
                self.outcomes.push(Outcome::fault(title, fault));
                continue;
            }
            self.one(&title, |host| {
                let done = host.guard(&name, || {
                    let options = CallFnOptions::new().eval_ast(true).rewind_scope(false);
                    host.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &ast, &test.name, ())
                });
                if matches!(host.value(done)?.as_bool(), Ok(false)) {
                    return Err(returned_false());
                }
                match host.run_state.ended() {
                    Some(0) => Err(Fault::plain("test: it ended with `exit(0)`: what stands behind that did not run")),
                    _ => Ok(()),
                }
            });
        }
    }

    pub fn examples(&mut self, examples: &[Example]) {
        for example in examples {
            self.one(&format!("{}:{}", example.source, example.line), |host| {
                examples::run(host, &host.output, example)
            });
        }
    }

    /// Compares a script's output and final fault with its transcript.
    fn transcript(&mut self, path: &Path, text: &str, golden: &Path) {
        let name = path.display().to_string();
        let short = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        let mut blessed = None;
        let bless = self.rules.bless;
        self.one(&name, |host| {
            let result = host.run(&name, text);
            let mut printed = host.output.take();
            match result {
                Err(fault) if fault.cause == Cause::Interrupted => return Err(fault),
                Err(fault) => printed += &fault.to_string(),
                Ok(_) => {}
            }
            // independent of the current folder
            let printed = printed.replace(&name, &short);
            let expected = std::fs::read_to_string(golden)
                .map_err(|error| crate::Error::io("test", golden, &error))?
                .replace("\r\n", "\n");
            if printed == expected {
                return Ok(());
            }
            if bless {
                crate::files::write_all("test", golden, printed.as_bytes())?;
                blessed = Some(golden.to_path_buf());
                return Ok(());
            }
            let different = diff::lines(&expected, &printed);
            let mut fault =
                Fault::plain(format!("test: not what {} has (- there, + here)\n{different}", golden.display()));
            fault.help = Some("`levain test --bless` keeps what it prints now".to_string());
            Err(fault)
        });
        self.blessed.extend(blessed);
    }

    fn one(&mut self, name: &str, test: impl FnOnce(&Host) -> Result<(), Fault>) {
        if self.rules.filter.is_some_and(|filter| !name.contains(filter)) {
            return;
        }
        // each test draws the same random numbers, regardless of the order
        crate::rng::seed(0);
        self.host.output.take();
        self.seat.begin(name, &self.host.cancel);
        let result = test(&self.host);
        let result = match self.host.run_state.take_ended() {
            Some(code) if code > 0 && result.is_ok() => {
                Err(Fault::plain(format!("test: it ended with `exit({code})`")))
            }
            _ => result,
        };
        let (time, late) = self.seat.end();
        self.host.cancel.clear();
        let printed = self.host.output.take();
        let fault = result.err().map(|mut fault| {
            if late && fault.cause == Cause::Interrupted {
                fault.message = format!("test: takes longer than {} s", self.seat.limit().as_secs_f64());
                fault.help = Some("`--limit SECONDS` gives tests more time".to_string());
            }
            fault.printed = printed;
            fault
        });
        self.outcomes.push(Outcome { name: name.to_string(), fault, time, ran: true });
    }
}

/// A `fn test_…()` of a script, and the reason if it can't be called.
struct Test {
    name: String,
    fault: Option<Fault>,
}

/// The tests of a script, in order. Includes a `fn test_…` with arguments, which can't be called, unless a test of the same name
/// calls it.
fn tests(ast: &AST, source: &str, text: &str) -> Vec<Test> {
    let named = |f: &ScriptFnMetadata| f.name.starts_with("test_");
    let functions: Vec<_> = ast.iter_functions().filter(named).collect();
    let is_test = |name: &str| functions.iter().any(|f| f.name == name && f.params.is_empty());
    let mut found: Vec<(usize, Test)> = Vec::new();
    for function in &functions {
        let at = text.find(&format!("fn {}(", function.name)).unwrap_or(0);
        let name = function.name.to_string();
        match function.params.len() {
            0 => found.push((at, Test { name, fault: None })),
            _ if is_test(&name) => {}
            count => found.push((at, Test { fault: Some(takes(&name, count, source, text, at)), name })),
        }
    }
    found.sort_by(|(at, test), (other, another)| (at, &test.name).cmp(&(other, &another.name)));
    found.into_iter().map(|(_, test)| test).collect()
}

/// Uncalled functions with names similar to a test's: `fn testSum()`, `fn tests_sum()`, `fn test1()`.
fn misnamed(ast: &AST, text: &str) -> impl Iterator<Item = String> {
    let is_called = |name: &str| text.matches(&format!("{name}(")).count() > 1;
    let is_misnamed =
        move |name: &str| !name.starts_with("test_") && name.to_lowercase().starts_with("test") && !is_called(name);
    let names = ast.iter_functions().filter(|f| f.params.is_empty()).map(|f| f.name.to_string());
    names.filter(move |name| is_misnamed(name)).collect::<Vec<_>>().into_iter()
}

fn returned_false() -> Fault {
    let mut fault = Fault::plain("test: it returned false");
    fault.help = Some("`assert::that(x > 0)` and `assert::eq(a, b)` say what does not hold".to_string());
    fault
}

/// The fault of a test that takes arguments.
fn takes(name: &str, count: usize, source: &str, text: &str, at: usize) -> Fault {
    let mut fault = Fault::plain(format!("test: `{name}` takes {}, and a test takes none", counted(count, "argument")));
    fault.help = Some("a function that tests call has a name that does not begin with `test_`".to_string());
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    let shown = text.lines().nth(line).map(str::to_string);
    fault.place = Some(Place { source: source.to_string(), line: line + 1, column, text: shown });
    fault
}
