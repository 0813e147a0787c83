//! Habits of other languages that the parser can't read: how to recognize each, and what to write instead.

use super::spot::Spot;
use super::{Message, words};
use crate::nearest;
use crate::script::declared;
use crate::script::notebook::scan::Kind;
use rhai::ParseErrorType;

pub fn say(what: impl std::fmt::Display, help: impl Into<String>) -> Option<Message> {
    Some((format!("syntax: {what}"), Some(help.into())))
}

/// `；`, `“`, `×`: characters that look like the language's own.
pub fn foreign_sign(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let here = spot.text[spot.offset..].chars().next();
    // `print（x）`: the parser stops at the name before it
    let next = spot.part(1).and_then(|part| part.text.chars().next());
    let known = |sign: char| words::SIGNS.iter().find(|(foreign, _)| *foreign == sign);
    let (sign, ascii) = here.and_then(known).or_else(|| next.and_then(known))?;
    say(format!("`{sign}` is not a sign of the language"), format!("write `{ascii}`, the ASCII sign"))
}

/// `# comment`
pub fn hash_comment(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let rest = &spot.text[spot.offset..];
    let is_hash = rest.starts_with('#') && !rest.starts_with("#{") && !rest.starts_with("#\"");
    is_hash.then_some(())?;
    say("`#` does not begin a comment", "comments begin with `//`")
}

/// `'hello'`
pub fn single_quotes(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let near = [spot.word(0), spot.word(-1)];
    let is_text = |word: &&str| word.starts_with('\'') && word.chars().count() != 3 && !word.starts_with("'\\");
    let quoted = near.into_iter().find(is_text)?;
    let inside = quoted.trim_matches('\'');
    say(format!("{quoted} is not a text"), format!("texts are in double quotes: `\"{inside}\"`"))
}

/// `f"x is {x}"`, `r"\d"`
pub fn prefixed_text(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let (prefix, text) = (spot.part(0)?, spot.part(1)?);
    let adjacent = text.kind == Kind::Text && text.at == prefix.end();
    let inside = text.text.trim_matches(['"', '\'']);
    match prefix.text.to_lowercase().as_str() {
        _ if !adjacent => None,
        "f" | "rf" | "fr" => {
            let filled = inside.split('{').collect::<Vec<_>>().join("${");
            say("there are no f-strings", format!("a text in backticks takes values: `` `{filled}` ``"))
        }
        "r" => say("a raw text has no `r`", format!("it stands between `#\"` and `\"#`: `#\"{inside}\"#`")),
        "b" | "rb" | "br" | "u" => {
            say(format!("a text has no prefix `{}`", prefix.text), format!("write `\"{inside}\"`"))
        }
        _ => None,
    }
}

/// `[x * 2 for x in xs if x > 1]`, `sum(x for x in xs)`
pub fn comprehension(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    spot.brackets().into_iter().rev().find_map(|(open, close)| comprehended(spot, open + 1..close))
}

fn comprehended(spot: &Spot, inside: std::ops::Range<usize>) -> Option<Message> {
    let find = |word: &str, from: usize| (from..inside.end).find(|&at| spot.parts[at].text == word);
    let at_for = find("for", inside.start).filter(|&at| at > inside.start)?;
    // a block of statements is not a comprehension
    spot.parts[inside.start..at_for].iter().all(|part| !matches!(part.text, ";" | "{" | "}")).then_some(())?;
    let at_in = find("in", at_for)?;
    let at_if = find("if", at_in);
    let over = spot.source(at_in + 1, at_if.unwrap_or(inside.end));
    let name = spot.source(at_for + 1, at_in);
    let body = spot.source(inside.start, at_for);
    let kept = at_if.map(|at| format!(".filter(|{name}| {})", spot.source(at + 1, inside.end))).unwrap_or_default();
    let made = if body == name { String::new() } else { format!(".map(|{name}| {body})") };
    say("there are no comprehensions", format!("`{over}{kept}{made}`"))
}

