//! Matrices over slices, as operands of the matmul kernels.

use super::view::{View, view};
use super::{Array, DType};
use crate::Result;
use half::bf16;

/// Precision of the operands of a matmul; sums and weights stay f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    F32,
    Bf16,
    /// Each f32 as the sum of three bf16.
    Bf16x3,
    /// Rounded to 8 bits when multiplied with quantized weights, otherwise f32.
    Int8,
}

/// The numbers of an operand.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
}

/// A matrix in a slice: element (row, column) is at `row * rows + column * columns`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub values: Values<'a>,
    pub rows: usize,
    pub columns: usize,
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Values::F32(values)
    }
}

impl<'a> From<&'a [bf16]> for Values<'a> {
    fn from(values: &'a [bf16]) -> Self {
        Values::Bf16(values)
    }
}

impl<'a> Matrix<'a> {
    /// Row-major, `width` numbers per row.
    pub fn rows(values: impl Into<Values<'a>>, width: usize) -> Matrix<'a> {
        Matrix { values: values.into(), rows: width, columns: 1 }
    }

    pub fn t(self) -> Matrix<'a> {
        Matrix { rows: self.columns, columns: self.rows, ..self }
    }

    fn len(&self) -> usize {
        match self.values {
            Values::F32(values) => values.len(),
            Values::Bf16(values) => values.len(),
        }
    }

    /// Panics unless it has this many rows and columns: the unsafe code below relies on it.
    pub(super) fn check(&self, rows: usize, columns: usize) {
        let fits = rows == 0 || columns == 0 || self.len() > (rows - 1) * self.rows + (columns - 1) * self.columns;
        assert!(fits, "an operand is too short");
    }
}

/// One number of a matrix: for slow references in plain Rust.
pub fn at(x: &Matrix, row: usize, column: usize) -> f32 {
    let at = row * x.rows + column * x.columns;
    match x.values {
        Values::F32(values) => values[at],
        Values::Bf16(values) => values[at].to_f32(),
    }
}

/// The numbers of a weight, in f32 or bf16.
pub enum MatrixView<'a> {
    F32(View<'a, f32>),
    Bf16(View<'a, bf16>),
}

impl<'a> MatrixView<'a> {
    /// A view of a contiguous array.
    pub fn of(array: &'a Array) -> Result<MatrixView<'a>> {
        Ok(match array.dtype() {
            DType::BF16 => MatrixView::Bf16(view(array)?),
            _ => MatrixView::F32(view(array)?),
        })
    }

    /// A row of the matrix, as f32.
    pub fn row(&self, row: usize, to: &mut [f32]) {
        let range = row * to.len()..(row + 1) * to.len();
        match self {
            MatrixView::F32(values) => to.copy_from_slice(&values[range]),
            MatrixView::Bf16(values) => to.iter_mut().zip(&values[range]).for_each(|(to, from)| *to = from.to_f32()),
        }
    }

    /// Row-major, `width` numbers per row.
    pub fn rows(&self, width: usize) -> Matrix<'_> {
        match self {
            MatrixView::F32(values) => Matrix::rows(&values[..], width),
            MatrixView::Bf16(values) => Matrix::rows(&values[..], width),
        }
    }
}
