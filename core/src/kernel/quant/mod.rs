//! Weights quantized in ggml's blocks: a few bits per number and one or two scales per block. They are never trained.
//!
//! They are stored in the layout of `panel`, sixteen rows interleaved. A product rounds its input to 8 bits, with one scale per
//! 32 numbers (`rounded`), and multiplies integers; or, if f32 is requested, dequantizes some rows at a time and multiplies
//! those. llama.cpp rounds likewise (`ggml_vec_dot_q4_K_q8_K` and similar), with one scale per 256 numbers for the `_k` kinds.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod dots;
mod kinds;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
mod rounded;
#[cfg(target_arch = "x86_64")]
mod vnni;

use super::buffer::unwritten;
use super::matmul::multiply;
use super::matrix::{Matrix, Precision};
use super::team::Board;
use super::view::{array, view};
use super::{Array, fused, matvec, parallel, reference};
use crate::{Result, bail};
use candle_core::quantized::GgmlDType;
use kinds::Kind;
use panel::Places;
pub(super) use panel::ROWS;
use rayon::prelude::*;
use rounded::Rounded;
use std::cell::RefCell;
use std::ops::Range;

/// A matrix `[rows, columns]` in blocks along its rows.
pub struct Blocks {
    format: &'static Format,
    rows: usize,
    columns: usize,
    places: Places,
    lines: Vec<Line>,
}

/// A line of a cache, and of a panel.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; 64]);

/// Rows dequantized at once in a matmul.
const TILE: usize = 256;
/// Panels that rows of `x` are multiplied with in turn, while they are in cache.
const PANELS: usize = 4;

/// Reads the bytes at an offset.
pub type ReadBytes<'a> = dyn Fn(usize, &mut [u8]) -> Result<()> + Sync + 'a;

/// The operations on a kind of blocks.
struct Format {
    kind: GgmlDType,
    places: fn(columns: usize) -> Places,
    pack: fn(rows: &[&[u8]], columns: usize, panel: &mut [u8]),
    unpack: Unpack,
    widen: fn(panel: &[u8], columns: usize, row: usize, to: &mut [f32]),
    products: Products,
}

/// Writes a block, given its row in the panel and its index in the row.
type Unpack = fn(panel: &[u8], columns: usize, place: (usize, usize), block: &mut [u8]);

/// Products of the rows of `x` with the rows of some panels.
type Products = fn(panels: &[u8], places: Places, x: &Rounded, y: &mut [[f32; ROWS]]);

const fn format<K: Kind>(kind: GgmlDType) -> Format {
    Format {
        kind,
        places: Places::of::<K>,
        pack: panel::pack::<K>,
        unpack: panel::unpack::<K>,
        widen: panel::widen::<K>,
        products: dots::products::<K>,
    }
}

const FORMATS: &[Format] = &[
    format::<kinds::Q4_0>(GgmlDType::Q4_0),
    format::<kinds::Q4_1>(GgmlDType::Q4_1),
    format::<kinds::Q5_0>(GgmlDType::Q5_0),
    format::<kinds::Q5_1>(GgmlDType::Q5_1),
    format::<kinds::Q8_0>(GgmlDType::Q8_0),
    format::<kinds::Q2K>(GgmlDType::Q2K),
    format::<kinds::Q3K>(GgmlDType::Q3K),
    format::<kinds::Q4K>(GgmlDType::Q4K),
    format::<kinds::Q5K>(GgmlDType::Q5K),
    format::<kinds::Q6K>(GgmlDType::Q6K),
];

/// The name of a kind: `q4_1`, `q4_k`, `f16`, …
pub fn word(kind: GgmlDType) -> String {
    let name = format!("{kind:?}").to_lowercase();
    if name.contains('_') { name } else { name.replace('k', "_k") }
}

impl Blocks {
    /// Whether weights of this type can stay quantized.
    pub fn keeps(kind: GgmlDType) -> bool {
        FORMATS.iter().any(|format| format.kind == kind)
    }

