//! Stream: files larger than memory, read in parts, each part through the stream's steps.

use super::Dataset;
use super::read::{By, DataFormat, Source, Tables, format_of};
use super::step::Step;
use super::stream_crew;
use super::wire::{Wire, broken};
use crate::ranks::Crew;
use crate::{Error, Result, bail};
use std::collections::VecDeque;
use std::sync::Arc;

const WHO: &str = "stream";

/// Rows of files, and their transformations. A value: every pass reads the files anew.
#[derive(Clone)]
pub struct Stream {
    source: Arc<Source>,
    stages: Vec<Stage>,
}

/// A transformation of the rows.
#[derive(Clone)]
pub enum Stage {
    /// Rows from one index to another, excluded.
    Range(usize, usize),
    /// These fields; with `true`, the values of the single field.
    Fields(Vec<String>, bool),
    Each(Arc<dyn Step>),
    InOrder(Arc<dyn InOrder>),
}

/// The transformation of each part, in order.
pub type Walk = Box<dyn FnMut(Dataset) -> Result<Dataset> + Send>;

/// A step that must see the rows in order, since it remembers some of them.
pub trait InOrder: Send + Sync {
    fn label(&self) -> String;

    fn identity(&self) -> String {
        self.label()
    }

    /// Begins a walk; `upstream` supplies the rows.
    fn begin(self: Arc<Self>, upstream: &Stream) -> Result<Walk>;
}

impl Stage {
    /// `filter`, `rows 0 to 5`.
    pub fn label(&self) -> String {
        match self {
            Stage::Range(start, usize::MAX) => format!("from row {start}"),
            Stage::Range(start, end) => format!("rows {start} to {end}"),
            Stage::Fields(fields, _) => fields.join(", "),
            Stage::Each(step) => step.label(),
            Stage::InOrder(step) => step.label(),
        }
    }

    /// Distinguishes it from other stages.
    pub fn identity(&self) -> String {
        match self {
            Stage::Each(step) => step.identity(),
            Stage::InOrder(step) => step.identity(),
            other => other.label(),
        }
    }
}

impl Stream {
    /// Reads the first part of the files, so that errors are found at once.
    pub fn open(source: Source) -> Result<Stream> {
        for path in source.files() {
            let format = format_of(WHO, path)?.0;
            if format == DataFormat::Json || source.form.by == By::Document && !format.is_archive() {
                return Err(Error::new(WHO, format!("{} is one value, which is read as a whole", path.display()))
                    .help("save it as .jsonl or .parquet, or open it with `dataset`"));
            }
        }
        let stream = Stream { source: source.into(), stages: Vec::new() };
        match stream.source.open(WHO)?.next() {
            Some(first) => first.map(|_| stream),
            None => bail!(WHO, "{} is empty: it has no rows", stream.source),
        }
    }

    /// The files it reads.
    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The rows as stored in the files.
    pub fn raw(&self) -> Stream {
        Stream { stages: Vec::new(), ..self.clone() }
    }

    fn then(&self, stage: Stage) -> Stream {
        let mut stages = self.stages.clone();
        stages.push(stage);
        Stream { source: self.source.clone(), stages }
    }

    /// Applies a step.
    pub fn through(&self, step: Arc<dyn Step>) -> Stream {
        self.then(Stage::Each(step))
    }

    /// Applies a step that sees the rows in order.
    pub fn in_order(&self, step: Arc<dyn InOrder>) -> Stream {
        self.then(Stage::InOrder(step))
    }

    pub fn select(&self, fields: Vec<String>) -> Result<Stream> {
        if let Some(twice) = (1..fields.len()).find(|at| fields[..*at].contains(&fields[*at])) {
            bail!("select", "field `{}` is named twice", fields[twice]);
        }
        self.with_fields("select", fields, false)
    }

    /// One field, whose rows are its values.
    pub fn column(&self, field: &str) -> Result<Stream> {
        self.with_fields("column", vec![field.into()], true)
    }

    fn with_fields(&self, who: &'static str, fields: Vec<String>, bare: bool) -> Result<Stream> {
        self.has_fields(who, &fields)?;
        Ok(self.then(Stage::Fields(fields, bare)))
    }

