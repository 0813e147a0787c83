//! Script API of encoding: rows to tokens, packed and padded.

use super::grouped::grouped;
use super::labeled::{OF_ENCODERS, labeled};
use super::masked::masked;
use crate::data::Encoded;
use crate::data::encode::{ChatPlan, EncodePlan, JOINED, LossOn, Overflow, RowForm};
use crate::script::display::Weight;
use crate::script::prelude::*;
use crate::text;
use crate::token::api::start_token;
use crate::token::{Dropout, Tokenizer};

const ENCODE: &[Opt] = &[
    opt(
        "text",
        Kind::Text,
        "",
        "field to encode as plain text, with loss on every token (default `text`, or the only field)",
    )
    .also(&["dataset_text_field", "text_column"]),
    opt("prompt", Kind::Text, "", "field without loss, text or messages; with `completion`").also(&[
        "question",
        "instruction",
        "input",
    ]),
    opt("completion", Kind::Text, "", "field with loss, text or messages; with `prompt`")
        .also(&["answer", "output", "response"]),
    opt(
        "template",
        Kind::Text,
        "",
        "joins prompt and completion: `{prompt}\n{completion}`, or `chat` for the tokenizer's chat template",
    )
    .also(&["formatting_func", "prompt_template"]),
    opt("messages", Kind::Text, "", "field with messages, maps of `role` and `content`")
        .also(&["chat", "conversations"]),
    opt("loss_on", Kind::Text, "\"assistant\"", "role whose messages count in the loss, or `all`").also(&[
        "learn",
        "assistant_only_loss",
        "completion_only_loss",
        "train_on_inputs",
        "mask",
    ]),
    opt("tools", Kind::Any, "", "tools for the chat template: a list for all rows, or the field with each row's own")
        .also(&["functions", "function calling"]),
    opt(
        "documents",
        Kind::Any,
        "",
        "documents for the chat template: a list for all rows, or the field with each row's own",
    )
    .also(&["RAG", "context"]),
    opt("enable_thinking", Kind::Bool, "", "variable `enable_thinking` of the chat template")
        .also(&["reasoning", "think"]),
    opt(
        "chat_template_kwargs",
        Kind::Any,
        "",
        "other variables of the chat template: a map for all rows, or the field with each row's own",
    )
    .also(&["template variables"]),
    opt(
        "bos",
        Kind::Any,
        "false",
        "true: prepend BOS (EOS where there is no BOS) to each sequence, as `likelihood` does; or a token to prepend",
    )
    .also(&["add_bos_token", "prefix_token_id"]),
    opt("eos", Kind::Bool, "true", "append EOS, where the tokenizer has one (a chat template writes its own)")
        .also(&["add_eos_token", "append_eos"]),
    opt("max_length", Kind::Int, "", "maximum tokens per row").also(&[
        "size",
        "max_seq_length",
        "truncation",
        "block_size",
        "cutoff_len",
    ]),
    opt(
        "overflow",
        Kind::OneOf(&["split", "truncate", "skip", "error"]),
        "",
        "treatment of a longer row; by default plain text is split, other rows are truncated",
    )
    .also(&["long", "truncation", "stride", "return_overflowing_tokens"]),
    opt("on_empty", Kind::OneOf(&["error", "skip"]), "\"error\"", "treatment of a row without loss tokens")
        .also(&["empty"]),
    opt("pair", Kind::Text, "", "for encoders: field with the second text of a pair").also(&["text_pair", "sentence2"]),
    opt("label", Kind::Text, "", "for encoders: field with the class of a row, a list of classes, or numbers")
        .also(&["target", "label_column"]),
    opt("words", Kind::Text, "", "for encoders: field with the words of a pre-split text")
        .also(&["is_split_into_words", "tokens"]),
    opt("tags", Kind::Text, "", "for encoders: field with a tag for each word").also(&["ner_tags", "word_labels"]),
    opt(
        "labels",
        Kind::List,
        "[]",
        "names of the classes or tags, as in `net.labels`; without them labels are numbers",
    )
    .also(&["label2id", "label_list"]),
    opt(
        "label_all",
        Kind::Bool,
        "false",
        "label later tokens of a word too, `I-` (or `M-`) after `B-`; otherwise they have no loss",
    )
    .also(&["label_all_tokens", "b_to_i_label"]),
    opt(
        "mask",
        Kind::Map,
        "",
        "for masked models: mask tokens of each batch and predict them; `#{ mlm_probability, … }`, or `#{}`",
    )
    .also(&["mlm", "DataCollatorForLanguageModeling", "mlm_probability"]),
    opt("sequences", Kind::List, "[]", "for sentence encoders: fields of texts to compare: anchor, positive, negative")
        .also(&["anchor", "positive", "negative", "InputExample"]),
    opt("prompts", Kind::List, "[]", "prefixes of the texts of each of `sequences`"),
    opt("overlap", Kind::Int, "0", "for encoders, with `overflow: \"split\"`: tokens that consecutive windows share")
        .also(&["stride", "doc_stride"]),
    opt(
        "on_lost",
        Kind::OneOf(&["warn", "error"]),
        "\"warn\"",
        "for encoders: treatment of tags whose words have no token, or are cut off",
    ),
    opt("bpe_dropout", Kind::Float, "0", "probability of skipping a merge (BPE-dropout)").also(&["dropout"]),
    opt("seed", Kind::Int, "0", "seed of BPE-dropout"),
];

