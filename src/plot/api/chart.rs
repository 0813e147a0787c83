//! Charts in scripts.

use crate::plot::Axis;
use crate::plot::SeriesKind;
use crate::script::display::Page;
use crate::script::prelude::*;
use std::path::Path;

const AXIS: &[Opt] = &[opt("log", Kind::Bool, "false", "logarithmic scale")];

const BARS: &[Opt] = &[
    opt("low", Kind::List, "", "lower end of each value's interval"),
    opt("high", Kind::List, "", "upper end of each value's interval"),
];

/// Default number of rows of a chart in the terminal.
const ROWS: usize = 12;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Chart>("Chart");
    host.looks.page::<crate::plot::Chart>(|chart, columns| match chart.series.is_empty() {
        true => Page::text(chart.title.clone()),
        false => Page { text: (*chart).text(columns, ROWS), svg: Some(chart.svg()), html: None },
    });
    host.module(exported_module!(verbs));
    host.options("x", AXIS);
    host.options("y", AXIS);
    host.options("bars", BARS);
}

/// Numbers of a list; `()` is a gap.
fn numbers(who: &'static str, list: &List) -> Res<Vec<f64>> {
    list.iter()
        .enumerate()
        .map(|(at, value)| match (value.as_float(), value.as_int()) {
            (Ok(number), _) => Ok(number),
            (_, Ok(number)) => Ok(number as f64),
            _ if value.is_unit() => Ok(f64::NAN),
            _ => bail!(who, "value {at} is not a number ({value})"),
        })
        .collect()
}

fn steps(count: usize) -> Vec<f64> {
    (0..count).map(|at| at as f64).collect()
}

fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(90, |(_, columns)| columns as usize)
}

#[export_module]
mod verbs {
    /// A chart of lines, points or bars: a value, each verb returns a new one. Printing draws it in the terminal.
    pub type Chart = crate::plot::Chart;

    /// Makes an empty chart.
    ///
    /// also: plot, figure, matplotlib
    ///
    /// ```rhai
    /// chart("loss")    //=> loss
    /// ```
    pub fn chart(title: &str) -> Chart {
        Chart::new(title)
    }

    /// Adds a line through points. `()` and NaN are gaps.
    ///
    /// ```rhai
    /// let c = chart("squares").line("n²", [0, 1, 2, 3], [0, 1, 4, 9]).x("n");
    /// print(c);
    /// chart("loss").line("train", [1, 2], [0.5])    //=> error: line: `train` has 2 x and 1 y
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn line(chart: &mut Chart, name: &str, xs: List, ys: List) -> Res<Chart> {
        Ok(chart.with("line", SeriesKind::Line, name, numbers("line", &xs)?, numbers("line", &ys)?)?)
    }

    /// Adds a line through values at 0, 1, 2 and so on.
    ///
    /// ```rhai
    /// chart("loss").line("train", [3.0, 2.5, 2.25]).save("out/doc/loss.svg");
    /// ```
    #[rhai_fn(name = "line", pure, return_raw)]
    pub fn line_of_values(chart: &mut Chart, name: &str, ys: List) -> Res<Chart> {
        let ys = numbers("line", &ys)?;
        Ok(chart.with("line", SeriesKind::Line, name, steps(ys.len()), ys)?)
    }

