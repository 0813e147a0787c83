//! Ids of special tokens.

use super::value;
use crate::script::prelude::*;
use crate::token::Tokenizer;

/// The id for an option `bos`: BOS (otherwise EOS) for `true`, the id of a token, or none for `false`.
pub fn start_token(who: &'static str, tok: &Tokenizer, given: Dynamic) -> Res<Option<u32>> {
    if let Ok(wanted) = given.as_bool() {
        return Ok(tok.start().filter(|_| wanted));
    }
    if let Ok(token) = given.as_immutable_string_ref() {
        let Some(id) = tok.id(&token) else {
            let specials = tok.specials();
            let known = specials.iter().filter_map(|&id| tok.token(id));
            return Err(Error::unknown(who, "token", &token, known).into());
        };
        return Ok(Some(id));
    }
    match given.as_int().map(u32::try_from) {
        Ok(Ok(id)) if (id as usize) < tok.len() => Ok(Some(id)),
        Ok(_) => bail!(who, "option `bos` is {given}, and the tokenizer has {} tokens", tok.len()),
        Err(_) => {
            bail!(who, "option `bos` takes true, false, a token or its id, not {} ({given})", type_in_words(&given))
        }
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Id of BOS, the token that begins a text, or `()`.
    ///
    /// also: bos_token_id, bos_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 260 }).bos == ()     //=> true
    /// ```
    #[rhai_fn(get = "bos", pure)]
    pub fn bos(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.bos())
    }

    /// Id of EOS, the token that ends a text, or `()`.
    ///
    /// also: eos_token_id, eos_token
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// tok[tok.eos]         //=> <|endoftext|>
    /// ```
    #[rhai_fn(get = "eos", pure)]
    pub fn eos(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.eos())
    }

    /// Id of the padding token, or `()`.
    ///
    /// also: pad_token_id, pad_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 20 }).pad     //=> 0
    /// ```
    #[rhai_fn(get = "pad", pure)]
    pub fn pad(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.pad())
    }

    /// Id of the unknown token, or `()`.
    ///
    /// also: unk_token_id, unk_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 20 }).unk     //=> 1
    /// ```
    #[rhai_fn(get = "unk", pure)]
    pub fn unk(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.unk())
    }

    /// Id of the mask token, or `()`.
    ///
    /// also: mask_token_id, mask_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 20 }).mask     //=> 4
    /// ```
    #[rhai_fn(get = "mask", pure)]
    pub fn mask(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("mask"))
    }

    /// Id of the classification token, whose hidden state represents the whole text, or `()`.
    ///
    /// also: cls_token_id, cls_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 20 }).cls     //=> 2
    /// ```
    #[rhai_fn(get = "cls", pure)]
    pub fn cls(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("cls"))
    }

    /// Id of the separator token, or `()`.
    ///
    /// also: sep_token_id, sep_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 20 }).sep     //=> 3
    /// ```
    #[rhai_fn(get = "sep", pure)]
    pub fn sep(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("sep"))
    }

    /// Ids of the special tokens, ascending.
    ///
    /// also: all_special_ids, all_special_tokens
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 260 }).special_ids     //=> [0, 1, 2]
    /// ```
    #[rhai_fn(get = "special_ids", pure)]
    pub fn special_ids(tokenizer: &mut Tokenizer) -> Dynamic {
        value::id_list(&tokenizer.specials())
    }
}
