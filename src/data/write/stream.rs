//! Saves a stream that may be larger than memory: written to a temporary file, a piece at a time, and renamed when complete. The
//! output of an interrupted run is kept, and the next run of the same stream continues after it.

use super::lines::Lines;
use super::{LEVEL, WHO, fits, parquet};
use crate::data::read::{DataFormat, Packing, TextForm, format_of};
use crate::data::stream::DatasetBlocks;
use crate::data::{Dataset, Stream, TableBuilder};
use crate::files::{self, Counted};
use crate::ranks::{self, Crew};
use crate::{Error, Result, bail, cancel, progress, tasks, text};
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of saving a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveOptions {
    pub form: TextForm,
    /// Append to the rows of the file.
    pub append: bool,
}

/// Bytes of text compressed together.
const PIECE: usize = 1 << 20;
/// Bytes per group of a parquet file.
const GROUP: usize = 32 << 20;
/// Bytes between two progress records.
const NOTE: u64 = 64 << 20;

/// The progress of a file, stored beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// Identifies the stream and its options: the output of any other run is not used.
    key: String,
    /// Number of source rows processed.
    read: usize,
    /// Number of rows written.
    rows: usize,
    /// Valid bytes of a text file; groups of a parquet file.
    written: u64,
    fields: Vec<String>,
}

/// Writes the rows, and returns their number.
pub fn save_stream(stream: &Stream, path: &Path, options: SaveOptions) -> Result<usize> {
    let told = format!("{WHO} {}", path.display());
    ranks::led(&told, |crew| write_stream(stream, path, options, crew), |job| stream.help(job))
}

fn write_stream(stream: &Stream, path: &Path, options: SaveOptions, crew: Crew) -> Result<usize> {
    let (format, packing) = format_of(WHO, path)?;
    fits(format, options.form, path)?;
    if format == DataFormat::Json {
        return Err(Error::new(
            WHO,
            format!("{}: a .json file is one value, which is written as a whole", path.display()),
        )
        .help("save the stream as .jsonl"));
    }
    if format == DataFormat::Parquet && packing != Packing::Plain {
        bail!(WHO, "{}: parquet is compressed in itself; name it .parquet", path.display());
    }
    if stream.source().files().iter().any(|file| files::full(file).is_some_and(|full| Some(full) == files::full(path)))
    {
        bail!(WHO, "{}: the stream reads this file; save it under another name", path.display());
    }
    files::writable(WHO, path)?;
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let state = path.with_file_name(format!("{file_name}.part.json"));
    let key = format!("{}\n{options:?}", stream.fingerprint());
    let begun = files::read_if_there(WHO, &state)?.and_then(|bytes| serde_json::from_slice::<Progress>(&bytes).ok());
    let progress = match begun {
        Some(progress) if progress.key == key => {
            progress::warn(WHO, format!("{}: goes on after {}", path.display(), text::counted(progress.rows, "row")));
            progress
        }
        _ => Progress { key, ..Progress::default() },
    };
    let mut run = Run { path, part: path.with_file_name(format!("{file_name}.part")), state, progress, options, crew };
    let done = match format {
        DataFormat::Parquet => run.groups(stream),
        _ => run.text(stream, format, packing),
    };
    if done.is_err() && !files::exists(&run.state) {
        // not resumable by another run
        match format {
            DataFormat::Parquet => files::remove_folder(WHO, &run.part)?,
            _ => files::remove(WHO, &run.part)?,
        }
    }
    done?;
    if files::exists(&run.state) {
        files::remove(WHO, &run.state)?;
    }
    Ok(run.progress.rows)
}

struct Run<'a> {
    path: &'a Path,
    /// The unfinished file, or for parquet the folder of groups.
    part: PathBuf,
    state: PathBuf,
    progress: Progress,
    options: SaveOptions,
    crew: Crew,
}

