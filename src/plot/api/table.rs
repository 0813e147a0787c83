//! Tables, and numbers as text, in scripts.

use crate::script::display::{Page, Weight};
use crate::script::prelude::*;
use crate::text;

const TABLE: &[Opt] = &[
    opt("columns", Kind::List, "", "fields to show, in order; by default all, by name"),
    opt("digits", Kind::Any, "3", "digits after the decimal point of floats: for all, or a map by column"),
    opt("title", Kind::Text, "", "line above the table"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Table>("Table");
    host.looks.page::<crate::plot::Table>(|table, columns| {
        let lines = table.to_string();
        let lines: Vec<String> = lines.lines().map(|line| text::cut(line, columns)).collect();
        Page::table(lines.join("\n"), &table.headings, &table.rows)
    });
    host.looks.weigh::<crate::plot::Table>(|table| Weight {
        shape: format!("{} × {}", text::counted(table.rows.len(), "row"), table.headings.len()),
        parts: Vec::new(),
    });
    host.module(exported_module!(verbs));
    host.options("table", TABLE);
}

/// Digits after the point: one number, or one per column.
struct Digits(Dynamic);

impl Digits {
    fn of(&self, column: &str) -> Res<usize> {
        let digits = match self.0.as_map_ref() {
            Ok(map) => map.get(column).cloned().unwrap_or_else(|| 3.into()),
            Err(_) => self.0.clone(),
        };
        match digits.as_int().map(usize::try_from) {
            Ok(Ok(digits @ 0..=17)) => Ok(digits),
            _ => bail!("table", "`digits` is a whole number from 0 to 17 or a map of them, not {digits}"),
        }
    }
}

fn cell(value: &Dynamic, digits: usize) -> String {
    if value.is_unit() {
        return String::new();
    }
    match (value.as_int(), value.as_float()) {
        (Ok(number), _) => text::thousands(number),
        (_, Ok(number)) => float(number, digits),
        _ => value.to_string(),
    }
}

/// Formats a float; scientific notation where `digits` would round it to zero or exceed its precision.
fn float(number: f64, digits: usize) -> String {
    let size = number.abs();
    let lost = digits > 0 && size > 0.0 && size < 0.1_f64.powi(digits as i32);
    if !(lost || size >= 1e15 && size.is_finite()) {
        return text::thousands(format!("{number:.digits$}"));
    }
    let text = format!("{number:.2e}");
    let (figures, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", figures.trim_end_matches('0').trim_end_matches('.'))
}

fn columns(rows: &List, options: &Options) -> Res<Vec<String>> {
    if let Some(columns) = options.maybe("columns", |options, name| Ok(options.get(name)))? {
        return Ok(columns.into_array().unwrap_or_default().iter().map(ToString::to_string).collect());
    }
    let mut names: Vec<String> = Vec::new();
    let mut width = 0;
    for row in rows {
        if let Ok(map) = row.as_map_ref() {
            for name in map.keys() {
                if !names.iter().any(|known| known == name.as_str()) {
                    names.push(name.to_string());
                }
            }
        } else if let Ok(list) = row.as_array_ref() {
            width = width.max(list.len());
        }
    }
    if names.is_empty() { Ok(vec![String::new(); width]) } else { Ok(names) }
}

#[export_module]
mod verbs {
    /// A table of aligned columns, which prints as text.
    pub type Table = crate::plot::Table;

    /// Makes a table of maps or lists, with numbers right-aligned and thousands separated. For rows that are lists, `columns` are
    /// the headings.
    ///
    /// also: DataFrame, print table, tabulate
    ///
    /// ```rhai
    /// print(table([#{ name: "old", pieces: 49152 }, #{ name: "grown", pieces: 51152 }]));
    /// table([3])    //=> error: table: row 0 is not a map or a list: 3
    /// let rows = [#{ law: "专利法", bits: 1.23456 }, #{ law: "民法典", bits: 12.5 }];
    /// print(table(rows, #{ columns: ["law", "bits"], digits: 2 }));
    /// print(table([#{ lr: 1e-5 }, #{ lr: 3.25e-5 }]));      // 1e-5, 3.25e-5
    /// table([["a", 1]], #{ colums: ["x", "y"] })    //=> error: table: there is no option `colums`
    /// ```
    #[rhai_fn(name = "table", return_raw)]
    pub fn make(rows: List, options: Map) -> Res<Table> {
        let options = Options::read("table", TABLE, options)?;
        let headings = columns(&rows, &options)?;
        let digits = Digits(options.get("digits"));
        let digits = headings.iter().map(|heading| digits.of(heading)).collect::<Res<Vec<_>>>()?;
        let title = options.maybe("title", Options::text)?.map(|title| title.to_string()).unwrap_or_default();
        let mut table = Table { title, headings, rows: Vec::new() };
        for (at, row) in rows.iter().enumerate() {
            let cells: Vec<String> = if let Ok(map) = row.as_map_ref() {
                let cells = table.headings.iter().zip(&digits);
                cells
                    .map(|(name, &digits)| map.get(name.as_str()).map_or(String::new(), |value| cell(value, digits)))
                    .collect()
            } else if let Ok(list) = row.as_array_ref() {
                if list.len() > table.headings.len() {
                    bail!("table", "row {at} has {} cells for {} columns", list.len(), table.headings.len());
                }
                list.iter().zip(&digits).map(|(value, &digits)| cell(value, digits)).collect()
            } else {
                bail!("table", "row {at} is not a map or a list: {row}");
            };
            table.rows.push(cells);
        }
        Ok(table)
    }

    /// Formats the table in Markdown.
    ///
    /// ```rhai
    /// print(table([#{ name: "old", bits: 2.5 }]).markdown());
    /// ```
    #[rhai_fn(pure)]
    pub fn markdown(table: &mut Table) -> String {
        (*table).markdown()
    }

    /// Formats the table in aligned columns.
    #[rhai_fn(name = "to_string", pure)]
    pub fn to_string(table: &mut Table) -> String {
        table.to_string()
    }

    /// Formats the size of the table in one line.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_debug(table: &mut Table) -> String {
        format!(
            "table of {} and {}",
            text::counted(table.rows.len(), "row"),
            text::counted(table.headings.len(), "column")
        )
    }

    /// Formats an integer with thousands separators.
    ///
    /// ```rhai
    /// 1234567.thousands()    //=> 1,234,567
    /// ```
    #[rhai_fn(name = "thousands")]
    pub fn thousands(number: i64) -> String {
        text::thousands(number)
    }

    /// Formats a number rounded to an integer, with thousands separators.
    ///
    /// ```rhai
    /// 1234.56.thousands()    //=> 1,235
    /// ```
    #[rhai_fn(name = "thousands")]
    pub fn thousands_of_float(number: f64) -> String {
        text::thousands(format!("{number:.0}"))
    }

    /// Formats a fraction as a percentage, with `digits` after the decimal point.
    ///
    /// ```rhai
    /// 0.1234.percent(1)    //=> 12.3 %
    /// ```
    #[rhai_fn(return_raw)]
    pub fn percent(share: f64, digits: i64) -> Res<String> {
        match usize::try_from(digits) {
            Ok(digits @ 0..=17) => Ok(format!("{:.digits$} %", share * 100.0)),
            _ => bail!("percent", "{digits} digits"),
        }
    }

    /// Formats a number of bytes in a readable unit.
    ///
    /// ```rhai
    /// 2312345.bytes_text()    //=> 2.3 MB
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bytes_text(bytes: i64) -> Res<String> {
        match u64::try_from(bytes) {
            Ok(bytes) => Ok(text::bytes(bytes)),
            Err(_) => bail!("bytes_text", "{bytes} bytes is below 0"),
        }
    }
}
