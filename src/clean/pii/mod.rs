//! Personal data in texts: mail addresses, phone numbers, IP addresses, cards, bank accounts, identity numbers. Data with a
//! checksum is verified against it.

mod checks;

use checks::{chinese_id, iban, ipv4, ipv6, luhn, phone};
use regex::Regex;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PiiKind {
    Email,
    Iban,
    ChineseId,
    Card,
    Ip,
    Phone,
}

/// In search order: a number with a valid checksum is not a phone number.
pub const KINDS: [PiiKind; 6] =
    [PiiKind::Email, PiiKind::Iban, PiiKind::ChineseId, PiiKind::Card, PiiKind::Ip, PiiKind::Phone];
pub const NAMES: [&str; 6] = ["email", "iban", "chinese_id", "card", "ip", "phone"];

impl PiiKind {
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    pub fn named(name: &str) -> Option<PiiKind> {
        NAMES.iter().position(|known| *known == name).map(|at| KINDS[at])
    }

    fn pattern(self) -> &'static Regex {
        static PATTERNS: LazyLock<Vec<Regex>> =
            LazyLock::new(|| PATTERN.iter().filter_map(|text| Regex::new(text).ok()).collect());
        &PATTERNS[self as usize]
    }

    /// Whether a match of the pattern is such data, by its checksum and its context.
    fn is(self, text: &str, place: &Range<usize>) -> bool {
        let (before, found, after) = (&text[..place.start], &text[place.clone()], &text[place.end..]);
        let (before, after) = (before.chars().next_back(), after.chars().next());
        let is_alone = |more: &[char]| {
            let joins =
                |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric() || more.contains(&char));
            !joins(before) && !joins(after)
        };
        match self {
            PiiKind::Email => is_alone(&[]),
            PiiKind::Iban => is_alone(&[]) && iban(found),
            PiiKind::ChineseId => is_alone(&[]) && chinese_id(found),
            PiiKind::Card => is_alone(&['-', '.', ',', '/']) && luhn(found),
            PiiKind::Ip if found.contains(':') => is_alone(&[':', '.']) && ipv6(found),
            PiiKind::Ip => is_alone(&['-', '/', '_']) && before != Some('.') && ipv4(found),
            PiiKind::Phone => is_alone(&['.', '-', '/', '_', '=', '%', '#', '$', '€', '¥']) && phone(found),
        }
    }
}

/// The pattern of each kind, in the order of [`KINDS`].
const PATTERN: [&str; 6] = [
    r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}",
    r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?",
    r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]",
    r"[2-6][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}|3[0-9]{3}[ -]?[0-9]{6}[ -]?[0-9]{4,5}",
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}",
    concat!(
        r"(?:\+|00)[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,5}\)?){2,5}", // as it is dialed from abroad
        r"|1[3-9][0-9](?:[ -]?[0-9]{4}){2}",                        // a Chinese mobile phone
        r"|\(?0[1-9][0-9]{1,3}\)?[ /-][0-9]{3,4}[ -]?[0-9]{3,5}",   // with an area code
        r"|[48]00[ -][0-9]{3,4}[ -][0-9]{3,4}",
        r"|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}", // North America
    ),
];

/// A match, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Pii {
    pub kind: PiiKind,
    pub place: Range<usize>,
}

/// Finds personal data of these kinds in a text, in text order.
pub fn find(text: &str, kinds: &[PiiKind]) -> Vec<Pii> {
    let mut found: Vec<Pii> = Vec::new();
    let has_mail = text.contains('@');
    // all other kinds have six digits, or a colon of IPv6
    let has_numbers = text.bytes().filter(u8::is_ascii_digit).take(4).count() == 4 || text.contains("::");
    for kind in KINDS.into_iter().filter(|kind| kinds.contains(kind)) {
        if !(if kind == PiiKind::Email { has_mail } else { has_numbers }) {
            continue;
        }
        let mut start = 0;
        while let Some(hit) = kind.pattern().find_at(text, start) {
            let place = trimmed(text, hit.range());
            let place = if kind == PiiKind::Email { unquoted(text, place) } else { place };
            if kind.is(text, &place) && !found.iter().any(|other| overlap(&other.place, &place)) {
                start = place.end;
                found.push(Pii { kind, place });
            } else {
                // a match that begins in the middle of a number is not one
                start = hit.start() + run(&text[hit.start()..]);
            }
        }
    }
    found.sort_by_key(|hit| hit.place.start);
    found
}

/// Trims trailing white space and signs.
fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    place.start..place.start + text[place].trim_end_matches([' ', '-', '.', '(']).len()
}

/// A mail address in quotes without the text before the first quote, as in `u'a@b.org'`: apostrophes are valid in addresses.
fn unquoted(text: &str, place: Range<usize>) -> Range<usize> {
    match text[place.clone()].rfind('\'') {
        Some(quote) if text[place.end..].starts_with('\'') => place.start + quote + 1..place.end,
        _ => place,
    }
}

/// Byte ranges of runs of letters and digits, at least one.
fn run(text: &str) -> usize {
    let count = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if count > 0 { count } else { text.chars().next().map_or(1, char::len_utf8) }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Replaces personal data in a text with the name of its kind, `<EMAIL>`, or with `mask`.
pub fn mask<'t>(text: &'t str, kinds: &[PiiKind], mask: Option<&str>) -> Cow<'t, str> {
    let found = find(text, kinds);
    if found.is_empty() {
        return text.into();
    }
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for Pii { kind, place } in found {
        out.push_str(&text[from..place.start]);
        match mask {
            Some(mask) => out.push_str(mask),
            None => out += &format!("<{}>", kind.name().to_ascii_uppercase()),
        }
        from = place.end;
    }
    out.push_str(&text[from..]);
    out.into()
}
