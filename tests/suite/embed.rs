//! levain inside another program.

use levain::rhai::{Dynamic, Module};
use levain::script::Cause;
use levain::tensor::Tensor;
use levain::{Cancel, Limits, Runtime, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// A complete application in forty lines: it registers its own function for scripts, captures their output, passes in a struct,
/// and receives a struct and a tensor.
fn application() -> Result<(), Box<dyn std::error::Error>> {
    #[derive(Serialize)]
    struct Order {
        item: String,
        prices: Vec<f64>,
    }
    #[derive(Deserialize, PartialEq, Debug)]
    struct Quote {
        total: f64,
        note: Option<String>,
    }

    let mut shop = Module::new();
    shop.set_native_fn("discount", |item: &str| Ok(if item == "bread" { 0.5 } else { 0.0 }));
    let printed = Arc::new(Mutex::new(Vec::new()));
    let lines = printed.clone();
    let runtime = Runtime::builder()
        .limits(Limits { operations: Some(100_000), ..Limits::strict() })
        .no_files()
        .print(move |line| lines.lock().unwrap().push(line.to_string()))
        .module("shop", shop)
        .build()?;

    let mut script = runtime.load(
        "quote",
        "const TAX = 1.25;
         let weights = tensor([[1.0, 2.0], [3.0, 4.0]]);
         fn quote(order) {
             let sum = tensor(order.prices).sum().item() * (1.0 - shop::discount(order.item));
             print(`${order.item}: ${sum}`);
             #{ total: sum * global::TAX, note: () }
         }",
    )?;
    let order = Order { item: "bread".into(), prices: vec![1.0, 3.0] };
    let quote: Quote = script.call("quote", (order,))?.to()?;
    let weights = script.get("weights").and_then(|value| value.tensor()).ok_or("no weights")?;
    let sum = weights.with_numbers(|numbers: &[f32]| numbers.iter().sum::<f32>())?;

    assert_eq!(quote, Quote { total: 2.5, note: None });
    assert_eq!((sum, printed.lock().unwrap().as_slice()), (10.0, ["bread: 2.0".to_string()].as_slice()));
    Ok(())
}

#[test]
fn an_application_embeds_it_in_forty_lines() {
    application().unwrap();
    let source = include_str!("embed.rs");
    let lines = source.split("fn application").nth(1).unwrap().split("\n}\n").next().unwrap().lines();
    assert!(lines.count() <= 45);
}

#[test]
fn values_go_both_ways() {
    let runtime = Runtime::default();
    assert_eq!(runtime.run("6 * 7").unwrap().to::<i64>().unwrap(), 42);
    let mut script = runtime.load("s", "fn both(a, b) { [b, a] } fn none() { 3 }").unwrap();
    let turned: (Vec<u8>, String) = script.call("both", ("x", [1, 2])).unwrap().to().unwrap();
    assert_eq!(turned, (vec![1, 2], "x".to_string()));
    assert_eq!(script.call("none", ()).unwrap().to::<i64>().unwrap(), 3);
    let fault = script.call("none", 7).unwrap_err();
    assert_eq!(fault.message, "call: the arguments are a tuple or a list, not i64");
    let fault = script.call("both", (1,)).unwrap_err();
    assert!(fault.message.starts_with("both"), "{}", fault.message);
    let fault = runtime.run("\"text\"").unwrap().to::<i64>().unwrap_err();
    assert!(fault.message.starts_with("value: string is no i64"), "{}", fault.message);
}

#[test]
fn tensors_are_shared_and_not_copied() {
    let runtime = Runtime::default();
    let mut script =
        runtime.load("s", "let w = zeros([1000, 1000]); fn same(t) { t } fn sum(t) { t.sum().item() }").unwrap();
    let address = |tensor: &Tensor| tensor.with_numbers(|numbers: &[f32]| numbers.as_ptr() as usize).unwrap();
    let first = script.get("w").unwrap().tensor().unwrap();
    let second = script.get("w").unwrap().tensor().unwrap();
    assert_eq!(address(&first), address(&second));
    let back = script.call_values("same", vec![Value::from(first.clone())]).unwrap().tensor().unwrap();
    assert_eq!(address(&first), address(&back));
    assert!(script.get("w").unwrap().cast::<String>().is_none());
}

#[test]
fn a_call_does_nothing_again_but_imports_and_constants() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lib.rhai"), "fn twice(x) { 2 * x }").unwrap();
    std::fs::write(
        folder.path().join("main.rhai"),
        "import \"lib\" as lib; const BIG = ones([3]); print(\"once\"); fn f(x) { lib::twice(x) + global::BIG.len() }",
    )
    .unwrap();
    let count = Arc::new(Mutex::new(0));
    let counter = count.clone();
    let runtime = Runtime::builder().print(move |_| *counter.lock().unwrap() += 1).build().unwrap();
    let mut script = runtime.load_file(folder.path().join("main.rhai")).unwrap();
    for x in [1, 2] {
        assert_eq!(script.call("f", (x,)).unwrap().to::<i64>().unwrap(), 2 * x + 3);
    }
    assert_eq!(*count.lock().unwrap(), 1);
}

