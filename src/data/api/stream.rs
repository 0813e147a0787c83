//! What scripts see of files that are larger than memory.

use super::encode::plan;
use crate::data::stream::StreamPlan;
use crate::data::{Dataset, EncodedStream, Stream, StreamBatches};
use crate::script::prelude::*;
use crate::tensor::Rng;
use crate::token::Tokenizer;
use std::path::Path;

const STREAM: &[Opt] = &[opt(
    "by",
    Kind::Text,
    "\"line\"",
    "what a row of a .txt file is: `line` (blank ones are left out) or `paragraph`",
)];

const BATCHES: &[Opt] = &[
    opt("steps", Kind::Int, "", "how many batches; the file is read again where it ends"),
    opt("size", Kind::Int, "8", "rows of a batch; the last one of a buffer may have fewer"),
    opt("buffer", Kind::Int, "10000", "rows of the file that are held, packed and shuffled at a time"),
    opt("shuffle", Kind::Bool, "true", "shuffle within the buffer"),
    opt("seed", Kind::Int, "", "decides the order; without it, the script's `seed(…)` does"),
    opt("from", Kind::Int, "0", "the step to begin with, for going on with a run; the file is read again up to there"),
    opt("replay", Kind::Map, "", "`#{ rows, ratio }`: other encoded rows, of which so large a share of all rows comes"),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<Stream>("stream");
    host.engine.register_type_with_name::<Parts>("parts");
    host.engine.register_type_with_name::<EncodedStream>("encoded_stream");
    host.engine.register_type_with_name::<StreamBatches>("stream_batches");
    host.module(exported_module!(verbs));
    host.options("stream", STREAM);
    host.options("batches", BATCHES);
    host.engine.register_iterator_result::<Stream, Dynamic>();
    host.engine.register_iterator_result::<Parts, Dataset>();
    host.engine.register_iterator_result::<StreamBatches, crate::data::Batch>();
}

/// The datasets of a stream.
#[derive(Clone)]
pub struct Parts {
    stream: Stream,
    rows: usize,
}

type Walk<T> = Box<dyn Iterator<Item = Res<T>>>;

/// Nothing but the error, where a walk cannot begin.
fn walk<T: 'static>(begun: crate::Result<impl Iterator<Item = crate::Result<T>> + 'static>) -> Walk<T> {
    match begun {
        Ok(items) => Box::new(items.map(|item| item.map_err(Into::into))),
        Err(error) => Box::new(std::iter::once(Err(error.into()))),
    }
}

impl IntoIterator for Parts {
    type Item = Res<Dataset>;
    type IntoIter = Walk<Dataset>;

    fn into_iter(self) -> Walk<Dataset> {
        walk(self.stream.parts(self.rows))
    }
}

impl IntoIterator for Stream {
    type Item = Res<Dynamic>;
    type IntoIter = Walk<Dynamic>;

    fn into_iter(self) -> Walk<Dynamic> {
        let rows = walk(self.parts(4096)).flat_map(|part| -> Walk<Dynamic> {
            match part {
                Ok(part) => Box::new(part.into_iter()),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        });
        Box::new(rows)
    }
}

impl IntoIterator for StreamBatches {
    type Item = Res<crate::data::Batch>;
    type IntoIter = Walk<crate::data::Batch>;

    fn into_iter(self) -> Self::IntoIter {
        walk(Ok(self.walk()))
    }
}

fn count(who: &'static str, count: i64) -> Res<usize> {
    match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) => bail!(who, "{count} is below 0"),
    }
}

#[export_module]
mod verbs {
    /// A file that is larger than memory. A value: every walk through it reads the file anew, a part at a time.
    pub type Stream = crate::data::Stream;

    /// A file of rows that is read as it is used, so that it may be larger than memory: `for row in stream(path)`.
    ///
    /// The formats are those of `dataset`, without .json. Values of .csv and .tsv stay text. `column`, `select`, `skip` and
    /// `take` say what is meant of it; for `map`, `filter` and all else go through its `parts`, which are datasets.
    ///
    /// ```rhai
    /// let words = 0;
    /// for text in stream("scripts/data/definitions.jsonl").column("answer").take(100) { words += text.len; }
    /// stream("scripts/data/definition.jsonl")    //=> error: stream: scripts/data/definition.jsonl is not there
    /// ```
    #[rhai_fn(name = "stream", return_raw)]
    pub fn open(path: &str) -> Res<Stream> {
        open_with(path, Map::new())
    }

    /// A file of rows that is read as it is used, with options.
    ///
    /// ```rhai
    /// dataset(["one", "two"]).save("out/doc/stream.txt");
    /// for row in stream("out/doc/stream.txt", #{ by: "paragraph" }) { print(row.text); }
    /// ```
    #[rhai_fn(name = "stream", return_raw)]
    pub fn open_with(path: &str, options: Map) -> Res<Stream> {
        let options = Options::read("stream", STREAM, options)?;
        Ok(Stream::open(Path::new(path), super::super::by("stream", &options)?)?)
    }

