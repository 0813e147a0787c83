//! Files to tables: by file extension, one part at a time.

mod archive;
mod aside;
mod cast;
mod charset;
mod csv;
mod json;
mod lines;
mod parquet;
mod paths;
mod source;
mod text;
mod warc;

pub use charset::{Charset, Found, detect, detect_file, labeled as labeled_charset, lossy as decode_lossy};
pub use source::Source;

use super::table::ColumnTable;
use crate::{Error, Result, bail, files, nearest};
use aside::{Aside, Reject};
use std::fs::{File, Metadata};
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A file as a sequence of small tables.
pub type Tables = Box<dyn Iterator<Item = Result<ColumnTable>> + Send>;

/// Bytes from any source.
type Input = Box<dyn Read + Send>;

/// The file format by extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    Jsonl,
    Json,
    Csv,
    Tsv,
    Parquet,
    Txt,
    Html,
    Warc,
    /// An archive of files.
    Zip,
    Tar,
}

impl DataFormat {
    pub fn is_archive(self) -> bool {
        matches!(self, DataFormat::Zip | DataFormat::Tar)
    }
}

/// The compression of the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// The unit of a row in a txt file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Line,
    Paragraph,
    Document,
}

/// How the text of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextForm {
    /// The unit of a row in a txt file.
    pub by: By,
    /// The field separator of csv and tsv; `None`: by extension.
    pub delimiter: Option<u8>,
    /// The decimal separator in csv and tsv.
    pub decimal: u8,
    /// Whether fields of csv and tsv may be quoted.
    pub quotes: bool,
}

impl Default for TextForm {
    fn default() -> TextForm {
        TextForm { by: By::Line, delimiter: None, decimal: b'.', quotes: true }
    }
}

const ENDINGS: [(&str, DataFormat); 12] = [
    ("jsonl", DataFormat::Jsonl),
    ("ndjson", DataFormat::Jsonl),
    ("json", DataFormat::Json),
    ("csv", DataFormat::Csv),
    ("tsv", DataFormat::Tsv),
    ("parquet", DataFormat::Parquet),
    ("txt", DataFormat::Txt),
    ("html", DataFormat::Html),
    ("htm", DataFormat::Html),
    ("warc", DataFormat::Warc),
    ("zip", DataFormat::Zip),
    ("tar", DataFormat::Tar),
];

/// The name without the extension of its compression. Archive extensions may imply both.
fn split_packing(name: &str) -> (&str, Packing) {
    for (ending, inner, packing) in [
        (".tgz", ".tar", Packing::Gzip),
        (".tzst", ".tar", Packing::Zstd),
        (".gz", "", Packing::Gzip),
        (".zst", "", Packing::Zstd),
    ] {
        if let Some(before) = name.strip_suffix(ending) {
            return (if inner.is_empty() { before } else { inner }, packing);
        }
    }
    (name, Packing::Plain)
}

/// The format by the extension of `path`.
pub fn format_of(who: &str, path: &Path) -> Result<(DataFormat, Packing)> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (inner, packing) = split_packing(&name);
    let ending = inner.rsplit_once('.').map_or("", |(_, ending)| ending);
    if let Some((_, format)) = ENDINGS.iter().find(|(known, _)| *known == ending) {
        return Ok((*format, packing));
    }
    let error = Error::new(who, format!("{}: the ending is not a data format", path.display()));
    let near = nearest(ending, ENDINGS.iter().map(|(known, _)| *known)).filter(|_| !ending.is_empty());
    let help = near.map(|near| format!("did you mean `.{near}`?"));
    let known =
        "data is .jsonl .json .csv .tsv .parquet .txt .html or .warc, each also with .gz or .zst, or in a .zip or .tar";
    Err(error.help(help.unwrap_or_else(|| known.to_string())))
}

/// Opens the file; `many`: it is one of several, and may have no rows.
fn open(place: &FilePosition, form: TextForm, many: bool) -> Result<Tables> {
    let (who, path) = (place.who, place.path.as_path());
    let (format, packing) = format_of(who, path)?;
    let is_separated = matches!(format, DataFormat::Csv | DataFormat::Tsv);
    if !is_separated && !many && (form.delimiter.is_some() || form.decimal != b'.' || !form.quotes) {
        bail!(who, "{}: `delimiter`, `decimal` and `quotes` are for .csv and .tsv", path.display());
    }
    let file = files::open(who, path)?;
    let meta = file.metadata().map_err(|error| Error::io(who, path, &error))?;
    if meta.is_dir() {
        bail!(who, "{} is a folder, not a file of rows", path.display());
    }
    if meta.is_file() && meta.len() == 0 {
        return if many { Ok(Box::new(std::iter::empty())) } else { Err(empty(who, path)) };
    }
    let watched = Watched::of(&file, &meta, place);
    let tables = match (format, packing) {
        (DataFormat::Zip, Packing::Plain) => archive::zip(file, form, place.clone())?,
        (DataFormat::Zip, _) => bail!(who, "{}: a .zip is compressed in itself", path.display()),
        (DataFormat::Tar, _) => archive::tar(file, packing, form, place.clone())?,
        (DataFormat::Parquet, Packing::Plain) => place.told(parquet::open(file, place.clone())?),
        _ => opened(unpack(Box::new(file), packing, place)?, format, form, place)?,
    };
    Ok(match watched {
        Some(watched) => watched.over(tables),
        None => tables,
    })
}

/// The rows of decompressed bytes.
fn opened(input: Input, format: DataFormat, form: TextForm, place: &FilePosition) -> Result<Tables> {
    let tables = match format {
        DataFormat::Parquet => parquet::open(in_file(input, place)?, place.clone())?,
        DataFormat::Warc => warc::open(input, place.clone()),
        _ => text_tables(input, format, form, place)?,
    };
    Ok(place.told(tables))
}

