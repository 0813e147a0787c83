//! The floors of the house: which file may use which. Other rules of structure are left to people.

mod source;

use source::{House, ROOTS, collect};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the ground up. A file uses its own noun and the floors below; nouns of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &[
        "error", "text", "limits", "memory", "cancel", "scoped", "files", "ranks", "regular", "number", "progress",
        "resume", "rng", "sync", "tasks", "thrown",
    ],
    &["kernel", "format", "hub"],
    &["tensor"],
    &["token"],
    &["data"],
    &["clean"],
    &["model"],
    &["train"],
    &["measure", "retrieve", "linear", "search"],
    &["serve"],
];

/// Beside the floors: output for people. It uses the ground, and every floor above the ground may use it.
const BESIDE: &str = "plot";

/// Further allowed uses: (user, used, why). An arrow up the floors is a fault unless it is listed here with a reason.
const ARROWS: &[(&str, &str, &str)] = &[];

/// Files of a noun that use each other in a cycle: part of their names, and the reason.
const CIRCLES: &[(&[&str], &str)] = &[(
    &["tensor/flow.rs", "tensor/grads.rs", "tensor/tape.rs", "tensor/timing.rs"],
    "one idea: a tensor gives gradients, and gradients flow along tensors",
)];

/// Crates that only some folders may name. `api` is a noun's `api/`.
const CRATES: &[(&str, &[&str])] = &[
    ("candle_core", &["kernel", "tensor", "format"]),
    ("levain_candle", &["model"]),
    ("gemm", &["kernel"]),
    ("safetensors", &["format"]),
    ("memmap2", &["files", "format", "data"]),
    ("crc32fast", &["files"]),
    ("tokenizers", &["token"]),
    ("jieba_rs", &["token"]),
    ("yada", &["token"]),
    ("arrow_array", &["data"]),
    ("arrow_buffer", &["data"]),
    ("arrow_schema", &["data"]),
    ("parquet", &["data"]),
    ("csv", &["data"]),
    ("encoding_rs", &["data"]),
    ("chardetng", &["data"]),
    ("zip", &["data", "format"]), // a module of that name reads PyTorch's
    ("tar", &["data"]),
    ("self_cell", &["data"]),
    ("unicode_normalization", &["clean"]),
    ("html5ever", &["clean"]),
    ("twox_hash", &["clean"]),
    ("whatlang", &["clean"]),
    ("scoped_tls", &["script"]),
    ("resvg", &["plot"]),
    ("indicatif", &["plot"]),
    ("rhai", &["script", "cli", "nouns", "lib", "api", "thrown"]),
    ("rustyline", &["cli"]),
    ("nix", &["cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("ctrlc", &["cli"]),
    ("zeromq", &["cli"]),
    ("tokio", &["cli", "serve"]),
    ("ureq", &["files"]),
    ("sha2", &["hub", "serve"]),
    ("axum", &["serve"]),
    ("hyper", &["serve"]),
    ("hyper_util", &["serve"]),
    ("llguidance", &["serve"]),
    ("toktrie", &["serve"]),
    ("jupyter_zmq_client", &["cli"]),
];

/// Maximum length of a file.
const LINES: usize = 400;

/// Longer files, and the reason.
const LONG: &[(&str, &str)] = &[];

/// The owner of a file: its noun, or the name of a file of the ground.
fn noun(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn is_api(file: &str) -> bool {
    file.split('/').any(|part| part == "api" || part == "api.rs")
}

fn floor(noun: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&noun))
}

/// Whether a file may use a file of another noun.
fn may_use(user: &str, used: &str) -> bool {
    let (mine, other) = (noun(user), noun(used));
    if mine == other || ARROWS.iter().any(|(from, to, _)| user.starts_with(from) && used.starts_with(to)) {
        return true;
    }
    match (mine, other) {
        (_, "lib") => return true,
        // the program, and not the library, installs the allocator
        ("main", _) => return other == "cli" || used.starts_with("kernel/pool/"),
        ("lib", _) => return true,
        (_, "main" | "cli") => return false,
        ("cli", _) => return true,
        ("nouns", _) => {
            return is_api(used) || used == format!("{other}/mod.rs") || other == "script" || floor(other) == Some(0);
        }
        ("script", _) => return floor(other) == Some(0),
        (_, "script") => return is_api(user),
        (_, "nouns") => return false,
        (BESIDE, _) => return floor(other) == Some(0),
        (_, BESIDE) => return floor(mine).is_some_and(|floor| floor > 0),
        _ => {}
    }
    match (floor(mine), floor(other)) {
        (Some(mine), Some(other)) => other < mine || mine == 0 && other == 0,
        _ => false,
    }
}

/// The remedy for a forbidden arrow.
fn advice(user: &str, used: &str) -> &'static str {
    match (noun(user), noun(used)) {
        ("script", _) => "script knows no noun: `src/nouns.rs` lists them, and what both need lies on the ground",
        (_, "script") => "only a noun's `api/` knows the script language",
        (_, "cli") => "the command line is above all nouns",
        _ => "move what both need to a floor below both, or the code to the floor above",
    }
}

