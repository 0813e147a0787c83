//! Native part of `stdlib/bench.rhai`: the clock, reporting of cases to the runner, and memory.

use crate::kernel::{Precision, matmul, threads};
use crate::measure::bench::{self, Exact, Memory, Scored, Timed, format, plan};
use crate::script::prelude::*;
use crate::tensor::{Array, Device, Rng};
use std::process::{Command, Stdio};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Returns the peak memory of this process so far, in bytes.
    ///
    /// also: max_memory_allocated, RSS
    ///
    /// ```rhai
    /// peak_memory() > 1000000                  //=> true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn peak_memory() -> Res<INT> {
        Ok(super::told("peak_memory", crate::memory::peak_bytes())? as INT)
    }

    /// Returns the number of threads of native work: all cores, or the value of `--threads`.
    ///
    /// ```rhai
    /// threads() >= 1                           //=> true
    /// ```
    pub fn threads() -> INT {
        threads::start(None) as INT
    }

    /// Sets the number of threads, from 1 to 1024, or 0 for the default. It must come first in a script.
    /// `levain --threads N` and the variable `LEVAIN_THREADS` set it from outside.
    ///
    /// ```rhai
    /// threads(threads());
    /// threads(-1)                              //=> error: threads: -1 threads do no work
    /// threads(100000)                          //=> error: threads: 100000 threads are more than 1024
    /// ```
    ///
    /// also: num_threads, set_num_threads, workers
    #[rhai_fn(name = "threads", return_raw)]
    pub fn use_threads(count: INT) -> Res<()> {
        let Ok(wanted) = usize::try_from(count) else { bail!("threads", "{count} threads do no work") };
        if wanted > threads::MOST {
            bail!("threads", "{count} threads are more than {}", threads::MOST);
        }
        // the threads belong to the process, and embedded scripts may not set them
        let is_stranger = crate::limits::current().is_confined();
        let there = threads::start(if is_stranger { None } else { Some(wanted) });
        if wanted == 0 || there == wanted {
            return Ok(());
        }
        let error = match is_stranger {
            true => Error::new("threads", format!("this script may not change their number, which is {there}")),
            false => Error::new("threads", format!("{there} threads are at work already")),
        };
        Err(error.help(format!("`levain --threads {wanted} run …` starts with {wanted}")).into())
    }

    /// Times a linear layer's three products (forward, and the gradients of input and weight) on random numbers, in seconds: the
    /// minimum of `rounds`, after a warm-up. For `scripts/bench/roofline.rhai`.
    #[rhai_fn(name = "_bench_products", return_raw)]
    pub fn bench_products(rows: INT, outputs: INT, inputs: INT, precision: &str, rounds: INT) -> Res<f64> {
        let precision = Precision::named("_bench_products", precision)?;
        let random = |rows: INT, columns: INT, seed: u64| -> crate::Result<Array> {
            let mut numbers = vec![0.0; (rows * columns).max(0) as usize];
            Rng::new(seed).fill_normal(&mut numbers);
            Ok(Array::from_vec(numbers, (rows as usize, columns as usize), &Device::Cpu)?)
        };
        let (x, w, g) = (random(rows, inputs, 1)?, random(outputs, inputs, 2)?, random(rows, outputs, 3)?);
        let mut sum = vec![0.0; (outputs * inputs) as usize];
        let mut least = f64::INFINITY;
        for round in 0..=rounds {
            let start = std::time::Instant::now();
            matmul::linear(&x, &w, None, false, precision)?;
            matmul::linear_input(&g, &w, false, precision)?;
            matmul::linear_accumulate(&x, &g, false, precision, &mut sum, true)?;
            if round > 0 {
                least = least.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(least)
    }

    /// Whether the script runs on its own, so that it must print the results of its cases itself.
    #[rhai_fn(name = "_bench_alone")]
    pub fn bench_alone() -> bool {
        bench::alone()
    }

    #[rhai_fn(name = "_bench_exact", return_raw)]
    pub fn bench_exact(name: &str, value: Dynamic, digits: Dynamic) -> Res<String> {
        let who = "bench::exact";
        let value = super::exact_text(who, &value)?;
        let digits = match digits.as_int() {
            Ok(count @ 0..=17) => Some(count as usize),
            Ok(count) => bail!(who, "option `digits` is {count}, not between 0 and 17"),
            Err(_) => None,
        };
        let case = Exact { name: super::named(who, name)?, value, digits };
        bench::with(|to| to.exact(&case))?;
        Ok(case.value)
    }

    #[rhai_fn(name = "_bench_timed", return_raw)]
    pub fn bench_timed(ctx: NativeCallContext, name: &str, options: Map, work: FnPtr) -> Res<Map> {
        let case = super::timed(name, &options)?;
        // the script's own error has its position in the script, which the bench does not need
        let mut fault = None;
        let mut call = || {
            work.call_within_context::<Dynamic>(&ctx, ()).map(drop).map_err(|error| {
                fault = Some(error);
                Error::new("bench::speed", "the work failed")
            })
        };
        let mut take = |calls: u64, yardstick: bool| plan::sample(calls, yardstick, &mut call);
        let summary = bench::with(|to| to.timed(&case, &mut take));
        if let Some(error) = fault {
            return Err(error);
        }
        Ok(super::found(&case, &summary?))
    }

    #[rhai_fn(name = "_bench_scored", return_raw)]
    pub fn bench_scored(name: &str, items: Dynamic, options: Map) -> Res<FLOAT> {
        let who = "bench::scores";
        let better = options.get("better").map(Dynamic::to_string).unwrap_or_default();
        let lower_is_better = match better.as_str() {
            "higher" => false,
            "lower" => true,
            other => bail!(who, "option `better` is \"{other}\", neither \"higher\" nor \"lower\""),
        };
        let (margin, alpha) = (super::number(who, &options, "margin")?, super::number(who, &options, "alpha")?);
        if alpha == 0.0 || alpha >= 0.5 {
            bail!(who, "option `alpha` is {alpha}, not between 0 and 0.5");
        }
        let case =
            Scored { name: super::named(who, name)?, items: super::items(&items)?, margin, alpha, lower_is_better };
        bench::with(|to| to.scored(&case))?;
        Ok(case.items.iter().map(|(_, score)| score).sum::<f64>() / case.items.len() as f64)
    }

    #[rhai_fn(name = "_bench_memory", return_raw)]
    pub fn bench_memory(name: &str, margin: FLOAT) -> Res<INT> {
        let bytes = super::told("bench::memory", crate::memory::peak_own_bytes())?;
        let case = Memory { name: super::named("bench::memory", name)?, bytes: bytes as f64, margin };
        bench::with(|to| to.memory(&case))?;
        Ok(bytes as INT)
    }

    /// Formats a result of `bench::speed` as one line.
    #[rhai_fn(name = "_bench_line", return_raw)]
    pub fn bench_line(found: Map) -> Res<String> {
        let number = |name: &str| found.get(name).and_then(|value| value.as_float().ok()).unwrap_or(f64::NAN);
        let (median, rate) = (number("median"), number("rate"));
        let spread = 50.0 * (number("high") - number("low")) / median;
        let mut text = format!("{} ±{spread:.1} %", format::seconds_text(median));
        if rate.is_finite() {
            let unit = found.get("unit").map(Dynamic::to_string).unwrap_or_default();
            text += &format!(", {}", format::rate_text(rate, &unit));
        }
        text += &format!(", {} samples", found.get("samples").map(Dynamic::to_string).unwrap_or_default());
        if let Some(outliers) = found.get("outliers").and_then(|count| count.as_int().ok()).filter(|count| *count > 0) {
            text += &format!(", {outliers} outlier{}", format::plural(outliers as usize));
        }
        Ok(text)
    }

    /// Formats lines of cells as a table with right-aligned columns.
    #[rhai_fn(name = "_bench_table")]
    pub fn bench_table(lines: List) -> String {
        let lines: Vec<Vec<String>> = lines
            .iter()
            .filter_map(|line| Some(line.read_lock::<List>()?.iter().map(Dynamic::to_string).collect()))
            .collect();
        format::table(&lines)
    }

    /// Starts levain anew on a script of one line, and waits for its end.
    #[rhai_fn(name = "_bench_start", return_raw)]
    pub fn bench_start() -> Res<()> {
        Ok(super::start()?)
    }
}

fn named(who: &str, name: &str) -> crate::Result<String> {
    match name.trim() {
        "" => Err(Error::new(who, "a case needs a name")),
        name if name.contains('\n') => Err(Error::new(who, "the name of a case is one line")),
        name => Ok(name.to_string()),
    }
}

/// Formats a value as text that keeps every bit and the kind: floats as the shortest text that parses to the same bits, texts in
/// quotes.
fn exact_text(who: &str, value: &Dynamic) -> Res<String> {
    if let Ok(number) = value.as_float() {
        return Ok(format!("{number:?}"));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(format!("{:?}", text.as_str()));
    }
    if let Some(list) = value.read_lock::<List>() {
        let parts: Res<Vec<String>> = list.iter().map(|part| exact_text(who, part)).collect();
        return Ok(format!("[{}]", parts?.join(", ")));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let parts: Res<Vec<String>> =
            map.iter().map(|(key, part)| Ok(format!("{key:?}: {}", exact_text(who, part)?))).collect();
        return Ok(format!("#{{{}}}", parts?.join(", ")));
    }
    if value.is_int() || value.is_bool() {
        return Ok(value.to_string());
    }
    bail!(who, "a number, text, true or false, or a list or map of these is exact, not {}", type_in_words(value))
}

/// A numeric option, 0 or above.
fn number(who: &str, options: &Map, key: &str) -> crate::Result<f64> {
    let value = options.get(key).and_then(|value| value.as_float().ok().or(value.as_int().ok().map(|n| n as f64)));
    match value {
        Some(value) if value.is_finite() && value >= 0.0 => Ok(value),
        Some(value) => Err(Error::new(who, format!("option `{key}` is {value}, below 0"))),
        None => Err(Error::new(who, format!("option `{key}` is not a number"))),
    }
}

/// A timed case from its options, which stdlib has checked against their defaults.
fn timed(name: &str, options: &Map) -> crate::Result<Timed> {
    let who = "bench::speed";
    let number = |key: &str| number(who, options, key);
    let work = match options.get("work") {
        Some(work) if !work.is_unit() => Some(number("work")?),
        _ => None,
    };
    let case = Timed {
        name: named(who, name)?,
        work,
        unit: options.get("unit").map(Dynamic::to_string).unwrap_or_default(),
        margin: number("margin")?,
        stored: number("stored")?,
        drift: number("drift")?,
        warm_up: number("warm_up")?,
        seconds: number("seconds")?,
        min_samples: number("min_samples")? as usize,
        max_samples: number("max_samples")? as usize,
        width: number("width")?,
    };
    if case.max_samples < case.min_samples || case.max_samples == 0 {
        return Err(Error::new(
            who,
            format!("at most {} samples can't be at least {}", case.max_samples, case.min_samples),
        ));
    }
    Ok(case)
}

fn found(case: &Timed, summary: &bench::Summary) -> Map {
    let mut map = Map::new();
    map.insert("name".into(), case.name.clone().into());
    map.insert("median".into(), summary.median.value.into());
    map.insert("low".into(), summary.median.low.into());
    map.insert("high".into(), summary.median.high.into());
    map.insert("samples".into(), (summary.samples as INT).into());
    map.insert("outliers".into(), (summary.outliers as INT).into());
    map.insert("unit".into(), case.unit.clone().into());
    map.insert("rate".into(), case.work.map_or(Dynamic::UNIT, |work| (work / summary.median.value).into()));
    map
}

/// Scores by item: a list by index, or a map by key.
fn items(value: &Dynamic) -> Res<Vec<(String, f64)>> {
    let who = "bench::scores";
    let score = |item: &str, value: &Dynamic| {
        let whole = || value.as_int().ok().map(|whole| whole as f64);
        let truth = || value.as_bool().ok().map(f64::from);
        match value.as_float().ok().or_else(whole).or_else(truth) {
            Some(score) if score.is_finite() => Ok((item.to_string(), score)),
            _ => Err(Error::new(who, format!("item {item} has no score but {value}"))),
        }
    };
    let found: crate::Result<Vec<(String, f64)>> = if let Some(list) = value.read_lock::<List>() {
        list.iter().enumerate().map(|(index, value)| score(&index.to_string(), value)).collect()
    } else if let Some(map) = value.read_lock::<Map>() {
        map.iter().map(|(key, value)| score(key, value)).collect()
    } else {
        bail!(who, "takes a list or a map of scores, not {}", type_in_words(value))
    };
    let found = found?;
    if found.is_empty() {
        bail!(who, "there is no item");
    }
    Ok(found)
}

/// Bytes of memory, where the system reports them.
fn told(who: &str, bytes: u64) -> crate::Result<u64> {
    match bytes {
        0 => Err(Error::new(who, "this system does not tell")),
        bytes => Ok(bytes),
    }
}

fn start() -> crate::Result<()> {
    let fault = |what: String| Error::new("bench::start", what);
    if crate::limits::current().is_confined() {
        return Err(fault("this script may not start a process".to_string()));
    }
    let binary = std::env::current_exe().map_err(|error| fault(error.to_string()))?;
    let mut script = tempfile::Builder::new().suffix(".rhai").tempfile().map_err(|error| fault(error.to_string()))?;
    std::io::Write::write_all(&mut script, b"print(1 + 1);\n").map_err(|error| fault(error.to_string()))?;
    let mut command = Command::new(&binary);
    command.arg("run").arg(script.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().map_err(|error| Error::io("bench::start", &binary, &error))?;
    if status.success() { Ok(()) } else { Err(fault(format!("{} ended with {status}", binary.display()))) }
}
