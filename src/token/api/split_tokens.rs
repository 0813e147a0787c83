//! Replacement of tokens by their subtokens in rows of ids.

use crate::script::prelude::*;
use crate::tensor::values::values_i64;
use crate::tensor::{Array, Device, Tensor};
use crate::token::SubtokenRows;
use std::collections::HashMap;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn ids(what: &str, list: &Dynamic) -> crate::Result<Vec<u32>> {
    let id = |value: &Dynamic| match value.as_int().map(u32::try_from) {
        Ok(Ok(id)) => Ok(id),
        _ => bail!("split_tokens", "{what}: {value} is not an id"),
    };
    match list.read_lock::<List>() {
        Some(list) => list.iter().map(id).collect(),
        None => bail!("split_tokens", "{what} are a list of ids, not {}", type_in_words(list)),
    }
}

#[export_module]
mod verbs {
    /// Replaces tokens in rows of ids by their subtokens: `tokens` (ids) by the lists of ids `subtokens`.
    ///
    /// Returns `ids`, padded with 0 to one length, and `ends`: for every token of the rows the index in the flattened ids at
    /// which it ends. With `grown.new_ids(old)` and `grown.subtokens(old)` this is the text as the old tokenizer encodes it. An
    /// index in `ends` is causally independent of the padding.
    ///
    /// ```rhai
    /// let split = tensor([[7, 9], [7, 7]]).split_tokens([9], [[1, 2, 3]]);
    /// split.ids        //=> tensor([[7, 1, 2, 3], [7, 7, 0, 0]])
    /// split.ends       //=> tensor([0, 3, 4, 5])
    /// tensor([[7]]).split_tokens([9], [])     //=> error: split_tokens: 0 lists of subtokens for 1 tokens
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn split_tokens(rows: &mut Tensor, tokens: List, subtokens: List) -> Res<Map> {
        const WHO: &str = "split_tokens";
        if subtokens.len() != tokens.len() {
            bail!(WHO, "{} lists of subtokens for {} tokens", subtokens.len(), tokens.len());
        }
        let tokens = super::ids("the tokens", &tokens.into())?;
        let lists = subtokens.iter().map(|list| super::ids("subtokens", list)).collect::<crate::Result<Vec<_>>>()?;
        let known: HashMap<u32, Vec<u32>> = tokens.into_iter().zip(lists).collect();
        let shape = rows.shape();
        let &[count, width] = shape.as_slice() else { bail!(WHO, "the ids have shape {shape:?}, not rows") };
        let ids = values_i64(WHO, &rows.value())?;
        if let Some(id) = ids.iter().find(|id| u32::try_from(**id).is_err()) {
            bail!(WHO, "{id} is not an id");
        }
        let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
        let rows: Vec<&[u32]> = ids.chunks(width.max(1)).collect();
        let SubtokenRows { ids, length, ends } = crate::token::split_tokens(&rows, &known);
        let mut map = Map::new();
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        let ids = Array::from_vec(ids, (count, length), &Device::Cpu).map_err(Error::from)?;
        let ends = Array::from_slice(&ends, ends.len(), &Device::Cpu).map_err(Error::from)?;
        map.insert("ids".into(), Dynamic::from(Tensor::from(ids)));
        map.insert("ends".into(), Dynamic::from(Tensor::from(ends)));
        Ok(map)
    }
}
