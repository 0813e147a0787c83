//! Normalization of channels.

use super::{count, tensor_of};
use crate::script::prelude::*;
use crate::tensor::{Tensor, is_recording, layers, ops};

const BATCH: &[Opt] = &[
    opt("running_mean", Kind::Any, "", "running mean of each channel, shape [channels]"),
    opt("running_var", Kind::Any, "", "running variance of each channel, shape [channels]"),
    opt("momentum", Kind::Float, "0.1", "weight of this batch in the new running statistics"),
    opt("eps", Kind::Float, "1e-5", "added to the variance"),
];
const GROUP: &[Opt] = &[opt("eps", Kind::Float, "1e-5", "added to the variance")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("batch_norm", BATCH);
    host.options("group_norm", GROUP);
}

/// The running statistics after a batch.
fn moved(before: &Tensor, now: &Tensor, momentum: f64) -> crate::Result<Tensor> {
    let before = before.detach();
    ops::add(&ops::multiply(&before, 1.0 - momentum)?, &ops::multiply(&ops::cast(now, before.dtype())?, momentum)?)
}

#[export_module]
mod verbs {
    /// Normalizes each channel (the second dimension) of x `[batch, channels, ...]` over all other dimensions, times a weight,
    /// plus a bias (Ioffe and Szegedy 2015).
    ///
    /// Returns `output` and, if given, `running_mean` and `running_var` as updated by this batch: values to pass with the next
    /// one (`nn::batch_norm` keeps them in buffers, which `train::run` saves). Inside `no_grad`, that is in evaluation, `output`
    /// is normalized by the running statistics, which do not change.
    ///
    /// also: torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, F.batch_norm, running_mean, running_var, track_running_stats
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 5.0], [3.0, 5.5]]);
    /// let n = batch_norm(x, ones([2]), zeros([2]), #{ running_mean: zeros([2]), running_var: ones([2]) });
    /// n.output                                 //=> tensor([[-1.0000, -0.9999],
    /// //                                                    [ 1.0000,  0.9999]])
    /// n.running_mean                           //=> tensor([0.2000, 0.5250])
    /// let kept = #{ running_mean: n.running_mean, running_var: n.running_var };
    /// no_grad(|| batch_norm(x, ones([2]), zeros([2]), kept)).output[0]      //=> tensor([0.7628, 4.6846])
    /// ```
    #[rhai_fn(name = "batch_norm", return_raw)]
    pub fn batch_norm(x: Tensor, weight: Tensor, bias: Tensor, options: Map) -> Res<Map> {
        const WHO: &str = "batch_norm";
        let options = Options::read(WHO, BATCH, options)?;
        let (momentum, eps) = (options.float("momentum")?, options.float("eps")?);
        if !(0.0..=1.0).contains(&momentum) {
            bail!(WHO, "option `momentum` is {momentum}, not in 0 to 1");
        }
        let running = match (tensor_of(&options, "running_mean")?, tensor_of(&options, "running_var")?) {
            (Some(mean), Some(variance)) => Some((mean, variance)),
            (None, None) => None,
            _ => bail!(WHO, "`running_mean` and `running_var` come together"),
        };
        if let Some((mean, _)) = running.as_ref().filter(|(mean, variance)| mean.shape() != variance.shape()) {
            bail!(WHO, "`running_mean` has shape {:?}, `running_var` another", mean.shape());
        }
        let x = ops::real(&x)?;
        let mut found = Map::new();
        let (output, running) = match running {
            Some((mean, variance)) if !is_recording() => {
                (layers::batch_norm_by(&x, &weight, &bias, &mean, &variance, eps)?, Some((mean, variance)))
            }
            running => {
                let (y, mean, variance) = layers::batch_norm(&x, &weight, &bias, eps)?;
                let after = |(before, so_far): (Tensor, Tensor)| -> crate::Result<_> {
                    if before.shape() != mean.shape() {
                        bail!(WHO, "`running_mean` has shape {:?} for channels of {:?}", before.shape(), mean.shape());
                    }
                    Ok((moved(&before, &mean, momentum)?, moved(&so_far, &variance, momentum)?))
                };
                (y, running.map(after).transpose()?)
            }
        };
        found.insert("output".into(), Dynamic::from(output));
        if let Some((mean, variance)) = running {
            found.insert("running_mean".into(), Dynamic::from(mean.detach()));
            found.insert("running_var".into(), Dynamic::from(variance.detach()));
        }
        Ok(found)
    }

    /// Normalizes groups of channels (the second dimension) of each image of x `[batch, channels, ...]`, times a weight, plus a bias, both
    /// `[channels]` (Wu and He 2018). One group is a layer norm over channels, as many groups as channels an instance norm.
    ///
    /// also: torch.nn.GroupNorm, F.group_norm, InstanceNorm
    ///
    /// ```rhai
    /// group_norm(tensor([[1.0, 3.0, 2.0, 8.0]]), 2, ones([4]), zeros([4]))      //=> tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    /// group_norm(ones([1, 3, 2]), 2, ones([3]), zeros([3]))      //=> error: group_norm: 2 groups do not divide 3 channels
    /// ```
    #[rhai_fn(name = "group_norm", return_raw)]
    pub fn group_norm(x: Tensor, groups: INT, weight: Tensor, bias: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("group_norm", GROUP, options)?;
        let groups = count("group_norm", groups)?;
        Ok(layers::group_norm(&ops::real(&x)?, groups, &weight, &bias, options.float("eps")?)?)
    }
}
