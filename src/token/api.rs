//! What scripts see of tokenizers.

mod mine;
mod surgery;
mod value;

use crate::script::prelude::*;

const TOKENIZER: &[Opt] = &[
    opt("kind", Kind::Text, "\"bpe\"", "`bpe` (byte-level), `wordpiece` or `unigram`"),
    opt("size", Kind::Int, "8000", "how many pieces, special ones and letters included"),
    opt("least", Kind::Int, "2", "how often a pair has to occur to become a piece"),
    opt("longest", Kind::Int, "16", "how many characters a piece may have"),
    opt("special", Kind::List, "", "special pieces, in place of the usual ones of the kind"),
    opt(
        "split",
        Kind::Text,
        "\"gpt2\"",
        "bpe: how text is cut into words, as `gpt2`, `digits` (each digit alone), `llama3`, `qwen2`",
    ),
    opt("lower", Kind::Bool, "true", "wordpiece: no capitals and no accents"),
];

const ENCODE: &[Opt] = &[
    opt("special", Kind::Bool, "true", "add what the tokenizer puts around a text, as `[CLS]` or `<s>`"),
    opt("dropout", Kind::Float, "0", "leave each merge out with this probability at each step (BPE-dropout)"),
    opt("seed", Kind::Int, "0", "decides what dropout leaves out"),
];

const DECODE: &[Opt] = &[opt("special", Kind::Bool, "false", "show special pieces too")];

const CHAT: &[Opt] = &[opt("open", Kind::Bool, "false", "begin the assistant's next turn")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("tokenizer", TOKENIZER);
    host.options("encode", ENCODE);
    host.options("decode", DECODE);
    host.options("chat", CHAT);
    mine::register(host);
    surgery::register(host);
    host.engine.register_iterator::<crate::token::Tokenizer>();
}

#[export_module]
mod verbs {
    use super::value;
    use crate::text;
    use crate::token::Dropout;

    /// Text to ids and back. A value: its verbs give new tokenizers and leave it as it was.
    pub type Tokenizer = crate::token::Tokenizer;
    /// What a text became: ids, pieces, and where each lies in the text.
    pub type Encoding = crate::token::Encoding;

    /// Opens a tokenizer: a Hugging Face folder, a tokenizer.json, vocab.json with its merges.txt (GPT-2), a vocab.txt
    /// (BERT's WordPiece), or a .gguf.
    ///
    /// A vocab.txt has no settings of its own: it lowers capitals unless a `tokenizer_config.json` beside it says
    /// otherwise or its pieces have capitals.
    ///
    /// ```rhai
    /// tokenizer(["to be or not to be"], #{ size: 270 }).save("out/doc/small");
    /// tokenizer("out/doc/small")       //=> tokenizer, byte-level BPE, 262 pieces, 3 special
    /// tokenizer("out/doc/none.json")   //=> error: tokenizer: out/doc/none.json is not there
    /// ```
    #[rhai_fn(name = "tokenizer", return_raw)]
    pub fn open(path: &str) -> Res<Tokenizer> {
        Ok(Tokenizer::open(path)?)
    }

    /// A tokenizer as it is, so that a function may take either a tokenizer or what opens as one.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// tokenizer(tok).len() == tok.len()     //=> true
    /// ```
    #[rhai_fn(name = "tokenizer")]
    pub fn same(tokenizer: Tokenizer) -> Tokenizer {
        tokenizer
    }

