//! Charts as PNG images, rendered from SVG.

use crate::{Error, Result};
use resvg::{tiny_skia, usvg};
use std::sync::{Arc, OnceLock};

/// Pixels per unit of the SVG: sharp on screens and large enough for a slide.
const SCALE: f32 = 2.0;
const FALLBACK: &str = "Ubuntu";

/// The system's fonts, or an embedded font where there are none.
fn fonts() -> Arc<usvg::fontdb::Database> {
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
        fonts.load_system_fonts();
        fonts.set_sans_serif_family(FALLBACK);
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

/// Renders an SVG to the bytes of a PNG.
pub fn draw(svg: &str) -> Result<Vec<u8>> {
    let failed = |what: String| Error::new("save", format!("the chart can't be drawn: {what}"));
    let options = usvg::Options { fontdb: fonts(), font_family: FALLBACK.into(), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| failed("it has no size".into()))?;
    let mut picture = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| failed("too large".into()))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|error| failed(error.to_string()))
}
