//! Script verbs of the host: options, arguments, numbers as text, exit.

mod input;
mod lists;
mod numbers;
mod options;
mod sizes;
mod sorting;
mod texts;

use super::prelude::*;
use crate::sync::unpoisoned;
use options::FROM_SHELL;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The arguments of a run, and its requested exit code.
#[derive(Clone)]
pub struct Run {
    args: Arc<Mutex<Map>>,
    /// The exit code that the script requested; -1 before.
    code: Arc<AtomicI64>,
}

impl Run {
    /// Takes `key=value` words from the command line.
    pub fn set_args(&self, words: &[String]) -> crate::Result<()> {
        let mut args = Map::new();
        for word in words {
            let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(Error::new("args", format!("`{word}` is not key=value")));
            };
            let mut value = Dynamic::from(value.to_string());
            value.set_tag(FROM_SHELL);
            args.insert(key.trim_start_matches("--").into(), value);
        }
        *unpoisoned(self.args.lock()) = args;
        Ok(())
    }

    /// The exit code, if the script has requested one.
    pub fn ended(&self) -> Option<u8> {
        u8::try_from(self.code.load(Ordering::Relaxed)).ok()
    }

    /// Takes the requested exit code, and clears it.
    pub fn take_ended(&self) -> Option<u8> {
        u8::try_from(self.code.swap(-1, Ordering::Relaxed)).ok()
    }
}

impl Default for Run {
    fn default() -> Run {
        Run { args: Arc::default(), code: Arc::new(AtomicI64::new(-1)) }
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    input::register(host);
    lists::register(host);
    numbers::register(host);
    options::register(host);
    sizes::register(host);
    sorting::register(host);
    texts::register(host);
    let run = host.run_state.clone();
    let args = run.clone();
    FuncRegistration::new("args")
        .with_comments(ARGS.lines().map(|line| format!("/// {line}")).collect::<Vec<_>>())
        .with_params_info(["Map"])
        .register_into_engine(&mut host.engine, move || -> Map { unpoisoned(args.args.lock()).clone() });
    let code = run.clone();
    FuncRegistration::new("exit")
        .with_comments(EXIT.lines().map(|line| format!("/// {line}")).collect::<Vec<_>>())
        .with_params_info(["code: INT", "()"])
        .register_into_engine(&mut host.engine, move |wanted: INT| -> Res<()> { end(&code, wanted) });
    let output = host.output.clone();
    FuncRegistration::new("write")
        .with_comments(WRITE.lines().map(|line| format!("/// {line}")).collect::<Vec<_>>())
        .with_params_info(["text: &str", "()"])
        .register_into_engine(&mut host.engine, move |text: &str| output.part(text));
    FuncRegistration::new("exit")
        .with_comments(["/// Ends the script here, as at its last line."])
        .with_params_info(["()"])
        .register_into_engine(&mut host.engine, move || -> Res<()> { end(&run, 0) });
}

fn end(run: &Run, code: INT) -> Res<()> {
    if !(0..=255).contains(&code) {
        bail!("exit", "code {code} is not between 0 and 255");
    }
    run.code.store(code, Ordering::Relaxed);
    Err(rhai::EvalAltResult::Exit(Dynamic::UNIT, rhai::Position::NONE).into())
}

const ARGS: &str = "\
Returns the `key=value` words after the script on the command line, as a map.

The values are text; `options(defaults, args())` converts each to the type of its default.

```rhai
let cfg = options(#{ steps: 300, lr: 1e-3 }, args());    // levain run FILE steps=20 lr=3e-4
cfg.steps      //=> 300
```";

const WRITE: &str = "\
Prints text without ending the line: for text that arrives in parts.

```rhai
for word in [\"to\", \" be\"] { write(word); }
print(\" or not\");     // to be or not
```";

const EXIT: &str = "\
Ends the script here, with an exit code from 0 to 255: 0 for success, 1 for a result that falls short.

```rhai
if 1 > 2 { exit(1); }
exit(-1)               //=> error: exit: code -1 is not between 0 and 255
```";

#[export_module]
mod verbs {
    /// Sleeps for this number of seconds. Ctrl-C ends it.
    ///
    /// also: time.sleep
    ///
    /// effect
    ///
    /// ```rhai
    /// sleep(0.001);
    /// ```
    #[rhai_fn(name = "sleep", return_raw, volatile)]
    pub fn sleep(seconds: f64) -> Res<()> {
        super::sleep(seconds)
    }

