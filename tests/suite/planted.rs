//! Sixty faults planted in calls of every standard library module with options, and of native verbs: each is found before the
//! run, with its line and the nearest name, and its correct twin passes.

use levain::script::{Host, checker, stdlib};

/// `tests/check/planted.txt`: first the common part of all calls, then calls in pairs, a wrong one, with its error and the help
/// after `//!`, and a right one.
fn planted() -> (String, Vec<Planted>) {
    let text = std::fs::read_to_string("tests/check/planted.txt").unwrap();
    let (shared, pairs) = text.split_once("\n---\n").unwrap();
    let mut lines = pairs.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//"));
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let (wrong, told) = line.split_once("//!").unwrap_or_else(|| panic!("nothing is said of {line}"));
        let (message, help) = told.split_once('|').unwrap_or((told, ""));
        let (message, help) = (message.trim().to_string(), help.trim().to_string());
        found.push(Planted { wrong: wrong.trim().into(), message, help, right: lines.next().unwrap().into() });
    }
    (shared.to_string(), found)
}

struct Planted {
    wrong: String,
    message: String,
    help: String,
    right: String,
}

#[test]
fn sixty_planted_faults_are_found() {
    let (shared, planted) = planted();
    assert!(planted.len() >= 60, "{}", planted.len());
    let first = 1 + shared.lines().count();
    let wrong: Vec<&str> = planted.iter().map(|one| one.wrong.as_str()).collect();
    let script = format!("{shared}\n{}\n", wrong.join("\n"));
    let findings = checker::look(&mut Host::for_script("a.rhai", &script), "a.rhai", &script);
    let mut missed = Vec::new();
    for (index, one) in planted.iter().enumerate() {
        let here = findings.iter().filter(|finding| finding.fault.place.as_ref().unwrap().line == first + index);
        let told: Vec<String> = here
            .map(|finding| {
                let help = finding.fault.help.clone().unwrap_or_default();
                format!("{} | {help}", finding.fault.message)
            })
            .collect();
        let is_it = |told: &String| {
            let (message, help) = told.split_once(" | ").unwrap();
            message == one.message && help.starts_with(&one.help)
        };
        if told.len() != 1 || !is_it(&told[0]) {
            missed.push(format!("{}\n    wanted {} | {}\n    told   {told:?}", one.wrong, one.message, one.help));
        }
    }
    assert!(missed.is_empty(), "{} of {} missed\n{}", missed.len(), planted.len(), missed.join("\n"));
    assert_eq!(findings.len(), planted.len());
}

#[test]
fn their_correct_twins_are_left_alone() {
    let (shared, planted) = planted();
    let right: Vec<&str> = planted.iter().map(|one| one.right.as_str()).collect();
    let script = format!("{shared}\n{}\n", right.join("\n"));
    let findings = checker::look(&mut Host::for_script("a.rhai", &script), "a.rhai", &script);
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn every_module_with_options_has_a_planted_fault() {
    let (_, planted) = planted();
    let modules = Host::new().option_calls();
    for (module, _) in stdlib::MODULES.iter().filter(|(module, _)| !stdlib::is_inner(module)) {
        let has_options = modules.iter().any(|(at, _)| at.starts_with(&stdlib::source_name(module)));
        let is_tried = planted.iter().any(|one| one.wrong.contains(&format!("{module}::")));
        assert!(!has_options || is_tried, "{module}");
    }
}

#[test]
fn every_table_of_the_standard_library_is_read() {
    let calls = Host::new().option_calls();
    assert!(calls.len() > 30, "{}", calls.len());
    let unread: Vec<&String> = calls.iter().filter(|(_, keys)| keys.is_none()).map(|(at, _)| at).collect();
    assert!(unread.is_empty(), "{unread:?}");
    // as many as their texts have
    let written =
        |text: &str| text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let written: usize = stdlib::MODULES.iter().map(|(_, text)| written(text).matches(" options(").count()).sum();
    assert_eq!(calls.len(), written);
}
