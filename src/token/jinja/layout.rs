//! Layout of a value in a field: width, alignment, signs and digits. Used by both kinds of formatting.

use super::budget::{Budget, Res};
use super::marked::{Text, Writer};

/// The sign of a nonnegative number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    #[default]
    Minus,
    Plus,
    Space,
}

#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub fill: Option<char>,
    /// `<`, `>`, `^`, or `=` for padding between sign and digits.
    pub align: Option<char>,
    pub sign: Sign,
    /// Zeros between sign and digits.
    pub zeros: bool,
    pub width: usize,
    pub precision: Option<usize>,
}

impl Layout {
    /// Writes a text, truncated to the precision.
    pub fn write_text(&self, text: &Text, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        budget.spend_bytes(text.len())?;
        let cut =
            self.precision.and_then(|most| text.as_str().char_indices().nth(most)).map_or(text.len(), |found| found.0);
        let text = text.slice(0..cut);
        let letters = text.as_str().chars().count();
        let (before, after) = self.around(letters, '<', budget)?;
        writer.push(&before);
        writer.push_text(&text);
        writer.push(&after);
        Ok(())
    }

    /// Writes digits with a sign, and a prefix such as `0x`.
    pub fn write_number(
        &self,
        below: bool,
        prefix: &str,
        digits: &str,
        writer: &mut Writer,
        budget: &mut Budget,
    ) -> Res<()> {
        budget.spend_bytes(digits.len())?;
        let sign = match (below, self.sign) {
            (true, _) => "-",
            (_, Sign::Plus) => "+",
            (_, Sign::Space) => " ",
            _ => "",
        };
        let length = sign.len() + prefix.len() + digits.len();
        let (zeros, inside) = (self.zeros && self.align != Some('<'), self.align == Some('='));
        if zeros || inside {
            let fill = self.fill.filter(|_| inside).unwrap_or(if zeros { '0' } else { ' ' });
            let missing = self.width.saturating_sub(length);
            budget.spend_bytes(missing)?;
            writer.push(&format!("{sign}{prefix}{}{digits}", String::from_iter(std::iter::repeat_n(fill, missing))));
            return Ok(());
        }
        let (before, after) = self.around(length, '>', budget)?;
        writer.push(&format!("{before}{sign}{prefix}{digits}{after}"));
        Ok(())
    }

    /// The padding before and after a number of characters.
    fn around(&self, letters: usize, usual: char, budget: &mut Budget) -> Res<(String, String)> {
        let missing = self.width.saturating_sub(letters);
        budget.spend_bytes(missing)?;
        let fill = |count: usize| String::from_iter(std::iter::repeat_n(self.fill.unwrap_or(' '), count));
        Ok(match self.align.unwrap_or(usual) {
            '<' => (String::new(), fill(missing)),
            '^' => (fill(missing / 2), fill(missing - missing / 2)),
            _ => (fill(missing), String::new()),
        })
    }
}

/// Digits in groups of `size`, counted from the end.
pub fn grouped(digits: &str, separator: char, size: usize) -> String {
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(size) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.500000e+03`
pub fn exponent(number: f64, precision: usize) -> String {
    let written = format!("{number:.precision$e}");
    let Some((digits, exponent)) = written.split_once('e') else { return written };
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

/// Digits with a trailing point, if `#` requires it.
pub fn pointed(digits: String, asked: bool) -> String {
    match digits.find('e') {
        _ if !asked => digits,
        Some(at) => format!("{}.{}", &digits[..at], &digits[at..]),
        None => digits + ".",
    }
}

/// C's `%g`: the shorter of the two forms, without trailing zeros.
pub fn general(number: f64, precision: usize, zeros: bool) -> String {
    let precision = precision.max(1);
    let written = exponent(number, precision - 1);
    let Some((digits, power)) = written.split_once('e') else { return written };
    let power: i64 = power.parse().unwrap_or(0);
    let short = |digits: &str| {
        if zeros || !digits.contains('.') {
            digits.to_string()
        } else {
            digits.trim_end_matches('0').trim_end_matches('.').to_string()
        }
    };
    if power < -4 || power >= precision as i64 {
        return format!("{}{}", short(digits), &written[digits.len()..]);
    }
    let places = (precision as i64 - 1 - power).max(0) as usize;
    short(&format!("{number:.places$}"))
}
