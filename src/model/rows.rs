//! What a model is given.

/// A batch of token rows, borrowed. Segments and positions are those of packing: segment 0 is padding, and positions
/// start at 0 in each segment. By default a row is one segment that starts at position 0.
#[derive(Clone, Copy, Default)]
pub struct TokenRows<'a> {
    pub rows: usize,
    pub length: usize,
    pub ids: &'a [u32],
    /// Aligned with the ids: what each token is, as a target, or -100 where it has no loss.
    pub labels: Option<&'a [i64]>,
    pub segments: Option<&'a [u32]>,
    pub positions: Option<&'a [u32]>,
    /// Which part of a pair each token belongs to (BERT's sentence A and B).
    pub token_types: Option<&'a [u32]>,
    /// A target for each segment, row by row, for the heads that answer about whole sequences.
    pub targets: Option<&'a [i64]>,
}

/// How the loss of many targets becomes one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduce {
    Mean,
    Sum,
}