    /// Returns an error for fields missing in the first rows.
    pub fn has_fields(&self, who: &'static str, fields: &[String]) -> Result<()> {
        if let Some(first) = self.first()? {
            for field in fields {
                first.field(who, field)?;
            }
        }
        Ok(())
    }

    /// The first part that has rows.
    pub fn first(&self) -> Result<Option<Dataset>> {
        self.blocks()?.next().transpose()
    }

    pub fn skip(&self, rows: usize) -> Stream {
        self.range(rows, usize::MAX)
    }

    pub fn take(&self, rows: usize) -> Stream {
        self.range(0, rows)
    }

    fn range(&self, from: usize, count: usize) -> Stream {
        let mut stages = self.stages.clone();
        let (start, end) = match stages.last() {
            Some(Stage::Range(start, end)) => (*start, *end),
            _ => (0, usize::MAX),
        };
        if matches!(stages.last(), Some(Stage::Range(..))) {
            stages.pop();
        }
        let first = start.saturating_add(from).min(end);
        stages.push(Stage::Range(first, first.saturating_add(count).min(end)));
        Stream { source: self.source.clone(), stages }
    }

    /// The rows as datasets of the size in which they are read.
    pub fn blocks(&self) -> Result<DatasetBlocks> {
        self.blocks_from(0)
    }

    /// [`Stream::blocks`] from a row of the files on, for stateless steps.
    pub fn blocks_from(&self, row: usize) -> Result<DatasetBlocks> {
        self.blocks_by(row, Crew::alone())
    }

    /// [`Stream::blocks_from`], with steps run by the ranks of a crew: the others use [`Stream::help`].
    pub fn blocks_by(&self, row: usize, crew: Crew) -> Result<DatasetBlocks> {
        let mut stages = Vec::new();
        for (at, stage) in self.stages.iter().enumerate() {
            stages.push(match stage {
                Stage::Range(start, end) => Running::Range { start: *start, end: *end, seen: 0 },
                Stage::Fields(fields, bare) => Running::Fields(fields.clone(), *bare),
                Stage::Each(step) => Running::Each { step: step.clone(), seen: 0, place: at },
                Stage::InOrder(step) => {
                    let upstream = Stream { source: self.source.clone(), stages: self.stages[..at].to_vec() };
                    Running::InOrder(step.clone().begin(&upstream)?)
                }
            });
        }
        let tables = self.source.open(WHO)?;
        Ok(DatasetBlocks { tables, stages, ready: VecDeque::new(), read: row, skip: row, done: false, crew })
    }

    /// Applies a step of this stream to parts sent by rank 0.
    pub fn help(&self, job: &[u8]) -> Result<Vec<u8>> {
        let mut wire = Wire(job);
        match self.stages.get(wire.number()? as usize) {
            Some(Stage::Each(step)) => stream_crew::answered(step.as_ref(), wire),
            _ => Err(broken()),
        }
    }

    /// Identifies these rows: the current files, and every stage.
    pub fn fingerprint(&self) -> String {
        let stages = self.stages.iter().map(Stage::identity);
        format!("{}\n{}", self.source.fingerprint(), stages.collect::<Vec<_>>().join("\n"))
    }

    /// Whether the result for a row depends on the row alone.
    pub fn is_stateless(&self) -> bool {
        self.stages.iter().all(|stage| matches!(stage, Stage::Each(_) | Stage::Fields(..)))
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// `stream big.jsonl.zst, filter, rows 0 to 5`.
impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {}", self.source)?;
        self.stages.iter().try_for_each(|stage| write!(f, ", {}", stage.label()))
    }
}

/// A stage during a walk.
enum Running {
    Range { start: usize, end: usize, seen: usize },
    Fields(Vec<String>, bool),
    Each { step: Arc<dyn Step>, seen: usize, place: usize },
    InOrder(Walk),
}

/// A walk through a stream, reading the files.
pub struct DatasetBlocks {
    tables: Tables,
    stages: Vec<Running>,
    ready: VecDeque<Result<(Dataset, usize)>>,
    /// Number of file rows read.
    read: usize,
    /// Number of file rows skipped at the start.
    skip: usize,
    done: bool,
    crew: Crew,
}