    /// Trains a tokenizer on texts: a list of strings, or a dataset's column `text`.
    ///
    /// Byte-level BPE (Sennrich et al. 2016, Radford et al. 2019) writes any text; WordPiece (Schuster and Nakajima
    /// 2012) is BERT's; Unigram (Kudo 2018) is SentencePiece's, here with a piece for every byte. The same texts give
    /// the same pieces, on any number of threads. It ends early when no pair occurs `least` times.
    ///
    /// ```rhai
    /// let texts = ["the cat sat on the mat", "the dog sat on the cat"];
    /// let tok = tokenizer(texts, #{ size: 270 });
    /// tok.encode("the cat").pieces       //=> ["the", "Ġcat"]
    /// tokenizer(texts, #{ kind: "wordpiece", size: 50 })     //=> tokenizer, WordPiece, 24 pieces, 5 special
    /// tokenizer(texts, #{ size: 100 })   //=> error: tokenizer: size 100 is below the 259 special pieces and letters that are needed
    /// ```
    #[rhai_fn(name = "tokenizer", return_raw)]
    pub fn train(texts: Dynamic, options: Map) -> Res<Tokenizer> {
        let how = value::training(&Options::read("tokenizer", TOKENIZER, options)?)?;
        value::with_texts("tokenizer", &texts, |texts| Tokenizer::train(texts, &how))
    }

    /// How many pieces there are: one more than the highest id. A model's table may have more rows.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 260, least: 1 }).len()     //=> 260
    /// ```
    #[rhai_fn(pure)]
    pub fn len(tokenizer: &mut Tokenizer) -> INT {
        tokenizer.len() as INT
    }

