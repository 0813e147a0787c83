//! Optimizers: an update rule, parameter groups with their own rates, and the rule's moments of each parameter.

use super::shards;
use crate::kernel::optimize::Moment;
use crate::kernel::{self, Adamw, Sgd};
use crate::sync::unpoisoned;
use crate::tensor::{Array, DType, Grads, Param};

use crate::{Error, Result, bail, ranks};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    AdamW { betas: (f64, f64), eps: f64 },
    Sgd { momentum: f64, nesterov: bool },
}

/// Parameters with their own learning rate and weight decay.
pub struct Group {
    pub params: Vec<Arc<Param>>,
    /// The group's learning rate when the optimizer is created; afterwards its ratio to the optimizer's rate is kept.
    pub lr: f64,
    pub weight_decay: f64,
}

/// A handle: clones refer to the same optimizer.
#[derive(Clone)]
pub struct Optimizer(Arc<Mutex<Inner>>);

struct Inner {
    rule: Rule,
    lr: f64,
    steps: u64,
    allow_unused: bool,
    /// Whether moments are stored in bf16.
    half: bool,
    /// The rank that holds the moments of each slot, if sharded.
    owners: Option<Vec<usize>>,
    slots: Vec<Slot>,
}

/// One parameter with its moments, which are empty before its first step.
struct Slot {
    param: Arc<Param>,
    rate: f64,
    weight_decay: f64,
    steps: u64,
    memory: Vec<Moment>,
}

impl Rule {
    pub fn name(&self) -> &'static str {
        match self {
            Rule::AdamW { .. } => "adamw",
            Rule::Sgd { .. } => "sgd",
        }
    }

    /// Names of a parameter's moments.
    fn memory(&self) -> &'static [&'static str] {
        match self {
            Rule::AdamW { .. } => &["m", "v"],
            Rule::Sgd { momentum: 0.0, .. } => &[],
            Rule::Sgd { .. } => &["velocity"],
        }
    }
}

impl Optimizer {
    /// `lr` is the optimizer's rate; groups keep their ratio to it when it changes. With `allow_unused`, a parameter
    /// without a gradient is skipped instead of being an error.
    pub fn new(rule: Rule, lr: f64, groups: Vec<Group>, allow_unused: bool) -> Result<Optimizer> {
        let who = rule.name();
        let mut seen = HashSet::new();
        let mut slots = Vec::new();
        for group in groups {
            rate(who, "lr", group.lr)?;
            rate(who, "weight_decay", group.weight_decay)?;
            let share = if lr == group.lr { 1.0 } else { group.lr / lr };
            if !share.is_finite() {
                bail!(who, "a group has lr {} while the optimizer has lr {lr}: their ratio is kept", group.lr);
            }
            for param in group.params {
                if !seen.insert(param.id()) {
                    bail!(who, "{} is given twice", param.label());
                }
                slots.push(Slot { param, rate: share, weight_decay: group.weight_decay, steps: 0, memory: Vec::new() });
            }
        }
        if slots.is_empty() {
            return Err(Error::new(who, "there is no parameter to train").help("make one with `param(tensor(…))`"));
        }
        slots.sort_by_key(|slot| (slot.param.name().is_none(), slot.param.name().cloned(), slot.param.id()));
        rate(who, "lr", lr)?;
        Ok(Optimizer(Arc::new(Mutex::new(Inner {
            rule,
            lr,
            steps: 0,
            allow_unused,
            half: false,
            owners: None,
            slots,
        }))))
    }

    /// Stores the moments in bf16 from now on: half the memory. Rounding is stochastic, so that changes too small for bf16 count
    /// on average; it is the same in every run.
    pub fn keep_half(&self) -> Result<()> {
        let mut inner = self.inner();
        if !matches!(inner.rule, Rule::AdamW { .. }) {
            bail!("moments_dtype", "{} keeps its moments in f32", inner.rule.name());
        }
        if inner.steps > 0 {
            bail!("moments_dtype", "this optimizer has moments in f32 from {} steps", inner.steps);
        }
        inner.half = true;
        Ok(())
    }

    /// Shards the moments among the ranks of this run from now on: each rank updates a part of the parameters, and sends the new
    /// values to the others. The bits stay the same; with one rank nothing changes.
    pub fn shard(&self) -> Result<()> {
        let mut inner = self.inner();
        if inner.steps > 0 {
            bail!("shard_moments", "this optimizer has all moments from {} steps", inner.steps);
        }
        let sizes: Vec<usize> = inner.slots.iter().map(|slot| slot.param.value().elem_count()).collect();
        inner.owners = (ranks::count() > 1).then(|| shards::owners(&sizes, ranks::count()));
        Ok(())
    }

