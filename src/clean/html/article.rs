//! Extracts the main content of a page: Mozilla's Readability (Arc90 2010), with text lengths adapted to the script.

use super::dom::{Data, Page};
use regex::Regex;
use std::sync::LazyLock;

fn words(pattern: &str) -> Regex {
    Regex::new(&format!("(?i){pattern}")).unwrap_or_else(|error| unreachable!("a pattern of ours: {error}"))
}

/// Readability's words in classes and ids.
static UNLIKELY: LazyLock<Regex> = LazyLock::new(|| {
    words(
        "-ad-|ai2html|banner|breadcrumb|combx|comment|community|cover-wrap|disqus|extra|footer|gdpr|header|legends|menu|related|remark|replies|rss|shoutbox|sidebar|skyscraper|social|sponsor|supplemental|ad-break|agegate|pagination|pager|popup|yom-remote|cookie|newsletter|subscribe|toolbar|navbar|share|toc\\b|sphinxsidebar|skip-link",
    )
});
static MAYBE: LazyLock<Regex> = LazyLock::new(|| words("and|article|body|column|content|main|mathjax|shadow"));
static POSITIVE: LazyLock<Regex> =
    LazyLock::new(|| words("article|body|content|entry|hentry|h-entry|main|page|pagination|post|text|blog|story"));
static NEGATIVE: LazyLock<Regex> = LazyLock::new(|| {
    words(
        "-ad-|hidden|^hid$| hid$| hid |^hid |banner|combx|comment|com-|contact|footer|gdpr|masthead|media|meta|outbrain|promo|related|scroll|share|shoutbox|sidebar|skyscraper|sponsor|shopping|tags|widget|nav\\b",
    )
});
static HIDDEN: LazyLock<Regex> = LazyLock::new(|| words(r"display\s*:\s*none|visibility\s*:\s*hidden"));

/// Elements without visible text of their own.
const SILENT: &[&str] = &[
    "script", "style", "noscript", "template", "head", "svg", "math", "iframe", "object", "embed", "canvas", "video",
    "audio", "button", "input", "select", "textarea", "dialog", "datalist",
];
const ROLES: &[&str] = &[
    "menu",
    "menubar",
    "complementary",
    "navigation",
    "alert",
    "alertdialog",
    "dialog",
    "search",
    "banner",
    "contentinfo",
];
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
    "body",
    "html",
    "caption",
];

pub fn is_block(name: &str) -> bool {
    BLOCKS.contains(&name)
}

/// Text length of each node, and the length of its text in links.
pub struct Weights {
    pub length: Vec<f64>,
    links: Vec<f64>,
    commas: Vec<f64>,
    /// Hidden nodes.
    pub left_out: Vec<bool>,
}

impl Weights {
    /// Measures the page without hidden nodes and without elements that are rarely main content. An element that contains the
    /// page's heading and most of its text is main content, whatever its class (`<section class="core-header">`).
    pub fn strict(page: &Page, shown: &Weights, body: usize) -> Weights {
        let mut has_heading = vec![false; page.nodes.len()];
        for &node in page.order(0).iter().rev().filter(|node| !shown.left_out[**node]) {
            has_heading[node] |= page.name(node) == "h1";
            if let Some(parent) = page.nodes[node].parent {
                has_heading[parent] |= has_heading[node];
            }
        }
        let is_most = |node: usize| has_heading[node] && shown.length[node] > shown.length[body] * 0.5;
        Weights::of(page, |node| is_unlikely(page, node) && !is_most(node))
    }