    /// Reads a matrix from the bytes of a file.
    pub fn new(kind: GgmlDType, [rows, columns]: [usize; 2], bytes: &[u8]) -> Result<Blocks> {
        let row_bytes = row_bytes(kind, columns);
        if bytes.len() != rows * row_bytes {
            bail!("model", "{} bytes are not {rows} rows of {columns} numbers in {kind:?}", bytes.len());
        }
        Blocks::read(kind, [rows, columns], &[], &|start, to| {
            to.copy_from_slice(&bytes[start..start + to.len()]);
            Ok(())
        })
    }

    /// Reads a matrix through `read`, by offset: some rows at a time, to avoid a second copy in memory. `order` is a permutation
    /// of its length of rows, applied to each run of that many rows.
    pub fn read(kind: GgmlDType, [rows, columns]: [usize; 2], order: &[usize], read: &ReadBytes) -> Result<Blocks> {
        let Some(format) = FORMATS.iter().find(|format| format.kind == kind) else {
            bail!("model", "blocks of {kind:?} can't stay as they are");
        };
        if !columns.is_multiple_of(kind.block_size()) {
            bail!("model", "{columns} columns don't divide into blocks of {kind:?}");
        }
        let row_bytes = row_bytes(kind, columns);
        let places = (format.places)(columns);
        let each = places.bytes / 64;
        let mut lines = vec![Line([0; 64]); rows.div_ceil(ROWS) * each];
        let part = part_rows(row_bytes, order.len());
        let packed = |(index, panels): (usize, &mut [Line])| -> Result<()> {
            let first = index * part;
            let count = part.min(rows - first);
            with_buffer(count * row_bytes, |bytes| {
                read(first * row_bytes, bytes)?;
                for (at, panel) in panels.chunks_mut(each).enumerate() {
                    let row = |row: usize| {
                        let row = if order.is_empty() {
                            row
                        } else {
                            row / order.len() * order.len() + order[row % order.len()]
                        };
                        &bytes[row * row_bytes..(row + 1) * row_bytes]
                    };
                    let own: Vec<&[u8]> = (at * ROWS..count.min((at + 1) * ROWS)).map(row).collect();
                    (format.pack)(&own, columns, bytes_of_mut(panel));
                }
                Ok(())
            })
        };
        lines.par_chunks_mut((part / ROWS * each).max(1)).enumerate().try_for_each(packed)?;
        Ok(Blocks { format, rows, columns, places, lines })
    }

    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// `q4_1`, `q8_0`, …
    pub fn kind(&self) -> String {
        word(self.format.kind)
    }

    pub fn ggml_type(&self) -> GgmlDType {
        self.format.kind
    }

    /// Bytes of a row in ggml's blocks.
    pub fn row_bytes(&self) -> usize {
        row_bytes(self.format.kind, self.columns)
    }

    /// Bytes of all blocks in memory.
    pub fn size(&self) -> usize {
        size_of_val(&self.lines[..])
    }

    fn panel(&self, at: usize) -> &[u8] {
        self.panels(at..at + 1)
    }

    fn panels(&self, range: Range<usize>) -> &[u8] {
        let each = self.places.bytes / 64;
        bytes_of(&self.lines[range.start * each..range.end * each])
    }

    /// Some rows in ggml's blocks.
    pub fn bytes(&self, rows: Range<usize>) -> Vec<u8> {
        let (row_bytes, size) = (self.row_bytes(), self.format.kind.type_size());
        let mut bytes = vec![0; rows.len() * row_bytes];
        parallel::pieces(&mut bytes, row_bytes, &|first, to| {
            let row = rows.start + first / row_bytes.max(1);
            for (at, block) in to.chunks_exact_mut(size).enumerate() {
                (self.format.unpack)(self.panel(row / ROWS), self.columns, (row % ROWS, at), block);
            }
        });
        bytes
    }

    /// The numbers of some rows.
    pub fn widen(&self, rows: Range<usize>, to: &mut [f32]) {
        assert_eq!(to.len(), rows.len() * self.columns, "room for other rows");
        for (row, to) in rows.zip(to.chunks_exact_mut(self.columns.max(1))) {
            (self.format.widen)(self.panel(row / ROWS), self.columns, row % ROWS, to);
        }
    }

