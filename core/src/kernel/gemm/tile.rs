//! The tile in registers: 12 rows of two vectors, or fewer.

use super::amx::Tiles;
use super::avx2;
use super::prefetch::Prefetch;
use super::unit::{MR, NR, STRIDE, Unit};
use std::arch::x86_64::*;

/// A unit set up to multiply on this thread.
pub enum Ready {
    /// Vectors of f32 or of pairs. If `by_rows`, panels of `a` hold rows of steps `STRIDE` apart; otherwise `MR` rows of one step
    /// after the other.
    Vectors {
        unit: Unit,
        by_rows: bool,
    },
    Tiles(Tiles),
}

impl Ready {
    pub fn new(unit: Unit, by_rows: bool) -> Ready {
        if unit.is_tiled() { Ready::Tiles(Tiles::open(unit)) } else { Ready::Vectors { unit, by_rows } }
    }

    /// Sets `out` (row stride `width`) to `high` × `wide` results of two packed panels, or adds them to it, while fetching
    /// `prefetch`.
    #[allow(clippy::too_many_arguments)]
    pub fn tile(
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
        let (unit, by_rows) = match self {
            Ready::Vectors { unit, by_rows } => (*unit, *by_rows),
            Ready::Tiles(tiles) => (tiles.unit, true),
        };
        assert!((1..=unit.rows()).contains(&high) && (1..=unit.width()).contains(&wide), "a tile of {high} × {wide}");
        assert!(steps > 0 && out.len() >= (high - 1) * width + wide, "the tile does not fit");
        assert!(b.len() >= unit.columns(steps), "the panel of b is too short");
        assert!(a.len() >= unit.panel(steps, by_rows), "the panel of a is too short");
        macro_rules! run {
            ($run:ident, $rows:literal) => {{
                let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
                match by_rows {
                    true => $run::<$rows, STRIDE, 1>(steps, a, b, out, width, high, wide, add, prefetch),
                    false => $run::<$rows, 1, MR>(steps, a, b, out, width, high, wide, add, prefetch),
                }
            }};
        }
        // SAFETY: `supports` checked that the processor has the instructions; the reads and writes are inside the slices, as
        // asserted
        unsafe {
            match (self, unit, high) {
                (Ready::Tiles(tiles), ..) => tiles.multiply(steps, a, b, out, width, [high, wide], add, prefetch),
                (_, Unit::Avx2F32, _) if by_rows => {
                    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
                    avx2::tile::<STRIDE, 1>(steps, a, b, out, width, [high, wide], add, prefetch);
                }
                (_, Unit::Avx2F32, _) => {
                    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
                    avx2::tile::<1, MR>(steps, a, b, out, width, [high, wide], add, prefetch);
                }
                (_, Unit::F32, 9..) => run!(f32_tile, 12),
                (_, Unit::F32, 5..=8) => run!(f32_tile, 8),
                (_, Unit::F32, _) => run!(f32_tile, 4),
                (_, _, 9..) => run!(bf16_tile, 12),
                (_, _, 5..=8) => run!(bf16_tile, 8),
                (_, _, _) => run!(bf16_tile, 4),
            }
        }
    }
}

/// Defines the tile for one type of step: `$add` adds its products to sixteen sums.
macro_rules! tile {
    ($name:ident, $features:literal, $add:expr) => {
        /// # Safety
        /// See [`Ready::tile`]: `a` and `b` are readable for `steps`, `out` writable for `high` rows of `wide`.
        #[target_feature(enable = $features)]
        #[allow(clippy::too_many_arguments)]
        unsafe fn $name<const ROWS: usize, const ROW: usize, const STEP: usize>(
            steps: usize,
            a: *const u32,
            b: *const u32,
            out: *mut f32,
            width: usize,
            high: usize,
            wide: usize,
            add: bool,
            mut prefetch: Prefetch,
        ) {
            // SAFETY: as promised by the caller; columns past `wide` are masked, rows past `high` are skipped
            unsafe {
                for i in 0..high {
                    _mm_prefetch(out.add(i * width).cast(), _MM_HINT_T0);
                    _mm_prefetch(out.add(i * width).wrapping_add(16).cast(), _MM_HINT_T0);
                }
                let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
                let (mut a, mut b) = (a, b);
                for _ in 0..steps {
                    let b0 = _mm512_loadu_si512(b.cast());
                    let b1 = _mm512_loadu_si512(b.add(16).cast());
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let x = _mm512_set1_epi32(*a.add(i * ROW) as i32);
                        sums[0] = $add(sums[0], x, b0);
                        sums[1] = $add(sums[1], x, b1);
                    }
                    a = a.add(STEP);
                    b = b.add(NR);
                    _mm_prefetch(prefetch.from.cast(), _MM_HINT_T1);
                    prefetch.from = prefetch.from.wrapping_add(prefetch.pace);
                }
                let mask = |from: usize| -> __mmask16 {
                    let left = wide.saturating_sub(from).min(16);
                    ((1u32 << left) - 1) as u16
                };
                let masks = [mask(0), mask(16)];
                for (i, sums) in sums.iter().enumerate() {
                    if i < high {
                        for (j, sum) in sums.iter().enumerate() {
                            let at = out.wrapping_add(i * width + j * 16);
                            let old = if add { _mm512_maskz_loadu_ps(masks[j], at) } else { _mm512_setzero_ps() };
                            _mm512_mask_storeu_ps(at, masks[j], _mm512_add_ps(old, *sum));
                        }
                    }
                }
            }
        }
    };
}

tile!(f32_tile, "avx512f,avx512bw,avx512vl,avx512dq", |sums, x, b| {
    _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(b), sums)
});
tile!(bf16_tile, "avx512f,avx512bw,avx512vl,avx512bf16", |sums, x, b| {
    _mm512_dpbf16_ps(sums, __m512bh::from(Bits(x)), __m512bh::from(Bits(b)))
});

/// Bits reinterpreted as pairs of bf16.
struct Bits(__m512i);

impl From<Bits> for __m512bh {
    #[inline(always)]
    fn from(bits: Bits) -> __m512bh {
        // SAFETY: both are 512 bits without invalid values
        unsafe { std::mem::transmute(bits.0) }
    }
}
