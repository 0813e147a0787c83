//! The values of a template: Python's, as far as chat templates use them.
//!
//! Lists and maps are immutable, as in transformers' sandbox. Each knows its depth, which is at most [`DEPTH`]: functions that
//! walk or free them are recursive.

use super::ast;
use super::budget::{Budget, Fault, Res, fail};
use super::marked::Text;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// Maximum nesting of values.
const DEPTH: u16 = 200;
/// Maximum names in a namespace, and in a template: they are searched linearly.
pub const NAMES: usize = 500;

#[derive(Clone, Debug)]
pub enum Value {
    /// With the error message.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text),
    List(Sequence, Rc<List>),
    Dict(Rc<Dict>),
    /// The result of `map`, `select` and others, which can be iterated once.
    Generator(Rc<Generator>),
    Namespace(Rc<Namespace>),
    Callable(Rc<Callable>),
    Loop(Rc<Loop>),
}

/// Python's kinds of sequences, which differ in printing and comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    List,
    Tuple,
    Range,
    Keys,
    Values,
    Items,
}

#[derive(Debug, Default)]
pub struct List {
    pub items: Vec<Value>,
    depth: u16,
}

#[derive(Debug)]
pub struct Generator {
    pub items: RefCell<VecDeque<Value>>,
    depth: u16,
}

#[derive(Debug, Default)]
pub struct Dict {
    pub entries: Vec<(Value, Value)>,
    index: HashMap<Key, usize>,
    depth: u16,
    /// Its message in the conversation.
    pub message: Option<u32>,
}

/// The result of `namespace()`: the only mutable value.
#[derive(Debug, Default)]
pub struct Namespace(pub RefCell<Vec<(Arc<str>, Value)>>);

#[derive(Debug)]
pub enum Callable {
    /// `value.name`
    Method(Value, Arc<str>),
    Macro(Rc<Closure>),
    Global(&'static str),
    /// Writes its text at every call except the first.
    Joiner(Text, Cell<bool>),
    Cycler(Vec<Value>, Cell<usize>),
}

/// A macro, and its enclosing variables.
#[derive(Debug)]
pub struct Closure {
    pub defined: Arc<ast::Macro>,
    pub scope: Rc<Scope>,
}

/// The state of a loop, visible in the body of `for`.
#[derive(Debug)]
pub struct Loop {
    pub node: Arc<ast::For>,
    /// For a recursive loop.
    pub level: usize,
    pub depth: u16,
    pub items: Vec<Value>,
    /// The next of `items` to examine.
    pub next: Cell<usize>,
    pub index0: Cell<usize>,
    /// The previous item, the current one, and the next if already examined.
    pub around: RefCell<[Option<Value>; 3]>,
    /// Number of `items` that pass the test, once known.
    pub length: Cell<Option<usize>>,
    pub changed: RefCell<Option<Value>>,
    pub scope: Rc<Scope>,
}

/// A key of a map: equal numbers are equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Undefined,
    None,
    Int(i128),
    Float(u64),
    Text(Arc<str>),
    Tuple(Vec<Key>),
}

impl Value {
    pub fn text(words: &str) -> Value {
        Value::Text(Text::plain(words))
    }

    pub fn undefined(told: impl Into<Rc<str>>) -> Value {
        Value::Undefined(told.into())
    }

    pub fn sequence(kind: Sequence, items: Vec<Value>) -> Res<Value> {
        let depth = deeper(&items)?;
        Ok(Value::List(kind, Rc::new(List { items, depth })))
    }

    pub fn list(items: Vec<Value>) -> Res<Value> {
        Value::sequence(Sequence::List, items)
    }

    pub fn tuple(items: Vec<Value>) -> Res<Value> {
        Value::sequence(Sequence::Tuple, items)
    }

    pub fn generator(items: Vec<Value>) -> Res<Value> {
        let depth = deeper(&items)?;
        Ok(Value::Generator(Rc::new(Generator { items: RefCell::new(items.into()), depth })))
    }

    pub fn method(self, name: &str) -> Res<Value> {
        deeper([&self])?;
        Ok(Value::Callable(Rc::new(Callable::Method(self, name.into()))))
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined(_))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// An integer; in Python `True` is 1.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(value) => Some(*value),
            Value::Bool(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Float(value) => Some(*value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    pub fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(_, list) => !list.items.is_empty(),
            Value::Dict(dict) => !dict.entries.is_empty(),
            _ => true,
        }
    }

    fn depth(&self) -> u16 {
        match self {
            Value::List(_, list) => list.depth,
            Value::Dict(dict) => dict.depth,
            Value::Generator(generator) => generator.depth,
            Value::Loop(of) => of.depth,
            Value::Callable(callable) => match &**callable {
                Callable::Method(value, _) => value.depth() + 1,
                Callable::Cycler(values, _) => values.iter().map(Value::depth).max().unwrap_or(0) + 1,
                _ => 0,
            },
            // a namespace is freed by the code that runs the template
            _ => 0,
        }
    }

