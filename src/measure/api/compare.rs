//! Native part of `stdlib/measure.rhai` and the verdict: comparisons with intervals, p values, power, and exact match.

use super::number;
use crate::data::api::listed;
use crate::measure::paired::Scores;
use crate::measure::power::{Assurance, Rule, Size};
use crate::measure::{Normalization, Paired, distributions, multiple, power, proportion};
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn numbers(who: &str, list: &Dynamic) -> Res<Vec<f64>> {
    match list.read_lock::<List>() {
        Some(list) => list.iter().map(|value| number(who, "a score", value)).collect(),
        None => bail!(who, "scores are a list of numbers, not {}", type_in_words(list)),
    }
}

/// Scores of one run, or of several.
fn runs(who: &str, scores: &List) -> Res<Vec<Vec<f64>>> {
    if scores.first().is_some_and(Dynamic::is_array) {
        scores.iter().map(|run| numbers(who, run)).collect()
    } else {
        Ok(vec![scores.iter().map(|value| number(who, "a score", value)).collect::<Res<_>>()?])
    }
}

fn pair_map(pair: &Paired, level: f64) -> Map {
    let (low, high) = pair.interval(level);
    let (items, seeds) = pair.halves(level);
    let known = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from_float);
    let fields: [(&str, Dynamic); 12] = [
        ("mean", pair.mean.into()),
        ("low", low.into()),
        ("high", high.into()),
        ("level", level.into()),
        ("items", (pair.items as INT).into()),
        ("documents", (pair.documents as INT).into()),
        ("effective_documents", pair.effective_documents.into()),
        ("seeds", (pair.seeds as INT).into()),
        ("se_items", pair.se_items.into()),
        ("se_seeds", known(pair.se_seeds)),
        ("ci_items", items.into()),
        ("ci_seeds", known(pair.se_seeds.map(|_| seeds))),
    ];
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Inverse of [`pair_map`].
fn pair(who: &str, map: &Map) -> Res<Paired> {
    let float = |name: &str| map.get(name).and_then(|value| value.as_float().ok());
    let count =
        |name: &str| map.get(name).and_then(|value| value.as_int().ok()).and_then(|count| usize::try_from(count).ok());
    let read = || {
        Some(Paired {
            mean: float("mean")?,
            items: count("items")?,
            documents: count("documents").filter(|count| *count > 1)?,
            effective_documents: float("effective_documents")?,
            seeds: count("seeds").filter(|count| *count > 0)?,
            se_items: float("se_items")?,
            se_seeds: float("se_seeds"),
        })
    };
    match read() {
        Some(pair) => Ok(pair),
        None => bail!(who, "takes what `measure::paired` returns"),
    }
}

fn level(who: &str, name: &str, level: f64) -> Res<f64> {
    if level > 0.0 && level < 1.0 { Ok(level) } else { bail!(who, "option `{name}` is {level}, not between 0 and 1") }
}

fn share(who: &str, name: &str, value: f64) -> Res<f64> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { bail!(who, "{name} {value} is not between 0 and 1") }
}

fn above_zero(who: &str, name: &str, value: f64) -> Res<f64> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { bail!(who, "{name} is {value}, not above 0") }
}

fn count(who: &str, name: &str, value: INT, least: usize) -> Res<usize> {
    match usize::try_from(value) {
        Ok(count) if count >= least => Ok(count),
        _ => bail!(who, "{name} is {value}, below {least}"),
    }
}

fn texts(who: &'static str, name: &str, value: &Dynamic) -> Res<Option<Vec<String>>> {
    if value.is_unit() {
        return Ok(None);
    }
    let list = listed(who, &format!("`{name}`"), value)?;
    Ok(Some(list.iter().map(Dynamic::to_string).collect()))
}

#[export_module]
mod verbs {
    /// Compares scores before and after: a map with the mean difference, its interval and its parts.
    #[rhai_fn(name = "_paired", return_raw)]
    pub fn paired(before: List, after: List, options: Map) -> Res<Map> {
        const WHO: &str = "measure::paired";
        let option = |name: &str| options.get(name).cloned().unwrap_or_default();
        let level = super::level(WHO, "level", super::number(WHO, "the level", &option("level"))?)?;
        let documents = super::texts(WHO, "documents", &option("documents"))?;
        let bytes = option("denominators");
        let bytes = if bytes.is_unit() { None } else { Some(super::numbers(WHO, &bytes)?) };
        let (before, after) = (super::runs(WHO, &before)?, super::runs(WHO, &after)?);
        let scores =
            Scores { before: &before, after: &after, documents: documents.as_deref(), denominators: bytes.as_deref() };
        Ok(super::pair_map(&Paired::of(&scores)?, level))
    }

    /// Computes a comparison's interval at another level: `[low, high]`.
    #[rhai_fn(name = "_interval", return_raw)]
    pub fn interval(found: Map, level: FLOAT) -> Res<List> {
        const WHO: &str = "measure::interval";
        let (low, high) = super::pair(WHO, &found)?.interval(super::level(WHO, "level", level)?);
        Ok(vec![low.into(), high.into()])
    }

    /// Computes the two-sided p value of the hypothesis that a comparison's mean is `value`.
    #[rhai_fn(name = "_p_value", return_raw)]
    pub fn p_value(found: Map, value: FLOAT) -> Res<FLOAT> {
        Ok(super::pair("measure::p_value", &found)?.p_value(value))
    }

