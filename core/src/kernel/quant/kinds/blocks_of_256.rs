//! The K-quants: blocks of 256 numbers, in groups with scales of their own.

use super::{Fields, Kind, NIBBLES, ONES, PAIRS, Scales, half, put_half, put_word, word};

pub struct Q2K;
pub struct Q3K;
pub struct Q4K;
pub struct Q5K;
pub struct Q6K;

/// Reads two bits per level from 64 bytes of a block of 256: the bytes `32 * (unit / 4) ..` hold unit `unit` in pair `unit % 4`.
fn read_pairs(bytes: &[u8], to: &mut [[u32; 8]; 8]) {
    for (unit, levels) in to.iter_mut().enumerate() {
        *levels = std::array::from_fn(|j| (word(bytes, 8 * (unit / 4) + j) >> (2 * (unit % 4))) & PAIRS);
    }
}

/// Writes the bytes that [`read_pairs`] reads, from levels whose two bits begin at `shift`.
fn write_pairs(levels: &[[u32; 8]; 8], shift: usize, bytes: &mut [u8]) {
    for at in 0..16 {
        let pair = |i: usize| ((levels[at / 8 * 4 + i][at % 8] >> shift) & PAIRS) << (2 * i);
        put_word(bytes, at, pair(0) | pair(1) | pair(2) | pair(3));
    }
}

/// Reads one bit per level from 32 bytes of a block of 256: unit `unit` has bit `unit` of each byte.
fn read_bits(bytes: &[u8], shift: usize, to: &mut [[u32; 8]; 8]) {
    for (unit, levels) in to.iter_mut().enumerate() {
        for (j, levels) in levels.iter_mut().enumerate() {
            *levels |= ((word(bytes, j) >> unit) & ONES) << shift;
        }
    }
}

fn write_bits(levels: &[[u32; 8]; 8], shift: usize, bytes: &mut [u8]) {
    for j in 0..8 {
        let bits = levels.iter().enumerate().map(|(unit, levels)| ((levels[j] >> shift) & ONES) << unit);
        put_word(bytes, j, bits.fold(0, |all, bits| all | bits));
    }
}

impl Kind for Q2K {
    const BLOCK: usize = 256;
    const BYTES: usize = 84;
    const BITS: usize = 2;
    const GROUPS: usize = 2;
    const OFFSET: i32 = 0;
    const SCALES: Scales = Scales::Nibbles;

    fn read(block: &[u8], to: &mut Fields) {
        to.scales.copy_from_slice(&block[..16]);
        read_pairs(&block[16..], &mut to.levels);
        (to.scale, to.min) = (half(block, 80), half(block, 82));
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        block[..16].copy_from_slice(&fields.scales);
        write_pairs(&fields.levels, 0, &mut block[16..]);
        put_half(block, 80, fields.scale);
        put_half(block, 82, fields.min);
    }
}

impl Kind for Q3K {
    const BLOCK: usize = 256;
    const BYTES: usize = 110;
    const BITS: usize = 3;
    const GROUPS: usize = 2;
    const OFFSET: i32 = 4;
    const SCALES: Scales = Scales::Byte;

    fn read(block: &[u8], to: &mut Fields) {
        read_pairs(&block[32..], &mut to.levels);
        read_bits(block, 2, &mut to.levels);
        let packed = &block[96..108];
        for (i, scale) in to.scales.iter_mut().enumerate() {
            let low = if i < 8 { packed[i] & 15 } else { packed[i - 8] >> 4 };
            let high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
            *scale = (low | high << 4).wrapping_sub(32);
        }
        to.scale = half(block, 108);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        write_bits(&fields.levels, 2, block);
        write_pairs(&fields.levels, 0, &mut block[32..]);
        let packed = &mut block[96..108];
        packed.fill(0);
        for (i, scale) in fields.scales.iter().enumerate() {
            let scale = scale.wrapping_add(32);
            packed[i % 8] |= (scale & 15) << (4 * (i / 8));
            packed[8 + i % 4] |= (scale >> 4) << (2 * (i / 4));
        }
        put_half(block, 108, fields.scale);
    }
}

