//! Script API of files larger than memory.

use super::encode::{encode_options, plan};
use super::masked::masked;
use crate::data::stream_batches::StreamPlan;
use crate::data::{Dataset, EncodedStream, RowPlan, Stream, StreamBatches};
use crate::script::prelude::*;
use crate::tensor::Rng;
use crate::token::Tokenizer;

const STREAM: &[Opt] = &[
    opt(
        "sample_by",
        Kind::OneOf(&["line", "paragraph", "document"]),
        "\"line\"",
        "unit of a row of a .txt file, blank lines dropped; document (a whole file) is for archives only",
    )
    .also(&["by"]),
    super::DELIMITER,
    super::QUOTES,
    super::ENCODING,
    super::ON_ERROR,
    super::ASIDE,
    super::FILE_FIELD,
];

const BATCHES: &[Opt] = &[
    opt("steps", Kind::Int, "", "number of batches; at the end of the file it is read again").also(&["max_steps"]),
    opt("batch_size", Kind::Int, "8", "rows per batch; the last batch of a buffer may have fewer")
        .also(&["size", "per_device_train_batch_size"]),
    opt("buffer_size", Kind::Int, "10000", "rows of the file that are packed and shuffled in memory at a time")
        .also(&["buffer", "shuffle_buffer"]),
    opt("shuffle", Kind::Bool, "true", "shuffle within the buffer"),
    opt("seed", Kind::Int, "", "seed of the order; by default the script's `seed(…)`"),
    opt("start_step", Kind::Int, "0", "first step, to resume a run; the file is read again up to there").also(&[
        "from",
        "resume_from_checkpoint",
        "skip_first_batches",
    ]),
    opt("replay", Kind::Map, "", "`#{ rows, ratio }`: rows to replay, and their share of each batch")
        .also(&["rehearsal", "interleave_datasets"]),
];

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<StreamParts>("StreamParts");
    host.engine.register_type_with_name::<EncodedStream>("EncodedStream");
    host.engine.register_type_with_name::<StreamBatches>("StreamBatches");
    host.module(exported_module!(verbs));
    host.options("stream", STREAM);
    host.options("batches", BATCHES);
    host.engine.register_iterator_result::<Stream, Dynamic>();
    host.engine.register_iterator_result::<StreamParts, Dataset>();
    host.engine.register_iterator_result::<StreamBatches, crate::data::Batch>();
}

/// The datasets of a stream.
#[derive(Clone)]
pub struct StreamParts {
    stream: Stream,
    rows: usize,
}

type RowIter<T> = Box<dyn Iterator<Item = Res<T>>>;

/// Yields only the error, where a walk cannot begin.
fn walk<T: 'static>(begun: crate::Result<impl Iterator<Item = crate::Result<T>> + 'static>) -> RowIter<T> {
    match begun {
        Ok(items) => Box::new(items.map(|item| item.map_err(Into::into))),
        Err(error) => Box::new(std::iter::once(Err(error.into()))),
    }
}

impl IntoIterator for StreamParts {
    type Item = Res<Dataset>;
    type IntoIter = RowIter<Dataset>;

    fn into_iter(self) -> RowIter<Dataset> {
        walk(self.stream.parts(self.rows))
    }
}

impl IntoIterator for Stream {
    type Item = Res<Dynamic>;
    type IntoIter = RowIter<Dynamic>;

