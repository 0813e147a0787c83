//! The layout that products read: sixteen rows of a quantized matrix interleaved, so that one vector holds a number of each.
//!
//! A panel holds the levels in runs of 32 columns, then the scales, then the scales of blocks of 256. The levels of 32 columns
//! are stored by bits, in as many lines of 64 bytes as a level has bits. Word `r` of a line belongs to row `r`; step `j` is the
//! columns `4 j .. 4 j + 4`, a byte each:
//!
//! - eight bits: line `j` is step `j`;
//! - four bits: line `t` has step `t` in its low nibbles, and step `t + 4` in the high ones;
//! - two bits: line `p` has step `4 p + s` in pair `s` of each byte;
//! - one bit: the line is eight words of 64 bits, word `j` of step `j`, bit `4 r + e` for column `e` of row `r`.
//!
//! Levels of 5, 6 and 3 bits are stored as four and one, four and two, two and one. A row takes as much room as in ggml's blocks,
//! except that 6-bit scales are stored as bytes.

use super::kinds::{Fields, Kind, NIBBLES, PAIRS, Scales, gather, half, put_half, put_word, spread, word};
use half::f16;

/// Rows per panel.
pub const ROWS: usize = 16;
/// Columns processed at once.
pub const UNIT: usize = 32;

/// The layout of a panel.
#[derive(Clone, Copy)]
pub struct Places {
    /// Number of runs of 32 columns.
    pub units: usize,
    /// The first byte of the scales, and the bytes of the scales of 32 columns.
    pub scales: usize,
    pub scale_bytes: usize,
    /// The first byte of the block scales, and the bytes of the scales of one block.
    pub blocks: usize,
    pub block_bytes: usize,
    /// Total bytes, in whole lines.
    pub bytes: usize,
}

impl Places {
    pub fn of<K: Kind>(columns: usize) -> Places {
        let units = columns / UNIT;
        let (scale_bytes, block_bytes) = match K::SCALES {
            Scales::Half => (32, 0),
            Scales::HalfAndMin => (64, 0),
            Scales::Byte => (16 * K::GROUPS, 32),
            Scales::ByteAndMin => (32 * K::GROUPS, 64),
            Scales::Nibbles => (16 * K::GROUPS, 64),
        };
        let scales = units * 64 * K::BITS;
        let blocks = scales + units * scale_bytes;
        let bytes = (blocks + columns / K::BLOCK * block_bytes).next_multiple_of(64);
        Places { units, scales, scale_bytes, blocks, block_bytes, bytes }
    }
}

/// The lines of a kind's levels: where its pairs and single bits begin, and which bits of a level they hold.
struct Lines {
    nibbles: bool,
    /// (line, shift)
    pairs: Option<(usize, usize)>,
    bits: Option<(usize, usize)>,
}

const fn lines(bits: usize) -> Lines {
    match bits {
        2 => Lines { nibbles: false, pairs: Some((0, 0)), bits: None },
        3 => Lines { nibbles: false, pairs: Some((0, 0)), bits: Some((2, 2)) },
        4 => Lines { nibbles: true, pairs: None, bits: None },
        5 => Lines { nibbles: true, pairs: None, bits: Some((4, 4)) },
        6 => Lines { nibbles: true, pairs: Some((4, 4)), bits: None },
        _ => Lines { nibbles: false, pairs: None, bits: None },
    }
}

/// A row's word in a line, counted in words.
fn at(line: usize, row: usize) -> usize {
    ROWS * line + row
}

/// Writes a row's 32 levels into the lines of their columns, which must be zero.
fn put_levels<K: Kind>(to: &mut [u8], row: usize, levels: &[u32; 8]) {
    let lines = const { lines(K::BITS) };
    if K::BITS == 8 {
        levels.iter().enumerate().for_each(|(j, levels)| put_word(to, at(j, row), *levels));
    }
    if lines.nibbles {
        (0..4).for_each(|t| put_word(to, at(t, row), levels[t] & NIBBLES | (levels[t + 4] & NIBBLES) << 4));
    }
    if let Some((line, shift)) = lines.pairs {
        for p in 0..2 {
            let pair = |s: usize| ((levels[4 * p + s] >> shift) & PAIRS) << (2 * s);
            put_word(to, at(line + p, row), pair(0) | pair(1) | pair(2) | pair(3));
        }
    }
    if let Some((line, shift)) = lines.bits {
        for (j, levels) in levels.iter().enumerate() {
            to[64 * line + 8 * j + row / 2] |= (gather(levels >> shift) << (4 * (row % 2))) as u8;
        }
    }
}

/// Reads a row's 32 levels from the lines of their columns.
pub fn levels<K: Kind>(from: &[u8], row: usize) -> [u32; 8] {
    let lines = const { lines(K::BITS) };
    if K::BITS == 8 {
        return std::array::from_fn(|j| word(from, at(j, row)));
    }
    let mut levels = [0; 8];
    if lines.nibbles {
        for t in 0..4 {
            let word = word(from, at(t, row));
            (levels[t], levels[t + 4]) = (word & NIBBLES, (word >> 4) & NIBBLES);
        }
    }
    if let Some((line, shift)) = lines.pairs {
        for (j, levels) in levels.iter_mut().enumerate() {
            *levels |= ((word(from, at(line + j / 4, row)) >> (2 * (j % 4))) & PAIRS) << shift;
        }
    }
    if let Some((line, shift)) = lines.bits {
        for (j, levels) in levels.iter_mut().enumerate() {
            let bits = u32::from(from[64 * line + 8 * j + row / 2]) >> (4 * (row % 2));
            *levels |= spread(bits) << shift;
        }
    }
    levels
}

