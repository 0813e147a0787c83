//! Products of rounded rows with panels: the same integers, and sums in the same order, on every processor.

use super::kinds::{Fields, Kind, Scales};
use super::panel::{self, Places, ROWS, UNIT};
use super::rounded::{Rounded, total_of};
use crate::kernel::cpu::{Level, level};
use crate::kernel::math::fma;

/// Products of all rows of `x` with the rows of some panels, in `y` panel by panel.
pub fn products<K: Kind>(panels: &[u8], places: Places, x: &Rounded, y: &mut [[f32; ROWS]]) {
    let m = x.rows();
    let done = by_tiles::<K>(panels, places, x, y);
    for (panel, y) in panels.chunks_exact(places.bytes.max(1)).zip(y.chunks_exact_mut(m.max(1))) {
        of_panel::<K>(panel, places, x, done, &mut y[done..]);
    }
}

/// Products of as many rows as fill whole tiles, if the processor has AMX; returns their number.
#[cfg(target_arch = "x86_64")]
fn by_tiles<K: Kind>(panels: &[u8], places: Places, x: &Rounded, y: &mut [[f32; ROWS]]) -> usize {
    use super::amx::{self, TILE};
    let rows = x.rows() / TILE * TILE;
    if rows == 0 || !amx::is_available() {
        return 0;
    }
    amx::products::<K>(panels, places, x, y);
    rows
}

#[cfg(not(target_arch = "x86_64"))]
fn by_tiles<K: Kind>(_: &[u8], _: Places, _: &Rounded, _: &mut [[f32; ROWS]]) -> usize {
    0
}

/// Products of the rows of `x` from `first` on, as many as `y` has, with the rows of a panel.
fn of_panel<K: Kind>(panel: &[u8], places: Places, x: &Rounded, first: usize, y: &mut [[f32; ROWS]]) {
    let mut at = 0;
    while at < y.len() {
        let some = match y.len() - at {
            8.. => 8,
            4.. => 4,
            _ => 1,
        };
        let (x_row, y) = (first + at, &mut y[at..at + some]);
        match some {
            8 => few::<K, 8>(panel, places, x, x_row, y.try_into().expect("eight rows")),
            4 => few::<K, 4>(panel, places, x, x_row, y.try_into().expect("four rows")),
            _ => few::<K, 1>(panel, places, x, x_row, y.try_into().expect("one row")),
        }
        at += some;
    }
}

fn few<K: Kind, const M: usize>(panel: &[u8], places: Places, x: &Rounded, first: usize, y: &mut [[f32; ROWS]; M]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor was checked
    unsafe {
        if level() >= Level::Avx512 && super::vnni::is_available() {
            return super::vnni::products::<K, M>(panel, places, x, first, y);
        }
        if level() >= Level::Avx2 {
            return super::avx2::products::<K, M>(panel, places, x, first, y);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if super::neon::is_available() {
        // SAFETY: the processor was checked
        return unsafe { super::neon::products::<K, M>(panel, places, x, first, y) };
    }
    plain::<K, M>(panel, places, x, first, y);
}

/// [`products`] in portable code, also the reference for tests.
pub fn plain<K: Kind, const M: usize>(
    panel: &[u8],
    places: Places,
    x: &Rounded,
    first: usize,
    y: &mut [[f32; ROWS]; M],
) {
    let mut fields = Fields::default();
    for row in 0..ROWS {
        let mut sums = [0f32; M];
        for unit in 0..places.units {
            let (block, own) = (unit * UNIT / K::BLOCK, unit % (K::BLOCK / UNIT));
            panel::read_scales::<K>(panel, places, (row, block), &mut fields);
            let levels = panel::levels::<K>(&panel[unit * 64 * K::BITS..], row).map(u32::to_le_bytes);
            let levels = levels.as_flattened();
            for (m, sum) in sums.iter_mut().enumerate() {
                let at = (first + m) * places.units + unit;
                let numbers = &x.levels[at * UNIT..(at + 1) * UNIT];
                let width = UNIT / K::GROUPS;
                for group in 0..K::GROUPS {
                    let whole = if K::GROUPS == 1 { x.sums[at].iter().sum() } else { x.sums[at][group] };
                    let parts = levels[group * width..].iter().zip(&numbers[group * width..][..width]);
                    let dots = parts.map(|(level, x)| i32::from(*level) * i32::from(*x)).sum::<i32>();
                    let (scale, min) = panel::scale_of::<K>(&fields, own * K::GROUPS + group);
                    let dots = (dots - K::OFFSET * whole) as f32;
                    *sum = add(dots, scale * x.scales[at], *sum);
                    if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
                        *sum = add(min, x.totals[at][total_of(K::GROUPS, group)], *sum);
                    }
                }
            }
        }
        for (y, sum) in y.iter_mut().zip(sums) {
            y[row] = sum;
        }
    }
}

/// `a * b + c`, with one rounding if the vectors do so.
fn add(a: f32, b: f32, c: f32) -> f32 {
    if level() >= Level::Avx2 { fma::<true>(a, b, c) } else { fma::<false>(a, b, c) }
}
