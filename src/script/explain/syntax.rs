//! Parse errors: what the parser found, and the replacement for another language's syntax.

use super::habits::*;
use super::spot::Spot;
use super::{Message, bare, lower_first, module, variable, words};
use crate::nearest;
use crate::script::notebook::scan::Kind;
use crate::script::sources::Names;
use rhai::{Engine, LexError, ParseErrorType, Position};

/// The message and the help of a parse error at `position` of `text`.
pub fn parse(error: &ParseErrorType, position: Position, text: &str, before: &Names, engine: &Engine) -> Message {
    use ParseErrorType as P;
    // a misspelled earlier variable takes precedence
    if let P::VariableUndefined(name) = error
        && nearest(name, before.variables.iter().map(String::as_str)).is_some()
    {
        return variable(name, text, before);
    }
    let spot = Spot::new(text, position);
    if let Some(bare) = habit(&spot, error) {
        return bare;
    }
    match error {
        P::VariableUndefined(name) => variable(name, text, before),
        P::ModuleUndefined(name) => module(name),
        P::UnexpectedEOF => (
            "syntax: the script ends too early".to_string(),
            Some("a bracket, brace or string is not closed".to_string()),
        ),
        P::Reserved(word) => (format!("syntax: `{word}` is a reserved word"), Some("choose another name".to_string())),
        P::BadInput(LexError::UnexpectedInput(what)) if what.chars().all(char::is_alphabetic) => (
            format!("syntax: unexpected `{what}`"),
            Some(
                "a name has the letters a to z, digits and `_`; a text may have any, and so a key: `#{ \"法\": 1 }`"
                    .to_string(),
            ),
        ),
        P::BadInput(LexError::UnexpectedInput(what)) => bare(format!("syntax: unexpected `{what}`")),
        P::MissingToken(token, where_) => bare(format!("syntax: `{token}` expected {}", lower_first(where_))),
        P::AssignmentToConstant(name) => {
            (format!("{name}: a constant can't be changed"), Some(format!("make it with `let {name} = …`")))
        }
        P::MismatchedType(wanted, given) if wanted.contains("iterable") && given.contains("map") => (
            "for: a map that is written here can't be looped over".to_string(),
            Some("write `for key in #{ … }.keys()`, or give it a name before".to_string()),
        ),
        P::ExprTooDeep => bare(format!("syntax: nested more than {} deep", engine.max_expr_depth())),
        other => bare(format!("syntax: {}", lower_first(&other.to_string()))),
    }
}

/// Whether an undefined name is a word of another language's grammar: the text after it can't be parsed, so it is not checked.
pub fn is_grammar(name: &str, position: Position, text: &str) -> bool {
    let error = ParseErrorType::VariableUndefined(name.to_string());
    habit(&Spot::new(text, position), &error).is_some_and(|(message, _)| message.starts_with("syntax: "))
}

/// Returns the message for one habit, if it is present.
type Habit = fn(&Spot, &ParseErrorType) -> Option<Message>;

/// In this order: the most specific first.
const HABITS: &[Habit] = &[
    foreign_sign,
    hash_comment,
    single_quotes,
    prefixed_text,
    comprehension,
    keyword_argument,
    types,
    default,
    tuple_names,
    declaration,
    slice,
    map_literal,
    colon_block,
    whole_division,
    ternary,
    import,
    lambda,
    eval,
    arrow,
    tuple,
    triple_quotes,
    print_statement,
    decorator,
];

fn habit(spot: &Spot, error: &ParseErrorType) -> Option<Message> {
    use ParseErrorType as P;
    if let Some(bare) = HABITS.iter().find_map(|habit| habit(spot, error)) {
        return Some(bare);
    }
    let named = match error {
        P::VariableUndefined(name) | P::Reserved(name) => Some(name.as_str()),
        P::UnknownOperator(sign) => Some(sign.as_str()),
        P::BadInput(LexError::ImproperSymbol(sign, _) | LexError::UnexpectedInput(sign)) => Some(sign.as_str()),
        _ => None,
    };
    if let Some(name) = named
        && let Some(help) = words::grammar(name)
    {
        return say(format!("`{name}` is not a word of the language"), help);
    }
    // `if a and b`: the parser expected something else at the word
    let at = spot.part(0).filter(|part| matches!(part.kind, Kind::Word | Kind::Sign))?;
    let help = words::grammar(at.text).filter(|_| !matches!(error, P::VariableUndefined(_)))?;
    say(format!("`{}` is not a word of the language", at.text), help)
}
