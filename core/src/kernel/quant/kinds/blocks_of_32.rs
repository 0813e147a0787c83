//! Kinds with blocks of 32 numbers and one scale.

use super::{Fields, Kind, NIBBLES, SIGNS, Scales, gather, half, put_half, put_word, spread, word};

pub struct Q4_0;
pub struct Q4_1;
pub struct Q5_0;
pub struct Q5_1;
pub struct Q8_0;

/// Reads 32 four-bit levels: the first half in the low nibbles, the second in the high ones.
fn read_nibbles(bytes: &[u8], to: &mut [u32; 8]) {
    for t in 0..4 {
        let word = word(bytes, t);
        (to[t], to[t + 4]) = (word & NIBBLES, (word >> 4) & NIBBLES);
    }
}

fn write_nibbles(levels: &[u32; 8], bytes: &mut [u8]) {
    for t in 0..4 {
        put_word(bytes, t, levels[t] & NIBBLES | (levels[t + 4] & NIBBLES) << 4);
    }
}

/// Reads the fifth bits of 32 levels from one word.
fn read_fifth(bits: u32, to: &mut [u32; 8]) {
    for (j, levels) in to.iter_mut().enumerate() {
        *levels |= spread(bits >> (4 * j)) << 4;
    }
}

fn fifth(levels: &[u32; 8]) -> u32 {
    levels.iter().enumerate().map(|(j, levels)| gather(levels >> 4) << (4 * j)).sum()
}

impl Kind for Q4_0 {
    const BLOCK: usize = 32;
    const BYTES: usize = 18;
    const BITS: usize = 4;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 8;
    const SCALES: Scales = Scales::Half;

    fn read(block: &[u8], to: &mut Fields) {
        to.scale = half(block, 0);
        read_nibbles(&block[2..], &mut to.levels[0]);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        write_nibbles(&fields.levels[0], &mut block[2..]);
    }
}

impl Kind for Q4_1 {
    const BLOCK: usize = 32;
    const BYTES: usize = 20;
    const BITS: usize = 4;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 0;
    const SCALES: Scales = Scales::HalfAndMin;

    fn read(block: &[u8], to: &mut Fields) {
        (to.scale, to.min) = (half(block, 0), half(block, 2));
        read_nibbles(&block[4..], &mut to.levels[0]);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        put_half(block, 2, fields.min);
        write_nibbles(&fields.levels[0], &mut block[4..]);
    }
}

impl Kind for Q5_0 {
    const BLOCK: usize = 32;
    const BYTES: usize = 22;
    const BITS: usize = 5;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 16;
    const SCALES: Scales = Scales::Half;

    fn read(block: &[u8], to: &mut Fields) {
        to.scale = half(block, 0);
        read_nibbles(&block[6..], &mut to.levels[0]);
        read_fifth(word(&block[2..], 0), &mut to.levels[0]);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        put_word(&mut block[2..], 0, fifth(&fields.levels[0]));
        write_nibbles(&fields.levels[0], &mut block[6..]);
    }
}

impl Kind for Q5_1 {
    const BLOCK: usize = 32;
    const BYTES: usize = 24;
    const BITS: usize = 5;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 0;
    const SCALES: Scales = Scales::HalfAndMin;

    fn read(block: &[u8], to: &mut Fields) {
        (to.scale, to.min) = (half(block, 0), half(block, 2));
        read_nibbles(&block[8..], &mut to.levels[0]);
        read_fifth(word(block, 1), &mut to.levels[0]);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        put_half(block, 2, fields.min);
        put_word(block, 1, fifth(&fields.levels[0]));
        write_nibbles(&fields.levels[0], &mut block[8..]);
    }
}

impl Kind for Q8_0 {
    const BLOCK: usize = 32;
    const BYTES: usize = 34;
    const BITS: usize = 8;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 128;
    const SCALES: Scales = Scales::Half;

    fn read(block: &[u8], to: &mut Fields) {
        to.scale = half(block, 0);
        to.levels[0] = std::array::from_fn(|j| word(&block[2..], j) ^ SIGNS);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        for (j, levels) in fields.levels[0].iter().enumerate() {
            put_word(&mut block[2..], j, levels ^ SIGNS);
        }
    }
}
