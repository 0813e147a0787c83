//! What `stdlib/search.rhai` needs of Rust: what to try next, and a trial that reports.

use super::{Domain, Param, Past, Rung, Space, grid, suggest};
use crate::rng::Rng;
use crate::script::prelude::*;
use crate::sync::unpoisoned;
use std::sync::{Arc, Mutex};

const WHO: &str = "search::run";

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Trial>("Trial");
}

/// A trial that runs: its parameters, and what it reported so far.
#[derive(Clone)]
pub struct Trial(Arc<Inner>);

struct Inner {
    number: usize,
    params: Map,
    folder: Option<String>,
    /// What earlier trials reported, where some are stopped early, and the share that goes on.
    rungs: Vec<Rung>,
    reduction: usize,
    /// 1 where less is better, -1 where more is.
    sign: f64,
    reports: Mutex<Reports>,
}

#[derive(Default)]
struct Reports {
    steps: Vec<(usize, f64)>,
    stopped: bool,
}

impl Trial {
    /// Takes a report; whether the trial has to end.
    fn report(&self, step: usize, score: f64) -> bool {
        let mut reports = unpoisoned(self.0.reports.lock());
        let own = self.0.sign * score;
        reports.steps.push((step, score));
        let rung = self.0.rungs.iter().find(|rung| rung.step == step);
        reports.stopped |= rung.is_some_and(|rung| rung.stops(own, self.0.reduction));
        reports.stopped
    }
}

/// A space as the script gives it: a map of maps, with the choices' own values.
struct Given {
    space: Space,
    choices: Vec<List>,
}

/// What a value is called in a message.
fn kind(value: &Dynamic) -> &str {
    match value.type_name() {
        "i64" | "f64" => "a number",
        "string" | "&str" => "a text",
        "()" => "()",
        other => other,
    }
}

fn number(map: &Map, key: &str) -> Res<f64> {
    let value = map.get(key).cloned().unwrap_or_default();
    match value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64)) {
        Ok(number) => Ok(number),
        Err(_) => bail!(WHO, "`{key}` of a range is a number, not {}", kind(&value)),
    }
}

impl Given {
    fn read(space: &Map) -> Res<Given> {
        if space.is_empty() {
            bail!(WHO, "the space has no parameters");
        }
        let mut given = Given { space: Space(Vec::new()), choices: Vec::new() };
        let mut named: Vec<(String, Map)> = Vec::new();
        for (name, param) in space {
            match param.clone().try_cast::<Map>().filter(|param| param.contains_key("kind")) {
                Some(param) => named.push((name.to_string(), param)),
                None => {
                    let what = format!("`{name}` is {}, and not a range", kind(param));
                    let help = "make one with search::float, search::int or search::choice; what is always the same is no parameter";
                    return Err(Error::new(WHO, what).help(help).into());
                }
            }
        }
        named.sort_by_key(|(_, param)| param.contains_key("when"));
        for (name, param) in named {
            given.add(name, &param)?;
        }
        Ok(given)
    }

    fn add(&mut self, name: String, param: &Map) -> Res<()> {
        let flag = |key: &str| param.get(key).is_some_and(|value| value.as_bool() == Ok(true));
        let of: List = param.get("of").cloned().and_then(Dynamic::try_cast).unwrap_or_default();
        let domain = match param.get("kind").map(Dynamic::to_string).as_deref() {
            Some("choice") if of.len() < 2 => bail!(WHO, "`{name}` is a choice of {}", of.len()),
            Some("choice") => Domain::Choice { count: of.len() },
            _ => Domain::Number {
                low: number(param, "low")?,
                high: number(param, "high")?,
                log: flag("log"),
                whole: flag("whole"),
            },
        };
        domain.check(&name).map_err(|error| error.attributed_to(WHO))?;
        let when = match param.get("when").cloned().and_then(Dynamic::try_cast::<List>) {
            Some(when) => Some(self.condition(&name, &when)?),
            None => None,
        };
        self.space.0.push(Param { name, domain, when });
        self.choices.push(of);
        Ok(())
    }

