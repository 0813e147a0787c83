//! Weights quantized in ggml's blocks: a few bits a number and one or two scales a block. They are dequantized where a
//! matmul needs them, some rows at a time, and are never trained.

use super::buffer::unwritten;
use super::matmul::multiply;
use super::matrix::{Matrix, Precision};
use super::view::{array, view};
use super::{Array, fused, matvec, reference};
use crate::{Result, bail};
use candle_core::quantized::{GgmlDType, GgmlType, k_quants::*};
use rayon::prelude::*;
use std::ops::Range;

/// A matrix `[rows, columns]` in blocks along its rows.
pub struct Blocks {
    kind: GgmlDType,
    rows: usize,
    columns: usize,
    /// In words of 64 bits, for the alignment of the blocks.
    words: Vec<u64>,
}

/// Rows dequantized at once in a matmul.
const TILE: usize = 256;

/// Calls a generic function with the block type of a kind.
macro_rules! by_kind {
    ($kind:expr, $call:ident($($arg:expr),*)) => {
        match $kind {
            GgmlDType::Q4_0 => $call::<BlockQ4_0>($($arg),*),
            GgmlDType::Q4_1 => $call::<BlockQ4_1>($($arg),*),
            GgmlDType::Q5_0 => $call::<BlockQ5_0>($($arg),*),
            GgmlDType::Q5_1 => $call::<BlockQ5_1>($($arg),*),
            GgmlDType::Q8_0 => $call::<BlockQ8_0>($($arg),*),
            GgmlDType::Q2K => $call::<BlockQ2K>($($arg),*),
            GgmlDType::Q3K => $call::<BlockQ3K>($($arg),*),
            GgmlDType::Q4K => $call::<BlockQ4K>($($arg),*),
            GgmlDType::Q5K => $call::<BlockQ5K>($($arg),*),
            GgmlDType::Q6K => $call::<BlockQ6K>($($arg),*),
            GgmlDType::Q8K => $call::<BlockQ8K>($($arg),*),
            other => bail!("model", "blocks of {other:?} can't stay as they are"),
        }
    };
}

/// Bytes as blocks.
fn blocks<T: GgmlType>(bytes: &[u8]) -> &[T] {
    // SAFETY: the block types are plain numbers without padding, for which all bits are valid
    let (before, blocks, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty(), "bytes that are not whole blocks");
    blocks
}

fn widen<T: GgmlType>(bytes: &[u8], to: &mut [f32]) -> Result<()> {
    T::to_float(blocks::<T>(bytes), to);
    Ok(())
}

/// What a kind is called: `q4_1`, `q4_k`, `f16`, …
pub fn word(kind: GgmlDType) -> String {
    let name = format!("{kind:?}").to_lowercase();
    if name.contains('_') { name } else { name.replace('k', "_k") }
}

impl Blocks {
    /// Whether weights of this type can stay quantized.
    pub fn keeps(kind: GgmlDType) -> bool {
        use GgmlDType::*;
        matches!(kind, Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | Q2K | Q3K | Q4K | Q5K | Q6K | Q8K)
    }

    /// From the bytes of a file.
    pub fn new(kind: GgmlDType, [rows, columns]: [usize; 2], bytes: &[u8]) -> Result<Blocks> {
        if !Blocks::keeps(kind) || !columns.is_multiple_of(kind.block_size()) {
            bail!("model", "{columns} columns don't divide into blocks of {kind:?}");
        }
        let blocks = Blocks { kind, rows, columns, words: vec![0; bytes.len().div_ceil(8)] };
        if bytes.len() != rows * blocks.row_bytes() {
            bail!("model", "{} bytes are not {rows} rows of {columns} numbers in {kind:?}", bytes.len());
        }
        Ok(blocks.filled(bytes))
    }

