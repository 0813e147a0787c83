//! What scripts see of encoded rows and their batches.

use crate::data::encode::{Form, Learn, Long, Plan};
use crate::data::{Batch, Batches, Encoded, batches};
use crate::script::look::Weight;
use crate::script::prelude::*;
use crate::tensor::{Array, Device, Rng, Tensor};
use crate::text;
use crate::token::{Dropout, Tokenizer};

const ENCODE: &[Opt] = &[
    opt("text", Kind::Text, "", "the field to encode as plain text, all of it learned (`text`, or the only field)"),
    opt("prompt", Kind::Text, "", "the field that is given; with `completion`"),
    opt("completion", Kind::Text, "", "the field that is learned"),
    opt(
        "template",
        Kind::Text,
        "",
        "how prompt and completion meet: `{prompt}\\n{completion}`, or `chat` for the tokenizer's chat template",
    ),
    opt("chat", Kind::Text, "", "the field with messages, maps of `role` and `content`"),
    opt("learn", Kind::Text, "\"assistant\"", "whose turns of a chat are learned, or `all`"),
    opt(
        "bos",
        Kind::Bool,
        "false",
        "begin each sequence with the piece that starts a text, or else the one that ends it, as `likelihood` does",
    ),
    opt(
        "eos",
        Kind::Bool,
        "true",
        "append the piece that ends a text, where the tokenizer has one (a chat brings its own)",
    ),
    opt("size", Kind::Int, "", "most tokens of a row"),
    opt("long", Kind::Text, "", "a row of more: `split` (plain text), `cut` (the others) or `skip`"),
    opt("empty", Kind::Text, "\"error\"", "a row in which nothing is learned: `error` or `skip`"),
    opt("dropout", Kind::Float, "0", "leave each merge out with this probability at each step (BPE-dropout)"),
    opt("seed", Kind::Int, "0", "decides what dropout leaves out"),
];

const PACK: &[Opt] = &[opt(
    "cut",
    Kind::Bool,
    "",
    "fill blocks to the end by cutting sequences: true for plain text without `bos`, else false",
)];

const BATCHES: &[Opt] = &[
    opt("size", Kind::Int, "8", "rows of a batch; the last one of an epoch may have fewer"),
    opt("epochs", Kind::Int, "1", "how often every row comes"),
    opt("steps", Kind::Int, "", "so many batches, over as many epochs as that takes, instead of `epochs`"),
    opt("shuffle", Kind::Bool, "true", "another order of the rows in every epoch"),
    opt("seed", Kind::Int, "", "decides the order; without it, the script's `seed(…)` does"),
    opt("from", Kind::Int, "0", "the step to begin with, for going on with a run"),
    opt("replay", Kind::Map, "", "`#{ rows, ratio }`: other encoded rows, of which so large a share of all rows comes"),
];

