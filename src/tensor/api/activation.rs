//! Activation functions.

use crate::script::prelude::*;
use crate::tensor::{Tensor, nn, ops};

const GELU: &[Opt] = &[opt("approximate", Kind::OneOf(&["none", "tanh"]), "\"none\"", "tanh: GPT-2's approximation")];
const SOFTPLUS: &[Opt] = &[
    opt("beta", Kind::Float, "1.0", "sharpness of the bend at 0"),
    opt("threshold", Kind::Float, "20.0", "above this value of beta · x, the result is x"),
];
const LEAKY_RELU: &[Opt] = &[opt("negative_slope", Kind::Float, "0.01", "slope below 0")];
const ELU: &[Opt] = &[opt("alpha", Kind::Float, "1.0", "the result for large negative numbers is -alpha")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("gelu", GELU);
    host.options("softplus", SOFTPLUS);
    host.options("leaky_relu", LEAKY_RELU);
    host.options("elu", ELU);
}

#[export_module]
mod verbs {
    /// Computes the rectified linear unit, max(x, 0), of each number. The gradient at 0 is 0.
    ///
    /// also: nn.ReLU, F.relu
    ///
    /// ```rhai
    /// tensor([-1.0, 2.0]).relu()      //=> tensor([0., 2.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn relu(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::relu(x)?)
    }

    /// Computes the Gaussian error linear unit, x Φ(x), of each number (Hendrycks and Gimpel 2016), exactly or by the tanh
    /// approximation.
    ///
    /// also: nn.GELU, F.gelu
    ///
    /// ```rhai
    /// tensor([-1.0, 1.0]).gelu()      //=> tensor([-0.1587,  0.8413])
    /// tensor([-1.0, 1.0]).gelu(#{ approximate: "tanh" })      //=> tensor([-0.1588,  0.8412])
    /// ```
    #[rhai_fn(name = "gelu", pure, return_raw)]
    pub fn gelu(x: &mut Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("gelu", GELU, options)?;
        Ok(nn::gelu(&ops::real(x)?, options.text("approximate")? == "tanh")?)
    }

    /// Computes the sigmoid linear unit (swish), x / (1 + e^-x), of each number.
    ///
    /// also: swish, nn.SiLU
    ///
    /// ```rhai
    /// tensor([-1.0, 1.0]).silu()      //=> tensor([-0.2689,  0.7311])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn silu(x: &mut Tensor) -> Res<Tensor> {
        Ok(nn::silu(&ops::real(x)?)?)
    }

    /// Computes softplus, log(1 + e^(βx)) / β, of each number: a smooth `relu`. See Dugas et al. 2001.
    ///
    /// also: F.softplus, nn.Softplus
    ///
    /// ```rhai
    /// tensor([-1.0, 0.0, 30.0]).softplus()      //=> tensor([ 0.3133,  0.6931, 30.0000])
    /// tensor([0.0, 1.0]).softplus(#{ beta: 2.0 })      //=> tensor([0.3466, 1.0635])
    /// tensor([1.0]).softplus(#{ threshold: 0.5 })      //=> tensor([1.])
    /// ```
    #[rhai_fn(name = "softplus", pure, return_raw)]
    pub fn softplus(x: &mut Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("softplus", SOFTPLUS, options)?;
        Ok(ops::softplus(x, options.float("beta")?, options.float("threshold")?)?)
    }

    /// Computes the logarithm of the sigmoid of each number, accurate for small values too.
    ///
    /// also: F.logsigmoid, nn.LogSigmoid, log_sigmoid
    ///
    /// ```rhai
    /// tensor([0.0, -100.0]).logsigmoid()      //=> tensor([  -0.6931, -100.0000])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn logsigmoid(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::logsigmoid(x)?)
    }

    /// Computes the leaky rectified linear unit of each number: x above 0, otherwise `negative_slope` · x. See Maas et al. 2013.
    ///
    /// also: F.leaky_relu, nn.LeakyReLU
    ///
    /// ```rhai
    /// tensor([-1.0, 2.0]).leaky_relu()      //=> tensor([-0.0100,  2.0000])
    /// tensor([-1.0, 2.0]).leaky_relu(#{ negative_slope: 0.5 })      //=> tensor([-0.5000,  2.0000])
    /// ```
    #[rhai_fn(name = "leaky_relu", pure, return_raw)]
    pub fn leaky_relu(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::leaky_relu(x, Options::read("leaky_relu", LEAKY_RELU, options)?.float("negative_slope")?)?)
    }

    /// Computes the exponential linear unit of each number: x above 0, otherwise α (e^x - 1). See Clevert et al. 2016.
    ///
    /// also: F.elu, nn.ELU
    ///
    /// ```rhai
    /// tensor([-1.0, 2.0]).elu()      //=> tensor([-0.6321,  2.0000])
    /// tensor([-1.0, 2.0]).elu(#{ alpha: 2.0 })      //=> tensor([-1.2642,  2.0000])
    /// ```
    #[rhai_fn(name = "elu", pure, return_raw)]
    pub fn elu(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::elu(x, Options::read("elu", ELU, options)?.float("alpha")?)?)
    }
}
