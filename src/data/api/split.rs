//! Orders and splits of a dataset.

use crate::data::{Dataset, shared};
use crate::script::prelude::*;

const SPLIT: &[Opt] = &[
    opt("seed", Kind::Int, "", "shuffle first, with this seed"),
    opt("group", Kind::Text, "", "field: rows with equal values stay on the same side")
        .also(&["groups", "GroupShuffleSplit"]),
    opt("stratify", Kind::Text, "", "field: its values have the same proportions on both sides")
        .also(&["StratifiedShuffleSplit", "stratify_by_column"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("split", SPLIT);
}

const WHO: &str = "split";

/// The first share of the rows, and the rest.
fn in_two(data: &Dataset, fraction: f64, options: &Options) -> Res<(Dataset, Dataset)> {
    match (options.maybe("group", Options::text)?, options.maybe("stratify", Options::text)?) {
        (Some(_), Some(_)) => bail!(WHO, "`group` and `stratify` cannot both hold: give one"),
        (Some(field), None) => Ok(data.split_by(fraction, &field)?),
        (None, Some(field)) => Ok(data.split_stratified(fraction, &field)?),
        (None, None) => Ok(data.split(fraction)?),
    }
}

/// The rows, shuffled if a seed is given.
fn ordered(data: &Dataset, options: &Options) -> Res<Dataset> {
    Ok(match options.maybe("seed", Options::int)? {
        Some(seed) => data.shuffle(seed as u64),
        None => data.clone(),
    })
}

fn parts<const N: usize>(parts: [(&str, Dataset); N]) -> Map {
    parts.into_iter().map(|(name, part)| (name.into(), Dynamic::from(part))).collect()
}

/// Shares as numbers that add up to 1.
fn shares(given: &List) -> Res<Vec<f64>> {
    let found: Vec<f64> = given.iter().filter_map(as_number).collect();
    let whole: f64 = found.iter().sum();
    if found.len() != given.len() || !(2..=3).contains(&found.len()) {
        return Err(Error::new(WHO, format!("{} are not shares", Dynamic::from(given.clone())))
            .help("two or three numbers: `[0.8, 0.2]` are train and test, `[0.8, 0.1, 0.1]` train, validation and test")
            .into());
    }
    if (whole - 1.0).abs() > 1e-6 {
        bail!(WHO, "the shares add up to {whole}, not to 1");
    }
    Ok(found)
}

#[export_module]
mod verbs {
    use super::{in_two, ordered, parts};

    /// Shuffles the rows, with a seed.
    ///
    /// ```rhai
    /// let words = dataset(["a", "b", "c", "d"]);
    /// words.shuffle(7).column("text")[0] == words.shuffle(7).column("text")[0]    //=> true
    /// ```
    #[rhai_fn(pure)]
    pub fn shuffle(data: &mut Dataset, seed: i64) -> Dataset {
        data.shuffle(seed as u64)
    }

    /// Splits into `train`, the first `fraction` of the rows, and `test`, the rest. Shuffle first, or give a seed.
    ///
    /// If the same text is on both sides, a warning is printed: scores on such rows measure memory. Use `data.unique("text")`
    /// before, or `group: "text"`.
    ///
    /// `stratify` keeps the proportions of a field's values on both sides, in the same numbers as scikit-learn; a value with a
    /// single row, or a side with fewer rows than values, is an error.
    ///
    /// also: train_test_split, random_split, test_size, GroupShuffleSplit, GroupKFold, StratifiedShuffleSplit
    ///
    /// ```rhai
    /// let parts = dataset(["a", "b", "c", "d"]).split(0.75);
    /// parts.train.len()    //=> 3
    /// parts.test           //=> dataset 1 row: text
    /// dataset(["a"]).split(0.5)    //=> error: split: 0.5 of 1 row leaves one side empty
    /// let rows = dataset([#{ law: "A" }, #{ law: "B" }, #{ law: "A" }, #{ law: "A" }]);
    /// rows.split(0.75, #{ group: "law" }).test.column("law")[0]    //=> B
    /// let rows = dataset([0, 0, 0, 0, 1, 1].map(|label| #{ label: label }));
    /// rows.split(0.5, #{ stratify: "label" }).test.filter(|row| row.label == 1).len()    //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn split(data: &mut Dataset, fraction: f64, options: Map) -> Res<Map> {
        let options = Options::read(WHO, SPLIT, options)?;
        let (train, test) = in_two(&ordered(data, &options)?, fraction, &options)?;
        shared::tell(&train, &[("test", &test)])?;
        Ok(parts([("train", train), ("test", test)]))
    }

    /// Splits into `train`, `validation` and `test` by three shares that add up to 1, or into `train` and `test` by two. With
    /// three, models are selected on `validation` and judged on `test`.
    ///
    /// also: train validation test split, dev set, holdout
    ///
    /// ```rhai
    /// let parts = dataset(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]).split([0.8, 0.1, 0.1], #{ seed: 7 });
    /// [parts.train.len(), parts.validation.len(), parts.test.len()]      //=> [8, 1, 1]
    /// dataset(["a", "b", "c", "d"]).split([0.5, 0.5]).keys()             //=> ["test", "train"]
    /// dataset(["a", "b"]).split([0.9, 0.2])      //=> error: split: the shares add up to 1.1, not to 1
    /// ```
    #[rhai_fn(name = "split", pure, return_raw)]
    pub fn split_in_parts(data: &mut Dataset, given: List, options: Map) -> Res<Map> {
        let options = Options::read(WHO, SPLIT, options)?;
        let shares = super::shares(&given)?;
        let (train, rest) = in_two(&ordered(data, &options)?, shares[0], &options)?;
        let Some(last) = shares.get(2) else {
            shared::tell(&train, &[("test", &rest)])?;
            return Ok(parts([("train", train), ("test", rest)]));
        };
        let (validation, test) = in_two(&rest, shares[1] / (shares[1] + last), &options)?;
        shared::tell(&train, &[("validation", &validation), ("test", &test)])?;
        Ok(parts([("train", train), ("validation", validation), ("test", test)]))
    }

    /// Warning about rows of a part whose text is in `train` too, or nothing.
    #[rhai_fn(name = "_shared_texts", return_raw)]
    pub fn shared_texts(who: &str, train: Dataset, part: Dataset, name: &str, fields: List) -> Res<Dynamic> {
        let fields: Vec<String> = fields.iter().map(Dynamic::to_string).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Ok(shared::shared(who, &train, &part, &fields)?.map_or(Dynamic::UNIT, |found| found.line(name).into()))
    }

    /// Warning about texts with several labels, or nothing.
    #[rhai_fn(name = "_conflicts", return_raw)]
    pub fn conflicts(who: &str, data: Dataset, fields: List, label: &str) -> Res<Dynamic> {
        let fields: Vec<String> = fields.iter().map(Dynamic::to_string).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Ok(shared::conflicts(who, &data, &fields, label)?.map_or(Dynamic::UNIT, |found| {
            let (texts, (one, other)) = (crate::text::counted(found.texts, "text"), found.rows);
            format!("{texts} with several labels: the first is {:?}, rows {one} and {other}", found.text).into()
        }))
    }
}