    fn condition(&self, name: &str, when: &List) -> Res<(usize, usize)> {
        let [of, value] = &when[..] else { bail!(WHO, "`{name}` has a condition that is no name with a value") };
        let of = of.to_string();
        let Some(at) = self.space.0.iter().position(|param| param.name == of) else {
            bail!(WHO, "`{name}` depends on `{of}`, which the space has not got without a condition of its own");
        };
        match self.choice(at, value) {
            Some(choice) => Ok((at, choice)),
            None => bail!(WHO, "`{name}` depends on `{of}` being {value}, which is none of its choices"),
        }
    }

    /// The number of a choice.
    fn choice(&self, at: usize, value: &Dynamic) -> Option<usize> {
        let text = value.to_string();
        self.choices[at].iter().position(|own| own.to_string() == text)
    }

    fn params(&self, values: &[Option<f64>]) -> Map {
        let mut map = Map::new();
        for ((param, choices), value) in self.space.0.iter().zip(&self.choices).zip(values) {
            let Some(value) = *value else { continue };
            let value = match param.domain {
                Domain::Choice { .. } => choices[value as usize].clone(),
                Domain::Number { whole: true, .. } => (value as INT).into(),
                Domain::Number { .. } => value.into(),
            };
            map.insert(param.name.as_str().into(), value);
        }
        map
    }

    fn values(&self, params: &Map) -> Res<Vec<Option<f64>>> {
        let mut values = Vec::new();
        for (at, param) in self.space.0.iter().enumerate() {
            let there = self.space.is_there(at, &values);
            values.push(match params.get(param.name.as_str()) {
                Some(value) if there => Some(self.value(at, value)?),
                None if there => bail!(WHO, "a known trial lacks `{}`", param.name),
                _ => None,
            });
        }
        Ok(values)
    }

    fn value(&self, at: usize, value: &Dynamic) -> Res<f64> {
        let param = &self.space.0[at];
        let number = match param.domain {
            Domain::Choice { .. } => self.choice(at, value).map(|choice| choice as f64),
            Domain::Number { low, high, .. } => {
                let number = value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64)).ok();
                number.filter(|number| (low..=high).contains(number))
            }
        };
        match number {
            Some(number) => Ok(number),
            None => bail!(WHO, "`{}` is {value}, which the space has not got", param.name),
        }
    }
}

fn past(given: &Given, past: &List) -> Res<Vec<Past>> {
    let one = |trial: &Dynamic| -> Res<Past> {
        let Some(trial) = trial.read_lock::<Map>() else { bail!(WHO, "a trial is a map") };
        let params = trial.get("params").cloned().and_then(Dynamic::try_cast::<Map>).unwrap_or_default();
        let score = trial.get("score").and_then(|score| score.as_float().ok()).filter(|score| !score.is_nan());
        Ok(Past { values: given.values(&params)?, score: score.unwrap_or(f64::INFINITY) })
    };
    past.iter().map(one).collect()
}

#[export_module]
mod verbs {
    pub type Trial = super::Trial;

    /// The parameters of a trial, from the results that it may see: maps of `params` and of `score`, less being better.
    #[rhai_fn(name = "_suggest", return_raw)]
    pub fn suggest_next(space: Map, method: &str, seed: INT, number: INT, seen: List) -> Res<Map> {
        let given = Given::read(&space)?;
        let mut rng = Rng::new(seed as u64).split("search").split(number as u64);
        let values = match method {
            "tpe" => suggest(&given.space, &past(&given, &seen)?, &mut rng),
            _ => given.space.random(&mut rng),
        };
        Ok(given.params(&values))
    }

    /// All combinations of a space.
    #[rhai_fn(name = "_grid", return_raw)]
    pub fn whole_grid(space: Map, points: INT) -> Res<List> {
        let given = Given::read(&space)?;
        let all = grid(&given.space, usize::try_from(points).unwrap_or(1)).map_err(|error| error.attributed_to(WHO))?;
        Ok(all.iter().map(|values| given.params(values).into()).collect())
    }

