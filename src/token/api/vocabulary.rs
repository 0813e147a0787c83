//! Script verbs for vocabulary changes: extending, replacing, trimming, retraining, and audits.

use crate::script::prelude::*;
use crate::token::extend::EXTEND_METHODS;

const CONTINUE_BPE: &[Opt] = &[
    opt("limit", Kind::Int, "1000", "maximum number of new tokens").also(&["count", "num_new_tokens", "max_tokens"]),
    opt("min_frequency", Kind::Int, "2", "minimum count of a pair to become a token").also(&["least", "min_freq"]),
    opt("max_token_length", Kind::Int, "16", "maximum length of a token, in characters").also(&["longest"]),
];

const SPELLED: &[Opt] = &[
    opt("limit", Kind::Int, "1000", "maximum number of words"),
    opt("min_frequency", Kind::Int, "2", "minimum count of a word").also(&["min_freq"]),
    opt("max_token_length", Kind::Int, "16", "maximum length of a word, in characters"),
];

const EXTEND: &[Opt] =
    &[opt("method", Kind::OneOf(&EXTEND_METHODS), "\"auto\"", "how words become tokens")
        .also(&["how", "special_tokens"])];

const RETRAIN: &[Opt] = &[
    opt("vocab_size", Kind::Int, "", "number of vocabulary entries; by default unchanged").also(&["size"]),
    opt("min_frequency", Kind::Int, "2", "minimum count of a pair to become a token").also(&["least", "min_freq"]),
    opt("max_token_length", Kind::Int, "16", "maximum length of a token, in characters").also(&["longest"]),
];

