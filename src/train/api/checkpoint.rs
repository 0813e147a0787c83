//! Checkpoints in scripts.

use super::{from_json, held, to_json};
use crate::model::Model;
use crate::resume;
use crate::script::prelude::*;
use crate::tensor::Param;
use crate::train::Checkpoint;
use std::sync::Arc;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Checkpoint>("Checkpoint");
}

/// The trainable parameters of a model, or the parameters and buffers of a list.
fn params(who: &str, net: Dynamic) -> Res<Vec<Arc<Param>>> {
    if let Some(net) = net.read_lock::<Model>() {
        return Ok(net.parameters().iter().filter_map(|tensor| tensor.as_param().cloned()).collect());
    }
    let kind = type_in_words(&net);
    match net.try_cast::<List>() {
        Some(list) => held(who, list),
        None => bail!(who, "expected a model or a list of parameters, got {kind}"),
    }
}

/// The saved state with its step.
fn state((step, state): (u64, serde_json::Value)) -> Res<Map> {
    let mut map = from_json(state)?.try_cast::<Map>().unwrap_or_default();
    map.insert("step".into(), (step as INT).into());
    Ok(map)
}

#[export_module]
mod verbs {
    pub type Checkpoint = crate::train::Checkpoint;
    pub type Optimizer = crate::train::Optimizer;

    /// Returns a checkpoint in the folder `path`, which each save replaces as a whole.
    ///
    /// It holds everything a run needs to resume to the same bits: trainable parameters, optimizer state, random state, the step
    /// and the values that the script adds. A kill at any instant leaves the last complete checkpoint.
    ///
    /// effect
    ///
    /// ```rhai
    /// let w     = param(tensor([1.0, 2.0]));
    /// let opt   = adamw([w], #{ lr: 0.1 });
    /// let point = checkpoint("out/examples/checkpoint");
    /// opt.step(w.sum().backward());
    /// point.save(1, [w], opt, #{ best: 3.0 });
    /// opt.step(w.sum().backward());
    /// point.load([w], opt)                     //=> #{"best": 3.0, "step": 1}
    /// opt.steps                                //=> 1
    /// point.remove();
    /// ```
    ///
    /// also: save_checkpoint, resume_from_checkpoint, state_dict, torch.save, load_state_dict
    pub fn checkpoint(path: &str) -> Checkpoint {
        Checkpoint::at(path)
    }

    /// Returns a checkpoint in memory, to go back to within a run, or at the prompt with `:resume` after Ctrl-C.
    ///
    /// effect
    ///
    /// ```rhai
    /// checkpoint().exists                      //=> false
    /// ```
    #[rhai_fn(name = "checkpoint")]
    pub fn checkpoint_in_memory() -> Checkpoint {
        resume::reused(Checkpoint::in_memory)
    }

    /// Saves the parameters, the optimizer, the step and the values of `state`, exact to the last bit. `net` is a model, whose
    /// trainable parameters are saved, or a list of parameters.
    ///
    /// effect
    ///
    /// ```rhai
    /// let w     = param(tensor([1.0]));
    /// let point = checkpoint();
    /// point.save(7, [w], sgd([w]), #{ note: "before the change" });
    /// point                                    //=> checkpoint of step 7, in memory
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_with(point: &mut Checkpoint, step: INT, net: Dynamic, opt: Optimizer, state: Map) -> Res<()> {
        let Ok(step) = u64::try_from(step) else { bail!("save", "step {step} is below 0") };
        let params = params("save", net)?;
        point.save(step, &params, &opt, to_json("save", state)?.into())?;
        resume::checkpoint_saved();
        Ok(())
    }

    /// Saves the trainable parameters of `net`, the optimizer and the step.
    ///
    /// effect
    ///
    /// ```rhai
    /// let w     = param(tensor([1.0]));
    /// let point = checkpoint();
    /// point.save(1, [w], sgd([w]));
    /// point.exists                             //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(point: &mut Checkpoint, step: INT, net: Dynamic, opt: Optimizer) -> Res<()> {
        save_with(point, step, net, opt, Map::new())
    }

    /// Restores parameters, optimizer and random state; returns the saved state with its `step`.
    ///
    /// Names and shapes are checked first: a checkpoint of other parameters is an error that changes nothing.
    ///
    /// ```rhai
    /// let w     = param(tensor([1.0]));
    /// let opt   = sgd([w]);
    /// let point = checkpoint();
    /// point.save(1, [w], opt);
    /// point.load([w], opt).step                //=> 1
    /// point.load([param(tensor([1.0, 2.0]))], opt) //=> error: load: `#0` has shape [1], the model [2]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn load(point: &mut Checkpoint, net: Dynamic, opt: Optimizer) -> Res<Map> {
        state(point.load(&params("load", net)?, &opt)?)
    }

    /// Restores the parameters alone, for example those of the best step at the end of a run.
    ///
    /// ```rhai
    /// let w    = param(tensor([1.0]));
    /// let opt  = sgd([w], #{ lr: 1.0 });
    /// let best = checkpoint();
    /// best.save(0, [w], opt);
    /// opt.step(w.sum().backward());
    /// best.load([w]);
    /// w.item()                                 //=> 1.0
    /// ```
    #[rhai_fn(name = "load", pure, return_raw)]
    pub fn load_weights(point: &mut Checkpoint, net: Dynamic) -> Res<Map> {
        state(point.load_weights(&params("load", net)?)?)
    }

    /// Returns the saved state with its `step`, without restoring anything.
    ///
    /// ```rhai
    /// let w     = param(tensor([1.0]));
    /// let point = checkpoint();
    /// point.save(7, [w], sgd([w]), #{ seed: 1 });
    /// point.peek()                             //=> #{"seed": 1, "step": 7}
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn peek(point: &mut Checkpoint) -> Res<Map> {
        state(point.peek()?)
    }

    /// Returns whether there is a checkpoint to load.
    ///
    /// ```rhai
    /// checkpoint("out/examples/nothing").exists //=> false
    /// ```
    #[rhai_fn(get = "exists", pure, return_raw)]
    pub fn exists(point: &mut Checkpoint) -> Res<bool> {
        Ok(point.exists()?)
    }

    /// Removes the checkpoint, if there is one: a finished run needs none.
    ///
    /// ```rhai
    /// checkpoint("out/examples/nothing").remove();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn remove(point: &mut Checkpoint) -> Res<()> {
        point.remove()?;
        resume::checkpoint_removed();
        Ok(())
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn checkpoint_to_string(point: &mut Checkpoint) -> String {
        let step = point.peek().map(|(step, _)| format!(" of step {step}")).unwrap_or_else(|_| ", empty".into());
        let place = point.path().map_or("in memory".into(), |path| path.display().to_string());
        format!("checkpoint{step}, {place}")
    }
}
