//! Rotary position embeddings: the frequencies, their scaling for contexts longer than in pretraining, and the angles.

use crate::kernel::rope_cache::RopeCache;
use crate::sync::unpoisoned;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::sync::{Arc, RwLock};

/// The scaling of rotary frequencies for contexts longer than in pretraining, as computed by transformers.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RotaryScaling {
    #[default]
    None,
    /// Every position divided by `factor`.
    Linear { factor: f64 },
    /// Llama 3: low frequencies divided by `factor`, high ones kept, a ramp between.
    Llama3 { factor: f64, low_freq_factor: f64, high_freq_factor: f64, original_max_position_embeddings: usize },
    /// YaRN (Peng et al. 2023): a ramp over the dimensions, and queries and keys scaled by `attention_factor`.
    Yarn {
        factor: f64,
        attention_factor: f64,
        beta_fast: f64,
        beta_slow: f64,
        truncate: bool,
        original_max_position_embeddings: usize,
    },
    /// Dynamic NTK: beyond `max_position_embeddings` the base grows with the length of the sequence.
    Dynamic { factor: f64, max_position_embeddings: usize },
    /// LongRoPE (Ding et al. 2024): a divisor for each frequency, and other divisors for sequences longer than in pretraining.
    LongRope { short: Vec<f64>, long: Vec<f64>, attention_factor: f64, original_max_position_embeddings: usize },
}

/// Angles in blocks, one per length, and the start of each block.
type Mixed = (BTreeMap<usize, usize>, Arc<RopeCache>);

/// The angles of rotary position embedding, computed once and extended as positions require.
pub struct Rotary {
    width: usize,
    theta: f64,
    scaling: RotaryScaling,
    /// For sequences not longer than in pretraining.
    short: RwLock<Arc<RopeCache>>,
    /// For the last longer one, with its length, if the frequencies depend on it.
    long: RwLock<Option<(usize, Arc<RopeCache>)>>,
    /// Each position with the frequencies of a sequence that ends there.
    steps: RwLock<Option<Arc<RopeCache>>>,
    /// For the last sequences with several sets of frequencies, with the lengths of their blocks.
    mixed: RwLock<Option<Mixed>>,
}

impl Rotary {
    /// For heads whose first `width` numbers are rotated, and base `theta`. `max_positions` is a hint: more are computed when
    /// needed.
    pub fn new(width: usize, theta: f64, scaling: &RotaryScaling, max_positions: usize) -> Rotary {
        let made = Rotary {
            width,
            theta,
            scaling: scaling.clone(),
            short: RwLock::new(Arc::new(RopeCache::new(&[], 0, 1.0))),
            long: RwLock::default(),
            steps: RwLock::default(),
            mixed: RwLock::default(),
        };
        *unpoisoned(made.short.write()) = made.angles(0, max_positions.min(1024));
        made
    }

    /// Half the rotated numbers of a head.
    pub fn half(&self) -> usize {
        self.width / 2
    }

    /// The longest sequence with the frequencies of pretraining, if longer ones use others.
    fn limit(&self) -> Option<usize> {
        match self.scaling {
            RotaryScaling::Dynamic { max_position_embeddings, .. } => Some(max_position_embeddings),
            RotaryScaling::LongRope { original_max_position_embeddings, .. } => Some(original_max_position_embeddings),
            _ => None,
        }
    }

    /// Whether the angles of a position depend on the length of its sequence.
    pub fn depends_on_length(&self) -> bool {
        self.limit().is_some()
    }

    /// Whether the keys of a sequence that grows to this length must be recomputed: with LongRoPE, once.
    pub fn turns_at(&self, length: usize) -> bool {
        matches!(self.scaling, RotaryScaling::LongRope { original_max_position_embeddings, .. }
            if length == original_max_position_embeddings + 1)
    }

    /// Angles for positions up to and including `last`, the last of a sequence.
    pub fn rope_cache(&self, last: u32) -> Arc<RopeCache> {
        let length = last as usize + 1;
        let Some(limit) = self.limit().filter(|limit| length > *limit) else {
            let held = unpoisoned(self.short.read()).clone();
            if length <= held.positions() {
                return held;
            }
            let grown = self.angles(0, length.next_power_of_two());
            *unpoisoned(self.short.write()) = grown.clone();
            return grown;
        };
        // LongRoPE has one other set of frequencies, dynamic scaling one for each length
        let exact = matches!(self.scaling, RotaryScaling::Dynamic { .. });
        if let Some((made, held)) = &*unpoisoned(self.long.read())
            && (*made == length || (!exact && length <= held.positions()))
        {
            return held.clone();
        }
        let made = self.angles(length.max(limit + 1), if exact { length } else { length.next_power_of_two() });
        *unpoisoned(self.long.write()) = Some((length, made.clone()));
        made
    }

