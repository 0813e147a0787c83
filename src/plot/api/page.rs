//! What scripts see of pages.

use crate::plot::{Chart, Part, Table};
use crate::script::prelude::*;
use std::path::Path;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::plot::Page>("page");
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Words, tables and charts in one HTML file that needs no other. A value: each verb gives a new page.
    pub type Page = crate::plot::Page;

    /// An empty page.
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

    /// With a heading.
    ///
    /// ```rhai
    /// page("A report").heading("Loss")                 //=> page "A report", 1 part
    /// ```
    #[rhai_fn(pure)]
    pub fn heading(page: &mut Page, text: &str) -> Page {
        page.with(Part::Heading(text.into()))
    }

    /// With words: `**strong**` and `` `code` `` are shown as such, an empty line begins a paragraph.
    ///
    /// ```rhai
    /// page("A report").add("It **falls**.").add("So it is.")   //=> page "A report", 2 parts
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_text(page: &mut Page, text: &str) -> Page {
        page.with(Part::Text(text.into()))
    }

    /// With a table.
    ///
    /// ```rhai
    /// page("A report").add(table([#{ step: 1, loss: 3.0 }]))   //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_table(page: &mut Page, table: Table) -> Page {
        page.with(Part::Table(table))
    }

    /// With a chart.
    ///
    /// ```rhai
    /// page("A report").add(chart("loss").line("train", [3.0, 2.5]))    //=> page "A report", 1 part
    /// ```
    #[rhai_fn(name = "add", pure)]
    pub fn add_chart(page: &mut Page, chart: Chart) -> Page {
        page.with(Part::Chart(chart))
    }

    /// Write it, as .html.
    ///
    /// ```rhai
    /// page("A report").add("It falls.").save("out/doc/report.html");
    /// page("A report").save("out/doc/report.pdf")      //=> error: save: out/doc/report.pdf: a page is saved as .html
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_page(page: &mut Page, path: &str) -> Res<()> {
        Ok((*page).save(Path::new(path))?)
    }

    /// Its title, and how many parts it has.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn page_to_string(page: &mut Page) -> String {
        format!("page \"{}\", {}", page.title, crate::text::counted(page.parts.len(), "part"))
    }
}
