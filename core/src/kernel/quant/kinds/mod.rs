//! ggml's block formats for weights (`block_q*` of llama.cpp's `ggml-common.h`), decoded into levels and scales, and encoded back
//! to the same bytes.
//!
//! A 32-bit word holds four levels, a byte each, so that bits of four levels are moved at once.

mod blocks_of_256;
mod blocks_of_32;

pub use blocks_of_32::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
pub use blocks_of_256::{Q2K, Q3K, Q4K, Q5K, Q6K};

/// A block format, and its representation in a panel.
pub trait Kind: 'static {
    /// Numbers per block: 32 or 256.
    const BLOCK: usize;
    /// Bytes per block.
    const BYTES: usize;
    /// Bits per level.
    const BITS: usize;
    /// Groups with their own scales per 32 numbers.
    const GROUPS: usize;
    /// The number subtracted from each level.
    const OFFSET: i32;
    const SCALES: Scales;

    fn read(block: &[u8], to: &mut Fields);
    fn write(fields: &Fields, block: &mut [u8]);
}

/// The conversion of a level to a number.
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

/// The contents of a block.
#[derive(Clone, Default)]
pub struct Fields {
    /// For each 32 numbers, in order.
    pub levels: [[u32; 8]; 8],
    /// One per group.
    pub scales: [u8; 16],
    pub mins: [u8; 16],
    /// The block scale, as the bits of an f16.
    pub scale: u16,
    pub min: u16,
}

pub const NIBBLES: u32 = 0x0f0f_0f0f;
pub const PAIRS: u32 = 0x0303_0303;
const ONES: u32 = 0x0101_0101;
/// Converts signed bytes to levels from 0 to 255.
const SIGNS: u32 = 0x8080_8080;

pub fn half(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

pub fn put_half(block: &mut [u8], at: usize, half: u16) {
    block[at..at + 2].copy_from_slice(&half.to_le_bytes());
}

/// The word at an index counted in words.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

pub fn put_word(bytes: &mut [u8], at: usize, word: u32) {
    bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
}

/// Spreads the lowest four bits, one to each byte.
pub fn spread(bits: u32) -> u32 {
    ((bits & 0xf) * 0x0020_4081) & ONES
}

/// Gathers the lowest bit of each byte into adjacent bits.
pub fn gather(word: u32) -> u32 {
    (word & ONES).wrapping_mul(0x1020_4080) >> 28
}
