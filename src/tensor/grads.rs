//! The gradients of one backward pass, as a value.

use super::{Array, Param, Tensor};
use crate::{Error, Result, bail};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Gradients by parameter. Plain arrays: they do not keep the graph alive.
///
/// Scaling, for example by clipping, only stores the factor: an optimizer step reads each gradient once anyway.
#[derive(Clone)]
pub struct Grads {
    entries: BTreeMap<u64, Entry>,
    /// The factor of every gradient.
    factor: f64,
    /// The sum of all squares before the factor, if computed.
    squares: OnceLock<f64>,
}

impl Default for Grads {
    fn default() -> Grads {
        Grads { entries: BTreeMap::new(), factor: 1.0, squares: OnceLock::new() }
    }
}

#[derive(Clone)]
struct Entry {
    param: Arc<Param>,
    grad: Option<Array>,
}

impl Grads {
    /// From arrays, each with its parameter.
    pub fn of_arrays(arrays: impl IntoIterator<Item = (Arc<Param>, Array)>) -> Result<Grads> {
        let mut grads = Grads::default();
        for (param, array) in arrays {
            let id = param.id();
            grads.reach(param);
            grads.fill(id, array)?;
        }
        Ok(grads)
    }

    pub(super) fn reach(&mut self, param: Arc<Param>) {
        self.entries.entry(param.id()).or_insert(Entry { param, grad: None });
    }

    pub(super) fn fill(&mut self, id: u64, grad: Array) -> Result<()> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        let value = entry.param.value();
        let shape = value.dims().to_vec();
        if grad.dims() != shape {
            bail!("backward", "a gradient of shape {:?} for {} of shape {shape:?}", grad.dims(), entry.param.label());
        }
        entry.grad = Some(grad.to_device(value.device())?);
        Ok(())
    }

    /// Parameters and their gradients, in name order; unnamed ones last, oldest first.
    pub fn all(&self) -> Result<Vec<(&Arc<Param>, Array)>> {
        self.raw().map(|(param, grad)| Ok((param, self.counted(grad)?))).collect()
    }

    /// The parameters with a gradient, in the same order.
    pub fn params(&self) -> impl Iterator<Item = &Arc<Param>> {
        self.raw().map(|(param, _)| param)
    }

    /// Like [`Grads::all`], before the factor.
    fn raw(&self) -> impl Iterator<Item = (&Arc<Param>, &Array)> {
        let own = self.entries.values();
        let mut entries: Vec<_> = own.filter_map(|entry| Some((&entry.param, entry.grad.as_ref()?))).collect();
        entries.sort_by_key(|(param, _)| (param.name().is_none(), param.name().cloned(), param.id()));
        entries.into_iter()
    }

    /// A gradient times the factor.
    fn counted(&self, grad: &Array) -> Result<Array> {
        if self.factor == 1.0 { Ok(grad.clone()) } else { crate::kernel::scaled(grad, self.factor) }
    }

    /// The number of parameters with a gradient.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no parameter has a gradient.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The gradient of `param`, or `None` if the loss does not depend on it.
    pub fn get(&self, param: &Param) -> Result<Option<Array>> {
        self.before_factor(param).map(|grad| self.counted(grad)).transpose()
    }

    /// The gradient of `param` before [`Grads::factor`].
    pub fn before_factor(&self, param: &Param) -> Option<&Array> {
        self.entries.get(&param.id()).and_then(|entry| entry.grad.as_ref())
    }

    /// The factor of all gradients.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Takes out the gradient of `param`, before the factor, so that its memory is freed as soon as it is used.
    pub fn take(&mut self, param: &Param) -> Option<Array> {
        self.squares = OnceLock::new();
        self.entries.remove(&param.id()).and_then(|entry| entry.grad)
    }

    /// Whether all gradients are known to be finite, because their norm is.
    pub fn known_finite(&self) -> bool {
        self.squares.get().is_some_and(|squares| squares.is_finite())
    }

    /// The gradient of the parameter with this name.
    pub fn named(&self, name: &str) -> Result<Array> {
        let names = || self.params().filter_map(|param| param.name().map(|name| &**name));
        match self.raw().find(|(param, _)| param.name().is_some_and(|own| &**own == name)) {
            Some((_, grad)) => self.counted(grad),
            None => {
                let error = Error::new("grads", format!("no parameter is called `{name}`"));
                Err(error.meant(name, names()))
            }
        }
    }

    /// The norm of all gradients as one vector, summed in name order in f64.
    pub fn norm(&self) -> Result<f64> {
        Ok(self.squares()?.sqrt() * self.factor.abs())
    }

    fn squares(&self) -> Result<f64> {
        if let Some(&squares) = self.squares.get() {
            return Ok(squares);
        }
        let squares = crate::kernel::square_sums(self.raw().map(|(_, grad)| grad))?;
        Ok(*self.squares.get_or_init(|| squares))
    }

    /// Every gradient times `factor`.
    pub fn scale(&self, factor: f64) -> Grads {
        Grads { factor: self.factor * factor, ..self.clone() }
    }

    /// Every gradient divided by `divisor`.
    pub fn over(&self, divisor: f64) -> Result<Grads> {
        self.map(|grad| Ok((self.counted(grad)? / divisor)?))
    }

    /// Scales the gradients so that their global norm is at most `limit`, which must be above 0.
    ///
    /// As in `torch.nn.utils.clip_grad_norm_`: the factor is `limit / (norm + 1e-6)`, at most 1.
    pub fn clip(&self, limit: f64) -> Result<Grads> {
        if limit.is_nan() || limit <= 0.0 {
            bail!("clip", "limit {limit} is not above 0");
        }
        let norm = self.norm()?;
        if !norm.is_finite() {
            bail!("clip", "the norm of the gradients is {norm}");
        }
        let factor = (limit / (norm + 1e-6)).min(1.0);
        Ok(self.scale(factor))
    }

    /// Adds gradients parameter by parameter; a gradient on only one side is kept.
    pub fn plus(&self, other: &Grads) -> Result<Grads> {
        if other.factor != 1.0 {
            return self.plus(&other.map(|grad| other.counted(grad))?);
        }
        let mut sum = self.map(|grad| self.counted(grad))?;
        for (id, entry) in &other.entries {
            match sum.entries.get_mut(id) {
                Some(Entry { grad: Some(mine), .. }) => {
                    if let Some(theirs) = &entry.grad {
                        *mine = crate::kernel::add(mine, theirs)?;
                    }
                }
                _ => {
                    sum.entries.insert(*id, entry.clone());
                }
            }
        }
        Ok(sum)
    }

    /// Changes every gradient, and drops the factor.
    fn map(&self, change: impl Fn(&Array) -> Result<Array>) -> Result<Grads> {
        let mut changed = Grads { factor: 1.0, squares: OnceLock::new(), ..self.clone() };
        for entry in changed.entries.values_mut() {
            if let Some(grad) = &entry.grad {
                entry.grad = Some(change(grad)?);
            }
        }
        Ok(changed)
    }

    /// The gradient of a tensor that must be a parameter.
    pub fn of(&self, tensor: &Tensor) -> Result<Array> {
        let Some(param) = tensor.as_param() else {
            return Err(Error::new("grads", "this tensor is not a parameter")
                .help("gradients are kept for what was made with `param(…)`"));
        };
        match self.get(param)? {
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