    fn into_iter(self) -> RowIter<Dynamic> {
        let rows = walk(self.parts(4096)).flat_map(|part| -> RowIter<Dynamic> {
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
    type IntoIter = RowIter<crate::data::Batch>;

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

fn opened(paths: &[&str], options: Map) -> Res<Stream> {
    let options = Options::read("stream", STREAM, options)?;
    let form = super::text_form("stream", &options, super::by(&options)?, false)?;
    let form = crate::data::TextForm { quotes: options.bool("quotes")?, ..form };
    Ok(Stream::open(super::source("stream", paths, &options, form)?)?)
}

#[export_module]
mod verbs {
    /// Files larger than memory. A value: every pass reads the files anew, a part at a time, through the stream's steps.
    pub type Stream = crate::data::Stream;

    /// Opens files of rows and reads them lazily, so they may be larger than memory: `for row in stream(path)`.
    ///
    /// Formats, folders, patterns and options are those of `dataset`, without .json; a list of paths is accepted too. Values of
    /// .csv and .tsv stay text. `map`, `filter`, `select`, `drop`, `rename`, `unique` and the verbs that clean texts return a
    /// lazy stream, and `save` writes it to a file; only a few parts are in memory at a time.
    ///
    /// also: IterableDataset, streaming=True, chunksize, lazy, scan_csv
    ///
    /// effect
    ///
    /// ```rhai
    /// let words = 0;
    /// for text in stream("scripts/data/definitions.jsonl").column("answer").take(100) { words += text.len; }
    /// stream("scripts/data/definition.jsonl")    //=> error: stream: scripts/data/definition.jsonl is not there
    /// dataset(["one", "two"]).save("out/doc/stream.txt");
    /// for row in stream("out/doc/stream.txt", #{ sample_by: "paragraph" }) { print(row.text); }
    /// let short = stream("scripts/data/defin*.jsonl").filter(|row| row.answer.len < 30);
    /// short                                        //=> stream scripts/data/defin*.jsonl, filter
    /// short.map(|row| #{ text: row.answer }).save("out/doc/short.jsonl.zst");
    /// ```
    #[rhai_fn(name = "stream", return_raw)]
    pub fn open(path: &str, options: Map) -> Res<Stream> {
        super::opened(&[path], options)
    }

    /// Opens the files of several paths, one after the other.
    ///
    /// effect
    ///
    /// ```rhai
    /// dataset(["one"]).save("out/doc/1.txt");
    /// dataset(["two"]).save("out/doc/2.txt");
    /// for row in stream(["out/doc/2.txt", "out/doc/1.txt"]) { print(row.text); }
    /// stream([])    //=> error: stream: no files are named
    /// ```
    #[rhai_fn(name = "stream", return_raw)]
    pub fn open_all(paths: List, options: Map) -> Res<Stream> {
        let paths = super::super::names("stream", paths)?;
        super::opened(&paths.iter().map(|path| path.as_str()).collect::<Vec<_>>(), options)
    }

    /// Returns the stream itself, so that a function may take either a stream or a path.
    ///
    /// effect
    ///
    /// ```rhai
    /// stream(stream("scripts/data/definitions.jsonl"))    //=> stream scripts/data/definitions.jsonl
    /// ```
    #[rhai_fn(name = "stream")]
    pub fn same(stream: Stream) -> Stream {
        stream
    }

    /// Returns one field as a column, whose rows are bare values.
    ///
    /// ```rhai
    /// for text in stream("scripts/data/definitions.jsonl").column("answer").take(1) { print(text); }
    /// stream("scripts/data/definitions.jsonl").column("anser")    //=> error: column: there is no field `anser`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn column(stream: &mut Stream, field: &str) -> Res<Stream> {
        Ok((*stream).column(field)?)
    }

    /// Keeps only these fields.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").select(["term"])    //=> stream scripts/data/definitions.jsonl, term
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn select(stream: &mut Stream, fields: List) -> Res<Stream> {
        Ok((*stream).select(super::super::field_names("select", Dynamic::from(fields))?)?)
    }

    /// Returns the first `rows` rows.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").take(5)    //=> stream scripts/data/definitions.jsonl, rows 0 to 5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn take(stream: &mut Stream, rows: i64) -> Res<Stream> {
        Ok((*stream).take(super::count("take", rows)?))
    }

    /// Returns all but the first `rows` rows.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").skip(5)    //=> stream scripts/data/definitions.jsonl, from row 5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn skip(stream: &mut Stream, rows: i64) -> Res<Stream> {
        Ok((*stream).skip(super::count("skip", rows)?))
    }

    /// Splits the rows into datasets of `rows` rows each; the last may have fewer.
    ///
    /// also: chunksize, iter batches
    ///
    /// ```rhai
    /// let long = 0;
    /// for part in stream("scripts/data/definitions.jsonl").parts(300) {
    ///     long += part.filter(|row| row.answer.len > 50).len();
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn parts(stream: &mut Stream, rows: i64) -> Res<StreamParts> {
        if rows < 1 {
            bail!("parts", "parts of {rows} rows");
        }
        Ok(StreamParts { stream: stream.clone(), rows: super::count("parts", rows)? })
    }

    /// Encodes rows as they are read, with the options of a dataset's `encode`.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").column("answer").encode(tokenizer("tests/data/tokenizer-bytes")).pack(64);
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = stream("scripts/data/definitions.jsonl").encode(tok, #{ prompt: "question", completion: "answer", max_length: 512 });
    /// for batch in rows.pack(512).batches(#{ steps: 3, batch_size: 2, buffer_size: 20, seed: 1 }) { print(batch); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn encode(stream: &mut Stream, tok: Tokenizer, options: Map) -> Res<EncodedStream> {
        let plan = match masked(&options, &tok, || encode_options(options.clone()))? {
            Some(plan) => RowPlan::Masked(plan.into()),
            None => RowPlan::Written(plan(&tok, options)?.into()),
        };
        Ok(EncodedStream::new(stream.clone(), tok, plan))
    }

    /// Packs rows into blocks of exactly `length` tokens, within each buffer.
    ///
    /// ```rhai
    /// let tok = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).pack(128);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pack(rows: &mut EncodedStream, length: i64) -> Res<EncodedStream> {
        Ok((*rows).pack(super::count("pack", length)?, None))
    }