/// `f(x, lr=1)`
pub fn keyword_argument(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    // the name is undefined, or, if it is a variable, `,` is expected at the sign
    let first = match (spot.word(0), spot.word(1)) {
        (_, "=") if spot.is(0, Kind::Word) => spot.at,
        ("=", _) if spot.is(-1, Kind::Word) => spot.at - 1,
        _ => return None,
    };
    let (open, close) = spot.bracket()?;
    let called = open.checked_sub(1).filter(|&at| spot.parts[at].kind == Kind::Word && spot.parts[open].is("("))?;
    if called.checked_sub(1).is_some_and(|at| matches!(spot.parts[at].text, "fn" | "def")) {
        return None;
    }
    let given = spot.source(first, close);
    if let Some(dim) = given.strip_prefix("dim=").or_else(|| given.strip_prefix("axis=")) {
        let call = spot.text[spot.parts[called].at..spot.parts[first].at].trim();
        return say(format!("`{given}` is not an argument"), format!("the dimension stands alone: `{call}{dim})`"));
    }
    if spot.parts[called].text == "print" {
        return say(format!("`{given}` is not an argument"), "`write(text)` shows text without ending the line");
    }
    let (mut options, mut from) = (String::new(), spot.parts[first].at);
    for sign in spot.parts[first..close].iter().filter(|part| part.is("=")) {
        options.push_str(spot.text[from..sign.at].trim());
        options.push_str(": ");
        from = sign.end();
    }
    options.push_str(spot.text[from..spot.parts.get(close - 1)?.end()].trim());
    let call = spot.text[spot.parts[called].at..spot.parts[first].at].trim();
    let gap = if call.ends_with('(') { "" } else { " " };
    say(
        format!("`{}` is not an argument", crate::text::cut(given, 40)),
        format!("options are a map: `{call}{gap}#{{ {options} }})`"),
    )
}

/// `let x: int = 3`, `fn f(x: int) -> int`
pub fn types(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    if spot.word(0) == ":" && matches!(spot.word(-2), "let" | "const") {
        return say("a variable has no type", format!("write `{} {} = …`", spot.word(-2), spot.word(-1)));
    }
    let in_parameters = spot.bracket().is_some_and(|(open, _)| {
        open >= 2 && spot.parts[open].is("(") && matches!(spot.parts[open - 2].text, "fn" | "def")
    });
    if spot.word(0) == ":" && in_parameters {
        return say("a parameter has no type", format!("write `{}` alone", spot.word(-1)));
    }
    let arrow = spot.word(0) == "->" || (spot.word(0) == "-" && spot.word(1) == ">");
    (arrow && spot.word(-1) == ")").then_some(())?;
    say("a function has no type", "write `fn name(a, b) { … }`: its last value is what it returns")
}

/// `fn f(a, b = 2)`
pub fn default(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let (open, _) = spot.bracket().filter(|(open, _)| *open >= 2 && spot.parts[*open].is("("))?;
    let is_function = matches!(spot.parts[open - 2].text, "fn" | "def");
    (spot.word(0) == "=" && is_function).then_some(())?;
    let name = spot.parts[open - 1].text;
    let first = spot.parts.get(open + 1).map_or("a", |part| part.text);
    say(
        "a parameter has no default",
        format!(
            "write a second `fn {name}({first}) {{ … }}`, or take a map: `options(#{{ {}: {} }}, given)`",
            spot.word(-1),
            spot.word(1)
        ),
    )
}

/// `a, b = b, a`
pub fn tuple_names(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let line: Vec<&str> = spot.line().split("//").next()?.splitn(2, '=').collect();
    let [names, _] = line.as_slice() else { return None };
    let names = names.trim().trim_start_matches("let ").trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    let all: Vec<&str> = names.split(',').map(str::trim).collect();
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (all.len() > 1 && all.iter().all(is_name)).then_some(())?;
    say("one name is given at a time", format!("`let {} = …; let {} = …;`", all[0], all[1]))
}

/// `x = 3`, with `x` undeclared
pub fn declaration(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    (spot.is(0, Kind::Word) && spot.begins() && words::grammar(spot.word(0)).is_none()).then_some(())?;
    let name = spot.word(0);
    // a misspelled variable
    let known = declared::variables(spot.text);
    if nearest(name, known.iter().map(String::as_str)).is_some() {
        return None;
    }
    match spot.word(1) {
        "=" => Some((format!("{name}: no such variable"), Some(format!("declare it: `let {name} = …`")))),
        "+=" | "-=" | "*=" | "/=" => {
            Some((format!("{name}: no such variable"), Some(format!("declare it before: `let {name} = 0;`"))))
        }
        ":=" | ":" if spot.word(2) == "=" || spot.word(1) == ":=" => {
            say("`:=` is not a sign of the language", format!("declare it: `let {name} = …`"))
        }
        _ => None,
    }
}

