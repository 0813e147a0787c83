//! What scripts see of tags.

use crate::data::tags::{Scheme, Tag};
use crate::script::prelude::*;
use crate::tensor::{Array, Device, Tensor};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Says which tags may follow each other in a scheme, for `crf` and `crf_decode`: `transitions` `[labels, labels]` (1 where a row's
    /// label may stand before a column's), `start_transitions` and `end_transitions` `[labels]`, with `labels` in this order.
    ///
    /// The schemes are IOB1, IOB2 (BIO), IOE1, IOE2, IOBES, BILOU and BMES.
    ///
    /// also: allowed_transitions, constrained decoding, BIO constraints
    ///
    /// ```rhai
    /// let c = crf_constraints(["O", "B-PER", "I-PER"], "IOB2");
    /// c.transitions                            //=> tensor([[1, 1, 0],
    /// //                                                    [1, 1, 1],
    /// //                                                    [1, 1, 1]], dtype=u8)
    /// c.start_transitions                      //=> tensor([1, 1, 0], dtype=u8)
    /// crf_constraints(["O", "S-PER"], "IOB2")  //=> error: crf_constraints: `S-PER` is not a tag of IOB2, whose letters are I O B
    /// ```
    #[rhai_fn(return_raw)]
    pub fn crf_constraints(labels: List, scheme: &str) -> Res<Map> {
        const WHO: &str = "crf_constraints";
        let scheme = Scheme::named(WHO, scheme)?;
        if labels.is_empty() {
            bail!(WHO, "there are no labels");
        }
        let labels: Vec<String> = labels.iter().map(Dynamic::to_string).collect();
        let tags = labels.iter().map(|label| scheme.read(WHO, label)).collect::<Result<Vec<Tag>, _>>()?;
        let allows = |tag: &Tag, next: &Tag| u8::from(scheme.allows(*tag, *next));
        let between: Vec<u8> = tags.iter().flat_map(|tag| tags.iter().map(move |next| allows(tag, next))).collect();
        let start = tags.iter().map(|next| allows(&Tag::OUTSIDE, next)).collect();
        let end = tags.iter().map(|tag| allows(tag, &Tag::OUTSIDE)).collect();
        let count = tags.len();
        let sides: [(&str, Vec<u8>, Vec<usize>); 3] = [
            ("transitions", between, vec![count, count]),
            ("start_transitions", start, vec![count]),
            ("end_transitions", end, vec![count]),
        ];
        let mut found = Map::new();
        for (name, allowed, dims) in sides {
            let array = Array::from_vec(allowed, dims, &Device::Cpu).map_err(Error::from)?;
            found.insert(name.into(), Dynamic::from(Tensor::from(array)));
        }
        Ok(found)
    }
}
