//! The workflows are valid YAML with the intended meaning for GitHub, and levain accepts their commands.

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A YAML document as JSON, every scalar a string.
fn parse(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let events: Result<Vec<_>, _> = Parser::new_from_str(&text).map(|event| event.map(|(event, _)| event)).collect();
    let events = events.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::DocumentStart(_))).count(), 1, "{}", path.display());
    let mut nodes = events.into_iter().filter(|event| {
        !matches!(
            event,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd
        )
    });
    node(&mut nodes).unwrap_or_else(|| panic!("{}: nothing is in it", path.display()))
}

/// The next node; none at the end of a list or map.
fn node<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
    match events.next()? {
        Event::Scalar(text, ..) => Some(Value::String(text.into_owned())),
        Event::SequenceStart(..) => Some(std::iter::from_fn(|| node(&mut *events)).collect()),
        Event::MappingStart(..) => {
            let mut map = Map::new();
            while let Some(key) = node(&mut *events) {
                let key = key.as_str().expect("a key is a word").to_string();
                let twice = map.insert(key.clone(), node(&mut *events).expect("a key has a value"));
                assert!(twice.is_none(), "`{key}` is given twice");
            }
            Some(map.into())
        }
        Event::SequenceEnd | Event::MappingEnd => None,
        other => panic!("a workflow has no use for {other:?}"),
    }
}

fn workflows() -> Vec<(PathBuf, Value)> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(".github/workflows").unwrap().map(|entry| entry.unwrap().path()).collect();
    // the output of `levain new` is a workflow too
    found.push("src/cli/new/levain.yml".into());
    found.sort();
    found.into_iter().map(|path| (path.clone(), parse(&path))).collect()
}

/// The steps of all jobs.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().expect("jobs");
    jobs.values().filter_map(|job| job["steps"].as_array()).flatten().collect()
}

/// The simple commands of a shell script.
fn commands(script: &str) -> Vec<Vec<&str>> {
    let lines = script.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let simple = lines.flat_map(|line| line.split("&&"));
    simple.map(|command| command.split_whitespace().collect()).filter(|words: &Vec<&str>| !words.is_empty()).collect()
}

#[test]
fn workflows_have_the_form_that_github_asks_for() {
    for (path, workflow) in workflows() {
        let place = path.display();
        let keys: Vec<&String> = workflow.as_object().unwrap_or_else(|| panic!("{place}: no map")).keys().collect();
        let known = ["name", "on", "permissions", "concurrency", "env", "defaults", "jobs"];
        assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{place}: {keys:?}");
        assert!(["name", "on", "jobs"].iter().all(|key| workflow.get(key).is_some()), "{place}: {keys:?}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            if let Some(uses) = job["uses"].as_str() {
                // a workflow of the repository that declares itself callable
                let called = parse(Path::new(uses.trim_start_matches("./")));
                assert!(called["on"].get("workflow_call").is_some(), "{place}: {uses:?} is not to be called");
                continue;
            }
            assert!(job["runs-on"].as_str().is_some(), "{place}: {name:?} runs on nothing");
            assert!(job["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{place}: {name:?} has no steps");
        }
        for step in steps(&workflow) {
            let (uses, run) = (step["uses"].as_str(), step["run"].as_str());
            assert!(uses.is_some() != run.is_some(), "{place}: a step has one of `uses` and `run`: {step:?}");
            assert!(uses.is_none_or(|uses| uses.contains('@')), "{place}: {uses:?} names no version");
            let known = ["name", "id", "if", "uses", "run", "with", "env", "shell", "working-directory"];
            let keys: Vec<&String> = step.as_object().unwrap().keys().collect();
            assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{place}: {keys:?}");
        }
    }
}

#[test]
fn commands_of_the_workflows_are_ones_that_levain_takes() {
    let mut tried = 0;
    for (path, workflow) in workflows() {
        for script in steps(&workflow).iter().filter_map(|step| step["run"].as_str()) {
            for words in commands(script) {
                let Some(program) =
                    words.iter().position(|word| word.split('/').next_back().unwrap().starts_with("levain"))
                else {
                    continue;
                };
                if program == 0 {
                    tried += 1;
                    let line = std::iter::once("levain").chain(words[1..].iter().copied());
                    if let Err(error) = levain::cli::parses(line) {
                        panic!("{}: `{}`: {error}", path.display(), words.join(" "));
                    }
                }
            }
        }
    }
    assert!(tried >= 4, "only {tried} commands were found");
}

/// Files of the repository named in a command exist.
#[test]
fn commands_of_the_workflows_name_files_that_are_there() {
    for (path, workflow) in workflows() {
        for script in steps(&workflow).iter().filter_map(|step| step["run"].as_str()) {
            for word in commands(script).into_iter().flatten() {
                let root = word.split('/').next().unwrap_or_default();
                if ["scripts", "tests", "src", ".ci", "stdlib", "docs"].contains(&root) {
                    assert!(Path::new(word).exists(), "{}: {word} is not there", path.display());
                }
            }
        }
    }
}

/// The commands of the README are the commands of CI.
#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert!(read("README.md").contains("\ncargo test --release "));
    assert!(read(".ci/run").lines().any(|line| line.ends_with("cargo test --release")));
    assert!(read(".github/workflows/ci.yml").contains("- run: .ci/run\n"));
    assert!(read(".githooks/pre-push").contains(".ci/run"));
}

/// Outputs of one job used by another: a restored cache or artifact has the key or the name of a saved one.
#[test]
fn what_a_workflow_restores_another_step_saves() {
    let all = workflows();
    let steps: Vec<&Value> = all.iter().flat_map(|(_, workflow)| steps(workflow)).collect();
    let of = |action: &str| {
        let of = move |step: &&&Value| step["uses"].as_str().is_some_and(|uses| uses.split('@').next() == Some(action));
        steps.iter().filter(of).map(|step| &step["with"]).collect::<Vec<_>>()
    };
    let saved: Vec<&str> = of("actions/upload-artifact").iter().filter_map(|with| with["name"].as_str()).collect();
    for with in of("actions/download-artifact") {
        assert!(with["name"].as_str().is_some_and(|name| saved.contains(&name)), "{with}");
    }
    // except for the commit
    let family = |key: &str| key.rsplit_once("-${{").map_or(key, |(family, _)| family).to_string();
    let kept: Vec<(String, &str)> = of("actions/cache/save")
        .iter()
        .map(|with| (family(with["key"].as_str().unwrap()), with["path"].as_str().unwrap()))
        .collect();
    let restored = of("actions/cache/restore");
    assert!(!restored.is_empty());
    for with in restored {
        let wanted = (family(with["key"].as_str().unwrap()), with["path"].as_str().unwrap());
        assert!(kept.contains(&wanted), "{wanted:?} is not among {kept:?}");
    }
    // a cache with a unique key is found by the prefix of its keys
    for with in of("actions/cache") {
        let (key, restore) = (with["key"].as_str().unwrap(), with["restore-keys"].as_str().unwrap_or_default());
        let unique = key.contains("github.sha") || key.contains("github.run_id");
        assert_eq!(unique, restore.lines().next().is_some_and(|first| key.starts_with(first)), "{key}");
    }
}
