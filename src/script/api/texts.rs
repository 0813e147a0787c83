//! Texts. `trim` and `replace` return a new text, as every verb of a value does; verbs that change a text in place return it too.

use crate::cancel;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// Takes `count` characters from an index on; a negative index counts from the end.
fn crop(text: &mut ImmutableString, start: INT, count: INT) -> ImmutableString {
    let length = text.chars().count() as INT;
    let start = if start < 0 { (length + start).max(0) } else { start };
    let (start, count) = (usize::try_from(start).unwrap_or(0), usize::try_from(count).unwrap_or(0));
    *text = text.chars().skip(start).take(count).collect::<String>().into();
    text.clone()
}

fn pad(context: &NativeCallContext, text: &mut ImmutableString, length: INT, filling: &str) -> Res<ImmutableString> {
    let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 || filling.is_empty() {
        return Ok(text.clone());
    }
    let widest = filling.chars().map(char::len_utf8).max().unwrap_or(1);
    super::sizes::text("pad", context, text.len().saturating_add(missing.saturating_mul(widest)))?;
    *text = text.chars().chain(filling.chars().cycle().take(missing)).collect::<String>().into();
    Ok(text.clone())
}

/// Joins the parts with `other` between them.
fn joined<'t>(parts: impl Iterator<Item = &'t str>, other: &str) -> Res<ImmutableString> {
    let pace = cancel::Pace::default();
    let join = || {
        let mut joined = String::new();
        for (at, part) in parts.enumerate() {
            pace.step();
            joined.push_str(if at > 0 { other } else { "" });
            joined.push_str(part);
        }
        joined
    };
    Ok(cancel::stoppable(join)?.into())
}

#[export_module]
mod verbs {
    /// Formats the text as a script literal, in quotes, with escapes for invisible characters. Lists and maps show texts this
    /// way.
    ///
    /// also: repr, str.__repr__
    ///
    /// ```rhai
    /// "to\tbe".to_debug()         //=> "to\tbe"
    /// ["法院", "हिन्दी"]            //=> ["法院", "हिन्दी"]
    /// ```
    #[rhai_fn(name = "to_debug", pure)]
    pub fn quoted(text: &mut ImmutableString) -> String {
        crate::text::quoted(text)
    }

    /// Returns the text without whitespace at both ends. The text itself does not change.
    ///
    /// also: strip, lstrip, rstrip
    ///
    /// ```rhai
    /// let text = "  to be ";
    /// `[${text.trim()}]`          //=> [to be]
    /// text.len                    //=> 8
    /// ```
    #[rhai_fn(name = "trim", pure)]
    pub fn trimmed(text: &mut ImmutableString) -> ImmutableString {
        text.trim().into()
    }

    /// Returns the text with every `part` replaced by `other`. The text itself does not change.
    ///
    /// also: str.replace, re.sub
    ///
    /// ```rhai
    /// "a-b-c".replace("-", "+")   //=> a+b+c
    /// "a-b-c".replace('-', '+')   //=> a+b+c
    /// ```
    #[rhai_fn(name = "replace", pure, return_raw)]
    pub fn replaced(text: &mut ImmutableString, part: &str, other: &str) -> Res<ImmutableString> {
        super::joined(text.split(part), other)
    }

    /// Returns the text with every `part` replaced by `other`. The text itself does not change.
    ///
    /// ```rhai
    /// "a--b".replace("--", '-')   //=> a-b
    /// ```
    #[rhai_fn(name = "replace", pure, return_raw)]
    pub fn replaced_by_letter(text: &mut ImmutableString, part: &str, other: char) -> Res<ImmutableString> {
        super::joined(text.split(part), &other.to_string())
    }

    /// Returns the text with every `part` replaced by `other`. The text itself does not change.
    ///
    /// ```rhai
    /// "a-b".replace('-', " to ")  //=> a to b
    /// ```
    #[rhai_fn(name = "replace", pure, return_raw)]
    pub fn letter_replaced(text: &mut ImmutableString, part: char, other: &str) -> Res<ImmutableString> {
        super::joined(text.split(part), other)
    }

    /// Returns the text with every `part` replaced by `other`. The text itself does not change.
    ///
    /// ```rhai
    /// "a-b".replace('-', '+')     //=> a+b
    /// ```
    #[rhai_fn(name = "replace", pure, return_raw)]
    pub fn letter_replaced_by_letter(text: &mut ImmutableString, part: char, other: char) -> Res<ImmutableString> {
        super::joined(text.split(part), &other.to_string())
    }

    /// Splits the text at every `separator`.
    ///
    /// also: str.split, partition
    ///
    /// ```rhai
    /// "a, b, c".split(", ")       //=> ["a", "b", "c"]
    /// "abc".split("")             //=> error: split: the separator is empty
    /// "abc".to_chars()            //=> [a, b, c]
    /// ```
    #[rhai_fn(name = "split", pure, return_raw)]
    pub fn split(text: &mut ImmutableString, separator: &str) -> Res<List> {
        if separator.is_empty() {
            return Err(Error::new("split", "the separator is empty")
                .help("`text.to_chars()` is its characters, `text.split()` its words")
                .into());
        }
        Ok(text.split(separator).map(Into::into).collect())
    }