    /// Angles for concatenated sequences, and the index of each token's position in them: a sequence has the frequencies of its
    /// own length, regardless of the others. `sequences` are indices into `positions`.
    pub fn sequence_cache(&self, sequences: &[Vec<u32>], positions: &[u32]) -> (Arc<RopeCache>, Vec<u32>) {
        let last = |sequence: &[u32]| sequence.iter().map(|&at| positions[at as usize]).max().unwrap_or(0);
        let limit = self.limit().unwrap_or(usize::MAX);
        let exact = matches!(self.scaling, RotaryScaling::Dynamic { .. });
        // the length that determines a sequence's frequencies: equal for all not longer than in pretraining
        let kind = |last: u32| match last as usize + 1 {
            length if length <= limit => 0,
            length if exact => length,
            _ => limit + 1,
        };
        let mut blocks: BTreeMap<usize, usize> = BTreeMap::new();
        for sequence in sequences {
            let last = last(sequence);
            let count = blocks.entry(kind(last)).or_default();
            *count = (*count).max(last as usize + 1);
        }
        if blocks.len() < 2 {
            return (self.rope_cache(positions.iter().copied().max().unwrap_or(0)), positions.to_vec());
        }
        let mut starts = BTreeMap::new();
        let mut end = 0;
        for (kind, count) in &blocks {
            starts.insert(*kind, end as u32);
            end += count;
        }
        // padding is in no sequence, so its position is arbitrary
        let mut places = vec![0; positions.len()];
        for sequence in sequences {
            let start = starts[&kind(last(sequence))];
            sequence.iter().for_each(|&at| places[at as usize] = start + positions[at as usize]);
        }
        if let Some((_, held)) = unpoisoned(self.mixed.read()).as_ref().filter(|(known, _)| *known == blocks) {
            return (held.clone(), places);
        }
        let rows: Vec<(Vec<f32>, usize)> =
            blocks.iter().map(|(kind, count)| (self.frequencies(*kind), *count)).collect();
        let made = Arc::new(RopeCache::blocks(&rows, self.attention_factor()));
        *unpoisoned(self.mixed.write()) = Some((blocks, made.clone()));
        (made, places)
    }

    /// Angles for tokens read one by one: each position has the frequencies of a sequence that ends there.
    pub fn step_cache(&self, last: u32) -> Arc<RopeCache> {
        let count = last as usize + 1;
        let Some(limit) = self.limit().filter(|limit| count > *limit) else { return self.rope_cache(last) };
        if let Some(held) = unpoisoned(self.steps.read()).as_ref().filter(|held| count <= held.positions()) {
            return held.clone();
        }
        let frequencies: Vec<Vec<f32>> =
            (0..count.next_power_of_two()).map(|at| self.frequencies(if at < limit { 0 } else { at + 1 })).collect();
        let made = Arc::new(RopeCache::by_position(&frequencies, self.attention_factor()));
        *unpoisoned(self.steps.write()) = Some(made.clone());
        made
    }

    fn angles(&self, length: usize, count: usize) -> Arc<RopeCache> {
        Arc::new(RopeCache::new(&self.frequencies(length), count, self.attention_factor()))
    }

    /// The factor of cosines and sines.
    fn attention_factor(&self) -> f32 {
        match self.scaling {
            RotaryScaling::Yarn { attention_factor, .. } | RotaryScaling::LongRope { attention_factor, .. } => {
                attention_factor as f32
            }
            _ => 1.0,
        }
    }

    /// The frequencies of a sequence of this length; 0 means not longer than in pretraining.
    fn frequencies(&self, length: usize) -> Vec<f32> {
        let width = self.width as f64;
        let plain = |theta: f64, index: usize| 1.0 / theta.powf((2 * index) as f64 / width);
        let each = |frequency: &dyn Fn(usize) -> f64| (0..self.half()).map(|index| frequency(index) as f32).collect();
        match &self.scaling {
            RotaryScaling::None => each(&|index| plain(self.theta, index)),
            RotaryScaling::Linear { factor } => each(&|index| plain(self.theta, index) / factor),
            RotaryScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let context = *original_max_position_embeddings as f64;
                each(&|index| {
                    let frequency = plain(self.theta, index);
                    let turns = context * frequency / (2.0 * PI); // full turns within the context
                    let smooth = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                    frequency * (smooth + (1.0 - smooth) / factor)
                })
            }
            RotaryScaling::Yarn {
                factor, beta_fast, beta_slow, truncate, original_max_position_embeddings, ..
            } => {
                // the dimension with this many rotations within the pretraining context
                let context = *original_max_position_embeddings as f64;
                let turning = |turns: f64| width * (context / (turns * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
                let (low, high) = (turning(*beta_fast), turning(*beta_slow));
                let (low, high) = if *truncate { (low.floor(), high.ceil()) } else { (low, high) };
                let (low, high) = (low.max(0.0), high.min(width - 1.0));
                let high = if low == high { high + 0.001 } else { high };
                each(&|index| {
                    let ramp = ((index as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    let frequency = plain(self.theta, index);
                    frequency / factor * ramp + frequency * (1.0 - ramp)
                })
            }
            RotaryScaling::Dynamic { factor, max_position_embeddings } => {
                let most = *max_position_embeddings as f64;
                let grown = factor * (length as f64).max(most) / most - (factor - 1.0);
                let theta = self.theta * grown.powf(width / (width - 2.0));
                each(&|index| plain(theta, index))
            }
            RotaryScaling::LongRope { short, long, .. } => {
                let divisors = if length > 0 { long } else { short };
                each(&|index| plain(self.theta, index) / divisors.get(index).copied().unwrap_or(1.0))
            }
        }
    }
}
