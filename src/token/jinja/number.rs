//! Arithmetic as in Python.

use super::ast::Operator;
use super::budget::{Budget, Res, fail};
use super::marked::{Text, Writer};
use super::percent;
use super::value::{Sequence, Value};

pub fn arithmetic(operator: Operator, left: &Value, right: &Value, budget: &mut Budget) -> Res<Value> {
    let (left, right) = (left.defined()?, right.defined()?);
    match (operator, left, right) {
        (Operator::Add, Value::Text(one), Value::Text(two)) => joined(&[one, two], budget),
        (Operator::Add, Value::List(kind, one), Value::List(other, two))
            if kind == other && matches!(kind, Sequence::List | Sequence::Tuple) =>
        {
            budget.spend((one.items.len() + two.items.len()) as u64)?;
            Value::sequence(*kind, one.items.iter().chain(&two.items).cloned().collect())
        }
        (Operator::Modulo, Value::Text(format), value) => Ok(Value::Text(percent::format(format, value, budget)?)),
        (Operator::Multiply, Value::Text(_) | Value::List(..), Value::Int(_) | Value::Bool(_)) => {
            repeat(left, right, budget)
        }
        (Operator::Multiply, Value::Int(_) | Value::Bool(_), Value::Text(_) | Value::List(..)) => {
            repeat(right, left, budget)
        }
        _ => match (left.as_int(), right.as_int(), left.as_number(), right.as_number()) {
            (Some(left), Some(right), ..) => whole(operator, left, right),
            (.., Some(left), Some(right)) => float(operator, left, right),
            _ => fail!("unsupported operand type(s) for {}: '{}' and '{}'", operator.sign(), left.kind(), right.kind()),
        },
    }
}

/// Concatenates texts.
pub fn joined(texts: &[&Text], budget: &mut Budget) -> Res<Value> {
    budget.spend_bytes(texts.iter().map(|text| text.len()).sum())?;
    let mut writer = Writer::default();
    for text in texts {
        writer.push_text(text);
    }
    Ok(Value::Text(writer.finish()))
}

fn repeat(value: &Value, times: &Value, budget: &mut Budget) -> Res<Value> {
    let times = usize::try_from(times.as_int().unwrap_or(0).max(0)).unwrap_or(usize::MAX);
    match value {
        Value::Text(text) => {
            budget.spend_bytes(text.len().saturating_mul(times))?;
            Ok(Value::Text(text.changed(text.as_str().repeat(times))))
        }
        Value::List(kind @ (Sequence::List | Sequence::Tuple), list) => {
            budget.spend(list.items.len().saturating_mul(times) as u64)?;
            let items = std::iter::repeat_n(&list.items, times).flatten().cloned().collect();
            Value::sequence(*kind, items)
        }
        other => fail!("unsupported operand type(s) for *: '{}' and 'int'", other.kind()),
    }
}

fn whole(operator: Operator, left: i128, right: i128) -> Res<Value> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if right == 0 => fail!("division by zero"),
        Operator::Divide => return Ok(Value::Float(left as f64 / right as f64)),
        Operator::FloorDivide | Operator::Modulo if right == 0 => fail!("integer division or modulo by zero"),
        Operator::FloorDivide => left.checked_div_euclid(right).map(|quotient| {
            // towards minus infinity, whatever the sign of the divisor
            let exact = left.wrapping_rem(right) == 0;
            if right < 0 && !exact { quotient - 1 } else { quotient }
        }),
        Operator::Modulo => {
            let rest = left.wrapping_rem(right);
            Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
        }
        Operator::Power if right < 0 && left == 0 => fail!("0.0 cannot be raised to a negative power"),
        Operator::Power if right < 0 => return float(operator, left as f64, right as f64),
        Operator::Power => match u32::try_from(right) {
            Ok(right) => left.checked_pow(right),
            Err(_) if matches!(left, 0 | 1) => Some(left),
            Err(_) if left == -1 => Some(if right % 2 == 0 { 1 } else { -1 }),
            Err(_) => None,
        },
    };
    match value {
        Some(value) => Ok(Value::Int(value)),
        None => fail!("a number of more than 127 bits"),
    }
}

fn float(operator: Operator, left: f64, right: f64) -> Res<Value> {
    let value = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide | Operator::FloorDivide | Operator::Modulo if right == 0.0 => fail!("float division by zero"),
        Operator::Divide => left / right,
        Operator::FloorDivide => divided(left, right).0,
        Operator::Modulo => divided(left, right).1,
        Operator::Power => return power(left, right),
    };
    Ok(Value::Float(value))
}

/// Python's `divmod`: the quotient towards minus infinity, and the remainder with the divisor's sign.
fn divided(left: f64, right: f64) -> (f64, f64) {
    let mut rest = left % right;
    let mut quotient = (left - rest) / right;
    if rest != 0.0 {
        if (rest < 0.0) != (right < 0.0) {
            rest += right;
            quotient -= 1.0;
        }
    } else {
        rest = 0f64.copysign(right);
    }
    let floor = if quotient == 0.0 { 0f64.copysign(left / right) } else { quotient.floor() };
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn power(left: f64, right: f64) -> Res<Value> {
    let value = left.powf(right);
    if left == 0.0 && right < 0.0 {
        fail!("0.0 cannot be raised to a negative power");
    }
    if left.is_finite() && right.is_finite() {
        if value.is_infinite() {
            fail!("(34, 'Numerical result out of range')");
        }
        if value.is_nan() {
            fail!("{left} to the power {right} is a complex number");
        }
    }
    Ok(Value::Float(value))
}

pub fn minus(value: &Value) -> Res<Value> {
    match (value.defined()?.as_int(), value) {
        (Some(whole), _) => match whole.checked_neg() {
            Some(whole) => Ok(Value::Int(whole)),
            None => fail!("a number of more than 127 bits"),
        },
        (_, Value::Float(value)) => Ok(Value::Float(-value)),
        (_, other) => fail!("bad operand type for unary -: '{}'", other.kind()),
    }
}

pub fn plus(value: &Value) -> Res<Value> {
    match (value.defined()?.as_int(), value) {
        (Some(whole), _) => Ok(Value::Int(whole)),
        (_, Value::Float(_)) => Ok(value.clone()),
        (_, other) => fail!("bad operand type for unary +: '{}'", other.kind()),
    }
}
