//! Script verbs for tokenizers.

mod chat;
mod mine;
mod special;
mod split_tokens;
mod value;
mod vocabulary;

pub use chat::fill as fill_chat_options;
pub use special::start_token;
pub use value::{Texts, accept_texts, with_texts};

use crate::script::prelude::*;
use crate::token::train::{MODEL_TYPES, PRE_TOKENIZERS};

const TOKENIZER: &[Opt] = &[
    opt("model_type", Kind::OneOf(&MODEL_TYPES), "\"bpe\"", "the algorithm; BPE is byte-level").also(&[
        "kind",
        "algorithm",
        "bpe",
        "unigram",
    ]),
    opt("vocab_size", Kind::Int, "8000", "vocabulary entries, special tokens and alphabet included")
        .also(&["size", "n_tokens"]),
    opt("min_frequency", Kind::Int, "2", "minimum count of a pair (Unigram: a token of several characters) to become a token").also(&[
        "least",
        "min_freq",
        "min_count",
    ]),
    opt("max_token_length", Kind::Int, "16", "maximum length of a token, in characters").also(&[
        "longest",
        "max_sentencepiece_length",
        "max_piece_length",
    ]),
    opt("special_tokens", Kind::List, "", "special tokens, in place of the defaults of the model type").also(&[
        "special",
        "user_defined_symbols",
        "add_special_tokens",
    ]),
    opt(
        "pre_tokenizer",
        Kind::OneOf(&PRE_TOKENIZERS),
        "\"gpt2\"",
        "bpe: splits text into words by the regular expression of GPT-2, Llama 3 or Qwen 2; `digits`: GPT-2's, each digit alone",
    )
    .also(&["split", "pre_tokenizers", "regex"]),
    opt("lowercase", Kind::Bool, "true", "wordpiece: lowercase, and strip accents").also(&[
        "lower",
        "do_lower_case",
        "normalizer",
        "strip_accents",
    ]),
];

const ENCODE: &[Opt] = &[
    opt("add_special_tokens", Kind::Bool, "true", "add the special tokens around a text, such as `[CLS]` or `<s>`")
        .also(&["special", "add_bos_token"]),
    opt("bpe_dropout", Kind::Float, "0", "probability of skipping a merge (BPE-dropout)").also(&["dropout"]),
    opt("seed", Kind::Int, "0", "seed of BPE-dropout"),
];

const DECODE: &[Opt] = &[opt("skip_special_tokens", Kind::Bool, "true", "leave special tokens out of the text")
    .also(&["special", "clean_up_tokenization_spaces"])];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<super::Tokenizer>("Tokenizer");
    host.engine.register_type_with_name::<super::Encoding>("Encoding");
    host.module(exported_module!(verbs));
    host.options("tokenizer", TOKENIZER);
    host.options("encode", ENCODE);
    host.options("decode", DECODE);
    host.options("apply_chat_template", chat::APPLY_CHAT_TEMPLATE);
    mine::register(host);
    special::register(host);
    split_tokens::register(host);
    vocabulary::register(host);
    host.engine.register_iterator::<crate::token::Tokenizer>();
}

#[export_module]
mod verbs {
    use super::{chat, value};
    use crate::hub::{self, Want};
    use crate::text;
    use crate::token::Dropout;

    /// Converts text to ids and back. Immutable: its verbs return new tokenizers.
    pub type Tokenizer = crate::token::Tokenizer;
    /// An encoded text: ids, tokens, and the position of each in the text.
    pub type Encoding = crate::token::Encoding;

    /// Opens a tokenizer from a folder or file. It reads a Hugging Face folder, a tokenizer.json, vocab.json with its merges.txt,
    /// a vocab.txt (BERT's WordPiece), a tokenizer.model (SentencePiece's BPE and Unigram, or tiktoken's lines),
    /// `cl100k_base.tiktoken` or another file with a known name, Mistral's tekken.json, or a .gguf.
    ///
    /// A folder is read as transformers' `AutoTokenizer` reads it: the class in `tokenizer_config.json` or `config.json` decides
    /// how vocabulary files segment text, and its flags apply (`add_prefix_space`, `do_lower_case`, `strip_accents`,
    /// `tokenize_chinese_chars`, `legacy`, `add_bos_token`, `split_special_tokens`, …); tokens of `added_tokens_decoder`,
    /// `added_tokens.json`, `special_tokens_map.json` and `extra_special_tokens` are added. Unused settings are reported in a
    /// line, and listed in `info().unused`. An unknown class without a tokenizer.json is an error. `hf:ORG/NAME` is the tokenizer
    /// of a model on the Hugging Face hub, as in `model`. Regular expressions have Oniguruma's meaning, or are refused. A .gguf
    /// is segmented as in llama.cpp.
    ///
    /// Without a config, a vocab.txt is lowercased unless the vocabulary has capitals, and vocab.json is GPT-2's.
    ///
    /// also: AutoTokenizer, from_pretrained, PreTrainedTokenizerFast, Tokenizer.from_file, SentencePieceProcessor, tiktoken
    ///
    /// effect
    ///
    /// ```rhai
    /// tokenizer(["to be or not to be"], #{ vocab_size: 270 }).save("out/doc/small");
    /// tokenizer("out/doc/small")       //=> tokenizer, byte-level BPE, 262 tokens, 3 special
    /// tokenizer("out/doc/none.json")   //=> error: tokenizer: out/doc/none.json is not there
    /// ```
    #[rhai_fn(name = "tokenizer", return_raw)]
    pub fn open(path: &str) -> Res<Tokenizer> {
        Ok(Tokenizer::open(hub::local("tokenizer", path, Want::Tokenizer)?)?)
    }

