//! Optimizers in scripts.

use super::trainable;
use crate::script::display::Weight;
use crate::script::prelude::*;
use crate::tensor::{Grads, Param};
use crate::train::{Group, Optimizer, Rule};
use std::sync::Arc;

const ADAMW: &[Opt] = &[
    opt("lr", Kind::Float, "1e-3", "learning rate"),
    opt("betas", Kind::List, "[0.9, 0.999]", "decay rates of the first and second moments"),
    opt("eps", Kind::Float, "1e-8", "added to the denominator"),
    opt("weight_decay", Kind::Float, "0.01", "decoupled weight decay"),
    opt(
        "moments_dtype",
        Kind::OneOf(&["f32", "bf16"]),
        "\"f32\"",
        "dtype of both moments: f32, or bf16 in half the memory",
    ),
    opt("shard_moments", Kind::Bool, "false", "divide the moments among ranks: less memory, more communication")
        .also(&["ZeRO", "zero_stage", "ZeroRedundancyOptimizer", "FSDP", "deepspeed", "optimizer sharding"]),
    opt(
        "groups",
        Kind::List,
        "[]",
        "parameter groups with their own rates: maps of `names` or `parameters`, `lr`, `weight_decay`",
    ),
    opt("allow_unused", Kind::Bool, "false", "skip a parameter that the loss does not depend on, instead of an error"),
];

const SGD: &[Opt] = &[
    opt("lr", Kind::Float, "1e-2", "learning rate"),
    opt("momentum", Kind::Float, "0", "momentum factor"),
    opt("nesterov", Kind::Bool, "false", "use Nesterov momentum").also(&["Nesterov accelerated gradient", "NAG"]),
    opt("weight_decay", Kind::Float, "0", "L2 weight decay"),
    opt(
        "groups",
        Kind::List,
        "[]",
        "parameter groups with their own rates: maps of `names` or `parameters`, `lr`, `weight_decay`",
    ),
    opt("allow_unused", Kind::Bool, "false", "skip a parameter that the loss does not depend on, instead of an error"),
];

