//! Products of bf16 by AMX: tiles of 16 rows of 64 bytes, multiplied by a unit of their own.
//!
//! The compiler has no stable names for the instructions yet, so they are written as assembly. Two tiles of `a` and two
//! of `b` make four of results: as many products for what is loaded as the eight registers allow.

use super::{NR, TILE_ROWS, TILE_STEPS};
use crate::kernel::cpu::{Level, level};
use std::arch::asm;
use std::marker::PhantomData;

/// This thread's tile registers, laid out for [`Tiles::multiply`] until this is dropped.
pub struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// Panics where the processor has none.
    pub fn open() -> Tiles {
        /// The layout as the processor reads it.
        #[repr(C, align(64))]
        struct Layout {
            palette: u8,
            start: u8,
            reserved: [u8; 14],
            bytes: [u16; 16],
            rows: [u8; 16],
        }
        const fn of_eight<T: Copy>(each: T, none: T) -> [T; 16] {
            let mut all = [none; 16];
            let mut i = 0;
            while i < 8 {
                all[i] = each;
                i += 1;
            }
            all
        }
        static LAYOUT: Layout =
            Layout { palette: 1, start: 0, reserved: [0; 14], bytes: of_eight(64, 0), rows: of_eight(16, 0) };
        assert!(level() >= Level::Amx, "no tiles on this processor");
        // SAFETY: the instructions are there; the layout has 64 bytes, and asks for eight tiles of the largest size
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const LAYOUT, options(nostack, readonly, preserves_flags)) };
        Tiles(PhantomData)
    }

    /// `out` (row stride `width`) becomes, or is increased by, `high` × `wide` results of two packed panels. A number's
    /// products are added in the same order wherever it lies.
    ///
    /// # Safety
    /// `high` is in 1..=32 and `wide` in 1..=32; the panels hold `steps` whole blocks of 16, and the results lie in `out`.
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
    ) {
        let blocks = steps.div_ceil(TILE_STEPS);
        if high == TILE_ROWS && wide == NR {
            // SAFETY: as promised
            return unsafe { four(blocks, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), width, add) };
        }
        // what reaches past the edge is written beside it
        let mut whole = [0f32; TILE_ROWS * NR];
        if add {
            for (row, old) in whole.chunks_exact_mut(NR).zip(out.chunks(width)).take(high) {
                row[..wide].copy_from_slice(&old[..wide]);
            }
        }
        let run = if high > TILE_ROWS / 2 { four } else { two };
        // SAFETY: panels are as promised, and the result is 32 × 32
        unsafe { run(blocks, a.as_ptr(), b.as_ptr(), whole.as_mut_ptr(), NR, add) };
        for (row, to) in whole.chunks_exact(NR).zip(out.chunks_mut(width)).take(high) {
            to[..wide].copy_from_slice(&row[..wide]);
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: gives the registers back; a thread that holds none is cheaper to switch
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// Defines the product of some rows: what it does with the old results, with a block of factors, and at the end.
macro_rules! rows {
    (
        $(#[$doc:meta])* $name:ident $(with bottom at $row:literal)?:
        $load:literal, $zero:literal, $multiply:literal, $store:literal
    ) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Tiles are laid out; `a` and `b` hold `blocks`, `out` those rows of 32 numbers, `width` apart.
        unsafe fn $name(blocks: usize, a: *const u32, b: *const u32, out: *mut f32, width: usize, add: bool) {
            // SAFETY: as promised
            unsafe {
                asm!(
                    "test {add}, {add}",
                    "jz 3f",
                    $load,
                    "jmp 2f",
                    "3:",
                    $zero,
                    "2:",
                    $multiply,
                    "add {a}, 2048",
                    "add {b}, 2048",
                    "dec {blocks}",
                    "jnz 2b",
                    $store,
                    add = in(reg) usize::from(add),
                    top = in(reg) out,
                    $(bottom = in(reg) out.add($row * width),)?
                    width = in(reg) 4 * width,
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
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

rows!(
    /// 32 × 32 results.
    four with bottom at 16:
    "tileloadd tmm0, [{top} + {width}]
     tileloadd tmm1, [{top} + {width} + 64]
     tileloadd tmm2, [{bottom} + {width}]
     tileloadd tmm3, [{bottom} + {width} + 64]",
    "tilezero tmm0
     tilezero tmm1
     tilezero tmm2
     tilezero tmm3",
    "tileloadd tmm6, [{b} + {of_b}]
     tileloadd tmm4, [{a} + {of_a}]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {of_b} + 64]
     tdpbf16ps tmm1, tmm4, tmm7
     tileloadd tmm5, [{a} + {of_a} + 1024]
     tdpbf16ps tmm2, tmm5, tmm6
     tdpbf16ps tmm3, tmm5, tmm7",
    "tilestored [{top} + {width}], tmm0
     tilestored [{top} + {width} + 64], tmm1
     tilestored [{bottom} + {width}], tmm2
     tilestored [{bottom} + {width} + 64], tmm3"
);

rows!(
    /// 16 × 32 results of the first 16 rows of a panel.
    two:
    "tileloadd tmm0, [{top} + {width}]
     tileloadd tmm1, [{top} + {width} + 64]",
    "tilezero tmm0
     tilezero tmm1",
    "tileloadd tmm4, [{a} + {of_a}]
     tileloadd tmm6, [{b} + {of_b}]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {of_b} + 64]
     tdpbf16ps tmm1, tmm4, tmm7",
    "tilestored [{top} + {width}], tmm0
     tilestored [{top} + {width} + 64], tmm1"
);