#[test]
fn a_file_uses_its_own_noun_and_the_floors_below() {
    let house = House::read();
    let mut wrong = Vec::new();
    for found in house.uses() {
        if !may_use(&found.from, &found.to) {
            let advice = advice(&found.from, &found.to);
            wrong.push(format!("{} uses {} ({}): {advice}", found.from, found.path, found.to));
        }
    }
    for file in &house.files {
        let noun = noun(&file.name);
        let known = ["main", "lib", "cli", "script", "nouns", BESIDE].contains(&noun) || floor(noun).is_some();
        if !known {
            wrong.push(format!("{}: `{noun}` has no floor: give it one in {}", file.path.display(), file!()));
        }
    }
    assert!(wrong.is_empty(), "{} arrows up the floors:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn files_of_a_noun_use_each_other_in_no_circle() {
    let house = House::read();
    let uses = house.uses();
    let ground = |file: &str| floor(noun(file)) == Some(0);
    let counts = |from: &str, to: &str| {
        // a folder's `mod.rs` combines its files, and they may use its shared items
        let roof = from.strip_suffix("mod.rs").is_some_and(|folder| to.starts_with(folder));
        !roof && (noun(from) == noun(to) || ground(from) && ground(to))
    };
    let uses: Vec<_> = uses.into_iter().filter(|found| counts(&found.from, &found.to)).collect();
    let pairs = uses.iter().map(|found| (found.from.clone(), found.to.clone())).collect();
    let mut wrong = Vec::new();
    let mut met = vec![false; CIRCLES.len()];
    for circle in House::circles(&pairs) {
        let known = CIRCLES.iter().position(|(files, _)| {
            circle.len() == files.len() && circle.iter().all(|file| files.contains(&file.as_str()))
        });
        if let Some(known) = known {
            met[known] = true;
            continue;
        }
        wrong.push(format!("{} files in a circle: {}", circle.len(), Vec::from_iter(circle.clone()).join(" ")));
        for found in uses.iter().filter(|found| circle.contains(&found.from) && circle.contains(&found.to)) {
            wrong.push(format!("    {} uses {} ({})", found.from, found.path, found.to));
        }
    }
    let solved = CIRCLES.iter().zip(met).filter(|(_, met)| !met).map(|((files, _), _)| files.join(" "));
    wrong.extend(solved.map(|files| format!("no longer a circle, take it out of the list: {files}")));
    let advice = "move the types that two files share into a file of their own, or what is on top out to a third";
    assert!(wrong.is_empty(), "{}\n{advice}", wrong.join("\n"));
}

#[test]
fn folders_have_one_form_and_files_one_page() {
    let house = House::read();
    let names: BTreeSet<&str> = house.files.iter().map(|file| file.name.as_str()).collect();
    let mut wrong = Vec::new();
    for file in &house.files {
        let folder = file.name.trim_end_matches(".rs").to_string() + "/";
        if names.range(folder.as_str()..).next().is_some_and(|next| next.starts_with(&folder)) {
            wrong.push(format!("{} and a folder of that name: it is {folder}mod.rs", file.path.display()));
        }
        if file.name.ends_with("/api.rs") {
            wrong.push(format!("{}: what scripts see is always a folder, api/mod.rs", file.path.display()));
        }
        if file.lines > LINES && !LONG.iter().any(|(name, _)| *name == file.name) {
            wrong.push(format!(
                "{}: {} lines, above {LINES}: split it where its meaning splits",
                file.path.display(),
                file.lines
            ));
        }
    }
    for entry in std::fs::read_dir("stdlib").unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap_or_default().lines().count();
        if lines > LINES {
            wrong.push(format!("{}: {lines} lines, above {LINES}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_where_they_belong() {
    let house = House::read();
    let mut wrong = BTreeMap::new();
    for file in &house.files {
        for (name, allowed) in CRATES {
            let here = allowed.contains(&noun(&file.name)) || is_api(&file.name) && allowed.contains(&"api");
            if names_crate(&file.code, name) && !here {
                wrong.insert(format!("{} names the crate {name}", file.path.display()), allowed.join(", "));
            }
        }
    }
    let lines: Vec<String> =
        wrong.into_iter().map(|(what, where_)| format!("{what}: it belongs to {where_}")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Messages name the type of a value as Rust does, `type_of` and help as the engine does.
#[test]
fn a_type_of_scripts_has_one_name() {
    const REGISTERS: &str = "register_type_with_name::<";
    let mut names = BTreeSet::new();
    for file in House::read().files {
        let text = std::fs::read_to_string(&file.path).unwrap();
        for found in text.split(REGISTERS).skip(1) {
            // `Natives` passes on the names of a host program
            let Some((path, name)) = found.split_once(">(\"") else { continue };
            let (path, name) = (path.rsplit("::").next().unwrap(), name.split('"').next().unwrap());
            assert!(path == name, "{}: {path} in Rust is {name} to scripts", file.path.display());
            assert!(names.insert(name.to_string()), "{}: {name} is registered a second time", file.path.display());
        }
    }
    assert!(names.len() > 30, "{names:?}");
}

/// Whether a file names a crate, and not a module of ours of that name.
fn names_crate(code: &str, name: &str) -> bool {
    let ours = name == "safetensors" && code.contains("crate::format::");
    !ours
        && code.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = code[..at].trim_end_matches("::");
            !before.ends_with(|sign: char| sign.is_alphanumeric() || sign == '_')
        })
}

/// Things that a library must not do to its host.
#[test]
fn the_library_has_manners() {
    const SIGNS: &[(&str, &[&str])] = &[
        ("global_allocator", &["main.rs"]),
        ("ctrlc::", &["cli/"]),
        ("set_hook", &["cli/"]),
        ("set_var", &["cli/mod.rs"]),
        ("build_global", &["kernel/threads.rs"]),
        ("threads::own", &["cli/mod.rs"]),
        ("std::process::exit", &["cli/", "main.rs", "script/output.rs", "script/suite/"]),
        ("println!", &["cli/", "script/suite/", "script/output.rs"]),
        ("stdout()", &["cli/", "script/output.rs", "plot/api/chart.rs", "data/api/show.rs", "measure/bench/"]),
    ];
    let house = House::read();
    let mut wrong = Vec::new();
    for file in &house.files {
        for (sign, allowed) in SIGNS {
            // `eprintln!` is not output
            let found = file.code.match_indices(sign).any(|(at, _)| !file.code[..at].ends_with('e'));
            if found && !allowed.iter().any(|place| file.name.starts_with(place)) {
                wrong.push(format!(
                    "{}: `{sign}` is the program's to say, in {}",
                    file.path.display(),
                    allowed.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The files below both roots.
fn sources() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    ROOTS.iter().for_each(|root| collect(Path::new(root), &mut paths));
    paths
}

/// The code of a file, without its comments and strings.
fn code(path: &Path) -> String {
    source::bare(&std::fs::read_to_string(path).unwrap())
}

/// Where `unsafe` is allowed beside `kernel/`, and how often: mapping files, setting variables before the first thread, calling
/// MPI, and checking whether `nohup` ignores a signal.
const UNSAFE: &[(&str, usize)] = &[
    ("src/cli/interrupt.rs", 2),
    ("src/cli/mod.rs", 1),
    ("src/data/strings.rs", 2),
    ("src/files/mod.rs", 1),
    ("core/src/memory/mod.rs", 1),
    ("core/src/memory/system.rs", 7),
    ("src/ranks/library.rs", 18),
    ("src/ranks/world.rs", 2),
    ("src/regular.rs", 1),
];

/// Whether a line of code has the word.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn unsafe_lives_in_the_kernels_and_says_why_it_is_sound() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let found: Vec<usize> = (0..lines.len()).filter(|at| is_unsafe(lines[*at])).collect();
        let name = path.to_string_lossy().replace('\\', "/");
        let allowed = UNSAFE.iter().find(|(file, _)| *file == name).map_or(0, |(_, count)| *count);
        if !name.starts_with("core/src/kernel/") && found.len() != allowed {
            wrong.push(format!("{name}: {} unsafe, {allowed} allowed", found.len()));
        }
        for at in found {
            // the caller's obligations, or the reason: in the lines above, as far as they belong to it
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

/// Files are opened behind one gate, which checks paths against the script's permissions. `cli` is the user's own hand,
/// benchmarks and the suite run whole scripts, and the rest reads what the system reports about itself.
#[test]
fn files_are_opened_behind_one_gate() {
    const FREE: &[&str] = &[
        "files",
        // the cache of models, which no script owns
        "hub",
        "regular.rs",
        "limits.rs",
        "cli",
        "script/suite",
        "measure/bench",
        "measure/api/bench.rs",
        "measure/baseline.rs",
        "measure/machine.rs",
        "memory",
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
    let mut wrong = Vec::new();
    for path in sources() {
        let inside = ROOTS.iter().find_map(|root| path.strip_prefix(root).ok()).unwrap();
        if FREE.iter().any(|free| inside.starts_with(free)) {
            continue;
        }
        for (index, line) in code(&path).lines().enumerate() {
            // queries on an open file, and whether a checkpoint exists
            let own = line.starts_with("use ")
                || ["meta.is_", "facts.is_", "point.exists"].iter().any(|own| line.contains(own));
            if let Some(sign) = SIGNS.iter().find(|sign| !own && line.contains(**sign)) {
                wrong.push(format!("{}:{}: `{sign}` beside crate::files", path.display(), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
