//! `value is test`.

use super::args::{Args, needed};
use super::ast::{Comparison, Operator};
use super::budget::{Budget, Res, fail};
use super::compare::{compare, equal};
use super::letters;
use super::names::{FILTERS, TESTS};
use super::number::arithmetic;
use super::show;
use super::value::{Callable, Sequence, Value};
use std::rc::Rc;

pub fn check(name: &str, value: &Value, args: Args, budget: &mut Budget) -> Res<bool> {
    budget.spend(1)?;
    let comparison = match name {
        "==" | "eq" | "equalto" => Some(Comparison::Equal),
        "!=" | "ne" => Some(Comparison::Unequal),
        "<" | "lt" | "lessthan" => Some(Comparison::Less),
        "<=" | "le" => Some(Comparison::LessEqual),
        ">" | "gt" | "greaterthan" => Some(Comparison::Greater),
        ">=" | "ge" => Some(Comparison::GreaterEqual),
        "in" => Some(Comparison::In),
        _ => None,
    };
    if comparison.is_some() || matches!(name, "divisibleby" | "sameas") {
        let [other] = args.bind(name, ["other"])?;
        let other = needed(name, "other", other)?;
        return match comparison {
            Some(comparison) => compare(comparison, value, &other, budget),
            None if name == "sameas" => same(value, &other, budget),
            None => is_rest(value, &other, 0, budget),
        };
    }
    args.none(name)?;
    Ok(match name {
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "none" => matches!(value, Value::None),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.as_number().is_some(),
        "iterable" => matches!(
            value,
            Value::Undefined(_)
                | Value::Text(_)
                | Value::List(..)
                | Value::Dict(_)
                | Value::Generator(_)
                | Value::Loop(_)
        ),
        "sequence" => match value {
            Value::List(kind, _) => matches!(kind, Sequence::List | Sequence::Tuple | Sequence::Range),
            // an undefined value has a length, and raises its error only when an element is accessed
            _ => matches!(value, Value::Undefined(_) | Value::Text(_) | Value::Dict(_)),
        },
        "callable" => matches!(value, Value::Undefined(_) | Value::Callable(_) | Value::Loop(_)),
        "odd" => is_rest(value, &Value::Int(2), 1, budget)?,
        "even" => is_rest(value, &Value::Int(2), 0, budget)?,
        "lower" | "upper" => {
            let text = show::text(value, budget)?;
            let is = if name == "lower" { letters::is_lower } else { letters::is_upper };
            is(text.as_str())
        }
        "filter" => value.as_str().is_some_and(|name| FILTERS.contains(&name)),
        "test" => value.as_str().is_some_and(|name| TESTS.contains(&name)),
        "escaped" => false,
        _ => fail!("No test named '{name}'."),
    })
}

fn is_rest(value: &Value, divisor: &Value, rest: i128, budget: &mut Budget) -> Res<bool> {
    let found = arithmetic(Operator::Modulo, value, divisor, budget)?;
    equal(&found, &Value::Int(rest), budget)
}

/// Python's `is`: immutable values are identical if they are equal and of one type.
fn same(value: &Value, other: &Value, budget: &mut Budget) -> Res<bool> {
    Ok(match (value, other) {
        (Value::List(_, one), Value::List(_, two)) => Rc::ptr_eq(one, two),
        (Value::Dict(one), Value::Dict(two)) => Rc::ptr_eq(one, two),
        (Value::Callable(one), Value::Callable(two)) => {
            Rc::ptr_eq(one, two)
                || matches!((&**one, &**two), (Callable::Global(one), Callable::Global(two)) if one == two)
        }
        _ => value.kind() == other.kind() && equal(value, other, budget)?,
    })
}
