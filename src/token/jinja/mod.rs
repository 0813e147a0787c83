//! Jinja, as chat templates use it: the language of transformers' `apply_chat_template`, with its sandbox, `{% generation %}`,
//! and the meaning that Python gives to values.
//!
//! It is an interpreter of its own for two reasons. Each step is counted before it is done, so that a stranger's template
//! ends in time and within memory; and each text knows which message it comes from, so that what an assistant has to write
//! is known and not searched for.

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

/// A template that can be rendered.
#[derive(Debug)]
pub struct Template {
    body: Body,
    names: Vec<Arc<str>>,
    /// Whether it says itself what an assistant writes.
    pub generates: bool,
}

/// What a template works with.
pub struct Variables<'a> {
    pub messages: &'a [Json],
    pub add_generation_prompt: bool,
    /// All others.
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

    /// The text that it writes, in at most so many steps.
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
