//! Habits from other languages and libraries, and the errors that answer them: `tests/data/habits.txt`.

use levain::script::{Fault, Host, checker};

/// A script, and `=> error: the fault | the replacement`.
fn habits() -> Vec<(String, String)> {
    let text = std::fs::read_to_string("tests/data/habits.txt").unwrap();
    let mut found = Vec::new();
    let mut script = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("=> ") {
            Some(answer) => found.push((std::mem::take(&mut script), answer.to_string())),
            None => script += &format!("{line}\n"),
        }
    }
    found
}

/// The first finding: of the check, or, if it has none, of the run.
fn answer(script: &str) -> String {
    let told = |level: &str, fault: &Fault| {
        assert!(fault.place.is_some(), "{script}: {fault}");
        format!("{level}: {} | {}", fault.message, fault.help.as_deref().unwrap_or("-"))
    };
    let mut host = Host::for_script("a.rhai", script);
    let mut findings = checker::look(&mut host, "habit.rhai", script);
    // habits are short: their results are unused
    findings.retain(|finding| !finding.fault.message.ends_with("never used"));
    if let Some(finding) = findings.iter().find(|finding| !finding.is_warning).or(findings.first()) {
        return told(finding.level(), &finding.fault);
    }
    match host.run("habit.rhai", script) {
        Err(fault) => told("error", &fault),
        Ok(_) => "it runs".to_string(),
    }
}

#[test]
fn each_is_told_what_to_write_here() {
    let habits = habits();
    assert!(habits.len() >= 80, "{}", habits.len());
    let mut wrong = String::new();
    for (script, expected) in &habits {
        let answer = answer(script);
        if answer != *expected {
            wrong += &format!("{script}=> {answer}\n\n");
        }
    }
    assert!(wrong.is_empty(), "these are answered otherwise than tests/data/habits.txt says:\n\n{wrong}");
}