    /// The numbers of some rows, on all threads.
    fn tile(&self, rows: Range<usize>, to: &mut [f32]) {
        to.par_chunks_mut(ROWS * self.columns).enumerate().for_each(|(index, to)| {
            let start = rows.start + index * ROWS;
            self.widen(start..start + to.len() / self.columns, to);
        });
    }

    /// The matrix in f32.
    pub fn array(&self) -> Result<Array> {
        let mut numbers = unwritten(self.rows * self.columns);
        self.tile(0..self.rows, &mut numbers);
        array(numbers, &[self.rows, self.columns])
    }

    /// Some rows in f32, by their numbers.
    pub fn select(&self, ids: &[u32]) -> Result<Array> {
        let mut numbers = unwritten(ids.len() * self.columns);
        for (id, to) in ids.iter().zip(numbers.chunks_exact_mut(self.columns)) {
            self.widen(*id as usize..*id as usize + 1, to);
        }
        array(numbers, &[ids.len(), self.columns])
    }

    /// Reorders the rows.
    pub fn reordered(&self, order: &[usize]) -> Result<Blocks> {
        let bytes: Vec<u8> = order.iter().flat_map(|&row| self.bytes(row..row + 1)).collect();
        Blocks::new(self.format.kind, [order.len(), self.columns], &bytes)
    }

    fn check(&self, verb: &str, x: &Array, width: usize) -> Result<usize> {
        match x.dims().last() {
            Some(last) if *last == width => Ok(x.elem_count() / width.max(1)),
            _ => bail!(verb, "input of shape {:?} does not fit a weight of shape {:?}", x.dims(), self.dims()),
        }
    }

    /// x [.., in] · weightᵀ for this weight [out, in].
    pub fn linear(&self, x: &Array, precision: Precision) -> Result<Array> {
        let m = self.check("linear", x, self.columns)?;
        if !fused(&[x]) {
            let x = if precision == Precision::Int8 { &reference::round_int8(x)? } else { x };
            return reference::linear(x, &self.array()?.to_device(x.device())?.to_dtype(x.dtype())?, None, false);
        }
        let x = x.contiguous()?;
        let xs = view::<f32>(&x)?;
        let mut y = unwritten(m * self.rows);
        match precision {
            Precision::Int8 => self.rounded_linear(&xs, &mut y)?,
            _ => self.widened_linear(&xs, m, precision, &mut y)?,
        }
        let mut dims = x.dims().to_vec();
        *dims.last_mut().expect("has a last dimension") = self.rows;
        array(y, &dims)
    }

    /// The product by integers.
    fn rounded_linear(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let x = Rounded::of(x, self.columns);
        let (m, panels) = (y.len() / self.rows.max(1), self.rows.div_ceil(ROWS));
        let board = Board::new(y);
        (0..panels.div_ceil(PANELS)).into_par_iter().for_each(|task| {
            let range = task * PANELS..panels.min((task + 1) * PANELS);
            let mut own = vec![[0f32; ROWS]; range.len() * m];
            (self.format.products)(self.panels(range.clone()), self.places, &x, &mut own);
            for i in 0..m {
                for (at, own) in range.clone().zip(own.iter().skip(i).step_by(m)) {
                    let count = ROWS.min(self.rows - at * ROWS);
                    let first = i * self.rows + at * ROWS;
                    // SAFETY: these columns belong to this task alone
                    let to = unsafe { board.write(first..first + count) };
                    match <&mut [f32; ROWS]>::try_from(&mut *to) {
                        Ok(to) => *to = *own,
                        Err(_) => to.copy_from_slice(&own[..count]),
                    }
                }
            }
        });
        crate::cancel::check()
    }

