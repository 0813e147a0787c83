//! `levain test`: transcripts, limits, failure output, reports.

use super::cli::Folder;

#[test]
fn transcripts_are_compared_and_blessed() {
    let folder = Folder::new(&[
        ("t/a.rhai", "print(\"one\");\nprint(\"two\");\nthrow \"three\";\n"),
        ("t/a.out", "one\ntoo\nerror: three\n  a.rhai:3:1\n3 | throw \"three\";\n  | ^\n"),
        ("t/b.rhai", "print(1);\n"),
        ("t/b.out", "1\n"),
    ]);
    let told = folder.levain(&["test", "t"]);
    assert_eq!(told.code, 1);
    assert_eq!(
        told.out,
        "FAILED t/a.rhai
  error: test: not what t/a.out has (- there, + here)
      1  one
  -   2  too
  +   2  two
      3  error: three
      4    a.rhai:3:1
  help: `levain test --bless` keeps what it prints now

1 passed, 1 failed
"
    );
    let told = folder.levain(&["test", "t", "--bless"]);
    assert_eq!((told.code, told.out.as_str()), (0, "blessed t/a.out\n2 passed, 0 failed\n"));
    assert_eq!(folder.levain(&["test", "t"]).out, "2 passed, 0 failed\n");
    let kept = std::fs::read_to_string(folder.path().join("t/a.out")).unwrap();
    assert_eq!(kept, "one\ntwo\nerror: three\n  a.rhai:3:1\n3 | throw \"three\";\n  | ^\n");
}

#[test]
fn a_test_that_never_ends_is_ended_and_the_others_run() {
    let script = "fn test_a() { loop { } }\nfn test_b() { let x = 0; while true { x += 1; } }\nfn test_c() { assert::eq(1, 1); }\n";
    let folder = Folder::new(&[("t/a.rhai", script), ("t/b.rhai", "loop { print(1); }"), ("t/b.out", "")]);
    let told = folder.levain(&["test", "t", "--limit", "0.3", "--bless"]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("FAILED t/a.rhai test_a\n  error: test: takes longer than 0.3 s\n"), "{}", told.out);
    assert!(told.out.contains("FAILED t/a.rhai test_b\n  error: test: takes longer than 0.3 s\n"), "{}", told.out);
    assert!(told.out.ends_with("1 passed, 3 failed\n"), "{}", told.out);
    // output before a timeout is not a transcript
    assert_eq!(std::fs::read_to_string(folder.path().join("t/b.out")).unwrap(), "");
    for limit in ["0", "-1", "many"] {
        let told = folder.levain(&["test", "t", &format!("--limit={limit}")]);
        assert!(told.code == 2 && told.err.contains("a number of seconds above 0"), "{}", told.err);
    }
}