    /// Returns the tokenizer itself, so that a function may take either a tokenizer or a path.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// tokenizer(tok).len() == tok.len()     //=> true
    /// ```
    #[rhai_fn(name = "tokenizer")]
    pub fn same(tokenizer: Tokenizer) -> Tokenizer {
        tokenizer
    }

    /// Trains a tokenizer on texts: a list of strings, or a dataset's column `text`.
    ///
    /// Byte-level BPE (Sennrich et al. 2016, Radford et al. 2019) encodes any text; WordPiece (Schuster and Nakajima 2012) is
    /// BERT's; Unigram (Kudo 2018) is SentencePiece's, here with a token for every byte. The same texts give the same vocabulary,
    /// on any number of threads. Training ends early when no pair (Unigram: no other substring of a word) occurs `min_frequency`
    /// times: the vocabulary is then smaller than `vocab_size`. Unigram is trained as in SentencePiece (EM over all cuts of a
    /// word, pruning a quarter of the tokens at a time), on all threads.
    ///
    /// also: BpeTrainer, WordPieceTrainer, UnigramTrainer, train_from_iterator, SentencePieceTrainer
    ///
    /// ```rhai
    /// let texts = ["the cat sat on the mat", "the dog sat on the cat"];
    /// let tok = tokenizer(texts, #{ vocab_size: 270 });
    /// tok.encode("the cat").tokens       //=> ["the", "Ġcat"]
    /// tokenizer(texts, #{ model_type: "wordpiece", vocab_size: 50 })     //=> tokenizer, WordPiece, 24 tokens, 5 special
    /// tokenizer(texts, #{ model_type: "unigram", vocab_size: 280 })     //=> tokenizer, Unigram, 280 tokens, 4 special
    /// tokenizer(texts, #{ vocab_size: 100 })   //=> error: tokenizer: vocab_size 100 is below the 259 special tokens and letters that are needed
    /// ```
    #[rhai_fn(name = "tokenizer", return_raw)]
    pub fn train(texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let how = value::training(&Options::read("tokenizer", TOKENIZER, options)?)?;
        value::with_texts("tokenizer", &texts, |texts| Tokenizer::train(texts, &how))
    }