    /// Returns batches in file order, shuffled within a buffer. A stream has no known end, so `steps` is required; `batch.epoch`
    /// counts the passes over the file.
    ///
    /// also: DataLoader, shuffle buffer
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// let rows = stream("scripts/data/english.parquet").column("text").encode(tok).pack(128);
    /// for batch in rows.batches(#{ steps: 2, buffer_size: 10, seed: 7 }) { print(batch.tokens); }
    /// rows.batches(#{ batch_size: 2 })    //=> error: batches: a stream has no known end: say how many `steps`
    ///
    /// // every fourth row from other text
    /// let other = dataset(["to be or not to be"]).encode(tok);
    /// for batch in rows.batches(#{ steps: 2, batch_size: 4, buffer_size: 10, replay: #{ rows: other, ratio: 0.25 } }) { print(batch); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn batches(rows: &mut EncodedStream, options: Map) -> Res<StreamBatches> {
        let options = Options::read("batches", BATCHES, options)?;
        let Some(steps) = options.maybe("steps", Options::count)? else {
            bail!("batches", "a stream has no known end: say how many `steps`");
        };
        let seed = options.maybe("seed", Options::int)?.map(|seed| seed as u64);
        let plan = StreamPlan {
            batch_size: options.count("batch_size")?,
            steps,
            buffer_size: options.count("buffer_size")?,
            order: options.bool("shuffle")?.then(|| Rng::or_run(seed)),
            replay: options.maybe("replay", |options, name| crate::data::api::batches::replay(options.get(name)))?,
            start_step: options.count("start_step")?,
        };
        Ok(StreamBatches::new(rows.clone(), plan)?)
    }

    /// Number of steps, counted from step 0.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).batches(#{ steps: 2 }).total    //=> 2
    /// ```
    #[rhai_fn(get = "total", pure)]
    pub fn total(batches: &mut StreamBatches) -> i64 {
        batches.total() as i64
    }

    /// Number of batches left.
    ///
    /// ```rhai
    /// let tok  = tokenizer("tests/data/tokenizer-bytes");
    /// stream("scripts/data/english.parquet").column("text").encode(tok).batches(#{ steps: 5, start_step: 3 }).len()    //=> 2
    /// ```
    #[rhai_fn(pure)]
    pub fn len(batches: &mut StreamBatches) -> i64 {
        batches.len() as i64
    }

    /// Files and rows.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn stream_text(stream: &mut Stream) -> String {
        stream.to_string()
    }

    /// Its stream.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoded_text(rows: &mut EncodedStream) -> String {
        rows.to_string()
    }

    /// Range of steps, and the stream.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batches_text(batches: &mut StreamBatches) -> String {
        batches.to_string()
    }

    /// Rows per part.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn parts_text(parts: &mut StreamParts) -> String {
        format!("parts of {} rows of {}", parts.rows, parts.stream)
    }
}
