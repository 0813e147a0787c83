//! Products of bf16 by AMX: tiles of 16 rows of 64 bytes, multiplied by a unit of their own.
//!
//! The compiler has no stable names for the instructions yet, so they are written as assembly. Two tiles of `a` and two
//! of `b` make four of results: as many products for what is loaded as the eight registers allow.

use super::{NR, TILE_ROWS, TILE_STEPS};
use std::arch::asm;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Whether the processor has the unit, and the system lets this process use it.
pub fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let (tile, bf16) = (1 << 24, 1 << 22);
        let leaves = std::arch::x86_64::__cpuid(0).eax;
        leaves >= 7 && std::arch::x86_64::__cpuid_count(7, 0).edx & (tile | bf16) == tile | bf16 && is_allowed()
    })
}

/// Asks Linux for the registers: a process gets them on demand, since they make a thread's state 8 KiB larger.
#[cfg(target_os = "linux")]
fn is_allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: a call that reads two numbers; an older kernel answers that it does not know it
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_allowed() -> bool {
    false
}

/// This thread's tile registers, laid out for [`Tiles::multiply`] until this is dropped.
pub struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// Panics where [`is_there`] says no.
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
        assert!(is_there(), "no tiles on this processor");
        // SAFETY: the instructions are there; the layout has 64 bytes, and asks for eight tiles of the largest size
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const LAYOUT, options(nostack, readonly, preserves_flags)) };
        Tiles(PhantomData)
    }

    /// `out` (row stride `width`) becomes, or is increased by, `high` × `wide` results of two packed panels. A number's products are added in the same order wherever it lies.
    #[allow(clippy::too_many_arguments)]
    pub fn multiply(
        &self,
        steps: usize,
        a: &[u32],
        b: &[u32],
        out: &mut [f32],
        width: usize,
        [high, wide]: [usize; 2],
        add: bool,
    ) {
        assert!(steps > 0 && (1..=TILE_ROWS).contains(&high) && (1..=NR).contains(&wide), "a tile of {high} × {wide}");
        assert!(out.len() >= (high - 1) * width + wide, "the tile does not fit");
        let blocks = steps.div_ceil(TILE_STEPS);
        assert!(b.len() >= blocks * TILE_STEPS * NR, "the panel of b is too short");
        assert!(a.len() >= blocks * TILE_STEPS * TILE_ROWS, "the panel of a is too short");
        if high == TILE_ROWS && wide == NR {
            // SAFETY: panels and result are as large as asserted
            return unsafe { four(blocks, a, b, out.as_mut_ptr(), width, add) };
        }
        // what reaches past the edge is written beside it
        let mut whole = [0f32; TILE_ROWS * NR];
        if add {
            for (row, old) in whole.chunks_exact_mut(NR).zip(out.chunks(width)).take(high) {
                row[..wide].copy_from_slice(&old[..wide]);
            }
        }
        // SAFETY: panels are as large as asserted, and the result is 32 × 32
        unsafe {
            if high > TILE_ROWS / 2 {
                four(blocks, a, b, whole.as_mut_ptr(), NR, add);
            } else {
                two(blocks, a, b, whole.as_mut_ptr(), NR, add);
            }
        }
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

/// 32 × 32 results.
///
/// # Safety
/// Tiles are laid out; `a` and `b` hold `blocks`, `out` 32 rows of 32 numbers, `width` apart.
unsafe fn four(blocks: usize, a: &[u32], b: &[u32], out: *mut f32, width: usize, add: bool) {
    // SAFETY: as promised
    unsafe {
        asm!(
            "test {add}, {add}",
            "jz 3f",
            "tileloadd tmm0, [{top} + {width}]",
            "tileloadd tmm1, [{top} + {width} + 64]",
            "tileloadd tmm2, [{bottom} + {width}]",
            "tileloadd tmm3, [{bottom} + {width} + 64]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm6, [{b} + {of_b}]",
            "tileloadd tmm4, [{a} + {of_a}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {of_b} + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a} + {of_a} + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 2048",
            "add {b}, 2048",
            "dec {blocks}",
            "jnz 2b",
            "tilestored [{top} + {width}], tmm0",
            "tilestored [{top} + {width} + 64], tmm1",
            "tilestored [{bottom} + {width}], tmm2",
            "tilestored [{bottom} + {width} + 64], tmm3",
            add = in(reg) usize::from(add),
            top = in(reg) out,
            bottom = in(reg) out.add(16 * width),
            width = in(reg) 4 * width,
            a = inout(reg) a.as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            of_a = in(reg) 64usize,
            of_b = in(reg) 128usize,
            blocks = inout(reg) blocks => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// 16 × 32 results of the first 16 rows of a panel.
///
/// # Safety
/// As of [`four`], with 16 rows of results.
unsafe fn two(blocks: usize, a: &[u32], b: &[u32], out: *mut f32, width: usize, add: bool) {
    // SAFETY: as promised
    unsafe {
        asm!(
            "test {add}, {add}",
            "jz 3f",
            "tileloadd tmm0, [{top} + {width}]",
            "tileloadd tmm1, [{top} + {width} + 64]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "2:",
            "tileloadd tmm4, [{a} + {of_a}]",
            "tileloadd tmm6, [{b} + {of_b}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {of_b} + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "add {a}, 2048",
            "add {b}, 2048",
            "dec {blocks}",
            "jnz 2b",
            "tilestored [{top} + {width}], tmm0",
            "tilestored [{top} + {width} + 64], tmm1",
            add = in(reg) usize::from(add),
            top = in(reg) out,
            width = in(reg) 4 * width,
            a = inout(reg) a.as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            of_a = in(reg) 64usize,
            of_b = in(reg) 128usize,
            blocks = inout(reg) blocks => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
