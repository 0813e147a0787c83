//! The sources as the tests of structure read them: which file uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Root folders of the sources: the ground with its kernels, and levain on it, which re-exports the ground's modules under its
/// own name.
pub const ROOTS: [&str; 2] = ["core/src", "src"];

/// A file below one of the roots.
pub struct Source {
    /// From the root on, with slashes: `kernel/gemm/mod.rs`.
    pub name: String,
    /// With the root.
    pub path: PathBuf,
    /// As modules: `["kernel", "gemm"]`.
    pub module: Vec<String>,
    /// Without comments and string contents.
    pub code: String,
    pub lines: usize,
}

/// Target of a path: the file that defines its last item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub from: String,
    pub to: String,
    /// As written, made absolute.
    pub path: String,
}

pub struct House {
    pub files: Vec<Source>,
    by_module: BTreeMap<Vec<String>, usize>,
    /// Re-exports by `pub use` in another module: (module, name) to a path.
    offered: BTreeMap<(Vec<String>, String), Vec<String>>,
    /// Modules that a module re-exports whole.
    globs: BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

impl House {
    pub fn read() -> House {
        let files: Vec<Source> = ROOTS.iter().flat_map(|root| sources(Path::new(root))).collect();
        let by_module = files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        let mut house = House { files, by_module, offered: BTreeMap::new(), globs: BTreeMap::new() };
        for file in &house.files {
            for (path, name, module, _) in uses(file, &house).into_iter().filter(|(.., public)| *public) {
                if module != file.module {
                    continue;
                }
                if name == "*" {
                    house.globs.entry(module).or_default().push(path);
                } else {
                    house.offered.insert((module, name), path);
                }
            }
        }
        house
    }

    fn is_module(&self, path: &[String]) -> bool {
        self.by_module.contains_key(path)
    }

    /// The file that defines the target of an absolute path.
    fn home(&self, path: &[String], depth: usize) -> Option<&Source> {
        let mut at = 0;
        while at < path.len() && self.is_module(&path[..at + 1]) {
            at += 1;
        }
        let module = &path[..at];
        let Some(item) = path.get(at) else { return self.by_module.get(module).map(|at| &self.files[*at]) };
        if depth < 8 {
            if let Some(to) = self.offered.get(&(module.to_vec(), item.clone())) {
                let whole: Vec<String> = to.iter().chain(&path[at + 1..]).cloned().collect();
                return self.home(&whole, depth + 1);
            }
            for glob in self.globs.get(module).into_iter().flatten() {
                let Some(file) = self.by_module.get(glob).map(|at| &self.files[*at]) else { continue };
                let inside: Vec<String> = glob.iter().chain([item]).cloned().collect();
                if defines(&file.code, item) || self.offered.contains_key(&(glob.clone(), item.clone())) {
                    return self.home(&inside, depth + 1);
                }
            }
        }
        self.by_module.get(module).map(|at| &self.files[*at])
    }

    /// All uses of other files.
    pub fn uses(&self) -> BTreeSet<Use> {
        let mut found = BTreeSet::new();
        for file in &self.files {
            let offers = |path: &[String], name: &str, module: &[String]| {
                self.offered.get(&(module.to_vec(), name.to_string())).is_some_and(|to| to == path)
            };
            for (path, name, module, public) in uses(file, self) {
                // a folder's module does not use its own re-exports
                if public && (name == "*" || offers(&path, &name, &module)) {
                    continue;
                }
                if let Some(home) = self.home(&path, 0).filter(|home| home.name != file.name) {
                    found.insert(Use { from: file.name.clone(), to: home.name.clone(), path: path.join("::") });
                }
            }
        }
        found
    }

    /// Cycles of files that use one another, by the edges among them.
    pub fn circles(uses: &BTreeSet<(String, String)>) -> Vec<BTreeSet<String>> {
        let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in uses {
            reach.entry(from).or_default().insert(to);
        }
        let reached = |start: &str| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
            while let Some(file) = next.pop() {
                for to in reach.get(file).into_iter().flatten() {
                    if seen.insert(*to) {
                        next.push(to);
                    }
                }
            }
            seen
        };
        let all: BTreeMap<&str, BTreeSet<&str>> = reach.keys().map(|file| (*file, reached(file))).collect();
        let mut circles: Vec<BTreeSet<String>> = Vec::new();
        for (file, seen) in &all {
            if seen.contains(file) && !circles.iter().any(|circle| circle.contains(*file)) {
                let back = |other: &&&str| all.get(**other).is_some_and(|seen| seen.contains(file));
                circles.push(seen.iter().filter(back).map(|file| file.to_string()).collect());
            }
        }
        circles
    }
}

fn sources(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(root, &mut paths);
    paths.sort();
    paths.iter().map(|path| source(root, path)).collect()
}

pub fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn source(root: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_string).collect();
    if module.last().is_some_and(|last| last == "mod") || name == "lib.rs" {
        module.pop();
    }
    Source { lines: text.lines().count(), code: bare(&text), path: path.to_path_buf(), name, module }
}

