//! Selection and renaming of a dataset's fields.

use super::names;
use crate::data::Dataset;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Returns one field as a column, whose rows are bare values.
    ///
    /// ```rhai
    /// let column = dataset(["a", "b"]).column("text");
    /// column       //=> column 2 rows: text
    /// column[0]    //=> a
    /// dataset(["a"]).column("txt")    //=> error: column: there is no field `txt`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn column(data: &mut Dataset, field: &str) -> Res<Dataset> {
        Ok((*data).column(field)?)
    }

    /// Keeps only these fields, in this order.
    ///
    /// also: select_columns
    ///
    /// ```rhai
    /// dataset([#{ a: 1, b: 2, c: 3 }]).select(["c", "a"])    //=> dataset 1 row: c, a
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn select(data: &mut Dataset, fields: List) -> Res<Dataset> {
        Ok((*data).select(&names("select", fields)?)?)
    }

    /// Removes a field.
    ///
    /// also: remove_columns
    ///
    /// ```rhai
    /// dataset([#{ a: 1, b: 2 }]).drop("a")    //=> dataset 1 row: b
    /// ```
    #[rhai_fn(name = "drop", pure, return_raw)]
    pub fn drop_field(data: &mut Dataset, field: &str) -> Res<Dataset> {
        Ok(data.drop_fields(&[field])?)
    }

    /// Removes fields.
    ///
    /// ```rhai
    /// dataset([#{ a: 1, b: 2, c: 3 }]).drop(["a", "b"])    //=> dataset 1 row: c
    /// ```
    #[rhai_fn(name = "drop", pure, return_raw)]
    pub fn drop_fields(data: &mut Dataset, fields: List) -> Res<Dataset> {
        Ok((*data).drop_fields(&names("drop", fields)?)?)
    }

    /// Renames a field.
    ///
    /// also: rename_column
    ///
    /// ```rhai
    /// dataset(["a"]).rename("text", "word")    //=> dataset 1 row: word
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rename(data: &mut Dataset, old: &str, name: &str) -> Res<Dataset> {
        Ok((*data).rename(old, name)?)
    }
}
