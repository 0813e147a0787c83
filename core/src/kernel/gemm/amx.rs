//! Products of bf16, and of f32 in three parts, by AMX: tiles of 16 rows of 64 bytes, multiplied by a dedicated unit. (Without
//! AMX [`emulate`] does the same with three parts.)
//!
//! Two tiles of `a` and two of `b` produce four tiles of results: the most products per load that the eight registers allow. The
//! instructions have no stable intrinsics yet, so they are written as assembly.

use super::emulate::emulate;
use super::prefetch::Prefetch;
use super::unit::{NR, TILE_ROWS, TILE_STEPS, Unit};
use crate::kernel::cpu::{Level, level};
use crate::kernel::math;
use crate::kernel::tiles::{Layout, Registers};
use std::arch::asm;
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// This thread's tile registers, configured for [`Tiles::multiply`] until this is dropped; or none, if vectors do the work.
pub struct Tiles {
    pub unit: Unit,
    /// Released when this is dropped.
    _registers: Option<Registers>,
}

impl Tiles {
    /// Panics if the unit needs AMX and the processor lacks it.
    pub fn open(unit: Unit) -> Tiles {
        static WHOLE: Layout = Layout::of([(16, 64); 8]);
        assert!(!unit.is_amx() || level() >= Level::Amx, "no tiles on this processor");
        // SAFETY: the processor's support was checked
        let open = || unsafe { Registers::open(&WHOLE) };
        Tiles { unit, _registers: unit.is_amx().then(open) }
    }

    /// Sets `out` (row stride `width`) to `high` × `wide` results of two packed panels, or adds them to it. The products of a
    /// number are added in the same order at any position.
    ///
    /// # Safety
    /// `high` is in 1..=32 and `wide` in 1..=32; the panels hold `steps` whole blocks of 16, and the results are inside `out`.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn multiply(
        &self,
        steps: usize,
        a: &[u32],
        b: &[u32],
        out: &mut [f32],
        width: usize,
        [high, wide]: [usize; 2],
        add: bool,
        prefetch: Prefetch,
    ) {
        let blocks = steps.div_ceil(TILE_STEPS);
        // results are written at once at the end: outside the caches that takes as long as a block
        for row in 0..high {
            let at = out.as_ptr().wrapping_add(row * width);
            // SAFETY: a prefetch changes nothing
            unsafe {
                _mm_prefetch(at.cast(), _MM_HINT_T0);
                _mm_prefetch(at.wrapping_add(16).cast(), _MM_HINT_T0);
            }
        }
        let thirds = self.unit.parts() == 3;
        let [all, half]: [Run; 2] = match self.unit {
            Unit::AmxBf16x3 => [four_of_thirds, two_of_thirds],
            Unit::VectorBf16x3 => [emulate::<32>, emulate::<16>],
            _ => [four, two],
        };
        // f32 sums this block separately before adding it to the previous ones, as vectors do, so that errors do not grow with
        // the number of blocks; bf16 has larger errors anyway
        let apart = add && thirds;
        if high == TILE_ROWS && wide == NR && !apart {
            // SAFETY: as promised
            return unsafe { all(blocks, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), width, add, prefetch) };
        }
        // elements beyond the edge are written to a separate tile
        let mut whole = Whole([0.0; TILE_ROWS * NR]);
        if add && !apart {
            for (row, old) in whole.0.chunks_exact_mut(NR).zip(out.chunks(width)).take(high) {
                row[..wide].copy_from_slice(&old[..wide]);
            }
        }
        let run = if high > TILE_ROWS / 2 { all } else { half };
        // SAFETY: panels are as promised, and the result is 32 × 32
        unsafe { run(blocks, a.as_ptr(), b.as_ptr(), whole.0.as_mut_ptr(), NR, add && !apart, prefetch) };
        for (row, to) in whole.0.chunks_exact(NR).zip(out.chunks_mut(width)).take(high) {
            match apart {
                true => math::add_scaled(&mut to[..wide], 1.0, &row[..wide]),
                false => to[..wide].copy_from_slice(&row[..wide]),
            }
        }
    }
}

/// Computes results of some rows from panels: blocks, `a`, `b`, `out`, its width, whether it adds, and what to prefetch.
type Run = unsafe fn(usize, *const u32, *const u32, *mut f32, usize, bool, Prefetch);

/// A separate tile, whose rows are cache lines.
#[repr(align(64))]
struct Whole([f32; TILE_ROWS * NR]);