const REPLAY: &[Opt] = &[
    opt("rows", Kind::Any, "", "encoded rows of other text"),
    opt("ratio", Kind::Float, "0.1", "their share of all rows, 0 to 1"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<Encoded>("encoded");
    host.engine.register_type_with_name::<Batches>("batches");
    host.engine.register_type_with_name::<Batch>("batch");
    host.looks.weigh::<Encoded>(|rows| Weight {
        shape: format!("{}, {}", text::counted(rows.len(), "row"), text::counted(rows.tokens(), "token")),
        parts: vec![rows.held()],
    });
    host.module(exported_module!(verbs));
    host.options("encode", ENCODE);
    host.options("pack", PACK);
    host.options("batches", BATCHES);
    host.engine.register_iterator::<Batches>();
}

pub fn plan(given: Map) -> Res<Plan> {
    let options = Options::read("encode", ENCODE, given)?;
    let form = form(&options)?;
    let long = match options.maybe("long", Options::text)?.as_deref() {
        Some("split") => Long::Split,
        Some("cut") => Long::Cut,
        Some("skip") => Long::Skip,
        Some(other) => bail!("encode", "`long` is split, cut or skip, not `{other}`"),
        None if matches!(form, Form::Text { .. }) => Long::Split,
        None => Long::Cut,
    };
    let skip_empty = match options.text("empty")?.as_str() {
        "skip" => true,
        "error" => false,
        other => bail!("encode", "`empty` is error or skip, not `{other}`"),
    };
    let size = options.maybe("size", Options::count)?;
    if size.is_some_and(|size| size < 2) {
        bail!("encode", "`size` is at least 2: a token is predicted from one before it");
    }
    let dropout = Dropout { rate: options.float("dropout")?, seed: options.int("seed")? as u64 };
    Ok(Plan { form, bos: options.bool("bos")?, eos: options.bool("eos")?, size, long, skip_empty, dropout })
}

fn form(options: &Options) -> Res<Form> {
    let text = |name| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
    let forms = [text("text")?, text("prompt")?, text("chat")?];
    if forms.iter().flatten().count() > 1 {
        bail!("encode", "a row is one of `text`, `prompt` with `completion`, or `chat`");
    }
    if options.has("completion") != options.has("prompt") {
        bail!("encode", "`prompt` and `completion` come together");
    }
    let [plain, prompt, chat] = forms;
    Ok(match (prompt, chat) {
        (Some(prompt), _) => {
            let template = text("template")?.unwrap_or_else(|| "{prompt}\n{completion}".into());
            let completion = text("completion")?.unwrap_or_default();
            Form::Prompt { prompt, completion, template: (template != "chat").then_some(template) }
        }
        (_, Some(field)) => {
            let learn = options.text("learn")?;
            let learn = if learn == "all" { Learn::All } else { Learn::Role(learn.to_string()) };
            Form::Chat { field, learn }
        }
        _ => Form::Text { field: plain.unwrap_or_default() },
    })
}

/// Rows of other text, and their share.
pub(super) fn replay(given: Dynamic) -> Res<batches::Replay> {
    let options = Options::read("batches", REPLAY, given.try_cast::<Map>().unwrap_or_default())?;
    let rows = options.get("rows");
    let kind = rows.type_name();
    match rows.try_cast::<Encoded>() {
        Some(data) => Ok(batches::Replay { data, ratio: options.float("ratio")? }),
        None => Err(Error::new("batches", format!("`rows` of `replay` are encoded rows, not {kind}"))
            .help("`data.encode(tok).pack(seq)` makes them")
            .into()),
    }
}

fn length(who: &'static str, length: i64) -> Res<usize> {
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        Err(_) => bail!(who, "{length} tokens is below 0"),
    }
}

fn tensor<T>(values: Vec<T>, batch: &Batch) -> Res<Tensor>
where
    Vec<T>: Into<Values>,
{
    let dims = [batch.rows, batch.length];
    let made = match values.into() {
        Values::Ids(values) => Array::from_vec(values, dims.as_slice(), &Device::Cpu),
        Values::Labels(values) => Array::from_vec(values, dims.as_slice(), &Device::Cpu),
    };
    Ok(Tensor::from(made.map_err(Error::from)?))
}

enum Values {
    Ids(Vec<u32>),
    Labels(Vec<i64>),
}

impl From<Vec<u32>> for Values {
    fn from(values: Vec<u32>) -> Values {
        Values::Ids(values)
    }
}

impl From<Vec<i64>> for Values {
    fn from(values: Vec<i64>) -> Values {
        Values::Labels(values)
    }
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    /// Rows of tokens, and which of them are learned. A value.
    pub type Encoded = crate::data::Encoded;
    /// Batches of rows in an order: `for batch in batches { … }`.
    pub type Batches = crate::data::Batches;
    /// What a model is given in one step.
    pub type Batch = crate::data::Batch;

