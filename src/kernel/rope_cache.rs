//! The angles of rotary position embeddings.

/// Cosines and sines by position, `[positions, half]` each.
pub struct RopeCache {
    pub half: usize,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
}

impl RopeCache {
    /// For positions `0..count`, in f32 as Hugging Face computes them, all multiplied by `factor`.
    pub fn new(frequencies: &[f32], count: usize, factor: f32) -> RopeCache {
        RopeCache::blocks(&[(frequencies.to_vec(), count)], factor)
    }

    /// The same with frequencies of its own for each position.
    pub fn by_position(frequencies: &[Vec<f32>], factor: f32) -> RopeCache {
        RopeCache::of(frequencies.iter().map(Vec::as_slice).enumerate(), factor)
    }

    /// Positions from 0 on by each of these frequencies, so many, one block behind the other.
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
        }
    }

    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }
}
