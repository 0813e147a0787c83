//! Rust side of `stdlib/search.rhai`: suggestions, trials with reports, and analysis of results.

mod space;
mod trial;

use super::{Ladder, Leg, Next, Past, Rule, goals, grid, importance, suggest};
use crate::rng::Rng;
use crate::script::prelude::*;
use space::Given;

const WHO: &str = "search::run";

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    trial::register(host);
}

/// The integer under a key of a map, or 0.
fn whole(map: &Map, key: &str) -> usize {
    map.get(key).and_then(|value| value.as_int().ok()).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

/// The scores of a trial: a list of numbers, infinite where it failed.
fn scores(value: Option<&Dynamic>, goals: usize) -> Vec<f64> {
    let list = value.and_then(|value| value.read_lock::<List>());
    match list {
        Some(list) => {
            list.iter().map(|score| as_number(score).filter(|score| !score.is_nan()).unwrap_or(f64::INFINITY)).collect()
        }
        None => vec![f64::INFINITY; goals],
    }
}

fn past(given: &Given, past: &List) -> Res<Vec<Past>> {
    let maps: Vec<Map> = past.iter().filter_map(|trial| Some(trial.read_lock::<Map>()?.clone())).collect();
    let goals = maps.iter().find_map(|trial| Some(trial.get("scores")?.read_lock::<List>()?.len())).unwrap_or(1);
    let one = |trial: &Map| -> Res<Past> {
        let params = trial.get("params").cloned().and_then(Dynamic::try_cast::<Map>).unwrap_or_default();
        Ok(Past { values: given.values(&params)?, scores: scores(trial.get("scores"), goals) })
    };
    maps.iter().map(one).collect()
}

fn ladder(map: &Map) -> Ladder {
    let rule =
        if map.get("stop").is_some_and(|stop| stop.to_string() == "hyperband") { Rule::Hyperband } else { Rule::Asha };
    Ladder {
        rule,
        first: whole(map, "first_step"),
        last: whole(map, "steps"),
        reduction: whole(map, "reduction"),
        trials: whole(map, "trials"),
    }
}

fn legs(list: &List) -> Vec<Leg> {
    let maps = list.iter().filter_map(|leg| Some(leg.read_lock::<Map>()?.clone()));
    maps.map(|leg| Leg { trial: whole(&leg, "trial"), from: whole(&leg, "start"), until: whole(&leg, "end") }).collect()
}

/// Pairs legs with their scores, as far as there are scores.
fn seen(legs: &[Leg], scores: &List) -> Vec<(Leg, f64)> {
    let scores = scores.iter().map(|score| score.as_float().unwrap_or(f64::INFINITY));
    legs.iter().copied().zip(scores).collect()
}

fn lists(list: &List) -> Vec<Vec<f64>> {
    list.iter().map(|inner| scores(Some(inner), 0)).collect()
}

#[export_module]
mod verbs {
    /// Suggests the parameters of the next trial from the results visible to it: maps of `params` and `scores`, lower being
    /// better.
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

    /// Returns all combinations of a space.
    #[rhai_fn(name = "_grid", return_raw)]
    pub fn whole_grid(space: Map, points: INT) -> Res<List> {
        let given = Given::read(&space)?;
        let all = grid(&given.space, usize::try_from(points).unwrap_or(1)).map_err(|error| error.attributed_to(WHO))?;
        Ok(all.iter().map(|values| given.params(values).into()).collect())
    }

    /// Shuffles a list by a seed.
    #[rhai_fn(name = "_shuffled")]
    pub fn shuffled(mut list: List, seed: INT) -> List {
        Rng::new(seed as u64).split("order").shuffle(&mut list);
        list
    }

    /// Returns the parameters of a known trial, without those whose condition does not hold; a value outside the space is an
    /// error.
    #[rhai_fn(name = "_known", return_raw)]
    pub fn known(space: Map, params: Map) -> Res<Map> {
        let given = Given::read(&space)?;
        Ok(given.params(&given.values(&params)?))
    }

    /// Returns the next leg after these, of which only the first have visible scores; "wait" if it needs more scores, and "done".
    #[rhai_fn(name = "_next_leg")]
    pub fn next_leg(how: Map, begun: List, scores: List) -> Dynamic {
        let begun = legs(&begun);
        match ladder(&how).next(&begun, &super::seen(&begun, &scores)) {
            Next::Done => "done".into(),
            Next::Wait => "wait".into(),
            Next::Leg(leg) => {
                let entries = [("trial", leg.trial), ("start", leg.from), ("end", leg.until)];
                Dynamic::from(
                    entries.into_iter().map(|(key, value)| (key.into(), (value as INT).into())).collect::<Map>(),
                )
            }
        }
    }

    /// Returns the trials that cannot continue.
    #[rhai_fn(name = "_over")]
    pub fn over(how: Map, begun: List, scores: List) -> List {
        let begun = legs(&begun);
        ladder(&how)
            .over(&begun, &super::seen(&begun, &scores))
            .into_iter()
            .map(|trial| (trial as INT).into())
            .collect()
    }

    /// Returns the number of legs: exact for Hyperband, approximate for ASHA.
    #[rhai_fn(name = "_leg_count")]
    pub fn leg_count(how: Map) -> INT {
        ladder(&how).count() as INT
    }

    /// Returns the Pareto front of each list of scores, lower being better: 0 is the best.
    #[rhai_fn(name = "_fronts")]
    pub fn fronts(scores: List) -> List {
        goals::fronts(&lists(&scores)).into_iter().map(|front| (front as INT).into()).collect()
    }

    /// Returns the hypervolume between scores and a worse reference point.
    #[rhai_fn(name = "_hypervolume")]
    pub fn hypervolume(scores: List, point: List) -> f64 {
        goals::hypervolume(&lists(&scores), &super::scores(Some(&point.into()), 0))
    }

    /// Returns a reference point, a tenth beyond the worst scores.
    #[rhai_fn(name = "_reference")]
    pub fn reference(all: List) -> List {
        goals::reference(&lists(&all)).into_iter().map(Dynamic::from).collect()
    }

    /// Returns each parameter's own share of the variance of the score; `()` for parameters that some trials lack.
    #[rhai_fn(name = "_importance", return_raw)]
    pub fn shares(space: Map, trials: List, seed: INT) -> Res<Map> {
        let given = Given::read(&space)?;
        let past = past(&given, &trials)?;
        let known = past.into_iter().filter(|trial| trial.scores[0].is_finite());
        let known: Vec<_> = known.map(|trial| (trial.values, trial.scores[0])).collect();
        let shares = importance(&given.space, &known, seed as u64)?;
        let named = given.space.0.iter().zip(shares);
        Ok(named.map(|(param, share)| (param.name.as_str().into(), share.map_or(Dynamic::UNIT, Into::into))).collect())
    }

    /// Removes the folder of a trial.
    #[rhai_fn(name = "_remove_trial", return_raw)]
    pub fn remove_trial(folder: &str) -> Res<()> {
        Ok(crate::files::remove_folder(WHO, std::path::Path::new(folder))?)
    }
}
