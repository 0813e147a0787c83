//! Validated rows of a forward pass.

use super::config::Config;
use super::rows::{TokenRows, sequences};
use crate::{Result, bail};

/// Validated rows of a forward pass, with every position.
pub struct Input {
    pub rows: usize,
    pub length: usize,
    pub ids: Vec<u32>,
    pub positions: Vec<u32>,
    /// Only if there is more than one segment, or padding.
    pub segments: Option<Vec<u32>>,
    pub token_types: Option<Vec<u32>>,
}

impl Input {
    /// Validates rows: their sizes, every id against the embeddings, and the token types.
    pub fn new(who: &str, rows: &TokenRows, config: &Config) -> Result<Input> {
        let count = rows.rows * rows.length;
        if count == 0 {
            bail!(who, "there are no ids");
        }
        let sizes = [
            ("ids", Some(rows.ids.len())),
            ("labels", rows.labels.map(<[_]>::len)),
            ("segments", rows.segments.map(<[_]>::len)),
            ("positions", rows.positions.map(<[_]>::len)),
            ("token types", rows.token_types.map(<[_]>::len)),
        ];
        for (what, size) in sizes {
            if size.is_some_and(|size| size != count) {
                bail!(who, "{} {what} for {} rows of {}", size.unwrap_or_default(), rows.rows, rows.length);
            }
        }
        if let Some(at) = rows.ids.iter().position(|&id| id as usize >= config.vocab) {
            let (row, column) = (at / rows.length, at % rows.length);
            let (id, vocab) = (rows.ids[at], config.vocab);
            bail!(who, "id {id} (row {row}, position {column}) is outside the embeddings of {vocab} rows");
        }
        if let Some(kind) =
            rows.token_types.into_iter().flatten().find(|&&kind| kind as usize >= config.token_types.max(1))
        {
            let (model, kinds) = (config.model_type(), config.token_types);
            bail!(who, "token type {kind}, and this {model} has {kinds}");
        }
        let segments = rows.segments.filter(|segments| segments.iter().any(|&segment| segment != 1));
        let positions = match rows.positions {
            Some(positions) => positions.to_vec(),
            None => positions(rows.rows, rows.length, segments),
        };
        Ok(Input {
            rows: rows.rows,
            length: rows.length,
            ids: rows.ids.to_vec(),
            positions,
            segments: segments.map(<[_]>::to_vec),
            token_types: rows.token_types.map(<[_]>::to_vec),
        })
    }
}

impl Input {
    pub fn sequences(&self) -> Vec<Vec<u32>> {
        sequences(self.rows, self.length, self.segments.as_deref())
    }
}

/// Positions from 0 in each segment of each row.
fn positions(rows: usize, length: usize, segments: Option<&[u32]>) -> Vec<u32> {
    let mut positions = Vec::with_capacity(rows * length);
    for row in 0..rows {
        let mut next = 0;
        for column in 0..length {
            let at = row * length + column;
            if column > 0 && segments.is_some_and(|segments| segments[at] != segments[at - 1]) {
                next = 0;
            }
            positions.push(next);
            next += 1;
        }
    }
    positions
}
