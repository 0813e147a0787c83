//! The reference as one self-contained HTML file.

use super::pages::{Entry, Page, title};
use std::fmt::Write;

const FRAME: &str = include_str!("reference.html");

pub fn reference(pages: &[Page]) -> String {
    let mut menu = String::new();
    let mut body = String::new();
    for page in pages {
        let name = escaped(&page.name);
        let _ = write!(menu, "<li><a href=\"#{name}\">{name}</a><ul>");
        let kind = if page.is_module { "standard library" } else { "noun" };
        let _ = write!(body, "<section id=\"{name}\"><h2>{name} <small>{kind}</small></h2>{}", prose(&page.what));
        body.push_str(&prose(&page.intro));
        for (index, entry) in page.entries.iter().enumerate() {
            if index == 0 || page.entries[index - 1].form != entry.form {
                let _ = write!(body, "<h3>{}</h3>", title(entry.form));
            }
            let (anchor, verb) = (entry.anchor(page), escaped(&entry.name));
            let _ = write!(menu, "<li><a href=\"#{anchor}\">{verb}</a></li>");
            body.push_str(&article(page, entry));
        }
        menu.push_str("</ul></li>");
        body.push_str("</section>");
    }
    FRAME.replace("{version}", env!("CARGO_PKG_VERSION")).replace("{menu}", &menu).replace("{body}", &body)
}

fn article(page: &Page, entry: &Entry) -> String {
    let (anchor, name) = (entry.anchor(page), escaped(&entry.name));
    let mut text = format!(
        "<article id=\"{anchor}\" data-name=\"{name}\" data-noun=\"{}\" data-summary=\"{}\"><h4><a href=\"#{anchor}\">{name}</a></h4>",
        escaped(&page.name),
        escaped(&entry.summary)
    );
    for overload in &entry.overloads {
        let _ = write!(text, "<pre class=\"signature\">{}</pre>", escaped(&overload.signatures.join("\n")));
        text.push_str(&prose(&overload.doc));
        if !overload.also.is_empty() {
            let _ = write!(text, "<p>Also: {}</p>", escaped(&overload.also));
        }
    }
    if !entry.options.is_empty() {
        text.push_str("<table><tr><th>option</th><th>default</th><th></th></tr>");
        for opt in &entry.options {
            let (name, default) = (escaped(&opt.name), escaped(&opt.default));
            let _ = write!(
                text,
                "<tr><td><code>{name}</code></td><td>{}</td><td>{}</td></tr>",
                code(&default),
                inline(&opt.about())
            );
        }
        text.push_str("</table>");
    }
    text + "</article>"
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{text}</code>") }
}

/// Converts the markup of docs: paragraphs, lists, indented and fenced code.
fn prose(doc: &str) -> String {
    let mut html = String::new();
    let mut lines = doc.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            let _ =
                write!(html, "<pre>{}</pre>", block.iter().map(|line| code_line(line)).collect::<Vec<_>>().join("\n"));
            continue;
        }
        let is_item = |line: &str| line.starts_with("- ") || line.starts_with("* ");
        let mut paragraph = line.to_string();
        while let Some(next) = lines.peek()
            && !next.trim().is_empty()
            && !next.starts_with("```")
            && !is_item(next)
        {
            paragraph = format!("{paragraph} {}", next.trim());
            lines.next();
        }
        match is_item(line) {
            true => drop(write!(html, "<ul><li>{}</li></ul>", inline(&paragraph[2..]))),
            false => drop(write!(html, "<p>{}</p>", inline(&paragraph))),
        }
    }
    html.replace("</ul><ul>", "")
}

/// Colors comments and the expected values of examples.
fn code_line(line: &str) -> String {
    let comment = line.find("//=>").map(|at| (at, "shows")).or_else(|| {
        let at = line.find("//")?;
        (line[..at].trim().is_empty() || line[..at].ends_with("  ")).then_some((at, "comment"))
    });
    match comment {
        Some((at, kind)) => {
            format!("{}<span class=\"{kind}\">{}</span>", escaped(&line[..at]), escaped(&line[at..]))
        }
        None => escaped(line),
    }
}

/// A line with `code` spans.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // a lone backtick stays as it is
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    parts.iter().enumerate().map(part).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