    /// Rows to tokens: the field `text`, or the only field, as plain text that is learned as a whole.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = dataset(["ab", "cde"]).encode(tok);
    /// rows.len()     //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(data: &mut Dataset, tok: Tokenizer) -> Res<Encoded> {
        encode_with(data, tok, Map::new())
    }

    /// Rows to tokens, with loss only where it is asked for: by position in the text, never by looking for ids.
    ///
    /// Plain text is learned as a whole; of prompt and completion the completion and what ends it; of a chat the turns
    /// of the assistant with the piece that ends each. Runs in parallel and gives the same on any number of threads.
    ///
    /// `bos` begins every sequence with the piece that starts a text, the parts of a split text too, and such rows stay whole
    /// when packed (`size` splits longer ones). A model that was trained with such a piece in front leans on it (an attention
    /// sink: Xiao et al. 2023, arXiv 2309.17453); without it SmolLM2's gradients are now and then ten times as large.
    ///
    /// `dropout` writes each row in one of many ways (BPE-dropout, Provilkov et al. 2020, arXiv 1910.13267): 0.1 is usual.
    /// The same `seed` gives the same ids; another one for each epoch shows a model others each time. In a stream the
    /// chances go on from one walk through the file to the next.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = dataset([#{ ask: "1+1", say: "2" }]);
    /// rows.encode(tok, #{ prompt: "ask", completion: "say" }).learned      //=> 2
    /// rows.encode(tok, #{ prompt: "ask", completion: "answer" })    //=> error: encode: there is no field `answer`
    /// let bpe = tokenizer(["the cat sat on the mat"], #{ size: 270, least: 1 });
    /// dataset(["the cat"]).encode(bpe, #{ eos: false, dropout: 1.0 }).tokens      //=> 7
    /// dataset(["ab"]).encode(tok, #{ bos: true, eos: false }).learned             //=> 2
    /// ```
    #[rhai_fn(name = "encode", pure, return_raw)]
    pub fn encode_with(data: &mut Dataset, tok: Tokenizer, options: Map) -> Res<Encoded> {
        Ok(crate::data::encode::encode(data, &tok, &plan(options)?, 0)?)
    }

    /// Blocks of exactly `length` tokens. Plain text is cut at the ends of blocks; other sequences stay whole and are laid
    /// together so that little is padding. Each sequence sees only itself.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.pack(8).len()    //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pack(rows: &mut Encoded, length: i64) -> Res<Encoded> {
        pack_with(rows, length, Map::new())
    }

    /// Blocks of exactly `length` tokens, with options.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.pack(4, #{ cut: false }).info().waste < 0.5    //=> true
    /// ```
    #[rhai_fn(name = "pack", pure, return_raw)]
    pub fn pack_with(rows: &mut Encoded, length: i64, options: Map) -> Res<Encoded> {
        let options = Options::read("pack", PACK, options)?;
        let cut = options.maybe("cut", Options::bool)?.unwrap_or(rows.is_stream());
        Ok((*rows).pack(super::length("pack", length)?, cut)?)
    }

    /// Rows filled up to the longest of all. Without it, a batch is as long as its longest row.
    ///
    /// ```rhai
    /// dataset(["ab", "cde"]).encode(tokenizer("tests/data/tokenizer-bytes")).pad().info().length    //=> 4
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pad(rows: &mut Encoded) -> Res<Encoded> {
        Ok((*rows).pad(None)?)
    }

    /// Rows filled up to `length` tokens.
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

    /// Batches of 8 rows, each row once, in an order that the script's `seed(…)` decides.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches() { print(`${batch.step} of ${batch.total}: ${batch.tokens} tokens`); }
    /// ```
    #[rhai_fn(name = "batches", pure, return_raw)]
    pub fn all_batches(rows: &mut Encoded) -> Res<Batches> {
        batches_with(rows, Map::new())
    }

    /// Batches in a seeded order: the same seed gives the same batches, and every row comes once an epoch.
    ///
    /// Going on from step `from` gives the batches that an unbroken walk would have given there. With `replay`, so large a
    /// share of the rows comes from other text, in every stretch of the walk to within one row, each time other rows until
    /// all have come: against forgetting. A batch then always has `size` rows, and epochs are those of the own rows.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// let all  = rows.batches(#{ size: 2, epochs: 3, seed: 7 });
    /// all.total     //=> 6
    /// for batch in all { batch.ids.shape; batch.labels; batch.epoch; }
    /// rows.batches(#{ sise: 2 })    //=> error: batches: there is no option `sise`
    /// let other = dataset(["xyz"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.batches(#{ size: 2, epochs: 4, replay: #{ rows: other, ratio: 0.25 } }).total    //=> 8
    /// ```
    #[rhai_fn(name = "batches", pure, return_raw)]
    pub fn batches_with(rows: &mut Encoded, options: Map) -> Res<Batches> {
        let options = Options::read("batches", BATCHES, options)?;
        let seed = options.maybe("seed", Options::int)?.map(|seed| seed as u64);
        let plan = batches::Plan {
            size: options.count("size")?,
            epochs: options.count("epochs")?,
            steps: options.maybe("steps", Options::count)?,
            order: options.bool("shuffle")?.then(|| Rng::or_run(seed)),
            replay: options.maybe("replay", |options, name| replay(options.get(name)))?,
            from: options.count("from")?,
        };
        Ok(crate::data::Batches::new(rows.clone(), plan)?)
    }

    /// How many rows there are.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes")).len()    //=> 1
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn encoded_len(rows: &mut Encoded) -> i64 {
        rows.len() as i64
    }

    /// The first `count` rows, or all if there are fewer.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).take(1).len()    //=> 1
    /// ```
    #[rhai_fn(name = "take", pure, return_raw)]
    pub fn encoded_take(rows: &mut Encoded, count: i64) -> Res<Encoded> {
        Ok(rows.take(super::length("take", count)?))
    }

    /// One row as a batch of one: to look at what is learned.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows[0].learned    //=> 2
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn encoded_row(rows: &mut Encoded, at: i64) -> Res<Batch> {
        let at = crate::data::api::place("index", at, rows.len())?;
        Ok(rows.batch(&[at]))
    }

    /// Tokens of all rows, without padding.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"), #{ eos: false }).tokens    //=> 2
    /// ```
    #[rhai_fn(get = "tokens", pure)]
    pub fn encoded_tokens(rows: &mut Encoded) -> i64 {
        rows.tokens() as i64
    }

    /// Tokens that a loss sees: learned, and not the first of their sequence.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"), #{ eos: false }).learned    //=> 1
    /// ```
    #[rhai_fn(get = "learned", pure)]
    pub fn encoded_learned(rows: &mut Encoded) -> i64 {
        rows.learned() as i64
    }

    /// Bytes of text behind the tokens that a loss sees.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes")).bytes    //=> 1
    /// ```
    #[rhai_fn(get = "bytes", pure)]
    pub fn encoded_bytes(rows: &mut Encoded) -> i64 {
        rows.bytes() as i64
    }

    /// Facts: rows, tokens, learned, bytes, longest, how many rows were cut, split or left out, and where the length of
    /// rows is fixed, that length and the share of padding (`waste`).
    ///
    /// ```rhai
    /// dataset(["ab", "c"]).encode(tokenizer("tests/data/tokenizer-bytes")).info().longest    //=> 3
    /// ```
    #[rhai_fn(name = "info", pure)]
    pub fn encoded_info(rows: &mut Encoded) -> Map {
        let counts = rows.counts();
        let facts = [
            ("rows", rows.len()),
            ("tokens", rows.tokens()),
            ("learned", rows.learned()),
            ("bytes", rows.bytes()),
            ("longest", rows.longest()),
            ("cut", counts.cut),
            ("split", counts.split),
            ("skipped", counts.skipped),
        ];
        let mut map: Map = facts.into_iter().map(|(name, count)| (name.into(), (count as i64).into())).collect();
        map.insert("length".into(), rows.length().map_or(Dynamic::UNIT, |length| (length as i64).into()));
        map.insert("waste".into(), rows.waste().map_or(Dynamic::UNIT, Dynamic::from));
        map
    }

    /// Rows, tokens, and how many of them are learned.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoded_text(rows: &mut Encoded) -> String {
        rows.to_string()
    }

    /// Steps in all, counted from step 0.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).batches(#{ size: 1 }).total    //=> 2
    /// ```
    #[rhai_fn(name = "total", get = "total", pure)]
    pub fn batches_total(batches: &mut Batches) -> i64 {
        batches.total() as i64
    }

    /// Batches of one epoch.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).batches(#{ size: 1, epochs: 3 }).per_epoch    //=> 2
    /// ```
    #[rhai_fn(get = "per_epoch", pure)]
    pub fn per_epoch(batches: &mut Batches) -> i64 {
        batches.per_epoch() as i64
    }

    /// Batches that are to come.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.batches(#{ size: 1, from: 1 }).len()    //=> 1
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn batches_len(batches: &mut Batches) -> i64 {
        batches.len() as i64
    }

    /// From which step to which, and of how many rows.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batches_text(batches: &mut Batches) -> String {
        batches.to_string()
    }

    /// Token ids, `[rows, length]`, u32.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].ids.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "ids", pure, return_raw)]
    pub fn ids(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.ids.clone(), batch)
    }

    /// The ids that are learned, -100 elsewhere, `[rows, length]`, i64. Aligned with `ids`: a model shifts by itself.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].labels.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "labels", pure, return_raw)]
    pub fn labels(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.labels.clone(), batch)
    }

    /// Which sequence of its row a token belongs to, from 1; 0 is padding. `[rows, length]`, u32.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].segments.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "segments", pure, return_raw)]
    pub fn segments(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.segments.clone(), batch)
    }

    /// Where in its sequence a token stands, from 0. `[rows, length]`, u32.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].positions.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "positions", pure, return_raw)]
    pub fn positions(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.positions.clone(), batch)
    }

    /// The same rows in at most `parts` batches, for accumulation: their sums of gradients add up to this batch's.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer(["to be"], #{ size: 260 }));
    /// for batch in rows.batches(#{ size: 3, shuffle: false }) { print(batch.split(2)[1].tokens); }
    /// ```
    #[rhai_fn(name = "split", pure, return_raw)]
    pub fn batch_split(batch: &mut Batch, parts: i64) -> Res<List> {
        let Ok(parts @ 1..) = usize::try_from(parts) else { bail!("split", "{parts} parts of a batch") };
        Ok((*batch).split(parts).into_iter().map(Dynamic::from).collect())
    }

    /// Tokens that its loss sees: learned, and not the first of their sequence.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].learned    //=> 2
    /// ```
    #[rhai_fn(get = "learned", pure)]
    pub fn batch_learned(batch: &mut Batch) -> i64 {
        batch.learned() as i64
    }

    /// Tokens without padding.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].tokens    //=> 3
    /// ```
    #[rhai_fn(get = "tokens", pure)]
    pub fn batch_tokens(batch: &mut Batch) -> i64 {
        batch.tokens() as i64
    }

    /// Bytes of text behind the tokens that its loss sees.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].bytes    //=> 1
    /// ```
    #[rhai_fn(get = "bytes", pure)]
    pub fn batch_bytes(batch: &mut Batch) -> i64 {
        batch.bytes as i64
    }

    /// Which batch of the walk it is, from 0.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].step    //=> 0
    /// ```
    #[rhai_fn(get = "step", pure)]
    pub fn step(batch: &mut Batch) -> i64 {
        batch.step as i64
    }

    /// How many batches the walk has.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches(#{ epochs: 2 }) { print(batch.total); }
    /// ```
    #[rhai_fn(get = "total", pure)]
    pub fn total(batch: &mut Batch) -> i64 {
        batch.total as i64
    }

    /// Which time through the rows it is, from 0.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches(#{ epochs: 2 }) { print(batch.epoch); }
    /// ```
    #[rhai_fn(get = "epoch", pure)]
    pub fn epoch(batch: &mut Batch) -> i64 {
        batch.epoch as i64
    }

    /// Which batch it is, and its size.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batch_text(batch: &mut Batch) -> String {
        let (rows, length) = (batch.rows, batch.length);
        format!("batch {} of {}: {rows} × {length}, {} learned", batch.step, batch.total, batch.learned())
    }
}
