//! A running trial: its parameters, its steps, and its reports.

use crate::progress;
use crate::script::prelude::*;
use crate::search::Rung;
use crate::sync::unpoisoned;
use std::sync::{Arc, Mutex};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Trial>("Trial");
}

#[derive(Clone)]
pub struct Trial(Arc<Inner>);

struct Inner {
    number: usize,
    params: Map,
    folder: Option<String>,
    /// The step to continue from, and the step to end at, if set.
    from: usize,
    until: Option<usize>,
    /// Reports of earlier trials at each rung, for early stopping, and the reduction factor.
    rungs: Vec<Rung>,
    reduction: usize,
    /// 1 where lower is better, -1 where higher is.
    sign: f64,
    reports: Mutex<Reports>,
}

#[derive(Default)]
struct Reports {
    steps: Vec<(usize, f64)>,
    stopped: bool,
}

impl Trial {
    /// Records a report; returns whether the trial has to end.
    fn report(&self, step: usize, score: f64) -> bool {
        progress::note(&self.label(), step as u64, self.0.until.unwrap_or(0) as u64);
        let mut reports = unpoisoned(self.0.reports.lock());
        let own = self.0.sign * score;
        reports.steps.push((step, score));
        let rung = self.0.rungs.iter().find(|rung| rung.step == step);
        reports.stopped |= rung.is_some_and(|rung| rung.stops(own, self.0.reduction));
        reports.stopped || self.0.until.is_some_and(|until| step >= until)
    }

    fn label(&self) -> String {
        format!("trial {}", self.0.number)
    }
}

#[export_module]
mod verbs {
    pub type Trial = super::Trial;

    /// Makes a trial that can report, from its `number`, `params`, `folder`, `start_step`, `end_step`, `rungs` (maps of `step`
    /// and `scores`, lower being better), `reduction` and `sign`.
    #[rhai_fn(name = "_trial")]
    pub fn trial(plan: Map) -> Trial {
        let rung = |rung: &Dynamic| {
            let rung = rung.read_lock::<Map>()?;
            let scores: List = rung.get("scores").cloned()?.try_cast()?;
            let scores = scores.iter().filter_map(|score| score.as_float().ok()).collect();
            Some(Rung { step: rung.get("step")?.as_int().ok()? as usize, scores })
        };
        let get = |key: &str| plan.get(key).cloned().unwrap_or_default();
        let step = |key: &str| get(key).as_int().ok().and_then(|step| usize::try_from(step).ok());
        let rungs: List = get("rungs").try_cast().unwrap_or_default();
        let trial = super::Trial(Arc::new(Inner {
            number: step("number").unwrap_or(0),
            params: get("params").try_cast().unwrap_or_default(),
            folder: get("folder").into_string().ok(),
            from: step("start_step").unwrap_or(0),
            until: step("end_step"),
            rungs: rungs.iter().filter_map(rung).collect(),
            reduction: step("reduction").unwrap_or(2).max(2),
            sign: get("sign").as_float().unwrap_or(1.0),
            reports: Mutex::default(),
        }));
        progress::note(&trial.label(), trial.0.from as u64, trial.0.until.unwrap_or(0) as u64);
        trial
    }

    /// Returns the reports of a trial: lists of a step and a score.
    #[rhai_fn(name = "_reports", pure)]
    pub fn reports(trial: &mut Trial) -> List {
        let reports = unpoisoned(trial.0.reports.lock());
        reports.steps.iter().map(|(step, score)| vec![Dynamic::from(*step as INT), (*score).into()].into()).collect()
    }

    /// Returns whether a trial was stopped early.
    #[rhai_fn(name = "_stopped", pure)]
    pub fn stopped(trial: &mut Trial) -> bool {
        unpoisoned(trial.0.reports.lock()).stopped
    }

    /// Parameters of a trial of `search::run`.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.params.x, #{ trials: 3, control: false }).best.score < 1.0     //=> true
    /// ```
    #[rhai_fn(pure, get = "params")]
    pub fn params(trial: &mut Trial) -> Map {
        trial.0.params.clone()
    }

    /// Number of the trial, from 0.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.number, #{ trials: 3, control: false }).best.number      //=> 0
    /// ```
    #[rhai_fn(pure, get = "number")]
    pub fn number_of(trial: &mut Trial) -> INT {
        trial.0.number as INT
    }

    /// Folder of the trial below the search's `out`, for `train::run`'s checkpoints: a stopped trial continues there. `()`
    /// without `out`.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| if trial.folder == () { 1 } else { 2 }, #{ trials: 1, control: false }).best.score      //=> 1.0
    /// ```
    #[rhai_fn(pure, get = "folder")]
    pub fn folder(trial: &mut Trial) -> Dynamic {
        trial.0.folder.clone().map_or(Dynamic::UNIT, Into::into)
    }

    /// Step from which this part of a trial continues: 0, or with `stop: "asha"` and `"hyperband"` the rung where it waited. Its
    /// checkpoint is in `folder`.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.start_step, #{ trials: 1, control: false }).best.score        //=> 0.0
    /// ```
    #[rhai_fn(pure, get = "start_step")]
    pub fn start_step(trial: &mut Trial) -> INT {
        trial.0.from as INT
    }

    /// Step at which this part of a trial ends. With `stop: "asha"` and `"hyperband"` it is that of the next rung; otherwise
    /// `steps`, or `()` without it. `train::run` takes it as `pause_at`.
    ///
    /// ```rhai
    /// search::run(#{ x: search::float(0.0, 1.0) }, |trial| trial.end_step, #{ trials: 1, steps: 9, control: false }).best.score      //=> 9.0
    /// ```
    #[rhai_fn(pure, get = "end_step")]
    pub fn end_step(trial: &mut Trial) -> Dynamic {
        trial.0.until.map_or(Dynamic::UNIT, |step| (step as INT).into())
    }

    /// Reports a score after `step` steps, and returns whether the trial should end. It should if it is not among the best so far
    /// (`stop: "halving"`), or has reached `trial.end_step`.
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
        let (Some(number), Ok(step)) = (as_number(&score), usize::try_from(step)) else {
            bail!("report", "a report is a step from 0 on and a number, not {step} and {}", type_in_words(&score));
        };
        Ok(trial.report(step, number))
    }
}
