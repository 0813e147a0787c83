//! Parallel coordinates in scripts.

use crate::plot::{Measure, Parallel};
use crate::script::display::Page;
use crate::script::prelude::*;
use std::path::Path;

const WHO: &str = "parallel";

const PARALLEL: &[Opt] =
    &[opt("better", Kind::OneOf(&["lower", "higher"]), "\"lower\"", "direction of better values on the last axis")];

const AXIS: &[Opt] = &[
    opt("name", Kind::Text, "", "title above the axis"),
    opt("log", Kind::Bool, "false", "logarithmic scale"),
    opt("values", Kind::List, "", "words instead of numbers, bottom to top"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Parallel>("Parallel");
    host.looks.page::<crate::plot::Parallel>(|plot, _| Page { text: told(plot), svg: Some(plot.svg()), html: None });
    host.module(exported_module!(verbs));
    host.options(WHO, PARALLEL);
}

fn told(plot: &Parallel) -> String {
    let names: Vec<&str> = plot.axes.iter().map(|(name, _)| name.as_str()).collect();
    format!("{}: {} over {}", plot.title, crate::text::counted(plot.rows.len(), "line"), names.join(", "))
}

fn axis(axis: Dynamic) -> Res<(String, Measure)> {
    let kind = type_in_words(&axis);
    let Some(axis) = axis.try_cast::<Map>() else { bail!(WHO, "an axis is a map, not {kind}") };
    let axis = Options::read(WHO, AXIS, axis)?;
    let name = axis.text("name")?.to_string();
    let measure = match axis.get("values").into_array() {
        Ok(words) => Measure::Words(words.iter().map(ToString::to_string).collect()),
        Err(_) => Measure::Number { log: axis.bool("log")? },
    };
    Ok((name, measure))
}

/// Positions of a row on its axes.
fn row(axes: &[(String, Measure)], number: usize, row: &Dynamic) -> Res<Vec<Option<f64>>> {
    let Some(row) = row.read_lock::<List>() else { bail!(WHO, "row {number} is not a list") };
    if row.len() != axes.len() {
        bail!(WHO, "row {number} has {} values, and there are {} axes", row.len(), axes.len());
    }
    let place = |((name, measure), value): (&(String, Measure), &Dynamic)| -> Res<Option<f64>> {
        if value.is_unit() {
            return Ok(None);
        }
        let place = match measure {
            Measure::Words(words) => words.iter().position(|word| *word == value.to_string()).map(|at| at as f64),
            Measure::Number { log } => {
                let number = as_number(value);
                number.filter(|number| number.is_finite() && (!log || *number > 0.0))
            }
        };
        match place {
            Some(place) => Ok(Some(place)),
            None => bail!(WHO, "row {number} has {value} at `{name}`, which that axis cannot show"),
        }
    };
    axes.iter().zip(row.iter()).map(place).collect()
}

#[export_module]
mod verbs {
    /// Rows as lines across parallel axes. A value.
    pub type Parallel = crate::plot::Parallel;

    /// Plots rows as lines over parallel axes (Inselberg 1985): each map of `axes` has a `name` and optionally `log`, or `values`
    /// that are words; each list of `rows` has a value, or `()`, for every axis. The last axis ranks the rows: better lines are
    /// darker, and the best one is highlighted.
    ///
    /// also: parallel coordinates, plot_parallel_coordinate, plotly.parcoords, pandas.plotting
    ///
    /// ```rhai
    /// let axes = [#{ name: "lr", log: true }, #{ name: "method", values: ["full", "lora"] }, #{ name: "loss" }];
    /// parallel("runs", axes, [[1e-3, "lora", 2.5], [1e-2, "full", 2.8]])      //=> runs: 2 lines over lr, method, loss
    /// parallel("runs", axes, [[1e-3, "lora"]])                //=> error: parallel: row 0 has 2 values, and there are 3 axes
    /// parallel("runs", axes, [[0, "lora", 2.5]])              //=> error: parallel: row 0 has 0 at `lr`, which that axis cannot show
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parallel(title: &str, axes: List, rows: List, options: Map) -> Res<Parallel> {
        let options = Options::read(super::WHO, super::PARALLEL, options)?;
        let axes = axes.into_iter().map(super::axis).collect::<Res<Vec<_>>>()?;
        if axes.is_empty() {
            bail!(super::WHO, "there are no axes");
        }
        let rows = rows.iter().enumerate().map(|(at, row)| super::row(&axes, at, row)).collect::<Res<Vec<_>>>()?;
        let lower_is_better = &*options.text("better")? == "lower";
        Ok(Parallel { title: title.into(), axes, rows, lower_is_better })
    }

    /// Saves as .svg, .png, or a self-contained .html.
    ///
    /// ```rhai
    /// parallel("runs", [#{ name: "lr" }, #{ name: "loss" }], [[0.1, 2.5], [0.2, 2.4]]).save("out/doc/runs.svg");
    /// parallel("runs", [#{ name: "lr" }], [[0.1]]).save("out/doc/runs.bmp")
    /// //=> error: save: out/doc/runs.bmp: parallel coordinates are saved as .svg, .png or .html
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_parallel(plot: &mut Parallel, path: &str) -> Res<()> {
        Ok((*plot).save(Path::new(path))?)
    }

    /// Formats the title and the axes in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn parallel_to_string(plot: &mut Parallel) -> String {
        super::told(plot)
    }
}