    /// Updates every parameter by its gradient, which is freed as soon as it is used, unless it is referenced elsewhere. All
    /// gradients are checked before the first update.
    pub fn step(&self, grads: Grads) -> Result<()> {
        crate::cancel::check()?;
        self.inner().step(grads)
    }

    pub fn lr(&self) -> f64 {
        self.inner().lr
    }

    pub fn set_lr(&self, lr: f64) -> Result<()> {
        rate("lr", "lr", lr)?;
        self.inner().lr = lr;
        Ok(())
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.inner().steps
    }

    pub fn rule(&self) -> Rule {
        self.inner().rule
    }

    /// The optimized parameters, in name order.
    pub fn params(&self) -> Vec<Arc<Param>> {
        self.inner().slots.iter().map(|slot| slot.param.clone()).collect()
    }

    /// The moments, by parameter and moment (`layers.0.weight.m`), and the step counts.
    pub fn state(&self) -> Result<State> {
        self.inner().state()
    }

    /// Like [`Optimizer::state`], with other ranks' moments gathered in rank 0: for a checkpoint that all ranks save.
    pub fn whole_state(&self) -> Result<State> {
        let inner = self.inner();
        let mut state = inner.state()?;
        if let Some(owners) = &inner.owners {
            let slots = inner.slots.iter().zip(owners).zip(inner.keys()).filter(|((slot, _), _)| slot.steps > 0);
            let wanted = slots.flat_map(|((slot, owner), name)| {
                let dims = slot.param.value().dims().to_vec();
                let moments = inner.rule.memory().iter();
                moments.map(move |moment| (format!("{name}.{moment}"), *owner, dims.clone())).collect::<Vec<_>>()
            });
            shards::collect(&mut state.memory, &wanted.collect::<Vec<_>>(), inner.half)?;
        }
        Ok(state)
    }

    /// Restores what [`Optimizer::state`] returned. Nothing changes if names or shapes differ.
    pub fn restore(&self, state: State) -> Result<()> {
        self.inner().restore(state)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        unpoisoned(self.0.lock())
    }
}

/// The state from which an optimizer resumes to the same bits.
#[derive(Clone, Default)]
pub struct State {
    pub rule: String,
    pub lr: f64,
    pub steps: u64,
    /// Steps by parameter, if different from `steps`.
    pub behind: BTreeMap<String, u64>,
    pub memory: BTreeMap<String, Array>,
}

