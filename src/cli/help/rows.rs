//! Lists of verbs.

use crate::script::registry::{Form, Function};

/// Each verb once, with its first signature and its first sentence.
pub fn rows<'a>(functions: impl Iterator<Item = &'a Function>) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for function in functions {
        let signature = function.signature();
        let call = signature.split(" -> ").next().unwrap_or_default().to_string();
        // operators of one sign are grouped, regardless of type
        let key = match function.form {
            Form::Operator => function.name.clone(),
            _ => format!("{} {}", function.name, function.params.first().map_or("", |(_, kind)| kind)),
        };
        match rows.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, summary)) if summary.is_empty() => *summary = function.summary().to_string(),
            Some(_) => {}
            None => rows.push((key, call, function.summary().to_string())),
        }
    }
    rows.into_iter().map(|(_, call, summary)| (call, summary.replace('\n', " "))).collect()
}
