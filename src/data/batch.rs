//! Batch: what a model is given in one step.

/// Rows of tokens of equal length: plain, padded on the right, or packed from several sequences.
///
/// The model shifts: position `t` predicts `labels[t + 1]`, where both are in the same segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub rows: usize,
    pub length: usize,
    /// `rows × length`.
    pub ids: Vec<u32>,
    /// Aligned with `ids`: the id where it is learned, else -100.
    pub labels: Vec<i64>,
    /// 0 is padding, 1 and up says which sequence of the row.
    pub segments: Vec<u32>,
    /// Restart at 0 in each segment.
    pub positions: Vec<u32>,
    pub step: usize,
    pub total: usize,
    pub epoch: usize,
    /// Bytes of text behind the tokens that are learned.
    pub bytes: usize,
}

impl Batch {
    /// Tokens that are not padding.
    pub fn tokens(&self) -> usize {
        self.segments.iter().filter(|&&segment| segment > 0).count()
    }

    /// Targets that a loss sees: a token is predicted where it is learned and not the first of its segment.
    pub fn learned(&self) -> usize {
        (0..self.ids.len()).filter(|&at| self.is_target(at)).count()
    }

    /// Whether the token at this place of `ids` is predicted.
    pub fn is_target(&self, at: usize) -> bool {
        self.labels[at] >= 0 && at % self.length > 0 && self.segments[at] == self.segments[at - 1]
    }
}
