//! Display of values: as a page, at the prompt and in notebooks, and their memory use in `who`.

use rhai::{Dynamic, Variant};
use std::any::TypeId;
use std::fmt::Write;

/// A value as displayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub text: String,
    /// HTML for notebooks, if it shows more than the text.
    pub html: Option<String>,
    pub svg: Option<String>,
}

impl Page {
    pub fn text(text: impl Into<String>) -> Page {
        Page { text: text.into(), ..Page::default() }
    }

    /// Text on a terminal; an HTML table in notebooks.
    pub fn table(text: String, headings: &[String], rows: &[Vec<String>]) -> Page {
        Page { text, html: Some(html(headings, rows)), svg: None }
    }
}

/// Size of a value.
#[derive(Clone, Debug, Default)]
pub struct Weight {
    /// `[2, 8]`, `23,490 rows`: its shape in the type's own terms.
    pub shape: String,
    /// The memory blocks it holds, each by its address: values may share them.
    pub parts: Vec<(usize, u64)>,
}

type Show = Box<dyn Fn(&Dynamic, usize) -> Option<Page> + Send + Sync>;
type Weigh = Box<dyn Fn(&Dynamic) -> Option<Weight> + Send + Sync>;

/// Display functions that nouns registered for their types.
#[derive(Default)]
pub struct Looks {
    pages: Vec<(TypeId, Show)>,
    weights: Vec<(TypeId, Weigh)>,
}

impl Looks {
    /// Registers the display of a type, for a given number of columns.
    pub fn page<T: Variant + Clone>(&mut self, show: fn(&T, usize) -> Page) {
        let show = move |value: &Dynamic, columns| value.read_lock::<T>().map(|value| show(&value, columns));
        self.pages.push((TypeId::of::<T>(), Box::new(show)));
    }

    /// Registers the size of a type.
    pub fn weigh<T: Variant + Clone>(&mut self, weigh: fn(&T) -> Weight) {
        let weigh = move |value: &Dynamic| value.read_lock::<T>().map(|value| weigh(&value));
        self.weights.push((TypeId::of::<T>(), Box::new(weigh)));
    }

    /// The page of a value, if its noun has one.
    pub fn page_of(&self, value: &Dynamic, columns: usize) -> Option<Page> {
        let (_, show) = self.pages.iter().find(|(kind, _)| *kind == value.type_id())?;
        show(value, columns)
    }

    /// The size of a value; for lists and maps including their elements.
    pub fn weight_of(&self, value: &Dynamic) -> Weight {
        let mut weight = Weight::default();
        if let Some((_, weigh)) = self.weights.iter().find(|(kind, _)| *kind == value.type_id()) {
            return weigh(value).unwrap_or_default();
        }
        if let Ok(list) = value.as_array_ref() {
            weight.shape = crate::text::counted(list.len(), "item");
            weight.parts.push((std::ptr::from_ref(&*list) as usize, size_of_val(list.as_slice()) as u64));
            weight.parts.extend(list.iter().flat_map(|item| self.weight_of(item).parts));
        } else if let Ok(map) = value.as_map_ref() {
            weight.shape = crate::text::counted(map.len(), "key");
            let bytes: usize = map.keys().map(|key| key.len() + size_of::<Dynamic>() + size_of_val(key)).sum();
            weight.parts.push((std::ptr::from_ref(&*map) as usize, bytes as u64));
            weight.parts.extend(map.values().flat_map(|item| self.weight_of(item).parts));
        } else if let Ok(text) = value.as_immutable_string_ref() {
            weight.shape = crate::text::counted(text.chars().count(), "character");
            // copies of a text share its memory
            weight.parts.push((text.as_ptr() as usize, text.len() as u64));
        }
        weight
    }
}

/// A table as HTML; numbers are right-aligned.
fn html(headings: &[String], rows: &[Vec<String>]) -> String {
    let escape = |cell: &String| cell.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = String::from("<table>\n");
    if headings.iter().any(|heading| !heading.is_empty()) {
        let cells: String = headings.iter().map(|heading| format!("<th>{}</th>", escape(heading))).collect();
        let _ = writeln!(out, "<thead><tr>{cells}</tr></thead>");
    }
    out.push_str("<tbody>\n");
    for row in rows {
        let cell = |cell: &String| {
            let figure = cell.starts_with(|c: char| c.is_ascii_digit() || "+-−".contains(c));
            let style = if figure { " style=\"text-align: right\"" } else { " style=\"text-align: left\"" };
            format!("<td{style}>{}</td>", escape(cell))
        };
        let _ = writeln!(out, "<tr>{}</tr>", row.iter().map(cell).collect::<String>());
    }
    out.push_str("</tbody>\n</table>");
    out
}