/// A part: its rows, and the number of file rows read for it.
type Part = (Dataset, usize);

impl DatasetBlocks {
    /// The next part, with the number of file rows up to its end.
    pub fn next_with_place(&mut self) -> Option<Result<Part>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                if ready.is_err() {
                    self.ready.clear();
                    self.done = true;
                }
                return Some(ready);
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.refill() {
                self.ready.push_back(Err(error));
            }
        }
    }

    /// The parts that are ready together; empty at the end.
    pub fn next_parts(&mut self) -> Vec<Result<Part>> {
        let mut parts: Vec<Result<Part>> = self.next_with_place().into_iter().collect();
        if parts.iter().all(Result::is_ok) {
            while let Some(part) = (!self.ready.is_empty()).then(|| self.next_with_place()).flatten() {
                parts.push(part);
            }
        }
        parts
    }

    /// Reads some parts and sends them through the stages.
    fn refill(&mut self) -> Result<()> {
        let wide = self.stages.iter().any(|stage| matches!(stage, Running::Each { .. }));
        let many = if wide { rayon::current_num_threads().max(1) * 2 * self.crew.count() } else { 1 };
        let mut parts: Vec<Part> = Vec::new();
        let mut fault = None;
        while parts.len() < many && !self.done {
            crate::cancel::check()?;
            match self.tables.next() {
                None => self.done = true,
                Some(Err(error)) => (fault, self.done) = (Some(error), true),
                Some(Ok(table)) => {
                    let mut rows = Dataset::from(table);
                    if self.skip > 0 {
                        let left_out = self.skip.min(rows.len());
                        self.skip -= left_out;
                        rows = rows.slice(left_out, rows.len());
                    }
                    self.read += rows.len();
                    if !rows.is_empty() {
                        parts.push((rows, self.read));
                    }
                }
            }
        }
        for stage in &mut self.stages {
            let (through, error, ended) = run(stage, parts, &self.crew);
            parts = through;
            if error.is_some() {
                fault = error;
            }
            self.done |= ended;
        }
        self.ready.extend(parts.into_iter().filter(|(rows, _)| !rows.is_empty()).map(Ok));
        if let Some(error) = fault {
            self.ready.push_back(Err(error));
        }
        Ok(())
    }
}

/// The parts after a stage, up to the first error, and whether the walk ends with them.
fn run(stage: &mut Running, parts: Vec<Part>, crew: &Crew) -> (Vec<Part>, Option<Error>, bool) {
    let (rows, places): (Vec<Dataset>, Vec<usize>) = parts.into_iter().unzip();
    let (results, ended): (Vec<Result<Dataset>>, bool) = match stage {
        Running::Each { step, seen, place } => {
            let numbered = rows.into_iter().map(|rows| {
                let first = *seen;
                *seen += rows.len();
                (first, rows)
            });
            let numbered = numbered.collect();
            (stream_crew::shared_out(step.as_ref(), *place, numbered, crew), false)
        }
        Running::InOrder(walk) => {
            let mut results = Vec::new();
            for rows in rows {
                results.push(walk(rows));
                if results.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            (results, false)
        }
        Running::Fields(fields, bare) => (rows.iter().map(|rows| rows.fields_or_none(fields, *bare)).collect(), false),
        Running::Range { start, end, seen } => {
            let within = rows.iter().map(|rows| {
                let first = *seen;
                *seen += rows.len();
                Ok(rows.slice(start.saturating_sub(first), end.saturating_sub(first)))
            });
            let within = within.collect();
            (within, *seen >= *end)
        }
    };
    let (mut through, mut fault) = (Vec::new(), None);
    for (result, place) in results.into_iter().zip(places) {
        match result {
            Ok(rows) => through.push((rows, place)),
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    (through, fault, ended)
}

impl DatasetBlocks {
    /// Ends the walk.
    pub fn stop(&mut self) {
        self.done = true;
        self.ready.clear();
    }
}

impl Iterator for DatasetBlocks {
    type Item = Result<Dataset>;

    fn next(&mut self) -> Option<Result<Dataset>> {
        Some(self.next_with_place()?.map(|(rows, _)| rows))
    }
}
