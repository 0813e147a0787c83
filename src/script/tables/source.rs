//! Texts with option tables, and the entries of their maps.

use super::tree::choice;
use super::uses::Uses;
use rhai::{AST, Expr, Position};

/// A text with its syntax tree as written, unfolded.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub text: &'a str,
    pub ast: &'a AST,
    pub uses: &'a Uses,
}

/// A key of a map literal, with its value.
pub struct Entry<'a> {
    pub name: String,
    pub position: Position,
    pub value: Expr,
    pub(super) source: Source<'a>,
}

impl<'a> Entry<'a> {
    /// The text that contains it.
    pub fn text(&self) -> &'a str {
        self.source.text
    }

    /// Its value, or the default of `one_of`.
    pub fn default(&self) -> &Expr {
        choice(&self.value, self.source.ast).map_or(&self.value, |(default, _)| default)
    }
}