impl Run<'_> {
    /// The rows after those already written, and whether the first ones were written before.
    fn blocks(&self, stream: &Stream) -> Result<(DatasetBlocks, usize)> {
        match stream.is_stateless() {
            true => Ok((stream.blocks_by(self.progress.read, self.crew.clone())?, 0)),
            // steps with memory must see the rows again
            false => Ok((stream.blocks_by(0, self.crew.clone())?, self.progress.read)),
        }
    }

    fn note(&mut self) -> Result<()> {
        let bytes = serde_json::to_vec(&self.progress).unwrap_or_default();
        files::write_all(WHO, &self.state, &bytes)
    }

    fn io(&self, error: &std::io::Error) -> Error {
        Error::io(WHO, self.path, error)
    }

    fn text(&mut self, stream: &Stream, format: DataFormat, packing: Packing) -> Result<()> {
        let mut out = files::append(WHO, &self.part)?;
        out.get_ref().set_len(self.progress.written).map_err(|error| self.io(&error))?;
        if self.options.append && self.progress.written == 0 && files::exists(self.path) {
            let mut old = files::open(WHO, self.path)?;
            self.progress.written = std::io::copy(&mut old, &mut out).map_err(|error| self.io(&error))?;
        }
        let lines = Lines { format, form: self.options.form, path: self.path };
        let has_head = self.progress.written > 0;
        let mut pieces = Pieces { waiting: Piece::default(), ready: Vec::new(), packing };
        let (mut blocks, behind) = self.blocks(stream)?;
        let (mut noted, mut rows, mut is_last) = (self.progress.written, self.progress.rows, false);
        while !is_last {
            cancel::check()?;
            let parts = blocks.next_parts().into_iter().collect::<Result<Vec<_>>>()?;
            is_last = parts.is_empty();
            let parts: Vec<(Dataset, usize)> = parts.into_iter().filter(|(_, place)| *place > behind).collect();
            if let Some((first, _)) = parts.first().filter(|_| self.progress.fields.is_empty()) {
                self.progress.fields = first.fields().iter().map(|name| name.to_string()).collect();
                if !has_head {
                    pieces.waiting.bytes = lines.head(first)?;
                }
            }
            let mut numbered = Vec::new();
            for (part, place) in self.fielded(parts, format)? {
                numbered.push((rows, place, part));
                rows += numbered.last().map_or(0, |(.., part)| part.len());
            }
            let written = tasks::try_map(numbered, &|_, (first, read, part)| {
                let bytes = lines.rows(&part, 0..part.len(), first)?;
                Ok::<_, Error>(Piece { bytes, rows: first + part.len(), read })
            })?;
            written.into_iter().for_each(|piece| pieces.push(piece));
            for piece in pieces.packed(is_last).map_err(|error| self.io(&error))? {
                out.write_all(&piece.bytes).map_err(|error| self.io(&error))?;
                self.progress.written += piece.bytes.len() as u64;
                (self.progress.rows, self.progress.read) = (piece.rows, piece.read);
            }
            if self.progress.written - noted > NOTE {
                out.get_ref().sync_data().map_err(|error| self.io(&error))?;
                self.note()?;
                noted = self.progress.written;
            }
        }
        self.rename(out)
    }

    fn rename(&self, out: Counted<File>) -> Result<()> {
        out.get_ref().sync_all().map_err(|error| self.io(&error))?;
        drop(out);
        files::rename(WHO, &self.part, self.path)
    }

    /// The rows with the fields of the first ones, for formats that list them once.
    fn fielded(&self, parts: Vec<(Dataset, usize)>, format: DataFormat) -> Result<Vec<(Dataset, usize)>> {
        if !matches!(format, DataFormat::Csv | DataFormat::Tsv) {
            return Ok(parts);
        }
        let known = &self.progress.fields;
        let fitted = parts.into_iter().map(|(rows, place)| {
            if let Some(new) = rows.fields().iter().find(|name| !known.iter().any(|known| **known == ***name)) {
                let what = format!(
                    "{}: field `{new}` is not in the first rows, whose names are written already",
                    self.path.display()
                );
                return Err(Error::new(WHO, what).help("choose the fields with `select`, or save it as .jsonl"));
            }
            Ok((rows.fields_or_none(known, false)?, place))
        });
        fitted.collect()
    }

    fn groups(&mut self, stream: &Stream) -> Result<()> {
        if self.progress.written == 0 {
            files::remove_folder(WHO, &self.part)?;
        }
        files::make_folder(WHO, &self.part)?;
        let (mut blocks, behind) = self.blocks(stream)?;
        let mut waiting = TableBuilder::default();
        let (mut groups, mut done): (Vec<(Dataset, usize)>, bool) = (Vec::new(), false);
        while !done {
            let part = blocks.next_with_place();
            done = part.is_none();
            let place = match part.transpose()? {
                Some((rows, place)) => {
                    if place > behind {
                        waiting.append(&rows.gathered())?;
                    }
                    place
                }
                None => self.progress.read,
            };
            let is_full = waiting.rows() >= parquet::GROUP || waiting.size() >= GROUP;
            if waiting.rows() > 0 && (is_full || done) {
                groups.push((Dataset::from(std::mem::take(&mut waiting).finish()), place));
            }
            if groups.len() >= rayon::current_num_threads().max(1) || done {
                self.write_groups(std::mem::take(&mut groups))?;
            }
        }
        let mut parts: Vec<PathBuf> = Vec::new();
        if self.options.append && files::exists(self.path) {
            parts.push(self.path.into());
        }
        parts.extend((0..self.progress.written).map(|at| self.group(at)));
        files::write(WHO, self.path, |out| parquet::join(&parts, self.path, out))?;
        files::remove_folder(WHO, &self.part)
    }

    fn group(&self, at: u64) -> PathBuf {
        self.part.join(format!("{at:06}.parquet"))
    }

    fn write_groups(&mut self, groups: Vec<(Dataset, usize)>) -> Result<()> {
        let path = self.path;
        let bytes = tasks::try_map(groups.iter().collect(), &|_, (rows, _)| parquet::group(rows, path))?;
        for (bytes, (rows, place)) in bytes.into_iter().zip(&groups) {
            files::write_all(WHO, &self.group(self.progress.written), &bytes)?;
            self.progress.written += 1;
            self.progress.rows += rows.len();
            self.progress.read = *place;
        }
        if groups.is_empty() { Ok(()) } else { self.note() }
    }
}

