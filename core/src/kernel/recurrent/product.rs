//! A right operand shared by many steps, packed once if the processor has the instructions.

use crate::kernel::matmul;
use crate::kernel::matrix::{Matrix, Precision};

#[cfg(target_arch = "x86_64")]
use crate::kernel::gemm::{self, Packed};

/// Rows of the packed operand per product: a part that fits a panel, and begins at a tile in every precision.
#[cfg(target_arch = "x86_64")]
const INNER: usize = 256;

/// A matrix [k, n].
pub struct RightOperand<'a> {
    whole: Matrix<'a>,
    k: usize,
    n: usize,
    precision: Precision,
    #[cfg(target_arch = "x86_64")]
    packed: Option<Packed>,
}

impl<'a> RightOperand<'a> {
    pub fn new(whole: Matrix<'a>, k: usize, n: usize, precision: Precision) -> RightOperand<'a> {
        RightOperand {
            whole,
            k,
            n,
            precision,
            #[cfg(target_arch = "x86_64")]
            packed: gemm::is_available(precision).then(|| gemm::pack(whole, k, n, precision)),
        }
    }

    /// Sets `out [m, n]` to `a [m, k]` · this, or adds that to it. On this thread if it is packed. A row of the result does not
    /// depend on the others.
    pub fn multiply(&self, out: &mut [f32], m: usize, a: &[f32], add: bool) {
        #[cfg(target_arch = "x86_64")]
        if let Some(packed) = &self.packed {
            for row in (0..self.k).step_by(INNER) {
                let part = Matrix::rows(&a[row..], self.k);
                let sizes = [m, self.n, INNER.min(self.k - row)];
                gemm::multiply_packed(out, self.n, sizes, part, packed, (row, 0), add || row > 0);
            }
            return;
        }
        matmul::multiply(out, [m, self.n, self.k], Matrix::rows(a, self.k), self.whole, add, self.precision);
    }

    /// Returns its memory for reuse.
    pub fn done(self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(packed) = self.packed {
            packed.done();
        }
    }
}
