//! A row of an option table: a key, its kind and its doc.

/// The kind of value that a key accepts.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    /// Also accepts an int.
    Float,
    Bool,
    Text,
    /// Text: one of these words.
    OneOf(&'static [&'static str]),
    List,
    Map,
    Closure,
    /// Checked by the verb itself: several kinds, or a noun.
    Any,
}

/// One key of a verb: its default as Rhai source (`""`: none, the value is `()`), and its doc.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub doc: &'static str,
    /// Search terms: its names in other libraries.
    pub also: &'static [&'static str],
}

/// A row of an option table.
pub const fn opt(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Opt {
    Opt { name, kind, default, doc, also: &[] }
}

impl Opt {
    /// The accepted words, if declared.
    pub fn words(&self) -> &'static [&'static str] {
        if let Kind::OneOf(words) = self.kind { words } else { &[] }
    }

    /// Its doc, and the accepted words.
    pub fn about(&self) -> String {
        if self.words().is_empty() {
            self.doc.to_string()
        } else {
            format!("{} ({})", self.doc, self.words().join(", "))
        }
    }

    /// The same row, with these search terms.
    pub const fn also(self, words: &'static [&'static str]) -> Opt {
        Opt { also: words, ..self }
    }
}

/// The accepted values of a kind, in words.
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
