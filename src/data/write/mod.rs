//! Rows to files, in the format of the path's extension.

mod lines;
mod parquet;
mod stream;

pub use stream::{SaveOptions, save_stream};

use super::Dataset;
use super::read::{DataFormat, Packing, TextForm, format_of};
use crate::files::{self, Stage};
use crate::{Error, Result, bail, cancel, tasks};
use flate2::write::GzEncoder;
use lines::Lines;
use std::io::Write;
use std::path::{Path, PathBuf};

const WHO: &str = "save";
/// zstd's own default is 3; data is written once and read often
const LEVEL: i32 = 9;
/// Rows per thread and write.
const ROWS: usize = 4096;

/// Writes the rows to a temporary file and renames it, so that an error leaves the old file.
pub fn save(data: &Dataset, path: &Path, form: TextForm) -> Result<()> {
    let (format, packing) = format_of(WHO, path)?;
    fits(format, form, path)?;
    let fault = |error: std::io::Error| Error::io(WHO, path, &error);
    files::write(WHO, path, |out| match packing {
        Packing::Plain => fill(data, format, form, path, out),
        Packing::Gzip => {
            let mut out = GzEncoder::new(out, flate2::Compression::new(6));
            fill(data, format, form, path, &mut out)?;
            out.finish().map(drop).map_err(fault)
        }
        Packing::Zstd => {
            let mut out = zstd::Encoder::new(out, LEVEL).map_err(fault)?;
            fill(data, format, form, path, &mut out)?;
            out.finish().map(drop).map_err(fault)
        }
    })
}

/// Writes the rows as one of several files written together.
pub fn save_in(stage: &Stage, name: &str, data: &Dataset) -> Result<()> {
    let place = stage.place(name);
    let (format, _) = format_of(WHO, &place)?;
    stage.write(name, |out| fill(data, format, TextForm::default(), &place, out))
}

/// Joins several files of one format, in order; text files are uncompressed.
pub fn join_files(parts: &[PathBuf], path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    if format_of(WHO, path)?.0 == DataFormat::Parquet {
        return parquet::join(parts, path, out);
    }
    for part in parts {
        let mut part = files::open(WHO, part)?;
        std::io::copy(&mut part, out).map_err(|error| Error::io(WHO, path, &error))?;
    }
    Ok(())
}

/// Returns an error for data that this format can't hold.
fn fits(format: DataFormat, form: TextForm, path: &Path) -> Result<()> {
    if format.is_archive() || matches!(format, DataFormat::Html | DataFormat::Warc) {
        return Err(Error::new(WHO, format!("{}: rows are not written as this", path.display()))
            .help("save them as .jsonl .csv .tsv .txt or .parquet"));
    }
    if !matches!(format, DataFormat::Csv | DataFormat::Tsv) && form != TextForm::default() {
        bail!(WHO, "{}: `delimiter` and `decimal` are for .csv and .tsv", path.display());
    }
    Ok(())
}

fn fill(data: &Dataset, format: DataFormat, form: TextForm, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    if format == DataFormat::Parquet {
        return parquet::write(data, path, out);
    }
    let fault = |error: std::io::Error| Error::io(WHO, path, &error);
    let lines = Lines { format, form, path };
    out.write_all(&lines.head(data)?).map_err(fault)?;
    // few enough at a time to stay small next to the rows themselves
    for some in tasks::ranges(data.len(), ROWS).chunks(rayon::current_num_threads().max(1) * 2) {
        cancel::check()?;
        for written in tasks::try_map(some.to_vec(), &|_, rows| lines.rows(data, rows, 0))? {
            out.write_all(&written).map_err(fault)?;
        }
    }
    out.write_all(lines.foot()).map_err(fault)
}
