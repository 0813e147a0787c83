//! Jinja for chat templates: the language of transformers' `apply_chat_template`, with its sandbox, `{% generation %}`, and
//! Python's semantics of values.
//!
//! It is a separate interpreter for two reasons. Each step is counted in advance, so that an untrusted template stays within
//! limits of time and memory; and each text tracks the message it comes from, so that the assistant's output is known without
//! searching.

mod args;
mod ast;
mod attribute;
mod budget;
mod calendar;
mod call;
mod checks;
mod compare;
mod escapes;
mod evaluate;
mod execute;
mod expression;
mod filters;
mod float;
mod format;
mod json;
mod layout;
mod letters;
mod lexer;
mod machine;
mod marked;
mod methods;
mod names;
mod number;
mod parser;
mod percent;
mod search;
mod sequences;
mod show;
mod value;

pub use budget::Fault;
pub use marked::{Part, Source, Text};

use ast::Body;
use budget::Budget;
use machine::Machine;
use parser::Parser;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use value::Value;

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    body: Body,
    names: Vec<Arc<str>>,
    /// Whether it marks the assistant's output itself.
    pub generates: bool,
}

/// The variables of a template.
pub struct Variables<'a> {
    pub messages: &'a [Json],
    pub add_generation_prompt: bool,
    /// All other variables.
    pub more: &'a Map<String, Json>,
}

/// A fault, and the line of the template.
pub type AtLine = (u32, Fault);

impl Template {
    pub fn parse(source: &str) -> Result<Template, AtLine> {
        let tokens = lexer::tokens(source).map_err(|(line, told)| (line, Fault::Told(told)))?;
        let mut parser = Parser::new(tokens);
        match parser.template() {
            Ok(_) if parser.names.len() > value::NAMES => {
                Err((1, Fault::Told(format!("it has more than {} names", value::NAMES))))
            }
            Ok(body) => Ok(Template { body, generates: parser.generates, names: parser.names }),
            Err(fault) => Err((parser.line(), fault)),
        }
    }

    /// The rendered text, in at most `steps` steps.
    pub fn render(&self, variables: &Variables, steps: u64) -> Result<Text, AtLine> {
        let mut machine = Machine::new(&self.names, Budget::new(steps));
        let done = given(&mut machine, variables).and_then(|()| {
            machine.body(&self.body)?;
            machine.budget.settle()
        });
        match done {
            Ok(()) => Ok(machine.finish()),
            Err(fault) => {
                let settled = machine.budget.settle();
                Err((machine.line, settled.err().unwrap_or(fault)))
            }
        }
    }
}

fn given(machine: &mut Machine, variables: &Variables) -> budget::Res<()> {
    let mut messages = Vec::with_capacity(variables.messages.len());
    for (number, message) in variables.messages.iter().enumerate() {
        if let Json::Object(fields) = message {
            messages.push(json::message(fields, number as u32, &mut machine.budget)?);
        }
    }
    machine.give("messages", Value::list(messages)?);
    machine.give("add_generation_prompt", Value::Bool(variables.add_generation_prompt));
    machine.give("tools", Value::None);
    machine.give("documents", Value::None);
    for (name, value) in variables.more {
        let value = json::from_json(value, Source::default(), &mut machine.budget)?;
        machine.give(name, value);
    }
    Ok(())
}
