//! `"%s of %d" % (…)`: Python's percent formatting.

use super::budget::{Budget, Res, fail};
use super::float::truncated;
use super::layout::{Layout, Sign, exponent, general, pointed};
use super::marked::{Text, Writer};
use super::show::{ascii, repr, show};
use super::value::{Sequence, Value};

pub fn format(pattern: &Text, given: &Value, budget: &mut Budget) -> Res<Text> {
    let values: Vec<&Value> = match given {
        Value::List(Sequence::Tuple, list) => list.items.iter().collect(),
        one => vec![one],
    };
    let mut given = Given { values, used: 0, whole: given };
    let source = pattern.as_str();
    let mut writer = Writer::default();
    let mut at = 0;
    budget.spend_bytes(source.len())?;
    while let Some(found) = source[at..].find('%') {
        writer.push_part(pattern, at..at + found);
        let start = at + found + 1;
        let rest = &source[start..];
        if rest.starts_with('%') {
            writer.push_part(pattern, start..start + 1);
            at = start + 1;
            continue;
        }
        let (conversion, length) = Conversion::read(rest, &mut given)?;
        at = start + length;
        conversion.write(&mut given, &mut writer, budget)?;
    }
    writer.push_part(pattern, at..source.len());
    if given.used < given.values.len() && !matches!(given.whole, Value::Dict(_)) && given.is_counted() {
        fail!("not all arguments converted during string formatting");
    }
    Ok(writer.finish())
}

/// The values for a pattern, in order or by name.
struct Given<'a> {
    values: Vec<&'a Value>,
    used: usize,
    whole: &'a Value,
}

impl<'a> Given<'a> {
    fn next(&mut self) -> Res<&'a Value> {
        match self.values.get(self.used) {
            Some(value) => {
                self.used += 1;
                Ok(value)
            }
            None => fail!("not enough arguments for format string"),
        }
    }

    /// A list is a single value and need not be used, as any value with names.
    fn is_counted(&self) -> bool {
        !matches!(self.whole, Value::List(kind, _) if *kind != Sequence::Tuple)
    }

    fn width(&mut self) -> Res<i128> {
        match self.next()?.as_int() {
            Some(width) => Ok(width),
            None => fail!("* wants int"),
        }
    }
}

#[derive(Default)]
struct Conversion {
    key: Option<String>,
    layout: Layout,
    alternate: bool,
    kind: char,
}

impl Conversion {
    /// The conversion after a `%`, and its length.
    fn read(rest: &str, given: &mut Given) -> Res<(Conversion, usize)> {
        let mut conversion = Conversion::default();
        let mut at = 0;
        if rest.starts_with('(') {
            let Some(end) = rest.find(')') else { fail!("incomplete format key") };
            conversion.key = Some(rest[1..end].to_string());
            at = end + 1;
        }
        let layout = &mut conversion.layout;
        let mut left = false;
        while let Some(flag) = rest[at..].chars().next().filter(|flag| "#0- +".contains(*flag)) {
            match flag {
                '#' => conversion.alternate = true,
                '0' => layout.zeros = true,
                '-' => left = true,
                ' ' if layout.sign == Sign::Minus => layout.sign = Sign::Space,
                '+' => layout.sign = Sign::Plus,
                _ => {}
            }
            at += 1;
        }
        layout.align = Some(if left { '<' } else { '>' });
        let mut width = measure(rest, &mut at, given)?;
        if let Some(below @ ..0) = width {
            layout.align = Some('<');
            width = Some(-below);
        }
        layout.width = size(width)?.unwrap_or(0);
        if rest[at..].starts_with('.') {
            at += 1;
            layout.precision = Some(size(measure(rest, &mut at, given)?.map(|digits| digits.max(0)))?.unwrap_or(0));
        }
        while rest[at..].starts_with(['h', 'l', 'L']) {
            at += 1;
        }
        match rest[at..].chars().next() {
            Some(kind) => {
                conversion.kind = kind;
                Ok((conversion, at + kind.len_utf8()))
            }
            None => fail!("incomplete format"),
        }
    }

