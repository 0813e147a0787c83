//! `levain definitions [FOLDER]`: declares all callable functions, for the Rhai language server.

use super::FAULT;
use crate::script::{Fault, Host};
use std::path::Path;

pub fn main(folder: &Path) -> u8 {
    let host = Host::new();
    let files: Vec<(String, String)> = host.engine.definitions().with_headers(true).iter_files().collect();
    for (name, text) in &files {
        if let Err(error) = crate::files::write_all("definitions", &folder.join(name), public(text).as_bytes()) {
            eprint!("{}", Fault::from(error));
            return FAULT;
        }
    }
    println!("{} files in {}", files.len(), folder.display());
    0
}

/// Removes functions for the host alone, and replaces types by those that the language server knows.
fn public(text: &str) -> String {
    let kept = text.split("\n\n").filter_map(|block| {
        // a function follows its docs
        let signature = block.lines().find(|line| !line.trim_start().starts_with("//")).unwrap_or_default();
        let name = signature.strip_prefix("fn ").and_then(|rest| rest.split('(').next()).unwrap_or_default();
        // `$`: Rhai's own names of indexing, closures and the like
        let hidden = name.starts_with('_') || name.contains('$') || name.contains("__of_");
        (!hidden).then(|| block.replace(signature, &typed(signature)))
    });
    kept.collect::<Vec<_>>().join("\n\n")
}

/// A signature with Rhai types instead of Rust types.
fn typed(signature: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    // number of open `Res<`, whose `>` must be removed too
    let mut open = 0;
    for c in signature.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        match (word.as_str(), c) {
            ("Res", '<') => {
                open += 1;
                word.clear();
                continue;
            }
            ("List", _) => text.push_str("Array"),
            (other, _) => text.push_str(other),
        }
        word.clear();
        if c == '>' && open > 0 && !text.ends_with('-') {
            open -= 1;
        } else {
            text.push(c);
        }
    }
    text.trim_end_matches('\n').to_string()
}