    /// The parameters of a known trial, without those that are not there beside the others; an error for what the space has not got.
    #[rhai_fn(name = "_known", return_raw)]
    pub fn known(space: Map, params: Map) -> Res<Map> {
        let given = Given::read(&space)?;
        Ok(given.params(&given.values(&params)?))
    }

    /// A trial that may report. Rungs are maps of `step` and `scores`, less being better.
    #[rhai_fn(name = "_trial", return_raw)]
    pub fn trial(number: INT, params: Map, folder: Dynamic, rungs: List, reduction: INT, sign: f64) -> Res<Trial> {
        let rung = |rung: &Dynamic| {
            let rung = rung.read_lock::<Map>()?;
            let scores: List = rung.get("scores").cloned()?.try_cast()?;
            let scores = scores.iter().filter_map(|score| score.as_float().ok()).collect();
            Some(Rung { step: rung.get("step")?.as_int().ok()? as usize, scores })
        };
        Ok(super::Trial(Arc::new(Inner {
            number: number as usize,
            params,
            folder: folder.into_string().ok(),
            rungs: rungs.iter().filter_map(rung).collect(),
            reduction: reduction.max(2) as usize,
            sign,
            reports: Mutex::default(),
        })))
    }

    /// What a trial reported: lists of a step and a score.
    #[rhai_fn(name = "_reports", pure)]
    pub fn reports(trial: &mut Trial) -> List {
        let reports = unpoisoned(trial.0.reports.lock());
        reports.steps.iter().map(|(step, score)| vec![Dynamic::from(*step as INT), (*score).into()].into()).collect()
    }

    /// Whether a trial was stopped early.
    #[rhai_fn(name = "_stopped", pure)]
    pub fn stopped(trial: &mut Trial) -> bool {
        unpoisoned(trial.0.reports.lock()).stopped
    }

    /// The parameters that a trial of `search::run` tries.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.params.x, #{ trials: 3, control: false }).best.score < 1.0     //=> true
    /// ```
    #[rhai_fn(pure, get = "params")]
    pub fn params(trial: &mut Trial) -> Map {
        trial.0.params.clone()
    }

    /// The number of a trial, from 0 on.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.number, #{ trials: 3, control: false }).best.number      //=> 0
    /// ```
    #[rhai_fn(pure, get = "number")]
    pub fn number_of(trial: &mut Trial) -> INT {
        trial.0.number as INT
    }

    /// A folder of a trial's own below the search's `out`, for `train::run`'s checkpoints: what was stopped goes on there. `()` without `out`.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| if trial.folder == () { 1 } else { 2 }, #{ trials: 1, control: false }).best.score      //=> 1.0
    /// ```
    #[rhai_fn(pure, get = "folder")]
    pub fn folder(trial: &mut Trial) -> Dynamic {
        trial.0.folder.clone().map_or(Dynamic::UNIT, Into::into)
    }

    /// Reports a score after so many steps. True where the trial should end, since it is not among the best so far (`stop: "halving"`).
    ///
    /// also: trial.report, trial.should_prune, pruning, early stopping, ASHA, Hyperband
    ///
    /// ```rhai
    /// let fit = |trial| {
    ///     for step in 1..10 { if trial.report(step, trial.params.x / step) { break; } }
    ///     trial.params.x
    /// };
    /// search::run(#{ x: search::float(0.0, 1.0) }, fit, #{ trials: 12, stop: "halving", control: false }).stopped > 0      //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn report(trial: &mut Trial, step: INT, score: Dynamic) -> Res<bool> {
        let number = score.as_float().or_else(|_| score.as_int().map(|whole| whole as f64));
        let (Ok(number), Ok(step)) = (number, usize::try_from(step)) else {
            bail!("report", "a report is a step from 0 on and a number, not {step} and {}", kind(&score));
        };
        Ok(trial.report(step, number))
    }
}
