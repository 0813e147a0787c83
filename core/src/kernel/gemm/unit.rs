//! The unit that multiplies, and the sizes of panels, tiles and tasks that follow from it.

use crate::kernel::cpu::{Level, level};
use crate::kernel::matrix::Precision;

/// What multiplies, and so how operands are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Vectors of f32, of AVX-512.
    F32,
    /// Vectors of f32, of AVX2.
    Avx2F32,
    /// Vectors of pairs of bf16 (`vdpbf16ps`).
    Bf16Dot,
    /// AMX tiles of pairs of bf16.
    AmxBf16,
    /// AMX tiles of pairs of bf16, three of which make an f32.
    AmxBf16x3,
    /// The same sums by vectors, where there is no AMX.
    VectorBf16x3,
}

impl Unit {
    pub fn of(precision: Precision) -> Unit {
        match (precision, level() >= Level::Amx) {
            (Precision::F32 | Precision::Int8, _) if level() < Level::Avx512 => Unit::Avx2F32,
            (Precision::F32 | Precision::Int8, _) => Unit::F32,
            (Precision::Bf16, false) => Unit::Bf16Dot,
            (Precision::Bf16, true) => Unit::AmxBf16,
            (Precision::Bf16x3, true) => Unit::AmxBf16x3,
            (Precision::Bf16x3, false) => Unit::VectorBf16x3,
        }
    }

    pub fn is_amx(self) -> bool {
        matches!(self, Unit::AmxBf16 | Unit::AmxBf16x3)
    }

    /// Whether operands are packed as tiles.
    pub fn is_tiled(self) -> bool {
        !matches!(self, Unit::F32 | Unit::Avx2F32 | Unit::Bf16Dot)
    }

    /// Parts that make a number.
    pub fn parts(self) -> usize {
        if matches!(self, Unit::AmxBf16x3 | Unit::VectorBf16x3) { 3 } else { 1 }
    }

    /// Numbers in a step along the inner dimension.
    pub fn each(self) -> usize {
        if matches!(self, Unit::F32 | Unit::Avx2F32) { 1 } else { 2 }
    }

    /// Rows of results that are made at once.
    pub fn rows(self) -> usize {
        if self.is_tiled() { TILE_ROWS } else { MR }
    }

    /// Steps that a panel has room for, if these are in it: tiles are whole.
    pub fn room(self, steps: usize) -> usize {
        if self.is_tiled() { steps.next_multiple_of(TILE_STEPS) } else { steps }
    }

    /// Rows of `m` in a task: about 16 tasks, each with enough rows to be worth packing them. Where a number is three parts
    /// the shared operand is three times as large and comes too slowly for few rows: there a task has up to 192, and
    /// there are as many as two threads, or four, share evenly.
    pub fn task(self, m: usize) -> usize {
        if self.parts() == 3 {
            let tasks = m.div_ceil(192).next_power_of_two().max(2);
            return m.div_ceil(tasks).next_multiple_of(TILE_ROWS / 2);
        }
        m.div_ceil(self.rows()).div_ceil(16).clamp(2, 12) * self.rows()
    }

    /// 32 bits of a packed panel of `a`.
    pub fn panel(self, steps: usize, by_rows: bool) -> usize {
        match (self.is_tiled(), by_rows) {
            (true, _) => self.room(steps) * TILE_ROWS * self.parts(),
            (false, true) => MR * STRIDE,
            (false, false) => MR * steps,
        }
    }

    /// Columns of results that are made at once: those of a packed panel of `b`, which the nearest cache holds.
    pub fn width(self) -> usize {
        if self == Unit::Avx2F32 { AVX2_NR } else { NR }
    }

    /// 32 bits of a packed panel of `b`.
    pub fn columns(self, steps: usize) -> usize {
        self.room(steps) * self.width() * self.parts()
    }
}

/// Rows and columns of one tile of vectors.
pub const MR: usize = 12;
pub const NR: usize = 32;
/// Columns of one of AVX2, which has half as many registers of half the width.
pub const AVX2_NR: usize = 16;
/// Rows of results, and steps of factors, in the tiles of AMX.
pub const TILE_ROWS: usize = 32;
pub const TILE_STEPS: usize = 16;
/// Steps of the inner dimension in one block.
pub const STEPS: usize = 384;
/// Steps from one row of a packed block of `a` to the next: past the block's end, so that rows fall on different
/// cache sets.
pub const STRIDE: usize = STEPS + 8;
/// Columns whose packed operand is held at once.
pub const NC: usize = 96 * NR;
/// Steps of a packed operand that are held at once: they stay in the cache that all cores share.
pub const GROUP: usize = 1 << 20;
/// Multiplications that are worth a second thread.
pub const PARALLEL: usize = 1 << 19;
