//! Orders and splits of a dataset.

use crate::data::Dataset;
use crate::script::prelude::*;

const SPLIT: &[Opt] = &[
    opt("seed", Kind::Int, "", "shuffle first, by this seed"),
    opt("group", Kind::Text, "", "a field: rows with equal values stay on the same side")
        .also(&["groups", "GroupShuffleSplit"]),
    opt("stratify", Kind::Text, "", "a field: its values have the same proportions on both sides")
        .also(&["StratifiedShuffleSplit", "stratify_by_column"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("split", SPLIT);
}

#[export_module]
mod verbs {
    /// Shuffles the rows, by a seed.
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
    /// `stratify` keeps the proportions of a field's values on both sides, in numbers as scikit-learn does: a value of one
    /// row alone, or a side with fewer rows than there are values, is an error.
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
        let options = Options::read("split", SPLIT, options)?;
        let data = match options.maybe("seed", Options::int)? {
            Some(seed) => data.shuffle(seed as u64),
            None => data.clone(),
        };
        let (train, test) = match (options.maybe("group", Options::text)?, options.maybe("stratify", Options::text)?) {
            (Some(_), Some(_)) => bail!("split", "`group` and `stratify` cannot both hold: give one"),
            (Some(field), None) => data.split_by(fraction, &field)?,
            (None, Some(field)) => data.split_stratified(fraction, &field)?,
            (None, None) => data.split(fraction)?,
        };
        let mut parts = Map::new();
        parts.insert("train".into(), Dynamic::from(train));
        parts.insert("test".into(), Dynamic::from(test));
        Ok(parts)
    }
}