const GROUP: &[Opt] = &[
    opt("names", Kind::Any, "", "a name pattern such as `*.norm.weight`, or a list of them"),
    opt("parameters", Kind::List, "", "the parameters themselves"),
    opt("lr", Kind::Float, "", "their learning rate; keeps its ratio to the optimizer's when that changes"),
    opt("weight_decay", Kind::Float, "", "their weight decay"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Optimizer>("Optimizer");
    host.looks.weigh::<Optimizer>(|opt| {
        let memory = opt.state().map(|state| state.memory).unwrap_or_default();
        let params = opt.params().into_iter().map(|param| crate::kernel::held(&param.value()));
        Weight {
            shape: format!("{}, {}", opt.rule().name(), crate::text::counted(opt.params().len(), "parameter")),
            parts: params.chain(memory.values().map(crate::kernel::held)).collect(),
        }
    });
    host.options("adamw", ADAMW);
    host.options("sgd", SGD);
}

fn make(who: &'static str, rule: Rule, params: List, options: &Options) -> Res<Optimizer> {
    let (lr, weight_decay) = (options.float("lr")?, options.float("weight_decay")?);
    let mut rest = trainable(who, params)?;
    let mut groups = Vec::new();
    for group in options.get("groups").into_array().unwrap_or_default() {
        let Some(group) = group.try_cast::<Map>() else { bail!(who, "a group is a map, `#{{ names: …, lr: … }}`") };
        let group = Options::read(who, GROUP, group)?;
        let params = members(who, &group, &mut rest)?;
        let lr = if group.has("lr") { group.float("lr")? } else { lr };
        let weight_decay = if group.has("weight_decay") { group.float("weight_decay")? } else { weight_decay };
        groups.push(Group { params, lr, weight_decay });
    }
    groups.push(Group { params: rest, lr, weight_decay });
    Ok(Optimizer::new(rule, lr, groups, options.bool("allow_unused")?)?)
}

/// Takes a group's members from the parameters that no earlier group has.
fn members(who: &'static str, group: &Options, rest: &mut Vec<Arc<Param>>) -> Res<Vec<Arc<Param>>> {
    let (taken, left) = if group.has("parameters") {
        let wanted = trainable(who, group.get("parameters").into_array().unwrap_or_default())?;
        if let Some(stranger) = wanted.iter().find(|param| rest.iter().all(|one| one.id() != param.id())) {
            bail!(who, "{} of a group is not among the parameters, or in an earlier group", stranger.label());
        }
        rest.drain(..).partition(|param| wanted.iter().any(|one| one.id() == param.id()))
    } else {
        let patterns = patterns(who, group.get("names"))?;
        let fits = |param: &Arc<Param>| {
            param.name().is_some_and(|name| patterns.iter().any(|pattern| crate::text::glob(pattern, name)))
        };
        if !rest.iter().any(fits) {
            let error = Error::new(who, format!("no parameter matches the group {patterns:?}"));
            let known = rest.iter().filter_map(|param| param.name()).take(3).map(|name| name.to_string());
            return Err(error.help(format!("names look like {}", known.collect::<Vec<_>>().join(", "))).into());
        }
        rest.drain(..).partition(fits)
    };
    *rest = left;
    Ok(taken)
}

fn patterns(who: &str, names: Dynamic) -> Res<Vec<String>> {
    if names.is_string() {
        return Ok(vec![names.to_string()]);
    }
    match names.into_typed_array::<ImmutableString>() {
        Ok(patterns) => Ok(patterns.iter().map(|pattern| pattern.to_string()).collect()),
        Err(_) => bail!(who, "a group needs `names` (a pattern or a list of them) or `parameters` (a list)"),
    }
}

#[export_module]
mod verbs {
    pub type Optimizer = crate::train::Optimizer;

    /// Returns an AdamW optimizer for a list of parameters, with PyTorch's formula and defaults (Loshchilov and Hutter 2019).
    ///
    /// `groups` gives some parameters their own learning rate or weight decay: `#{ names: "*.norm.weight", weight_decay: 0.0 }`
    /// or `#{ parameters: [w], lr: 1e-4 }`. A parameter belongs to the first matching group; the rest use the optimizer's values.
    /// When `opt.lr` changes, every group keeps its ratio to it.
    ///
    /// `moments_dtype: "bf16"` halves the memory of the moments. They are rounded stochastically (the same way in every
    /// run), since rounding to nearest would lose small changes of the second moment; weights and updates stay f32.
    ///
    /// ```rhai
    /// let w   = param(tensor([3.0, 4.0]));
    /// let opt = adamw([w], #{ lr: 0.1, weight_decay: 0.0 });
    /// opt.step((w * w).sum().backward());
    /// w.detach()                               //=> tensor([2.9000, 3.9000])
    /// adamw([param(tensor([1.0]))]).lr         //=> 0.001
    /// adamw([w], #{ lrr: 0.1 })                //=> error: adamw: there is no option `lrr`
    /// ```
    ///
    /// also: torch.optim.AdamW, Adam, optimizer, param_groups, 8-bit Adam
    #[rhai_fn(return_raw)]
    pub fn adamw(params: List, options: Map) -> Res<Optimizer> {
        let options = Options::read("adamw", ADAMW, options)?;
        let betas = options.get("betas").into_array().unwrap_or_default();
        let betas: Option<Vec<f64>> = betas.iter().map(as_number).collect();
        let betas = betas.unwrap_or_default();
        let &[first, second] = &betas[..] else { bail!("adamw", "option `betas` is two numbers, [0.9, 0.999]") };
        if let Some(beta) = betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            bail!("adamw", "option `betas` has {beta}, which is not in 0..1");
        }
        let half = options.text("moments_dtype")? == "bf16";
        let opt = make("adamw", Rule::AdamW { betas: (first, second), eps: options.float("eps")? }, params, &options)?;
        if half {
            opt.keep_half()?;
        }
        if options.bool("shard_moments")? {
            opt.shard()?;
        }
        Ok(opt)
    }

    /// Returns a stochastic gradient descent (SGD) optimizer for a list of parameters, with momentum, by PyTorch's formula.
    ///
    /// `nesterov` adds the momentum once more to the gradient (Sutskever et al. 2013).
    ///
    /// ```rhai
    /// let w   = param(tensor([3.0, 4.0]));
    /// let opt = sgd([w], #{ lr: 0.1 });
    /// opt.step((w * w).sum().backward());
    /// w.detach()                               //=> tensor([2.4000, 3.2000])
    /// sgd([param(tensor([1.0]))])              //=> sgd, 1 parameter, lr 0.01, 0 steps
    /// let w   = param(tensor([1.0]));
    /// let opt = sgd([w], #{ lr: 0.1, momentum: 0.5, nesterov: true });
    /// opt.step((w * w).sum().backward());
    /// w.detach()                               //=> tensor([0.7000])
    /// sgd([w], #{ nesterov: true })            //=> error: sgd: `nesterov` needs a `momentum` above 0
    /// ```
    ///
    /// also: torch.optim.SGD, momentum, Nesterov
    #[rhai_fn(return_raw)]
    pub fn sgd(params: List, options: Map) -> Res<Optimizer> {
        let options = Options::read("sgd", SGD, options)?;
        let momentum = options.float("momentum")?;
        if !(0.0..1.0).contains(&momentum) {
            bail!("sgd", "momentum {momentum} is not in 0..1");
        }
        let nesterov = options.bool("nesterov")?;
        if nesterov && momentum == 0.0 {
            bail!("sgd", "`nesterov` needs a `momentum` above 0");
        }
        make("sgd", Rule::Sgd { momentum, nesterov }, params, &options)
    }

    /// Updates every parameter by its gradient.
    ///
    /// Gradients are values and need no `zero_grad`. All are checked before the first update: a NaN or infinite gradient, and a
    /// parameter that the loss does not depend on, are errors that name the parameter (`allow_unused: true` skips the latter).
    ///
    /// effect
    ///
    /// ```rhai
    /// let w   = param(tensor([1.0]));
    /// let b   = param(tensor([1.0]));
    /// let opt = sgd([w, b]);
    /// opt.step((w + b).sum().backward());
    /// opt.steps                                //=> 1
    /// opt.step(w.sum().backward())             //=> error: step: step 2: the loss does not depend on parameter [1]
    /// ```
    ///
    /// also: optimizer.step, opt.zero_grad, zero_grad, backward
    #[rhai_fn(pure, return_raw)]
    pub fn step(opt: &mut Optimizer, grads: Grads) -> Res<()> {
        Ok(opt.step(grads)?)
    }

    /// Learning rate, which a schedule sets before each step.
    ///
    /// also: learning rate, param_groups, lr_scheduler
    ///
    /// ```rhai
    /// let opt = sgd([param(tensor([1.0]))], #{ lr: 0.5 });
    /// opt.lr = 0.5 * 0.1;
    /// opt.lr                                   //=> 0.05
    /// ```
    #[rhai_fn(get = "lr", pure)]
    pub fn lr(opt: &mut Optimizer) -> f64 {
        opt.lr()
    }

    /// Sets the learning rate; groups keep their ratio to it.
    ///
    /// ```rhai
    /// let opt = sgd([param(tensor([1.0]))]);
    /// opt.lr = -1.0                            //=> error: lr: lr -1 is not 0 or above
    /// ```
    #[rhai_fn(set = "lr", return_raw)]
    pub fn set_lr(opt: &mut Optimizer, lr: f64) -> Res<()> {
        Ok(opt.set_lr(lr)?)
    }

    /// Number of steps taken.
    ///
    /// ```rhai
    /// adamw([param(tensor([1.0]))]).steps      //=> 0
    /// ```
    #[rhai_fn(get = "steps", pure)]
    pub fn steps(opt: &mut Optimizer) -> INT {
        opt.steps() as INT
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn optimizer_to_string(opt: &mut Optimizer) -> String {
        let count = opt.params().len();
        let plural = if count == 1 { "" } else { "s" };
        format!("{}, {count} parameter{plural}, lr {}, {} steps", opt.rule().name(), opt.lr(), opt.steps())
    }
}
