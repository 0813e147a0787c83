//! The reference as one Markdown file.

use super::pages::{Entry, Page, title};
use std::fmt::Write;

pub fn reference(pages: &[Page]) -> String {
    let mut text = format!("# levain {}: reference\n\n", env!("CARGO_PKG_VERSION"));
    for page in pages {
        let _ = writeln!(text, "- [{}](#{}): {}", page.name, page.name, page.what);
    }
    for page in pages {
        let _ = write!(text, "\n## {}\n\n{}\n", page.name, page.what);
        if !page.intro.is_empty() {
            let _ = write!(text, "\n{}\n", page.intro);
        }
        for (index, entry) in page.entries.iter().enumerate() {
            if index == 0 || page.entries[index - 1].form != entry.form {
                let _ = write!(text, "\n### {}: {}\n", page.name, title(entry.form));
            }
            text.push_str(&verb(entry));
        }
    }
    text
}

fn verb(entry: &Entry) -> String {
    let mut text = format!("\n#### `{}`\n", entry.name);
    for overload in &entry.overloads {
        let _ = write!(text, "\n```text\n{}\n```\n\n{}\n", overload.signatures.join("\n"), overload.doc);
        if !overload.also.is_empty() {
            let _ = write!(text, "\nAlso: {}\n", overload.also);
        }
    }
    if !entry.options.is_empty() {
        text.push_str("\n| option | default | |\n|---|---|---|\n");
        for opt in &entry.options {
            let default = if opt.default.is_empty() { String::new() } else { format!("`{}`", opt.default) };
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                opt.name,
                default.replace('|', "\\|"),
                opt.about().replace('|', "\\|")
            );
        }
    }
    text
}
