//! `"{} of {n:>8.2f}".format(…)`: Python's brace formatting.

use super::args::Args;
use super::attribute::{attribute, item};
use super::budget::{Budget, Res, fail};
use super::float::float_text;
use super::layout::{Layout, Sign, exponent, general, grouped, pointed};
use super::marked::{Text, Writer};
use super::show::{ascii, repr, text};
use super::value::Value;

pub fn format(pattern: &Text, args: &Args, budget: &mut Budget) -> Res<Text> {
    let mut fields = Fields { args, next: 0, numbered: false, budget };
    let mut writer = Writer::default();
    fields.write(pattern, 0, &mut writer)?;
    Ok(writer.finish())
}

struct Fields<'a> {
    args: &'a Args,
    /// The next value for `{}`, and whether values are referenced by number.
    next: usize,
    numbered: bool,
    budget: &'a mut Budget,
}

impl Fields<'_> {
    fn write(&mut self, pattern: &Text, level: usize, writer: &mut Writer) -> Res<()> {
        let source = pattern.as_str();
        self.budget.spend_bytes(source.len())?;
        let mut at = 0;
        while let Some(found) = source[at..].find(['{', '}']) {
            let brace = at + found;
            let sign = &source[brace..brace + 1];
            writer.push_part(pattern, at..brace);
            if source[brace + 1..].starts_with(sign) {
                writer.push_part(pattern, brace..brace + 1);
                at = brace + 2;
                continue;
            }
            if sign == "}" {
                fail!("Single '}}' encountered in format string");
            }
            let Some(length) = closing(&source[brace + 1..]) else { fail!("expected '}}' before end of string") };
            self.field(&source[brace + 1..brace + 1 + length], level, writer)?;
            at = brace + length + 2;
        }
        writer.push_part(pattern, at..source.len());
        Ok(())
    }

    /// `name!r:spec`
    fn field(&mut self, field: &str, level: usize, writer: &mut Writer) -> Res<()> {
        if level > 1 {
            fail!("Max string recursion exceeded");
        }
        let end = field.find(['!', ':']).unwrap_or(field.len());
        let value = self.value(&field[..end])?;
        let rest = &field[end..];
        let (conversion, spec) = match rest.strip_prefix('!') {
            None => (None, rest.strip_prefix(':').unwrap_or("")),
            Some(rest) => {
                let spec = rest.get(1..).unwrap_or("");
                (rest.chars().next(), spec.strip_prefix(':').unwrap_or(spec))
            }
        };
        let mut written = Writer::default();
        self.write(&Text::plain(spec), level + 1, &mut written)?;
        let spec = written.finish();
        let value = match conversion {
            None => value,
            Some('s') => Value::Text(text(&value, self.budget)?),
            Some(kind @ ('r' | 'a')) => {
                let mut shown = Writer::default();
                repr(&value, &mut shown, self.budget)?;
                let shown = shown.finish();
                Value::Text(if kind == 'a' { shown.changed(ascii(shown.as_str())) } else { shown })
            }
            Some(other) => fail!("Unknown conversion specifier {other}"),
        };
        lay(&value, spec.as_str(), writer, self.budget)
    }

    /// `0`, `name`, `name.attribute` or `name[key]`.
    fn value(&mut self, name: &str) -> Res<Value> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let first = &name[..end];
        let place: Option<usize> = if first.is_empty() {
            self.next += 1;
            Some(self.next - 1)
        } else {
            first.parse().ok()
        };
        self.numbered |= place.is_some() && !first.is_empty();
        if self.numbered && self.next > 0 {
            fail!("fields with numbers and fields without can't stand in one format string");
        }
        self.budget.spend(1 + self.args.named.len() as u64 / 16)?;
        let found = match place {
            Some(place) => self.args.positional.get(place).cloned(),
            None => self.args.named.iter().find(|(known, _)| **known == *first).map(|(_, value)| value.clone()),
        };
        let Some(mut value) = found else { fail!("there is no value for `{{{name}}}`") };
        let mut rest = &name[end..];
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = attribute(&value, &after[..end])?;
                rest = &after[end..];
            } else {
                let Some(end) = rest.find(']') else { fail!("Missing ']' in format string") };
                let key = &rest[1..end];
                let key = key.parse().map(Value::Int).unwrap_or_else(|_| Value::text(key));
                value = item(&value, &key, self.budget)?;
                rest = &rest[end + 1..];
            }
        }
        Ok(value)
    }
}