#[test]
fn progress_goes_where_the_host_says() {
    let script = "let bar = progress(2, \"work\"); bar.tick(); bar.tick(#{ loss: 0.5 }); bar.done(); print(\"end\");";
    let (printed, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let keep = |lines: &Arc<Mutex<Vec<String>>>| {
        let lines = lines.clone();
        move |line: &str| lines.lock().unwrap().push(line.to_string())
    };
    let runtime = Runtime::builder().print(keep(&printed)).progress(keep(&told)).build().unwrap();
    runtime.run(script).unwrap();
    assert_eq!(*printed.lock().unwrap(), ["end"]);
    assert_eq!(*told.lock().unwrap(), ["  work   0:00   loss 0.500"]);
    // nothing is written to the host's own standard error: checked in a separate process
    if std::env::var_os("LEVAIN_TEST_EMBEDDED").is_some() {
        Runtime::builder().print(|_| {}).build().unwrap().run(script).unwrap();
        Runtime::default().run(&script.replace("end", "not for the host's output")).unwrap();
        return;
    }
    let test = "embed::progress_goes_where_the_host_says";
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("LEVAIN_TEST_EMBEDDED", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && !told.contains("work"), "{told}");
    assert!(!String::from_utf8_lossy(&run.stdout).contains("not for the host's output"));
}

#[test]
fn a_script_does_not_set_up_the_threads_of_its_host() {
    let there = rayon::current_num_threads() as i64;
    let runtime = Runtime::default();
    assert_eq!(runtime.run("threads()").unwrap().to::<i64>().unwrap(), there);
    let fault = runtime.run("threads(1000)").unwrap_err();
    assert_eq!(fault.message, format!("threads: {there} threads are at work already"));
}

#[test]
fn random_numbers_go_on_from_run_to_run() {
    let runtime = Runtime::default();
    let draw = || runtime.run("rand([1]).item()").unwrap().to::<f64>().unwrap();
    let (first, second) = (draw(), draw());
    assert_ne!(first, second);
    let both: Vec<f64> = Runtime::default().run("[rand([1]).item(), rand([1]).item()]").unwrap().to().unwrap();
    assert_eq!(both, [first, second]);
}

#[test]
fn a_script_is_stopped_from_another_thread() {
    let cancel = Cancel::default();
    let runtime = Runtime::builder().cancel(&cancel).build().unwrap();
    for script in ["let x = 0; loop { x += 1; }", "sleep(60);", "[1].map(|x| { loop { x += 1; } })"] {
        let stop = cancel.clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            stop.request();
        });
        assert_eq!(runtime.run(script).unwrap_err().cause, Cause::Interrupted, "{script}");
        timer.join().unwrap();
        cancel.clear();
    }
    assert_eq!(runtime.run("1").unwrap().to::<i64>().unwrap(), 1);
}

