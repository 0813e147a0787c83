//! The arrows of the house: who may use whom. Everything else about structure is for people.

use std::path::{Path, PathBuf};

/// What a folder's plain Rust may use of the others. Its `api.rs` and `api/` are glue and may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("tensor", &["kernel"]),
    ("token", &[]),
    ("data", &["token", "tensor"]),
    ("model", &["tensor", "kernel", "token"]),
    ("train", &["tensor", "kernel", "model"]),
    ("plot", &[]),
    ("measure", &["kernel", "tensor", "token", "data", "model", "train", "plot"]),
    ("retrieve", &["kernel", "tensor", "token", "data", "model", "train", "plot"]),
    ("serve", &["kernel", "tensor", "token", "data", "model", "train", "plot"]),
];

/// What nouns may use without being told: the error, the cancel flag, files.
const COMMON: &[&str] = &["bounds", "error", "cancel", "files"];

/// Crates that only some folders may name.
const CRATES: &[(&str, &[&str])] = &[
    ("candle_core", &["tensor", "kernel", "model"]),
    ("candle_nn", &["tensor", "kernel", "model"]),
    ("candle_transformers", &["tensor", "kernel", "model"]),
    ("tokenizers", &["token"]),
    ("rhai", &["script", "cli"]),
    ("rustyline", &["cli"]),
    ("clap", &["cli"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file, without its comments and strings.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let bare = |line: &str| line.split("//").next().unwrap_or_default().split('"').step_by(2).collect::<String>();
    text.lines().map(|line| bare(line) + "\n").collect()
}

/// The first part of every path that follows `prefix`: the `a` and `b` of `crate::a::x` and `crate::{b::y, …}`.
fn named(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut first = true;
                for (index, c) in list.char_indices() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => first = true,
                        c if first && !c.is_whitespace() => {
                            names.push(word(&list[index..]));
                            first = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn arrows() {
    let mut paths = Vec::new();
    sources(Path::new("src"), &mut paths);
    let folders = ["cli", "script"].into_iter().chain(ARROWS.iter().map(|(noun, _)| *noun)).collect::<Vec<_>>();
    let mut wrong = Vec::new();
    for path in paths {
        let inside = path.strip_prefix("src").unwrap();
        let folder = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let is_api = inside.ends_with("api.rs") || inside.components().any(|part| part.as_os_str() == "api");
        let code = code(&path);
        if let Some((_, allowed)) = ARROWS.iter().find(|(noun, _)| *noun == folder) {
            for name in named(&code, "crate::") {
                let other = folders.contains(&name.as_str()) && name != folder;
                let glue = is_api && name != "cli";
                if other && !glue && !allowed.contains(&name.as_str()) && !COMMON.contains(&name.as_str()) {
                    wrong.push(format!("{}: {folder} may not use {name}", path.display()));
                }
            }
        }
        if folder == "script" && named(&code, "crate::").iter().any(|name| name == "cli") {
            wrong.push(format!("{}: script may not use cli", path.display()));
        }
        for (name, allowed) in CRATES {
            let glue = is_api && *name == "rhai";
            if names_crate(&code, name) && !allowed.contains(&folder.as_str()) && !glue {
                wrong.push(format!("{}: may not name the crate {name}", path.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where `unsafe` may stand beside `kernel/`, and how often: mapping files, and setting variables before the first thread.
const UNSAFE: &[(&str, usize)] = &[("src/cli/mod.rs", 1), ("src/data/strings.rs", 2), ("src/files.rs", 1)];

/// Whether a line of code has the word.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn unsafe_lives_in_the_kernels_and_says_why_it_is_sound() {
    let mut paths = Vec::new();
    sources(Path::new("src"), &mut paths);
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let found: Vec<usize> = (0..lines.len()).filter(|at| is_unsafe(lines[*at])).collect();
        let name = path.to_string_lossy().replace('\\', "/");
        let allowed = UNSAFE.iter().find(|(file, _)| *file == name).map_or(0, |(_, count)| *count);
        if !name.starts_with("src/kernel/") && found.len() != allowed {
            wrong.push(format!("{name}: {} unsafe, {allowed} allowed", found.len()));
        }
        for at in found {
            // what a caller must promise, or why this is so: in the lines above, as far as they belong to it
            let above = lines[..at].iter().rev().take(8);
            let told = above.take_while(|line| !line.trim().is_empty()).any(|line| {
                ["// SAFETY: ", "/// # Safety", "// # Safety"].iter().any(|mark| line.trim_start().starts_with(mark))
            });
            let of_trait = lines[at].contains("unsafe fn") || lines[at].contains("unsafe impl Sync");
            if !told && !of_trait {
                wrong.push(format!("{name}:{}: no SAFETY", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files are opened behind one gate, which holds paths against what a script may use. `cli` is the user's own hand,
/// benchmarks and the suite run whole scripts, and the rest reads what the system says of itself.
#[test]
fn files_are_opened_behind_one_gate() {
    const FREE: [&str; 9] = [
        "files.rs",
        "bounds.rs",
        "cli",
        "script/suite.rs",
        "script/suite",
        "measure/bench",
        "measure/api/bench.rs",
        "measure/baseline.rs",
        "kernel/memory.rs",
    ];
    const SIGNS: [&str; 11] = [
        "fs::",
        "File::open",
        "File::create",
        "OpenOptions",
        "read_dir(",
        ".exists()",
        ".is_file()",
        ".is_dir()",
        ".canonicalize()",
        "tempfile::",
        "Command::new",
    ];
    let mut paths = Vec::new();
    sources(Path::new("src"), &mut paths);
    let mut wrong = Vec::new();
    for path in paths {
        let inside = path.strip_prefix("src").unwrap();
        if FREE.iter().any(|free| inside.starts_with(free)) {
            continue;
        }
        for (index, line) in code(&path).lines().enumerate() {
            // an open file tells of itself, and a checkpoint whether it is there
            let own = line.starts_with("use ")
                || ["meta.is_", "facts.is_", "point.exists"].iter().any(|own| line.contains(own));
            if let Some(sign) = SIGNS.iter().find(|sign| !own && line.contains(**sign)) {
                wrong.push(format!("{}:{}: `{sign}` beside crate::files", path.display(), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