    /// Joins the values of a list into one text, with `separator` between them.
    ///
    /// also: str.join, implode
    ///
    /// ```rhai
    /// ["to", "be"].join(" ")      //=> to be
    /// [1, 2.5, "x"].join(", ")    //=> 1, 2.5, x
    /// [].join("-").is_empty()     //=> true
    /// ```
    #[rhai_fn(name = "join", pure, return_raw)]
    pub fn joined_values(context: NativeCallContext, list: &mut List, separator: &str) -> Res<ImmutableString> {
        let written = |value: &Dynamic| context.call_native_fn::<ImmutableString>("to_string", (value.clone(),));
        let parts = list.iter().map(written).collect::<Res<Vec<_>>>()?;
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        super::super::sizes::text("join", &context, bytes.saturating_add(separator.len().saturating_mul(parts.len())))?;
        super::joined(parts.iter().map(|part| part.as_str()), separator)
    }

    /// Removes every `part` of the text in place, and returns the text.
    ///
    /// ```rhai
    /// let text = "a-b-c";
    /// text.remove("-")            //=> abc
    /// ```
    #[rhai_fn(name = "remove")]
    pub fn removed(text: &mut ImmutableString, part: &str) -> ImmutableString {
        *text = text.replace(part, "").into();
        text.clone()
    }

    /// Removes every occurrence of a character, in place, and returns the text.
    ///
    /// ```rhai
    /// "a-b-c".remove('-')         //=> abc
    /// ```
    #[rhai_fn(name = "remove")]
    pub fn letter_removed(text: &mut ImmutableString, part: char) -> ImmutableString {
        *text = text.replace(part, "").into();
        text.clone()
    }

    /// Truncates the text in place to `length` characters, and returns it.
    ///
    /// ```rhai
    /// "to be or".truncate(5)      //=> to be
    /// ```
    #[rhai_fn(name = "truncate")]
    pub fn truncated(text: &mut ImmutableString, length: INT) -> ImmutableString {
        super::crop(text, 0, length)
    }

    /// Crops the text to `count` characters from the index `start`, in place, and returns it.
    ///
    /// A negative index counts from the end.
    ///
    /// also: slice, substring
    ///
    /// ```rhai
    /// "to be or not".crop(3, 2)   //=> be
    /// "to be or not".crop(-3, 9)  //=> not
    /// ```
    #[rhai_fn(name = "crop")]
    pub fn cropped(text: &mut ImmutableString, start: INT, count: INT) -> ImmutableString {
        super::crop(text, start, count)
    }

    /// Removes the characters before the index `start`, in place, and returns the text.
    ///
    /// ```rhai
    /// "to be or not".crop(6)      //=> or not
    /// ```
    #[rhai_fn(name = "crop")]
    pub fn cropped_from(text: &mut ImmutableString, start: INT) -> ImmutableString {
        super::crop(text, start, INT::MAX)
    }

    /// Crops the text to a range of characters, in place, and returns it.
    ///
    /// ```rhai
    /// "to be or not".crop(3..5)   //=> be
    /// ```
    #[rhai_fn(name = "crop")]
    pub fn cropped_to(text: &mut ImmutableString, range: std::ops::Range<INT>) -> ImmutableString {
        super::crop(text, range.start.max(0), range.end.saturating_sub(range.start.max(0)))
    }

    /// Crops the text to an inclusive range of characters, in place, and returns it.
    ///
    /// ```rhai
    /// "to be or not".crop(3..=4)  //=> be
    /// ```
    #[rhai_fn(name = "crop")]
    pub fn cropped_through(text: &mut ImmutableString, range: std::ops::RangeInclusive<INT>) -> ImmutableString {
        let start = (*range.start()).max(0);
        super::crop(text, start, range.end().saturating_sub(start).saturating_add(1))
    }

    /// Pads the text to `length` characters with `filling`, in place, and returns it.
    ///
    /// also: ljust, center, format
    ///
    /// ```rhai
    /// "ab".pad(5, ".")            //=> ab...
    /// ```
    #[rhai_fn(name = "pad", return_raw)]
    pub fn padded(
        context: NativeCallContext,
        text: &mut ImmutableString,
        length: INT,
        filling: &str,
    ) -> Res<ImmutableString> {
        super::pad(&context, text, length, filling)
    }

    /// Pads the text to `length` characters with the character `filling`, in place, and returns it.
    ///
    /// ```rhai
    /// "ab".pad(5, '.')            //=> ab...
    /// ```
    #[rhai_fn(name = "pad", return_raw)]
    pub fn padded_by_letter(
        context: NativeCallContext,
        text: &mut ImmutableString,
        length: INT,
        filling: char,
    ) -> Res<ImmutableString> {
        super::pad(&context, text, length, &filling.to_string())
    }

    /// Converts the text to uppercase, in place, and returns it.
    ///
    /// ```rhai
    /// "to be".make_upper()        //=> TO BE
    /// ```
    #[rhai_fn(name = "make_upper")]
    pub fn made_upper(text: &mut ImmutableString) -> ImmutableString {
        *text = text.to_uppercase().into();
        text.clone()
    }

    /// Converts the text to lowercase, in place, and returns it.
    ///
    /// ```rhai
    /// "To Be".make_lower()        //=> to be
    /// ```
    #[rhai_fn(name = "make_lower")]
    pub fn made_lower(text: &mut ImmutableString) -> ImmutableString {
        *text = text.to_lowercase().into();
        text.clone()
    }
}
