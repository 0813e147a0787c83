//! The examples in docs, run as tests: ```` ```rhai ```` blocks in which `//=>` is followed by an expression's printed value.

use super::session::Session;
use super::{Fault, Host, Output};
use rhai::Dynamic;

/// One fenced block of Rhai in some text.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its location: a file, or the function that it documents.
    pub source: String,
    /// The number of its first line in `source`, from 1; in a doc, counted from the doc's beginning.
    pub line: usize,
    pub text: String,
}

/// The ```` ```rhai ```` blocks of a text.
pub fn blocks(source: &str, text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Example> = None;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```").map(str::trim);
        match (&mut open, fence) {
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some("rhai")) => {
                open = Some(Example { source: source.to_string(), line: index + 2, text: String::new() });
            }
            _ => {}
        }
    }
    found
}

/// A part of a block up to an expectation or its end.
struct Step {
    /// Preceded by empty lines that keep its line numbers.
    text: String,
    line: usize,
    expected: Option<String>,
}

fn steps(example: &Example) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut text = "\n".repeat(example.line - 1);
    let mut continued = false;
    for (index, line) in example.text.lines().enumerate() {
        let number = example.line + index;
        // a printed value of several lines continues in the comments below
        if let (true, Some(more), Some(step)) = (continued, line.trim_start().strip_prefix("//"), steps.last_mut())
            && !more.trim_start().starts_with("=>")
        {
            if let Some(expected) = &mut step.expected {
                expected.push('\n');
                expected.push_str(more.trim_end());
            }
            text.push('\n');
            continue;
        }
        continued = false;
        match line.split_once("//=>") {
            Some((code, expected)) => {
                text.push_str(code.trim_end().trim_end_matches(';'));
                steps.push(Step { text, line: number, expected: Some(expected.trim().to_string()) });
                text = "\n".repeat(number);
                continued = true;
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    if !text.trim().is_empty() {
        steps.push(Step { text, line: example.line, expected: None });
    }
    steps
}

/// Runs one block in a scope of its own.
pub fn run(host: &Host, output: &Output, example: &Example) -> Result<(), Fault> {
    host.sources.add(&example.source, &format!("{}{}", "\n".repeat(example.line - 1), example.text));
    let mut session = Session::new();
    for step in steps(example) {
        output.take();
        let result = host.guard(&example.source, || session.run(&host.engine, &example.source, &step.text));
        judge(host, output, example, &step, result)?;
    }
    Ok(())
}

fn judge(
    host: &Host,
    output: &Output,
    example: &Example,
    step: &Step,
    result: Result<Dynamic, Fault>,
) -> Result<(), Fault> {
    let Some(expected) = &step.expected else { return result.map(|_| ()) };
    if let Some(error) = expected.strip_prefix("error:") {
        return match result {
            Err(fault) if alike(&fault.message, error) => Ok(()),
            Err(fault) => Err(unlike(example, step, &format!("error: {}", fault.message), expected)),
            Ok(value) => Err(unlike(example, step, &shown(host, output, &value), expected)),
        };
    }
    let shown = shown(host, output, &result?);
    if alike(&shown, expected) { Ok(()) } else { Err(unlike(example, step, &shown, expected)) }
}

/// The value as `print` shows it; the printed text, if there is no value.
fn shown(host: &Host, output: &Output, value: &Dynamic) -> String {
    let printed = output.take();
    if value.is_unit() && !printed.is_empty() { printed } else { host.show(value) }
}

/// Whether the lines are equal, ignoring spaces around and repeated spaces within them; `…` matches anything.
fn alike(actual: &str, expected: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    matches(&words(actual), &words(expected))
}

fn matches(actual: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = actual.strip_prefix(parts.next().unwrap_or("").trim_end()) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        let part = part.trim();
        match rest.find(part) {
            Some(at) if !part.is_empty() => rest = &rest[at + part.len()..],
            Some(_) => return true,
            None => return false,
        }
    }
    rest.is_empty() || (open && expected.ends_with('…'))
}

fn unlike(example: &Example, step: &Step, actual: &str, expected: &str) -> Fault {
    let mut fault =
        Fault::plain(format!("example: it gives\n    {}\n  and not\n    {expected}", actual.replace('\n', "\n    ")));
    let text = example.text.lines().nth(step.line - example.line).map(str::to_string);
    let column = text.as_deref().map_or(1, |line| 1 + line.len() - line.trim_start().len());
    fault.place = Some(super::Place { source: example.source.clone(), line: step.line, column, text });
    fault
}
