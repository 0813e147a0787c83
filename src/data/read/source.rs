//! Source: the files to read, and how.

use super::aside::Aside;
use super::charset::Charset;
use super::{DataFormat, FilePosition, Tables, TextForm, format_of, open, paths};
use crate::data::column::{Cell, Column};
use crate::data::table::{ColumnTable, TableBuilder};
use crate::{Result, bail, files};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Files of rows, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Source {
    files: Vec<PathBuf>,
    /// As given by the user.
    named: String,
    pub form: TextForm,
    pub charset: Charset,
    /// Skips unreadable lines, and writes them to this file.
    pub aside: Option<PathBuf>,
    /// The field for the file name of each row.
    pub file_field: Option<String>,
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Source {
        Source { files: vec![path.into()], named: path.display().to_string(), ..Source::default() }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.named)
    }
}

impl Source {
    /// The files of paths, folders and patterns.
    pub fn expand(who: &str, given: &[&str]) -> Result<Source> {
        let mut files = Vec::new();
        for path in given {
            files.extend(paths::expand(who, path)?);
        }
        if files.is_empty() {
            bail!(who, "no files are named");
        }
        Ok(Source { files, named: given.join(", "), ..Source::default() })
    }

    /// These files, with their names taken literally.
    pub fn of_files(files: Vec<PathBuf>) -> Source {
        let named = files.first().map(|file| file.display().to_string()).unwrap_or_default();
        Source { named: format!("{named} and {} more", files.len().saturating_sub(1)), files, ..Source::default() }
    }

    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Identifies these bytes: names, sizes and times of the files, and how they are read.
    pub fn fingerprint(&self) -> String {
        let mut text = format!("{:?} {:?} {:?} {:?}", self.form, self.charset, self.aside, self.file_field);
        for file in &self.files {
            let time = files::modified(file).and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            text += &format!("\n{} {:?} {}", file.display(), files::size(file), time.as_nanos());
        }
        text
    }

    /// The rows, one table at a time. The first file is opened at once.
    pub fn open(&self, who: &'static str) -> Result<Tables> {
        let aside = self.aside.as_deref().map(|path| Aside::new(who, path)).transpose()?;
        let source = self.clone();
        let mut next = 0;
        let mut current: Option<Tables> = None;
        if let Some(first) = self.files.first() {
            current = Some(self.open_file(who, first, aside.as_ref())?);
            next = 1;
        }
        let mut done = false;
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if done {
                    return None;
                }
                match current.as_mut().and_then(Iterator::next) {
                    Some(Ok(table)) if table.rows == 0 => {}
                    Some(table) => {
                        done = table.is_err();
                        return Some(table);
                    }
                    None => match source.files.get(next) {
                        Some(file) => {
                            next += 1;
                            match source.open_file(who, file, aside.as_ref()) {
                                Ok(tables) => current = Some(tables),
                                Err(error) => {
                                    done = true;
                                    return Some(Err(error));
                                }
                            }
                        }
                        None => {
                            done = true;
                            if let Some(aside) = &aside {
                                aside.tell();
                            }
                            return None;
                        }
                    },
                }
            }
        })))
    }

    fn open_file(&self, who: &'static str, path: &Path, aside: Option<&Aside>) -> Result<Tables> {
        let (aside, file_field) = (aside.cloned(), self.file_field.clone());
        let place = FilePosition { aside, file_field, charset: self.charset, ..FilePosition::new(who, path) };
        open(&place, self.form, self.files.len() > 1)
    }

    /// Reads all rows.
    pub fn read(&self, who: &'static str) -> Result<ColumnTable> {
        let table = ColumnTable::concat(self.open(who)?)?;
        if table.rows == 0 {
            bail!(who, "{self} is empty: it has no rows");
        }
        if table.rows > u32::MAX as usize {
            bail!(who, "{self} has more than 4 billion rows");
        }
        let is_separated = |path: &PathBuf| {
            format_of(who, path).is_ok_and(|(format, _)| matches!(format, DataFormat::Csv | DataFormat::Tsv))
        };
        if !self.files.iter().all(is_separated) {
            return Ok(table);
        }
        let mut builder = TableBuilder::default();
        builder.append(&table)?;
        let keep = self.file_field.clone();
        Ok(builder.map_columns(|name, column| match keep.as_deref() == Some(name) {
            true => column,
            false => column.read_as_numbers(self.form.decimal),
        }))
    }
}

pub(super) fn with_file(mut table: ColumnTable, field: &str, file: &str, who: &str) -> Result<ColumnTable> {
    if table.position(field).is_some() {
        bail!(who, "{file} has a field `{field}` already: give `file_field` another name");
    }
    let mut column = Column::default();
    (0..table.rows).for_each(|_| column.push(Cell::Text(file)));
    table.names.push(field.into());
    table.columns.push(Arc::new(column));
    Ok(table)
}
