//! Values between a program and its scripts: whatever serde can write goes in, and comes back as the type that it was.

mod key;
mod read;
mod write;

use super::Fault;
use rhai::Dynamic;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// What a script gives or takes.
///
/// Rust values go in by [`Value::new`] and come out by [`Value::to`], through serde. A script has whole numbers of 64 bits and floats
/// of 64: an `f32` becomes such a float and is read back to the same bits; whole numbers beyond 64 bits are digits in a
/// text, which reads back as the number; keys of a map that are whole numbers are texts there too.
#[derive(Clone, Debug)]
pub struct Value(pub(super) Dynamic);

impl Value {
    /// Anything that serde can write: numbers, strings, lists, maps, structs, enums.
    pub fn new(value: impl Serialize) -> Result<Value, Fault> {
        value.serialize(write::Writer).map(Value).map_err(|error| Fault::plain(format!("value: {error}")))
    }

    /// Anything that serde can read from it; an error where the kinds don't fit. A whole number is a float too.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(read::Reader(&self.0)).map_err(|error| {
            let kind = std::any::type_name::<T>();
            Fault::plain(format!("value: {} is no {kind}: {error}", self.0.type_name()))
        })
    }

    /// The value of a type of levain's or of the host application's that it is.
    pub fn cast<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0.read_lock::<T>().map(|value| value.clone())
    }

    /// As Rhai has it.
    pub fn into_dynamic(self) -> Dynamic {
        self.0
    }
}

impl From<Dynamic> for Value {
    fn from(value: Dynamic) -> Value {
        Value(value)
    }
}

/// What does not fit, and where inside of the value.
#[derive(Debug)]
pub struct Unfit {
    what: String,
    /// The keys and places that lead there, the innermost first.
    path: Vec<String>,
}

impl Unfit {
    fn new(what: impl fmt::Display) -> Unfit {
        Unfit { what: what.to_string(), path: Vec::new() }
    }

    fn inside(mut self, place: impl fmt::Display) -> Unfit {
        self.path.push(place.to_string());
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        if place.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", place.join("."), self.what) }
    }
}

impl std::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(what: T) -> Unfit {
        Unfit::new(what)
    }
}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(what: T) -> Unfit {
        Unfit::new(what)
    }
}
