//! Conversion between traditional and simplified characters with OpenCC's dictionaries: phrases before characters, longest match
//! first.

use crate::token::words::FastMap;
use std::borrow::Cow;
use std::io::Read;
use std::sync::LazyLock;

/// The script of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChineseScript {
    Traditional,
    Simplified,
}

/// Entries by first character, longest first.
#[derive(Default)]
struct Table(FastMap<char, Vec<(String, String)>>);

impl Table {
    fn add(&mut self, key: &str, value: &str) {
        if let Some(first) = key.chars().next() {
            self.0.entry(first).or_default().push((key.into(), value.into()));
        }
    }

    fn sorted(mut self) -> Table {
        for entries in self.0.values_mut() {
            entries.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        }
        self
    }

    /// The longest entry that is a prefix of the text.
    fn longest(&self, text: &str, first: char) -> Option<&(String, String)> {
        self.0.get(&first)?.iter().find(|(key, _)| text.starts_with(key.as_str()))
    }
}

struct Dictionary {
    traditional: Table,
    simplified: Table,
    /// Characters that Unicode encodes twice.
    compatible: Table,
}

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let mut text = String::new();
    // compiled into the program and read by a test
    let _ = flate2::read::GzDecoder::new(&include_bytes!("dictionary.gz")[..]).read_to_string(&mut text);
    let (mut traditional, mut simplified, mut compatible) = (Table::default(), Table::default(), Table::default());
    let mut name = "";
    for line in text.lines() {
        match (line.strip_prefix('>'), line.split_once('\t')) {
            (Some(next), _) => name = next,
            (_, Some((key, value))) => match name {
                "traditional" => traditional.add(key, value),
                "simplified" => simplified.add(key, value),
                _ => compatible.add(key, value),
            },
            _ => {}
        }
    }
    Dictionary { traditional: traditional.sorted(), simplified: simplified.sorted(), compatible: compatible.sorted() }
});

/// Converts a text to traditional or simplified characters.
pub fn convert(text: &str, to: ChineseScript) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let table = match to {
        ChineseScript::Traditional => &DICTIONARY.traditional,
        ChineseScript::Simplified => &DICTIONARY.simplified,
    };
    let given = replaced(text, &DICTIONARY.compatible);
    match replaced(&given, table) {
        Cow::Borrowed(_) => given,
        Cow::Owned(made) => made.into(),
    }
}

fn replaced<'t>(text: &'t str, table: &Table) -> Cow<'t, str> {
    let (mut out, mut at, mut from) = (String::new(), 0, 0);
    while let Some(first) = text[at..].chars().next() {
        match table.longest(&text[at..], first).filter(|_| !first.is_ascii()) {
            Some((key, value)) => {
                out.push_str(&text[from..at]);
                out.push_str(value);
                at += key.len();
                from = at;
            }
            None => at += first.len_utf8(),
        }
    }
    if from == 0 {
        return text.into();
    }
    out.push_str(&text[from..]);
    out.into()
}
