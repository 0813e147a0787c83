//! Predictions of pretraining heads: masked tokens, and sentence pairs.

use super::loss::with_rows;
use crate::data::Batch;
use crate::model::{Model, TokenRows};
use crate::script::prelude::*;
use crate::tensor::Rng;

const FILL_MASK: &[Opt] = &[opt("top_k", Kind::Int, "5", "number of most likely ids per token").also(&["topk"])];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("fill_mask", FILL_MASK);
}

#[export_module]
mod verbs {
    pub type Tensor = crate::tensor::Tensor;

    /// Returns the logits `[sequences, 2]` of the heads `next_sentence` and `pretraining`. The first is that the second text of a
    /// pair follows the first (ALBERT: that the two are in order), the second that it does not. Accepts rows as `loss` does, with
    /// `token_types`.
    ///
    /// also: seq_relationship_logits, BertForNextSentencePrediction, sop_logits
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/bert-pretrain");
    /// net.pair_logits(#{ ids: [[2, 4, 9, 3], [2, 5, 6, 3]], token_types: [[0, 0, 1, 1], [0, 0, 1, 1]] }).shape      //=> [2, 2]
    /// model("tests/data/parity/llama").pair_logits([5, 6])       //=> error: pair_logits: a llama with a causal head does not judge pairs
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pair_logits(net: &mut Model, rows: Dynamic) -> Res<Tensor> {
        with_rows("pair_logits", rows, |rows| net.pair_logits(rows))
    }

    /// Replaces masked tokens by samples from a masked model, and returns a batch for the head `replaced_token`. Its labels mark
    /// the tokens that differ from the text's own (Clark et al. 2020, ELECTRA). `seed` determines the samples.
    ///
    /// also: generator, replaced token detection, RTD, ElectraForPreTraining
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/align/wordpiece.json");
    /// let net  = model("tests/data/parity/bert-mlm");
    /// let rows = dataset(["paul smith flew to new york"]).encode(tok, #{ mask: #{ mlm_probability: 1.0 } });
    /// let made = net.replace_masked(rows[0], 1);
    /// [made.labels.min().item(), made.labels.max().item()]         //=> [0, 1]
    /// let judge = model(#{ model_type: "electra", vocab_size: tok.len() + 99, hidden_size: 16, num_hidden_layers: 1 }, #{ head: "replaced_token", seed: 1 });
    /// (net.loss(rows[0]) + judge.loss(made) * 50.0).backward();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn replace_masked(net: &mut Model, batch: Batch, seed: INT) -> Res<Batch> {
        let made = net.replace_masked(&TokenRows::from(&batch), &Rng::new(seed as u64))?;
        Ok(Batch { ids: made.ids, labels: made.labels, ..batch })
    }

    /// Predicts masked tokens: a list with a map for each token that has a label (for all tokens without labels), in order.
    ///
    /// Each map has `place` (in rows × length), `label`, `nats` (the negative log likelihood of the label), `is_best` (no other
    /// id is more likely), and `ids` with `probabilities`: the `top_k` most likely ids, the most likely first. Accepts rows as
    /// `loss` does; the scores of other tokens are not computed. `mlm::fill` does this for a text.
    ///
    /// also: fill-mask pipeline, BertForMaskedLM, top_k
    ///
    /// ```rhai
    /// let net   = model("tests/data/parity/bert-mlm");
    /// let found = net.fill_mask(#{ ids: [2, 4, 9, 3], labels: [-100, 7, -100, -100] }, #{ top_k: 2 });
    /// [found.len(), found[0].place, found[0].label, found[0].ids.len()]      //=> [1, 1, 7, 2]
    /// assert::close(found[0].nats, net.loss(#{ ids: [2, 4, 9, 3], labels: [-100, 7, -100, -100] }).item(), 1e-4);
    /// model("tests/data/parity/llama").fill_mask([5, 6])
    /// //=> error: fill_mask: a llama with a causal head does not predict masked tokens
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn fill_mask(net: &mut Model, rows: Dynamic, options: Map) -> Res<List> {
        let top = Options::read("fill_mask", FILL_MASK, options)?.count("top_k")?;
        let guesses = with_rows("fill_mask", rows, |rows| net.fill_mask("fill_mask", rows, top))?;
        let map = |guess: crate::model::MaskGuess| {
            let ids = guess.top.iter().map(|(id, _)| INT::from(*id).into()).collect::<List>();
            let shares = guess.top.iter().map(|(_, share)| f64::from(*share).into()).collect::<List>();
            let entries: [(&str, Dynamic); 6] = [
                ("place", (guess.place as INT).into()),
                ("label", INT::from(guess.label).into()),
                ("nats", f64::from(guess.nats).into()),
                ("is_best", guess.is_best.into()),
                ("ids", ids.into()),
                ("probabilities", shares.into()),
            ];
            Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        Ok(guesses.into_iter().map(map).collect())
    }
}
