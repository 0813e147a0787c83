//! Rust side of `train::run` on several ranks.

use super::held;
use crate::ranks;
use crate::script::prelude::*;
use crate::script::{carried, is_interrupted};
use crate::tensor::Grads;
use crate::train::over_ranks::{self, Part};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// The numbers of a pair.
fn floats(pair: Dynamic) -> crate::Result<Vec<f64>> {
    let numbers = pair.read_lock::<List>().and_then(|pair| pair.iter().map(as_number).collect::<Option<Vec<f64>>>());
    match numbers {
        Some(numbers) if numbers.len() == 2 => Ok(numbers),
        _ => Err(Error::new("train::run", format!("an evaluation gave {pair}, and not a pair of numbers"))),
    }
}

#[export_module]
mod verbs {
    pub type Optimizer = crate::train::Optimizer;

    /// Records the current step, for messages about ranks.
    #[rhai_fn(name = "_at_step")]
    pub fn at_step(step: INT) {
        ranks::set_step(step.unsigned_abs());
    }

    /// Sums the results of a step over ranks: a map of `loss` and `grads`, or `()` in a rank without a micro-batch.
    #[rhai_fn(name = "_sum_of_ranks", return_raw)]
    pub fn sum_of_ranks(found: Dynamic, opt: Optimizer) -> Res<Map> {
        let found = found.try_cast::<Map>().unwrap_or_default();
        let loss = found.get("loss").and_then(|loss| loss.as_float().ok());
        let grads = found.get("grads").cloned().and_then(|grads| grads.try_cast::<Grads>());
        drop(found);
        let sum = over_ranks::sum(&opt.params(), Part { loss, grads })?;
        let mut map = Map::new();
        map.insert("loss".into(), sum.loss.unwrap_or(0.0).into());
        map.insert("grads".into(), sum.grads.map_or(Dynamic::UNIT, Dynamic::from));
        Ok(map)
    }

    /// Calls `work` with the number of this rank and of all ranks, for the pairs of floats of its items, and returns the pairs of
    /// all items in order.
    #[rhai_fn(name = "_divided", return_raw)]
    pub fn divided(ctx: NativeCallContext, work: FnPtr) -> Res<List> {
        let (rank, count) = ranks::turn();
        let done: Res<List> = work.call_within_context(&ctx, (rank as INT, count as INT));
        if count == 1 {
            return done;
        }
        let own = match done {
            Ok(pairs) => pairs.into_iter().map(floats).collect::<crate::Result<Vec<_>>>().map(|pairs| pairs.concat()),
            Err(error) if is_interrupted(&error) => Err(Error::interrupted()),
            Err(error) => Err(carried("train::run", error)),
        };
        let all = ranks::in_order("an evaluation", 2, own)?;
        Ok(all
            .chunks(2)
            .map(|pair| pair.iter().map(|number| Dynamic::from(*number)).collect::<List>().into())
            .collect())
    }

    /// Checks that all ranks have the same parameters and random numbers.
    #[rhai_fn(name = "_check_ranks", return_raw)]
    pub fn check_ranks(params: List) -> Res<()> {
        Ok(over_ranks::check_same(&held("train::run", params)?)?)
    }
}