/// The distance to the closing brace.
fn closing(rest: &str) -> Option<usize> {
    let mut open = 0;
    for (at, letter) in rest.char_indices() {
        match letter {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// Formats a value by its format specification.
fn lay(value: &Value, spec: &str, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
    if spec.is_empty() {
        writer.push_text(&text(value, budget)?);
        return Ok(());
    }
    let spec = Spec::read(spec, value)?;
    match (value, value.as_int()) {
        (Value::Text(text), _) if matches!(spec.kind, None | Some('s')) => spec.layout.write_text(text, writer, budget),
        (_, Some(whole)) if !matches!(spec.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => {
            spec.whole(whole, writer, budget)
        }
        _ => match value.as_number() {
            Some(number) => spec.float(number, writer, budget),
            None => fail!("unsupported format string passed to {}.__format__", value.kind()),
        },
    }
}

struct Spec {
    layout: Layout,
    alternate: bool,
    separator: Option<char>,
    kind: Option<char>,
}

impl Spec {
    /// `[[fill]align][sign][#][0][width][,][.precision][type]`
    fn read(written: &str, value: &Value) -> Res<Spec> {
        let letters: Vec<char> = written.chars().collect();
        let mut spec = Spec { layout: Layout::default(), alternate: false, separator: None, kind: None };
        let layout = &mut spec.layout;
        let is_align = |at: usize| letters.get(at).is_some_and(|letter| "<>=^".contains(*letter));
        let mut at = 0;
        if is_align(1) {
            (layout.fill, layout.align, at) = (Some(letters[0]), Some(letters[1]), 2);
        } else if is_align(0) {
            (layout.align, at) = (Some(letters[0]), 1);
        }
        let mut take = |known: &str| {
            let found = letters.get(at).copied().filter(|letter| known.contains(*letter));
            at += found.iter().len();
            found
        };
        layout.sign = match take("+- ") {
            Some('+') => Sign::Plus,
            Some(' ') => Sign::Space,
            _ => Sign::Minus,
        };
        take("z");
        spec.alternate = take("#").is_some();
        // a zero fills between sign and digits unless another alignment is given
        if take("0").is_some() {
            let usual = if matches!(value, Value::Text(_)) { '<' } else { '=' };
            (layout.fill, layout.align) = (layout.fill.or(Some('0')), layout.align.or(Some(usual)));
        }
        let number = |take: &mut dyn FnMut(&str) -> Option<char>| -> Res<Option<usize>> {
            let mut digits = String::new();
            while let Some(digit) = take("0123456789") {
                digits.push(digit);
            }
            match digits.parse() {
                Ok(size @ ..=0x7fff_ffff) => Ok(Some(size)),
                Err(_) if digits.is_empty() => Ok(None),
                _ => fail!("Too many decimal digits in format string"),
            }
        };
        layout.width = number(&mut take)?.unwrap_or(0);
        spec.separator = take(",_");
        if take(".").is_some() {
            layout.precision = number(&mut take)?;
            if layout.precision.is_none() {
                fail!("Format specifier missing precision");
            }
        }
        spec.kind = take("bcdeEfFgGnosxX%");
        if at < letters.len() {
            fail!("Invalid format specifier '{written}' for object of type '{}'", value.kind());
        }
        Ok(spec)
    }

    fn whole(&self, whole: i128, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        let size = whole.unsigned_abs();
        let (digits, prefix) = match self.kind {
            None | Some('d' | 'n') => (size.to_string(), ""),
            Some('b') => (format!("{size:b}"), "0b"),
            Some('o') => (format!("{size:o}"), "0o"),
            Some('x') => (format!("{size:x}"), "0x"),
            Some('X') => (format!("{size:X}"), "0X"),
            Some('c') => match u32::try_from(whole).ok().and_then(char::from_u32) {
                Some(letter) => return self.layout.write_text(&Text::plain(letter.to_string()), writer, budget),
                None => fail!("%c arg not in range(0x110000)"),
            },
            Some(other) => fail!("Unknown format code '{other}' for object of type 'int'"),
        };
        if self.layout.precision.is_some() {
            fail!("Precision not allowed in integer format specifier");
        }
        let in_tens = matches!(self.kind, None | Some('d' | 'n'));
        if !in_tens && self.separator == Some(',') {
            fail!("Cannot specify ',' with '{}'.", self.kind.unwrap_or('x'));
        }
        let prefix = if self.alternate { prefix } else { "" };
        let digits = self.separated(&digits, whole < 0, prefix, if in_tens { 3 } else { 4 }, budget)?;
        self.layout.write_number(whole < 0, prefix, &digits, writer, budget)
    }

    /// Digits with separators, also among the zeros that fill the field.
    fn separated(&self, digits: &str, below: bool, prefix: &str, size: usize, budget: &mut Budget) -> Res<String> {
        let Some(separator) = self.separator else { return Ok(digits.to_string()) };
        let layout = &self.layout;
        let whole = digits.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(digits.len());
        let whole = if size == 3 { digits[..whole].find('e').unwrap_or(whole) } else { whole };
        let sign = usize::from(below || layout.sign != Sign::Minus);
        let mut wanted = whole;
        if (layout.fill, layout.align) == (Some('0'), Some('=')) {
            let room = layout.width.saturating_sub(sign + prefix.len() + digits.len() - whole);
            // in every group of four or five places one is a separator, and the first place never is
            wanted = whole.max(room - room.saturating_sub(1) / (size + 1));
        }
        budget.spend_bytes(wanted)?;
        let filled = format!("{:0>wanted$}", &digits[..whole]);
        Ok(grouped(&filled, separator, size) + &digits[whole..])
    }

    fn float(&self, number: f64, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        let precision = self.layout.precision.unwrap_or(6);
        budget.spend_bytes(precision)?;
        let size = number.abs();
        let mut digits = match self.kind {
            Some('f' | 'F') => pointed(format!("{size:.precision$}"), self.alternate && precision == 0),
            Some('e' | 'E') => pointed(exponent(size, precision), self.alternate && precision == 0),
            Some('g' | 'G' | 'n') => general(size, precision, self.alternate),
            Some('%') => format!("{:.precision$}%", size * 100.0),
            None if self.layout.precision.is_none() => float_text(size),
            None => {
                let digits = general(size, precision, false);
                if digits.contains(['.', 'e', 'n', 'i']) { digits } else { format!("{digits}.0") }
            }
            Some(other) => fail!("Unknown format code '{other}' for object of type 'float'"),
        };
        if !number.is_finite() {
            digits = if number.is_nan() { "nan".into() } else { "inf".into() };
        }
        if matches!(self.kind, Some('F' | 'E' | 'G')) {
            digits = digits.to_uppercase();
        }
        let below = number.is_sign_negative() && !number.is_nan();
        let layout = Layout { precision: None, ..self.layout.clone() };
        let digits = if number.is_finite() { self.separated(&digits, below, "", 3, budget)? } else { digits };
        layout.write_number(below, "", &digits, writer, budget)
    }
}