    /// Measures the page without hidden or excluded nodes.
    pub fn of(page: &Page, leaves_out: impl Fn(usize) -> bool) -> Weights {
        let count = page.nodes.len();
        let mut weights = Weights {
            length: vec![0.0; count],
            links: vec![0.0; count],
            commas: vec![0.0; count],
            left_out: vec![false; count],
        };
        let order = page.order(0);
        for &node in &order {
            let above = page.nodes[node].parent.is_some_and(|parent| weights.left_out[parent]);
            weights.left_out[node] = above || is_silent(page, node) || leaves_out(node);
        }
        for &node in order.iter().rev().filter(|node| !weights.left_out[**node]) {
            if let Data::Text(text) = &page.nodes[node].data {
                weights.length[node] = length(text);
                weights.commas[node] = text.matches([',', '，', '、', '،', '﹐', '؛']).count() as f64;
            }
            if page.name(node) == "a" {
                // a link within the page does not lead away from it
                let inside = page.attribute(node, "href").starts_with('#');
                weights.links[node] = weights.length[node] * if inside { 0.3 } else { 1.0 };
            }
            if let Some(parent) = page.nodes[node].parent {
                weights.length[parent] += weights.length[node];
                weights.links[parent] += weights.links[node];
                weights.commas[parent] += weights.commas[node];
            }
        }
        weights
    }

    pub fn link_density(&self, node: usize) -> f64 {
        if self.length[node] == 0.0 { 0.0 } else { (self.links[node] / self.length[node]).min(1.0) }
    }
}

/// Number of characters of a text without white space; a Chinese, Japanese or Korean character counts as two letters.
pub fn length(text: &str) -> f64 {
    let wide =
        |char: char| matches!(u32::from(char), 0x2e80..=0x9fff | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0x20000..=0x3ffff);
    text.chars().filter(|char| !char.is_whitespace()).map(|char| if wide(char) { 2.0 } else { 1.0 }).sum()
}

fn is_silent(page: &Page, node: usize) -> bool {
    let name = page.name(node);
    if name.is_empty() {
        return false;
    }
    SILENT.contains(&name)
        || page.attribute(node, "aria-hidden") == "true" && !page.attribute(node, "class").contains("fallback-image")
        || has(page, node, "hidden")
        || name == "a" && is_permalink(page, node)
        || HIDDEN.is_match(page.attribute(node, "style"))
}

/// The sign after a heading that links to itself, `¶` in Sphinx and `#` elsewhere: it is visible on hover only.
fn is_permalink(page: &Page, node: usize) -> bool {
    let mut signs = false;
    let is_sign = page.order(node).into_iter().all(|node| match &page.nodes[node].data {
        Data::Text(text) => {
            signs |= !text.trim().is_empty();
            !text.chars().any(char::is_alphanumeric)
        }
        _ => true,
    });
    is_sign && signs && page.attribute(node, "href").starts_with('#')
}

fn has(page: &Page, node: usize, name: &str) -> bool {
    match &page.nodes[node].data {
        Data::Element { attributes, .. } => attributes.iter().any(|(known, _)| known == name),
        _ => false,
    }
}

fn is_unlikely(page: &Page, node: usize) -> bool {
    let name = page.name(node);
    if matches!(name, "" | "html" | "body" | "article" | "main" | "a" | "table" | "code" | "pre") {
        return false;
    }
    if matches!(name, "nav" | "aside" | "footer") || ROLES.contains(&page.attribute(node, "role")) {
        return true;
    }
    let names = format!("{} {}", page.attribute(node, "class"), page.attribute(node, "id"));
    UNLIKELY.is_match(&names) && !MAYBE.is_match(&names)
}

fn class_weight(page: &Page, node: usize) -> f64 {
    let of = |names: &str| match names {
        "" => 0.0,
        names => 25.0 * (f64::from(u8::from(POSITIVE.is_match(names))) - f64::from(u8::from(NEGATIVE.is_match(names)))),
    };
    of(page.attribute(node, "class")) + of(page.attribute(node, "id"))
}

/// The score of an element before its text is examined.
fn start(page: &Page, node: usize) -> f64 {
    let by_name = match page.name(node) {
        "div" | "article" | "main" | "section" => 5.0,
        "pre" | "td" | "blockquote" => 3.0,
        "address" | "ol" | "ul" | "dl" | "dd" | "dt" | "li" | "form" => -3.0,
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "th" => -5.0,
        _ => 0.0,
    };
    by_name + class_weight(page, node)
}

