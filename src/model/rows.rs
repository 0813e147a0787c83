//! The input of a model.

/// A borrowed batch of token rows. Segments and positions are those of packing: segment 0 is padding, and positions start at 0 in
/// each segment. By default a row is one segment that starts at position 0.
#[derive(Clone, Copy, Default)]
pub struct TokenRows<'a> {
    pub rows: usize,
    pub length: usize,
    pub ids: &'a [u32],
    /// Aligned with the ids: the target id of each token, or -100 for no loss.
    pub labels: Option<&'a [i64]>,
    pub segments: Option<&'a [u32]>,
    pub positions: Option<&'a [u32]>,
    /// The part of a pair that each token belongs to (BERT's sentence A and B).
    pub token_types: Option<&'a [u32]>,
    /// A class or several numbers for each segment, row by row, for sequence heads; -100 is none.
    pub targets: Option<&'a [f64]>,
}

impl TokenRows<'_> {
    /// See [`sequences`].
    pub fn sequences(&self) -> Vec<Vec<u32>> {
        sequences(self.rows, self.length, self.segments)
    }
}

/// The tokens of each sequence, as positions in `rows × length`: a sequence is a segment, or a row without segments. The
/// sequences of a row are in the order of their first tokens.
pub fn sequences(rows: usize, length: usize, segments: Option<&[u32]>) -> Vec<Vec<u32>> {
    let mut found: Vec<Vec<u32>> = Vec::new();
    for row in 0..rows {
        let places = row * length..(row + 1) * length;
        let Some(segments) = segments.filter(|segments| segments.len() == rows * length) else {
            found.push(places.map(|place| place as u32).collect());
            continue;
        };
        let first = found.len();
        let mut known: Vec<u32> = Vec::new();
        for place in places.filter(|&place| segments[place] != 0) {
            // the last one first: segments are usually contiguous
            let at = known.iter().rposition(|&id| id == segments[place]).unwrap_or_else(|| {
                known.push(segments[place]);
                found.push(Vec::new());
                known.len() - 1
            });
            found[first + at].push(place as u32);
        }
    }
    found
}

/// Reduction of the losses of many targets to one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduce {
    Mean,
    Sum,
}
