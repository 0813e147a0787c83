//! Matrix products by the `gemm` crate, for processors without the instructions of our kernels.

use super::matrix::Matrix;

/// Sets `to` (rows `stride` apart) to `a [m, k] · b [k, n]`, with numbers `x` and `y`, or adds that to it.
///
/// # Safety
/// `a` and `b` are inside their slices (see [`Matrix::check`]), and nothing else uses the m rows of n numbers from `to` on.
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
