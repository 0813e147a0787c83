//! Texts that tables are read from, and the entries of maps in them.

use super::tree::choice;
use super::uses::Uses;
use rhai::{AST, Expr, Position};

/// A text with its syntax tree: what was written, nothing folded.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub text: &'a str,
    pub ast: &'a AST,
    pub uses: &'a Uses,
}

/// A key of a map that is written out, with its value.
pub struct Entry<'a> {
    pub name: String,
    pub position: Position,
    pub value: Expr,
    pub(super) source: Source<'a>,
}

impl<'a> Entry<'a> {
    /// The text that it stands in.
    pub fn text(&self) -> &'a str {
        self.source.text
    }

    /// Its value, or the default of `one_of`.
    pub fn default(&self) -> &Expr {
        choice(&self.value, self.source.ast).map_or(&self.value, |(default, _)| default)
    }
}
