//! The state of a rendering: variables, output, and position in the template.

use super::ast::{Body, Name, Target};
use super::budget::{Budget, Res, fail};
use super::marked::{Source, Text, Writer};
use super::value::{Namespace, Scope, Value};
use std::rc::Rc;
use std::sync::Arc;

/// Maximum nesting of bodies, expressions and macros, for which threads with small stacks have room.
const DEPTH: usize = 400;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Next,
    Break,
    Continue,
}

pub struct Machine<'a> {
    pub names: &'a [Arc<str>],
    pub budget: Budget,
    pub scope: Rc<Scope>,
    /// The current line of the template.
    pub line: u32,
    /// The output, and captures by the enclosing `{% set %}…{% endset %}` and macros.
    writers: Vec<Writer>,
    depth: usize,
    /// Number of enclosing loops.
    pub loops: usize,
    /// Scopes held by macros, and namespaces: both can contain themselves, and are cleared at the end.
    held: Vec<Rc<Scope>>,
    spaces: Vec<Rc<Namespace>>,
}

impl<'a> Machine<'a> {
    pub fn new(names: &'a [Arc<str>], budget: Budget) -> Machine<'a> {
        Machine {
            names,
            budget,
            scope: Rc::default(),
            line: 1,
            writers: vec![Writer::default()],
            depth: 0,
            loops: 0,
            held: Vec::new(),
            spaces: Vec::new(),
        }
    }

    /// Sets a variable, if the template uses it.
    pub fn give(&mut self, word: &str, value: Value) {
        if let Some(name) = self.names.iter().position(|known| **known == *word) {
            self.scope.set(name as Name, value);
        }
    }

    /// The complete output.
    pub fn finish(&mut self) -> Text {
        self.writers.drain(..).next().map_or_else(|| Text::plain(""), Writer::finish)
    }

    pub fn word(&self, name: Name) -> &str {
        self.names.get(name as usize).map_or("", |word| word)
    }

    /// Runs `work` one level deeper.
    pub fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.deeper_by(1, work)
    }

    /// Runs `work` deeper by its use of the stack: a macro call uses as much as several bodies.
    pub fn deeper_by<T>(&mut self, levels: usize, work: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.depth + levels > DEPTH {
            fail!("maximum recursion depth exceeded");
        }
        self.depth += levels;
        let done = work(self);
        self.depth -= levels;
        done
    }

    /// Runs `work` with its own variables.
    pub fn scoped<T>(&mut self, scope: Rc<Scope>, work: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        let before = std::mem::replace(&mut self.scope, scope);
        let done = self.deeper(work);
        self.scope = before;
        done
    }

    pub fn inside(&self) -> Rc<Scope> {
        Scope::inside(&self.scope)
    }

    /// The position of the template.
    pub fn place(&self) -> Source {
        self.writers.last().map_or_else(Source::default, |writer| writer.place)
    }

    /// Runs `work` at another position.
    pub fn placed<T>(&mut self, place: Source, work: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        let before = self.place();
        self.move_to(place);
        let done = work(self);
        self.move_to(before);
        done
    }

    pub fn move_to(&mut self, place: Source) {
        if let Some(writer) = self.writers.last_mut() {
            writer.place = place;
        }
    }

    /// Writes text of the template itself.
    pub fn write(&mut self, words: &str) -> Res<()> {
        self.budget.spend_bytes(words.len())?;
        if let Some(writer) = self.writers.last_mut() {
            writer.push(words);
        }
        Ok(())
    }

    pub fn write_text(&mut self, text: &Text) -> Res<()> {
        self.budget.spend_bytes(text.len())?;
        if let Some(writer) = self.writers.last_mut() {
            writer.push_text(text);
        }
        Ok(())
    }

    /// The output of `work`, as a text.
    pub fn caught(&mut self, work: impl FnOnce(&mut Self) -> Res<Flow>) -> Res<Text> {
        let level = self.writers.len();
        self.writers.push(Writer::at(self.place()));
        let done = work(self);
        let caught = self.writers.drain(level..).next().map_or_else(|| Text::plain(""), Writer::finish);
        done.map(|_| caught)
    }

    /// Keeps a scope until the end, because a macro holds it.
    pub fn hold(&mut self) -> Rc<Scope> {
        if !self.held.last().is_some_and(|held| Rc::ptr_eq(held, &self.scope)) {
            self.held.push(self.scope.clone());
        }
        self.scope.clone()
    }

    pub fn space(&mut self, space: Namespace) -> Value {
        let space = Rc::new(space);
        self.spaces.push(space.clone());
        Value::Namespace(space)
    }

    /// Assigns a value to a variable, or its parts to several.
    pub fn assign(&mut self, target: &Target, value: Value) -> Res<()> {
        match target {
            Target::Name(name) => {
                self.scope.set(*name, value);
                Ok(())
            }
            Target::Attribute(name, attribute) => match self.scope.get(*name) {
                Some(Value::Namespace(space)) => space.set(attribute, value),
                _ => fail!("cannot assign attribute on non-namespace object"),
            },
            Target::Tuple(targets) => {
                let parts = value.walk(&mut self.budget)?;
                match (parts.len(), targets.len()) {
                    (given, wanted) if given < wanted => {
                        fail!("not enough values to unpack (expected {wanted}, got {given})")
                    }
                    (given, wanted) if given > wanted => fail!("too many values to unpack (expected {wanted})"),
                    _ => targets.iter().zip(parts).try_for_each(|(target, part)| self.assign(target, part)),
                }
            }
        }
    }

    /// The output of a body, with its own variables.
    pub fn caught_body(&mut self, body: &Body) -> Res<Text> {
        let inside = self.inside();
        self.scoped(inside, |machine| machine.caught(|machine| machine.body(body)))
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        for scope in self.held.drain(..) {
            scope.values.take();
        }
        for space in &self.spaces {
            space.0.take();
        }
    }
}
