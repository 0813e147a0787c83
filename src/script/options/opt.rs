//! A row of an option table: a key, what it takes, and what it means.

/// What a key takes.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    /// A whole number is taken too.
    Float,
    Bool,
    Text,
    /// Text that is one of these words.
    OneOf(&'static [&'static str]),
    List,
    Map,
    Closure,
    /// Checked by the verb itself: several kinds, or a noun.
    Any,
}

/// One key of a verb: its default as Rhai source (`""`: none, it stays `()`), and what it means.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub doc: &'static str,
    /// Words under which it is looked for: its names in other libraries.
    pub also: &'static [&'static str],
}

/// A row of an option table.
pub const fn opt(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Opt {
    Opt { name, kind, default, doc, also: &[] }
}

impl Opt {
    /// The words that it takes, where these are declared.
    pub fn words(&self) -> &'static [&'static str] {
        if let Kind::OneOf(words) = self.kind { words } else { &[] }
    }

    /// What it means, and the words that it takes.
    pub fn about(&self) -> String {
        if self.words().is_empty() {
            self.doc.to_string()
        } else {
            format!("{} ({})", self.doc, self.words().join(", "))
        }
    }

    /// The same row, found under these words too.
    pub const fn also(self, words: &'static [&'static str]) -> Opt {
        Opt { also: words, ..self }
    }
}

/// What an option of a kind takes.
pub fn takes(kind: Kind) -> String {
    match kind {
        Kind::OneOf(words) => words.join(", "),
        other => kind_name(other).to_string(),
    }
}

pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "a whole number",
        Kind::Float => "a number",
        Kind::Bool => "true or false",
        Kind::Text | Kind::OneOf(_) => "a string",
        Kind::List => "a list",
        Kind::Map => "a map",
        Kind::Closure => "a closure",
        Kind::Any => "a value",
    }
}
