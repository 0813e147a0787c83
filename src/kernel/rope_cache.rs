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
        RopeCache::of((0..count).map(|_| frequencies), factor)
    }

    /// The same with frequencies of its own for each position.
    pub fn by_position(frequencies: &[Vec<f32>], factor: f32) -> RopeCache {
        RopeCache::of(frequencies.iter().map(Vec::as_slice), factor)
    }

    fn of<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, factor: f32) -> RopeCache {
        let half = rows.clone().next().map_or(0, <[f32]>::len);
        let angles = || rows.clone().enumerate().flat_map(|(at, row)| row.iter().map(move |f| at as f32 * f));
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
