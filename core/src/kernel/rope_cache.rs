//! The angles of rotary position embeddings.

use super::{Array, Device};
use crate::Result;
use crate::sync::unpoisoned;
use std::sync::Mutex;

/// Cosines and sines by position, `[positions, half]` each.
pub struct RopeCache {
    pub half: usize,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    /// The same on a device other than the CPU, once requested.
    there: Mutex<Option<There>>,
}

struct There {
    tables: [Array; 2],
    /// The positions requested last, and their rows: layer after layer requests the same.
    positions: Vec<u32>,
    rows: [Array; 2],
}

impl RopeCache {
    /// For positions `0..count`, in f32 as Hugging Face computes them, all multiplied by `factor`.
    pub fn new(frequencies: &[f32], count: usize, factor: f32) -> RopeCache {
        RopeCache::blocks(&[(frequencies.to_vec(), count)], factor)
    }

    /// The same with different frequencies for each position.
    pub fn by_position(frequencies: &[Vec<f32>], factor: f32) -> RopeCache {
        RopeCache::of(frequencies.iter().map(Vec::as_slice).enumerate(), factor)
    }

    /// Consecutive blocks, each with its own frequencies and a number of positions from 0 on.
    pub fn blocks(blocks: &[(Vec<f32>, usize)], factor: f32) -> RopeCache {
        RopeCache::of(blocks.iter().flat_map(|(row, count)| (0..*count).map(move |at| (at, row.as_slice()))), factor)
    }

    fn of<'a>(rows: impl Iterator<Item = (usize, &'a [f32])> + Clone, factor: f32) -> RopeCache {
        let half = rows.clone().next().map_or(0, |(_, row)| row.len());
        let angles = || rows.clone().flat_map(|(at, row)| row.iter().map(move |f| at as f32 * f));
        RopeCache {
            half,
            cos: angles().map(|angle| (angle as f64).cos() as f32 * factor).collect(),
            sin: angles().map(|angle| (angle as f64).sin() as f32 * factor).collect(),
            there: Mutex::default(),
        }
    }

    /// The cosines and sines of these positions as arrays `[positions, half]`. The tables are transferred to another device once.
    pub fn rows(&self, positions: &[u32], device: &Device) -> Result<[Array; 2]> {
        if device.is_cpu() {
            let rows = |table: &[f32]| -> Result<Array> {
                let row = |at: &u32| &table[*at as usize * self.half..][..self.half];
                let picked: Vec<f32> = positions.iter().flat_map(row).copied().collect();
                Ok(Array::from_vec(picked, (positions.len(), self.half), device)?)
            };
            return Ok([rows(&self.cos)?, rows(&self.sin)?]);
        }
        let mut held = unpoisoned(self.there.lock());
        let known = held.take().filter(|there| there.tables[0].device().same_device(device));
        if let Some(there) = known.as_ref().filter(|there| there.positions == positions) {
            let rows = there.rows.clone();
            *held = known;
            return Ok(rows);
        }
        let tables = match known {
            Some(there) => there.tables,
            None => {
                let table = |numbers: &[f32]| Array::from_slice(numbers, (self.positions(), self.half), device);
                [table(&self.cos)?, table(&self.sin)?]
            }
        };
        let index = Array::from_slice(positions, positions.len(), device)?;
        let rows = [tables[0].index_select(&index, 0)?, tables[1].index_select(&index, 0)?];
        *held = Some(There { tables, positions: positions.to_vec(), rows: rows.clone() });
        Ok(rows)
    }

    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }
}
