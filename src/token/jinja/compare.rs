//! Equality, order and membership, as in Python. Visited elements are paid for.

use super::ast::Comparison;
use super::budget::{Budget, Res, fail};
use super::value::{Callable, Sequence, Value};
use crate::number;
use std::cmp::Ordering;
use std::rc::Rc;

pub fn compare(comparison: Comparison, left: &Value, right: &Value, budget: &mut Budget) -> Res<bool> {
    match comparison {
        Comparison::Equal => equal(left, right, budget),
        Comparison::Unequal => Ok(!equal(left, right, budget)?),
        Comparison::In => contains(right, left, budget),
        Comparison::NotIn => Ok(!contains(right, left, budget)?),
        _ => {
            let sign = match comparison {
                Comparison::Less => "<",
                Comparison::LessEqual => "<=",
                Comparison::Greater => ">",
                _ => ">=",
            };
            let order = order(left, right, sign, budget)?;
            Ok(match comparison {
                Comparison::Less => order == Some(Ordering::Less),
                Comparison::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                Comparison::Greater => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            })
        }
    }
}

pub fn equal(left: &Value, right: &Value, budget: &mut Budget) -> Res<bool> {
    budget.spend(1)?;
    Ok(match (left, right) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
        (Value::Text(one), Value::Text(two)) => {
            budget.spend(one.len().min(two.len()) as u64 / 256)?;
            one.as_str() == two.as_str()
        }
        (Value::List(one, left), Value::List(two, right)) if one == two && *one != Sequence::Values => {
            if left.items.len() != right.items.len() {
                return Ok(false);
            }
            for (one, two) in left.items.iter().zip(&right.items) {
                if !equal(one, two, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Dict(left), Value::Dict(right)) => {
            if left.entries.len() != right.entries.len() {
                return Ok(false);
            }
            for (key, one) in &left.entries {
                match right.get(key, budget)? {
                    Some(two) if equal(one, two, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Namespace(one), Value::Namespace(two)) => Rc::ptr_eq(one, two),
        (Value::Generator(one), Value::Generator(two)) => Rc::ptr_eq(one, two),
        (Value::Loop(one), Value::Loop(two)) => Rc::ptr_eq(one, two),
        (Value::Callable(one), Value::Callable(two)) => match (&**one, &**two) {
            (Callable::Global(one), Callable::Global(two)) => one == two,
            _ => Rc::ptr_eq(one, two),
        },
        _ => numbers(left, right) == Some(Ordering::Equal),
    })
}

/// Compares two numbers exactly; `None` if one is NaN.
pub fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    match (left.as_int(), right.as_int()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(left), None) => number::order(left, right.as_number()?),
        (None, Some(right)) => number::order(right, left.as_number()?).map(Ordering::reverse),
        (None, None) => left.as_number()?.partial_cmp(&right.as_number()?),
    }
}

/// Compares two values; `None` if one is NaN, and a fault if they have no order.
pub fn order(left: &Value, right: &Value, sign: &str, budget: &mut Budget) -> Res<Option<Ordering>> {
    budget.spend(1)?;
    match (left.defined()?, right.defined()?) {
        (Value::Text(one), Value::Text(two)) => {
            budget.spend(one.len().min(two.len()) as u64 / 256)?;
            Ok(Some(one.as_str().cmp(two.as_str())))
        }
        (Value::List(one, left), Value::List(two, right))
            if one == two && matches!(one, Sequence::List | Sequence::Tuple) =>
        {
            for (one, two) in left.items.iter().zip(&right.items) {
                if !equal(one, two, budget)? {
                    return order(one, two, sign, budget);
                }
            }
            Ok(Some(left.items.len().cmp(&right.items.len())))
        }
        (left, right) if left.as_number().is_some() && right.as_number().is_some() => Ok(numbers(left, right)),
        (left, right) => {
            fail!("'{sign}' not supported between instances of '{}' and '{}'", left.kind(), right.kind())
        }
    }
}

/// `item in whole`
pub fn contains(whole: &Value, item: &Value, budget: &mut Budget) -> Res<bool> {
    match whole {
        Value::Text(text) => match item.defined()? {
            Value::Text(part) => {
                budget.spend_bytes(text.len())?;
                Ok(text.as_str().contains(part.as_str()))
            }
            other => fail!("'in <string>' requires string as left operand, not {}", other.kind()),
        },
        Value::Dict(dict) => Ok(dict.get(item, budget)?.is_some()),
        Value::Undefined(_) | Value::List(..) | Value::Generator(_) => {
            for other in whole.walk(budget)? {
                if equal(&other, item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => fail!("argument of type '{}' is not iterable", other.kind()),
    }
}
