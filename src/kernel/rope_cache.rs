//! The angles of rotary position embeddings.

/// Cosines and sines by position, `[positions, half]` each.
pub struct RopeCache {
    pub half: usize,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
}

impl RopeCache {
    /// For positions `0..count`, in f32 as Hugging Face computes them.
    pub fn new(frequencies: &[f32], count: usize) -> RopeCache {
        let angles = || (0..count).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
        RopeCache {
            half: frequencies.len(),
            cos: angles().map(|angle| (angle as f64).cos() as f32).collect(),
            sin: angles().map(|angle| (angle as f64).sin() as f32).collect(),
        }
    }

    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }
}