const PPMI_VECTORS: &[Opt] = &[
    opt("dims", Kind::Int, "64", "length of a vector"),
    opt("window", Kind::Int, "5", "tokens on each side that count as neighbors"),
    opt("seed", Kind::Int, "0", "seed of the initial directions"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("continue_bpe", CONTINUE_BPE);
    host.options("spelled_words", SPELLED);
    host.options("extend", EXTEND);
    host.options("replace", EXTEND);
    host.options("retrain", RETRAIN);
    host.options("ppmi_vectors", PPMI_VECTORS);
}

#[export_module]
mod verbs {
    use crate::tensor::Tensor;
    use crate::token::api::value;
    use crate::token::ppmi::Neighbors;
    use crate::token::words::Counter;
    use crate::token::{ExtendMethod, StatsCounter, Tokenizer};

    /// Continues BPE training on texts, from this tokenizer's own segmentation, and returns the new tokens and merges for
    /// `extend`: `#{ tokens, merges, counts }`.
    ///
    /// Every step adds one token and one merge after the old ones. So text is segmented as before unless a new merge applies, and
    /// every new token is reachable (Purason et al. 2025, arXiv 2512.03989). A tokenizer with byte fallback (such as Llama 2's)
    /// also gets its missing characters, as tokens without a merge.
    ///
    /// also: train_new_from_iterator, continued BPE, vocabulary expansion
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let more = tok.continue_bpe(["the dog and the dog"], #{ limit: 3 });
    /// more.tokens            //=> ["do", "Ġdo", "Ġdog"]
    /// tok.extend(more)       //=> tokenizer, byte-level BPE, 265 tokens, 3 special
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn continue_bpe(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("continue_bpe", CONTINUE_BPE, options)?;
        let (limit, min_frequency, max_token_length) =
            (options.count("limit")?, options.count("min_frequency")?, options.count("max_token_length")?);
        let mut counter = tokenizer.count_words("continue_bpe")?;
        value::each_part("continue_bpe", &texts, |texts| counter.add(texts))?;
        Ok(value::proposal(&tokenizer.continue_counted(counter, limit, min_frequency as u64, max_token_length)?))
    }

    /// Finds words in texts that are not vocabulary entries. Returns at most `limit` maps of `word`, `count`, `tokens` (its
    /// current number of tokens) and `unknown` (the unknown token is among them). `vocab::propose` makes entries of them for
    /// WordPiece and Unigram.
    ///
    /// Unknown words come first, by `count`: a model cannot read them at all. Words with letters follow, by the tokens that an
    /// entry saves. Words are the pre-tokenizer's, normalized as for the model: for BERT's, each Chinese character is one.
    ///
    /// also: unknown words, out-of-vocabulary, OOV, UNK, coverage
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be or not"], #{ model_type: "wordpiece", vocab_size: 20 });
    /// tok.spelled_words(["to 专 专 利 be 专 note note note", "利"]).map(|one| [one.word, one.count, one.unknown])      //=> [["专", 3, true], ["利", 2, true], ["note", 3, false]]
    /// tok.spelled_words(["专 专"], #{ min_frequency: 3 })       //=> []
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn spelled_words(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<List> {
        let options = Options::read("spelled_words", SPELLED, options)?;
        let mut counter = Counter::new(tokenizer);
        value::each_part("spelled_words", &texts, |texts| counter.add(texts))?;
        let (limit, least) = (options.count("limit")?, options.count("min_frequency")? as u64);
        let found = tokenizer.spelled_words(counter, limit, least, options.count("max_token_length")?)?;
        let map = |one: crate::token::SpelledWord| {
            let entries: [(&str, Dynamic); 4] = [
                ("word", one.word.into()),
                ("count", (one.count as INT).into()),
                ("tokens", (one.tokens as INT).into()),
                ("unknown", one.is_unknown.into()),
            ];
            Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        Ok(found.into_iter().map(map).collect())
    }

    /// Appends tokens to the vocabulary. Old ids and special tokens keep their place; an unreachable token is an error.
    ///
    /// A map `#{ merges: [["a", "b"], …] }`, as `continue_bpe` and `vocab::propose` return it, adds one token per merge. A list
    /// (or dataset) of words makes each word one token, by BPE over these words alone; `info().extension` counts the intermediate
    /// tokens and lists the skipped words, with the reason. In byte-level BPE a word of a script with spaces becomes two tokens,
    /// one with a space before it and one without.
    ///
    /// `method` decides how words become tokens:
    ///
    /// - `merges`: BPE over these words alone. Found inside longer words too.
    /// - `whole_words`: one vocabulary entry each, looked up before merging (`ignore_merges`, as in Llama 3; the only method of
    ///   WordPiece and Unigram). No intermediate tokens, but a word is found only between spaces, so rarely in Chinese. Old
    ///   tokens that no merge reached become reachable too: `awakened` in `info().extension`.
    /// - `added_tokens`: added tokens, matched before everything else and inside words, never split.
    /// - `auto`: `whole_words` for scripts with spaces where the model already looks words up, otherwise `merges`.
    ///
    /// A Unigram token gets the sum of its subtokens' scores plus 0.5.
    ///
    /// also: add_tokens, add_special_tokens, new tokens, extend vocabulary
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let grown = tok.extend(["专利权", "cat"]);
    /// grown.encode("专利权").ids.len()          //=> 1
    /// grown.encode("a cat").tokens              //=> ["a", "Ġcat"]
    /// tok.extend(#{ merges: [["c", "at"], ["q", "zz"]] })   //=> error: extend: merge 1 (`q` + `zz`) names the token `zz`, which is not there before it
    /// let grown = tok.extend(["kubernetes"], #{ method: "whole_words" });
    /// grown.encode("a kubernetes").tokens            //=> ["a", "Ġkubernetes"]
    /// grown.info().extension.intermediate            //=> 0
    /// tok.extend(["<sku>"], #{ method: "added_tokens" }).encode("a<sku>b").tokens     //=> ["a", "<sku>", "b"]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn extend(tokenizer: &mut Tokenizer, tokens: Dynamic, options: Map) -> Res<Tokenizer> {
        let method = ExtendMethod::named(&Options::read("extend", EXTEND, options)?.text("method")?)?;
        if let Some(given) = tokens.read_lock::<Map>() {
            return Ok(tokenizer.extend_by_merges(&value::read_proposal(&given)?)?);
        }
        value::with_texts("extend", &tokens, |words| tokenizer.extend_by_words(words, method))
    }

    /// Puts new tokens at the ids of tokens that `texts` never use, so that a model's embeddings keep their size. Accepts the
    /// same as `extend` (AdaptiVocab: Nakash et al. 2025, arXiv 2503.19693).
    ///
    /// A token is used if it, or a token made of it, occurs in the texts; special tokens, added tokens, single characters
    /// and bytes always stay. The latest merges are replaced first. `info().extension.replaced` lists the ids.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 265, min_frequency: 1 });
    /// let other = tok.replace(["dog"], ["the dog"]);
    /// [tok.len(), other.len(), other.encode("the dog").len()]     //=> [265, 265, 2]
    /// other.info().extension.replaced.len()                       //=> 3
    /// tok.replace(["dog", "zebra", "emu"], ["the dog"])           //=> error: replace: 11 new tokens, but only 4 old ones are never used
    /// tok.replace(["<x>"], ["the dog"], #{ method: "added_tokens" }).encode("a<x>").tokens     //=> ["a", "<x>"]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn replace(tokenizer: &mut Tokenizer, tokens: Dynamic, texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let method = ExtendMethod::named(&Options::read("replace", EXTEND, options)?.text("method")?)?;
        let mut counter = Counter::new(tokenizer);
        value::each_part("replace", &texts, |texts| counter.add(texts))?;
        if let Some(given) = tokens.read_lock::<Map>() {
            return Ok(tokenizer.replace_by_merges(&value::read_proposal(&given)?, counter)?);
        }
        value::with_texts("replace", &tokens, |words| tokenizer.replace_by_words(words, method, counter))
    }

    /// Removes every token that `texts` never use: the inverse of `extend`. The remaining ids are renumbered in their old order;
    /// `map_ids` maps them, and `vocab::remap_embeddings` gives a model the matching embeddings.
    ///
    /// A token is used if it, or a token made of it, occurs in the texts; special tokens, added tokens, single characters
    /// and bytes always stay. The texts are segmented as before, which is checked for every word; other texts take more
    /// tokens.
    ///
    /// also: prune, vocabulary trimming, shrink
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 265, min_frequency: 1 });
    /// let small = tok.trim(["the cat"]);
    /// [tok.len(), small.len()]           //=> [265, 263]
    /// small.encode("the cat").tokens == tok.encode("the cat").tokens      //=> true
    /// tok.trim([])                       //=> error: trim: there are no words in the texts: nothing would be left
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn trim(tokenizer: &mut Tokenizer, texts: Dynamic) -> Res<Tokenizer> {
        let mut counter = Counter::new(tokenizer);
        value::each_part("trim", &texts, |texts| counter.add(texts))?;
        Ok(tokenizer.trim(counter)?)
    }

    /// Trains a new BPE vocabulary on `texts` that keeps the special tokens, the added tokens, the alphabet and the
    /// pre-tokenizer. It has `vocab_size` entries, by default the current number. Ids change: `vocab::remap_embeddings` gives a
    /// model the matching embeddings, `vocab::retrain` mixes texts.
    ///
    /// also: train_new_from_iterator
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 264, min_frequency: 1 });
    /// tok.retrain(["dog and dog and dog"], #{}).encode("a dog").tokens      //=> ["a", "Ġdog"]
    /// tok.retrain(["dog"], #{ vocab_size: 10 })      //=> error: retrain: vocab_size 10 is below the 259 special tokens and letters that stay
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn retrain(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let options = Options::read("retrain", RETRAIN, options)?;
        let size = options.maybe("vocab_size", Options::count)?;
        let mut counter = tokenizer.count_words("retrain")?;
        value::each_part("retrain", &texts, |texts| counter.add(texts))?;
        Ok(tokenizer.retrain(
            counter,
            size,
            options.count("min_frequency")? as u64,
            options.count("max_token_length")?,
        )?)
    }

    /// Maps each id to the id of the same token in another tokenizer, or -1.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let ids = tok.extend(["dog"]).map_ids(tok);
    /// [ids[5], ids.len() - tok.len(), ids[-1]]      //=> [5, 3, -1]
    /// ```
    #[rhai_fn(pure)]
    pub fn map_ids(tokenizer: &mut Tokenizer, other: Tokenizer) -> Dynamic {
        value::list(tokenizer.map_ids(&other).into_iter().map(|id| id.map_or(-1, INT::from)))
    }

    /// Returns the ids of the tokens that another tokenizer does not have, ascending. After `extend` they follow the old ids,
    /// after `replace` they are the ids of the replaced tokens.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// tok.extend(["dog"]).new_ids(tok)      //=> [262, 263, 264]
    /// ```
    #[rhai_fn(pure)]
    pub fn new_ids(tokenizer: &mut Tokenizer, old: Tokenizer) -> Dynamic {
        value::id_list(&tokenizer.new_ids(&old))
    }

    /// Audits an extended tokenizer against its original: every text must decode to itself, byte for byte. Returns tokens and
    /// bytes per token before and after, the number of new tokens that occur, and the share of their occurrences that begin or
    /// end inside a word of a script with spaces.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let facts = tok.extend(["dog"]).audit(tok, ["the dog sat on the mat"]);
    /// [facts.added, facts.reachable, facts.tokens_before, facts.tokens]      //=> [3, 3, 16, 13]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn audit(tokenizer: &mut Tokenizer, old: Tokenizer, texts: Dynamic) -> Res<Map> {
        audit_general(tokenizer, old, texts, List::new().into())
    }

    /// Audits an extended tokenizer on general texts too: `general_change` is the relative change in their tokens.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// tok.extend(["dog"]).audit(tok, ["the dog"], ["the cat"]).general_change     //=> 0.0
    /// ```
    #[rhai_fn(name = "audit", pure, return_raw)]
    pub fn audit_general(tokenizer: &mut Tokenizer, old: Tokenizer, texts: Dynamic, general: Dynamic) -> Res<Map> {
        let texts = value::owned_texts("audit", &texts)?;
        let general = value::owned_texts("audit", &general)?;
        let facts = tokenizer.audit(&old, &texts, &general)?;
        Ok(value::audit(&facts))
    }

    /// Counts tokens and words of texts, in all and by script. Returns numbers of bytes, characters, tokens, unknown tokens,
    /// byte-fallback tokens (part of a character), words (as the pre-tokenizer splits text), `continued_words` (of several
    /// tokens) and the `subtokens` of those.
    ///
    /// also: fertility, byte fallback, tokens per word, coverage
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 300, min_frequency: 1 });
    /// let counts = tok.stats(["the cat 大"]);
    /// [counts.tokens, counts.byte_fallback, counts.words, counts.continued_words]     //=> [6, 3, 3, 1]
    /// counts.scripts[0].script                                     //=> Latin
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn stats(tokenizer: &mut Tokenizer, texts: Dynamic) -> Res<Map> {
        let mut counter = StatsCounter::new(tokenizer);
        value::each_part("stats", &texts, |texts| counter.add(texts))?;
        Ok(value::stats(&counter.finish()))
    }

    /// Computes a vector for each token from its neighbors in texts, `[tokens, dims]`: the `dims` dominant directions of
    /// positive pointwise mutual information (Levy and Goldberg 2014). Tokens that are used alike get similar vectors; a
    /// token that does not occur gets zeros. Deterministic for a `seed`, on any number of threads.
    ///
    /// also: word2vec, PMI, SVD, co-occurrence, embeddings
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// tok.ppmi_vectors(["the cat sat", "the mat sat"], #{ dims: 4 }).shape      //=> [262, 4]
    /// tok.ppmi_vectors(["a"], #{})       //=> error: ppmi_vectors: no text has two tokens
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ppmi_vectors(tokenizer: &mut Tokenizer, texts: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("ppmi_vectors", PPMI_VECTORS, options)?;
        let mut neighbors = Neighbors::new(tokenizer, options.count("window")?)?;
        value::each_part("ppmi_vectors", &texts, |texts| neighbors.add(texts))?;
        let dims = options.count("dims")?;
        let vectors = neighbors.vectors(dims, options.int("seed")? as u64)?;
        Ok(value::matrix(vectors, dims)?)
    }

    /// Returns, for each of `new_ids`, the ids by which an older tokenizer encodes that token.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// let grown = tok.extend(#{ merges: [["d", "o"], ["do", "g"]] });
    /// grown.subtokens(tok).map(|ids| ids.map(|id| tok[id]))      //=> [["d", "o"], ["d", "o", "g"]]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn subtokens(tokenizer: &mut Tokenizer, old: Tokenizer) -> Res<Dynamic> {
        Ok(value::list(tokenizer.subtokens(&old)?.iter().map(|ids| value::id_list(ids))))
    }
}