const PACK: &[Opt] = &[opt(
    "strategy",
    Kind::OneOf(&["wrapped", "bfd"]),
    "",
    "`wrapped` splits sequences at block ends (default for plain text without `bos`), `bfd` keeps them whole (best-fit decreasing)",
).also(&["packing_strategy", "cut", "wrapped", "bfd"])];

pub fn register(host: &mut Host) {
    host.looks.weigh::<Encoded>(|rows| Weight {
        shape: format!("{}, {}", text::counted(rows.len(), "row"), text::counted(rows.tokens(), "token")),
        parts: vec![rows.held()],
    });
    host.module(exported_module!(verbs));
    host.options("encode", ENCODE);
    host.options("pack", PACK);
}

/// Reads and checks the options of `encode`.
pub fn encode_options(given: Map) -> Res<Options> {
    Options::read("encode", ENCODE, given)
}

pub fn plan(tok: &Tokenizer, given: Map) -> Res<EncodePlan> {
    let options = encode_options(given)?;
    if let Some(key) = OF_ENCODERS.iter().find(|key| options.has(key)) {
        bail!("encode", "`{key}` is for the rows of a dataset");
    }
    let form = form(&options)?;
    let chat = chat_plan(&options)?;
    let overflow = match options.maybe("overflow", Options::text)?.as_deref() {
        Some("truncate") => Overflow::Truncate,
        Some("skip") => Overflow::Skip,
        Some("error") => Overflow::Error,
        Some(_) => Overflow::Split,
        None if matches!(form, RowForm::Text { .. }) => Overflow::Split,
        None => Overflow::Truncate,
    };
    let skip_empty = options.text("on_empty")? == "skip";
    let max_length = options.maybe("max_length", Options::count)?;
    if max_length.is_some_and(|length| length < 2) {
        bail!("encode", "`max_length` is at least 2: a token is predicted from the one before it");
    }
    let bpe_dropout = Dropout { rate: options.float("bpe_dropout")?, seed: options.int("seed")? as u64 };
    Ok(EncodePlan {
        form,
        chat,
        start: start_token("encode", tok, options.get("bos"))?,
        eos: options.bool("eos")?,
        max_length,
        overflow,
        skip_empty,
        bpe_dropout,
    })
}

/// Variables of the chat template: values for all rows, or names of fields.
fn chat_plan(options: &Options) -> Res<ChatPlan> {
    let mut plan = ChatPlan::default();
    let field = |name: &str| options.get(name).into_immutable_string().ok().map(|field| field.to_string());
    (plan.tools, plan.documents, plan.variables) = (field("tools"), field("documents"), field("chat_template_kwargs"));
    let given = ["tools", "documents", "chat_template_kwargs"].map(|name| {
        let given = options.get(name);
        if given.is_string() { Dynamic::UNIT } else { given }
    });
    let [tools, documents, variables] = given;
    crate::token::api::fill_chat_options("encode", &mut plan.options, tools, documents, variables)?;
    if let Some(thinking) = options.maybe("enable_thinking", Options::bool)? {
        plan.options.variables.insert("enable_thinking".into(), thinking.into());
    }
    Ok(plan)
}

