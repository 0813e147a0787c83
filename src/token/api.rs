//! What scripts see of tokenizers.

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<crate::token::Tokenizer>("tokenizer");
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    pub type Tokenizer = crate::token::Tokenizer;

    #[rhai_fn(name = "tokenizer", return_raw)]
    pub fn open(path: &str) -> Res<Tokenizer> {
        Ok(Tokenizer::open(path)?)
    }

    #[rhai_fn(pure)]
    pub fn len(tokenizer: &mut Tokenizer) -> INT {
        tokenizer.len() as INT
    }

    #[rhai_fn(pure, name = "to_string", name = "to_debug")]
    pub fn to_string(tokenizer: &mut Tokenizer) -> String {
        tokenizer.to_string()
    }
}
