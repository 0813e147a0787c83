//! The arguments of a call, and binding them to parameters.

use super::budget::{Res, fail};
use super::value::Value;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Args {
    pub positional: Vec<Value>,
    pub named: Vec<(Arc<str>, Value)>,
}

impl Args {
    /// The given values by parameter name.
    pub fn bind<const N: usize>(self, who: &str, names: [&str; N]) -> Res<[Option<Value>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            fail!("{who}() takes at most {N} arguments ({} given)", self.positional.len());
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match names.iter().position(|known| **known == *name) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => fail!("{who}() got multiple values for argument '{name}'"),
                None => fail!("{who}() got an unexpected keyword argument '{name}'"),
            }
        }
        Ok(bound)
    }

    /// Takes a named argument.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.named.iter().position(|(known, _)| **known == *name)?;
        Some(self.named.remove(at).1)
    }

    /// Returns an error if there are any arguments.
    pub fn none(self, who: &str) -> Res<()> {
        self.bind::<0>(who, []).map(|_| ())
    }
}

/// A required value.
pub fn needed(who: &str, name: &str, value: Option<Value>) -> Res<Value> {
    match value {
        Some(value) => Ok(value),
        None => fail!("{who}() missing required argument: '{name}'"),
    }
}

/// An integer, or the default if not given.
pub fn int(who: &str, value: Option<Value>, otherwise: i128) -> Res<i128> {
    match value {
        None => Ok(otherwise),
        Some(value) => match value.defined()?.as_int() {
            Some(whole) => Ok(whole),
            None => fail!("{who}(): '{}' object cannot be interpreted as an integer", value.kind()),
        },
    }
}

pub fn truth(value: Option<Value>, otherwise: bool) -> bool {
    value.map_or(otherwise, |value| value.is_true())
}
