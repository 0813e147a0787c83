//! Grads: the gradients that one backward found, as a value.

use super::{Array, Param, Tensor};
use crate::{Error, Result, bail, nearest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gradients by parameter. Plain numbers: holding them does not hold the graph that they came from.
#[derive(Clone, Default)]
pub struct Grads(BTreeMap<u64, Entry>);

#[derive(Clone)]
struct Entry {
    param: Arc<Param>,
    grad: Option<Array>,
}

impl Grads {
    pub(super) fn reach(&mut self, param: Arc<Param>) {
        self.0.entry(param.id()).or_insert(Entry { param, grad: None });
    }

    pub(super) fn fill(&mut self, id: u64, grad: Array) -> Result<()> {
        let Some(entry) = self.0.get_mut(&id) else { return Ok(()) };
        let shape = entry.param.value().dims().to_vec();
        if grad.dims() != shape {
            bail!("backward", "a gradient of shape {:?} for {} of shape {shape:?}", grad.dims(), entry.param.label());
        }
        entry.grad = Some(grad);
        Ok(())
    }

    /// Parameters and their gradients, in name order; those without a name after them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Param>, &Array)> {
        let mut entries: Vec<_> =
            self.0.values().filter_map(|entry| entry.grad.as_ref().map(|grad| (&entry.param, grad))).collect();
        entries.sort_by_key(|(param, _)| (param.name().is_none(), param.name().cloned(), param.id()));
        entries.into_iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The gradient of `param`, or nothing if the loss does not depend on it.
    pub fn get(&self, param: &Param) -> Option<&Array> {
        self.0.get(&param.id()).and_then(|entry| entry.grad.as_ref())
    }

    /// Takes the gradient of `param` out, so that its memory can be freed as soon as it is used.
    pub fn take(&mut self, param: &Param) -> Option<Array> {
        self.0.remove(&param.id()).and_then(|entry| entry.grad)
    }

    /// The gradient of the parameter with this name.
    pub fn named(&self, name: &str) -> Result<&Array> {
        let names = || self.iter().filter_map(|(param, _)| param.name().map(|name| &**name));
        match self.iter().find(|(param, _)| param.name().is_some_and(|own| &**own == name)) {
            Some((_, grad)) => Ok(grad),
            None => {
                let error = Error::new("grads", format!("no parameter is called `{name}`"));
                Err(match nearest(name, names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }

    /// The norm of all gradients as one vector, summed in name order in f64.
    pub fn norm(&self) -> Result<f64> {
        let mut squares = 0.0;
        for (_, grad) in self.iter() {
            squares += crate::kernel::square_sum(grad)?;
        }
        Ok(squares.sqrt())
    }

    /// Every gradient times `factor`.
    pub fn scale(&self, factor: f64) -> Result<Grads> {
        self.map(|grad| crate::kernel::scaled(grad, factor))
    }

    /// Every gradient divided by `divisor`.
    pub fn over(&self, divisor: f64) -> Result<Grads> {
        self.map(|grad| Ok((grad / divisor)?))
    }

    /// Scaled so that the joint norm is at most `limit`, which must be above 0.
    ///
    /// As `torch.nn.utils.clip_grad_norm_`: the factor is `limit / (norm + 1e-6)`, at most 1.
    pub fn clip(&self, limit: f64) -> Result<Grads> {
        if limit.is_nan() || limit <= 0.0 {
            bail!("clip", "limit {limit} is not above 0");
        }
        let norm = self.norm()?;
        if !norm.is_finite() {
            bail!("clip", "the norm of the gradients is {norm}");
        }
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 { self.scale(factor) } else { Ok(self.clone()) }
    }

    /// The sum, parameter by parameter; one that only one side has keeps its gradient.
    pub fn plus(&self, other: &Grads) -> Result<Grads> {
        let mut sum = self.clone();
        for (id, entry) in &other.0 {
            match sum.0.get_mut(id) {
                Some(Entry { grad: Some(mine), .. }) => {
                    if let Some(theirs) = &entry.grad {
                        *mine = (&*mine + theirs)?;
                    }
                }
                _ => {
                    sum.0.insert(*id, entry.clone());
                }
            }
        }
        Ok(sum)
    }

    fn map(&self, change: impl Fn(&Array) -> Result<Array>) -> Result<Grads> {
        let mut changed = self.clone();
        for entry in changed.0.values_mut() {
            if let Some(grad) = &entry.grad {
                entry.grad = Some(change(grad)?);
            }
        }
        Ok(changed)
    }

    /// The gradient of a tensor that must be a parameter.
    pub fn of(&self, tensor: &Tensor) -> Result<&Array> {
        let Some(param) = tensor.as_param() else {
            return Err(Error::new("grads", "this tensor is not a parameter")
                .help("gradients are kept for what was made with `param(…)`"));
        };
        match self.get(param) {
            Some(grad) => Ok(grad),
            None => bail!("grads", "the loss does not depend on {}", param.label()),
        }
    }
}

/// `gradients of 4 parameters, norm 0.5231`
impl std::fmt::Display for Grads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.len() == 1 { "" } else { "s" };
        write!(f, "gradients of {} parameter{plural}", self.len())?;
        match self.norm() {
            Ok(norm) => write!(f, ", norm {}", (norm * 1e4).round() / 1e4),
            Err(_) => Ok(()),
        }
    }
}
