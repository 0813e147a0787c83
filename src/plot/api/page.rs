//! Pages in scripts.

use crate::plot::{Chart, Forest, Parallel, Part, Table};
use crate::script::prelude::*;
use std::path::Path;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Page>("Page");
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// A self-contained HTML page of texts, tables and charts: a value, each verb returns a new one.
    pub type Page = crate::plot::Page;

    /// Makes an empty page.
    ///
    /// also: html, report
    ///
    /// ```rhai
    /// page("A report").heading("Loss")
    ///     .add("It **falls**: see `loss.jsonl`.")
    ///     .add(table([#{ step: 1, loss: 3.0 }]))
    ///     .add(chart("loss").line("train", [3.0, 2.5]))
    ///     .save("out/doc/report.html");
    /// ```
    pub fn page(title: &str) -> Page {
        Page::new(title)
    }

    /// Adds a heading.
    ///
    /// ```rhai
    /// page("A report").heading("Loss")                 //=> page "A report", 1 part
    /// ```
    #[rhai_fn(pure)]
    pub fn heading(page: &mut Page, text: &str) -> Page {
        page.with(Part::Heading(text.into()))
    }

    /// Adds text, with `**strong**` and `` `code` ``; an empty line starts a paragraph.
    ///
    /// ```rhai
    /// page("A report").add("It **falls**.").add("So it is.")   //=> page "A report", 2 parts
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_text(page: &mut Page, text: &str) -> Page {
        page.with(Part::Text(text.into()))
    }

    /// Adds a table.
    ///
    /// ```rhai
    /// page("A report").add(table([#{ step: 1, loss: 3.0 }]))   //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_table(page: &mut Page, table: Table) -> Page {
        page.with(Part::Table(table))
    }

    /// Adds a chart.
    ///
    /// ```rhai
    /// page("A report").add(chart("loss").line("train", [3.0, 2.5]))    //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_chart(page: &mut Page, chart: Chart) -> Page {
        page.with(Part::Chart(chart))
    }

    /// Adds the main result, in larger type.
    ///
    /// ```rhai
    /// page("A report").lead("It is **worth it**.")             //=> page "A report", 1 part
    /// ```
    #[rhai_fn(pure)]
    pub fn lead(page: &mut Page, text: &str) -> Page {
        page.with(Part::Lead(text.into()))
    }

    /// Adds a forest plot.
    ///
    /// ```rhai
    /// page("A report").add(forest([#{ row: "loss", column: "lora", value: 0.2, low: 0.1, high: 0.3 }]))   //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_forest(page: &mut Page, forest: Forest) -> Page {
        page.with(Part::Forest(forest))
    }

    /// Adds parallel coordinates.
    ///
    /// ```rhai
    /// page("A report").add(parallel("runs", [#{ name: "lr" }, #{ name: "loss" }], [[0.1, 2.5], [0.2, 2.4]]))   //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_parallel(page: &mut Page, plot: Parallel) -> Page {
        page.with(Part::Parallel(plot))
    }

    /// Folds the following parts under a title that expands them, up to the next fold or the end.
    ///
    /// ```rhai
    /// page("A report").add("Short.").fold("All figures").add("Long.")     //=> page "A report", 3 parts
    /// ```
    #[rhai_fn(pure)]
    pub fn fold(page: &mut Page, title: &str) -> Page {
        page.with(Part::Fold(title.into()))
    }

    /// Saves the page as .html.
    ///
    /// effect
    ///
    /// ```rhai
    /// page("A report").add("It falls.").save("out/doc/report.html");
    /// page("A report").save("out/doc/report.pdf")      //=> error: save: out/doc/report.pdf: a page is saved as .html
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_page(page: &mut Page, path: &str) -> Res<()> {
        Ok((*page).save(Path::new(path))?)
    }

    /// Formats the title and the number of parts in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn page_to_string(page: &mut Page) -> String {
        format!("page \"{}\", {}", page.title, crate::text::counted(page.parts.len(), "part"))
    }
}