#[test]
fn tests_are_alone_and_draw_the_same_numbers() {
    let one = "fn test_a() { print(rand([2])); throw \"x\"; }\nfn test_b() { print(rand([2])); throw \"y\"; }\n";
    let files: Vec<(String, &str)> = (0..4).map(|n| (format!("t/{n}.rhai"), one)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let told = Folder::new(&files).levain(&["test", "t", "--threads", "2"]);
    assert_eq!(told.code, 1);
    // in name order, whichever finished first
    let names: Vec<&str> = told.out.lines().filter_map(|line| line.strip_prefix("FAILED ")).collect();
    let expected: Vec<String> = (0..4).flat_map(|n| ["a", "b"].map(|test| format!("t/{n}.rhai test_{test}"))).collect();
    assert_eq!(names, expected);
    let printed: Vec<&str> = told.out.lines().filter(|line| line.trim_start().starts_with("tensor(")).collect();
    assert!(printed.len() == 8 && printed.iter().all(|line| *line == printed[0]), "{}", told.out);
}

#[test]
fn differences_show_where() {
    let folder = Folder::new(&[(
        "t.rhai",
        "fn test_text() { assert::eq(\"a\\nb\\nc\", \"a\\nx\\nc\"); }\n\
         fn test_long() { let x = \"\"; for i in 0..50 { x += `${i} `; } assert::eq(x, x.sub_string(0, 100) + \"other\"); }\n\
         fn test_list() { let x = []; for i in 0..50 { x.push(i); } let y = x + [50]; y[7] = 0; assert::eq(x, y); }\n",
    )]);
    let out = folder.levain(&["test", "t.rhai"]).out;
    assert!(
        out.contains("the texts differ (- expected, + actual)\n      1  a\n  -   2  x\n  +   2  b\n      3  c\n"),
        "{out}"
    );
    assert!(out.contains("(the texts differ from character 100 on)"), "{out}");
    assert!(out.contains("a list of 50 elements is not one of 51; at [7]: 7 is not 0"), "{out}");
}

#[test]
fn junit_for_machines_and_exit_codes() {
    let folder = Folder::new(&[(
        "t/a.rhai",
        "fn test_good() { }\nfn test_bad() { print(\"said <this>\"); assert::eq(\"a&b\", 1); }\n",
    )]);
    let told = folder.levain(&["test", "t", "--junit", "out/junit.xml"]);
    assert_eq!(told.code, 1);
    let xml = std::fs::read_to_string(folder.path().join("out/junit.xml")).unwrap();
    let head = "<testsuite name=\"levain test\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"";
    assert!(xml.contains(head), "{xml}");
    assert!(xml.contains("<testcase classname=\"t/a.rhai\" name=\"test_good\" time=\"0.0"), "{xml}");
    assert!(xml.contains("<failure message=\"assert::eq: &quot;a&amp;b&quot; is not 1\" type=\"failure\">"), "{xml}");
    assert!(xml.contains("<system-out>said &lt;this&gt;"), "{xml}");
    let told = folder.levain(&["test", "t", "--filter", "nothing"]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: test: there is no test whose name holds `nothing`\n"));
    let told = folder.levain(&["test", "none"]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: test: none is not there\n"));
    let told = folder.levain(&["test", "t", "--filter", "good", "--junit", "t"]);
    assert!(told.code == 2 && told.err.contains("t is a folder"), "{}", told.err);
}

#[test]
fn a_project_is_tested_and_not_the_built_in_help() {
    let folder = Folder::new(&[
        ("tests/mine.rhai", "fn test_ok() { assert::that(1 + 1 == 2); }\n"),
        ("README.md", "# Mine\n\n```rhai\n1 + 2   //=> 3\n```\n\n```sh\nmake\n```\n"),
        ("docs/more/page.md", "```rhai\nlet x = 2;\nx * x   //=> 5\n```\n"),
        ("other.rhai", "throw \"no test\";"),
    ]);
    let told = folder.levain(&["test"]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.out.starts_with("FAILED docs/more/page.md:2\n"), "{}", told.out);
    assert!(told.out.ends_with("2 passed, 1 failed\n"), "{}", told.out);
    let told = Folder::new(&[("tests/mine.rhai", "fn test_ok() { }")]).levain(&["test"]);
    assert_eq!((told.code, told.out.as_str()), (0, "1 passed, 0 failed\n"));
    let told = Folder::new(&[("other.rhai", "1")]).levain(&["test"]);
    assert!(told.code == 2 && told.err.contains("there is no test\nhelp: tests are `fn test_"), "{}", told.err);
}

#[test]
fn what_can_not_run_is_told() {
    let folder = Folder::new(&[
        ("t/args.rhai", "fn test_a() { }\nfn helper(x) { x }\n  fn test_b(x) { assert::that(x); }\n"),
        ("t/both.rhai", "fn test_c(n) { assert::eq(n, 1); }\nfn test_c() { test_c(1); }\n"),
        ("t/none.rhai", "// fn test_commented() { throw 1; }\nassert::that(true);\n"),
        ("t/private.rhai", "private fn test_p() { assert::that(false); }\n"),
        ("t/alone.out", "1\n"),
        ("t/broken.rhai", "fn test_d() { let a = (1 }\n"),
    ]);
    let told = folder.levain(&["test", "t", "--junit", "j.xml"]);
    assert_eq!(told.code, 1);
    assert_eq!(told.err, "warning: test: t/alone.out: there is no t/alone.rhai\n");
    let takes = "FAILED t/args.rhai test_b
  error: test: `test_b` takes 1 argument, and a test takes none
    t/args.rhai:3:3
  3 |   fn test_b(x) { assert::that(x); }
    |   ^
  help: a function that tests call has a name that does not begin with `test_`
";
    assert!(told.out.contains(takes), "{}", told.out);
    assert!(told.out.contains("FAILED t/private.rhai test_p\n"), "{}", told.out);
    assert!(told.out.contains("FAILED t/broken.rhai\n"), "{}", told.out);
    assert!(told.out.ends_with("3 passed, 3 failed\n"), "{}", told.out);
    // a test that could not run is an error
    let xml = std::fs::read_to_string(folder.path().join("j.xml")).unwrap();
    assert!(xml.contains("tests=\"6\" failures=\"1\" errors=\"2\" skipped=\"0\""), "{xml}");
}

#[test]
fn a_transcript_beside_tests_hides_none_of_them() {
    let folder = Folder::new(&[
        ("t/a.rhai", "print(1);\nfn test_bad() { assert::eq(1, 2); }\n"),
        ("t/a.out", "1\n"),
        // output of an experiment is not a transcript
        ("t/b.rhai", "print(2);\n"),
        ("t/b.out/log.txt", "x"),
    ]);
    let told = folder.levain(&["test", "t"]);
    assert!(told.out.starts_with("FAILED t/a.rhai test_bad\n"), "{}", told.out);
    assert!(told.out.ends_with("2 passed, 1 failed\n"), "{}", told.out);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_are_walked_once() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[
        ("t/a.rhai", "fn test_a() { }"),
        ("t/sub/b.rhai", "fn test_b() { }"),
        ("t/cache/CACHEDIR.TAG", ""),
        ("t/cache/c.rhai", "throw 1;"),
        ("t/.hidden/d.rhai", "throw 1;"),
    ]);
    symlink("..", folder.path().join("t/sub/up")).unwrap();
    symlink("sub", folder.path().join("t/again")).unwrap();
    symlink("nowhere.rhai", folder.path().join("t/lost.rhai")).unwrap();
    let told = folder.levain(&["test", "t"]);
    assert!(told.out.starts_with("FAILED t/lost.rhai\n  error: script: t/lost.rhai is not there\n"), "{}", told.out);
    assert!(told.out.ends_with("2 passed, 1 failed\n"), "{}", told.out);
    let told = folder.levain(&["check", "t", "--format", "json"]);
    assert_eq!(told.out.matches("\"level\"").count(), 1, "{}", told.out);
}

#[test]
fn failures_are_annotations_and_a_summary_on_github() {
    let folder = Folder::new(&[
        ("t/a.rhai", "fn test_good() { }\nfn test_bad() {\n    assert::eq(\"a|b\", 1);\n}\n"),
        ("t/b.rhai", "fn test_c(x) { }\n"),
    ]);
    let summary = folder.path().join("summary.md");
    let run = |words: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_levain"))
            .args(words)
            .current_dir(folder.path().join("t"))
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_WORKSPACE", folder.path())
            .output()
            .unwrap()
    };
    let told = run(&["test", ".", "--format", "github"]);
    let out = String::from_utf8_lossy(&told.stdout);
    // from the root of the repository, wherever the step runs
    let annotation = "::error file=t/a.rhai,line=3,col=13,title=a.rhai test_bad::assert::eq: \"a|b\" is not 1\n";
    assert!(out.contains(annotation) && out.ends_with("1 passed, 2 failed\n"), "{out}");
    assert!(out.contains("::error file=t/b.rhai,line=1,col=1,title=b.rhai test_c::test: `test_c` takes"), "{out}");
    let markdown = std::fs::read_to_string(&summary).unwrap();
    assert!(markdown.starts_with("### Tests: 1 passed, 2 failed\n"), "{markdown}");
    assert!(markdown.contains("| a.rhai test_bad | assert::eq: \"a\\|b\" is not 1 |\n"), "{markdown}");
    run(&["check", "--format", "github", "."]);
    let markdown = std::fs::read_to_string(&summary).unwrap();
    assert!(markdown.contains("### Checks: 0 errors, 0 warnings\n\n2 scripts looked at\n"), "{markdown}");
}