    /// The product by f32 (or bf16), some rows at a time.
    fn widened_linear(&self, xs: &[f32], m: usize, precision: Precision, y: &mut [f32]) -> Result<()> {
        let mut tile = unwritten(TILE.min(self.rows) * self.columns);
        let mut part = unwritten(m * TILE.min(self.rows));
        for start in (0..self.rows).step_by(TILE) {
            let count = TILE.min(self.rows - start);
            let (tile, part) = (&mut tile[..count * self.columns], &mut part[..m * count]);
            self.tile(start..start + count, tile);
            let (a, b) = (Matrix::rows(xs, self.columns), Matrix::rows(&*tile, self.columns).t());
            multiply(part, [m, count, self.columns], a, b, false, precision);
            for (y, part) in y.chunks_exact_mut(self.rows).zip(part.chunks_exact(count)) {
                y[start..start + count].copy_from_slice(part);
            }
            crate::cancel::check()?;
        }
        Ok(())
    }

    /// The gradient of x: grad · weight.
    pub fn linear_input(&self, grad: &Array, precision: Precision) -> Result<Array> {
        let m = self.check("linear", grad, self.rows)?;
        if !fused(&[grad]) {
            return reference::linear_input(grad, &self.array()?.to_device(grad.device())?, false);
        }
        let grad = grad.contiguous()?;
        let g = view::<f32>(&grad)?;
        let mut dx = unwritten(m * self.columns);
        let mut tile = unwritten(TILE.min(self.rows) * self.columns);
        for start in (0..self.rows).step_by(TILE) {
            let count = TILE.min(self.rows - start);
            let tile = &mut tile[..count * self.columns];
            self.tile(start..start + count, tile);
            let a = Matrix { values: (&g[start..]).into(), rows: self.rows, columns: 1 };
            let b = Matrix::rows(&*tile, self.columns);
            multiply(&mut dx, [m, self.columns, count], a, b, start > 0, precision);
            crate::cancel::check()?;
        }
        let mut dims = grad.dims().to_vec();
        *dims.last_mut().expect("has a last dimension") = self.columns;
        array(dx, &dims)
    }

    /// Dot products of rows of `x` with these rows of the matrix, in `y` row by row: as in [`Blocks::linear`].
    pub(super) fn rows(&self, x: &[f32], range: Range<usize>, precision: Precision, y: &mut [f32]) {
        if precision != Precision::Int8 {
            let mut wide = unwritten(range.len() * self.columns);
            self.widen(range.clone(), &mut wide);
            return matvec::rows(x, self.columns, (&wide[..]).into(), self.columns, 0..range.len(), y);
        }
        let x = Rounded::of(x, self.columns);
        let m = x.rows();
        let mut own = vec![[0f32; ROWS]; m];
        for at in range.start / ROWS..range.end.div_ceil(ROWS) {
            (self.format.products)(self.panel(at), self.places, &x, &mut own);
            let (start, end) = (range.start.max(at * ROWS), range.end.min((at + 1) * ROWS));
            for (own, y) in own.iter().zip(y.chunks_exact_mut(range.len())) {
                y[start - range.start..end - range.start].copy_from_slice(&own[start - at * ROWS..end - at * ROWS]);
            }
        }
    }
}

/// Bytes of a row in ggml's blocks.
fn row_bytes(kind: GgmlDType, columns: usize) -> usize {
    columns / kind.block_size() * kind.type_size()
}

/// Rows read at once: whole panels, and whole runs of reordered rows.
fn part_rows(row_bytes: usize, order: usize) -> usize {
    const BYTES: usize = 256 << 10;
    let mut least = ROWS;
    while order > 0 && !least.is_multiple_of(order) {
        least += ROWS;
    }
    (BYTES / (least * row_bytes).max(1)).max(1) * least
}

/// Lends a per-thread buffer: newly allocated memory must be zeroed by the system.
fn with_buffer<T>(bytes: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    let mut buffer = BUFFER.take();
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
    let done = work(&mut buffer[..bytes]);
    BUFFER.set(buffer);
    done
}

fn bytes_of(lines: &[Line]) -> &[u8] {
    // SAFETY: a line is contiguous bytes
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines)) }
}

fn bytes_of_mut(lines: &mut [Line]) -> &mut [u8] {
    // SAFETY: a line is contiguous bytes
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), size_of_val(lines)) }
}