/// `x[1:3]`, `x[:, 0]`, `x[1, 2]`
pub fn slice(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let (open, close) = spot.bracket().filter(|(open, _)| spot.parts[*open].is("["))?;
    let owner = open.checked_sub(1).map(|at| &spot.parts[at])?;
    let is_index = owner.kind == Kind::Word || matches!(owner.text, ")" | "]");
    let inside = spot.source(open + 1, close);
    let (mut dims, mut colons, mut depth) = (vec![String::new()], 0, 0);
    for c in inside.chars() {
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        colons += usize::from(c == ':' && depth == 0);
        match c {
            ',' if depth == 0 => dims.push(String::new()),
            c => dims.last_mut()?.push(c),
        }
    }
    (is_index && (colons > 0 || dims.len() > 1)).then_some(())?;
    if colons > dims.len() || inside.contains("::") {
        return say("an index has no step", format!("take the range `{}[a..b]`, or a list of places", owner.text));
    }
    let dims: Vec<String> = dims.iter().map(|dim| range(dim.trim())).collect();
    let name = owner.text;
    let help = match dims.as_slice() {
        [only] => {
            let bounded = only.replace("..=", "..");
            let list = if bounded.ends_with("..") { format!("{bounded}{name}.len()") } else { bounded };
            format!("`{name}[{only}]`; of a list: `{name}.extract({list})`")
        }
        several => format!("`{name}[[{}]]`: a list, an entry a dimension", several.join(", ")),
    };
    say(format!("`{name}[{inside}]` is not an index"), help)
}

/// `1:3` as `1..3`.
fn range(dim: &str) -> String {
    match dim.split_once(':') {
        Some((from, to)) => {
            let from = if from.trim().is_empty() { "0" } else { from.trim() };
            format!("{from}..{}", to.trim())
        }
        None => dim.to_string(),
    }
}

/// `{"a": 1}`
pub fn map_literal(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let key = matches!(spot.part(-1)?.kind, Kind::Text | Kind::Word | Kind::Number);
    (spot.word(0) == ":" && spot.word(-2) == "{" && key).then_some(())?;
    let key = spot.word(-1).trim_matches('"');
    say("`{` begins a block, not a map", format!("a map is `#{{ {key}: {} }}`", spot.word(1)))
}

/// `if x > 1:`
pub fn colon_block(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let line = spot.line().split("//").next()?.trim();
    let first = line.split(|c: char| !c.is_alphanumeric()).next()?;
    let begins = ["if", "else", "elif", "for", "while", "try", "except", "finally", "def", "class", "with"];
    (spot.word(0) == ":" && begins.contains(&first) && line.ends_with(':')).then_some(())?;
    let head = line.trim_end_matches(':').replace("elif ", "else if ").replace("def ", "fn ");
    let head = if first == "except" { "catch (e)".to_string() } else { head };
    say("`:` does not begin a block", format!("blocks are in braces: `{head} {{ … }}`"))
}

/// `7 // 2`: the rest is a comment, and the statement has no end.
pub fn whole_division(spot: &Spot, error: &ParseErrorType) -> Option<Message> {
    if matches!(error, ParseErrorType::VariableUndefined(_)) {
        return None;
    }
    let number = spot.text[..spot.offset].matches('\n').count();
    let lines: Vec<&str> = spot.text.lines().collect();
    let above = lines
        .get(..(number + 1).min(lines.len()))?
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, line)| !line.trim().is_empty());
    for (index, line) in above.take(2) {
        let Some((code, after)) = line.split_once("//") else { continue };
        let (code, after) = (code.trim_end(), after.trim());
        let divided = code.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ')' || c == ']');
        let is_code = after.ends_with([';', ')']) || after.starts_with(|c: char| c.is_ascii_digit());
        let by = after.trim_end_matches([';', ')', ',', ' ']);
        let one = !by.is_empty()
            && by.chars().all(|c| c.is_alphanumeric() || "_.()[]+-* ".contains(c))
            && by.split(' ').count() < 4;
        if divided && is_code && one && after.starts_with(|c: char| c.is_alphanumeric() || c == '(') {
            let left = code.rsplit([' ', '(', '=']).next().unwrap_or("a");
            return say(
                format!("`//` in line {} begins a comment", index + 1),
                format!("`/` divides ints whole: `{left} / {by}`; floats: `({left} / {by}).floor()`"),
            );
        }
    }
    None
}