    fn write(&self, given: &mut Given, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        let named;
        let value = match &self.key {
            None => given.next()?,
            Some(key) => match given.whole {
                Value::Dict(dict) => match dict.word(key) {
                    Some(value) => {
                        named = value.clone();
                        &named
                    }
                    None => fail!("there is no key '{key}' to be formatted"),
                },
                _ => fail!("format requires a mapping"),
            },
        };
        let layout = &self.layout;
        match self.kind {
            's' | 'r' | 'a' => {
                let mut shown = Writer::default();
                if self.kind == 's' {
                    show(value, &mut shown, budget)?
                } else {
                    repr(value, &mut shown, budget)?
                }
                let mut shown = shown.finish();
                if self.kind == 'a' {
                    shown = shown.changed(ascii(shown.as_str()));
                }
                layout.write_text(&shown, writer, budget)
            }
            'd' | 'i' | 'u' => {
                let whole = self.whole(value, true)?;
                layout.write_number(whole < 0, "", &self.digits(whole.unsigned_abs().to_string()), writer, budget)
            }
            'x' | 'X' | 'o' => {
                let whole = self.whole(value, false)?;
                let (digits, prefix) = match self.kind {
                    'x' => (format!("{:x}", whole.unsigned_abs()), "0x"),
                    'X' => (format!("{:X}", whole.unsigned_abs()), "0X"),
                    _ => (format!("{:o}", whole.unsigned_abs()), "0o"),
                };
                let prefix = if self.alternate { prefix } else { "" };
                layout.write_number(whole < 0, prefix, &self.digits(digits), writer, budget)
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let Some(number) = value.defined()?.as_number() else {
                    fail!("must be real number, not {}", value.kind())
                };
                let precision = layout.precision.unwrap_or(6);
                budget.spend_bytes(precision)?;
                let size = number.abs();
                let mut digits = match self.kind {
                    'f' | 'F' => pointed(format!("{size:.precision$}"), self.alternate && precision == 0),
                    'e' | 'E' => pointed(exponent(size, precision), self.alternate && precision == 0),
                    _ => general(size, precision, self.alternate),
                };
                if !number.is_finite() {
                    digits = if number.is_nan() { "nan".into() } else { "inf".into() };
                }
                if self.kind.is_ascii_uppercase() {
                    digits = digits.to_uppercase();
                }
                let below = number.is_sign_negative() && !number.is_nan();
                Layout { precision: None, ..layout.clone() }.write_number(below, "", &digits, writer, budget)
            }
            'c' => {
                let letter = match (value, value.as_int()) {
                    (Value::Text(text), _) if text.as_str().chars().count() == 1 => text.clone(),
                    (_, Some(code)) => match u32::try_from(code).ok().and_then(char::from_u32) {
                        Some(letter) => Text::plain(letter.to_string()),
                        None => fail!("%c arg not in range(0x110000)"),
                    },
                    _ => fail!("%c requires int or char"),
                };
                Layout { precision: None, ..layout.clone() }.write_text(&letter, writer, budget)
            }
            other => fail!("unsupported format character '{other}'"),
        }
    }

    /// At least as many digits as the precision requires.
    fn digits(&self, digits: String) -> String {
        let least = self.layout.precision.unwrap_or(0);
        format!("{digits:0>least$}")
    }

    fn whole(&self, value: &Value, cut: bool) -> Res<i128> {
        match (value.defined()?.as_int(), value) {
            (Some(whole), _) => Ok(whole),
            (_, Value::Float(number)) if cut && number.is_finite() => truncated(*number),
            (_, other) => {
                let wanted = if cut { "a real number" } else { "an integer" };
                fail!("%{} format: {wanted} is required, not {}", self.kind, other.kind())
            }
        }
    }
}

/// A width: digits, or `*` for one of the values.
fn measure(rest: &str, at: &mut usize, given: &mut Given) -> Res<Option<i128>> {
    if rest[*at..].starts_with('*') {
        *at += 1;
        return given.width().map(Some);
    }
    let digits = rest[*at..].bytes().take_while(u8::is_ascii_digit).count();
    let written = &rest[*at..*at + digits];
    *at += digits;
    match written.parse() {
        Ok(width) => Ok(Some(width)),
        Err(_) if written.is_empty() => Ok(None),
        Err(_) => fail!("width too big"),
    }
}

fn size(width: Option<i128>) -> Res<Option<usize>> {
    match width.map(i32::try_from) {
        None => Ok(None),
        Some(Ok(width)) => Ok(Some(width.unsigned_abs() as usize)),
        Some(Err(_)) => fail!("width too big"),
    }
}
