//! Charts as files.

use super::{Chart, png, svg};
use crate::{Error, Result, bail, files};
use std::path::Path;

impl Chart {
    /// Writes .svg, .png, or self-contained .html.
    pub fn save(&self, path: &Path) -> Result<()> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bytes = match ending.as_str() {
            "svg" => self.svg().into_bytes(),
            "html" => svg::page(self).into_bytes(),
            "png" => png::draw(&self.svg())?,
            _ => bail!("save", "{}: a chart is saved as .svg, .png or .html", path.display()),
        };
        files::write("save", path, |out| out.write_all(&bytes).map_err(|error| Error::io("save", path, &error)))
    }
}