/// Packs up to sixteen rows of blocks into a panel of zeros.
pub fn pack<K: Kind>(rows: &[&[u8]], columns: usize, panel: &mut [u8]) {
    let places = Places::of::<K>(columns);
    let mut fields = Fields::default();
    for (row, blocks) in rows.iter().enumerate() {
        for (at, block) in blocks.chunks_exact(K::BYTES).enumerate() {
            K::read(block, &mut fields);
            let first = at * (K::BLOCK / UNIT);
            for (unit, levels) in fields.levels[..K::BLOCK / UNIT].iter().enumerate() {
                let start = (first + unit) * 64 * K::BITS;
                put_levels::<K>(&mut panel[start..start + 64 * K::BITS], row, levels);
            }
            put_scales::<K>(panel, places, (row, at), &fields);
        }
    }
}

/// Block `at` of row `row` of a panel, in ggml's format.
pub fn unpack<K: Kind>(panel: &[u8], columns: usize, (row, at): (usize, usize), block: &mut [u8]) {
    let places = Places::of::<K>(columns);
    let mut fields = Fields::default();
    let first = at * (K::BLOCK / UNIT);
    for (unit, to) in fields.levels[..K::BLOCK / UNIT].iter_mut().enumerate() {
        *to = levels::<K>(&panel[(first + unit) * 64 * K::BITS..], row);
    }
    read_scales::<K>(panel, places, (row, at), &mut fields);
    K::write(&fields, block);
}

/// Positions of a row's scales of block `at`: the f16 scales, and the bytes for each of its groups.
fn scale_places<K: Kind>(places: Places, (row, at): (usize, usize)) -> (usize, impl Fn(usize) -> usize) {
    let halves = match K::SCALES {
        Scales::Half | Scales::HalfAndMin => places.scales + at * places.scale_bytes,
        _ => places.blocks + at * places.block_bytes,
    };
    let first = places.scales + at * (K::BLOCK / UNIT) * places.scale_bytes;
    let width = places.scale_bytes / K::GROUPS;
    (halves + 2 * row, move |group| first + group * width + row)
}

fn put_scales<K: Kind>(panel: &mut [u8], places: Places, place: (usize, usize), fields: &Fields) {
    let (halves, byte) = scale_places::<K>(places, place);
    put_half(panel, halves, fields.scale);
    if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
        put_half(panel, halves + 32, fields.min);
    }
    if matches!(K::SCALES, Scales::Half | Scales::HalfAndMin) {
        return;
    }
    for group in 0..K::BLOCK / UNIT * K::GROUPS {
        panel[byte(group)] = fields.scales[group];
        if K::SCALES == Scales::ByteAndMin {
            panel[byte(group) + 16] = fields.mins[group];
        }
    }
}

pub fn read_scales<K: Kind>(panel: &[u8], places: Places, place: (usize, usize), fields: &mut Fields) {
    let (halves, byte) = scale_places::<K>(places, place);
    fields.scale = half(panel, halves);
    if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
        fields.min = half(panel, halves + 32);
    }
    if matches!(K::SCALES, Scales::Half | Scales::HalfAndMin) {
        return;
    }
    for group in 0..K::BLOCK / UNIT * K::GROUPS {
        fields.scales[group] = panel[byte(group)];
        if K::SCALES == Scales::ByteAndMin {
            fields.mins[group] = panel[byte(group) + 16];
        }
    }
}

/// The factor of a group's levels, and the number then added.
#[inline(always)]
pub fn scale_of<K: Kind>(fields: &Fields, group: usize) -> (f32, f32) {
    let (scale, min) = (f16::from_bits(fields.scale).to_f32(), f16::from_bits(fields.min).to_f32());
    match K::SCALES {
        Scales::Half => (scale, 0.0),
        Scales::HalfAndMin => (scale, min),
        Scales::Byte => (scale * f32::from(fields.scales[group] as i8), 0.0),
        Scales::ByteAndMin => (scale * f32::from(fields.scales[group]), -(min * f32::from(fields.mins[group]))),
        Scales::Nibbles => {
            let (low, high) = (fields.scales[group] & 15, fields.scales[group] >> 4);
            (scale * f32::from(low), -(min * f32::from(high)))
        }
    }
}

/// The numbers of a row.
pub fn widen<K: Kind>(panel: &[u8], columns: usize, row: usize, to: &mut [f32]) {
    let places = Places::of::<K>(columns);
    let mut fields = Fields::default();
    for (at, to) in to.chunks_exact_mut(K::BLOCK).enumerate() {
        read_scales::<K>(panel, places, (row, at), &mut fields);
        for (unit, to) in to.chunks_exact_mut(UNIT).enumerate() {
            let words = levels::<K>(&panel[(at * (K::BLOCK / UNIT) + unit) * 64 * K::BITS..], row);
            let bytes = words.map(u32::to_le_bytes);
            let levels = bytes.as_flattened();
            for (group, (to, levels)) in
                to.chunks_exact_mut(UNIT / K::GROUPS).zip(levels.chunks_exact(UNIT / K::GROUPS)).enumerate()
            {
                let (scale, add) = scale_of::<K>(&fields, unit * K::GROUPS + group);
                for (to, level) in to.iter_mut().zip(levels) {
                    *to = (i32::from(*level) - K::OFFSET) as f32 * scale + add;
                }
            }
        }
    }
}
