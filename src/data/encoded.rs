//! Encoded rows as a value, for packing, padding and batching.

use super::mask::{MaskedTokens, Masking, NEVER};
use super::{Batch, pack};
use crate::tensor::ops::volume;
use crate::{Error, Result, bail, text};
use std::sync::Arc;

/// Tokens of many rows, concatenated.
pub struct Flat {
    ids: Vec<u32>,
    /// Bytes of text behind each token.
    bytes: Vec<u16>,
    /// Whether each token is in the loss; `None`: all are.
    in_loss: Option<Vec<bool>>,
    /// Labels that differ from the tokens, and token types; for encoder rows.
    labeled: Option<(Vec<i64>, Vec<u32>)>,
    /// How tokens are masked, for masked rows.
    masked: Option<MaskedTokens>,
}

impl Flat {
    pub fn new(masked: bool) -> Flat {
        Flat { ids: Vec::new(), bytes: Vec::new(), in_loss: masked.then(Vec::new), labeled: None, masked: None }
    }

    /// For tokens with their own labels and types.
    pub fn labeled() -> Flat {
        Flat { labeled: Some((Vec::new(), Vec::new())), ..Flat::new(false) }
    }

    /// For masked tokens.
    pub fn masked(masking: Arc<Masking>) -> Flat {
        Flat { masked: Some(MaskedTokens::new(masking)), ..Flat::new(false) }
    }

    pub fn push_masked(&mut self, ids: &[u32], types: &[u32], units: &[u32]) {
        self.ids.extend(ids);
        if let Some(masked) = &mut self.masked {
            masked.push(types, units);
        }
    }

    pub fn push_labeled(&mut self, ids: &[u32], labels: &[i64], types: &[u32]) {
        self.ids.extend(ids);
        self.bytes.resize(self.ids.len(), 0);
        if let Some((all, kinds)) = &mut self.labeled {
            all.extend(labels);
            kinds.extend(types);
        }
    }

    pub fn push(&mut self, ids: &[u32], bytes: &[u16], in_loss: Option<&[bool]>) {
        self.ids.extend(ids);
        self.bytes.extend(bytes);
        if let Some(all) = &mut self.in_loss {
            match in_loss {
                Some(in_loss) => all.extend(in_loss),
                None => all.resize(self.ids.len(), true),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    fn is_in_loss(&self, token: usize) -> bool {
        self.in_loss.as_ref().is_none_or(|in_loss| in_loss[token])
    }

    /// Whether its rows are for encoders: with special tokens, and targets other than the next token.
    fn is_whole(&self) -> bool {
        self.labeled.is_some() || self.masked.is_some()
    }

    /// The type of a token, if tokens have types.
    fn type_of(&self, token: usize) -> Option<u32> {
        let labeled = self.labeled.as_ref().map(|(_, types)| types[token]);
        labeled.or_else(|| self.masked.as_ref().map(|masked| u32::from(masked.types[token])))
    }
}

/// Numbers of rows that did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub truncated: usize,
    pub split: usize,
    pub skipped: usize,
}

/// Encoded rows. A row is one sequence, or several after [`Encoded::pack`].
#[derive(Clone)]
pub struct Encoded {
    flat: Arc<Flat>,
    /// The sequences of `flat` that make up the rows.
    sequences: Arc<Vec<(usize, usize)>>,
    /// The end of each row in `sequences`.
    ends: Arc<Vec<usize>>,
    /// The length to which rows are padded; `None`: the longest of the batch.
    length: Option<usize>,
    pad: u32,
    counts: Counts,
    /// Plain text, which packing may split anywhere.
    stream: bool,
    /// Targets of whole sequences.
    answers: Option<Arc<Answers>>,
}

/// Targets of sequences, by their starts.
struct Answers {
    starts: Vec<usize>,
    targets: Vec<f64>,
}

impl Answers {
    /// The targets of the sequence that starts here.
    fn of(&self, start: usize) -> &[f64] {
        let each = self.targets.len() / self.starts.len().max(1);
        match self.starts.binary_search(&start) {
            Ok(at) => &self.targets[at * each..][..each],
            Err(_) => &[],
        }
    }
}

impl Encoded {
    /// Rows that end at `ends` of the flat tokens.
    pub(super) fn new(flat: Flat, ends: Vec<usize>, pad: u32, counts: Counts, stream: bool) -> Encoded {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let sequences: Vec<_> = starts.zip(ends.iter().copied()).collect();
        let ends = (1..=sequences.len()).collect();
        Encoded {
            flat: flat.into(),
            sequences: Arc::new(sequences),
            ends: Arc::new(ends),
            length: None,
            pad,
            counts,
            stream,
            answers: None,
        }
    }

    /// Rows for encoders, with the same number of targets for each, or none.
    pub(super) fn labeled(flat: Flat, ends: Vec<usize>, pad: u32, counts: Counts, targets: Vec<f64>) -> Encoded {
        let rows = Encoded::new(flat, ends, pad, counts, false);
        let starts = rows.sequences.iter().map(|(start, _)| *start).collect();
        let answers = (!targets.is_empty()).then(|| Arc::new(Answers { starts, targets }));
        Encoded { answers, ..rows }
    }

    /// The same sequences, several per row: `ends` is the end of each row among them.
    pub(super) fn grouped(self, ends: Vec<usize>) -> Encoded {
        Encoded { ends: Arc::new(ends), ..self }
    }

    /// The address and size of the memory of its tokens.
    pub fn held(&self) -> (usize, u64) {
        let flat = &self.flat;
        let in_loss = flat.in_loss.as_ref().map_or(0, Vec::len);
        let labeled = flat.labeled.as_ref().map_or(0, |(labels, types)| 8 * labels.len() + 4 * types.len());
        let masked = flat.masked.as_ref().map_or(0, |masked| 5 * masked.units.len());
        (Arc::as_ptr(flat) as usize, (4 * flat.ids.len() + 2 * flat.bytes.len() + in_loss + labeled + masked) as u64)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The id of padding.
    pub fn pad_id(&self) -> u32 {
        self.pad
    }

    /// The fixed length to which rows are padded, if any.
    pub fn length(&self) -> Option<usize> {
        self.length
    }

    /// Whether it is plain text, which packing may split.
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    fn row(&self, row: usize) -> &[(usize, usize)] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.sequences[start..self.ends[row]]
    }

    /// Tokens of a row.
    pub fn tokens_of(&self, row: usize) -> usize {
        self.row(row).iter().map(|(start, end)| end - start).sum()
    }

    /// Tokens of all rows, without padding.
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(|(start, end)| end - start).sum()
    }

    /// Indices of the targets: tokens in the loss that are not the first of their sequence.
    fn targets(&self) -> impl Iterator<Item = usize> + '_ {
        self.sequences.iter().flat_map(|&(start, end)| start + 1..end).filter(|&token| self.flat.is_in_loss(token))
    }

