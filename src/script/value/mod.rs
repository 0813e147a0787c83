//! Values between a program and its scripts: anything that implements `Serialize` goes in, and comes back as the same type.

mod key;
mod read;
mod write;

use super::Fault;
use rhai::Dynamic;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// An argument or a result of a script.
///
/// Rust values are converted by [`Value::new`] and [`Value::to`], through serde. A script has 64-bit integers and floats. An
/// `f32` becomes a float and is read back with the same bits; an integer beyond 64 bits becomes a string of digits, which is read
/// back as the number; integer keys of a map become strings.
#[derive(Clone, Debug)]
pub struct Value(pub(super) Dynamic);

impl Value {
    /// Converts anything that implements `Serialize`: numbers, strings, lists, maps, structs, enums.
    pub fn new(value: impl Serialize) -> Result<Value, Fault> {
        value.serialize(write::Writer).map(Value).map_err(|error| Fault::plain(format!("value: {error}")))
    }

    /// Converts to anything that implements `Deserialize`; an error if the types don't match. An integer also converts to a
    /// float.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(read::Reader(&self.0)).map_err(|error| {
            let kind = std::any::type_name::<T>();
            Fault::plain(format!("value: {} is no {kind}: {error}", self.0.type_name()))
        })
    }

    /// Returns the value if it has this type, of levain or of the host application.
    pub fn cast<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0.read_lock::<T>().map(|value| value.clone())
    }

    /// Returns the Rhai value.
    pub fn into_dynamic(self) -> Dynamic {
        self.0
    }
}

impl From<Dynamic> for Value {
    fn from(value: Dynamic) -> Value {
        Value(value)
    }
}

/// A value of the wrong type, and its place inside the whole value.
#[derive(Debug)]
pub struct Unfit {
    what: String,
    /// The keys and indices that lead there, innermost first.
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
