//! Code in the documents can be pasted into a file, into the prompt, and into a shell.

use levain::script::examples::{self, Example};
use levain::script::notebook::{Notebook, scan};
use std::path::{Path, PathBuf};
use std::process::Command;

/// README.md, the pages beside it and in docs/.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from).to_vec();
    found.extend(std::fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()));
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found.sort();
    found
}

fn blocks(path: &Path) -> Vec<Example> {
    examples::blocks(&path.display().to_string(), &std::fs::read_to_string(path).unwrap())
}

/// Blocks that show an error are not programs.
fn whole(block: &Example) -> bool {
    !block.text.contains("//=> error:")
}

fn run(script: &str, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pasted.rhai");
    std::fs::write(&path, script).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_levain")).arg("run").arg(&path).output().unwrap();
    assert!(done.status.success(), "{what}\n{}", String::from_utf8_lossy(&done.stderr));
}

/// On a thread with the stack that scripts have.
fn deep(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 29).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn blocks_run_as_files_each_and_all_of_a_page_together() {
    for path in documents() {
        let blocks: Vec<Example> = blocks(&path).into_iter().filter(whole).collect();
        for block in &blocks {
            run(&block.text, &format!("{}:{}", block.source, block.line));
        }
        let all: String = blocks.iter().map(|block| block.text.as_str()).collect();
        if !all.is_empty() {
            run(&all, &format!("all blocks of {}, one after the other", path.display()));
        }
    }
}

#[test]
fn blocks_run_at_the_prompt_pasted_whole_and_line_by_line() {
    deep(|| {
        for path in documents() {
            let mut pasted = Notebook::new();
            let mut typed = Notebook::new();
            for block in blocks(&path).into_iter().filter(whole) {
                let place = format!("{}:{}", block.source, block.line);
                // beside the file that the same block writes, perhaps at this moment
                let text = block.text.replace("\"out/", "\"out/prompt/");
                if let Err(fault) = pasted.run(&text).result {
                    panic!("{place}: {fault}");
                }
                // a terminal without bracketed paste sends line after line, and an input runs as soon as it is complete
                let mut input = String::new();
                for line in text.lines() {
                    input += line;
                    input.push('\n');
                    if !scan::is_incomplete(&input)
                        && let Err(fault) = typed.run(&std::mem::take(&mut input)).result
                    {
                        panic!("{place}, line by line: {fault}");
                    }
                }
                assert!(input.trim().is_empty(), "{place}: an input stays open:\n{input}");
            }
        }
    });
}

/// The shell lines in a document: those of fenced blocks that begin with a levain command.
fn commands(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced && line.trim_start().starts_with("levain ") {
            found.push(line.trim().split("   #").next().unwrap_or_default().to_string());
        }
    }
    found
}

#[test]
fn commands_of_the_documents_are_ones_that_levain_takes() {
    for path in documents() {
        for command in commands(&std::fs::read_to_string(&path).unwrap()) {
            let words = command.split_whitespace();
            if let Err(error) = levain::cli::parses(words) {
                panic!("{}: `{command}`: {error}", path.display());
            }
        }
    }
}

/// The links of the documents to files of the repository.
#[test]
fn links_lead_to_files_that_are_there() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !file.contains(char::is_whitespace) {
                let full = path.parent().unwrap_or(Path::new("")).join(file);
                assert!(full.exists(), "{}: `{target}` is not there", path.display());
            }
        }
    }
}

/// Files and folders that the documents name in backticks.
#[test]
fn paths_of_the_documents_are_there() {
    const ROOTS: [&str; 10] = ["src", "core", "stdlib", "scripts", "tests", "docs", "candle", "fuzz", ".ci", ".github"];
    let mut missing = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let outside = text.split("```").step_by(2);
        for name in outside.flat_map(|text| text.split('`').skip(1).step_by(2)) {
            let pattern = name.contains([' ', '*', '{', '…', '\n']) || name.contains("NAME") || name.contains("NOUN");
            let of_a_run = name.contains("TARGET");
            let file = ROOTS.iter().any(|root| name.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')));
            if file && !pattern && !of_a_run && !Path::new(name).exists() {
                missing.push(format!("{}: `{name}`", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
