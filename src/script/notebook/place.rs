//! The context of a cursor: after a dot, in a string, among options.

use super::scan::{Kind, Part, parts};

/// What can be completed at a cursor.
#[derive(Debug)]
pub enum Place<'a> {
    /// Nothing: in a comment, in a number.
    Nothing,
    /// `"scripts/da|`: part of a path in a string.
    Path,
    /// `m["le|`: a key of the map that the parts before the bracket evaluate to.
    Key(Vec<Part<'a>>),
    /// `x.le|`: a member of the value before the dot.
    Member(Vec<Part<'a>>),
    /// `sft::ru|`
    Module(&'a str),
    /// `sft::run(net, tok, data, #{ st|`: a key of the options of a call.
    Option { call: Call<'a>, given: Vec<&'a str> },
    /// `sft::run(net, tok, data, #{ schedule: "co|`: a word that an option accepts.
    Word { call: Call<'a>, key: &'a str },
    /// `ten|`
    Name,
}

/// A call with open parentheses.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// `clip`, or `sft::run`.
    pub name: String,
    /// The receiver of a method.
    pub receiver: Option<Vec<Part<'a>>>,
    /// Number of arguments before the cursor's.
    pub argument: usize,
}

/// A cursor: its context, and the start of the word being typed.
pub struct Cursor<'a> {
    pub place: Place<'a>,
    /// Start of the word, in bytes.
    pub start: usize,
    pub typed: &'a str,
    /// The parts before the word, without spaces and comments.
    pub before: Vec<Part<'a>>,
}

/// Analyzes the text before a cursor.
pub fn cursor(text: &str) -> Cursor<'_> {
    let all = parts(text);
    let mut before: Vec<Part> =
        all.iter().filter(|part| !matches!(part.kind, Kind::Space | Kind::Comment)).copied().collect();
    let end = text.len();
    let nothing = |before| Cursor { place: Place::Nothing, start: end, typed: "", before };
    match all.last() {
        Some(last) if last.kind == Kind::Comment && last.open => return nothing(before),
        Some(last) if last.kind == Kind::Number => return nothing(before),
        Some(last) if last.kind == Kind::Text && last.open => {
            before.pop();
            let start = last.at + 1;
            let place = match before.last() {
                Some(bracket) if bracket.is("[") => {
                    let owner = chain(&before[..before.len() - 1]);
                    if owner.is_empty() { Place::Path } else { Place::Key(owner) }
                }
                _ => value(&before).unwrap_or(Place::Path),
            };
            return Cursor { place, start, typed: &text[start..], before };
        }
        _ => {}
    }
    let word = all.last().filter(|last| matches!(last.kind, Kind::Word | Kind::Keyword)).copied();
    if word.is_some() {
        before.pop();
    }
    let (start, typed) = word.map_or((end, ""), |word| (word.at, word.text));
    let place = match before.as_slice() {
        [owner @ .., dot] if dot.is(".") || dot.is("?.") => Place::Member(chain(owner)),
        [.., module, colons] if colons.is("::") && module.kind == Kind::Word => Place::Module(module.text),
        before => option(before).unwrap_or(Place::Name),
    };
    Cursor { place, start, typed, before }
}

/// The brackets open at the end, outermost first.
fn open_brackets(parts: &[Part]) -> Vec<usize> {
    let mut open = Vec::new();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.kind == Kind::Sign) {
        match part.text {
            "(" | "[" | "{" | "#{" | "?[" => open.push(index),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
    }
    open
}

/// The context at a key of a map argument.
fn option<'a>(before: &[Part<'a>]) -> Option<Place<'a>> {
    let open = open_brackets(before);
    let [.., outer, map] = open.as_slice() else { return None };
    let last = before.last()?;
    if !before[*map].is("#{") || !(last.is("#{") || last.is(",")) {
        return None;
    }
    let call = call_at(before, *outer, *map)?;
    let keys = before[map + 1..].windows(2).filter(|pair| pair[1].is(":") && pair[0].kind != Kind::Sign);
    Some(Place::Option { call, given: keys.map(|pair| pair[0].text).collect() })
}

/// The context at a value of a map argument.
fn value<'a>(before: &[Part<'a>]) -> Option<Place<'a>> {
    let (before, [key, colon]) = before.split_last_chunk()?;
    match option(before)? {
        Place::Option { call, .. } if colon.is(":") => Some(Place::Word { call, key: key.text }),
        _ => None,
    }
}

/// The innermost call with open parentheses.
pub fn open_call<'a>(before: &[Part<'a>]) -> Option<Call<'a>> {
    let open = open_brackets(before);
    let innermost = *open.last().filter(|index| before[**index].is("("))?;
    call_at(before, innermost, before.len())
}

/// The call with the parenthesis at `paren`; its arguments are counted up to `until`.
fn call_at<'a>(parts: &[Part<'a>], paren: usize, until: usize) -> Option<Call<'a>> {
    if !parts[paren].is("(") {
        return None;
    }
    let (name, head) = parts[..paren].split_last().filter(|(name, _)| name.kind == Kind::Word)?;
    let (name, receiver) = match head {
        [owner @ .., dot] if dot.is(".") || dot.is("?.") => (name.text.to_string(), Some(chain(owner))),
        [.., module, colons] if colons.is("::") => (format!("{}::{}", module.text, name.text), None),
        // a definition is not a call
        [.., definition] if definition.text == "fn" => return None,
        _ => (name.text.to_string(), None),
    };
    let mut depth = 0;
    let mut argument = 0;
    for part in parts[paren + 1..until].iter().filter(|part| part.kind == Kind::Sign) {
        match part.text {
            "(" | "[" | "{" | "#{" | "?[" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," if depth == 0 => argument += 1,
            _ => {}
        }
    }
    Some(Call { name, receiver, argument })
}

/// The expression of names, calls, indices and dots at the end of the parts: for `a + f(b).c[0]`, `f(b).c[0]`.
fn chain<'a>(parts: &[Part<'a>]) -> Vec<Part<'a>> {
    let mut start = parts.len();
    loop {
        start = match link(parts, start) {
            Some(start) => start,
            None => return Vec::new(),
        };
        match parts[..start].last() {
            Some(dot) if dot.is(".") || dot.is("?.") => start -= 1,
            _ => return parts[start..].to_vec(),
        }
    }
}

/// Start of the link that ends at `end`: a name, a literal, or a call or an index with its receiver.
fn link(parts: &[Part], end: usize) -> Option<usize> {
    let last = parts[..end].last()?;
    match last.kind {
        Kind::Text | Kind::Number => Some(end - 1),
        Kind::Word => Some(qualified(parts, end - 1)),
        Kind::Keyword if last.text == "this" => Some(end - 1),
        Kind::Sign if matches!(last.text, ")" | "]" | "}") => {
            let open = super::scan::partner(parts, end - 1)?;
            match (parts[open].text, parts[..open].last()) {
                ("(", Some(name)) if name.kind == Kind::Word => Some(qualified(parts, open - 1)),
                ("[" | "?[", Some(owner))
                    if matches!(owner.kind, Kind::Word | Kind::Text) || owner.is(")") || owner.is("]") =>
                {
                    link(parts, open)
                }
                ("(" | "[" | "#{", _) => Some(open),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Start of the name at `index`, including its module.
fn qualified(parts: &[Part], index: usize) -> usize {
    match parts[..index] {
        [.., module, colons] if colons.is("::") && module.kind == Kind::Word => index - 2,
        _ => index,
    }
}
