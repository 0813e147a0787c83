//! Parts that some LoRA initializations subtract from a weight: PiSSA (Meng et al. 2024) the principal part, OLoRA (Büyükakyüz
//! 2024) the projection on the first columns.

use crate::tensor::{Array, DType, Device};
use crate::{Result, cancel};

/// The nearest matrix of this rank to `weight [out, in]`: its part along the largest singular vectors.
pub fn principal(weight: &Array, rank: usize) -> Result<Array> {
    let w = weight.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let (out, inp) = w.dims2()?;
    // use the smaller side, whose eigenvectors are singular vectors
    let wide = out <= inp;
    let gram = if wide { w.matmul(&w.t()?)? } else { w.t()?.matmul(&w)? };
    let size = out.min(inp);
    let vectors = Symmetric::new(gram.flatten_all()?.to_vec1()?, size)?.largest(rank.min(size))?;
    let basis = Array::from_vec(vectors, (rank.min(size), size), &Device::Cpu)?;
    let part = if wide { basis.t()?.matmul(&basis.matmul(&w)?)? } else { w.matmul(&basis.t()?)?.matmul(&basis)? };
    Ok(part.to_dtype(DType::F32)?.to_device(weight.device())?)
}

/// `weight [out, in]` projected on the span of its first `rank` columns: Q R of its QR decomposition, truncated to the rank.
pub fn leading(weight: &Array, rank: usize) -> Result<Array> {
    let w = weight.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let (out, inp) = w.dims2()?;
    let rank = rank.min(out).min(inp);
    let columns: Vec<Vec<f64>> = w.narrow(1, 0, rank)?.t()?.contiguous()?.to_vec2()?;
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for mut column in columns {
        // twice: one pass is not orthogonal enough
        for _ in 0..2 {
            for other in &basis {
                let by = dot(&column, other);
                column.iter_mut().zip(other).for_each(|(x, y)| *x -= by * y);
            }
        }
        let norm = dot(&column, &column).sqrt();
        if norm > 0.0 {
            column.iter_mut().for_each(|x| *x /= norm);
            basis.push(column);
        }
    }
    let q = Array::from_vec(basis.concat(), (basis.len(), out), &Device::Cpu)?;
    Ok(q.t()?.matmul(&q.matmul(&w)?)?.to_dtype(DType::F32)?.to_device(weight.device())?)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A symmetric matrix as Q T Qᵀ with a tridiagonal T: by reflections (Householder), then by rotations until T is diagonal
/// (implicit QL). Golub and Van Loan, Matrix Computations, 8.3.
struct Symmetric {
    size: usize,
    /// Concatenated columns of Q.
    q: Vec<Vec<f64>>,
    diagonal: Vec<f64>,
    /// The subdiagonal, followed by a 0.
    below: Vec<f64>,
}

impl Symmetric {
    fn new(mut a: Vec<f64>, n: usize) -> Result<Symmetric> {
        let mut reflections: Vec<Vec<f64>> = Vec::new();
        let (mut diagonal, mut below) = (vec![0.0; n], vec![0.0; n]);
        for k in 0..n.saturating_sub(2) {
            cancel::check()?;
            // v reflects the column below the diagonal onto its first entry
            let mut v = vec![0.0; n];
            for i in k + 1..n {
                v[i] = a[i * n + k];
            }
            let norm = dot(&v, &v).sqrt();
            below[k] = if v[k + 1] > 0.0 { -norm } else { norm };
            v[k + 1] -= below[k];
            let length = dot(&v, &v);
            if length > 0.0 {
                v.iter_mut().for_each(|x| *x /= length.sqrt());
                // a − v wᵀ − w vᵀ with w = 2 (p − (vᵀp) v), p = a v
                let p: Vec<f64> = (0..n).map(|i| if i > k { dot(&a[i * n..][..n], &v) } else { 0.0 }).collect();
                let by = dot(&v, &p);
                let w: Vec<f64> = p.iter().zip(&v).map(|(p, v)| 2.0 * (p - by * v)).collect();
                for i in k + 1..n {
                    let (vi, wi) = (v[i], w[i]);
                    a[i * n..][..n].iter_mut().zip(v.iter().zip(&w)).for_each(|(x, (v, w))| *x -= vi * w + wi * v);
                }
            }
            reflections.push(v);
        }
        for k in 0..n {
            diagonal[k] = a[k * n + k];
        }
        if n > 1 {
            below[n - 2] = a[(n - 1) * n + n - 2];
        }
        // Q is the product of the reflections, applied to the columns of the identity from the last to the first
        let mut q: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        for v in reflections.iter().rev() {
            cancel::check()?;
            for column in &mut q {
                let by = 2.0 * dot(column, v);
                column.iter_mut().zip(v).for_each(|(x, v)| *x -= by * v);
            }
        }
        let mut found = Symmetric { size: n, q, diagonal, below };
        found.diagonalize()?;
        Ok(found)
    }

    fn diagonalize(&mut self) -> Result<()> {
        for low in 0..self.size {
            // a handful of rounds per eigenvalue; the bound is for matrices of NaN
            for _ in 0..64 {
                cancel::check()?;
                let small = |i: usize| {
                    let beside = self.diagonal[i].abs() + self.diagonal[i + 1].abs();
                    self.below[i].abs() <= f64::EPSILON * beside
                };
                let high = (low..self.size - 1).find(|&i| small(i)).unwrap_or(self.size - 1);
                if high == low {
                    break;
                }
                self.sweep(low, high);
            }
        }
        Ok(())
    }

    /// One round of rotations from `high` down to `low`, with Wilkinson's shift.
    fn sweep(&mut self, low: usize, high: usize) {
        let (d, e) = (&mut self.diagonal, &mut self.below);
        let g = (d[low + 1] - d[low]) / (2.0 * e[low]);
        let r = g.hypot(1.0);
        let mut g = d[high] - d[low] + e[low] / (g + if g >= 0.0 { r } else { -r });
        let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
        for i in (low..high).rev() {
            let (f, b) = (s * e[i], c * e[i]);
            let r = f.hypot(g);
            e[i + 1] = r;
            if r == 0.0 {
                d[i + 1] -= p;
                e[high] = 0.0;
                return;
            }
            (s, c) = (f / r, g / r);
            g = d[i + 1] - p;
            let r = (d[i] - g) * s + 2.0 * c * b;
            p = s * r;
            d[i + 1] = g + p;
            g = c * r - b;
            let (left, right) = self.q.split_at_mut(i + 1);
            for (x, y) in left[i].iter_mut().zip(right[0].iter_mut()) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
        d[low] -= p;
        e[low] = g;
        e[high] = 0.0;
    }

    /// The eigenvectors of the `count` largest eigenvalues, concatenated.
    fn largest(&self, count: usize) -> Result<Vec<f64>> {
        let mut order: Vec<usize> = (0..self.size).collect();
        order.sort_by(|&a, &b| self.diagonal[b].total_cmp(&self.diagonal[a]));
        Ok(order.into_iter().take(count).flat_map(|at| self.q[at].iter().copied()).collect())
    }
}