    /// Number of targets: of tokens, or of sequences. For masked tokens the expected number.
    pub fn loss_tokens(&self) -> usize {
        if let Some(masked) = &self.flat.masked {
            return masked.expected(&self.sequences);
        }
        let Some((labels, _)) = &self.flat.labeled else { return self.targets().count() };
        let tokens = self.sequences.iter().flat_map(|&(start, end)| &labels[start..end]).filter(|&&label| label >= 0);
        match (tokens.count(), &self.answers) {
            (0, Some(answers)) => self.sequences.iter().map(|(start, _)| answers.of(*start).len()).sum(),
            (count, _) => count,
        }
    }

    /// Bytes of text behind the targets.
    pub fn bytes(&self) -> usize {
        if self.flat.is_whole() {
            return 0;
        }
        self.targets().map(|token| self.flat.bytes[token] as usize).sum()
    }

    pub fn longest(&self) -> usize {
        (0..self.len()).map(|row| self.tokens_of(row)).max().unwrap_or(0)
    }

    /// The share of padding, if rows have a fixed length.
    pub fn padding(&self) -> Option<f64> {
        let share = |length| 1.0 - self.tokens() as f64 / (length * self.len()) as f64;
        self.length.map(|length| if self.is_empty() { 0.0 } else { share(length) })
    }

    /// Pads rows to `length`, or to the longest of them.
    pub fn pad(&self, length: Option<usize>) -> Result<Encoded> {
        let longest = self.longest();
        let length = length.unwrap_or(longest);
        if let Some(row) = (0..self.len()).find(|&row| self.tokens_of(row) > length) {
            return Err(too_long("pad", row, self.tokens_of(row), length));
        }
        Ok(Encoded { length: Some(length), ..self.clone() })
    }