/// `x if c else y`, `c ? x : y`
pub fn ternary(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    if spot.word(0) == "?" {
        return say("there is no `? :`", "`if` has a value: `if c { a } else { b }`");
    }
    let line = spot.line();
    (spot.word(0) == "if" && !spot.begins() && line.contains(" else ")).then_some(())?;
    say("`if` stands before what it chooses", "write `if c { a } else { b }`, which has a value")
}

/// `import torch`, `from x import y`
pub fn import(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let name = match (spot.word(-1), spot.word(0)) {
        ("import", name) if spot.is(0, Kind::Word) => name,
        (_, "from") if spot.begins() => spot.word(1),
        _ => return None,
    };
    let own = || format!("verbs are always there; a file of your own: `import \"{name}\" as {name};`");
    let help = words::library(name).map_or_else(own, |help| format!("no import is needed: {help}"));
    say(format!("`{name}` is not imported"), help)
}

/// `lambda x: x + 1`
pub fn lambda(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    (spot.word(0) == "lambda").then_some(())?;
    let line = spot.line();
    let after = &line[line.find("lambda")? + "lambda".len()..];
    let (names, body) = after.split_once(':')?;
    let mut depth = 0;
    let ends = |c: char| {
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        depth < 0 || (depth == 0 && ",;".contains(c))
    };
    let body = body[..body.find(ends).unwrap_or(body.len())].trim();
    say("`lambda` is not a word of the language", format!("a closure is `|{}| {body}`", names.trim()))
}

/// `net.eval()`: a reserved word of the language.
pub fn eval(spot: &Spot, error: &ParseErrorType) -> Option<Message> {
    match error {
        ParseErrorType::PropertyExpected if spot.word(0) == "eval" => {
            say("`eval` is not a verb", words::verb("eval", "model").unwrap_or_default())
        }
        ParseErrorType::Reserved(word) if word == "eval" => say("there is no `eval`", "a script runs no text as code"),
        _ => None,
    }
}

/// `x => x + 1`
pub fn arrow(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    // the name is undefined, or `;` is expected at the sign; in a `switch`, the sign is legal inside its braces
    let in_braces = spot.bracket().is_some_and(|(open, _)| spot.parts[open].is("{"));
    let name = match (spot.word(-1), spot.word(0), spot.word(1)) {
        _ if in_braces && spot.word(-1) != "=" && spot.word(-2) != "=" => return None,
        (")", "=>", _) => "x",
        (name, "=>", _) | (_, name, "=>") => name,
        _ => return None,
    };
    say("`=>` does not make a closure", format!("a closure is `|{name}| …`"))
}

/// `(1, 2)`
pub fn tuple(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let (open, close) = spot.bracket().filter(|(open, _)| spot.parts[*open].is("("))?;
    let before = open.checked_sub(1).map(|at| &spot.parts[at]);
    let is_call = before.is_some_and(|part| part.kind == Kind::Word || matches!(part.text, ")" | "]"));
    (spot.word(0) == "," && !is_call).then_some(())?;
    say("there are no tuples", format!("a list is `[{}]`", spot.source(open + 1, close)))
}

/// `"""text"""`
pub fn triple_quotes(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let is_triple = |first: isize| {
        let (Some(first), Some(second)) = (spot.part(first), spot.part(first + 1)) else { return false };
        first.text == "\"\"" && second.kind == Kind::Text && second.at == first.end()
    };
    (is_triple(-1) || is_triple(0)).then_some(())?;
    say("a text has no triple quotes", "a text of several lines is in backticks: `` `…` ``")
}

/// `print x`
pub fn print_statement(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    let value = matches!(spot.part(0)?.kind, Kind::Text | Kind::Word | Kind::Number);
    let follows = spot.part(1).is_some_and(|part| matches!(part.kind, Kind::Text | Kind::Word | Kind::Number));
    let printed = match (spot.word(-1), spot.word(0)) {
        ("print", _) if value => spot.word(0),
        (_, "print") if follows => spot.word(1),
        _ => return None,
    };
    say("`print` is a function", format!("write `print({printed})`"))
}

/// `@torch.no_grad()`
pub fn decorator(spot: &Spot, _: &ParseErrorType) -> Option<Message> {
    (spot.word(0) == "@" && spot.begins()).then_some(())?;
    say("there are no decorators", "a verb takes the closure: `no_grad(|| …)`")
}
