//! `levain check`: faults found before a script runs, and correct scripts without findings.

use super::cli::Folder;
use levain::script::{Host, checker, read_script, suite};
use std::path::Path;

/// The findings in a script, one per line: `error 3:5 message`.
fn found(script: &str) -> Vec<String> {
    let findings = checker::look(&mut Host::for_script("a.rhai", script), "a.rhai", script);
    let line = |finding: &checker::Finding| {
        let place = finding.fault.place.as_ref().unwrap();
        format!("{} {}:{} {}", finding.level(), place.line, place.column, finding.fault.message)
    };
    findings.iter().map(line).collect()
}

/// The help of the only finding.
fn help(script: &str) -> String {
    let findings = checker::look(&mut Host::for_script("a.rhai", script), "a.rhai", script);
    assert_eq!(findings.len(), 1, "{script}: {:?}", found(script));
    findings[0].fault.help.clone().unwrap_or_default()
}

#[test]
fn verbs_of_types_that_are_known() {
    let script = r#"
let x = tensor([[1.0, 2.0]]);
x.summ();
(x @ x.t()).exp().meen();
x.sum(1, 2, 3, 4);
let tok = tokenizer(["a"], #{ vocab_size: 260 });
tok.encod("a");
tok.encode("a", #{}, 3);
for i in 0..3 { i.sqare(); }
let text = "a" + 1;
text.push_all(1);
[1, 2].map(|item| item).fiter(|item| item);
let f = || x.nothing();
fn of(tensor) { tensor.anything_that_is_a_verb(); tensor.sum() }
of(x);
f.call();
x.shape();
x.shap;
x.shape = [1];
"#;
    assert_eq!(
        found(script),
        [
            "error 3:3 summ: no such verb on a Tensor",
            "error 4:19 meen: no such verb on a Tensor",
            "error 5:3 sum: does not take 4 arguments",
            "error 7:5 encod: no such verb on a Tokenizer",
            "error 8:5 encode: does not take 3 arguments",
            "error 9:19 sqare: no such verb on an int",
            "error 11:6 push_all: no such verb on a string",
            "error 12:25 fiter: no such verb on a list",
            "error 13:14 nothing: no such verb on a Tensor",
            "error 14:24 anything_that_is_a_verb: no such verb",
            "error 17:3 shape: is a property of a Tensor",
            "error 18:3 shap: no such property on a Tensor",
            "error 19:3 shape: can be read on a Tensor, not set",
        ]
    );
    assert_eq!(help("dataset([\"a\"]).lenn();"), "did you mean `dataset.len() -> int`?");
    let told = help("tensor([1.0]).summ();");
    assert!(told.starts_with("did you mean `tensor.sum("), "{told}");
}

#[test]
fn a_variable_whose_type_may_change_is_left_alone() {
    // later, in a loop, in a branch, in a closure
    for change in
        ["x = \"text\";", "for i in 0..2 { x = \"\"; }", "if true { x = [1]; }", "let f = || { x = 1; }; f.call();"]
    {
        let script = format!("let x = tensor([1.0]); x.push_str(\"a\"); {change} x.push_str(\"b\");");
        let typed: Vec<String> = found(&script).into_iter().filter(|line| line.contains(" on a Tensor")).collect();
        assert!(typed.is_empty(), "{script}: {typed:?}");
    }
    // the same type again is no change
    let script = "let x = tensor([1.0]); x = x + 1.0; x += x; x.pushh();";
    assert_eq!(found(script), ["error 1:47 pushh: no such verb on a Tensor"]);
    // maps hold closures, and rows hold anything
    assert!(found("let m = #{ f: |x| x }; m.f(1); let r = #{}; r.set(\"a\", 1); r.a;").is_empty());
    // functions that call themselves, with as many arguments or fewer
    assert!(
        found(
            "fn f(n) { if n > 0 { f(n - 1); g(1, 2) } else { 0 } } fn g(a) { g(a, 1) } fn g(a, b) { f(a + b) } g(f(3));"
        )
        .is_empty()
    );
    assert!(found("fn f(x) { x.sum(); x.encode(\"a\"); x.shape } f(1);").is_empty());
}

#[test]
fn options_of_native_verbs_and_of_the_library() {
    let script = r#"
let net = model(#{ model_type: "llama", vocab_size: 64, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 }, #{ sed: 7 });
let opt = adamw(net.parameters(), #{ lr: "fast" });
opt.step(net.loss(#{ ids: [1, 2] }).backward());
net.generate(tokenizer(["a"], #{ siz: 260, min_frequency: 1 }), "a", #{ max_new_tokens: 3.5, temperature: 1, seed: () });
bench::speed("a", #{ second: 1.0, min_samples: "x" }, || 1);
fn run(given) { let cfg = options(#{ lr: 1e-3, steps: 3, out: () }, given); cfg.lr }
run(#{ step: 3 });
run(#{ steps: 1.5, lr: 1, out: [] });
print(opt);
"#;
    assert_eq!(
        found(script),
        [
            "error 2:125 model: there is no option `sed`",
            "error 3:42 adamw: option `lr` takes a number, not a string",
            "error 5:34 tokenizer: there is no option `siz`",
            "error 5:89 generate: option `max_new_tokens` takes a whole number, not a float",
            "error 6:22 bench::speed: there is no option `second`",
            "error 6:48 bench::speed: option `min_samples` takes a whole number, not a string",
            "error 8:8 run: there is no option `step`",
            "error 9:15 run: option `steps` takes a whole number, not a float",
        ]
    );
    assert_eq!(help("adamw([param(tensor([1.0]))], #{ rl: 0.1 });"), "did you mean `lr`?");
    // expected failures fail on purpose
    assert!(found("assert::throws(|| adamw([], #{ rl: 0.1 }), \"no option\");").is_empty());
}

#[test]
fn variables_that_nobody_uses_and_lines_that_nobody_reaches() {
    let script = r#"
import "lib" as lib;
const LIMIT = 3;
const UNREAD = 4;
let _free = 1;
let left = 2;
let counted = 0;
fn f(unused_argument) {
    let inside = 1;
    if unused_argument { return 3; } else { throw 4; }
    print(global::LIMIT);
}
let g = || { counted += 1; };
for i in 0..3 { if i == 1 { break; print(i); } }
g.call();
f(true);
exit(0);
print("never");
"#;
    let folder = Folder::new(&[("a.rhai", script), ("lib.rhai", "fn one() { 1 }")]);
    let told = folder.levain(&["check", "a.rhai"]);
    let first: Vec<&str> =
        told.err.lines().filter(|line| line.starts_with("warning") || line.starts_with("error")).collect();
    assert_eq!(
        first,
        [
            "warning: lib: is imported and never used",
            "warning: UNREAD: is never used",
            "warning: left: is never used",
            "warning: inside: is never used",
            "warning: this is never reached: what stands before it ends here",
            "warning: this is never reached: what stands before it ends here",
            "warning: this is never reached: what stands before it ends here",
        ]
    );
    assert!(
        told.err.contains("  a.rhai:11:5\n")
            && told.err.contains("  a.rhai:14:36\n")
            && told.err.contains("  a.rhai:18:1\n"),
        "{}",
        told.err
    );
    assert!(told.err.ends_with("0 errors, 7 warnings\n"), "{}", told.err);
    // it runs all the same, with one line each
    assert_eq!(told.code, 0);
    let told = folder.levain(&["run", "a.rhai"]);
    assert_eq!(told.code, 0);
    assert_eq!(told.err.lines().count(), 7);
    assert!(told.err.starts_with("warning: a.rhai:2:17: lib: is imported and never used\n"), "{}", told.err);
}

#[test]
fn a_function_called_as_a_verb_leaves_the_verb_alone() {
    let script = "fn encode(text) { text }\nlet tok = tokenizer([\"a\"], #{ vocab_size: 260, min_frequency: 1 });\nprint(tok.encode(\"a\"));\n";
    assert!(found(script).is_empty());
    assert!(found("fn encode(a, b, c, d) { a + b + c + d } encode(1, 2, 3, 4);").is_empty());
    // a function meant as a method is suggested
    assert!(found("fn encode(text) { this + text } \"a\".encode(\"b\");").is_empty());
    // another one is not
    let told = found("fn encode(text) { text } \"a\".encode(\"b\");");
    assert!(told.len() == 1 && told[0].starts_with("error 1:30 "), "{told:?}");
}

#[test]
fn imports_are_looked_into_and_missing_ones_are_told() {
    let folder = Folder::new(&[
        (
            "a.rhai",
            "import \"lib/b\" as b;\nimport \"lib/none\" as none;\nb::on(1);\nb::one(1, 2);\nb::one(1);\nnone::f();\n",
        ),
        ("lib/b.rhai", "import \"c\" as c;\nfn one(x) { c::three(x) }\n"),
        ("lib/c.rhai", "fn two(x) {\n    x.no_such_verb()\n}\n"),
        ("lib/nine.rhai", "fn f() { 1 }"),
    ]);
    let told = folder.levain(&["check", "a.rhai", "--format", "github"]);
    assert_eq!(told.code, 2);
    let lines: Vec<&str> =
        told.out.lines().map(|line| line.split_once("verb (").map_or(line, |(line, _)| line).trim_end()).collect();
    assert_eq!(
        lines,
        [
            "::error file=a.rhai,line=2,col=8::import: lib/none.rhai is not there (did you mean `nine`?)",
            "::error file=a.rhai,line=3,col=4::b::on: no such function (did you mean `b::one`?)",
            "::error file=a.rhai,line=4,col=4::b::one: does not take 2 arguments",
            "::error file=lib/b.rhai,line=2,col=16::c::three: no such function (it has two)",
            "::error file=lib/c.rhai,line=2,col=7::no_such_verb: no such verb",
        ]
    );
}

#[test]
fn json_for_editors() {
    let folder =
        Folder::new(&[("a.rhai", "let x = 1;\nfoo(2);\n"), ("b.rhai", "let a = (1\n"), ("good.rhai", "print(1);")]);
    let told = folder.levain(&["check", "a.rhai", "b.rhai", "none.rhai", "--format", "json"]);
    assert_eq!(told.code, 2);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let facts: Vec<String> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}:{} {}", one["level"], one["file"], one["line"], one["column"], one["message"]))
        .collect();
    assert_eq!(
        facts,
        [
            r#""warning" "a.rhai" 1:5 "x: is never used""#,
            r#""error" "a.rhai" 2:1 "foo: no such function""#,
            r#""error" "b.rhai" 1:11 "syntax: `)` expected for a matching ( in this expression""#,
            r#""error" null null:null "script: none.rhai is not there""#,
        ]
    );
    let told = folder.levain(&["check", "good.rhai", "--format", "json"]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, "[]\n", ""));
    let told = folder.levain(&["check", "good.rhai", "--format", "xml"]);
    assert!(told.code == 2 && told.err.contains("invalid value 'xml'"), "{}", told.err);
}

#[test]
fn no_false_alarm_on_any_script_of_the_repository() {
    let mut alarms = Vec::new();
    for folder in ["scripts", "stdlib", "tests"] {
        for path in suite::scripts(Path::new(folder)) {
            let text = read_script(&path).unwrap();
            let name = path.display().to_string();
            for finding in checker::look(&mut Host::for_script(&name, &text), &name, &text) {
                // tests/host/names.rhai shadows verbs on purpose
                if !(finding.is_warning && path.ends_with("host/names.rhai")) {
                    alarms.push(finding.to_string());
                }
            }
        }
    }
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

#[test]
fn three_hundred_lines_are_checked_in_fifty_milliseconds() {
    let block = "fn f{n}(net, tok) {\n    let x = tensor([[1.0, 2.0], [3.0, 4.0]]);\n    let y = (x @ x.t()).exp().mean();\n    \
                 let rows = [1, 2, 3].map(|i| i * 2).filter(|i| i > {n});\n    for row in rows {\n        \
                 if row > 3 { print(`${row} ${y.item()}`); }\n    }\n    \
                 bench::speed(\"a\", #{ seconds: 0.1 }, || net.loss(#{ ids: [1, 2] }));\n    tok.encode(\"text\")\n}\n";
    let script: String = (0..30).map(|n| block.replace("{n}", &n.to_string())).collect();
    assert_eq!(script.lines().count(), 300);
    let mut host = Host::for_script("a.rhai", &script);
    let time = |host: &mut Host, script: &str| {
        let start = std::time::Instant::now();
        let found = checker::look(host, "a.rhai", script).len();
        (start.elapsed(), found)
    };
    let best = |host: &mut Host, script: &str| (0..5).map(|_| time(host, script)).min().unwrap();
    let (clean, found) = best(&mut host, &script);
    assert_eq!(found, 0);
    let (faulty, found) = best(&mut host, &script.replace(".mean()", ".meen()").replace("f1(", "f_1("));
    assert!(found > 0);
    println!("300 lines: {clean:?}; with faults: {faulty:?}");
    assert!(clean.as_millis() < 50 && faulty.as_millis() < 50, "{clean:?} {faulty:?}");
}

#[test]
fn definitions_for_the_language_server() {
    let folder = Folder::new(&[]);
    let told = folder.levain(&["definitions", "defs"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("defs").join(name)).unwrap();
    assert!(
        read("bench.d.rhai").starts_with("module bench;\n")
            && read("bench.d.rhai").contains("fn speed(name: ?, given: ?, work: ?)")
    );
    let natives = read("__static__.d.rhai");
    assert!(
        natives.contains("fn adamw(params: Array") && natives.contains("get shape(") && natives.contains("/// "),
        "{natives}"
    );
    for name in ["__static__.d.rhai", "bench.d.rhai", "vocab.d.rhai"] {
        let text = read(name);
        assert!(!text.contains("fn _") && !text.contains("__of_") && !text.contains("index$"), "{name}");
    }
    std::fs::write(folder.path().join("file"), "").unwrap();
    let told = folder.levain(&["definitions", "file"]);
    assert!(told.code == 2 && told.err.starts_with("error: definitions: "), "{}", told.err);
}
