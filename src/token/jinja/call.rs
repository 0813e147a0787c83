//! Calls: macros, methods, and the global functions.

use super::args::{Args, int, needed};
use super::ast;
use super::budget::{Res, fail};
use super::calendar;
use super::machine::Machine;
use super::marked::{Source, Text};
use super::methods;
use super::show;
use super::value::{Callable, Closure, Dict, Loop, Namespace, Scope, Sequence, Value};
use std::cell::Cell;
use std::rc::Rc;

/// The maximum of `range`, as in Jinja's sandbox.
const RANGE: usize = 100_000;

const GLOBALS: &[&str] = &["cycler", "dict", "joiner", "namespace", "raise_exception", "range", "strftime_now"];

impl Machine<'_> {
    pub fn variable(&self, name: ast::Name) -> Value {
        if let Some(value) = self.scope.get(name) {
            return value;
        }
        let word = self.word(name);
        match GLOBALS.iter().find(|global| **global == word) {
            Some(global) => Value::Callable(Rc::new(Callable::Global(global))),
            None => Value::undefined(format!("'{word}' is undefined")),
        }
    }

    pub fn call(&mut self, called: &Value, args: Args) -> Res<Value> {
        match called.defined()? {
            Value::Callable(callable) => match &**callable {
                Callable::Macro(closure) => self.deeper_by(3, |machine| machine.call_macro(closure, args)),
                Callable::Method(value, name) => self.call_method(value, name, args),
                Callable::Global(name) => self.call_global(name, args),
                Callable::Joiner(between, used) => {
                    args.none("joiner")?;
                    Ok(if used.replace(true) { Value::Text(between.clone()) } else { Value::text("") })
                }
                Callable::Cycler(..) => fail!("'Cycler' object is not callable"),
            },
            Value::Loop(state) => {
                let [items] = args.bind("loop", ["iterable"])?;
                if !state.node.recursive {
                    fail!("The loop must have the 'recursive' marker to be called recursively.");
                }
                let items = needed("loop", "iterable", items)?;
                let (state, scope) = (state.clone(), state.scope.clone());
                let text = self.scoped(scope, |machine| {
                    machine.caught(|machine| machine.run_loop(&state.node, &items, state.level + 1))
                })?;
                Ok(Value::Text(text))
            }
            other => fail!("'{}' object is not callable", other.kind()),
        }
    }

    fn call_macro(&mut self, closure: &Rc<Closure>, mut args: Args) -> Res<Value> {
        let defined = closure.defined.clone();
        let scope = Scope::inside(&closure.scope);
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        for param in &defined.params {
            match positional.next() {
                Some(value) => scope.set(param.name, value),
                None => {
                    if let Some(value) = args.take(&param.word) {
                        scope.set(param.name, value);
                    }
                }
            }
        }
        let rest: Vec<Value> = positional.collect();
        let caller = args.take("caller");
        self.beyond(&defined, &scope, rest, args, caller)?;
        let loops = std::mem::take(&mut self.loops);
        let text = self.scoped(scope, |machine| {
            for param in &defined.params {
                let given = machine.scope.values.borrow().iter().any(|(name, _)| *name == param.name);
                if !given {
                    let value = match &param.default {
                        Some(default) => machine.evaluate(default)?,
                        None => Value::undefined(format!("parameter '{}' was not provided", param.word)),
                    };
                    machine.scope.set(param.name, value);
                }
            }
            machine.caught(|machine| machine.body(&defined.body))
        });
        self.loops = loops;
        text.map(Value::Text)
    }

    /// The arguments of a macro beyond its parameters.
    fn beyond(
        &mut self,
        defined: &ast::Macro,
        scope: &Scope,
        rest: Vec<Value>,
        args: Args,
        caller: Option<Value>,
    ) -> Res<()> {
        let name = &defined.name;
        match (defined.caller, caller) {
            (Some(place), Some(caller)) => scope.set(place, caller),
            (Some(place), None) => scope.set(place, Value::undefined("No caller defined")),
            (None, Some(_)) if defined.kwargs.is_none() => {
                fail!("macro '{name}' was invoked with two values for the special caller argument")
            }
            _ => {}
        }
        match defined.kwargs {
            Some(place) => {
                let named = args.named.into_iter().map(|(name, value)| (Value::text(&name), value)).collect();
                scope.set(place, Value::Dict(Rc::new(Dict::new(named, &mut self.budget)?)));
            }
            None => {
                if let Some((given, _)) = args.named.first() {
                    fail!("macro '{name}' takes no keyword argument '{given}'");
                }
            }
        }
        match defined.varargs {
            Some(place) => scope.set(place, Value::tuple(rest)?),
            None if !rest.is_empty() => {
                fail!("macro '{name}' takes not more than {} argument(s)", defined.params.len())
            }
            None => {}
        }
        Ok(())
    }

    fn call_method(&mut self, value: &Value, name: &str, args: Args) -> Res<Value> {
        match value {
            Value::Loop(state) => self.call_loop(state, name, args),
            Value::Callable(callable) => match &**callable {
                Callable::Cycler(values, at) => {
                    args.none(name)?;
                    if name == "reset" {
                        at.set(0);
                        return Ok(Value::None);
                    }
                    let now = at.get();
                    at.set((now + 1) % values.len().max(1));
                    Ok(values.get(now).cloned().unwrap_or(Value::None))
                }
                _ => {
                    let [keys, value] = args.bind("fromkeys", ["iterable", "value"])?;
                    let (keys, value) = (needed("fromkeys", "iterable", keys)?, value.unwrap_or(Value::None));
                    let pairs = keys.walk(&mut self.budget)?.into_iter().map(|key| (key, value.clone())).collect();
                    Ok(Value::Dict(Rc::new(Dict::new(pairs, &mut self.budget)?)))
                }
            },
            _ => methods::call(value, name, args, &mut self.budget),
        }
    }

    fn call_loop(&mut self, state: &Loop, name: &str, args: Args) -> Res<Value> {
        let values = args.positional;
        if name == "cycle" {
            if values.is_empty() {
                fail!("no items for cycling given");
            }
            return Ok(values[state.index0.get() % values.len()].clone());
        }
        let now = Value::tuple(values)?;
        let before = state.changed.replace(Some(now.clone()));
        Ok(Value::Bool(match before {
            Some(before) => !super::compare::equal(&before, &now, &mut self.budget)?,
            None => true,
        }))
    }

    fn call_global(&mut self, name: &str, args: Args) -> Res<Value> {
        match name {
            "range" => self.range(args),
            "dict" => {
                let pairs = self.pairs(args)?;
                Ok(Value::Dict(Rc::new(Dict::new(pairs, &mut self.budget)?)))
            }
            "namespace" => {
                let space = Namespace::default();
                for (key, value) in self.pairs(args)? {
                    match key {
                        Value::Text(key) => space.set(&key.shared(), value)?,
                        other => fail!("a name in a namespace is a text, not {}", other.kind()),
                    }
                }
                Ok(self.space(space))
            }
            "joiner" => {
                let [between] = args.bind(name, ["sep"])?;
                let between = match between {
                    Some(between) => show::text(&between, &mut self.budget)?,
                    None => Text::plain(", "),
                };
                Ok(Value::Callable(Rc::new(Callable::Joiner(between, Cell::new(false)))))
            }
            "cycler" => {
                if args.positional.is_empty() {
                    fail!("at least one item has to be provided");
                }
                super::value::deeper(&args.positional)?;
                Ok(Value::Callable(Rc::new(Callable::Cycler(args.positional, Cell::new(0)))))
            }
            "raise_exception" => {
                let [message] = args.bind(name, ["message"])?;
                let message = show::text(&needed(name, "message", message)?, &mut self.budget)?;
                fail!("{}", message.as_str())
            }
            _ => {
                let [format] = args.bind(name, ["format"])?;
                let format = show::text(&needed(name, "format", format)?, &mut self.budget)?;
                Ok(Value::Text(Text::new(calendar::date(format.as_str()), Source::default())))
            }
        }
    }

    /// The arguments of `dict(…)` and `namespace(…)`: a map or pairs, and named values.
    fn pairs(&mut self, args: Args) -> Res<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        match args.positional.as_slice() {
            [] => {}
            [Value::Dict(dict)] => {
                self.budget.spend(dict.entries.len() as u64)?;
                pairs.extend(dict.entries.iter().cloned());
            }
            [items] => {
                for pair in items.defined()?.walk(&mut self.budget)? {
                    match <[Value; 2]>::try_from(pair.walk(&mut self.budget)?) {
                        Ok([key, value]) => pairs.push((key, value)),
                        Err(_) => fail!("dictionary update sequence elements have 2 parts"),
                    }
                }
            }
            more => fail!("dict expected at most 1 argument, got {}", more.len()),
        }
        pairs.extend(args.named.into_iter().map(|(name, value)| (Value::text(&name), value)));
        Ok(pairs)
    }

    fn range(&mut self, args: Args) -> Res<Value> {
        let [first, second, step] = args.bind("range", ["start", "stop", "step"])?;
        let (start, stop) = match second {
            Some(stop) => (int("range", first, 0)?, int("range", Some(stop), 0)?),
            None => (0, int("range", Some(needed("range", "stop", first)?), 0)?),
        };
        let step = int("range", step, 1)?;
        if step == 0 {
            fail!("range() arg 3 must not be zero");
        }
        let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
        let (distance, size) = (u128::try_from(distance).unwrap_or(0), step.unsigned_abs());
        let length = usize::try_from(distance.div_ceil(size)).unwrap_or(usize::MAX);
        if length > RANGE {
            fail!("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({RANGE}).");
        }
        self.budget.spend(length as u64)?;
        Value::sequence(Sequence::Range, (0..length as i128).map(|at| Value::Int(start + at * step)).collect())
    }
}