    /// Adjusts p values.
    #[rhai_fn(name = "_adjusted", return_raw)]
    pub fn adjusted(values: List, method: &str) -> Res<List> {
        const WHO: &str = "measure::adjust";
        let mut numbers = Vec::with_capacity(values.len());
        for value in &values {
            numbers.push(super::share(WHO, "a p value of", super::number(WHO, "a p value", value)?)?);
        }
        let how = match method {
            "bonferroni" => multiple::Adjust::Bonferroni,
            "bh" => multiple::Adjust::BenjaminiHochberg,
            _ => multiple::Adjust::Holm,
        };
        Ok(multiple::adjusted(&numbers, how).into_iter().map(Dynamic::from_float).collect())
    }

    /// Computes the quantile of Student's t.
    #[rhai_fn(name = "_t_quantile", return_raw)]
    pub fn t_quantile(below: FLOAT, df: FLOAT) -> Res<FLOAT> {
        const WHO: &str = "measure::t_quantile";
        let below = super::level(WHO, "p", below)?;
        let df = super::above_zero(WHO, "df", df)?;
        // as a tail, for precision
        Ok(if below < 0.5 { -distributions::t_upper(below, df) } else { distributions::t_upper(1.0 - below, df) })
    }

    /// Computes the power of the t test.
    #[rhai_fn(name = "_power", return_raw)]
    pub fn power_of(effect: FLOAT, sd: FLOAT, n: INT, alpha: FLOAT) -> Res<FLOAT> {
        const WHO: &str = "measure::power";
        let (sd, n) = (super::above_zero(WHO, "sd", sd)?, super::count(WHO, "n", n, 2)?);
        Ok(power::power(effect, sd, n, super::level(WHO, "alpha", alpha)?))
    }

    /// Computes the n for a power of the t test, or `()`.
    #[rhai_fn(name = "_required_n", return_raw)]
    pub fn required_n(effect: FLOAT, sd: FLOAT, alpha: FLOAT, wanted: FLOAT) -> Res<Dynamic> {
        const WHO: &str = "measure::required_n";
        const MOST: usize = 1_000_000;
        let sd = super::above_zero(WHO, "sd", sd)?;
        let (alpha, wanted) = (super::level(WHO, "alpha", alpha)?, super::level(WHO, "power", wanted)?);
        let found = if effect == 0.0 { None } else { power::required_n(effect, sd, alpha, wanted, MOST) };
        Ok(found.map_or(Dynamic::UNIT, |n| (n as INT).into()))
    }

    /// Computes the Clopper-Pearson interval of a proportion: `[low, high]`.
    #[rhai_fn(name = "_proportion", return_raw)]
    pub fn proportion_interval(hits: INT, n: INT, level: FLOAT) -> Res<List> {
        const WHO: &str = "measure::proportion_interval";
        let (hits, n) = (super::count(WHO, "count", hits, 0)? as u64, super::count(WHO, "n", n, 1)? as u64);
        if hits > n {
            bail!(WHO, "{hits} of {n}");
        }
        let (low, high) = proportion::interval(hits, n, super::level(WHO, "level", level)?);
        Ok(vec![low.into(), high.into()])
    }

    /// Computes the seeds and documents at which a comparison is decided with some probability: `#{ seeds, documents }`, or `()`
    /// where even the maximum is not enough.
    #[rhai_fn(name = "_required", return_raw)]
    pub fn required(found: Map, bounds: List, plan: Map) -> Res<Dynamic> {
        const WHO: &str = "judge::required";
        let pair = super::pair(WHO, &found)?;
        let bounds = bounds.iter().map(|bound| super::number(WHO, "a bound", bound)).collect::<Res<Vec<f64>>>()?;
        let value = |name: &str| plan.get(name).cloned().unwrap_or_default();
        let most = |name: &str, least: usize| -> Res<usize> {
            Ok(super::count(WHO, name, value(name).as_int().unwrap_or_default(), 0)?.max(least))
        };
        let most = Size { seeds: most("seeds", pair.seeds)?, documents: most("documents", pair.documents)? };
        let rule =
            Rule { bounds: &bounds, alpha: super::level(WHO, "alpha", super::number(WHO, "alpha", &value("alpha"))?)? };
        let wanted = super::level(WHO, "power", super::number(WHO, "the power", &value("power"))?)?;
        let documents_first = value("documents_first").as_bool().unwrap_or_default();
        let size = Assurance::of(&pair).and_then(|chance| chance.required(&rule, wanted, most, documents_first));
        Ok(size.map_or(Dynamic::UNIT, |size| {
            let mut map = Map::new();
            map.insert("seeds".into(), (size.seeds as INT).into());
            map.insert("documents".into(), (size.documents as INT).into());
            map.into()
        }))
    }

    /// Removes from texts what exact match ignores.
    #[rhai_fn(name = "_normalized", return_raw)]
    pub fn normalized(texts: List, options: Map) -> Res<List> {
        let flag = |name: &str| options.get(name).and_then(|value| value.as_bool().ok()).unwrap_or_default();
        let patterns = options.get("regexes_to_ignore").cloned().unwrap_or_default();
        let patterns = super::texts("measure::exact_match", "regexes_to_ignore", &patterns)?.unwrap_or_default();
        let how = Normalization {
            regexes_to_ignore: Normalization::ignoring(&patterns)?,
            ignore_case: flag("ignore_case"),
            ignore_punctuation: flag("ignore_punctuation"),
            ignore_numbers: flag("ignore_numbers"),
            squad: options.get("normalize").is_some_and(|value| value.to_string() == "squad"),
        };
        Ok(texts.iter().map(|text| how.of(&text.to_string()).into()).collect())
    }
}
