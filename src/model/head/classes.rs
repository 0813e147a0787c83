//! Losses of classes and labels: weighted, smoothed, focal. They are sums, to be divided by [`whole`].

use crate::model::config::{Config, Problem};
use crate::model::spec::{LossPlan, Targets};
use crate::tensor::ops::{CrossEntropy, Reduction};
use crate::tensor::{Array, Tensor, nn, ops};
use crate::{Error, Result, bail};

const WHO: &str = "loss";

/// The summed loss of logits `[N, classes]` with one class per row, -100 for none.
pub fn one_of(logits: &Tensor, ids: &[i64], plan: &LossPlan) -> Result<Tensor> {
    if plan.class_weight.is_none() && plan.gamma == 0.0 {
        return nn::cross_entropy(logits, ids, plan.smoothing);
    }
    let device = logits.value();
    let weight = plan.class_weight.as_ref().map(|weights| numbers(weights, &device)).transpose()?;
    let targets: Tensor = Array::from_vec(ids.to_vec(), ids.len(), device.device())?.into();
    let how = CrossEntropy {
        smoothing: plan.smoothing,
        weight,
        gamma: plan.gamma,
        reduction: Reduction::Sum,
        ..CrossEntropy::default()
    };
    ops::cross_entropy(logits, &targets, &how).map_err(|error| error.attributed_to(WHO))
}

/// The summed loss of logits `[N, labels]` with independent labels; focal with `gamma` (Lin et al. 2017).
pub fn each_of(logits: &Tensor, wanted: &Tensor, plan: &LossPlan) -> Result<Tensor> {
    let losses = match &plan.pos_weight {
        Some(weights) => {
            let weight = numbers(weights, &logits.value())?;
            ops::weighted_binary_cross_entropy(logits, wanted, &weight, Reduction::None)?
        }
        None => ops::binary_cross_entropy(logits, wanted, true, Reduction::None)?,
    };
    if plan.gamma == 0.0 {
        return ops::sum(&losses, None, false);
    }
    let p = ops::sigmoid(logits)?;
    let miss =
        ops::add(&ops::multiply(&p, &ops::subtract(1.0, wanted)?)?, &ops::multiply(&ops::subtract(1.0, &p)?, wanted)?)?;
    ops::sum(&ops::multiply(&losses, &ops::power(&miss, plan.gamma)?)?, None, false)
}

fn numbers(weights: &[f64], like: &Array) -> Result<Tensor> {
    let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    let count = weights.len();
    Ok(Array::from_vec(weights, count, like.device())?.into())
}

/// The divisor of a batch's mean loss: the number of targets, or the sum of their class weights, as in PyTorch.
pub fn whole(targets: &Targets, plan: &LossPlan) -> f64 {
    match &plan.class_weight {
        Some(weights) => targets.ids.iter().filter_map(|&id| weights.get(usize::try_from(id).ok()?)).sum(),
        None => targets.count as f64,
    }
}

/// Checks that a plan fits a head with classes, for tokens if `tokens` is set.
pub fn check(plan: &LossPlan, config: &Config, tokens: bool) -> Result<()> {
    let weights = [("class_weight", &plan.class_weight), ("pos_weight", &plan.pos_weight)];
    for (name, given) in weights.into_iter().filter_map(|(name, given)| Some((name, given.as_ref()?))) {
        let all = name == "pos_weight" && given.len() == 1;
        if given.len() != config.labels && !all {
            bail!(WHO, "`{name}` has {} numbers, and this head {} classes", given.len(), config.labels);
        }
        if let Some(odd) = given.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            bail!(WHO, "`{name}` holds {odd}, which is not 0 or above");
        }
    }
    if !(plan.gamma >= 0.0 && plan.gamma.is_finite()) {
        bail!(WHO, "`gamma` is {}, not 0 or above", plan.gamma);
    }
    let problem = if tokens { Problem::SingleLabel } else { config.problem };
    let unfit = |name: &str, fitting: &str| {
        Err(Error::new(WHO, format!("`{name}` is not for a head that learns a {}", problem.name())).help(fitting))
    };
    match problem {
        _ if tokens && config.crf && (plan.class_weight.is_some() || plan.gamma > 0.0 || plan.smoothing > 0.0) => {
            Err(Error::new(WHO, "a conditional random field has one loss for a whole sequence")
                .help("`class_weight`, `gamma` and `label_smoothing` are for heads without one"))
        }
        Problem::SingleLabel if plan.pos_weight.is_some() => {
            unfit("pos_weight", "`class_weight` weighs one class among several")
        }
        Problem::MultiLabel if plan.class_weight.is_some() => {
            unfit("class_weight", "`pos_weight` weighs labels that are true")
        }
        Problem::Regression if plan.class_weight.is_some() => unfit("class_weight", "numbers have no classes"),
        Problem::Regression if plan.pos_weight.is_some() => unfit("pos_weight", "numbers have no classes"),
        Problem::Regression if plan.gamma > 0.0 => unfit("gamma", "numbers have no classes"),
        Problem::MultiLabel | Problem::Regression if plan.smoothing > 0.0 => {
            unfit("label_smoothing", "it is of one class among several")
        }
        _ => Ok(()),
    }
}