fn text_tables(input: Input, format: DataFormat, form: TextForm, place: &FilePosition) -> Result<Tables> {
    let (input, charset) = charset::decoded(input, place.charset, format == DataFormat::Html, place)?;
    let place = FilePosition { is_of: charset, ..place.clone() };
    match format {
        DataFormat::Jsonl => Ok(json::lines(input, place)),
        DataFormat::Json => json::whole(input, place),
        DataFormat::Csv => csv::open(input, b',', form, place),
        DataFormat::Tsv => csv::open(input, b'\t', form, place),
        DataFormat::Html => text::whole(input, "html", place),
        _ => text::open(input, form.by, place),
    }
}

/// A file that must not change while it is read: the rows read from it would not belong to a single state.
struct Watched {
    file: File,
    before: (u64, Option<std::time::SystemTime>),
    place: FilePosition,
}

impl Watched {
    fn of(file: &File, meta: &Metadata, place: &FilePosition) -> Option<Watched> {
        let file = meta.is_file().then(|| file.try_clone().ok()).flatten()?;
        Some(Watched { file, before: (meta.len(), meta.modified().ok()), place: place.clone() })
    }

    /// The tables, followed by an error if the file has changed.
    fn over(self, tables: Tables) -> Tables {
        let mut watched = Some(self);
        let mut tables = tables.fuse();
        Box::new(std::iter::from_fn(move || tables.next().or_else(|| watched.take()?.fault().map(Err))))
    }

    fn fault(&self) -> Option<Error> {
        let now = self.file.metadata().ok()?;
        let (size, time) = self.before;
        if (now.len(), now.modified().ok()) == (size, time) {
            return None;
        }
        let what = match now.len() == size {
            true => "was written to while it was read".to_string(),
            false => format!("had {size} bytes when it was opened and has {} now", now.len()),
        };
        Some(self.place.error(what).help("read it again when nothing writes to it"))
    }
}

/// Reads a whole file.
pub fn read(who: &'static str, path: &Path, form: TextForm) -> Result<ColumnTable> {
    let mut source = Source::from(path);
    source.form = form;
    source.read(who)
}

fn empty(who: &str, path: &Path) -> Error {
    Error::new(who, format!("{} is empty: it has no rows", path.display()))
}

/// The position of an error, and its treatment.
#[derive(Clone)]
pub(super) struct FilePosition {
    pub who: &'static str,
    pub path: PathBuf,
    /// Destination of unreadable lines; without it they are errors.
    aside: Option<Aside>,
    /// The field for the file name of each row.
    file_field: Option<String>,
    /// The requested encoding, and the name of the actual one.
    charset: Charset,
    is_of: &'static str,
}

impl FilePosition {
    pub fn new(who: &'static str, path: &Path) -> FilePosition {
        FilePosition { who, path: path.into(), aside: None, file_field: None, charset: Charset::Usual, is_of: "UTF-8" }
    }

    /// Whether unreadable lines are skipped.
    pub fn goes_on(&self) -> bool {
        self.aside.is_some()
    }

    /// Stores skipped lines.
    pub fn put_aside(&self, rejects: Vec<Reject>) -> Result<()> {
        self.aside.as_ref().map_or(Ok(()), |aside| aside.put(&self.path, rejects))
    }

    /// Tables with the file name of each row, if requested.
    fn told(&self, tables: Tables) -> Tables {
        let Some(field) = self.file_field.clone() else { return tables };
        let (name, who) = (self.path.display().to_string(), self.who);
        Box::new(tables.map(move |table| source::with_file(table?, &field, &name, who)))
    }

    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::new(self.who, format!("{}: {what}", self.path.display()))
    }

    pub fn line(&self, line: usize, what: impl std::fmt::Display) -> Error {
        Error::new(self.who, format!("{}:{line}: {what}", self.path.display()))
    }

    /// A read error: usually truncated or corrupt compressed data.
    pub fn io(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.error("the file ends in the middle of its compressed data"),
            _ => Error::io(self.who, &self.path, error),
        }
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The decompressed bytes of the file, whose compression must match its extension.
fn unpack(mut input: Input, packing: Packing, place: &FilePosition) -> Result<Input> {
    let mut magic = Vec::new();
    (&mut input).take(4).read_to_end(&mut magic).map_err(|error| place.io(&error))?;
    let found = match () {
        _ if magic.starts_with(GZIP) => Packing::Gzip,
        _ if magic.starts_with(ZSTD) => Packing::Zstd,
        _ => Packing::Plain,
    };
    let says = |packing| match packing {
        Packing::Gzip => "gzip data",
        Packing::Zstd => "zstd data",
        Packing::Plain => "no compressed data",
    };
    if found != packing {
        let error = place.error(format!("the ending says {}, but it holds {}", says(packing), says(found)));
        return Err(error.help("name it by what it holds: .gz, .zst, or neither"));
    }
    let whole = BufReader::with_capacity(1 << 18, Cursor::new(magic).chain(input));
    Ok(match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole).map_err(|error| place.io(&error))?),
    })
}

/// For a format that is read from its end: the bytes in a temporary file.
fn in_file(mut input: Input, place: &FilePosition) -> Result<File> {
    let mut plain = files::scratch(place.who)?;
    std::io::copy(&mut input, &mut plain).map_err(|error| place.io(&error))?;
    plain.seek(SeekFrom::Start(0)).map_err(|error| place.io(&error))?;
    Ok(plain.into_inner())
}
