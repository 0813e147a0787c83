//! Evaluates expressions.

use super::args::Args;
use super::ast::{CallArgs, Comparison, Expr, Operator, Post};
use super::attribute::{attribute, item, slice};
use super::budget::{Res, fail};
use super::checks::check;
use super::compare::compare;
use super::filters::filter;
use super::machine::Machine;
use super::marked::{Text, Writer};
use super::number::{arithmetic, minus, plus};
use super::show;
use super::value::{Dict, Loop, Value};
use std::rc::Rc;

impl Machine<'_> {
    pub fn evaluate(&mut self, expr: &Expr) -> Res<Value> {
        self.budget.spend(1)?;
        match expr {
            Expr::Undefined => {
                Ok(Value::undefined("the inline if-expression evaluated to false and no else section was defined."))
            }
            Expr::None => Ok(Value::None),
            Expr::Bool(value) => Ok(Value::Bool(*value)),
            Expr::Int(value) => Ok(Value::Int(*value)),
            Expr::Float(value) => Ok(Value::Float(*value)),
            Expr::Text(words) => Ok(Value::Text(Text::plain(words.clone()))),
            Expr::Name(name) => Ok(self.variable(*name)),
            _ => self.deeper(|machine| machine.compound(expr)),
        }
    }

    fn compound(&mut self, expr: &Expr) -> Res<Value> {
        match expr {
            Expr::Postfix(base, posts) => {
                let mut value = self.evaluate(base)?;
                for post in posts {
                    value = self.post(value, post)?;
                }
                Ok(value)
            }
            Expr::Not(operand) => Ok(Value::Bool(!self.evaluate(operand)?.is_true())),
            Expr::Minus(operand) => minus(&self.evaluate(operand)?),
            Expr::Plus(operand) => plus(&self.evaluate(operand)?),
            Expr::And(parts) => self.first_that(parts, false),
            Expr::Or(parts) => self.first_that(parts, true),
            Expr::Concat(parts) => self.concat(parts),
            Expr::Compare(first, rest) => self.comparisons(first, rest),
            Expr::Arithmetic(first, rest) => self.chain(first, rest),
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if self.evaluate(condition)?.is_true() { then } else { otherwise };
                self.evaluate(chosen)
            }
            Expr::List(parts) => Value::list(self.all(parts)?),
            Expr::Tuple(parts) => Value::tuple(self.all(parts)?),
            Expr::Dict(pairs) => {
                let mut entries = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    entries.push((self.evaluate(key)?, self.evaluate(value)?));
                }
                Ok(Value::Dict(Rc::new(Dict::new(entries, &mut self.budget)?)))
            }
            simple => self.evaluate(simple),
        }
    }

    fn all(&mut self, parts: &[Expr]) -> Res<Vec<Value>> {
        parts.iter().map(|part| self.evaluate(part)).collect()
    }

    /// The first part whose truth is `wanted`, or the last one.
    fn first_that(&mut self, parts: &[Expr], wanted: bool) -> Res<Value> {
        let mut value = Value::None;
        for part in parts {
            value = self.evaluate(part)?;
            if value.is_true() == wanted {
                break;
            }
        }
        Ok(value)
    }

    fn concat(&mut self, parts: &[Expr]) -> Res<Value> {
        let mut writer = Writer::default();
        for part in parts {
            let value = self.evaluate(part)?;
            show::show(&value, &mut writer, &mut self.budget)?;
        }
        Ok(Value::Text(writer.finish()))
    }

    fn comparisons(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) -> Res<Value> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(right)?;
            if !compare(*comparison, &left, &right, &mut self.budget)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// `a + b - c`. Texts are joined at once, to avoid quadratic copying.
    fn chain(&mut self, first: &Expr, rest: &[(Operator, Expr)]) -> Res<Value> {
        let mut value = self.evaluate(first)?;
        for (operator, right) in rest {
            let right = self.evaluate(right)?;
            value = arithmetic(*operator, &value, &right, &mut self.budget)?;
        }
        Ok(value)
    }

    pub fn post(&mut self, value: Value, post: &Post) -> Res<Value> {
        self.budget.spend(1)?;
        match post {
            Post::Attribute(name) => match &value {
                Value::Loop(state) => self.of_loop(state, &value, name),
                _ => attribute(&value, name),
            },
            Post::Item(key) => {
                let key = self.evaluate(key)?;
                match (&value, key.as_str()) {
                    (Value::Loop(state), Some(name)) => self.of_loop(state, &value, name),
                    _ => item(&value, &key, &mut self.budget),
                }
            }
            Post::Slice(bounds) => {
                let mut values = [None, None, None];
                for (value, bound) in values.iter_mut().zip(bounds.iter()) {
                    if let Some(bound) = bound {
                        *value = Some(self.evaluate(bound)?);
                    }
                }
                slice(&value, values, &mut self.budget)
            }
            Post::Call(args) => {
                let args = self.arguments(args)?;
                self.deeper(|machine| machine.call(&value, args))
            }
            Post::Filter(name, args) => {
                let args = self.arguments(args)?;
                filter(name, &value, args, &mut self.budget)
            }
            Post::Test(name, args, negated) => {
                let args = self.arguments(args)?;
                Ok(Value::Bool(check(name, &value, args, &mut self.budget)? != *negated))
            }
        }
    }

    pub fn arguments(&mut self, given: &CallArgs) -> Res<Args> {
        let mut args = Args { positional: self.all(&given.positional)?, named: Vec::with_capacity(given.named.len()) };
        for (name, value) in &given.named {
            args.named.push((name.clone(), self.evaluate(value)?));
        }
        if let Some(rest) = &given.rest {
            args.positional.extend(self.evaluate(rest)?.walk(&mut self.budget)?);
        }
        if let Some(rest) = &given.rest_named {
            let Value::Dict(rest) = self.evaluate(rest)? else { fail!("argument after ** must be a mapping") };
            self.budget.spend(rest.entries.len() as u64)?;
            for (key, value) in &rest.entries {
                let Some(name) = key.as_str() else { fail!("keywords must be strings") };
                args.named.push((name.into(), value.clone()));
            }
        }
        Ok(args)
    }

    /// The properties of a loop that need lookahead.
    fn of_loop(&mut self, state: &Rc<Loop>, value: &Value, name: &str) -> Res<Value> {
        match name {
            "last" => Ok(Value::Bool(self.peek(state)?.is_none())),
            "nextitem" => Ok(self.peek(state)?.unwrap_or_else(|| Value::undefined("there is no next item"))),
            "length" | "revindex" | "revindex0" => {
                let length = self.length_of(state)? as i128;
                let index0 = state.index0.get() as i128;
                Ok(Value::Int(match name {
                    "length" => length,
                    "revindex" => length - index0,
                    _ => length - index0 - 1,
                }))
            }
            _ => attribute(value, name),
        }
    }

    fn peek(&mut self, state: &Rc<Loop>) -> Res<Option<Value>> {
        let known = state.around.borrow()[2].clone();
        if known.is_some() {
            return Ok(known);
        }
        let next = self.look_ahead(state)?;
        state.around.borrow_mut()[2] = next.clone();
        Ok(next)
    }

    /// Number of items that pass the test, which tests all remaining items.
    fn length_of(&mut self, state: &Rc<Loop>) -> Res<usize> {
        if let Some(length) = state.length.get() {
            return Ok(length);
        }
        let at = state.next.get();
        let mut length = state.index0.get() + 1 + usize::from(state.around.borrow()[2].is_some());
        while self.look_ahead(state)?.is_some() {
            length += 1;
        }
        state.next.set(at);
        state.length.set(Some(length));
        Ok(length)
    }
}
