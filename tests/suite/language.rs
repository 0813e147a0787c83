//! The language from outside: the first line of a script file, command-line arguments, and the criterion of success.

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
fn a_test_that_returns_false_has_not_passed_and_one_that_is_misnamed_is_told() {
    let folder = Folder::new(&[
        ("t.rhai", "fn test_a() { 1 == 2 }\nfn test_b() { 2 == 2 }\n"),
        (
            "n.rhai",
            "fn test_a() { }\nfn testSum() { exit(3); }\nfn tests_b() { }\nfn tester() { }\nfn test_c() { tester() }\n",
        ),
        ("b.rhai", "let x = 1;\n"),
    ]);
    let told = folder.levain(&["test", "t.rhai"]);
    assert!(
        told.code == 1 && told.out.contains("FAILED t.rhai test_a\n  error: test: it returned false"),
        "{}",
        told.out
    );
    assert!(told.out.contains("1 passed, 1 failed"), "{}", told.out);
    let told = folder.levain(&["test", "n.rhai"]);
    assert_eq!((told.code, told.out.as_str()), (0, "2 passed, 0 failed\n"));
    for name in ["testSum", "tests_b"] {
        let line = format!("warning: test: n.rhai: `fn {name}` is not run: the name of a test begins with `test_`\n");
        assert!(told.err.contains(&line), "{}", told.err);
    }
    assert!(!told.err.contains("tester"), "{}", told.err);
    let told = folder.levain(&["bench", "b.rhai"]);
    assert!(told.code == 2 && told.err.contains("error: bench: b.rhai is not a benchmark"), "{}", told.err);
}

/// An int column accessed as text: no row is kept, without an error.
#[test]
fn a_filter_that_compares_what_is_never_equal_is_told() {
    let folder = Folder::new(&[
        ("rows.jsonl", "{\"a\": 1, \"b\": null}\n{\"a\": 2, \"b\": \"x\"}\n"),
        ("rows.rhai", "print(dataset(\"rows.jsonl\").filter(|row| row.a == \"1\").len());\n"),
        (
            "stream.rhai",
            "let n = 0; for row in stream(\"rows.jsonl\").filter(|row| row.a != \"1\") { n += 1; } print(n);\n",
        ),
        ("list.rhai", "let wanted = parse_json(\"\\\"1\\\"\"); print([1, 2].filter(|x| x == wanted).len());\n"),
        (
            "fine.rhai",
            "let data = dataset(\"rows.jsonl\");\n\
            print(data.filter(|row| row.a == 1).len() + data.filter(|row| row.b == \"y\").len());\n\
            print([1, \"x\"].filter(|x| x == \"x\").len() + data.filter(|row| row.a == \"1\" || row.a == 1).len());\n",
        ),
    ]);
    for (script, verb, kept) in [("rows", "0", "nothing"), ("stream", "2", "all"), ("list", "0", "nothing")] {
        let told = folder.levain(&["run", &format!("{script}.rhai")]);
        let message =
            format!("filter: the closure compares an int with a string, which are never equal: {kept} is kept");
        assert_eq!((told.code, told.out.trim()), (0, verb), "{}", told.err);
        assert!(told.err.contains(&message), "{script}: {}", told.err);
    }
    let told = folder.levain(&["run", "fine.rhai"]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, "1\n2\n", ""));
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

/// The standard library calls natives by name, and verbs after a dot: a script's functions of the same names affect the script
/// alone.
#[test]
fn functions_of_a_script_do_not_answer_inside_the_standard_library() {
    let own = "fn options(a, b, c) { throw \"mine\" }\nfn progress(a, b, c) { throw \"mine\" }\nfn param(x) { throw \"mine\" }\n\
        fn mean(xs) { xs.reduce(|sum, x| sum + x, 0.0) / xs.len() }\nfn contains(x) { throw \"mine\" }\nfn filter(x) { throw \"mine\" }\n";
    let trained = "let w = param(tensor([0.0]), \"w\");\n\
        let line = #{ parameters: [w], loss: |batch| (batch.x * w - batch.y).square().mean() };\n\
        let batch = #{ x: tensor([1.0, 2.0]), y: tensor([3.0, 6.0]) };\n\
        print(train::run(line, [batch], (), #{ steps: 5, lr: 0.1, quiet: true }).loss);\n";
    let used =
        "print(mean([1.0, 3.0]));\nprint([[1.0], [2.0, 4.0]].map(mean));\nlet mean = mean([5.0]);\nprint(mean);\n";
    let wrong = "fn tokenizer(x) {\n    x.none()\n}\ntokenizer(1);\n";
    let folder = Folder::new(&[
        ("plain.rhai", trained),
        ("own.rhai", &(own.to_string() + trained + used)),
        ("wrong.rhai", wrong),
        ("pointed.rhai", "fn mean(xs) { 7 }\nprint(Fn(\"mean\").call(1));\nprint(is_def_fn(\"mean\", 1));\n"),
    ]);
    let plain = folder.levain(&["run", "plain.rhai"]);
    assert_eq!(plain.code, 0, "{}", plain.err);
    let told = folder.levain(&["run", "own.rhai"]);
    assert_eq!((told.code, told.out), (0, plain.out + "2.0\n[1.0, 3.0]\n5.0\n"), "{}", told.err);
    let told = folder.levain(&["run", "wrong.rhai"]);
    assert!(told.err.contains("wrong.rhai:2:7") && !told.err.contains("__of_"), "{}", told.err);
    let told = folder.levain(&["run", "pointed.rhai"]);
    assert_eq!((told.code, told.out.as_str()), (0, "7\ntrue\n"), "{}", told.err);
}

#[test]
fn functions_of_a_session_are_called_in_later_pieces() {
    let mut notebook = levain::script::notebook::Notebook::new();
    let mut told = |text: &str| notebook.run(text).result.map(|value| value.to_string()).map_err(|fault| fault.message);
    told("fn mean(xs) { 7 }").unwrap();
    assert_eq!(told("mean([1.0])").unwrap(), "7");
    assert_eq!(told("tensor([1.0, 3.0]).mean().item()").unwrap(), "2.0");
    told("fn twice(x) { mean(x) * 2 }").unwrap();
    assert_eq!(told("twice(1)").unwrap(), "14");
    told("fn mean(xs) { 8 }").unwrap();
    assert_eq!(told("twice(1)").unwrap(), "16");
    told("let f = |x| mean(x);").unwrap();
    assert_eq!(told("f.call(1)").unwrap(), "8");
}
