//! Losses.

use super::{
    Scalar, add, cast, exp, gather, index_select, log_softmax, logsigmoid, mean, multiply, negate, power, reshape,
    square, subtract, sum, where_,
};
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
    /// Reduces losses computed in f32 or wider, to the dtype of the input.
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

/// Options of a cross-entropy.
#[derive(Clone)]
pub struct CrossEntropy {
    /// The ignored target.
    pub ignore: i64,
    /// Share of the target spread over all classes (Szegedy et al. 2015).
    pub smoothing: f64,
    /// Class weights, `[classes]`; the mean is then weighted by the targets' classes.
    pub weight: Option<Tensor>,
    /// A loss is multiplied by (1 - p)^gamma of the target's probability p (focal loss: Lin et al. 2017).
    pub gamma: f64,
    pub reduction: Reduction,
}

impl Default for CrossEntropy {
    fn default() -> CrossEntropy {
        CrossEntropy { ignore: -100, smoothing: 0.0, weight: None, gamma: 0.0, reduction: Reduction::Mean }
    }
}

impl CrossEntropy {
    fn check(&self, classes: usize) -> Result<()> {
        const WHO: &str = "cross_entropy";
        if !(0.0..1.0).contains(&self.smoothing) {
            bail!(WHO, "smoothing {} is not in 0 to 1", self.smoothing);
        }
        if !(self.gamma >= 0.0 && self.gamma.is_finite()) {
            bail!(WHO, "gamma {} is not 0 or above", self.gamma);
        }
        if self.gamma > 0.0 && self.smoothing > 0.0 {
            bail!(WHO, "gamma and smoothing do not go together: a focal loss has one target");
        }
        match &self.weight {
            Some(weight) if weight.shape() != [classes] => {
                bail!(WHO, "a weight of shape {:?} for {classes} classes", weight.shape())
            }
            _ => Ok(()),
        }
    }
}

/// The loss of predicting class `targets` by the scores in the last dimension of `logits`. The mean is over the targets that are
/// not ignored.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, how: &CrossEntropy) -> Result<Tensor> {
    const WHO: &str = "cross_entropy";
    let dims = logits.shape();
    let Some((classes, rows)) = dims.split_last() else { bail!(WHO, "the logits are a single number") };
    if targets.shape() != rows {
        bail!(WHO, "targets of shape {:?} for logits of shape {dims:?}, which want {rows:?}", targets.shape());
    }
    how.check(*classes)?;
    let given = targets.value();
    let ids = values_i64(WHO, &given)?;
    if let Some(id) = ids.iter().find(|id| **id != how.ignore && !(0..*classes as i64).contains(*id)) {
        return Err(Error::new(WHO, format!("target {id} is not one of {classes} classes"))
            .help(format!("{} marks a target that does not count", how.ignore)));
    }
    let count = ids.iter().filter(|id| **id != how.ignore).count();
    if count == 0 {
        bail!(WHO, "all {} targets are {}: there is nothing to learn", ids.len(), how.ignore);
    }

    let (logits, dtype) = (widened(logits)?, super::real(logits)?.dtype());
    let logs = reshape(&log_softmax(&logits, -1)?, &[-1, *classes as i64])?;
    let column: Vec<i64> = ids.iter().map(|id| if *id == how.ignore { 0 } else { *id }).collect();
    let places: Tensor = array::<i64>(column, &[ids.len(), 1], &given)?.into();
    let hit = reshape(&gather(&logs, 1, &places)?, &[-1])?;
    let weight = how.weight.as_ref().map(|weight| cast(&weight.detach(), logs.dtype())).transpose()?;
    let of_targets = weight.as_ref().map(|weight| index_select(weight, 0, &reshape(&places, &[-1])?)).transpose()?;
    let mut losses = multiply(&hit, how.smoothing - 1.0)?;
    if how.gamma > 0.0 {
        losses = multiply(losses, power(subtract(1.0, exp(&hit)?)?, how.gamma)?)?;
    }
    if let Some(weight) = &of_targets {
        losses = multiply(losses, weight)?;
    }
    if how.smoothing > 0.0 {
        let spread = match &weight {
            Some(weight) => multiply(&logs, weight)?,
            None => logs.clone(),
        };
        losses = add(losses, multiply(mean(&spread, Some(&[1]), false)?, -how.smoothing)?)?;
    }
    let mut whole = of_targets;
    if count < ids.len() {
        let counts = ids.iter().map(|id| u8::from(*id != how.ignore)).collect();
        let counts: Tensor = array::<u8>(counts, &[ids.len()], &losses.value())?.into();
        losses = where_(&counts, losses, Scalar::Float(0.0))?;
        whole = whole.map(|whole| where_(&counts, whole, Scalar::Float(0.0))).transpose()?;
    }
    let reduced = match how.reduction {
        Reduction::Mean => match whole {
            Some(whole) => super::divide(sum(&losses, None, false)?, sum(&whole, None, false)?),
            None => super::divide(sum(&losses, None, false)?, count as f64),
        },
        Reduction::Sum => sum(&losses, None, false),
        Reduction::None => reshape(&losses, &rows.iter().map(|size| *size as i64).collect::<Vec<_>>()),
    };
    cast(&reduced?, dtype)
}

/// Halves as f32: a square, or a sum of losses, may overflow where the mean does not.
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
/// As in PyTorch, the logarithm of a probability is clamped to at least -100.
pub fn binary_cross_entropy(x: &Tensor, target: &Tensor, logits: bool, reduction: Reduction) -> Result<Tensor> {
    same_shape("bce", x, target)?;
    let dtype = super::real(x)?.dtype();
    let x = widened(&super::real(x)?)?;
    let target = cast(target, x.dtype())?;
    let losses = if logits { logit_losses(&x, &target)? } else { share_losses(&x, &target)? };
    reduction.of(&losses, dtype)
}

/// The same for logits, with `weight` for positive targets, which broadcasts: one number per label, or one for all.
pub fn weighted_binary_cross_entropy(
    x: &Tensor,
    target: &Tensor,
    weight: &Tensor,
    reduction: Reduction,
) -> Result<Tensor> {
    same_shape("bce", x, target)?;
    let dtype = super::real(x)?.dtype();
    let x = widened(&super::real(x)?)?;
    let (target, weight) = (cast(target, x.dtype())?, cast(&weight.detach(), x.dtype())?);
    let positive =
        multiply(multiply(&weight, &target)?, logsigmoid(&x)?).map_err(|error| error.attributed_to("bce"))?;
    let losses = negate(&add(positive, multiply(subtract(1.0, &target)?, logsigmoid(&negate(&x)?)?)?)?)?;
    same_shape("bce", &losses, &target)?;
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

/// Broadcasting here is nearly always a mistake: `[n, 1]` with `[n]` makes `n²` distances.
fn same_shape(who: &str, x: &Tensor, target: &Tensor) -> Result<()> {
    if x.shape() != target.shape() {
        bail!(who, "shapes {:?} and {:?} are not the same", x.shape(), target.shape());
    }
    Ok(())
}
