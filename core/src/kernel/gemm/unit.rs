//! The multiplication unit, and the sizes of panels, tiles and tasks that follow from it.

use crate::kernel::cpu::{Level, level};
use crate::kernel::matrix::Precision;

/// The multiplication unit, which determines how operands are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// AVX-512 vectors of f32.
    F32,
    /// AVX2 vectors of f32.
    Avx2F32,
    /// Vectors of pairs of bf16 (`vdpbf16ps`).
    Bf16Dot,
    /// AMX tiles of pairs of bf16.
    AmxBf16,
    /// AMX tiles of pairs of bf16, three of which make an f32.
    AmxBf16x3,
    /// The same sums by vectors, for processors without AMX.
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

    /// Parts per number.
    pub fn parts(self) -> usize {
        if matches!(self, Unit::AmxBf16x3 | Unit::VectorBf16x3) { 3 } else { 1 }
    }

    /// Numbers per step along the inner dimension.
    pub fn each(self) -> usize {
        if matches!(self, Unit::F32 | Unit::Avx2F32) { 1 } else { 2 }
    }

    /// Rows of results computed at once.
    pub fn rows(self) -> usize {
        if self.is_tiled() { TILE_ROWS } else { MR }
    }

    /// Capacity in steps of a panel with this number of steps: tiles are whole.
    pub fn room(self, steps: usize) -> usize {
        if self.is_tiled() { steps.next_multiple_of(TILE_STEPS) } else { steps }
    }

    /// Rows of `m` per task: about 16 tasks, each with enough rows to be worth packing. With three parts per number the shared
    /// operand is three times as large and arrives too slowly for few rows: then a task has up to 192, and the number of tasks
    /// divides evenly among two threads, or four.
    pub fn task(self, m: usize) -> usize {
        if self.parts() == 3 {
            let tasks = m.div_ceil(192).next_power_of_two().max(2);
            return m.div_ceil(tasks).next_multiple_of(TILE_ROWS / 2);
        }
        m.div_ceil(self.rows()).div_ceil(16).clamp(2, 12) * self.rows()
    }

    /// 32-bit words of a packed panel of `a`.
    pub fn panel(self, steps: usize, by_rows: bool) -> usize {
        match (self.is_tiled(), by_rows) {
            (true, _) => self.room(steps) * TILE_ROWS * self.parts(),
            (false, true) => MR * STRIDE,
            (false, false) => MR * steps,
        }
    }

    /// Columns of results computed at once: the width of a packed panel of `b`, which the nearest cache holds.
    pub fn width(self) -> usize {
        if self == Unit::Avx2F32 { AVX2_NR } else { NR }
    }

    /// 32-bit words of a packed panel of `b`.
    pub fn columns(self, steps: usize) -> usize {
        self.room(steps) * self.width() * self.parts()
    }
}

/// Rows and columns of a tile of vectors.
pub const MR: usize = 12;
pub const NR: usize = 32;
/// Columns of an AVX2 tile, with half as many registers of half the width.
pub const AVX2_NR: usize = 16;
/// Rows of results, and steps of factors, in AMX tiles.
pub const TILE_ROWS: usize = 32;
pub const TILE_STEPS: usize = 16;
/// Steps of the inner dimension per block.
pub const STEPS: usize = 384;
/// Distance in steps between rows of a packed block of `a`: longer than a block, so that rows map to different cache sets.
pub const STRIDE: usize = STEPS + 8;
/// Columns of the packed operand held at once.
pub const NC: usize = 96 * NR;
/// Steps of a packed operand held at once: they stay in the shared cache.
pub const GROUP: usize = 1 << 20;
/// Minimum multiplications for a second thread.
pub const PARALLEL: usize = 1 << 19;
