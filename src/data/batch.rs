//! Batch: the input of a model in one step.

/// Rows of tokens of equal length: plain, padded on the right, or packed from several sequences.
///
/// Labels are aligned with the ids; a model's head decides which position predicts them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub rows: usize,
    pub length: usize,
    /// `rows × length`.
    pub ids: Vec<u32>,
    /// Aligned with `ids`: the id if the token has a loss, otherwise -100.
    pub labels: Vec<i64>,
    /// 0 is padding; from 1 on, the sequence in the row.
    pub segments: Vec<u32>,
    /// Restart at 0 in each segment.
    pub positions: Vec<u32>,
    /// The part of a pair that each token belongs to (BERT's sentence A and B); empty if all are the first.
    pub token_types: Vec<u32>,
    /// A class or several numbers for each sequence, row by row, for sequence models; empty without them.
    pub targets: Vec<f64>,
    pub step: usize,
    pub total: usize,
    pub epoch: usize,
    /// Bytes of text behind the loss tokens of each row.
    pub row_bytes: Vec<usize>,
}

impl Batch {
    /// Tokens that are not padding.
    pub fn tokens(&self) -> usize {
        self.segments.iter().filter(|&&segment| segment > 0).count()
    }

    /// Number of targets with a loss: tokens, or sequences if no token has a label.
    pub fn loss_tokens(&self) -> usize {
        match self.labels.iter().filter(|&&label| label >= 0).count() {
            0 => self.targets.iter().filter(|&&target| target != -100.0).count(),
            tokens => tokens,
        }
    }

    /// Bytes of text behind these targets.
    pub fn bytes(&self) -> usize {
        self.row_bytes.iter().sum()
    }
}

impl Batch {
    /// The rows of both, padded with `pad` to the longer length.
    pub fn join(self, other: Batch, pad: u32) -> Batch {
        let length = self.length.max(other.length);
        let typed = !self.token_types.is_empty() || !other.token_types.is_empty();
        let (mut joined, mut other) = (self.widened(length, pad), other.widened(length, pad));
        if typed {
            [&mut joined, &mut other].into_iter().for_each(|batch| batch.token_types.resize(batch.ids.len(), 0));
            joined.token_types.append(&mut other.token_types);
        }
        joined.rows += other.rows;
        joined.ids.extend(other.ids);
        joined.labels.extend(other.labels);
        joined.segments.extend(other.segments);
        joined.positions.extend(other.positions);
        joined.targets.extend(other.targets);
        joined.row_bytes.extend(other.row_bytes);
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
            token_types: fill(&self.token_types, self.length, length, 0),
            ..self
        }
    }

    /// The same rows in at most `parts` batches of equal size (the last may be smaller), for accumulation.
    pub fn split(&self, parts: usize) -> Vec<Batch> {
        let size = self.rows.div_ceil(parts.max(1)).max(1);
        (0..self.rows).step_by(size).map(|from| self.narrow(from, size.min(self.rows - from))).collect()
    }

    /// Number of sequences: one for each segment of a row.
    pub fn sequences(&self) -> usize {
        self.sequences_of(0, self.rows)
    }

    fn sequences_of(&self, from: usize, rows: usize) -> usize {
        let sequences = |row: &[u32]| row.iter().copied().max().unwrap_or(0) as usize;
        self.segments.chunks_exact(self.length.max(1)).skip(from).take(rows).map(sequences).sum()
    }

    /// The targets of the sequences in `rows` rows from row `from` on.
    fn targets_of(&self, from: usize, rows: usize) -> Vec<f64> {
        let each = self.targets.len() / self.sequences().max(1);
        let (before, own) = (self.sequences_of(0, from), self.sequences_of(from, rows));
        self.targets.iter().skip(before * each).take(own * each).copied().collect()
    }

    /// `rows` rows from row `from` on.
    fn narrow(&self, from: usize, rows: usize) -> Batch {
        let at = from * self.length..(from + rows) * self.length;
        Batch {
            rows,
            ids: self.ids[at.clone()].to_vec(),
            labels: self.labels[at.clone()].to_vec(),
            segments: self.segments[at.clone()].to_vec(),
            positions: self.positions[at.clone()].to_vec(),
            token_types: self.token_types.get(at).map(<[u32]>::to_vec).unwrap_or_default(),
            targets: self.targets_of(from, rows),
            row_bytes: self.row_bytes.get(from..from + rows).map(<[usize]>::to_vec).unwrap_or_default(),
            ..*self
        }
    }
}
