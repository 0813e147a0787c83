//! levain inside another program.

use levain::rhai::Module;
use levain::script::Cause;
use levain::tensor::Tensor;
use levain::{Cancel, Limits, Runtime, Value};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A whole application in forty lines: it lends scripts its own function, keeps what they print, gives one a struct,
/// and takes a struct and a tensor from it.
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
    // nothing of it is on the host's own standard error: in a process of its own, to see that
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
    // a new run counts anew
    assert_eq!(runtime.run("let x = 0; for i in 0..100 { x += i; } x").unwrap().to::<i64>().unwrap(), 4950);
    assert!(runtime.operations() > 100 && runtime.operations() < 20_000);
}
