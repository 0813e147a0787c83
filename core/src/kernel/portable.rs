//! Matrix products by the `gemm` crate, where the instructions of our own are not there.

use super::matrix::Matrix;

/// `to` (rows `stride` apart) becomes `a [m, k] · b [k, n]`, whose numbers are `x` and `y`, or that is added to it.
///
/// # Safety
/// `a` and `b` lie in their slices (see [`Matrix::check`]), and nobody else uses the m rows of n numbers from `to` on.
#[allow(clippy::too_many_arguments)]
pub unsafe fn multiply(
    to: *mut f32,
    stride: usize,
    [m, n, k]: [usize; 3],
    (a, x): (Matrix, &[f32]),
    (b, y): (Matrix, &[f32]),
    add: bool,
    parallelism: gemm::Parallelism,
) {
    // SAFETY: as promised by the caller
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to,
            1,
            stride as isize,
            add,
            x.as_ptr(),
            a.columns as isize,
            a.rows as isize,
            y.as_ptr(),
            b.columns as isize,
            b.rows as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}