    fn filled(mut self, bytes: &[u8]) -> Blocks {
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(eight);
        }
        self
    }

    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// `q4_1`, `q8_0`, …
    pub fn kind(&self) -> String {
        word(self.kind)
    }

    pub fn ggml_type(&self) -> GgmlDType {
        self.kind
    }

    pub fn is_q8(&self) -> bool {
        self.kind == GgmlDType::Q8_0
    }

    pub fn row_bytes(&self) -> usize {
        self.columns / self.kind.block_size() * self.kind.type_size()
    }

    /// The bytes of some rows.
    pub fn bytes(&self, rows: Range<usize>) -> &[u8] {
        // SAFETY: any numbers are bytes
        let (_, bytes, _) = unsafe { self.words.align_to::<u8>() };
        &bytes[rows.start * self.row_bytes()..rows.end * self.row_bytes()]
    }

    /// The numbers of some rows.
    pub fn widen(&self, rows: Range<usize>, to: &mut [f32]) -> Result<()> {
        assert_eq!(to.len(), rows.len() * self.columns, "room for other rows");
        by_kind!(self.kind, widen(self.bytes(rows), to))
    }

    /// The numbers of some rows, on all threads.
    fn tile(&self, rows: Range<usize>, to: &mut [f32]) -> Result<()> {
        const STEP: usize = 16;
        to.par_chunks_mut(STEP * self.columns).enumerate().try_for_each(|(index, to)| {
            let start = rows.start + index * STEP;
            self.widen(start..start + to.len() / self.columns, to)
        })
    }

    /// The matrix in f32.
    pub fn array(&self) -> Result<Array> {
        let mut numbers = unwritten(self.rows * self.columns);
        self.tile(0..self.rows, &mut numbers)?;
        array(numbers, &[self.rows, self.columns])
    }

    /// Some rows in f32, by their numbers.
    pub fn select(&self, ids: &[u32]) -> Result<Array> {
        let mut numbers = unwritten(ids.len() * self.columns);
        for (id, to) in ids.iter().zip(numbers.chunks_exact_mut(self.columns)) {
            self.widen(*id as usize..*id as usize + 1, to)?;
        }
        array(numbers, &[ids.len(), self.columns])
    }

    /// Reorders the rows.
    pub fn reordered(&self, order: &[usize]) -> Result<Blocks> {
        let bytes: Vec<u8> = order.iter().flat_map(|&row| self.bytes(row..row + 1)).copied().collect();
        Blocks::new(self.kind, [order.len(), self.columns], &bytes)
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
            return reference::linear(x, &self.array()?.to_device(x.device())?.to_dtype(x.dtype())?, None, false);
        }
        let x = x.contiguous()?;
        let xs = view::<f32>(&x)?;
        let xs: &[f32] = &xs;
        let mut y = unwritten(m * self.rows);
        let mut tile = unwritten(TILE.min(self.rows) * self.columns);
        let mut part = unwritten(m * TILE.min(self.rows));
        for start in (0..self.rows).step_by(TILE) {
            let count = TILE.min(self.rows - start);
            let (tile, part) = (&mut tile[..count * self.columns], &mut part[..m * count]);
            self.tile(start..start + count, tile)?;
            let (a, b) = (Matrix::rows(xs, self.columns), Matrix::rows(&*tile, self.columns).t());
            multiply(part, [m, count, self.columns], a, b, false, precision);
            for (y, part) in y.chunks_exact_mut(self.rows).zip(part.chunks_exact(count)) {
                y[start..start + count].copy_from_slice(part);
            }
            crate::cancel::check()?;
        }
        let mut dims = x.dims().to_vec();
        *dims.last_mut().expect("has a last dimension") = self.rows;
        array(y, &dims)
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
            self.tile(start..start + count, tile)?;
            let a = Matrix { values: (&g[start..]).into(), rows: self.rows, columns: 1 };
            let b = Matrix::rows(&*tile, self.columns);
            multiply(&mut dx, [m, self.columns, count], a, b, start > 0, precision);
            crate::cancel::check()?;
        }
        let mut dims = grad.dims().to_vec();
        *dims.last_mut().expect("has a last dimension") = self.columns;
        array(dx, &dims)
    }

    /// Dots of rows of `x` with these rows of the matrix: see [`matvec::rows`].
    pub(super) fn rows(&self, x: &[f32], range: Range<usize>, y: &mut [f32]) {
        if self.is_q8() && matvec::q8_rows(x, self.columns, self.bytes(range.clone()), y) {
            return;
        }
        let mut wide = unwritten(range.len() * self.columns);
        self.widen(range.clone(), &mut wide).expect("a kind that stays in blocks");
        matvec::rows(x, self.columns, (&wide[..]).into(), self.columns, 0..range.len(), y);
    }
}
