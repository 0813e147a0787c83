//! The language from outside: what a script's file may begin with, what the command line gives, what counts as passed.

use super::cli::Folder;

#[test]
fn a_script_may_begin_with_a_byte_order_mark_or_as_a_command() {
    let folder = Folder::new(&[
        ("bom.rhai", "\u{feff}print(\"hi\");\n"),
        ("command.rhai", "#!/usr/bin/env -S levain run\nprint(\"hi\");\n"),
    ]);
    for name in ["bom.rhai", "command.rhai"] {
        let told = folder.levain(&["run", name]);
        assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, "hi\n", ""), "{name}");
    }
}

#[test]
fn a_list_from_the_command_line_is_read_as_its_default_is() {
    let script = "let cfg = options(#{ sizes: [16, 32], rates: [0.5], names: [\"a\"] }, args());\nprint(cfg);\n";
    let folder = Folder::new(&[("a.rhai", script)]);
    for sizes in ["sizes=8,64", "sizes=[8, 64]"] {
        let told = folder.levain(&["run", "a.rhai", sizes, "rates=1,0.25", "names=[\"x\",y]"]);
        let wanted = "#{\"names\": [\"x\", \"y\"], \"rates\": [1.0, 0.25], \"sizes\": [8, 64]}\n";
        assert_eq!((told.code, told.out.as_str()), (0, wanted), "{}", told.err);
    }
}

#[test]
fn what_ends_with_an_exit_code_has_not_passed() {
    let folder = Folder::new(&[
        ("t.rhai", "fn test_a() { exit(3); assert::that(false); }\n"),
        ("whole.rhai", "exit(1);\n"),
        ("fine.rhai", "exit(0);\n"),
        ("b.rhai", "bench::exact(\"v\", 1);\nif true { exit(5); }\nbench::exact(\"never\", 2);\n"),
    ]);
    let told = folder.levain(&["test", "t.rhai", "whole.rhai"]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(
        told.out.contains("it ended with `exit(3)`") && told.out.contains("it ended with `exit(1)`"),
        "{}",
        told.out
    );
    assert_eq!(folder.levain(&["test", "fine.rhai"]).code, 0);
    let told = folder.levain(&["bench", "b.rhai", "--baseline", "base.json", "--save"]);
    assert_eq!(told.code, 2, "{}", told.out);
}

#[test]
fn benchmarks_of_one_name_keep_their_own_numbers_in_one_baseline() {
    let folder =
        Folder::new(&[("one/a.rhai", "bench::exact(\"v\", 1);\n"), ("two/a.rhai", "bench::exact(\"v\", 2);\n")]);
    let run = |more: &[&str]| {
        folder.levain(&[&["bench", "one/a.rhai", "two/a.rhai", "--baseline", "base.json"], more].concat())
    };
    assert_eq!(run(&["--save"]).code, 0);
    let told = run(&[]);
    assert!(told.code == 0 && told.out.contains("2 passed, 0 failed"), "{}", told.out);
}

#[test]
fn small_and_large_numbers_of_a_table_can_be_told_apart() {
    let folder =
        Folder::new(&[("a.rhai", "print(table([#{ lr: 1e-5, loss: 2.5 }, #{ lr: 3.25e-5, loss: 1e300 }]));\n")]);
    let told = folder.levain(&["run", "a.rhai"]);
    for number in ["1e-5", "3.25e-5", "2.500", "1e300"] {
        assert!(told.out.contains(number), "{number}: {}", told.out);
    }
}

#[test]
fn a_closure_called_with_too_many_arguments_says_how_many_it_takes() {
    let folder = Folder::new(&[("a.rhai", "let n = 1;\nlet f = |x| x + n;\nprint(f.call(1, 2));\n")]);
    let told = folder.levain(&["run", "a.rhai"]);
    assert!(told.err.starts_with("error: f: takes 1 argument, not 2\n  a.rhai:3:9\n"), "{}", told.err);
}