    /// Adds points without a line.
    ///
    /// also: scatter
    ///
    /// ```rhai
    /// chart("length and loss").points("rows", [10, 20, 30], [1.5, 1.2, 1.3]).save("out/doc/points.svg");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn points(chart: &mut Chart, name: &str, xs: List, ys: List) -> Res<Chart> {
        Ok(chart.with("points", SeriesKind::Points, name, numbers("points", &xs)?, numbers("points", &ys)?)?)
    }

    /// Adds a bar for each label. A second call adds a second bar to every label. `low` and `high` add an interval to each value,
    /// which files show and the terminal does not.
    ///
    /// also: bar chart, barplot, error bars, confidence interval
    ///
    /// ```rhai
    /// let c = chart("tokens per character").bars("old", ["statutes", "English"], [0.57, 0.25])
    ///                                      .bars("grown", ["statutes", "English"], [0.31, 0.25]);
    /// print(c);
    /// c.bars("other", ["statutes"], [1])    //=> error: bars: `other` has other labels than the bars before it
    /// chart("gain").bars("extended", ["domain"], [0.2], #{ low: [0.1], high: [0.3] }).save("out/doc/gain.svg");
    /// chart("gain").bars("extended", ["domain"], [0.2], #{ low: [0.1] })   //=> error: bars: `low` and `high` come together
    /// ```
    #[rhai_fn(name = "bars", pure, return_raw)]
    pub fn bars(chart: &mut Chart, name: &str, labels: List, values: List, options: Map) -> Res<Chart> {
        let options = Options::read("bars", BARS, options)?;
        if options.has("low") != options.has("high") {
            bail!("bars", "`low` and `high` come together");
        }
        let ends = |name| numbers("bars", &options.get(name).into_array().unwrap_or_default());
        let (low, high) = (ends("low")?, ends("high")?);
        if low.len() != high.len() {
            bail!("bars", "`{name}` has {} low and {} high", low.len(), high.len());
        }
        let labels = labels.iter().map(ToString::to_string).collect();
        Ok(chart.with_bars(name, labels, numbers("bars", &values)?, low.into_iter().zip(high).collect())?)
    }

    /// Labels the x axis, and sets its scale.
    ///
    /// also: xlabel, xscale, log scale
    ///
    /// ```rhai
    /// chart("loss").line("train", [3.0, 2.5]).x("step").y("bits per byte").save("out/doc/loss.svg");
    /// chart("loss").line("train", [1, 10, 100], [3.0, 2.5, 2.0]).x("tokens", #{ log: true }).save("out/doc/loss.svg");
    /// chart("loss").line("train", [0, 10], [3.0, 2.5]).x("tokens", #{ log: true })    //=> error: x: `train` has 0, which a logarithmic axis cannot show
    /// ```
    #[rhai_fn(name = "x", pure, return_raw)]
    pub fn x(chart: &mut Chart, label: &str, options: Map) -> Res<Chart> {
        let log = Options::read("x", AXIS, options)?.bool("log")?;
        Ok(chart.with_axis("x", Axis { label: label.into(), log })?)
    }

    /// Labels the y axis, and sets its scale.
    ///
    /// also: ylabel, yscale, log scale
    ///
    /// ```rhai
    /// chart("loss").line("train", [3.0, 2.5]).y("bits per byte").save("out/doc/loss.svg");
    /// chart("loss").line("train", [30.0, 2.5]).y("loss", #{ log: true }).save("out/doc/loss.svg");
    /// ```
    #[rhai_fn(name = "y", pure, return_raw)]
    pub fn y(chart: &mut Chart, label: &str, options: Map) -> Res<Chart> {
        let log = Options::read("y", AXIS, options)?.bool("log")?;
        Ok(chart.with_axis("y", Axis { label: label.into(), log })?)
    }

    /// Saves as .svg, .png, or a self-contained .html with the numbers.
    ///
    /// also: savefig
    ///
    /// effect
    ///
    /// ```rhai
    /// chart("loss").line("train", [3.0, 2.5]).save("out/doc/loss.html");
    /// chart("loss").save("out/doc/loss.bmp")    //=> error: save: out/doc/loss.bmp: a chart is saved as .svg, .png or .html
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(chart: &mut Chart, path: &str) -> Res<()> {
        Ok((*chart).save(Path::new(path))?)
    }

    /// Draws the chart as text of the given columns and rows.
    ///
    /// ```rhai
    /// print(chart("loss").line("train", [3.0, 2.5, 2.25]).text(60, 8));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn text(chart: &mut Chart, columns: i64, rows: i64) -> Res<String> {
        let size = |count: i64| match usize::try_from(count) {
            Ok(count @ 1..=1000) => Ok::<usize, Box<rhai::EvalAltResult>>(count),
            _ => bail!("text", "a chart of {columns} columns and {rows} rows"),
        };
        Ok((*chart).text(size(columns)?, size(rows)?))
    }

    /// Draws the chart as text, as wide as the terminal.
    #[rhai_fn(name = "to_string", pure)]
    pub fn to_string(chart: &mut Chart) -> String {
        if chart.series.is_empty() { chart.title.clone() } else { (*chart).text(columns(), ROWS) }
    }

    /// Formats the title and the number of series in one line.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_debug(chart: &mut Chart) -> String {
        format!("chart \"{}\", {} series", chart.title, chart.series.len())
    }
}