    /// Returns the vocabulary size: one more than the highest id. A model's embeddings may have more rows.
    ///
    /// also: vocab_size, get_vocab_size
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 260, min_frequency: 1 }).len()     //=> 260
    /// ```
    #[rhai_fn(pure)]
    pub fn len(tokenizer: &mut Tokenizer) -> INT {
        tokenizer.len() as INT
    }

    /// Encodes a text: ids, tokens and offsets. A list or a dataset is encoded in parallel and returns a list of lists of ids.
    ///
    /// A text that begins with BOS, as from a chat template, gets no second one (transformers adds one, unless its
    /// `apply_chat_template` tokenizes). Otherwise the ids are AutoTokenizer's.
    ///
    /// `bpe_dropout` segments words at random (Provilkov et al. 2020, arXiv 1910.13267). The same `seed` gives the same ids, and
    /// each text of a list draws its own.
    ///
    /// also: tokenize, encode_batch, input_ids, offset_mapping, convert_tokens_to_ids
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ vocab_size: 270 });
    /// let got = tok.encode("the cat");
    /// got                 //=> encoding, 2 tokens: the| cat
    /// got.ids             //=> [261, 266]
    /// got.offsets         //=> [[0, 3], [3, 7]]
    /// tok.encode(["the cat", "the"])     //=> [[261, 266], [261]]
    /// let tok = tokenizer(["the cat sat on the mat", "the mat"], #{ model_type: "wordpiece", vocab_size: 50 });
    /// tok.encode("the mat").tokens                          //=> ["[CLS]", "the", "mat", "[SEP]"]
    /// tok.encode("the mat", #{ add_special_tokens: false }).tokens     //=> ["the", "mat"]
    /// let bpe = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ vocab_size: 270 });
    /// bpe.encode("the cat", #{ bpe_dropout: 1.0 }).len()        //=> 7
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(tokenizer: &mut Tokenizer, text: Dynamic, options: Map) -> Res<Dynamic> {
        let options = Options::read("encode", ENCODE, options)?;
        let special = options.bool("add_special_tokens")?;
        let dropout = Dropout { rate: options.float("bpe_dropout")?, seed: options.int("seed")? as u64 };
        if dropout.rate != 0.0 {
            if let Some(text) = text.read_lock::<ImmutableString>() {
                return Ok(Dynamic::from(tokenizer.encode_dropping(&text, special, dropout, 0)?));
            }
            let batch = value::with_texts("encode", &text, |texts| tokenizer.batch_dropping(texts, special, dropout))?;
            return value::id_lists(&batch);
        }
        if let Some(text) = text.read_lock::<ImmutableString>() {
            return Ok(Dynamic::from(tokenizer.encode(&text, special)?));
        }
        let batch = value::with_texts("encode", &text, |texts| tokenizer.encode_batch(texts, special))?;
        value::id_lists(&batch)
    }

    /// Decodes ids to text: a list, an encoding or a tensor of ids, or a list of these. Special tokens are left out.
    ///
    /// also: batch_decode, convert_ids_to_tokens, detokenize
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ vocab_size: 270 });
    /// tok.decode([261, 266])               //=> the cat
    /// tok.decode(tok.encode("Größe 大"))   //=> Größe 大
    /// tok.decode([[261], [266]])           //=> ["the", " cat"]
    /// tok.decode([270])                    //=> error: decode: id 270 is outside the 269 tokens of the tokenizer
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// tok.decode([0], #{ skip_special_tokens: false })      //=> <|endoftext|>
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn decode(tokenizer: &mut Tokenizer, ids: Dynamic, options: Map) -> Res<Dynamic> {
        let skip = Options::read("decode", DECODE, options)?.bool("skip_special_tokens")?;
        if !value::is_nested(&ids) {
            return Ok(tokenizer.decode(&value::ids("decode", &ids)?, skip)?.into());
        }
        let lists = ids.into_typed_array::<Dynamic>().unwrap_or_default();
        let texts: Res<Vec<String>> =
            lists.iter().map(|ids| Ok(tokenizer.decode(&value::ids("decode", ids)?, skip)?)).collect();
        Ok(value::list(texts?))
    }

    /// Returns the token with this id.
    ///
    /// also: id_to_token, convert_ids_to_tokens
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// tok[0]         //=> <|endoftext|>
    /// tok[9999]      //=> error: tokenizer: id 9999 is outside the 259 tokens of the tokenizer
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn token(tokenizer: &mut Tokenizer, id: INT) -> Res<String> {
        match u32::try_from(id).ok().and_then(|id| tokenizer.token(id)) {
            Some(token) => Ok(token.to_string()),
            None => bail!("tokenizer", "id {id} is outside the {} tokens of the tokenizer", tokenizer.len()),
        }
    }

    /// Returns the id of a token, or `()`.
    ///
    /// also: token_to_id, convert_tokens_to_ids
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// tok["<|im_end|>"]          //=> 2
    /// tok["zebra"] == ()         //=> true
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn id(tokenizer: &mut Tokenizer, token: &str) -> Dynamic {
        value::maybe_id(tokenizer.id(token))
    }

    /// Returns facts of the tokenizer as a map: model type, vocabulary size, special tokens, whether there is a chat template,
    /// the last extension, and unused settings of its files (`unused`).
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ vocab_size: 262 });
    /// tok.info().model_type                            //=> byte-level BPE
    /// tok.extend(["dog"]).info().extension       //=> #{"added": 3, "before": 262, "intermediate": 1, "skipped": []}
    /// ```
    #[rhai_fn(pure)]
    pub fn info(tokenizer: &mut Tokenizer) -> Map {
        value::info(tokenizer)
    }

    /// Applies the chat template to messages, maps with `role` and `content`: `#{ text, spans }`. A span has the message and role
    /// of a part of the text, in bytes.
    ///
    /// `content` of a span is the message alone; `turn` extends to the end of the special token that ends the turn, the part that
    /// a model learns to generate: reasoning, words and tool calls. If the template has `{% generation %}`, that is the
    /// assistant's turn. A tokenizer without a template uses ChatML if it has `<|im_end|>`, otherwise `role: content` and EOS. A
    /// template that prints the date gets 26 July 2024.
    ///
    /// Templates work as in transformers: messages lack keys that are `()`, reasoning is under each of its names, and the
    /// template named `tool_use` is used if there are tools. Maps of a script are unordered: tools given as JSON texts keep their
    /// order. Messages with images, video or sound are an error. The work of a template is limited by the size of its input; one
    /// that does not end is an error.
    ///
    /// also: chat_template, conversation, ChatML, return_assistant_tokens_mask, tools, function calling
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let chat = tok.apply_chat_template([#{ role: "user", content: "Hi" }, #{ role: "assistant", content: "Hello" }]);
    /// let span = chat.spans[1];
    /// span.role                                                   //=> assistant
    /// chat.text.sub_string(span.turn[0], span.turn[1] - span.turn[0])     //=> Hello<|im_end|>
    /// tok.apply_chat_template([])                                                //=> error: apply_chat_template: there are no messages
    /// let asked = tok.apply_chat_template([#{ role: "user", content: "Hi" }], #{ add_generation_prompt: true });
    /// asked.text.ends_with("<|im_start|>assistant\n")      //=> true
    /// let tok = tok.with_chat_template("{% for t in tools %}{{ t | tojson }}{% endfor %}{{ style % messages[0].content }}");
    /// let given = #{ tools: ["{\"name\": \"add\", \"a\": 1.0}"], chat_template_kwargs: #{ style: "<%s>" } };
    /// tok.apply_chat_template([#{ role: "user", content: "Hi" }], given).text     //=> {"name": "add", "a": 1.0}<Hi>
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn apply_chat_template(tokenizer: &mut Tokenizer, messages: List, options: Map) -> Res<Map> {
        let options = chat::options(&Options::read("apply_chat_template", chat::APPLY_CHAT_TEMPLATE, options)?)?;
        Ok(chat::shown(&tokenizer.apply_chat_template(&chat::messages(&messages)?, &options)?))
    }

    /// Returns the tokenizer with another chat template (Jinja, as in transformers).
    ///
    /// also: chat_template, setup_chat_format
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 }).with_chat_template("{% for m in messages %}{{ m.role }}> {{ m.content }}{% endfor %}");
    /// tok.apply_chat_template([#{ role: "user", content: "Hi" }]).text      //=> user> Hi
    /// ```
    #[rhai_fn(pure)]
    pub fn with_chat_template(tokenizer: &mut Tokenizer, template: &str) -> Tokenizer {
        tokenizer.with_chat_template(Some(template.to_string()))
    }

    /// Saves the tokenizer to a folder that transformers and tokenizers open: tokenizer.json, tokenizer_config.json,
    /// special_tokens_map.json and the chat template.
    ///
    /// also: save_pretrained
    ///
    /// effect
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be or not to be"], #{ vocab_size: 265 });
    /// tok.save("out/doc/tok");
    /// tokenizer("out/doc/tok").encode("not to be").ids == tok.encode("not to be").ids     //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(tokenizer: &mut Tokenizer, folder: &str) -> Res<()> {
        Ok(tokenizer.save(folder)?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn tokenizer_to_string(tokenizer: &mut Tokenizer) -> String {
        tokenizer.to_string()
    }

    /// Ids of the encoding.
    ///
    /// also: input_ids
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 259 }).encode("to").ids     //=> [86, 81]
    /// ```
    #[rhai_fn(get = "ids", pure)]
    pub fn encoding_ids(encoding: &mut Encoding) -> Dynamic {
        value::id_list(&encoding.ids)
    }

    /// Tokens as in the vocabulary (byte-level: `Ġ` is a space).
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 259 }).encode("a b").tokens     //=> ["a", "Ġ", "b"]
    /// ```
    #[rhai_fn(get = "tokens", pure)]
    pub fn encoding_tokens(encoding: &mut Encoding) -> Dynamic {
        value::list(encoding.tokens.iter().cloned())
    }

    /// Position of each token in the text: `[start, end]` in bytes. Tokens of one character share its position.
    ///
    /// also: offset_mapping, char_to_token
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 259 }).encode("aé").offsets     //=> [[0, 1], [1, 3], [1, 3]]
    /// ```
    #[rhai_fn(get = "offsets", pure)]
    pub fn encoding_offsets(encoding: &mut Encoding) -> Dynamic {
        value::list(encoding.offsets.iter().map(|(start, end)| value::range(&(*start..*end))))
    }

    /// Number of tokens.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ vocab_size: 259 }).encode("to be").len()     //=> 5
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn encoding_len(encoding: &mut Encoding) -> INT {
        encoding.ids.len() as INT
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoding_to_string(encoding: &mut Encoding) -> String {
        let shown: Vec<String> = encoding.tokens.iter().map(|token| crate::token::readable(token)).collect();
        format!("encoding, {}: {}", text::counted(encoding.ids.len(), "token"), text::cut(&shown.join("|"), 80))
    }
}