#[test]
fn faults_and_names() {
    let mut runtime = Runtime::builder().args(["n=3"]).build().unwrap();
    assert_eq!(runtime.run("options(#{ n: 1 }, args()).n").unwrap().to::<i64>().unwrap(), 3);
    let fault = runtime.run("let a = [1];\na[4]").unwrap_err();
    assert_eq!(fault.to_string(), "error: []: index 4 of a list of 1\n  script:2:3\n2 | a[4]\n  |   ^\n");
    assert_eq!(runtime.check("s", "print(hiden);")[0].message, "hiden: no such variable");
    let fault = runtime.run_file("no/such.rhai").unwrap_err();
    assert_eq!(fault.message, "script: no/such.rhai is not there");
    let taken = Runtime::builder().module("sft", Module::new()).build().err().unwrap();
    assert_eq!(taken.what(), "`sft` is a module of the standard library");
    assert_eq!(Runtime::builder().args(["n"]).build().err().unwrap().what(), "`n` is not key=value");
    let runtime = Runtime::builder()
        .natives(|engine| {
            engine.register_fn("three", || 3_i64);
        })
        .build()
        .unwrap();
    assert_eq!(runtime.run("three()").unwrap().to::<i64>().unwrap(), 3);
}

#[test]
fn limits_count_where_rhais_own_do_not() {
    let limits = Limits { operations: Some(20_000), ..Limits::default() };
    let runtime = Runtime::builder().limits(limits).build().unwrap();
    let told = |script: &str| runtime.run(script).unwrap_err().message;
    let limit = "limit: more than 20,000 operations";
    assert_eq!(told("let x = 0; loop { x += 1; }"), limit);
    // each call of the closure counts on a copy of Rhai's own counter
    assert_eq!(told("let a = []; a.pad(2000, 0); a.map(|x| { for i in 0..50 { x += i; } x })"), limit);
    assert_eq!(told("try { loop { } } catch { 1 }"), limit);
    // a new run starts a new count
    assert_eq!(runtime.run("let x = 0; for i in 0..100 { x += i; } x").unwrap().to::<i64>().unwrap(), 4950);
    assert!(runtime.operations() > 100 && runtime.operations() < 20_000);
}

/// Passes a value to a script that returns it.
fn back<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(runtime: &Runtime, value: T) {
    let mut script = runtime.load("same", "fn same(x) { x }").unwrap();
    let given = script.call_values("same", vec![Value::new(&value).unwrap()]).unwrap();
    assert_eq!(given.to::<T>().unwrap(), value, "{given:?}");
}