/// The nodes of the main content, in order; empty where no node is prominent.
pub fn article(page: &Page, weights: &Weights) -> Vec<usize> {
    let mut scores: Vec<Option<f64>> = vec![None; page.nodes.len()];
    let order: Vec<usize> = page.order(0).into_iter().filter(|node| !weights.left_out[*node]).collect();
    for &node in &order {
        if !is_scored(page, node) || weights.length[node] < 25.0 {
            continue;
        }
        let own = 1.0 + weights.commas[node] + (weights.length[node] / 100.0).min(3.0);
        let mut above = page.nodes[node].parent;
        for level in 0..5 {
            let Some(ancestor) = above.filter(|ancestor| !page.name(*ancestor).is_empty()) else { break };
            let share = match level {
                0 => 1.0,
                1 => 2.0,
                level => f64::from(level) * 3.0,
            };
            *scores[ancestor].get_or_insert_with(|| start(page, ancestor)) += own / share;
            above = page.nodes[ancestor].parent;
        }
    }
    let worth = |node: usize| scores[node].map(|score| score * (1.0 - weights.link_density(node)));
    let mut best: Option<(usize, f64)> = None;
    for &node in &order {
        if let Some(worth) = worth(node)
            && best.is_none_or(|(_, most)| worth > most)
        {
            best = Some((node, worth));
        }
    }
    let Some((mut top, most)) = best.filter(|(_, most)| *most > 0.0) else { return Vec::new() };
    // an only child represents its parent, whose siblings may belong to the content
    while let Some(parent) = page.nodes[top].parent.filter(|parent| !matches!(page.name(*parent), "body" | "html" | ""))
    {
        let elements = page.nodes[parent].children.iter().filter(|child| weights.length[**child] > 0.0).count();
        if elements > 1 {
            break;
        }
        top = parent;
    }
    let Some(parent) = page.nodes[top].parent else { return vec![top] };
    let least = (most * 0.2).max(10.0);
    let class = page.attribute(top, "class");
    let belongs = |node: usize| {
        let bonus = if !class.is_empty() && page.attribute(node, "class") == class { most * 0.2 } else { 0.0 };
        let density = weights.link_density(node);
        node == top
            || worth(node).is_some_and(|worth| worth + bonus >= least)
            || matches!(page.name(node), "p" | "h1" | "h2" | "h3") && weights.length[node] > 80.0 && density < 0.25
            || page.name(node) == "p" && weights.length[node] > 20.0 && density == 0.0
            || page.name(node) == "h1"
    };
    let siblings = page.nodes[parent].children.iter().copied();
    siblings.filter(|node| !weights.left_out[*node] && belongs(*node)).collect()
}

/// Whether its text counts for its ancestors: a paragraph, or a block that contains no other block.
fn is_scored(page: &Page, node: usize) -> bool {
    match page.name(node) {
        "p" | "td" | "pre" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "dd" => true,
        "div" | "section" | "article" | "main" | "li" => {
            !page.nodes[node].children.iter().any(|child| is_block(page.name(*child)))
        }
        _ => false,
    }
}

/// Whether a block inside the main content is not part of it: a list of links, a form, a share bar.
pub fn is_clutter(page: &Page, weights: &Weights, node: usize) -> bool {
    let name = page.name(node);
    if !matches!(
        name,
        "div" | "ul" | "ol" | "table" | "form" | "section" | "aside" | "footer" | "nav" | "dl" | "header"
    ) {
        return false;
    }
    let (length, density) = (weights.length[node], weights.link_density(node));
    let weight = class_weight(page, node);
    if length == 0.0 {
        return true;
    }
    weight < 0.0 && weights.commas[node] < 10.0 && (density > 0.2 || length < 100.0)
        || weights.commas[node] < 10.0 && density > if weight >= 25.0 { 0.5 } else { 0.35 } && length < 1000.0
        || density > 0.8
}