/// A text without comments and string contents. A lifetime is not the start of a character.
pub fn bare(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let (mut code, mut at) = (String::with_capacity(text.len()), 0);
    let next = |at: usize, by: usize| signs.get(at + by).copied().unwrap_or(' ');
    while at < signs.len() {
        match signs[at] {
            '/' if next(at, 1) == '/' => {
                while at < signs.len() && signs[at] != '\n' {
                    at += 1;
                }
            }
            '"' => {
                // `r#"`: until the quote and the same number of signs
                let hashes = code.chars().rev().take_while(|sign| *sign == '#').count();
                let raw = code.trim_end_matches('#').ends_with('r');
                code.push('"');
                at += 1;
                while at < signs.len() {
                    let closes = (1..=hashes).all(|by| next(at, by) == '#');
                    if signs[at] == '"' && (!raw || closes) {
                        break;
                    }
                    if signs[at] == '\n' {
                        code.push('\n');
                    }
                    at += 1 + usize::from(signs[at] == '\\' && !raw);
                }
                code.push('"');
                at += 1;
            }
            '\'' if next(at, 2) == '\'' || next(at, 1) == '\\' => {
                at += if next(at, 1) == '\\' { 3 } else { 2 };
                while at < signs.len() && signs[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            sign => {
                code.push(sign);
                at += 1;
            }
        }
    }
    code
}

/// Whether the code of a file defines an item of this name.
fn defines(code: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "union", "macro_rules!"].iter().any(|kind| {
        code.match_indices(&format!("{kind} {name}")).any(|(at, found)| {
            let after = code[at + found.len()..].chars().next().unwrap_or(' ');
            !after.is_alphanumeric() && after != '_'
        })
    })
}

/// A path used by a file, made absolute: (path, the name it is bound to, module, whether it is public).
type Named = (Vec<String>, String, Vec<String>, bool);

fn uses(file: &Source, house: &House) -> Vec<Named> {
    let words = tokens(&file.code);
    let mut found = Vec::new();
    // open modules inside the file, with the depth of their braces
    let (mut inner, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while at < words.len() {
        let module: Vec<String> = file.module.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect();
        match words[at].as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.retain(|(_, open)| *open <= depth);
            }
            "mod" if words.get(at + 2).is_some_and(|word| word == "{") => {
                depth += 1;
                inner.push((words[at + 1].clone(), depth));
                at += 2;
            }
            "use" => {
                let public = at > 0 && (words[at - 1] == "pub" || words[at - 1] == ")");
                let end = (at..words.len()).find(|end| words[*end] == ";").unwrap_or(words.len());
                tree(&words[at + 1..end], &[], &mut |path, name| {
                    if let Some(path) = absolute(path, &module, inner.len(), house) {
                        found.push((path, name.to_string(), module.clone(), public));
                    }
                });
                at = end;
            }
            word if is_name(word) && words.get(at + 1).is_some_and(|next| next == "::") => {
                let mut path = vec![word.to_string()];
                while words.get(at + 1).is_some_and(|next| next == "::")
                    && words.get(at + 2).is_some_and(|next| is_name(next))
                {
                    path.push(words[at + 2].clone());
                    at += 2;
                }
                if let Some(path) = absolute(&path, &module, inner.len(), house) {
                    found.push((path, String::new(), module.clone(), false));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// A path from the crate's root on; `None` for a path into another crate, or one whose start another `use` has imported.
fn absolute(path: &[String], module: &[String], inner: usize, house: &House) -> Option<Vec<String>> {
    let mut at = 0;
    let mut base: Vec<String> = match path.first()?.as_str() {
        "crate" => {
            at = 1;
            Vec::new()
        }
        "self" | "super" => {
            let mut base = module.to_vec();
            while let Some(word @ ("self" | "super")) = path.get(at).map(String::as_str) {
                if word == "super" {
                    base.pop();
                }
                at += 1;
            }
            base
        }
        first => {
            // a module of the file's own
            let own = &module[..module.len() - inner];
            let child: Vec<String> = own.iter().cloned().chain([first.to_string()]).collect();
            if own.is_empty() || !house.is_module(&child) {
                return None;
            }
            own.to_vec()
        }
    };
    // modules inside a file are the file
    while base.len() > 1 && !house.is_module(&base) {
        base.pop();
    }
    base.extend(path[at..].iter().cloned());
    Some(base)
}

/// Every leaf of a `use`, with the name it is bound to.
fn tree(words: &[String], before: &[String], leaf: &mut dyn FnMut(&[String], &str)) {
    let mut path = before.to_vec();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "{" => {
                let (mut depth, mut start) = (0, at + 1);
                for (end, word) in words.iter().enumerate().skip(at) {
                    match word.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || depth == 1 && word == "," {
                        if start < end {
                            tree(&words[start..end], &path, leaf);
                        }
                        start = end + 1;
                    }
                    if depth == 0 {
                        break;
                    }
                }
                return;
            }
            "*" => return leaf(&path, "*"),
            "as" => {
                let name = words.get(at + 1).cloned().unwrap_or_default();
                return leaf(&path, &name);
            }
            "::" => {}
            "self" if !path.is_empty() => {}
            name => path.push(name.to_string()),
        }
        at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    leaf(&path, &name);
}

fn is_name(word: &str) -> bool {
    word.starts_with(|sign: char| sign.is_alphabetic() || sign == '_')
}

/// Names, `::`, and every other sign.
fn tokens(code: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), code);
    while let Some(sign) = rest.chars().next() {
        let length = if is_name(rest) {
            rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            sign.len_utf8()
        };
        if !sign.is_whitespace() {
            words.push(rest[..length].to_string());
        }
        rest = &rest[length..];
    }
    words
}
