//! Executes statements.

use super::ast::{Body, Expr, For, Node, Post, Statement};
use super::budget::{Res, fail};
use super::machine::{Flow, Machine};
use super::marked::{Source, Text};
use super::show;
use super::value::{Closure, Loop, Scope, Value, deeper};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

impl Machine<'_> {
    pub fn body(&mut self, body: &Body) -> Res<Flow> {
        for statement in body.iter() {
            let flow = self.statement(statement)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Res<Flow> {
        self.budget.spend(1)?;
        self.line = statement.line;
        match &statement.node {
            Node::Data(words) => self.write(words)?,
            Node::Print(expr) => {
                let value = self.evaluate(expr)?;
                let text = show::text(&value, &mut self.budget)?;
                self.write_text(&text)?;
            }
            Node::If(cases, otherwise) => {
                for (condition, body) in cases {
                    if self.evaluate(condition)?.is_true() {
                        return self.deeper(|machine| machine.body(body));
                    }
                }
                return self.deeper(|machine| machine.body(otherwise));
            }
            Node::For(node) => return self.for_each(node),
            Node::Set(target, expr) => {
                let value = self.evaluate(expr)?;
                self.look(&value);
                self.assign(target, value)?;
            }
            Node::SetBlock(target, filters, body) => {
                let text = self.caught_body(body)?;
                let value = self.filtered(text, filters)?;
                self.assign(target, value)?;
            }
            Node::Filter(filters, body) => {
                let text = self.caught_body(body)?;
                let value = self.filtered(text, filters)?;
                let text = show::text(&value, &mut self.budget)?;
                self.write_text(&text)?;
            }
            Node::Macro(defined) => {
                let closure = Closure { defined: defined.clone(), scope: self.hold() };
                let value = Value::Callable(Rc::new(super::value::Callable::Macro(Rc::new(closure))));
                if let Some(name) = self.names.iter().position(|known| *known == defined.name) {
                    self.scope.set(name as u32, value);
                }
            }
            Node::Call(caller, call) => self.call_block(caller, call)?,
            Node::With(values, body) => return self.with(values, body),
            Node::Generation(body) => {
                let place = Source { generated: true, ..self.place() };
                let inside = self.inside();
                self.placed(place, |machine| machine.scoped(inside, |machine| machine.body(body)))?;
            }
            Node::Break | Node::Continue if self.loops == 0 => fail!("`break` and `continue` stand in a loop"),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// If a loop iterates over something other than messages, a variable may determine the current message.
    fn look(&mut self, value: &Value) {
        if let Value::Dict(dict) = value
            && dict.message.is_some()
            && self.loops > 0
            && self.place().turn.is_none()
        {
            self.move_to(Source { turn: dict.message, ..self.place() });
        }
    }

    fn filtered(&mut self, text: Text, filters: &[Post]) -> Res<Value> {
        let mut value = Value::Text(text);
        for filter in filters {
            value = self.post(value, filter)?;
        }
        Ok(value)
    }

    fn with(&mut self, values: &[(super::ast::Target, Expr)], body: &Body) -> Res<Flow> {
        let mut given = Vec::with_capacity(values.len());
        for (target, expr) in values {
            given.push((target, self.evaluate(expr)?));
        }
        let inside = self.inside();
        self.scoped(inside, |machine| {
            for (target, value) in given {
                machine.assign(target, value)?;
            }
            machine.body(body)
        })
    }

    fn call_block(&mut self, caller: &Arc<super::ast::Macro>, call: &Expr) -> Res<()> {
        let Expr::Postfix(base, posts) = call else { fail!("`{{% call %}}` needs a call") };
        let Some((Post::Call(args), before)) = posts.split_last() else { fail!("`{{% call %}}` needs a call") };
        let mut called = self.evaluate(base)?;
        for post in before {
            called = self.post(called, post)?;
        }
        let mut args = self.arguments(args)?;
        let closure = Closure { defined: caller.clone(), scope: self.hold() };
        let caller = Value::Callable(Rc::new(super::value::Callable::Macro(Rc::new(closure))));
        args.named.push(("caller".into(), caller));
        let value = self.call(&called, args)?;
        let text = show::text(&value, &mut self.budget)?;
        self.write_text(&text)
    }

    fn for_each(&mut self, node: &Arc<For>) -> Res<Flow> {
        let items = self.evaluate(&node.items)?;
        self.run_loop(node, &items, 0)
    }

    /// Runs the body for each item that passes the test; `level` is the depth of a recursive loop.
    pub fn run_loop(&mut self, node: &Arc<For>, items: &Value, level: usize) -> Res<Flow> {
        let items = items.walk(&mut self.budget)?;
        let state = Rc::new(Loop {
            node: node.clone(),
            level,
            depth: deeper(&items)?,
            length: Cell::new(node.test.is_none().then_some(items.len())),
            items,
            next: Cell::new(0),
            index0: Cell::new(0),
            around: RefCell::new([None, None, None]),
            changed: RefCell::new(None),
            scope: self.scope.clone(),
        });
        let name = self.names.iter().position(|known| **known == *"loop");
        let place = self.place();
        let mut turned = 0;
        self.loops += 1;
        let mut flow = Flow::Next;
        while let Some(item) = self.next_item(&state)? {
            self.budget.spend(1)?;
            state.index0.set(turned);
            turned += 1;
            if let Value::Dict(dict) = &item
                && dict.message.is_some()
            {
                self.move_to(Source { turn: dict.message, ..place });
            }
            let inside = self.inside();
            flow = self.scoped(inside, |machine| {
                machine.assign(&node.target, item)?;
                if let Some(name) = name {
                    machine.scope.set(name as u32, Value::Loop(state.clone()));
                }
                machine.body(&node.body)
            })?;
            self.move_to(place);
            if flow == Flow::Break {
                break;
            }
        }
        self.loops -= 1;
        if turned == 0 && flow == Flow::Next {
            return self.deeper(|machine| machine.body(&node.otherwise));
        }
        Ok(Flow::Next)
    }

    /// Advances a loop to its next item.
    fn next_item(&mut self, state: &Rc<Loop>) -> Res<Option<Value>> {
        let next = match state.around.borrow_mut()[2].take() {
            Some(known) => Some(known),
            None => self.look_ahead(state)?,
        };
        if let Some(item) = &next {
            let mut around = state.around.borrow_mut();
            around[0] = around[1].replace(item.clone());
        }
        Ok(next)
    }

    /// The next item of a loop that passes its test.
    pub fn look_ahead(&mut self, state: &Rc<Loop>) -> Res<Option<Value>> {
        while let Some(item) = state.items.get(state.next.get()) {
            state.next.set(state.next.get() + 1);
            let Some(test) = &state.node.test else { return Ok(Some(item.clone())) };
            self.budget.spend(1)?;
            let inside = Scope::inside(&state.scope);
            let passes = self.scoped(inside, |machine| {
                machine.assign(&state.node.target, item.clone())?;
                machine.evaluate(test)
            })?;
            if passes.is_true() {
                return Ok(Some(item.clone()));
            }
        }
        Ok(None)
    }
}
