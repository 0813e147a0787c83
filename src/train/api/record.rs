//! Records of runs in scripts.

use super::{from_json, to_json};
use crate::script::prelude::*;
use crate::train::Record;
use crate::{progress, resume};

const RECORD: &[Opt] = &[
    opt("resume", Kind::Int, "", "continue the existing record, without rows after this step"),
    opt("tensorboard", Kind::Bool, "false", "write an event file for TensorBoard beside the record").also(&[
        "SummaryWriter",
        "add_scalar",
        "report_to",
        "tfevents",
        "logging_dir",
    ]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Record>("Record");
    host.options("record", RECORD);
}

#[export_module]
mod verbs {
    pub type Record = crate::train::Record;

    /// Returns a record of a run in memory: rows of named values, one per step.
    ///
    /// also: wandb, tensorboard, SummaryWriter, training log, metrics
    ///
    /// effect
    ///
    /// ```rhai
    /// let log = record();
    /// log.add(#{ step: 1, loss: 2.5 });
    /// log.add(#{ step: 2, loss: 2.0 });
    /// log.column("loss")                       //=> [2.5, 2.0]
    /// log                                      //=> record, 2 rows of step, loss
    /// ```
    pub fn record() -> Record {
        resume::reused(Record::new)
    }

    /// Returns a record that is also a file: a JSON object per line, written as soon as it is added.
    ///
    /// The first row replaces the file at `path`. `#{ resume: step }` continues the existing record instead, without its rows
    /// after `step`, for a run that resumes from a checkpoint of that step. `tensorboard: true` also writes every number of a row
    /// as a scalar to an event file for TensorBoard in the same folder; `levain watch FOLDER` draws the record itself.
    ///
    /// effect
    ///
    /// ```rhai
    /// let log = record("out/examples/log.jsonl");
    /// for step in 1..=3 { log.add(#{ step: step, loss: 1.0 / step }); }
    /// let log = record("out/examples/log.jsonl", #{ resume: 2 });
    /// log.len()                                //=> 2
    /// record("out/examples/board/log.jsonl", #{ tensorboard: true }).add(#{ step: 1, loss: 2.5 });    // tensorboard --logdir out/examples
    /// record("out/examples/none.jsonl", #{ resum: 2 }) //=> error: record: there is no option `resum`
    /// ```
    ///
    /// also: log, wandb.log, TensorBoard, SummaryWriter, history, jsonl
    #[rhai_fn(name = "record", return_raw)]
    pub fn record_at(path: &str, options: Map) -> Res<Record> {
        let options = Options::read("record", RECORD, options)?;
        let log = match options.maybe("resume", Options::count)? {
            Some(step) => Record::reopen(path, step as u64)?,
            None => Record::create(path),
        };
        Ok(if options.bool("tensorboard")? { log.with_events()? } else { log })
    }

    /// Adds a row. It is in the file when this returns.
    ///
    /// In the file each row ends with its checksum, `levain_crc32`: reading reports a damaged row. Numbers are exact to the last
    /// bit. NaN and the infinities, which have no JSON number, are the texts `NaN`, `Infinity` and `-Infinity` in the file, and
    /// numbers again when read.
    ///
    /// ```rhai
    /// let log = record();
    /// log.add(#{ step: 1, loss: 2.5 });
    /// log.add(#{ step: 2, loss: -1.0 / 0.0 });
    /// log.last.loss                            //=> -inf
    /// log.add(#{ loss: || 1 })                 //=> error: add: `loss` holds a closure, which can't be written as JSON
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn add(log: &mut Record, row: Map) -> Res<()> {
        Ok(log.add(to_json("add", row)?)?)
    }

    /// Counts the rows, after flushing them to disk.
    #[rhai_fn(name = "_kept", pure, return_raw)]
    pub fn kept(log: &mut Record) -> Res<INT> {
        Ok(log.kept()? as INT)
    }

    /// Prints a warning; the run continues.
    #[rhai_fn(name = "_warn")]
    pub fn warn(who: &str, what: &str) {
        progress::warn(who, what);
    }

    /// Returns the values of a column, of the rows that have it.
    ///
    /// ```rhai
    /// let log = record();
    /// log.add(#{ step: 1, loss: 2.5 });
    /// log.add(#{ step: 2, loss: 2.0, test: 2.2 });
    /// log.column("test")                       //=> [2.2]
    /// log.column("los")                        //=> error: column: no row has `los`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn column(log: &mut Record, name: &str) -> Res<List> {
        log.column(name)?.into_iter().map(from_json).collect()
    }

    /// Returns all rows, as maps.
    ///
    /// ```rhai
    /// let log = record();
    /// log.add(#{ step: 1, loss: 2.5 });
    /// log.rows()                               //=> [#{"loss": 2.5, "step": 1}]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rows(log: &mut Record) -> Res<List> {
        log.rows().into_iter().map(from_json).collect()
    }

    /// Last row, or `()`.
    ///
    /// ```rhai
    /// let log = record();
    /// log.add(#{ step: 1, loss: 2.5 });
    /// log.last.loss                            //=> 2.5
    /// ```
    #[rhai_fn(get = "last", pure, return_raw)]
    pub fn last(log: &mut Record) -> Res<Dynamic> {
        log.last().map_or(Ok(Dynamic::UNIT), from_json)
    }

    /// Number of rows.
    ///
    /// ```rhai
    /// record().len()                           //=> 0
    /// ```
    #[rhai_fn(pure)]
    pub fn len(log: &mut Record) -> INT {
        log.len() as INT
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn record_to_string(log: &mut Record) -> String {
        let rows = log.len();
        let plural = if rows == 1 { "" } else { "s" };
        let names: Vec<String> = log.last().map(|row| row.keys().cloned().collect()).unwrap_or_default();
        let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
        let place = log.path().map(|path| format!(", {}", path.display())).unwrap_or_default();
        format!("record, {rows} row{plural}{of}{place}")
    }
}