/// Bytes of whole parts, and the progress of the stream after them.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    rows: usize,
    read: usize,
}

/// Bytes on their way to the file: split into pieces that are compressed in parallel, at positions that depend only on the parts.
struct Pieces {
    waiting: Piece,
    ready: Vec<Piece>,
    packing: Packing,
}

impl Pieces {
    fn push(&mut self, part: Piece) {
        self.waiting.bytes.extend_from_slice(&part.bytes);
        (self.waiting.rows, self.waiting.read) = (part.rows, part.read);
        if self.waiting.bytes.len() >= PIECE {
            self.ready.push(std::mem::take(&mut self.waiting));
        }
    }

    /// The full pieces, compressed; with `whole`, the rest too.
    fn packed(&mut self, whole: bool) -> std::io::Result<Vec<Piece>> {
        if whole && !self.waiting.bytes.is_empty() {
            self.ready.push(std::mem::take(&mut self.waiting));
        }
        let packing = self.packing;
        tasks::try_map(std::mem::take(&mut self.ready), &|_, piece| {
            let bytes = match packing {
                Packing::Plain => piece.bytes,
                Packing::Zstd => zstd::bulk::compress(&piece.bytes, LEVEL)?,
                Packing::Gzip => {
                    let mut out = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                    out.write_all(&piece.bytes)?;
                    out.finish()?
                }
            };
            Ok(Piece { bytes, ..piece })
        })
    }
}