#[test]
fn every_kind_of_serde_comes_back_as_it_was() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Kind {
        Unit,
        New(f32),
        Tuple(u64, String),
        Struct { a: f32, b: Option<u8> },
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Tagged {
        A { x: f32 },
        B,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Either {
        Number(f32),
        Text(String),
        List(Vec<f32>),
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Meters(f32);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Nothing;
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Pair(i8, f32);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Order {
        weight: f32,
        #[serde(flatten)]
        more: BTreeMap<String, f32>,
        #[serde(default)]
        note: Option<String>,
    }
    let runtime = Runtime::default();
    macro_rules! back { ($($value:expr),* $(,)?) => { $(back(&runtime, $value);)* } }
    back!(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i64::MAX, i128::MIN, i128::MAX, isize::MIN);
    back!(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX, usize::MAX, 7u64, 7i128, -7i128, 7u128);
    back!(
        0.1f32,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
        1e-45f32,
        -0.0f32,
        0.1f64,
        f64::MAX,
        f64::INFINITY,
        3.0f32
    );
    back!(true, 'ü', "专".to_string(), String::new(), ());
    back!(Some(3i64), None::<i64>, Some(0.5f32), Some(String::new()), vec![Some(1u8), None]);
    back!(
        vec![0.1f32, 0.2],
        vec![u64::MAX],
        Vec::<f32>::new(),
        [1u8, 2, 3],
        (1i64, 0.5f32, "x".to_string()),
        vec![vec![1i8]]
    );
    back!(
        BTreeMap::from([("a b".to_string(), 0.1f32)]),
        HashMap::from([(1i64, 2i64), (-3, 4)]),
        BTreeMap::from([(u64::MAX, 1u8)])
    );
    back!(BTreeMap::from([('x', 1u8)]), BTreeMap::from([(true, 1u8)]), BTreeMap::<String, f32>::new());
    back!(Kind::Unit, Kind::New(0.1), Kind::Tuple(u64::MAX, "a".into()), Kind::Struct { a: 0.1, b: None });
    back!(Tagged::A { x: 0.1 }, Tagged::B, Either::Number(0.5), Either::Text("t".into()), Either::List(vec![0.5]));
    back!(
        Meters(0.1),
        Nothing,
        Pair(-1, 0.1),
        std::time::Duration::new(u64::MAX, 1),
        "path/to".parse::<std::path::PathBuf>().unwrap()
    );
    back!(Order { weight: 0.1, more: BTreeMap::from([("x".into(), 0.3)]), note: None });
    back!(serde_json::json!({ "a": [1, 2.5, "x", null, true], "b": { "c": {} } }));
    assert!(runtime.run("0.0 / 0.0").unwrap().to::<f32>().unwrap().is_nan());
}

#[test]
fn what_does_not_fit_names_its_place_and_nothing_is_bent() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Order {
        items: Vec<Item>,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Item {
        count: u8,
    }
    let runtime = Runtime::default();
    let told = |script: &str| runtime.run(script).unwrap().to::<Order>().unwrap_err().message;
    let fault = told("#{ items: [#{ count: 1 }, #{ count: 300 }] }");
    assert!(fault.ends_with("items.1.count: invalid value: integer `300`, expected u8"), "{fault}");
    let fault = told("#{ items: [#{ count: \"7\" }] }");
    assert!(fault.ends_with("items.0.count: invalid type: string \"7\", expected u8"), "{fault}");
    // a script's 3 is also a float, and its 3.5 is not an int
    assert_eq!(runtime.run("3").unwrap().to::<f64>().unwrap(), 3.0);
    assert_eq!(runtime.run("[3, 0.5]").unwrap().to::<Vec<f32>>().unwrap(), [3.0, 0.5]);
    assert!(runtime.run("3.5").unwrap().to::<i64>().is_err() && runtime.run("-1").unwrap().to::<u64>().is_err());
    assert!(runtime.run("\"12\"").unwrap().to::<u64>().is_err());
    assert!(runtime.run("|x| x").unwrap().to::<i64>().is_err());
    let fault = Value::new(BTreeMap::from([((1, 2), 3)])).unwrap_err().message;
    assert!(fault.starts_with("value: a key of a map is a text, a whole number"), "{fault}");
    // bytes, a shared variable, and host-specific kinds
    assert_eq!(runtime.run("let x = [1]; let f = || x.push(2); f.call(); x").unwrap().to::<Vec<u8>>().unwrap(), [1, 2]);
    assert_eq!(Value::from(Dynamic::from(0.5f32)).to::<f32>().unwrap(), 0.5);
    assert_eq!(Value::from(Dynamic::from(7u8)).to::<i64>().unwrap(), 7);
    assert_eq!(Value::from(Dynamic::from_blob(vec![1, 2])).to::<Vec<u8>>().unwrap(), [1, 2]);
}

#[test]
fn a_native_that_uses_its_own_runtime_gets_an_error_and_another_runtime_works() {
    let (own, other) = (Arc::new(OnceLock::<Arc<Runtime>>::new()), Arc::new(Runtime::default()));
    let (slot, second) = (own.clone(), other.clone());
    let ask = move |which: &str, script: &str| {
        let runtime = if which == "own" { slot.get().unwrap() } else { &second };
        runtime.run(script).map_or_else(|fault| fault.message, |value| value.to::<String>().unwrap())
    };
    let ask = Arc::new(ask);
    let again = ask.clone();
    let runtime = Runtime::builder().natives(move |engine| {
        engine.register_fn("ask", move |which: &str, script: &str| again(which, script));
    });
    let runtime = Arc::new(runtime.build().unwrap());
    own.set(runtime.clone()).ok().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let work = runtime.clone();
    std::thread::spawn(move || {
        for which in ["own", "other"] {
            tell.send(work.run(&format!("ask(\"{which}\", \"`${{1 + 1}}`\")")).unwrap().to::<String>().unwrap())
                .unwrap();
        }
    });
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("it waits for itself");
    assert_eq!(next(), "runtime: it is at work already: the script that it runs led here");
    assert_eq!(next(), "2");
    // also through another runtime
    let (first, detour) = (own.clone(), other);
    let back = Runtime::builder().natives(move |engine| {
        let detour = detour.clone();
        engine.register_fn("detour", move || detour.run("1").is_ok());
        engine.register_fn("home", move || {
            first.get().unwrap().run("1").map_or_else(|fault| fault.message, |_| "ran".into())
        });
    });
    let back = back.build().unwrap();
    assert!(back.run("detour()").unwrap().to::<bool>().unwrap());
    assert_eq!(back.run("home()").unwrap().to::<String>().unwrap(), "ran");
    // and it still works afterwards
    assert_eq!(runtime.run("1 + 1").unwrap().to::<i64>().unwrap(), 2);
}

#[test]
fn a_native_that_waits_for_a_thread_that_waits_for_its_runtime_ends() {
    let own = Arc::new(OnceLock::<Arc<Runtime>>::new());
    let slot = own.clone();
    let builder = Runtime::builder().patience(Duration::from_millis(200)).natives(move |engine| {
        engine.register_fn("ask", move |script: &str| {
            let (runtime, script) = (slot.get().unwrap().clone(), script.to_string());
            let asked = std::thread::spawn(move || runtime.run(&script).map(|_| ()).map_err(|fault| fault.message));
            asked.join().unwrap().err().unwrap_or_default()
        });
        engine.register_fn("rest", || std::thread::sleep(Duration::from_millis(100)));
    });
    let runtime = Arc::new(builder.build().unwrap());
    own.set(runtime.clone()).ok().unwrap();
    let told = runtime.run("ask(\"1\")").unwrap().to::<String>().unwrap();
    assert!(told.starts_with("runtime: it is at work: its script is in `ask` for 0."), "{told}");
    // a caller that the running script does not wait for waits for its end, however long that takes in total
    let (work, begun) = (runtime.clone(), std::time::Instant::now());
    let first = std::thread::spawn(move || work.run("for n in 0..5 { rest(); }").map(|_| ()));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(runtime.run("1 + 1").unwrap().to::<i64>().unwrap(), 2);
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert!(first.join().unwrap().is_ok());
}

#[test]
fn exit_codes_reach_the_host() {
    let runtime = Runtime::default();
    let fault = runtime.run("let x = 1;\nexit(3);\nx").unwrap_err();
    assert_eq!((fault.cause, fault.message.as_str()), (Cause::Exit(3), "exit: the script ended itself with code 3"));
    assert_eq!(runtime.exit_code(), Some(3));
    assert!(runtime.run("exit(0); 7").is_ok() && runtime.exit_code() == Some(0));
    assert!(runtime.run("exit(); 7").is_ok() && runtime.exit_code() == Some(0));
    assert_eq!((runtime.run("7").unwrap().to::<i64>().unwrap(), runtime.exit_code()), (7, None));
    let mut script = runtime.load("s", "fn f(n) { [n].map(|n| exit(n)); 7 }").unwrap();
    assert_eq!(script.call("f", (4,)).unwrap_err().cause, Cause::Exit(4));
    assert_eq!(runtime.run("try { exit(5); } catch { 1 }").unwrap_err().cause, Cause::Exit(5));
    assert_eq!(runtime.run("exit(256)").unwrap_err().message, "exit: code 256 is not between 0 and 255");
    assert_eq!(runtime.run("exit(-1)").unwrap_err().cause, Cause::Script);
}

#[test]
fn a_panic_of_the_host_is_its_own() {
    #[derive(Clone)]
    struct Box(i64);
    let mut module = Module::new();
    module.set_native_fn("boom", || -> Result<i64, std::boxed::Box<levain::rhai::EvalAltResult>> {
        panic!("host bug 45")
    });
    let runtime = Runtime::builder()
        .natives(|engine| {
            engine.register_fn("boom", || -> i64 { panic!("host bug 42") });
            engine
                .register_type_with_name::<Box>("Box")
                .register_fn("box_of", |n: i64| Box(n))
                .register_fn("+", |_: Box, _: Box| -> i64 { panic!("host bug 43") })
                .register_get("n", |of: &mut Box| -> i64 {
                    if of.0 > 1 { panic!("host bug {}", of.0) } else { of.0 }
                })
                .register_indexer_get(|of: &mut Box, _: i64| -> i64 { panic!("host bug {}", of.0) });
        })
        .module("guest", module)
        .print(|line| {
            if line == "bad" {
                panic!("host bug 46")
            }
        })
        .build()
        .unwrap();
    let fault = |script: &str| runtime.run(script).unwrap_err();
    let told = fault("let x = 1;\nboom();");
    assert_eq!(told.cause, Cause::Host);
    assert_eq!(
        told.to_string(),
        "error: boom: a function of the application panicked: host bug 42\n  script:2:1\n2 | boom();\n  | ^\n"
    );
    for (script, text) in [
        ("\nbox_of(1) + box_of(2)", "+: a function of the application panicked: host bug 43"),
        ("\nbox_of(44).n", "n: a function of the application panicked: host bug 44"),
        ("\nbox_of(7)[0]", "[]: a function of the application panicked: host bug 7"),
        ("\n[1].map(|x| boom())", "boom: a function of the application panicked: host bug 42"),
        ("\ntry { boom() } catch { 1 }", "boom: a function of the application panicked: host bug 42"),
    ] {
        let told = fault(script);
        assert_eq!((told.cause, told.message.as_str()), (Cause::Host, text), "{script}");
        assert_eq!(told.place.map(|place| place.line), Some(2), "{script}");
    }
    let told = fault("print(\"bad\");");
    assert_eq!(
        (told.cause, told.message.as_str()),
        (Cause::Host, "print: a closure of the application panicked: host bug 46")
    );
    // a module's functions are called by Rhai: the faulty caller is unknown, so none is named
    let told = fault("guest::boom()").to_string();
    assert!(told.contains("host bug 45") && !told.contains("mistake in levain"), "{told}");
    assert_eq!(runtime.run("print(\"good\"); box_of(1).n").unwrap().to::<i64>().unwrap(), 1);
}

#[test]
fn a_native_that_would_hide_a_verb_is_an_error() {
    let taken = Runtime::builder().natives(|engine| {
        engine.register_fn("zeros", |_: levain::rhai::Array| 42_i64);
    });
    let error = taken.build().err().unwrap();
    assert_eq!(error.what(), "levain has a `zeros` for the same kinds of arguments");
    // the host may define one for a type of its own
    #[derive(Clone)]
    struct Grid;
    let own = Runtime::builder().natives(|engine| {
        engine.register_fn("grid", || Grid).register_fn("zeros", |_: Grid| 42_i64);
    });
    assert_eq!(own.build().unwrap().run("zeros(grid())").unwrap().to::<i64>().unwrap(), 42);
}

#[test]
fn a_stranger_does_not_set_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rhai"), "threads(threads()); threads(0); print(threads()); threads(300);")
        .unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "--threads", "2", "--sandbox", ".", "a.rhai"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(told.starts_with("error: threads: this script may not change their number, which is 2\n"), "{told}");
    let there = rayon::current_num_threads();
    let runtime = Runtime::builder().limits(Limits::strict()).no_files().build().unwrap();
    let fault = runtime.run("threads(300)").unwrap_err();
    assert_eq!(fault.message, format!("threads: this script may not change their number, which is {there}"));
}

/// Nothing ends the process here: each of these checks the clock itself.
#[test]
fn time_ends_a_run_in_native_verbs_too() {
    let time = Some(std::time::Duration::from_millis(300));
    let runtime = Runtime::builder().limits(Limits { time, ..Limits::default() }).build().unwrap();
    for script in [
        "loop { }",
        "loop { try { loop { } } catch { } }",
        "sleep(1000.0);",
        "let t = rand([300, 300]); loop { t = (t @ t).tanh(); }",
        "let s = ``; for i in 0..30000 { s += `w${i * 7919 % 4001} `; } loop { tokenizer([s], #{ vocab_size: 3000 }); }",
    ] {
        let begun = std::time::Instant::now();
        let fault = runtime.run(script).unwrap_err();
        assert_eq!(fault.message, "limit: more than 0.3 seconds", "{script}");
        assert!(begun.elapsed().as_secs_f64() < 1.3, "{script}: {:?}", begun.elapsed());
    }
    // a new run has the full time limit
    assert_eq!(runtime.run("1 + 1").unwrap().to::<i64>().unwrap(), 2);
}
