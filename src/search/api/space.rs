//! Search spaces from scripts, and conversion of their values.

use super::WHO;
use crate::script::prelude::*;
use crate::search::{Domain, Param, Space};

/// A search space from a script: a map of maps, with the values of the choices.
pub struct Given {
    pub space: Space,
    choices: Vec<List>,
}

pub fn number(map: &Map, key: &str) -> Res<f64> {
    let value = map.get(key).cloned().unwrap_or_default();
    match as_number(&value) {
        Some(number) => Ok(number),
        None => bail!(WHO, "`{key}` of a range is a number, not {}", type_in_words(&value)),
    }
}

impl Given {
    pub fn read(space: &Map) -> Res<Given> {
        if space.is_empty() {
            bail!(WHO, "the space has no parameters");
        }
        let mut given = Given { space: Space(Vec::new()), choices: Vec::new() };
        let mut named: Vec<(String, Map)> = Vec::new();
        for (name, param) in space {
            match param.clone().try_cast::<Map>().filter(|param| param.contains_key("kind")) {
                Some(param) => named.push((name.to_string(), param)),
                None => {
                    let what = format!("`{name}` is {}, and not a range", type_in_words(param));
                    let help = "make one with search::float, search::int or search::choice; what is always the same is no parameter";
                    return Err(Error::new(WHO, what).help(help).into());
                }
            }
        }
        named.sort_by_key(|(_, param)| param.contains_key("when"));
        for (name, param) in named {
            given.add(name, &param)?;
        }
        Ok(given)
    }

    fn add(&mut self, name: String, param: &Map) -> Res<()> {
        let flag = |key: &str| param.get(key).is_some_and(|value| value.as_bool() == Ok(true));
        let of: List = param.get("of").cloned().and_then(Dynamic::try_cast).unwrap_or_default();
        let domain = match param.get("kind").map(Dynamic::to_string).as_deref() {
            Some("choice") if of.len() < 2 => bail!(WHO, "`{name}` is a choice of {}", of.len()),
            Some("choice") => Domain::Choice { count: of.len() },
            _ => Domain::Number {
                low: number(param, "low")?,
                high: number(param, "high")?,
                log: flag("log"),
                whole: flag("whole"),
            },
        };
        domain.check(&name).map_err(|error| error.attributed_to(WHO))?;
        let when = match param.get("when").cloned().and_then(Dynamic::try_cast::<List>) {
            Some(when) => Some(self.condition(&name, &when)?),
            None => None,
        };
        self.space.0.push(Param { name, domain, when });
        self.choices.push(of);
        Ok(())
    }

    fn condition(&self, name: &str, when: &List) -> Res<(usize, usize)> {
        let [of, value] = &when[..] else { bail!(WHO, "`{name}` has a condition that is no name with a value") };
        let of = of.to_string();
        let Some(at) = self.space.0.iter().position(|param| param.name == of) else {
            bail!(WHO, "`{name}` depends on `{of}`, which the space has not got without a condition of its own");
        };
        match self.choice(at, value) {
            Some(choice) => Ok((at, choice)),
            None => bail!(WHO, "`{name}` depends on `{of}` being {value}, which is none of its choices"),
        }
    }

    /// The index of a choice.
    fn choice(&self, at: usize, value: &Dynamic) -> Option<usize> {
        let text = value.to_string();
        self.choices[at].iter().position(|own| own.to_string() == text)
    }

    pub fn params(&self, values: &[Option<f64>]) -> Map {
        let mut map = Map::new();
        for ((param, choices), value) in self.space.0.iter().zip(&self.choices).zip(values) {
            let Some(value) = *value else { continue };
            let value = match param.domain {
                Domain::Choice { .. } => choices[value as usize].clone(),
                Domain::Number { whole: true, .. } => (value as INT).into(),
                Domain::Number { .. } => value.into(),
            };
            map.insert(param.name.as_str().into(), value);
        }
        map
    }

    pub fn values(&self, params: &Map) -> Res<Vec<Option<f64>>> {
        let mut values = Vec::new();
        for (at, param) in self.space.0.iter().enumerate() {
            let there = self.space.is_there(at, &values);
            values.push(match params.get(param.name.as_str()) {
                Some(value) if there => Some(self.value(at, value)?),
                None if there => bail!(WHO, "a known trial lacks `{}`", param.name),
                _ => None,
            });
        }
        Ok(values)
    }

    fn value(&self, at: usize, value: &Dynamic) -> Res<f64> {
        let param = &self.space.0[at];
        let number = match param.domain {
            Domain::Choice { .. } => self.choice(at, value).map(|choice| choice as f64),
            Domain::Number { low, high, .. } => {
                let number = as_number(value);
                number.filter(|number| (low..=high).contains(number))
            }
        };
        match number {
            Some(number) => Ok(number),
            None => bail!(WHO, "`{}` is {value}, which the space has not got", param.name),
        }
    }
}
