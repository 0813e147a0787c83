//! What scripts see of a vocabulary that is changed: what is appended, put in another's place or taken away, and the
//! audit of it.

use crate::script::prelude::*;

const CONTINUE_BPE: &[Opt] = &[
    opt("count", Kind::Int, "1000", "how many new pieces"),
    opt("least", Kind::Int, "2", "how often a pair has to occur to become a piece"),
    opt("longest", Kind::Int, "16", "how many characters a piece may have"),
];

const EXTEND: &[Opt] = &[opt(
    "how",
    Kind::Text,
    "\"usual\"",
    "how words become pieces: `usual`, `merges`, `whole` (one entry each), `symbols` (added tokens)",
)];

const RETRAIN: &[Opt] = &[
    opt("size", Kind::Int, "", "how many pieces; as many as there are where it is not given"),
    opt("least", Kind::Int, "2", "how often a pair has to occur to become a piece"),
    opt("longest", Kind::Int, "16", "how many characters a piece may have"),
];

const EMBED: &[Opt] = &[
    opt("dims", Kind::Int, "64", "how many numbers a piece gets"),
    opt("window", Kind::Int, "5", "how many tokens on each side are neighbours"),
    opt("seed", Kind::Int, "0", "decides where the search for directions begins"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("continue_bpe", CONTINUE_BPE);
    host.options("extend", EXTEND);
    host.options("replace", EXTEND);
    host.options("retrain", RETRAIN);
    host.options("embed", EMBED);
}

#[export_module]
mod verbs {
    use crate::tensor::Tensor;
    use crate::token::api::value;
    use crate::token::embed::Neighbours;
    use crate::token::words::Counter;
    use crate::token::{How, Surveying, Tokenizer};

    /// Goes on with BPE training on texts, from the segmentation that this tokenizer gives them, and tells what it
    /// would append: `#{ pieces, merges, counts }`, for `extend`.
    ///
    /// Every step adds one piece and one merge after the old ones, so old text is segmented as before but where a new
    /// merge applies, and every new piece is reachable (Purason et al. 2025, arXiv 2512.03989). A tokenizer that falls
    /// to bytes (as Llama 2's) also gets the characters that it lacks, as pieces without a merge.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let more = tok.continue_bpe(["the dog and the dog"], #{ count: 3 });
    /// more.pieces            //=> ["do", "Ġdo", "Ġdog"]
    /// tok.extend(more)       //=> tokenizer, byte-level BPE, 265 pieces, 3 special
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn continue_bpe(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("continue_bpe", CONTINUE_BPE, options)?;
        let (count, least, longest) = (options.count("count")?, options.count("least")?, options.count("longest")?);
        let mut counter = tokenizer.count_words("continue_bpe")?;
        value::each_part("continue_bpe", &texts, |texts| counter.add(texts))?;
        Ok(value::proposal(&tokenizer.continue_counted(counter, count, least as u64, longest)?))
    }

    /// New pieces; old ids and special pieces stay where they are, and a piece that could never be written is an error.
    ///
    /// A map `#{ merges: [["a", "b"], …] }`, as `continue_bpe` and `vocab::propose` give it, adds a piece for each merge.
    /// A list (or dataset) of words makes each word one piece, by BPE over nothing but these words: pieces that only help
    /// are counted in `info().extension`, and so are words that were skipped, with the reason. In byte-level BPE a word
    /// of a script with spaces becomes two pieces, as it stands after a space and as it stands alone.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let grown = tok.extend(["专利权", "cat"]);
    /// grown.encode("专利权").ids.len()          //=> 1
    /// grown.encode("a cat").pieces              //=> ["a", "Ġcat"]
    /// tok.extend(#{ merges: [["c", "at"], ["q", "zz"]] })   //=> error: extend: merge 1 (`q` + `zz`) names the piece `zz`, which is not there before it
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn extend(tokenizer: &mut Tokenizer, pieces: Dynamic) -> Res<Tokenizer> {
        extend_with(tokenizer, pieces, Map::new())
    }

    /// New pieces from a list of words, with a say in `how` they become pieces.
    ///
    /// `merges`: by BPE over nothing but these words, which also writes them inside longer ones. `whole`: one entry each,
    /// looked up before a word is merged (`ignore_merges`, as Llama 3; WordPiece and Unigram do nothing else): no pieces in
    /// between, but a word is found only where it stands alone, which in Chinese it seldom does. Pieces that no merge
    /// reached are found from then on too: `awakened` in `info().extension`. `symbols`: added tokens, found before all else
    /// and inside other words too, never split. `usual`: `whole` for words with spaces where the model looks words up
    /// already, else `merges`. A Unigram piece gets the sum of the scores of its old pieces and 0.5.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let grown = tok.extend(["kubernetes"], #{ how: "whole" });
    /// grown.encode("a kubernetes").pieces            //=> ["a", "Ġkubernetes"]
    /// grown.info().extension.intermediate            //=> 0
    /// tok.extend(["<sku>"], #{ how: "symbols" }).encode("a<sku>b").pieces     //=> ["a", "<sku>", "b"]
    /// ```
    #[rhai_fn(name = "extend", pure, return_raw)]
    pub fn extend_with(tokenizer: &mut Tokenizer, pieces: Dynamic, options: Map) -> Res<Tokenizer> {
        let how = How::named(&Options::read("extend", EXTEND, options)?.text("how")?)?;
        if let Some(given) = pieces.read_lock::<Map>() {
            return Ok(tokenizer.extend_by_merges(&value::read_proposal(&given)?)?);
        }
        value::with_texts("extend", &pieces, |words| tokenizer.extend_by_words(words, how))
    }

    /// New pieces at the ids of pieces that `texts` never use, so that a model's tables stay as large as they are (Nakash
    /// et al. 2025, AdaptiVocab, arXiv 2503.19693). Takes what `extend` takes.
    ///
    /// A piece is used if a text is written with it, or one that is made of it; special pieces, added tokens, single
    /// characters and bytes always stay. Those made last go first. Which ids have new pieces: `info().extension.replaced`.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 265, least: 1 });
    /// let other = tok.replace(["dog"], ["the dog"]);
    /// [tok.len(), other.len(), other.encode("the dog").len()]     //=> [265, 265, 2]
    /// other.info().extension.replaced.len()                       //=> 3
    /// tok.replace(["dog", "zebra", "emu"], ["the dog"])           //=> error: replace: 11 new pieces, but only 4 old ones are never used
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn replace(tokenizer: &mut Tokenizer, pieces: Dynamic, texts: Dynamic) -> Res<Tokenizer> {
        replace_with(tokenizer, pieces, texts, Map::new())
    }

    /// New pieces at the ids of unused ones, with the options of `extend`.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 265, least: 1 });
    /// tok.replace(["<x>"], ["the dog"], #{ how: "symbols" }).encode("a<x>").pieces     //=> ["a", "<x>"]
    /// ```
    #[rhai_fn(name = "replace", pure, return_raw)]
    pub fn replace_with(tokenizer: &mut Tokenizer, pieces: Dynamic, texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let how = How::named(&Options::read("replace", EXTEND, options)?.text("how")?)?;
        let mut counter = Counter::new(tokenizer);
        value::each_part("replace", &texts, |texts| counter.add(texts))?;
        if let Some(given) = pieces.read_lock::<Map>() {
            return Ok(tokenizer.replace_by_merges(&value::read_proposal(&given)?, counter)?);
        }
        value::with_texts("replace", &pieces, |words| tokenizer.replace_by_words(words, how, counter))
    }

    /// Leaves out every piece that `texts` never use: the other direction of `extend`. Ids close up in their old order;
    /// `ids_in` says which was which, `net.select_rows` cuts a model's tables, `vocab::refit` does both.
    ///
    /// A piece is used if a text is written with it, or one that is made of it; special pieces, added tokens, single
    /// characters and bytes always stay. The texts are written with the same pieces as before, which is checked for each
    /// of their words; other texts take more tokens.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 265, least: 1 });
    /// let small = tok.trim(["the cat"]);
    /// [tok.len(), small.len()]           //=> [265, 263]
    /// small.encode("the cat").pieces == tok.encode("the cat").pieces      //=> true
    /// tok.trim([])                       //=> error: trim: there are no words in the texts: nothing would be left
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn trim(tokenizer: &mut Tokenizer, texts: Dynamic) -> Res<Tokenizer> {
        let mut counter = Counter::new(tokenizer);
        value::each_part("trim", &texts, |texts| counter.add(texts))?;
        Ok(tokenizer.trim(counter)?)
    }

    /// A BPE that is trained anew: special pieces, added tokens and letters stay, and how text is cut into words; all other
    /// pieces are learnt from `texts`. `size` pieces in all, as many as now where it is not given. Ids move: `vocab::refit`
    /// gives a model its tables, `vocab::retrained` mixes texts.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 264, least: 1 });
    /// tok.retrain(["dog and dog and dog"], #{}).encode("a dog").pieces      //=> ["a", "Ġdog"]
    /// tok.retrain(["dog"], #{ size: 10 })      //=> error: retrain: size 10 is below the 259 special pieces and letters that stay
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn retrain(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let options = Options::read("retrain", RETRAIN, options)?;
        let size = options.maybe("size", Options::count)?;
        let mut counter = tokenizer.count_words("retrain")?;
        value::each_part("retrain", &texts, |texts| counter.add(texts))?;
        Ok(tokenizer.retrain(counter, size, options.count("least")? as u64, options.count("longest")?)?)
    }

    /// For each piece, the id of the same piece in another tokenizer, or -1.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let ids = tok.extend(["dog"]).ids_in(tok);
    /// [ids[5], ids.len() - tok.len(), ids[-1]]      //=> [5, 3, -1]
    /// ```
    #[rhai_fn(pure)]
    pub fn ids_in(tokenizer: &mut Tokenizer, other: Tokenizer) -> Dynamic {
        value::list(tokenizer.ids_in(&other).into_iter().map(|id| id.map_or(-1, INT::from)))
    }

    /// The ids of the pieces that another tokenizer has not, ascending: after `extend` those after the last old one, after
    /// `replace` those of the pieces that went.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// tok.extend(["dog"]).new_ids(tok)      //=> [262, 263, 264]
    /// ```
    #[rhai_fn(pure)]
    pub fn new_ids(tokenizer: &mut Tokenizer, old: Tokenizer) -> Dynamic {
        value::id_list(&tokenizer.fresh(&old))
    }

    /// Checks an extended tokenizer against the one it grew from, on texts: each has to come back byte for byte.
    /// Gives what was measured: tokens and bytes per token before and after, how many new pieces occur, and the
    /// share of their uses that begin or end inside a word of a script with spaces.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let facts = tok.extend(["dog"]).audit(tok, ["the dog sat on the mat"]);
    /// [facts.added, facts.reachable, facts.tokens_before, facts.tokens]      //=> [3, 3, 16, 13]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn audit(tokenizer: &mut Tokenizer, old: Tokenizer, texts: Dynamic) -> Res<Map> {
        audit_general(tokenizer, old, texts, List::new().into())
    }

    /// The same, with texts that the extension was not made for: `general_change` is how many more tokens they take.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// tok.extend(["dog"]).audit(tok, ["the dog"], ["the cat"]).general_change     //=> 0.0
    /// ```
    #[rhai_fn(name = "audit", pure, return_raw)]
    pub fn audit_general(tokenizer: &mut Tokenizer, old: Tokenizer, texts: Dynamic, general: Dynamic) -> Res<Map> {
        let texts = value::owned_texts("audit", &texts)?;
        let general = value::owned_texts("audit", &general)?;
        let facts = tokenizer.audit(&old, &texts, &general)?;
        Ok(value::audit(&facts))
    }

    /// Counts over texts: bytes, characters, tokens, unknown ones, those that fell to bytes (hold only a part of a
    /// character), words as the tokenizer cuts them, how many of these are `split`, and the tokens that are `parts` of
    /// those; and the same by script.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 300, least: 1 });
    /// let counts = tok.survey(["the cat 大"]);
    /// [counts.tokens, counts.fell, counts.words, counts.split]     //=> [6, 3, 3, 1]
    /// counts.scripts[0].script                                     //=> Latin
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn survey(tokenizer: &mut Tokenizer, texts: Dynamic) -> Res<Map> {
        let mut surveying = Surveying::new(tokenizer);
        value::each_part("survey", &texts, |texts| surveying.add(texts))?;
        Ok(value::survey(&surveying.finish()))
    }

    /// Vectors of pieces from what stands beside them in texts, `[pieces, dims]`: pieces that are used alike lie near each
    /// other. Positive pointwise mutual information, and of it the `dims` dominant directions (Levy and Goldberg 2014).
    /// A piece that does not occur has zeros. The same for the same `seed`, on any number of threads.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// tok.embed(["the cat sat", "the mat sat"], #{ dims: 4 }).shape      //=> [262, 4]
    /// tok.embed(["a"], #{})       //=> error: embed: no text has two tokens: nothing stands beside anything
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn embed(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("embed", EMBED, options)?;
        let mut neighbours = Neighbours::new(tokenizer, options.count("window")?)?;
        value::each_part("embed", &texts, |texts| neighbours.add(texts))?;
        let dims = options.count("dims")?;
        let vectors = neighbours.vectors(dims, options.int("seed")? as u64)?;
        Ok(value::matrix(vectors, dims)?)
    }

    /// For each of `new_ids`, the ids that an older tokenizer writes the piece with.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// let grown = tok.extend(#{ merges: [["d", "o"], ["do", "g"]] });
    /// grown.constituents(tok).map(|ids| ids.map(|id| tok[id]))      //=> [["d", "o"], ["d", "o", "g"]]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn constituents(tokenizer: &mut Tokenizer, old: Tokenizer) -> Res<Dynamic> {
        Ok(value::list(tokenizer.constituents(&old)?.iter().map(|ids| value::id_list(ids))))
    }
}