    /// The type by its name in Python.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List(Sequence::List, _) => "list",
            Value::List(Sequence::Tuple, _) => "tuple",
            Value::List(Sequence::Range, _) => "range",
            Value::List(Sequence::Keys, _) => "dict_keys",
            Value::List(Sequence::Values, _) => "dict_values",
            Value::List(Sequence::Items, _) => "dict_items",
            Value::Dict(_) => "dict",
            Value::Generator(_) => "generator",
            Value::Namespace(_) => "TemplateNamespace",
            Value::Callable(callable) => match **callable {
                Callable::Macro(_) => "Macro",
                Callable::Joiner(..) => "Joiner",
                Callable::Cycler(..) => "Cycler",
                _ => "method",
            },
            Value::Loop(_) => "LoopContext",
        }
    }

    /// Its elements, as iterated by `for`. A generator is consumed.
    pub fn walk(&self, budget: &mut Budget) -> Res<Vec<Value>> {
        let items: Vec<Value> = match self {
            Value::Undefined(_) => Vec::new(),
            Value::Text(text) => {
                budget.spend(text.len() as u64)?;
                letters(text)
            }
            Value::List(_, list) => {
                budget.spend(list.items.len() as u64)?;
                list.items.clone()
            }
            Value::Dict(dict) => {
                budget.spend(dict.entries.len() as u64)?;
                dict.entries.iter().map(|entry| entry.0.clone()).collect()
            }
            Value::Generator(generator) => {
                let items = generator.items.take();
                budget.spend(items.len() as u64)?;
                items.into()
            }
            other => fail!("'{}' object is not iterable", other.kind()),
        };
        Ok(items)
    }

    /// Returns a fault if it is undefined.
    pub fn defined(&self) -> Res<&Value> {
        match self {
            Value::Undefined(told) => fail!("{told}"),
            _ => Ok(self),
        }
    }
}

/// Its characters, each as a text.
fn letters(text: &Text) -> Vec<Value> {
    let letter = |(at, letter): (usize, char)| Value::Text(text.slice(at..at + letter.len_utf8()));
    text.as_str().char_indices().map(letter).collect()
}

/// The depth of a container of these values.
pub fn deeper<'a>(values: impl IntoIterator<Item = &'a Value>) -> Res<u16> {
    let depth = values.into_iter().map(Value::depth).max().unwrap_or(0) + 1;
    if depth > DEPTH {
        fail!("more than {DEPTH} lists and maps are inside of one another");
    }
    Ok(depth)
}

impl Dict {
    /// Later entries replace earlier ones with the same key.
    pub fn new(pairs: Vec<(Value, Value)>, budget: &mut Budget) -> Res<Dict> {
        budget.spend(2 * pairs.len() as u64)?;
        let depth = deeper(pairs.iter().flat_map(|(key, value)| [key, value]))?;
        let mut dict = Dict { entries: Vec::with_capacity(pairs.len()), depth, ..Dict::default() };
        for (key, value) in pairs {
            let place = Key::of(&key, budget)?;
            match dict.index.get(&place) {
                Some(at) => dict.entries[*at].1 = value,
                None => {
                    dict.index.insert(place, dict.entries.len());
                    dict.entries.push((key, value));
                }
            }
        }
        Ok(dict)
    }

    pub fn get(&self, key: &Value, budget: &mut Budget) -> Res<Option<&Value>> {
        // a value that can't be a key is not found
        let place = match Key::of(key, budget) {
            Err(Fault::Told(_)) => return Ok(None),
            place => place?,
        };
        Ok(self.index.get(&place).map(|at| &self.entries[*at].1))
    }

    /// The value of a text key.
    pub fn word(&self, word: &str) -> Option<&Value> {
        let entry = |entry: &&(Value, Value)| entry.0.as_str() == Some(word);
        if self.entries.len() > 8 {
            return self.index.get(&Key::Text(word.into())).map(|at| &self.entries[*at].1);
        }
        self.entries.iter().find(entry).map(|entry| &entry.1)
    }
}

impl Key {
    pub fn of(value: &Value, budget: &mut Budget) -> Res<Key> {
        budget.spend(1)?;
        Ok(match value {
            Value::Undefined(_) => Key::Undefined,
            Value::None => Key::None,
            Value::Bool(value) => Key::Int(i128::from(*value)),
            Value::Int(value) => Key::Int(*value),
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e30 => Key::Int(*value as i128),
            Value::Float(value) => Key::Float(value.to_bits()),
            Value::Text(text) => {
                budget.spend(text.len() as u64 / 256)?;
                Key::Text(text.shared())
            }
            Value::List(Sequence::Tuple, list) => {
                Key::Tuple(list.items.iter().map(|item| Key::of(item, budget)).collect::<Res<_>>()?)
            }
            other => fail!("unhashable type: '{}'", other.kind()),
        })
    }
}

impl Namespace {
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.borrow().iter().find(|(known, _)| **known == *name).map(|(_, value)| value.clone())
    }

    pub fn set(&self, name: &Arc<str>, value: Value) -> Res<()> {
        if name.starts_with('_') {
            fail!("a namespace can't hold `{name}`: names that begin with an underscore are not allowed");
        }
        let mut values = self.0.borrow_mut();
        let full = values.len() >= NAMES;
        match values.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = value,
            None if full => fail!("a namespace of more than {NAMES} names"),
            None => values.push((name.clone(), value)),
        }
        Ok(())
    }
}

/// The variables of a template body, nested in the enclosing ones.
#[derive(Debug, Default)]
pub struct Scope {
    pub values: RefCell<Vec<(ast::Name, Value)>>,
    pub around: Option<Rc<Scope>>,
}

impl Scope {
    pub fn inside(around: &Rc<Scope>) -> Rc<Scope> {
        Rc::new(Scope { values: RefCell::default(), around: Some(around.clone()) })
    }

    pub fn get(&self, name: ast::Name) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some((_, value)) = scope.values.borrow().iter().find(|(known, _)| *known == name) {
                return Some(value.clone());
            }
            scope = scope.around.as_deref()?;
        }
    }

    pub fn set(&self, name: ast::Name, value: Value) {
        let mut values = self.values.borrow_mut();
        match values.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => values.push((name, value)),
        }
    }
}
