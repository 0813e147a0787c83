//! The registry: every public function of a host, with what it says about itself.

use super::Host;
use super::examples::{self, Example};
use serde_json::Value;

/// One public function.
#[derive(Clone, Debug)]
pub struct Function {
    /// `clip`, or `sft::run`.
    pub name: String,
    pub signature: String,
    pub doc: String,
}

/// All public functions, in name order.
pub fn functions(host: &Host) -> Vec<Function> {
    let Ok(json) = host.engine.gen_fn_metadata_to_json(false) else { return Vec::new() };
    let Ok(root) = serde_json::from_str::<Value>(&json) else { return Vec::new() };
    let mut found = Vec::new();
    collect(&root, "", &mut found);
    found.sort_by(|a, b| (&a.name, &a.signature).cmp(&(&b.name, &b.signature)));
    found
}

fn collect(module: &Value, prefix: &str, found: &mut Vec<Function>) {
    for function in module["functions"].as_array().into_iter().flatten() {
        let name = function["name"].as_str().unwrap_or_default();
        if name.starts_with('_') || name.starts_with("anon$") || function["access"] == "private" {
            continue;
        }
        let doc = function["docComments"].as_array().into_iter().flatten().filter_map(Value::as_str);
        found.push(Function {
            name: format!("{prefix}{name}"),
            signature: function["signature"].as_str().unwrap_or_default().to_string(),
            doc: plain(&doc.collect::<Vec<_>>().join("\n")),
        });
    }
    for (name, module) in module["modules"].as_object().into_iter().flatten() {
        collect(module, &format!("{prefix}{name}::"), found);
    }
}

/// A doc comment without its slashes.
fn plain(comment: &str) -> String {
    let lines = comment.lines().map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).trim_end()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The examples of every function, and of the modules of the standard library as a whole.
pub fn examples(host: &Host) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for function in functions(host) {
        for example in examples::blocks(&format!("help {}", function.name), &function.doc) {
            // overloads may share a doc
            if !found.iter().any(|other| other.source == example.source && other.text == example.text) {
                found.push(example);
            }
        }
    }
    for (name, text) in super::stdlib::MODULES {
        let intro: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        found.extend(examples::blocks(&format!("help {name}"), &plain(&intro.join("\n"))));
    }
    found
}