    /// Sleeps for this number of seconds. Ctrl-C ends it.
    ///
    /// effect
    ///
    /// ```rhai
    /// sleep(0);
    /// ```
    #[rhai_fn(name = "sleep", return_raw, volatile)]
    pub fn sleep_int(seconds: INT) -> Res<()> {
        super::sleep(seconds as f64)
    }

    /// Formats the number with exactly `count` digits after the decimal point.
    ///
    /// also: round, format, decimals, %.3f
    ///
    /// ```rhai
    /// (2.0 / 3.0).digits(3)      //=> 0.667
    /// ```
    #[rhai_fn(name = "digits", return_raw)]
    pub fn digits(x: f64, count: INT) -> Res<String> {
        super::digits(x, count)
    }

    /// Formats the int with exactly `count` digits after the decimal point.
    ///
    /// ```rhai
    /// 7.digits(2)                //=> 7.00
    /// ```
    #[rhai_fn(name = "digits", return_raw)]
    pub fn digits_of_int(x: INT, count: INT) -> Res<String> {
        super::digits(x as f64, count)
    }

    /// Formats a closure as `closure`, and a function by its name.
    ///
    /// ```rhai
    /// let half = |x| x / 2;
    /// half                       //=> closure
    /// Fn("max")                  //=> Fn("max")
    /// ```
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn closure_to_string(closure: &mut FnPtr) -> String {
        match closure.is_anonymous() {
            true => "closure".to_string(),
            false => format!("Fn({:?})", crate::script::own_names::plain(closure.fn_name())),
        }
    }

    /// Divides and rounds down.
    ///
    /// `/` of two ints truncates: `-7 / 2` is -3.
    ///
    /// also: //, floordiv, integer division, torch.floor_divide
    ///
    /// ```rhai
    /// 7.floor_divide(2)          //=> 3
    /// (-7).floor_divide(2)       //=> -4
    /// 7.floor_divide(0)          //=> error: floor_divide: 7 by 0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn floor_divide(x: INT, by: INT) -> Res<INT> {
        let Some(whole) = x.checked_div(by) else { bail!("floor_divide", "{x} by {by}") };
        Ok(if x % by != 0 && (x < 0) != (by < 0) { whole - 1 } else { whole })
    }

    /// Formats the int with digits grouped by thousands.
    ///
    /// ```rhai
    /// 1234567.grouped()          //=> 1,234,567
    /// ```
    pub fn grouped(x: INT) -> String {
        let digits = x.unsigned_abs().to_string();
        let mut text = String::from(if x < 0 { "-" } else { "" });
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }
}

/// Sleeps in short naps, so that it can be stopped. Where operations are limited, time asleep counts as work: one operation per
/// microsecond.
fn sleep(seconds: f64) -> Res<()> {
    const NAP: Duration = Duration::from_millis(10);
    let Ok(wanted) = Duration::try_from_secs_f64(seconds) else { bail!("sleep", "{seconds} seconds") };
    let start = Instant::now();
    while let Some(left) = wanted.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::sleep(left.min(NAP));
        crate::cancel::check()?;
        crate::limits::current().charge(NAP.as_micros() as u64)?;
    }
    Ok(())
}

fn digits(x: f64, count: INT) -> Res<String> {
    match usize::try_from(count) {
        Ok(count) if count <= 100 => Ok(format!("{x:.count$}")),
        _ => bail!("digits", "count {count} is not between 0 and 100"),
    }
}