    /// Packs sequences into rows of exactly `length` tokens: split at block ends (`cut`), or whole and combined to minimize
    /// padding.
    pub fn pack(&self, length: usize, cut: bool) -> Result<Encoded> {
        if cut && self.flat.is_whole() {
            bail!("pack", "rows for encoders are not split: `wrapped` is for plain text");
        }
        if length < 2 {
            bail!("pack", "a block of {length} tokens has nothing to predict");
        }
        volume("pack", &[length, 5])?;
        let blocks = if cut {
            pack::stream(&self.sequences, length)
        } else {
            let sizes: Vec<usize> = self.sequences.iter().map(|(start, end)| end - start).collect();
            if let Some(row) = sizes.iter().position(|&size| size > length) {
                return Err(too_long("pack", row, sizes[row], length));
            }
            let blocks = pack::best_fit(&sizes, length);
            blocks
                .into_iter()
                .map(|block| block.into_iter().map(|sequence| self.sequences[sequence]).collect())
                .collect()
        };
        let mut ends = Vec::with_capacity(blocks.len());
        let mut sequences = Vec::with_capacity(self.sequences.len());
        for block in blocks {
            sequences.extend(block);
            ends.push(sequences.len());
        }
        Ok(Encoded { sequences: Arc::new(sequences), ends: Arc::new(ends), length: Some(length), ..self.clone() })
    }

    /// The first `rows` rows.
    pub fn take(&self, rows: usize) -> Encoded {
        let ends: Vec<usize> = self.ends[..rows.min(self.len())].to_vec();
        let sequences = self.sequences[..ends.last().copied().unwrap_or(0)].to_vec();
        Encoded { sequences: Arc::new(sequences), ends: Arc::new(ends), ..self.clone() }
    }

    /// These rows as one batch, in pass `pass`: tokens are masked anew in each pass.
    pub fn batch(&self, rows: &[usize], pass: u64) -> Batch {
        let mut batch = self.unmasked(rows);
        if let Some(masked) = &self.flat.masked {
            let mut units = Vec::with_capacity(batch.ids.len());
            for (at, &row) in rows.iter().enumerate() {
                for &(start, end) in self.row(row) {
                    units.extend(&masked.units[start..end]);
                }
                units.resize((at + 1) * batch.length, NEVER);
            }
            masked.masking.apply(&mut batch, &units, rows, pass);
        }
        batch
    }

    fn unmasked(&self, rows: &[usize]) -> Batch {
        let longest = rows.iter().map(|&row| self.tokens_of(row)).max().unwrap_or(0);
        let length = self.length.unwrap_or(longest);
        let size = rows.len() * length;
        let mut batch = Batch {
            rows: rows.len(),
            length,
            ids: Vec::with_capacity(size),
            labels: Vec::with_capacity(size),
            segments: Vec::with_capacity(size),
            positions: Vec::with_capacity(size),
            ..Batch::default()
        };
        for (at, &row) in rows.iter().enumerate() {
            let mut bytes = 0;
            for (segment, &(start, end)) in self.row(row).iter().enumerate() {
                batch.targets.extend(self.answers.iter().flat_map(|answers| answers.of(start)));
                for token in start..end {
                    // the first token of a sequence has no context to be predicted from
                    let (id, in_loss) = (self.flat.ids[token], token > start && self.flat.is_in_loss(token));
                    batch.ids.push(id);
                    batch.labels.push(match &self.flat.labeled {
                        Some((labels, _)) => labels[token],
                        None if in_loss && self.flat.masked.is_none() => i64::from(id),
                        None => -100,
                    });
                    batch.token_types.extend(self.flat.type_of(token));
                    batch.segments.push(segment as u32 + 1);
                    batch.positions.push((token - start) as u32);
                    if in_loss && !self.flat.is_whole() {
                        bytes += self.flat.bytes[token] as usize;
                    }
                }
            }
            batch.row_bytes.push(bytes);
            let end = (at + 1) * length;
            batch.ids.resize(end, self.pad);
            batch.labels.resize(end, -100);
            batch.segments.resize(end, 0);
            batch.positions.resize(end, 0);
            if self.flat.is_whole() {
                batch.token_types.resize(end, 0);
            }
        }
        // rows of a single type need no types: many models have no embeddings of them
        if batch.token_types.iter().all(|&kind| kind == 0) {
            batch.token_types.clear();
        }
        batch
    }
}

fn too_long(who: &str, row: usize, tokens: usize, length: usize) -> Error {
    Error::new(who, format!("row {row} has {tokens} tokens, more than {length}"))
        .help(format!("encode with `max_length: {length}`, which truncates or splits"))
}

/// `encoded 701 rows: 54,321 tokens, 20,111 loss tokens`.
impl std::fmt::Display for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "encoded {}", text::counted(self.len(), "row"))?;
        if let Some(length) = self.length {
            write!(f, " of {}", text::thousands(length))?;
        }
        write!(f, ": {}, {} loss tokens", text::counted(self.tokens(), "token"), text::thousands(self.loss_tokens()))?;
        for (count, what) in
            [(self.counts.truncated, "truncated"), (self.counts.split, "split"), (self.counts.skipped, "left out")]
        {
            if count > 0 {
                write!(f, ", {} {what}", text::counted(count, "row"))?;
            }
        }
        Ok(())
    }
}
