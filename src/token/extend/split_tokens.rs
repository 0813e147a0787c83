//! Replaces chosen tokens in rows of ids by their subtokens: the same text as encoded by an older tokenizer.

use std::collections::HashMap;

/// Rows with replaced tokens, padded with id 0 to equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubtokenRows {
    pub ids: Vec<u32>,
    pub length: usize,
    /// For every token of the rows the index in `ids` at which it now ends.
    pub ends: Vec<i64>,
}

/// Replaces each token that has subtokens by them.
pub fn split_tokens(rows: &[&[u32]], subtokens: &HashMap<u32, Vec<u32>>) -> SubtokenRows {
    let mut split: Vec<Vec<u32>> = Vec::with_capacity(rows.len());
    let mut ends: Vec<Vec<usize>> = Vec::with_capacity(rows.len());
    for row in rows {
        let (mut ids, mut row_ends) = (Vec::with_capacity(row.len()), Vec::with_capacity(row.len()));
        for id in *row {
            match subtokens.get(id) {
                Some(parts) => ids.extend(parts),
                None => ids.push(*id),
            }
            row_ends.push(ids.len().saturating_sub(1));
        }
        split.push(ids);
        ends.push(row_ends);
    }
    let length = split.iter().map(Vec::len).max().unwrap_or(0);
    let ends = ends.iter().enumerate().flat_map(|(row, ends)| ends.iter().map(move |end| (row * length + end) as i64));
    let ends = ends.collect();
    split.iter_mut().for_each(|row| row.resize(length, 0));
    SubtokenRows { ids: split.concat(), length, ends }
}
