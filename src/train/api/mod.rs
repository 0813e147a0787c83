//! Training in scripts: optimizers, records, checkpoints, interrupts and stored runs.

mod checkpoint;
mod hold;
mod json;
mod optimizer;
mod over_ranks;
mod record;
mod runs;

use crate::script::prelude::*;
use crate::tensor::{Param, Tensor};
use json::{from_json, to_json};
use std::sync::Arc;

pub fn register(host: &mut Host) {
    optimizer::register(host);
    over_ranks::register(host);
    record::register(host);
    checkpoint::register(host);
    hold::register(host);
    runs::register(host);
}

/// The parameters behind a script's list of tensors, all of them trainable.
fn trainable(who: &str, params: List) -> Res<Vec<Arc<Param>>> {
    of_list(who, params, Tensor::as_param)
}

/// The parameters and buffers behind a script's list of tensors.
fn held(who: &str, params: List) -> Res<Vec<Arc<Param>>> {
    of_list(who, params, Tensor::as_held)
}

fn of_list(who: &str, params: List, find: fn(&Tensor) -> Option<&Arc<Param>>) -> Res<Vec<Arc<Param>>> {
    let mut found = Vec::new();
    for (index, item) in params.into_iter().enumerate() {
        let kind = type_in_words(&item);
        match item.try_cast::<Tensor>().as_ref().map(find) {
            Some(Some(param)) => found.push(param.clone()),
            Some(None) => {
                return Err(Error::new(who, format!("item {index} of the parameters is not trainable"))
                    .help("make it with `param(tensor)`")
                    .into());
            }
            None => bail!(who, "item {index} of the parameters is not a tensor but {kind}"),
        }
    }
    Ok(found)
}
