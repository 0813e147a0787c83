//! Parameters, backward, and gradients as values.

use crate::script::prelude::*;
use crate::tensor::{self, Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

pub(super) fn parameter(x: &Tensor, name: Option<&str>) -> Res<Tensor> {
    let value = x.value();
    if !value.dtype().is_float() {
        let error = Error::new("param", format!("a parameter must be a float, not {}", value.dtype().as_str()));
        return Err(error.help("convert with `.to(\"f32\")`").into());
    }
    Ok(Tensor::param(value.contiguous().map_err(Error::from)?, name))
}

#[export_module]
mod verbs {
    /// The gradients of one `backward`, by parameter: a value that does not keep the graph alive.
    pub type Grads = crate::tensor::Grads;

    /// Makes a parameter: a tensor that `backward` computes a gradient for and an optimizer updates.
    ///
    /// also: nn.Parameter, Variable, requires_grad, requires_grad_, leaf tensor
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(tensor([1.0, 2.0]));
    /// let g = (w * w).sum().backward();
    /// g[w]                          //=> tensor([2., 4.])
    /// param(tensor([1, 2]))         //=> error: param: a parameter must be a float, not i64
    /// ```
    #[rhai_fn(name = "param", return_raw)]
    pub fn param(x: Tensor) -> Res<Tensor> {
        parameter(&x, None)
    }

    /// Makes a parameter with a name, for errors, gradients and files.
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(tensor([1.0, 2.0]), "weight");
    /// let g = w.square().sum().backward();
    /// g["weight"]      //=> tensor([2., 4.])
    /// ```
    #[rhai_fn(name = "param", return_raw)]
    pub fn param_named(x: Tensor, name: &str) -> Res<Tensor> {
        parameter(&x, Some(name))
    }

    /// Returns the name of a parameter or a buffer, or an empty string.
    ///
    /// ```rhai
    /// param(zeros([2]), "bias").name      //=> bias
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(x: &mut Tensor) -> ImmutableString {
        x.as_held().and_then(|param| param.name().cloned()).map_or_else(Default::default, |name| (*name).into())
    }

    /// Returns whether gradients flow through it: a parameter, or computed from one.
    ///
    /// ```rhai
    /// let w = param(zeros([2]));
    /// (w + 1).requires_grad                //=> true
    /// (w + 1).detach().requires_grad       //=> false
    /// ```
    #[rhai_fn(get = "requires_grad", pure)]
    pub fn learns(x: &mut Tensor) -> bool {
        (*x).learns()
    }

    /// Returns the same numbers without their history: no gradient flows through.
    ///
    /// also: stop_gradient
    ///
    /// ```rhai
    /// let w = param(tensor([3.0]));
    /// let g = (w * w.detach()).sum().backward();
    /// g[w]      //=> tensor([3.])
    /// ```
    #[rhai_fn(pure)]
    pub fn detach(x: &mut Tensor) -> Tensor {
        (*x).detach()
    }

    /// Computes the gradient of a single number with respect to every parameter it depends on.
    ///
    /// Frees the graph: a second call on it is an error.
    ///
    /// also: autograd, autograd.grad, gradients
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// let loss = (w * w).sum();
    /// loss.backward().norm()           //=> 10.0
    /// loss.backward()                  //=> error: backward: the graph of this tensor was used up by an earlier `backward`
    /// tensor(1.0).backward()           //=> error: backward: it does not depend on a parameter
    /// ```
    #[rhai_fn(name = "backward", pure, return_raw)]
    pub fn backward(x: &mut Tensor) -> Res<Grads> {
        Ok((*x).backward()?)
    }

    /// Computes the gradient of the sum of this tensor times `grad`, of the same shape.
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// w.square().backward(tensor([1.0, 0.0]))[w]      //=> tensor([6., 0.])
    /// ```
    #[rhai_fn(name = "backward", pure, return_raw)]
    pub fn backward_with(x: &mut Tensor, grad: Tensor) -> Res<Grads> {
        Ok((*x).backward_with(ops::cast(&grad, (*x).dtype())?.value())?)
    }

    /// Calls a closure without recording operations: evaluation in less memory.
    ///
    /// also: torch.no_grad, inference_mode
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(tensor([3.0]));
    /// no_grad(|| w * w).requires_grad      //=> false
    /// ```
    #[rhai_fn(name = "no_grad", return_raw)]
    pub fn no_grad(ctx: NativeCallContext, work: FnPtr) -> Res<Dynamic> {
        tensor::no_grad(|| work.call_within_context(&ctx, ()))
    }

    /// Returns the gradient of a parameter, in its shape.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// let other = param(tensor([1.0]), "other");
    /// let g = (w * 2).sum().backward();
    /// g[w]           //=> tensor([2.])
    /// g[other]       //=> error: grads: the loss does not depend on other
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn of(grads: &mut Grads, parameter: Tensor) -> Res<Tensor> {
        Ok(grads.of(&parameter)?.into())
    }

    /// Returns the gradient of the parameter with this name.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]), "weight");
    /// let g = (w * 2).sum().backward();
    /// g["weight"]      //=> tensor([2.])
    /// g["wieght"]      //=> error: grads: no parameter is called `wieght`
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn named(grads: &mut Grads, name: &str) -> Res<Tensor> {
        Ok(grads.named(name)?.into())
    }

    /// Returns the gradient of a parameter, or `()` if the loss does not depend on it.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// let unused = param(tensor([1.0]));
    /// (w * 2).sum().backward().get(unused) == ()      //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn get(grads: &mut Grads, parameter: Tensor) -> Res<Dynamic> {
        let Some(param) = parameter.as_param() else {
            return Ok(Dynamic::from(Tensor::from(grads.of(&parameter)?)));
        };
        Ok(grads.get(param)?.map_or(Dynamic::UNIT, |grad| Dynamic::from(Tensor::from(grad))))
    }

    /// Returns the number of parameters with a gradient.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// (w * 2).sum().backward().len()      //=> 1
    /// ```
    #[rhai_fn(pure)]
    pub fn len(grads: &mut Grads) -> INT {
        grads.len() as INT
    }

    /// Returns the names of the parameters with a gradient, in alphabetical order.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]), "weight");
    /// (w * 2).sum().backward().names()      //=> ["weight"]
    /// ```
    #[rhai_fn(pure)]
    pub fn names(grads: &mut Grads) -> List {
        grads.params().filter_map(|param| param.name().map(|name| Dynamic::from((**name).to_string()))).collect()
    }

    /// Computes the global norm of all gradients, in f64.
    ///
    /// also: grad_norm
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// (w * w).sum().backward().norm()      //=> 10.0
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn norm(grads: &mut Grads) -> Res<f64> {
        Ok((*grads).norm()?)
    }

    /// Scales all gradients so that their global norm is at most `limit`.
    ///
    /// also: clip_grad_norm_, gradient clipping, max_grad_norm
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// let g = (w * w).sum().backward();
    /// g.clip(100.0).norm()     //=> 10.0
    /// g.clip(0.0)              //=> error: clip: limit 0 is not above 0
    /// ```
    #[rhai_fn(name = "clip", pure, return_raw)]
    pub fn clip(grads: &mut Grads, limit: f64) -> Res<Grads> {
        Ok((*grads).clip(limit)?)
    }

    /// Scales all gradients so that their global norm is at most an integer `limit`.
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// let g = (w * w).sum().backward();
    /// (g.clip(1).norm() - 1).abs() < 1e-5      //=> true
    /// ```
    #[rhai_fn(name = "clip", pure, return_raw)]
    pub fn clip_whole(grads: &mut Grads, limit: INT) -> Res<Grads> {
        Ok((*grads).clip(limit as f64)?)
    }

    /// Adds gradients parameter by parameter; a gradient that only one side has is kept.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// let g = (w * 2).sum().backward() + (w * 3).sum().backward();
    /// g[w]      //=> tensor([5.])
    /// ```
    #[rhai_fn(name = "+", pure, return_raw)]
    pub fn plus(left: &mut Grads, right: Grads) -> Res<Grads> {
        Ok((*left).plus(&right)?)
    }

    /// Multiplies every gradient by a number.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// (w.sum().backward() * 0.5)[w]      //=> tensor([0.5000])
    /// ```
    #[rhai_fn(name = "*", pure, return_raw)]
    pub fn times(grads: &mut Grads, factor: f64) -> Res<Grads> {
        Ok(grads.scale(factor))
    }

    /// Multiplies every gradient by an integer.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// (w.sum().backward() * 2)[w]      //=> tensor([2.])
    /// ```
    #[rhai_fn(name = "*", pure, return_raw)]
    pub fn times_whole(grads: &mut Grads, factor: INT) -> Res<Grads> {
        Ok(grads.scale(factor as f64))
    }

    /// Divides every gradient by a number.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// (w.sum().backward() / 2.0)[w]      //=> tensor([0.5000])
    /// ```
    #[rhai_fn(name = "/", pure, return_raw)]
    pub fn over(grads: &mut Grads, divisor: f64) -> Res<Grads> {
        Ok(grads.over(divisor)?)
    }

    /// Divides every gradient by an integer.
    ///
    /// ```rhai
    /// let w = param(tensor([1.0]));
    /// (w.sum().backward() / 4)[w]      //=> tensor([0.2500])
    /// ```
    #[rhai_fn(name = "/", pure, return_raw)]
    pub fn over_whole(grads: &mut Grads, divisor: INT) -> Res<Grads> {
        Ok(grads.over(divisor as f64)?)
    }

    /// Formats the number of parameters and the norm in one line.
    ///
    /// ```rhai
    /// let w = param(tensor([3.0, 4.0]));
    /// (w * w).sum().backward()      //=> gradients of 1 parameter, norm 10
    /// ```
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_string(grads: &mut Grads) -> String {
        grads.to_string()
    }
}
