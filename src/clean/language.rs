//! The language of a text.

use crate::token::script;
use whatlang::{Lang, detect as guess};

/// The detected language of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detected {
    /// ISO 639-1 code: `en`, `zh`.
    pub code: &'static str,
    /// Confidence from 0 to 1.
    pub confidence: f64,
    pub is_reliable: bool,
}

/// Bytes examined at one place: more text adds little accuracy and takes proportionally longer.
const BYTES: usize = 256;
/// Longer texts are examined at three places, then at five: a page may begin with names, code, or a menu.
const LONG: [usize; 2] = [1024, 4096];

/// The language of most of the examined places; `None` for a text without letters.
pub fn detect(text: &str) -> Option<Detected> {
    let places = 1 + 2 * LONG.iter().filter(|long| text.len() >= **long).count();
    let start = |at: usize| text.floor_char_boundary((text.len().saturating_sub(BYTES)) * at / (places - 1).max(1));
    let found: Vec<Detected> = (0..places).filter_map(|at| detect_head(&text[start(at)..])).collect();
    let weight = |code: &str| found.iter().filter(|one| one.code == code).map(|one| one.confidence).sum::<f64>();
    // the first of equally likely ones
    let best = found.iter().rev().max_by(|a, b| weight(a.code).total_cmp(&weight(b.code)))?;
    let reliable = found.iter().filter(|one| one.code == best.code && one.is_reliable).count();
    let confidence = weight(best.code) / found.len() as f64;
    Some(Detected { code: best.code, confidence, is_reliable: 2 * reliable > found.len() })
}

fn detect_head(text: &str) -> Option<Detected> {
    let found = guess(head(text))?;
    Some(Detected { code: code(found.lang()), confidence: found.confidence(), is_reliable: found.is_reliable() })
}

fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(BYTES)]
}

/// The script of most letters of a text; `None` for a text without letters.
pub fn script_of(text: &str) -> Option<&'static str> {
    let mut counts = [0usize; script::NAMES.len()];
    for char in head(text).chars().filter(|char| char.is_alphabetic()) {
        counts[script::of(char)] += 1;
    }
    let most =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).max_by_key(|(at, count)| (**count, usize::MAX - at));
    most.map(|(at, _)| script::NAMES[at])
}

/// The ISO 639-1 code.
#[rustfmt::skip]
fn code(lang: Lang) -> &'static str {
    use Lang::*;
    match lang {
        Epo => "eo", Eng => "en", Rus => "ru", Cmn => "zh", Spa => "es", Por => "pt", Ita => "it", Ben => "bn", Fra => "fr", Deu => "de",
        Ukr => "uk", Kat => "ka", Ara => "ar", Hin => "hi", Jpn => "ja", Heb => "he", Yid => "yi", Pol => "pl", Amh => "am", Jav => "jv",
        Kor => "ko", Nob => "no", Dan => "da", Swe => "sv", Fin => "fi", Tur => "tr", Nld => "nl", Hun => "hu", Ces => "cs", Ell => "el",
        Bul => "bg", Bel => "be", Mar => "mr", Kan => "kn", Ron => "ro", Slv => "sl", Hrv => "hr", Srp => "sr", Mkd => "mk", Lit => "lt",
        Lav => "lv", Est => "et", Tam => "ta", Vie => "vi", Urd => "ur", Tha => "th", Guj => "gu", Uzb => "uz", Pan => "pa", Aze => "az",
        Ind => "id", Tel => "te", Pes => "fa", Mal => "ml", Ori => "or", Mya => "my", Nep => "ne", Sin => "si", Khm => "km", Tuk => "tk",
        Aka => "ak", Zul => "zu", Sna => "sn", Afr => "af", Lat => "la", Slk => "sk", Cat => "ca", Tgl => "tl", Hye => "hy", Cym => "cy",
    }
}

/// All codes, for errors that suggest the nearest.
pub fn codes() -> impl Iterator<Item = &'static str> {
    Lang::all().iter().map(|lang| code(*lang))
}
