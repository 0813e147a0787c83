//! Losses.

use super::{Scalar, add, cast, gather, log_softmax, mean, multiply, reshape, square, subtract, sum, where_};
use crate::tensor::values::{array, each, values_i64};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail};

/// The reduction of a loss over its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    Mean,
    Sum,
    None,
}

impl Reduction {
    /// Of losses that are computed wide, in the dtype of the input.
    fn of(self, losses: &Tensor, dtype: DType) -> Result<Tensor> {
        cast(&self.reduced(losses)?, dtype)
    }

    fn reduced(self, losses: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::Mean => mean(losses, None, false),
            Reduction::Sum => sum(losses, None, false),
            Reduction::None => Ok(losses.clone()),
        }
    }
}

/// The loss of predicting class `targets` by the scores in the last dimension of `logits`. Targets that equal
/// `ignore` don't count, and the mean is over those that do. Smoothing spreads that share of the target over all
/// classes (Szegedy et al. 2015).
pub fn cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    ignore: i64,
    smoothing: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    const WHO: &str = "cross_entropy";
    let dims = logits.shape();
    let Some((classes, rows)) = dims.split_last() else { bail!(WHO, "the logits are a single number") };
    if targets.shape() != rows {
        bail!(WHO, "targets of shape {:?} for logits of shape {dims:?}, which want {rows:?}", targets.shape());
    }
    if !(0.0..1.0).contains(&smoothing) {
        bail!(WHO, "smoothing {smoothing} is not in 0 to 1");
    }
    let given = targets.value();
    let ids = values_i64(WHO, &given)?;
    if let Some(id) = ids.iter().find(|id| **id != ignore && !(0..*classes as i64).contains(*id)) {
        return Err(Error::new(WHO, format!("target {id} is not one of {classes} classes"))
            .help(format!("{ignore} marks a target that does not count")));
    }
    let count = ids.iter().filter(|id| **id != ignore).count();
    if count == 0 {
        bail!(WHO, "all {} targets are {ignore}: there is nothing to learn", ids.len());
    }

    let (logits, dtype) = (widened(logits)?, super::real(logits)?.dtype());
    let logs = reshape(&log_softmax(&logits, -1)?, &[-1, *classes as i64])?;
    let column = ids.iter().map(|id| if *id == ignore { 0 } else { *id }).collect();
    let hit = gather(&logs, 1, &array::<i64>(column, &[ids.len(), 1], &given)?.into())?;
    let mut losses = multiply(reshape(&hit, &[-1])?, smoothing - 1.0)?;
    if smoothing > 0.0 {
        losses = add(losses, multiply(mean(&logs, Some(&[1]), false)?, -smoothing)?)?;
    }
    if count < ids.len() {
        let counts = ids.iter().map(|id| u8::from(*id != ignore)).collect();
        losses = where_(&array::<u8>(counts, &[ids.len()], &given)?.into(), losses, Scalar::Float(0.0))?;
    }
    let reduced = match reduction {
        Reduction::Mean => super::divide(sum(&losses, None, false)?, count as f64),
        Reduction::Sum => sum(&losses, None, false),
        Reduction::None => reshape(&losses, &rows.iter().map(|size| *size as i64).collect::<Vec<_>>()),
    };
    cast(&reduced?, dtype)
}

/// Halves in f32: a square of them, or a sum of losses, may be beyond them where the mean is not.
fn widened(x: &Tensor) -> Result<Tensor> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { cast(x, DType::F32) } else { Ok(x.clone()) }
}

/// Computes the squared error.
pub fn mse(x: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    same_shape("mse", x, target)?;
    let dtype = super::real(&subtract(x, target)?)?.dtype();
    reduction.of(&square(&subtract(&widened(x)?, &widened(target)?)?)?, dtype)
}

/// Computes the binary cross-entropy of probabilities (or logits) for targets from 0 to 1.
///
/// As in PyTorch, the logarithm of a probability is held above -100.
pub fn binary_cross_entropy(x: &Tensor, target: &Tensor, logits: bool, reduction: Reduction) -> Result<Tensor> {
    same_shape("bce", x, target)?;
    let dtype = super::real(x)?.dtype();
    let x = widened(&super::real(x)?)?;
    let target = cast(target, x.dtype())?;
    let losses = if logits { logit_losses(&x, &target)? } else { share_losses(&x, &target)? };
    reduction.of(&losses, dtype)
}

fn logit_losses(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (p, y) = (x.value(), target.value());
    let losses = each!(&p, &y; |x, y| (1.0 - y) * x + (if x > 0.0 { 0.0 } else { -x }) + (-x.abs()).exp().ln_1p())?;
    Ok(Tensor::derive(losses, [x, target], move |grad, flow| {
        flow.add(0, || each!(&p, &y, &grad; |x, y, g| (1.0 / (1.0 + (-x).exp()) - y) * g))?;
        flow.add(1, || each!(&p, &grad; |x, g| -x * g))
    }))
}

fn share_losses(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (p, y) = (x.value(), target.value());
    if let Some(odd) = crate::tensor::values::values_f64(&p)?.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::new("bce", format!("{odd} is not a probability"))
            .help("use `.sigmoid()`, or the option `logits: true`"));
    }
    let losses = each!(&p, &y; |p, y| -(y * p.ln().max(-100.0) + (1.0 - y) * (-p).ln_1p().max(-100.0)))?;
    Ok(Tensor::derive(losses, [x, target], move |grad, flow| {
        flow.add(0, || each!(&p, &y, &grad; |p, y, g| g * (p - y) / (p * (1.0 - p)).max(1e-12)))?;
        flow.add(1, || each!(&p, &grad; |p, g| g * ((-p).ln_1p().max(-100.0) - p.ln().max(-100.0))))
    }))
}

/// Broadcasting here is nearly always a mistake: `[n, 1]` with `[n]` gives `n²` distances.
fn same_shape(who: &str, x: &Tensor, target: &Tensor) -> Result<()> {
    if x.shape() != target.shape() {
        bail!(who, "shapes {:?} and {:?} are not the same", x.shape(), target.shape());
    }
    Ok(())
}
