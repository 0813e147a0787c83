//! The kinds of blocks that ggml stores weights in (`block_q*` of llama.cpp's `ggml-common.h`), read into levels and scales, and
//! written back to the same bytes.
//!
//! Words of 32 bits hold four levels, a byte each: what moves bits moves them in four at once.

/// What a kind says in a block, and how a panel holds it.
pub trait Kind: 'static {
    /// Numbers of a block: 32 or 256.
    const BLOCK: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Bits of a level.
    const BITS: usize;
    /// Groups with scales of their own in 32 numbers.
    const GROUPS: usize;
    /// What is subtracted from a level.
    const OFFSET: i32;
    const SCALES: Scales;

    fn read(block: &[u8], to: &mut Fields);
    fn write(fields: &Fields, block: &mut [u8]);
}

/// How a level becomes a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scales {
    /// level · scale, the scale in f16.
    Half,
    /// level · scale + minimum, both in f16.
    HalfAndMin,
    /// level · scale of the group · scale of the block, the first a signed byte.
    Byte,
    /// level · scale · scale of the block − minimum · minimum of the block, the first of each a byte.
    ByteAndMin,
    /// The same with both in one byte.
    Nibbles,
}

/// What a block says.
#[derive(Clone, Default)]
pub struct Fields {
    /// Of each 32 numbers, in their order.
    pub levels: [[u32; 8]; 8],
    /// Of each group.
    pub scales: [u8; 16],
    pub mins: [u8; 16],
    /// Of the block, in the bits of an f16.
    pub scale: u16,
    pub min: u16,
}

const NIBBLES: u32 = 0x0f0f_0f0f;
const PAIRS: u32 = 0x0303_0303;
const ONES: u32 = 0x0101_0101;
/// Turns bytes with a sign into levels from 0 to 255.
const SIGNS: u32 = 0x8080_8080;

fn half(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

fn put_half(block: &mut [u8], at: usize, half: u16) {
    block[at..at + 2].copy_from_slice(&half.to_le_bytes());
}

/// The word at a place that is counted in words.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

fn put_word(bytes: &mut [u8], at: usize, word: u32) {
    bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
}

/// The lowest four bits, one to each byte.
pub fn spread(bits: u32) -> u32 {
    ((bits & 0xf) * 0x0020_4081) & ONES
}

/// The lowest bit of each byte, side by side.
pub fn gather(word: u32) -> u32 {
    (word & ONES).wrapping_mul(0x1020_4080) >> 28
}

/// 32 levels of four bits: the first half in the low nibbles, the second in the high ones.
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

/// The fifth bits of 32 levels, in one word.
fn read_fifth(bits: u32, to: &mut [u32; 8]) {
    for (j, levels) in to.iter_mut().enumerate() {
        *levels |= spread(bits >> (4 * j)) << 4;
    }
}

fn fifth(levels: &[u32; 8]) -> u32 {
    levels.iter().enumerate().map(|(j, levels)| gather(levels >> 4) << (4 * j)).sum()
}

pub struct Q4_0;
pub struct Q4_1;
pub struct Q5_0;
pub struct Q5_1;
pub struct Q8_0;
pub struct Q2K;
pub struct Q3K;
pub struct Q4K;
pub struct Q5K;
pub struct Q6K;

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

/// Of a block of 256 with two bits a level in 64 bytes: the bytes `32 * (unit / 4) ..` hold unit `unit` in pair `unit % 4`.
fn read_pairs(bytes: &[u8], to: &mut [[u32; 8]; 8]) {
    for (unit, levels) in to.iter_mut().enumerate() {
        *levels = std::array::from_fn(|j| (word(bytes, 8 * (unit / 4) + j) >> (2 * (unit % 4))) & PAIRS);
    }
}

/// What [`read_pairs`] reads, of levels whose two bits begin at `shift`.
fn write_pairs(levels: &[[u32; 8]; 8], shift: usize, bytes: &mut [u8]) {
    for at in 0..16 {
        let pair = |i: usize| ((levels[at / 8 * 4 + i][at % 8] >> shift) & PAIRS) << (2 * i);
        put_word(bytes, at, pair(0) | pair(1) | pair(2) | pair(3));
    }
}

/// Of a block of 256 with one bit a level in 32 bytes: unit `unit` has bit `unit` of each byte.
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

/// Eight scales and eight minima of six bits each in twelve bytes.
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

/// Of a block of 256 with four bits a level in 128 bytes: 32 bytes hold one unit in their low nibbles, and the next in the high ones.
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
