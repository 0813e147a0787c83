//! The kinds of blocks that ggml stores weights in (`block_q*` of llama.cpp's `ggml-common.h`), read into levels and scales, and
//! written back to the same bytes.
//!
//! Words of 32 bits hold four levels, a byte each: what moves bits moves them in four at once.

mod blocks_of_256;
mod blocks_of_32;

pub use blocks_of_32::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
pub use blocks_of_256::{Q2K, Q3K, Q4K, Q5K, Q6K};

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

pub const NIBBLES: u32 = 0x0f0f_0f0f;
pub const PAIRS: u32 = 0x0303_0303;
const ONES: u32 = 0x0101_0101;
/// Turns bytes with a sign into levels from 0 to 255.
const SIGNS: u32 = 0x8080_8080;

pub fn half(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

pub fn put_half(block: &mut [u8], at: usize, half: u16) {
    block[at..at + 2].copy_from_slice(&half.to_le_bytes());
}

/// The word at a place that is counted in words.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

pub fn put_word(bytes: &mut [u8], at: usize, word: u32) {
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
