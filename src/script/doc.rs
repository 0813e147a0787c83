//! Doc comments: their prose, and the lines that only the registry reads.

/// The doc of a function or a module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doc {
    pub text: String,
    /// Search terms from the line `also: a, b`: its names in other libraries, terms of the field.
    pub also: Vec<String>,
    /// A line `inner` marks an internal part: help, Tab and the reference leave it out.
    pub is_inner: bool,
    /// A line `effect` marks a function that does more than return a value of its arguments: it writes, reads, prints, draws
    /// random numbers or opens something. A closure that calls it runs on one thread.
    pub has_effect: bool,
}

impl Doc {
    /// Reads a comment, with or without its slashes.
    pub fn read(comment: &str) -> Doc {
        let mut doc = Doc::default();
        let mut text = Vec::new();
        let mut is_code = false;
        for line in comment.lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or(line);
            let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
            is_code ^= line.starts_with("```");
            match line.strip_prefix("also:") {
                _ if is_code => text.push(line),
                Some(words) => doc.also.extend(list(words)),
                None if line == "inner" => doc.is_inner = true,
                None if line == "effect" => doc.has_effect = true,
                None => text.push(line),
            }
        }
        // a removed line between two empty lines leaves one of them
        text.dedup_by(|later, first| later.is_empty() && first.is_empty());
        doc.text = text.join("\n").trim().to_string();
        doc
    }

    /// Reads the doc of a standard library module from its `//!` lines.
    pub fn of_module(text: &str) -> Doc {
        Doc::read(&text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n"))
    }
}

/// The first sentence of a doc, without its full stop. A full stop after an abbreviation does not end it.
pub fn summary(text: &str) -> &str {
    let paragraph = text.split("\n\n").next().unwrap_or_default().trim();
    let ends = |at: &usize| {
        let (before, after) = (&paragraph[..*at], &paragraph[at + 1..]);
        let is_short = ["et al", "e.g", "i.e"].iter().any(|short| before.ends_with(short));
        after.starts_with(char::is_whitespace) && !is_short
    };
    let end = paragraph.match_indices('.').map(|(at, _)| at).find(ends);
    let sentence = end.map_or(paragraph, |at| &paragraph[..at]);
    sentence.strip_suffix('.').unwrap_or(sentence)
}

/// `a, b` as words.
fn list(words: &str) -> impl Iterator<Item = String> {
    words.split(',').map(|word| word.trim().trim_end_matches('.').to_string()).filter(|word| !word.is_empty())
}
