//! HTML to text: the main content of a page, or all visible text.

mod article;
mod dom;

use article::{Weights, article, is_block, is_clutter};
use dom::{Data, Page};

/// Which part of a page becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The main content, without menus, sidebars, footers.
    Article,
    /// All visible text.
    All,
}

/// Text shorter than this is hardly main content.
const SHORT: f64 = 250.0;

/// The text of a page: blocks separated by a blank line, items and table rows on lines of their own.
pub fn html_to_text(html: &str, part: Part) -> String {
    let page = Page::parse(html);
    let shown = Weights::of(&page, |_| false);
    let body = page.find("body").unwrap_or(0);
    if part == Part::All {
        return text(&page, &shown, &[body], false);
    }
    let strict = Weights::strict(&page, &shown, body);
    for weights in [&strict, &shown] {
        // the content found may be lists of links, which leave no text
        let found = text(&page, weights, &article(&page, weights), true);
        let length = article::length(&found);
        if length >= SHORT || length > 0.0 && length > shown.length[body] * 0.5 {
            return found;
        }
    }
    // a page of few words: its text outside links
    text(&page, &strict, &[body], true)
}

/// The title of the page.
pub fn html_title(html: &str) -> String {
    let page = Page::parse(html);
    let named = |name: &str| page.find(name).map(|node| text_of(&page, node)).filter(|text| !text.is_empty());
    named("title").or_else(|| named("h1")).unwrap_or_default()
}

fn text_of(page: &Page, node: usize) -> String {
    let texts = page.order(node).into_iter().filter_map(|node| match &page.nodes[node].data {
        Data::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Output text: white space collapses to one space, as displayed, except in `pre`.
#[derive(Default)]
struct Out {
    text: String,
    /// Pending line breaks, written before the next text.
    breaks: usize,
    space: bool,
    pre: usize,
}

impl Out {
    fn block(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
        self.space = false;
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            if !text.is_empty() {
                self.flush();
                self.text.push_str(text);
            }
            return;
        }
        for (at, word) in text.split(|char: char| char.is_whitespace() && char != '\u{3000}').enumerate() {
            self.space |= at > 0;
            if !word.is_empty() {
                self.flush();
                self.text.push_str(word);
            }
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            (0..self.breaks).for_each(|_| self.text.push('\n'));
            if self.breaks == 0 && self.space {
                self.text.push(' ');
            }
        }
        (self.breaks, self.space) = (0, false);
    }
}

/// Line breaks around an element.
fn breaks(name: &str) -> usize {
    match name {
        "li" | "tr" | "dt" | "dd" | "caption" | "summary" => 1,
        name if is_block(name) && !matches!(name, "td" | "th" | "tbody" | "thead") => 2,
        _ => 0,
    }
}

/// A step of the tree traversal.
enum Way {
    In(usize),
    Out(usize),
}

fn text(page: &Page, weights: &Weights, roots: &[usize], tidy: bool) -> String {
    let mut out = Out::default();
    let mut way: Vec<Way> = roots.iter().rev().map(|node| Way::In(*node)).collect();
    while let Some(step) = way.pop() {
        let node = match step {
            Way::Out(node) => {
                out.block(breaks(page.name(node)));
                out.pre -= usize::from(page.name(node) == "pre");
                continue;
            }
            Way::In(node) => node,
        };
        if weights.left_out[node] || tidy && !roots.contains(&node) && is_clutter(page, weights, node) {
            continue;
        }
        match &page.nodes[node].data {
            Data::Text(text) => out.text(text),
            Data::Element { name, .. } => {
                match &*name.local {
                    "br" => out.breaks += 1,
                    "td" | "th" => out.space = true,
                    "pre" => out.pre += 1,
                    _ => {}
                }
                if breaks(&name.local) > 0 {
                    out.block(breaks(&name.local));
                    way.push(Way::Out(node));
                }
            }
            Data::Other => {}
        }
        way.extend(page.nodes[node].children.iter().rev().map(|child| Way::In(*child)));
    }
    out.text.trim().to_string()
}