    /// One field, whose rows are the plain values.
    ///
    /// ```rhai
    /// for text in stream("scripts/data/definitions.jsonl").column("answer").take(1) { print(text); }
    /// stream("scripts/data/definitions.jsonl").column("anser")    //=> error: column: there is no field `anser`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn column(stream: &mut Stream, field: &str) -> Res<Stream> {
        Ok((*stream).column(field)?)
    }

    /// Only these fields.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").select(["term"])    //=> stream scripts/data/definitions.jsonl, term
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn select(stream: &mut Stream, fields: List) -> Res<Stream> {
        let fields = super::super::names("select", fields)?;
        Ok((*stream).select(fields.into_iter().map(|field| field.to_string()).collect())?)
    }

    /// The first `rows` rows.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").take(5)    //=> stream scripts/data/definitions.jsonl, rows 0 to 5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn take(stream: &mut Stream, rows: i64) -> Res<Stream> {
        Ok((*stream).take(super::count("take", rows)?))
    }

    /// All but the first `rows` rows.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").skip(5)    //=> stream scripts/data/definitions.jsonl, from row 5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn skip(stream: &mut Stream, rows: i64) -> Res<Stream> {
        Ok((*stream).skip(super::count("skip", rows)?))
    }

    /// The rows as datasets of `rows` rows each, with all their verbs; the last may have fewer.
    ///
    /// ```rhai
    /// let long = 0;
    /// for part in stream("scripts/data/definitions.jsonl").parts(300) {
    ///     long += part.filter(|row| row.answer.len > 50).len();
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn parts(stream: &mut Stream, rows: i64) -> Res<Parts> {
        if rows < 1 {
            bail!("parts", "parts of {rows} rows");
        }
        Ok(Parts { stream: stream.clone(), rows: super::count("parts", rows)? })
    }

    /// Rows to tokens as they are read, plain text from the field `text` or the only field.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").column("answer").encode(tokenizer("tests/data/tokenizer-bytes")).pack(64);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(stream: &mut Stream, tok: Tokenizer) -> Res<EncodedStream> {
        encode_with(stream, tok, Map::new())
    }

    /// Rows to tokens as they are read, with the options that a dataset's `encode` has.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = stream("scripts/data/definitions.jsonl").encode(tok, #{ prompt: "question", completion: "answer", size: 512 });
    /// for batch in rows.pack(512).batches(#{ steps: 3, size: 2, buffer: 20, seed: 1 }) { print(batch); }
    /// ```
    #[rhai_fn(name = "encode", pure, return_raw)]
    pub fn encode_with(stream: &mut Stream, tok: Tokenizer, options: Map) -> Res<EncodedStream> {
        Ok(EncodedStream::new(stream.clone(), tok, plan(options)?))
    }

    /// Blocks of exactly `length` tokens, packed within each buffer.
    ///
    /// ```rhai
    /// let tok = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).pack(128);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pack(rows: &mut EncodedStream, length: i64) -> Res<EncodedStream> {
        Ok((*rows).pack(super::count("pack", length)?, None))
    }

    /// Batches in the order of the file, shuffled within a buffer. `steps` says how many, since a stream has no known end;
    /// `batch.epoch` counts how often the file was begun again.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = stream("scripts/data/english.parquet").column("text").encode(tok).pack(128);
    /// for batch in rows.batches(#{ steps: 2, buffer: 10, seed: 7 }) { print(batch.tokens); }
    /// rows.batches(#{ size: 2 })    //=> error: batches: a stream has no known end: say how many `steps`
    ///
    /// // every fourth row from other text
    /// let other = dataset(["to be or not to be"]).encode(tok);
    /// for batch in rows.batches(#{ steps: 2, size: 4, buffer: 10, replay: #{ rows: other, ratio: 0.25 } }) { print(batch); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn batches(rows: &mut EncodedStream, options: Map) -> Res<StreamBatches> {
        let options = Options::read("batches", BATCHES, options)?;
        let Some(steps) = options.maybe("steps", Options::count)? else {
            bail!("batches", "a stream has no known end: say how many `steps`");
        };
        let seed = options.maybe("seed", Options::int)?.map(|seed| seed as u64);
        let plan = StreamPlan {
            size: options.count("size")?,
            steps,
            buffer: options.count("buffer")?,
            order: options.bool("shuffle")?.then(|| Rng::or_run(seed)),
            replay: options.maybe("replay", |options, name| crate::data::api::encode::replay(options.get(name)))?,
            from: options.count("from")?,
        };
        Ok(StreamBatches::new(rows.clone(), plan)?)
    }

    /// Steps in all, counted from step 0.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).batches(#{ steps: 2 }).total    //=> 2
    /// ```
    #[rhai_fn(get = "total", pure)]
    pub fn total(batches: &mut StreamBatches) -> i64 {
        batches.total() as i64
    }

    /// Batches that are to come.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).batches(#{ steps: 5, from: 3 }).len()    //=> 2
    /// ```
    #[rhai_fn(pure)]
    pub fn len(batches: &mut StreamBatches) -> i64 {
        batches.len() as i64
    }

    /// Which rows of which file.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn stream_text(stream: &mut Stream) -> String {
        stream.to_string()
    }

    /// Of which stream.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoded_text(rows: &mut EncodedStream) -> String {
        rows.to_string()
    }

    /// From which step to which, of which stream.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batches_text(batches: &mut StreamBatches) -> String {
        batches.to_string()
    }

    /// How many rows each has.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn parts_text(parts: &mut Parts) -> String {
        format!("parts of {} rows of {}", parts.rows, parts.stream)
    }
}