/// Defines the product of some rows by its work on a block of factors.
macro_rules! rows {
    (
        $(#[$doc:meta])* $name:ident of $rows:tt $(, bottom at $row:literal)?, $bytes:literal a block: $multiply:expr
    ) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Tiles are configured; `a` and `b` hold `blocks`, `out` those rows of 32 numbers, `width` apart.
        unsafe fn $name(
            blocks: usize,
            a: *const u32,
            b: *const u32,
            out: *mut f32,
            width: usize,
            add: bool,
            prefetch: Prefetch,
        ) {
            // SAFETY: as promised
            unsafe {
                asm!(
                    "test {add}, {add}",
                    "jz 3f",
                    results!(load $rows),
                    "jmp 2f",
                    "3:",
                    results!(zero $rows),
                    "2:",
                    $multiply,
                    concat!(".rept ", $bytes, " / 256"),
                    "prefetcht1 [{prefetch}]",
                    "add {prefetch}, {pace}",
                    ".endr",
                    concat!("add {a}, ", $bytes),
                    concat!("add {b}, ", $bytes),
                    "dec {blocks}",
                    "jnz 2b",
                    results!(store $rows),
                    add = in(reg) usize::from(add),
                    top = in(reg) out,
                    $(bottom = in(reg) out.add($row * width),)?
                    width = in(reg) 4 * width,
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    prefetch = inout(reg) prefetch.from => _,
                    pace = in(reg) 4 * TILE_STEPS * prefetch.pace / ($bytes / 256),
                    of_a = in(reg) 64usize,
                    of_b = in(reg) 128usize,
                    blocks = inout(reg) blocks => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

/// Loads both tiles of `b` of one part, and the tile of `a`: its place in its block.
macro_rules! load {
    (b $at:literal) => {
        concat!("tileloadd tmm6, [{b} + {of_b} + ", $at, "]\n tileloadd tmm7, [{b} + {of_b} + ", $at, " + 64]")
    };
    (a $at:literal) => {
        concat!("tileloadd tmm4, [{a} + {of_a} + ", $at, "]")
    };
    (below $at:literal) => {
        concat!("tileloadd tmm5, [{a} + {of_a} + ", $at, " + 1024]")
    };
}

/// The products of the loaded tiles.
macro_rules! dot_products {
    (a) => {
        "tdpbf16ps tmm0, tmm4, tmm6\n tdpbf16ps tmm1, tmm4, tmm7"
    };
    (below) => {
        "tdpbf16ps tmm2, tmm5, tmm6\n tdpbf16ps tmm3, tmm5, tmm7"
    };
}

/// The six largest products of three parts, the smallest first. The parts of a block are 2048 bytes apart, the largest
/// first.
macro_rules! thirds {
    ($($row:ident)+) => {
        concat!(
            load!(b "4096"), "\n", $(load!($row "0"), "\n", dot_products!($row), "\n",)+
            load!(b "2048"), "\n", $(dot_products!($row), "\n",)+
            $(load!($row "2048"), "\n", dot_products!($row), "\n",)+
            load!(b "0"), "\n", $(dot_products!($row), "\n",)+
            $(load!($row "4096"), "\n", dot_products!($row), "\n",)+
            $(load!($row "0"), "\n", dot_products!($row), "\n",)+
        )
    };
}

/// Results of 32 rows, or of 16.
macro_rules! results {
    (load 32) => {
        "tileloadd tmm0, [{top} + {width}]
         tileloadd tmm1, [{top} + {width} + 64]
         tileloadd tmm2, [{bottom} + {width}]
         tileloadd tmm3, [{bottom} + {width} + 64]"
    };
    (zero 32) => {
        "tilezero tmm0
         tilezero tmm1
         tilezero tmm2
         tilezero tmm3"
    };
    (store 32) => {
        "tilestored [{top} + {width}], tmm0
         tilestored [{top} + {width} + 64], tmm1
         tilestored [{bottom} + {width}], tmm2
         tilestored [{bottom} + {width} + 64], tmm3"
    };
    (load 16) => {
        "tileloadd tmm0, [{top} + {width}]
         tileloadd tmm1, [{top} + {width} + 64]"
    };
    (zero 16) => {
        "tilezero tmm0
         tilezero tmm1"
    };
    (store 16) => {
        "tilestored [{top} + {width}], tmm0
         tilestored [{top} + {width} + 64], tmm1"
    };
}

rows!(
    /// 32 × 32 results.
    four of 32, bottom at 16, 2048 a block:
    "tileloadd tmm6, [{b} + {of_b}]
     tileloadd tmm4, [{a} + {of_a}]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {of_b} + 64]
     tdpbf16ps tmm1, tmm4, tmm7
     tileloadd tmm5, [{a} + {of_a} + 1024]
     tdpbf16ps tmm2, tmm5, tmm6
     tdpbf16ps tmm3, tmm5, tmm7"
);

rows!(
    /// 16 × 32 results of the first 16 rows of a panel.
    two of 16, 2048 a block:
    "tileloadd tmm4, [{a} + {of_a}]
     tileloadd tmm6, [{b} + {of_b}]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {of_b} + 64]
     tdpbf16ps tmm1, tmm4, tmm7"
);

rows!(
    /// 32 × 32 results of numbers in three parts.
    four_of_thirds of 32, bottom at 16, 6144 a block: thirds!(a below)
);

rows!(
    /// 16 × 32 results of numbers in three parts.
    two_of_thirds of 16, 6144 a block: thirds!(a)
);
