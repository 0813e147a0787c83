//! Relative positions, in buckets that widen with the distance (He et al. 2021, DeBERTa).

/// The relative-position settings of a `config.json`.
#[derive(Clone, Copy, Debug)]
pub struct Relative {
    /// Distances from here on share buckets; 0: none do.
    pub buckets: usize,
    /// The greatest distance that is distinguished.
    pub max_distance: usize,
    /// Relative embeddings go through the layer's own projections of keys and queries.
    pub shared_keys: bool,
    /// Content to position, and position to content.
    pub to_position: bool,
    pub to_content: bool,
    /// Relative embeddings have a norm.
    pub norm: bool,
    /// Tokens also have position embeddings.
    pub absolute: bool,
}

impl Relative {
    /// Half the rows of the table of relative embeddings.
    pub fn span(&self) -> usize {
        if self.buckets > 0 { self.buckets } else { self.max_distance }
    }

    /// The row of a distance: query position minus key position.
    fn row(&self, distance: i64) -> u32 {
        let span = self.span() as i64;
        let bucket = if self.buckets > 0 { self.bucket(distance) } else { distance };
        (bucket + span).clamp(0, 2 * span - 1) as u32
    }

    /// As transformers computes it, in f32.
    fn bucket(&self, distance: i64) -> i64 {
        let mid = self.buckets as i64 / 2;
        if distance.abs() <= mid {
            return distance;
        }
        let share = (distance.abs() as f32 / mid as f32).ln() / ((self.max_distance as f32 - 1.0) / mid as f32).ln();
        distance.signum() * ((share * (mid - 1) as f32).ceil() as i64 + mid)
    }

    /// The rows of all pairs of `length` tokens, `[query, key]`.
    pub fn rows(&self, length: usize) -> Vec<u32> {
        let length = length as i64;
        let of_distance: Vec<u32> = (1 - length..length).map(|distance| self.row(distance)).collect();
        let pairs = (0..length).flat_map(|i| (0..length).map(move |j| (i - j + length - 1) as usize));
        pairs.map(|place| of_distance[place]).collect()
    }
}
