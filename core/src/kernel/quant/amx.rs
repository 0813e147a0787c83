//! Integer products by AMX: a tile of sixteen rows of `x` with the sixteen rows of a panel, a group of columns at once.
//!
//! They are the same integers as in the vector products, summed in the same order: the bits are the same.

use super::kinds::{Kind, Scales};
use super::panel::{Places, ROWS};
use super::rounded::{Rounded, total_of};
use super::{Line, vnni};
use crate::kernel::cpu::{Level, level};
use crate::kernel::tiles::{Layout, Registers};
use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::sync::OnceLock;

/// Rows of `x` multiplied at once.
pub const TILE: usize = 16;

/// Whether the processor has tiles of bytes.
pub fn is_available() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    let has = || {
        const INT8: u32 = 1 << 25;
        // a processor at this level has this CPUID leaf
        level() >= Level::Amx && __cpuid_count(7, 0).edx & INT8 != 0 && vnni::is_available()
    };
    *HAS.get_or_init(has)
}

/// Products of as many rows of `x` as fill whole tiles with some panels: in `y`, which has room for all rows, panel by panel.
/// Only if [`is_available`].
pub fn products<K: Kind>(panels: &[u8], places: Places, x: &Rounded, y: &mut [[f32; ROWS]]) {
    /// Results, rows of `x`, and columns of the panel: a group, with four columns per row.
    struct Of<K>(K);
    impl<K: Kind> Of<K> {
        const LAYOUT: Layout = {
            let (bytes, rows) = (32 / K::GROUPS as u16, 8 / K::GROUPS as u8);
            Layout::of([(16, 64), (16, bytes), (rows, 64), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)])
        };
    }
    thread_local!(static LEVELS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) });
    let (units, m) = (places.units, x.rows());
    assert!(is_available(), "no tiles of bytes on this processor");
    assert!(x.units == units && units > 0, "panels of another width");
    assert!(x.levels.len() == m * units * 32 && x.totals.len() == m * units, "rows of another width");
    assert!(y.len() == panels.len() / places.bytes * m, "room for other rows");
    let mut levels = LEVELS.take();
    levels.resize(panels.len() / places.bytes * units * 8, Line([0; 64]));
    // SAFETY: the processor was checked, and reads and writes are in bounds, as checked above
    unsafe {
        for (panel, levels) in panels.chunks_exact(places.bytes).zip(levels.chunks_exact_mut(units * 8)) {
            signed::<K>(panel, levels);
        }
        let _registers = Registers::open(const { &Of::<K>::LAYOUT });
        // rows of x stay in the nearest cache for all panels
        for first in (0..m / TILE * TILE).step_by(TILE) {
            for (at, (panel, levels)) in
                panels.chunks_exact(places.bytes).zip(levels.chunks_exact(units * 8)).enumerate()
            {
                let y = &mut y[at * m + first..][..TILE];
                tile::<K>(panel, places, levels, x, first, y.try_into().expect("a tile"));
            }
        }
    }
    LEVELS.set(levels);
}

/// The levels of a panel minus their offset, as signed bytes: one line for four columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn signed<K: Kind>(panel: &[u8], levels: &mut [Line]) {
    let offset = _mm512_set1_epi8(K::OFFSET as u8 as i8);
    for (unit, lines) in levels.chunks_exact_mut(8).enumerate() {
        // SAFETY: the caller ensures that a panel has K::BITS lines for each 32 columns; there are 8 lines here
        unsafe {
            let steps = vnni::steps::<K>(panel.as_ptr().add(unit * 64 * K::BITS));
            for (step, line) in steps.into_iter().zip(lines) {
                _mm512_store_si512(line.0.as_mut_ptr().cast(), _mm512_sub_epi8(step, offset));
            }
        }
    }
}

/// Integer results of one group: one line per row of `x`.
type Dots = [Line; TILE];

/// Products of sixteen rows of `x`, from `first` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn tile<K: Kind>(
    panel: &[u8],
    places: Places,
    levels: &[Line],
    x: &Rounded,
    first: usize,
    y: &mut [[f32; ROWS]; TILE],
) {
    let units = places.units;
    let mut sums = [_mm512_setzero_ps(); TILE];
    // the tiles of a group are multiplied while the results of the previous group are summed
    let mut dots: [Dots; 2] = [[Line([0; 64]); TILE]; 2];
    let groups = units * K::GROUPS;
    let start = |group: usize, dots: &mut Dots| {
        // SAFETY: the caller ensures rows of x and lines of levels up to there
        unsafe {
            let x = x.levels.as_ptr().add(first * units * 32 + group * (32 / K::GROUPS));
            multiply(x, units * 32, levels.as_ptr().add(group * (8 / K::GROUPS)), dots);
        }
    };
    if groups > 0 {
        start(0, &mut dots[0]);
    }
    for unit in 0..units {
        // SAFETY: the caller ensures that places are inside the panel, and that the rows of x exist
        let scales = unsafe { vnni::scales::<K>(panel.as_ptr(), places, unit) };
        for (own, (scale, min)) in scales.into_iter().enumerate().take(K::GROUPS) {
            let group = unit * K::GROUPS + own;
            if group + 1 < groups {
                start(group + 1, &mut dots[(group + 1) % 2]);
            }
            for (m, (sums, dots)) in sums.iter_mut().zip(&dots[group % 2]).enumerate() {
                let at = (first + m) * units + unit;
                // SAFETY: as above; a line is sixteen integers
                unsafe {
                    let by = _mm512_set1_ps(*x.scales.get_unchecked(at));
                    let dots = _mm512_cvtepi32_ps(_mm512_load_si512(dots.0.as_ptr().cast()));
                    *sums = _mm512_fmadd_ps(dots, _mm512_mul_ps(scale, by), *sums);
                    if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
                        let total = x.totals.get_unchecked(at)[total_of(K::GROUPS, own)];
                        *sums = _mm512_fmadd_ps(min, _mm512_set1_ps(total), *sums);
                    }
                }
            }
        }
    }
    for (y, sums) in y.iter_mut().zip(sums) {
        // SAFETY: sixteen numbers
        unsafe { _mm512_storeu_ps(y.as_mut_ptr(), sums) };
    }
}

/// The integer products of a group: rows of `x`, `stride` bytes apart, by lines of levels.
///
/// # Safety
/// The registers are configured for both.
#[inline(always)]
unsafe fn multiply(x: *const i8, stride: usize, levels: *const Line, dots: &mut Dots) {
    // SAFETY: as promised; results are sixteen lines
    unsafe {
        asm!(
            "tilezero tmm0",
            "tileloadd tmm1, [{x} + {stride}]",
            "tileloadd tmm2, [{levels} + {line}]",
            "tdpbssd tmm0, tmm1, tmm2",
            "tilestored [{dots} + {line}], tmm0",
            x = in(reg) x,
            stride = in(reg) stride,
            levels = in(reg) levels,
            line = in(reg) 64usize,
            dots = in(reg) dots.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _,
            options(nostack, preserves_flags),
        );
    }
}