    /// Text to ids, pieces and offsets. A list or a dataset is encoded in parallel and gives a list of lists of ids.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ size: 270 });
    /// let got = tok.encode("the cat");
    /// got                 //=> encoding, 2 tokens: the| cat
    /// got.ids             //=> [261, 266]
    /// got.offsets         //=> [[0, 3], [3, 7]]
    /// tok.encode(["the cat", "the"])     //=> [[261, 266], [261]]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(tokenizer: &mut Tokenizer, text: Dynamic) -> Res<Dynamic> {
        encode_with(tokenizer, text, Map::new())
    }

    /// Text to ids, with options.
    ///
    /// `dropout` shows a BPE model a word in several segmentations (Provilkov et al. 2020, arXiv 1910.13267); the same
    /// `seed` gives the same ids, and each text of a list has chances of its own.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat", "the mat"], #{ kind: "wordpiece", size: 50 });
    /// tok.encode("the mat").pieces                          //=> ["[CLS]", "the", "mat", "[SEP]"]
    /// tok.encode("the mat", #{ special: false }).pieces     //=> ["the", "mat"]
    /// let bpe = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ size: 270 });
    /// bpe.encode("the cat", #{ dropout: 1.0 }).len()        //=> 7
    /// ```
    #[rhai_fn(name = "encode", pure, return_raw)]
    pub fn encode_with(tokenizer: &mut Tokenizer, text: Dynamic, options: Map) -> Res<Dynamic> {
        let options = Options::read("encode", ENCODE, options)?;
        let special = options.bool("special")?;
        let dropout = Dropout { rate: options.float("dropout")?, seed: options.int("seed")? as u64 };
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

    /// Ids to text: a list, an encoding or a tensor of ids, or a list of these. Special pieces are left out.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat", "the dog sat on the cat"], #{ size: 270 });
    /// tok.decode([261, 266])               //=> the cat
    /// tok.decode(tok.encode("Größe 大"))   //=> Größe 大
    /// tok.decode([[261], [266]])           //=> ["the", " cat"]
    /// tok.decode([270])                    //=> error: decode: id 270 is outside the 269 pieces of the tokenizer
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn decode(tokenizer: &mut Tokenizer, ids: Dynamic) -> Res<Dynamic> {
        decode_with(tokenizer, ids, Map::new())
    }

    /// Ids to text, with options.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// tok.decode([0], #{ special: true })      //=> <|endoftext|>
    /// ```
    #[rhai_fn(name = "decode", pure, return_raw)]
    pub fn decode_with(tokenizer: &mut Tokenizer, ids: Dynamic, options: Map) -> Res<Dynamic> {
        let skip = !Options::read("decode", DECODE, options)?.bool("special")?;
        if !value::is_nested(&ids) {
            return Ok(tokenizer.decode(&value::ids("decode", &ids)?, skip)?.into());
        }
        let lists = ids.into_typed_array::<Dynamic>().unwrap_or_default();
        let texts: Res<Vec<String>> =
            lists.iter().map(|ids| Ok(tokenizer.decode(&value::ids("decode", ids)?, skip)?)).collect();
        Ok(value::list(texts?))
    }

    /// The piece of an id.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// tok[0]         //=> <|endoftext|>
    /// tok[9999]      //=> error: tokenizer: id 9999 is outside the 259 pieces of the tokenizer
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn piece(tokenizer: &mut Tokenizer, id: INT) -> Res<String> {
        match u32::try_from(id).ok().and_then(|id| tokenizer.piece(id)) {
            Some(piece) => Ok(piece.to_string()),
            None => bail!("tokenizer", "id {id} is outside the {} pieces of the tokenizer", tokenizer.len()),
        }
    }

    /// The id of a piece, or `()`.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// tok["<|im_end|>"]          //=> 2
    /// tok["zebra"] == ()         //=> true
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn id(tokenizer: &mut Tokenizer, piece: &str) -> Dynamic {
        value::maybe_id(tokenizer.id(piece))
    }

    /// The id that begins a text, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 260 }).bos == ()     //=> true
    /// ```
    #[rhai_fn(get = "bos", pure)]
    pub fn bos(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.bos())
    }

    /// The id that ends a text, or `()`.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// tok[tok.eos]         //=> <|endoftext|>
    /// ```
    #[rhai_fn(get = "eos", pure)]
    pub fn eos(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.eos())
    }

    /// The id that fills up a row, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ kind: "wordpiece", size: 20 }).pad     //=> 0
    /// ```
    #[rhai_fn(get = "pad", pure)]
    pub fn pad(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.pad())
    }

    /// The id of what has no piece, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ kind: "wordpiece", size: 20 }).unk     //=> 1
    /// ```
    #[rhai_fn(get = "unk", pure)]
    pub fn unk(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.unk())
    }

    /// The id of a place to be guessed, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ kind: "wordpiece", size: 20 }).mask     //=> 4
    /// ```
    #[rhai_fn(get = "mask", pure)]
    pub fn mask(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("mask"))
    }

    /// The id of the piece whose state stands for a whole text, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ kind: "wordpiece", size: 20 }).cls     //=> 2
    /// ```
    #[rhai_fn(get = "cls", pure)]
    pub fn cls(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("cls"))
    }

    /// The id between two texts, or `()`.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ kind: "wordpiece", size: 20 }).sep     //=> 3
    /// ```
    #[rhai_fn(get = "sep", pure)]
    pub fn sep(tokenizer: &mut Tokenizer) -> Dynamic {
        value::maybe_id(tokenizer.special("sep"))
    }

    /// The ids that are marked as special.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 260 }).special     //=> [0, 1, 2]
    /// ```
    #[rhai_fn(get = "special", pure)]
    pub fn special(tokenizer: &mut Tokenizer) -> Dynamic {
        value::id_list(&tokenizer.specials())
    }

    /// Facts: kind, pieces, special pieces, whether it brings a chat template, and what its last extension did.
    ///
    /// ```rhai
    /// let tok = tokenizer(["the cat sat on the mat"], #{ size: 262 });
    /// tok.info().kind                            //=> byte-level BPE
    /// tok.extend(["dog"]).info().extension       //=> #{"added": 3, "before": 262, "intermediate": 1, "skipped": []}
    /// ```
    #[rhai_fn(pure)]
    pub fn info(tokenizer: &mut Tokenizer) -> Map {
        value::info(tokenizer)
    }

    /// Writes messages, maps with `role` and `content`, by the tokenizer's chat template: the text, and where in it who
    /// said what, in bytes.
    ///
    /// `content` of a span are the words; `turn` reaches on to the end of the special piece that ends the turn, which
    /// is what a model has to learn to write. Without a template of its own a tokenizer gets ChatML where it has
    /// `<|im_end|>`, else `role: words` and its `eos`. A template that prints the date gets 26 July 2024.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// let chat = tok.chat([#{ role: "user", content: "Hi" }, #{ role: "assistant", content: "Hello" }]);
    /// let span = chat.spans[1];
    /// span.role                                                   //=> assistant
    /// chat.text.sub_string(span.turn[0], span.turn[1] - span.turn[0])     //=> Hello<|im_end|>
    /// tok.chat([])                                                //=> error: chat: there are no messages
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn chat(tokenizer: &mut Tokenizer, messages: List) -> Res<Map> {
        chat_with(tokenizer, messages, Map::new())
    }

    /// Writes messages by the chat template, with options.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 });
    /// let asked = tok.chat([#{ role: "user", content: "Hi" }], #{ open: true });
    /// asked.text.ends_with("<|im_start|>assistant\n")      //=> true
    /// ```
    #[rhai_fn(name = "chat", pure, return_raw)]
    pub fn chat_with(tokenizer: &mut Tokenizer, messages: List, options: Map) -> Res<Map> {
        let open = Options::read("chat", CHAT, options)?.bool("open")?;
        Ok(value::chat(&tokenizer.chat(&value::messages(&messages)?, open)?))
    }

    /// The same tokenizer with another chat template (Jinja, as Hugging Face's).
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ size: 260 }).with_template("{% for m in messages %}{{ m.role }}> {{ m.content }}{% endfor %}");
    /// tok.chat([#{ role: "user", content: "Hi" }]).text      //=> user> Hi
    /// ```
    #[rhai_fn(pure)]
    pub fn with_template(tokenizer: &mut Tokenizer, template: &str) -> Tokenizer {
        tokenizer.with_template(Some(template.to_string()))
    }

    /// Writes a folder that transformers and tokenizers open: tokenizer.json, tokenizer_config.json,
    /// special_tokens_map.json and the chat template.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be or not to be"], #{ size: 265 });
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

    /// The ids.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 259 }).encode("to").ids     //=> [86, 81]
    /// ```
    #[rhai_fn(get = "ids", pure)]
    pub fn encoding_ids(encoding: &mut Encoding) -> Dynamic {
        value::id_list(&encoding.ids)
    }

    /// The pieces as the vocabulary holds them (byte-level: `Ġ` is a space).
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 259 }).encode("a b").pieces     //=> ["a", "Ġ", "b"]
    /// ```
    #[rhai_fn(get = "pieces", pure)]
    pub fn encoding_pieces(encoding: &mut Encoding) -> Dynamic {
        value::list(encoding.pieces.iter().cloned())
    }

    /// Where each piece lies in the text: `[start, end]` in bytes. Pieces of one character have the same place.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 259 }).encode("aé").offsets     //=> [[0, 1], [1, 3], [1, 3]]
    /// ```
    #[rhai_fn(get = "offsets", pure)]
    pub fn encoding_offsets(encoding: &mut Encoding) -> Dynamic {
        value::list(encoding.offsets.iter().map(|(start, end)| value::range(&(*start..*end))))
    }

    /// How many tokens there are.
    ///
    /// ```rhai
    /// tokenizer(["to be"], #{ size: 259 }).encode("to be").len()     //=> 5
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn encoding_len(encoding: &mut Encoding) -> INT {
        encoding.ids.len() as INT
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoding_to_string(encoding: &mut Encoding) -> String {
        let shown: Vec<String> = encoding.pieces.iter().map(|piece| crate::token::readable(piece)).collect();
        let tokens = text::counted(encoding.ids.len(), "token");
        format!("encoding, {tokens}: {}", text::cut(&shown.join("|"), 80))
    }
}