impl Inner {
    fn step(&mut self, mut grads: Grads) -> Result<()> {
        self.check(&grads)?;
        let (rule, lr, half, factor) = (self.rule, self.lr, self.half, grads.factor());
        let rank = ranks::rank();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let is_own = self.owners.as_ref().is_none_or(|owners| owners[index] == rank);
            match grads.take(&slot.param) {
                Some(grad) if is_own => slot.update(&grad, factor, rule, lr, half)?,
                Some(_) => slot.steps += 1,
                None => {}
            }
        }
        self.steps += 1;
        match &self.owners {
            Some(owners) => {
                let params: Vec<_> = self.slots.iter().map(|slot| slot.param.clone()).collect();
                shards::give_values(&params, owners)
            }
            None => Ok(()),
        }
    }

    fn check(&self, grads: &Grads) -> Result<()> {
        let step = self.steps + 1;
        // all at once: on a device each separate check would wait for it
        let finite = grads.known_finite() || grads.norm()?.is_finite();
        for slot in &self.slots {
            let dtype = slot.param.value().dtype();
            if !matches!(dtype, DType::F32 | DType::F64) {
                return Err(Error::new("step", format!("{} is {}", slot.param.label(), dtype.as_str()))
                    .help("parameters are trained in f32: `.to(\"f32\")` first"));
            }
            match grads.before_factor(&slot.param) {
                Some(grad) if grad.dims() != slot.param.value().dims() => {
                    bail!("step", "step {step}: a gradient of shape {:?} for {}", grad.dims(), slot.param.label());
                }
                Some(grad) if !finite && !kernel::square_sum(grad)?.is_finite() => {
                    return Err(Error::new(
                        "step",
                        format!("step {step}: the gradient of {} is not finite", slot.param.label()),
                    )
                    .help("look at the loss of this step; a lower `lr`, a longer `warmup` or `max_grad_norm` usually help"));
                }
                None if !self.allow_unused => {
                    return Err(Error::new(
                        "step",
                        format!("step {step}: the loss does not depend on {}", slot.param.label()),
                    )
                    .help("leave it out of the optimizer, or make that with `allow_unused: true`"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn keys(&self) -> Vec<String> {
        keys(self.slots.iter().map(|slot| &*slot.param))
    }

    fn state(&self) -> Result<State> {
        let mut state = State { rule: self.rule.name().into(), lr: self.lr, steps: self.steps, ..State::default() };
        for (slot, name) in self.slots.iter().zip(self.keys()) {
            for (moment, numbers) in self.rule.memory().iter().zip(&slot.memory) {
                state.memory.insert(format!("{name}.{moment}"), numbers.array(slot.param.value().dims())?);
            }
            if slot.steps != self.steps {
                state.behind.insert(name, slot.steps);
            }
        }
        Ok(state)
    }

    fn restore(&mut self, mut state: State) -> Result<()> {
        if state.rule != self.rule.name() {
            bail!("load", "the checkpoint is of `{}`, this optimizer is `{}`", state.rule, self.rule.name());
        }
        let mut memories = Vec::new();
        for (index, (slot, name)) in self.slots.iter().zip(self.keys()).enumerate() {
            let steps = state.behind.remove(&name).unwrap_or(state.steps);
            let is_own = self.owners.as_ref().is_none_or(|owners| owners[index] == ranks::rank());
            if !is_own {
                self.rule.memory().iter().for_each(|moment| drop(state.memory.remove(&format!("{name}.{moment}"))));
            }
            let wanted = if steps == 0 || !is_own { &[] } else { self.rule.memory() };
            let mut memory = Vec::new();
            for moment in wanted {
                let key = format!("{name}.{moment}");
                let Some(array) = state.memory.remove(&key) else {
                    bail!("load", "the checkpoint has no `{key}`: it is of other parameters");
                };
                if array.dims() != slot.param.value().dims() {
                    bail!(
                        "load",
                        "`{key}` has shape {:?}, the parameter {:?}",
                        array.dims(),
                        slot.param.value().dims()
                    );
                }
                let (has, keeps) = (array.dtype(), if self.half { DType::BF16 } else { DType::F32 });
                if has != keeps {
                    bail!("load", "`{key}` is {}, and this optimizer keeps {}", has.as_str(), keeps.as_str());
                }
                memory.push(Moment::of(&array, &slot.param.value())?);
            }
            memories.push((steps, memory));
        }
        if let Some((name, _)) = state.memory.first_key_value() {
            bail!("load", "the checkpoint has `{name}`, which this optimizer does not train");
        }
        for (slot, (steps, memory)) in self.slots.iter_mut().zip(memories) {
            (slot.steps, slot.memory) = (steps, memory);
        }
        (self.lr, self.steps) = (state.lr, state.steps);
        Ok(())
    }
}

/// Parameter names in a checkpoint: by name, or by index for unnamed parameters. A second model's duplicates are `name#2`.
pub(super) fn keys<'p>(params: impl Iterator<Item = &'p Param>) -> Vec<String> {
    let mut seen = HashSet::new();
    let key = |(index, param): (usize, &Param)| {
        let name = param.name().map_or_else(|| format!("#{index}"), |name| name.to_string());
        let mut numbered = (2..).map(|number| format!("{name}#{number}"));
        let mut key = name.clone();
        while !seen.insert(key.clone()) {
            key = numbered.next().unwrap_or_default();
        }
        key
    };
    params.enumerate().map(key).collect()
}

impl Slot {
    fn update(&mut self, grad: &Array, factor: f64, rule: Rule, lr: f64, half: bool) -> Result<()> {
        let value = self.param.value();
        self.steps += 1;
        while self.memory.len() < rule.memory().len() {
            self.memory.push(Moment::zeros(&value, half)?);
        }
        self.memory.iter_mut().try_for_each(|moment| moment.follow(&value))?;
        let (lr, decay) = (lr * self.rate, self.weight_decay);
        let value = match (rule, &mut self.memory[..]) {
            (Rule::AdamW { betas, eps }, [m, v]) => {
                kernel::adamw(&value, grad, m, v, factor, &Adamw { lr, betas, eps, decay, step: self.steps })?
            }
            (Rule::Sgd { momentum, nesterov }, memory) => {
                let by = Sgd { lr, momentum, nesterov, decay };
                kernel::sgd(&value, grad, memory.first_mut(), factor, &by)?
            }
            (Rule::AdamW { .. }, _) => bail!("step", "the moments of {} are lost", self.param.label()),
        };
        self.param.set(value)
    }
}

fn rate(who: &str, name: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { bail!(who, "{name} {value} is not 0 or above") }
}