fn form(options: &Options) -> Res<RowForm> {
    let text = |name| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
    let forms = [text("text")?, text("prompt")?, text("messages")?];
    if forms.iter().flatten().count() > 1 {
        bail!("encode", "a row is one of `text`, `prompt` with `completion`, or `messages`");
    }
    if options.has("completion") != options.has("prompt") {
        bail!("encode", "`prompt` and `completion` come together");
    }
    let [plain, prompt, chat] = forms;
    Ok(match (prompt, chat) {
        (Some(prompt), _) => {
            let template = text("template")?.unwrap_or_else(|| JOINED.into());
            let completion = text("completion")?.unwrap_or_default();
            RowForm::Prompt { prompt, completion, template: (template != "chat").then_some(template) }
        }
        (_, Some(field)) => {
            let role = options.text("loss_on")?;
            let loss_on = if role == "all" { LossOn::All } else { LossOn::Role(role.to_string()) };
            RowForm::Chat { field, loss_on }
        }
        _ => RowForm::Text { field: plain.unwrap_or_default() },
    })
}

pub fn length(who: &'static str, length: i64) -> Res<usize> {
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        Err(_) => bail!(who, "{length} tokens is below 0"),
    }
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    /// Encoded rows: token ids and a loss mask. A value.
    pub type Encoded = crate::data::Encoded;

    /// Encodes rows to token ids; by default the field `text`, or the only field, with loss on every token.
    ///
    /// Tokens are in the loss by their position in the text, never by id.
    ///
    /// Plain text has loss on every token; prompt and completion on the completion and its EOS; messages on the turns of the role
    /// `loss_on`: reasoning, words and tool calls, with the token that ends each turn. Where the chat template has
    /// `{% generation %}`, the loss is on its contents, token for token as in TRL. Runs in parallel, with the same result on any
    /// number of threads.
    ///
    /// The chat template gets `tools`, `documents`, `enable_thinking` and `chat_template_kwargs`, for all rows or as the name of
    /// a field with each row's own; fields `tools` and `chat_template_kwargs` are used by default, as in TRL (`tools: []` ignores
    /// the field). Maps of a script are unordered; a field, or a list of JSON texts, keeps its order.
    ///
    /// Prompt and completion may be lists of messages, as in TRL's conversational form: the chat template renders both, and the
    /// loss is on everything after the prompt and the start of the assistant's turn, token for token as in TRL.
    ///
    /// An integer that does not fit into 64 bits reaches the template as a number, unchanged.
    ///
    /// `bos` prepends BOS to every sequence, including the parts of a split text; such rows stay whole when packed (`max_length`
    /// splits longer ones). A model trained with BOS uses it as an attention sink (Xiao et al. 2023, arXiv 2309.17453); without
    /// it the gradients of SmolLM2 are occasionally ten times as large. `bos: "<|endoftext|>"` prepends a specific token: a base
    /// model turned into a chat model may name the first token of its chat as BOS.
    ///
    /// `bpe_dropout` segments each row at random (Provilkov et al. 2020, arXiv 1910.13267); 0.1 is usual. The same `seed` gives
    /// the same ids; vary it by epoch for other segmentations. In a stream the draws continue from one pass through the file to
    /// the next.
    ///
    /// For encoders, `label` is the field with the class of a row (or a list of classes that all apply, or numbers), `pair` the
    /// field with a second text, and `words` with `tags` are a list of words and a list of their tags: the first token of a word
    /// has its tag, with `label_all` all tokens have it. Rows have the tokenizer's special tokens, which stay where `max_length`
    /// cuts, and token types. Words without tokens and words that are cut off lose their tags, which a message reports and
    /// `on_lost: "error"` refuses. `overflow: "split"` turns longer rows into windows that share `overlap` tokens: each has the
    /// class of its row, and a tag counts in the loss in the window where its word is furthest from an edge.
    ///
    /// `mask` makes rows for masked models: the tokenizer's special tokens around each text, or `pair` (with the class `label` of
    /// the pair, 0 or 1, where it is predicted too); longer texts are split into rows of `max_length`. Masks are drawn when rows
    /// are batched, anew in each epoch, from `seed` and the numbers of epoch and row alone: as in BERT (Devlin et al. 2019),
    /// `mlm_probability` (0.15) of the non-special tokens are predicted, of which 80 % become the mask token, 10 %
    /// (`random_replace_prob`) a random non-special token, and the rest stay. With `whole_word_mask` all tokens of a word are
    /// drawn together: `"words"` are the pre-tokenizer's, `"jieba"` has Chinese words of several characters.
    ///
    /// `sequences` makes rows of several independent texts for sentence encoders: an anchor, a positive, and optionally negatives
    /// (a field may hold a list of such texts, or nothing). `label` is the field with the similarity of the first two, from -1 to
    /// 1. `prompts` are prefixes of the texts.
    ///
    /// also: tokenize dataset, group_texts, input_ids, assistant_only_loss, completion_only_loss, DataCollatorForCompletionOnlyLM, train_on_inputs, truncation, labels
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = dataset(["ab", "cde"]).encode(tok);
    /// rows.len()     //=> 2
    /// let rows = dataset([#{ ask: "1+1", say: "2" }]);
    /// rows.encode(tok, #{ prompt: "ask", completion: "say" }).loss_tokens      //=> 2
    /// let said = |role, words| [#{ role: role, content: words }];
    /// let turns = dataset([#{ ask: said.call("user", "1+1"), say: said.call("assistant", "2") }]);
    /// turns.encode(tok, #{ prompt: "ask", completion: "say" }).loss_tokens     //=> 3
    /// rows.encode(tok, #{ prompt: "ask", completion: "answer" })    //=> error: encode: there is no field `answer`
    /// let bpe = tokenizer(["the cat sat on the mat"], #{ vocab_size: 270, min_frequency: 1 });
    /// dataset(["the cat"]).encode(bpe, #{ eos: false, bpe_dropout: 1.0 }).tokens      //=> 7
    /// dataset(["ab"]).encode(tok, #{ bos: true, eos: false }).loss_tokens             //=> 2
    /// let reviews = dataset([#{ text: "good", stars: "high" }, #{ text: "bad", stars: "low" }]);
    /// reviews.encode(tok, #{ label: "stars", labels: ["low", "high"] }).loss_tokens   //=> 2
    /// reviews.encode(tok, #{ label: "stars", labels: ["low"] })
    /// //=> error: encode: row 0: field `stars` is "high", which is none of the 1 labels
    /// let wp = tokenizer(["to be or not to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// dataset(["to be or not"]).encode(wp, #{ mask: #{ mlm_probability: 1.0, mask_replace_prob: 1.0, random_replace_prob: 0.0 } })[0].loss_tokens     //=> 7
    /// dataset(["ab"]).encode(tok, #{ bos: "a", eos: false })[0].ids                   //=> tensor([[100, 100, 101]], dtype=u32)
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(data: &mut Dataset, tok: Tokenizer, options: Map) -> Res<Encoded> {
        let read = || encode_options(options.clone());
        if let Some(plan) = grouped(&options, read)? {
            return Ok(crate::data::grouped::encode(data, &tok, &plan)?);
        }
        if let Some(plan) = masked(&options, &tok, read)? {
            return Ok(crate::data::mask::encode::encode(data, &tok, &plan)?);
        }
        if let Some(plan) = super::labeled(&options, read)? {
            return Ok(crate::data::labeled::encode(data, &tok, &plan)?);
        }
        Ok(crate::data::encode::encode(data, &tok, &plan(&tok, options)?)?)
    }

    /// Packs rows into blocks of exactly `length` tokens. Plain text is split at block ends; other sequences stay whole and are
    /// combined to minimize padding. Each sequence attends only to itself.
    ///
    /// also: packing, sequence packing, block_size, ConstantLengthDataset, bfd
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.pack(8).len()    //=> 2
    /// rows.pack(4, #{ strategy: "bfd" }).info().padding < 0.5    //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pack(rows: &mut Encoded, length: i64, options: Map) -> Res<Encoded> {
        let options = Options::read("pack", PACK, options)?;
        let strategy = options.maybe("strategy", Options::text)?;
        let cut = strategy.map_or(rows.is_stream(), |strategy| strategy == "wrapped");
        Ok((*rows).pack(super::length("pack", length)?, cut)?)
    }

    /// Pads all rows to the longest one. Without it, a batch is padded to its own longest row.
    ///
    /// also: padding, DataCollatorWithPadding
    ///
    /// ```rhai
    /// dataset(["ab", "cde"]).encode(tokenizer("tests/data/tokenizer-bytes")).pad().info().length    //=> 4
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pad(rows: &mut Encoded) -> Res<Encoded> {
        Ok((*rows).pad(None)?)
    }

    /// Pads all rows to `length` tokens.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.pad(6).info().length    //=> 6
    /// rows.pad(2)                  //=> error: pad: row 0 has 3 tokens, more than 2
    /// ```
    #[rhai_fn(name = "pad", pure, return_raw)]
    pub fn pad_to(rows: &mut Encoded, length: i64) -> Res<Encoded> {
        Ok((*rows).pad(Some(super::length("pad", length)?))?)
    }
}
