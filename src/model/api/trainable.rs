//! Which parameters of a model are trained.

use crate::script::prelude::*;

const PARAMETERS: &[Opt] = &[opt("frozen", Kind::Bool, "false", "include frozen parameters")];

const TRAIN_ONLY: &[Opt] = &[opt(
    "first_new_id",
    Kind::Int,
    "",
    "first id of the new embedding rows; default: the rows added by the last resize",
)];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("train_only", TRAIN_ONLY);
    host.options("parameters", PARAMETERS);
}

/// A word, or a list of words.
fn words(who: &str, given: Dynamic) -> Res<Vec<String>> {
    if given.is_string() {
        return Ok(vec![given.to_string()]);
    }
    let kind = type_in_words(&given);
    match given.into_typed_array::<ImmutableString>() {
        Ok(words) => Ok(words.iter().map(|word| word.to_string()).collect()),
        Err(_) => bail!(who, "parts are a word or a list of words, not {kind}"),
    }
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Makes these parts of the model trainable and freezes all others. Returns the number of trainable weights.
    ///
    /// `parts` is a name or a list of names:
    ///
    /// - `new_embeddings`: rows that the last `resize_embeddings` added, input and output (`new_input_embeddings`,
    ///   `new_output_embeddings`: one of the two);
    /// - `embeddings`: input and output embeddings (`input_embeddings`, `output_embeddings`: one of the two);
    /// - `layers`: everything but the embeddings;
    /// - `lora`, `bottleneck`: the adapters of `attach_lora` and `attach_bottleneck`;
    /// - `all`.
    ///
    /// While new embedding rows are trained without the old ones they are a weight of their own, `model.embed_tokens.new_rows`,
    /// and the old rows are frozen: weight decay cannot move them, and they cost neither gradients nor optimizer state. `save`
    /// and `resize_embeddings` join the rows again. Create optimizers afterwards: earlier ones hold the earlier weights.
    ///
    /// New embedding rows are those of the last `resize_embeddings`, or those from `first_new_id` on.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize_embeddings(170);
    /// net.train_only("new_embeddings")                    //=> 2
    /// net["model.embed_tokens.new_rows"].shape //=> [10, 48]
    /// net.attach_lora(#{ rank: 2, seed: 1 });
    /// net.train_only(["new_embeddings", "lora"])          //=> 10
    /// net.train_only("new_row")                     //=> error: train_only: there is no part `new_row`
    /// let net = model("tests/data/parity/llama");
    /// net.train_only("new_embeddings", #{ first_new_id: 150 });
    /// net["lm_head.new_rows"].shape            //=> [10, 48]
    /// net.train_only("new_embeddings")
    /// //=> error: train_only: cannot tell which embedding rows are new: this model was not resized
    /// ```
    ///
    /// also: requires_grad_, trainable parameters, freeze, unfreeze
    #[rhai_fn(name = "train_only", pure, return_raw)]
    pub fn train_only(net: &mut Model, parts: Dynamic, options: Map) -> Res<INT> {
        let options = Options::read("train_only", TRAIN_ONLY, options)?;
        let parts = crate::model::parts("train_only", &words("train_only", parts)?)?;
        Ok(net.train_only(&parts, options.maybe("first_new_id", Options::count)?)? as INT)
    }

    /// Returns the trainable parameters of parts of the model (see `train_only`), for the groups of an optimizer.
    ///
    /// `frozen` includes the frozen ones: a checkpoint of a run in stages holds them all.
    ///
    /// also: named_parameters, trainable parameters
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.parameters("embeddings").len()               //=> 2
    /// adamw(net.parameters(), #{ lr: 1e-4, groups: [#{ parameters: net.parameters("embeddings"), lr: 1e-3 }] });
    /// net.train_only("layers");
    /// net.parameters("embeddings").len()                       //=> 0
    /// net.parameters("embeddings", #{ frozen: true }).len()    //=> 2
    /// ```
    #[rhai_fn(name = "parameters", pure, return_raw)]
    pub fn parameters_of(net: &mut Model, parts: Dynamic, options: Map) -> Res<List> {
        let options = Options::read("parameters", PARAMETERS, options)?;
        let parts = crate::model::parts("parameters", &words("parameters", parts)?)?;
        Ok(net.parameters_of(&parts, options.bool("frozen")?).into_iter().map(Dynamic::from).collect())
    }

    /// Returns the trainable parameters in name order, as an optimizer takes them. Frozen weights are left out.
    ///
    /// also: params, trainable_parameters, named_parameters, requires_grad
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.parameters().len()                       //=> 21
    /// let opt = adamw(net.parameters(), #{ lr: 1e-3 });
    /// opt.step(net.loss(#{ ids: [5, 6, 7, 8] }).backward());
    /// ```
    #[rhai_fn(pure)]
    pub fn parameters(net: &mut Model) -> List {
        net.parameters().into_iter().map(Dynamic::from).collect()
    }

    /// Freezes the weights whose names match `pattern`, and returns their number. Frozen weights cost nothing in training.
    ///
    /// `*` matches any part of a name.
    ///
    /// also: requires_grad_(False), requires_grad
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.freeze("*.mlp.*")                    //=> 6
    /// net.freeze("*.mlb.*")                    //=> error: freeze: no weight matches `*.mlb.*`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn freeze(net: &mut Model, pattern: &str) -> Res<INT> {
        Ok(net.freeze(pattern, true)? as INT)
    }

    /// Makes the weights whose names match `pattern` trainable again, and returns their number.
    ///
    /// also: requires_grad_(True)
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.freeze("*");
    /// net.unfreeze("lm_head.weight");
    /// net.parameters().len()                       //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unfreeze(net: &mut Model, pattern: &str) -> Res<INT> {
        Ok(net.freeze(pattern, false)? as INT)
    }
}
