//! Softmax, log-softmax and log-sum-exp along one dimension.

use super::reduce::chosen;
use super::{dimension, lines, real, there, transpose};
use crate::Result;
use crate::tensor::Tensor;
use crate::tensor::values::rows;

/// Computes the softmax along a dimension.
pub fn softmax(x: &Tensor, dim: i64) -> Result<Tensor> {
    along_last("softmax", x, dim, |x| {
        if there::is_there(&x.value()) {
            return there::softmax(x);
        }
        let value = rows!(&x.value(); |x, y| {
            let most = x.iter().fold(x[0], |a, b| if *b > a || b.is_nan() { *b } else { a });
            let mut sum = 0.0;
            for (y, x) in y.iter_mut().zip(x) {
                *y = (*x - most).exp();
                sum += *y;
            }
            y.iter_mut().for_each(|y| *y /= sum);
        })?;
        let shares = value.clone();
        Ok(Tensor::derive(value, [x], move |grad, flow| {
            flow.add(0, || {
                rows!(&shares, &grad; |y, g, out| {
                    let mut dot = 0.0;
                    y.iter().zip(g).for_each(|(y, g)| dot += *y * *g);
                    for (out, (y, g)) in out.iter_mut().zip(y.iter().zip(g)) {
                        *out = *y * (*g - dot);
                    }
                })
            })
        }))
    })
}

/// The logarithm of [`softmax`], accurate for small probabilities.
pub fn log_softmax(x: &Tensor, dim: i64) -> Result<Tensor> {
    along_last("log_softmax", x, dim, |x| {
        if there::is_there(&x.value()) {
            return there::log_softmax(x);
        }
        let value = rows!(&x.value(); |x, y| {
            let most = x.iter().fold(x[0], |a, b| if *b > a || b.is_nan() { *b } else { a });
            let mut sum = 0.0;
            x.iter().for_each(|x| sum += (*x - most).exp());
            // separately: next to a large number the logarithm would be lost
            let all = sum.ln();
            y.iter_mut().zip(x).for_each(|(y, x)| *y = *x - most - all);
        })?;
        let logs = value.clone();
        Ok(Tensor::derive(value, [x], move |grad, flow| {
            flow.add(0, || {
                rows!(&logs, &grad; |y, g, out| {
                    let mut sum = 0.0;
                    g.iter().for_each(|g| sum += *g);
                    for (out, (y, g)) in out.iter_mut().zip(y.iter().zip(g)) {
                        *out = *g - y.exp() * sum;
                    }
                })
            })
        }))
    })
}

/// The logarithm of the sum of exponentials over the given dimensions.
pub fn logsumexp(x: &Tensor, over: &[i64], keep: bool) -> Result<Tensor> {
    let x = real(x)?;
    let input = x.value();
    let over = chosen("logsumexp", input.dims(), Some(over))?;
    let value = lines::reduce(&input, &over, keep, log_sum)?;
    let result = value.clone();
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || {
            lines::gradient(&input, &over, &result, &grad, |line, _, grad| {
                // not from the result, which is rounded
                let all = log_sum(line);
                line.iter().map(|x| grad * (x - all).exp()).collect()
            })
        })
    }))
}

fn log_sum(line: &[f64]) -> f64 {
    let most = line.iter().fold(f64::NEG_INFINITY, |a, b| if *b > a || b.is_nan() { *b } else { a });
    // subtracting the maximum keeps the exponentials in range; an infinite one would make NaN
    let shift = if most.is_finite() { most } else { 0.0 };
    shift + line.iter().fold(0.0, |sum, x| sum + (x - shift).exp()).ln()
}

/// Runs an operation along the last dimension on another dimension.
fn along_last(who: &str, x: &Tensor, dim: i64, run: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let x = real(x)?;
    let dims = x.shape();
    let axis = dimension(who, &dims, dim)?;
    if axis + 1 == dims.len() {
        return run(&x);
    }
    transpose(&run(&transpose(&x, axis as i64, -1)?)?, axis as i64, -1)
}