/// Reads eight 6-bit scales and eight 6-bit minima from twelve bytes.
fn read_six_bits(packed: &[u8], to: &mut Fields) {
    for i in 0..4 {
        (to.scales[i], to.mins[i]) = (packed[i] & 63, packed[i + 4] & 63);
        let (scale, min) = (packed[i] >> 6, packed[i + 4] >> 6);
        (to.scales[i + 4], to.mins[i + 4]) = (packed[i + 8] & 15 | scale << 4, packed[i + 8] >> 4 | min << 4);
    }
}

fn write_six_bits(fields: &Fields, packed: &mut [u8]) {
    for i in 0..4 {
        let (scale, min) = (fields.scales[i + 4], fields.mins[i + 4]);
        packed[i] = fields.scales[i] | scale >> 4 << 6;
        packed[i + 4] = fields.mins[i] | min >> 4 << 6;
        packed[i + 8] = scale & 15 | (min & 15) << 4;
    }
}

/// Reads four bits per level from 128 bytes of a block of 256: 32 bytes hold one unit in their low nibbles, and the next in the
/// high ones.
fn read_nibble_units(bytes: &[u8], to: &mut [[u32; 8]; 8]) {
    for (unit, levels) in to.iter_mut().enumerate() {
        *levels = std::array::from_fn(|j| (word(bytes, 8 * (unit / 2) + j) >> (4 * (unit % 2))) & NIBBLES);
    }
}

fn write_nibble_units(levels: &[[u32; 8]; 8], bytes: &mut [u8]) {
    for at in 0..32 {
        let [low, high] = [0, 1].map(|i| levels[at / 8 * 2 + i][at % 8] & NIBBLES);
        put_word(bytes, at, low | high << 4);
    }
}

impl Kind for Q4K {
    const BLOCK: usize = 256;
    const BYTES: usize = 144;
    const BITS: usize = 4;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 0;
    const SCALES: Scales = Scales::ByteAndMin;

    fn read(block: &[u8], to: &mut Fields) {
        (to.scale, to.min) = (half(block, 0), half(block, 2));
        read_six_bits(&block[4..], to);
        read_nibble_units(&block[16..], &mut to.levels);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        put_half(block, 2, fields.min);
        write_six_bits(fields, &mut block[4..]);
        write_nibble_units(&fields.levels, &mut block[16..]);
    }
}

impl Kind for Q5K {
    const BLOCK: usize = 256;
    const BYTES: usize = 176;
    const BITS: usize = 5;
    const GROUPS: usize = 1;
    const OFFSET: i32 = 0;
    const SCALES: Scales = Scales::ByteAndMin;

    fn read(block: &[u8], to: &mut Fields) {
        (to.scale, to.min) = (half(block, 0), half(block, 2));
        read_six_bits(&block[4..], to);
        read_nibble_units(&block[48..], &mut to.levels);
        read_bits(&block[16..], 4, &mut to.levels);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        put_half(block, 0, fields.scale);
        put_half(block, 2, fields.min);
        write_six_bits(fields, &mut block[4..]);
        write_bits(&fields.levels, 4, &mut block[16..]);
        write_nibble_units(&fields.levels, &mut block[48..]);
    }
}

impl Kind for Q6K {
    const BLOCK: usize = 256;
    const BYTES: usize = 210;
    const BITS: usize = 6;
    const GROUPS: usize = 2;
    const OFFSET: i32 = 32;
    const SCALES: Scales = Scales::Byte;

    fn read(block: &[u8], to: &mut Fields) {
        read_pairs(&block[128..], &mut to.levels);
        for (unit, levels) in to.levels.iter_mut().enumerate() {
            for (j, levels) in levels.iter_mut().enumerate() {
                // of 128 numbers, the first two units are the low nibbles of 64 bytes, the others the high ones
                let low = word(block, 16 * (unit / 4) + 8 * (unit % 2) + j) >> (4 * (unit % 4 / 2));
                *levels = *levels << 4 | low & NIBBLES;
            }
        }
        to.scales.copy_from_slice(&block[192..208]);
        to.scale = half(block, 208);
    }

    fn write(fields: &Fields, block: &mut [u8]) {
        for at in 0..32 {
            let unit = at / 16 * 4 + at / 8 % 2;
            let [low, high] = [0, 2].map(|i| fields.levels[unit + i][at % 8] & NIBBLES);
            put_word(block, at, low | high << 4);
        }
        write_pairs(&fields.levels, 4, &mut block[128..]);
        block[192..208].copy_from_slice(&fields.scales);
        put_half(block, 208, fields.scale);
    }
}
