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
    pub fn loss_tokens(&self) -> usize {
        (0..self.ids.len()).filter(|&at| self.is_target(at)).count()
    }

    /// Whether the token at this place of `ids` is predicted.
    pub fn is_target(&self, at: usize) -> bool {
        self.labels[at] >= 0 && !at.is_multiple_of(self.length) && self.segments[at] == self.segments[at - 1]
    }
}

impl Batch {
    /// The rows of both, filled up with `pad` to the longer ones.
    pub fn join(self, other: Batch, pad: u32) -> Batch {
        let length = self.length.max(other.length);
        let (mut joined, other) = (self.widened(length, pad), other.widened(length, pad));
        joined.rows += other.rows;
        joined.ids.extend(other.ids);
        joined.labels.extend(other.labels);
        joined.segments.extend(other.segments);
        joined.positions.extend(other.positions);
        joined.bytes += other.bytes;
        joined
    }

    fn widened(self, length: usize, pad: u32) -> Batch {
        if length == self.length {
            return self;
        }
        fn fill<T: Copy>(values: &[T], from: usize, to: usize, with: T) -> Vec<T> {
            let more = std::iter::repeat_n(with, to - from);
            values.chunks_exact(from.max(1)).flat_map(|row| row.iter().copied().chain(more.clone())).collect()
        }
        Batch {
            length,
            ids: fill(&self.ids, self.length, length, pad),
            labels: fill(&self.labels, self.length, length, -100),
            segments: fill(&self.segments, self.length, length, 0),
            positions: fill(&self.positions, self.length, length, 0),
            ..self
        }
    }

    /// The same rows in at most `parts` batches of equal size (the last may be smaller), for accumulation.
    pub fn split(&self, parts: usize) -> Vec<Batch> {
        let size = self.rows.div_ceil(parts.max(1)).max(1);
        (0..self.rows).step_by(size).map(|from| self.narrow(from, size.min(self.rows - from))).collect()
    }

    /// `rows` rows from the row `from` on.
    fn narrow(&self, from: usize, rows: usize) -> Batch {
        let at = from * self.length..(from + rows) * self.length;
        let mut part = Batch {
            rows,
            ids: self.ids[at.clone()].to_vec(),
            labels: self.labels[at.clone()].to_vec(),
            segments: self.segments[at.clone()].to_vec(),
            positions: self.positions[at].to_vec(),
            ..*self
        };
        // bytes are known of the whole batch only: by share of what is learned
        part.bytes = if self.loss_tokens() == 0 { 0 } else { self.bytes * part.loss_tokens() / self.loss_tokens() };
        part
    }
}
