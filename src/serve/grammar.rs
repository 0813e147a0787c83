//! Answers that match a JSON schema: llguidance determines the allowed tokens.

use crate::sync::unpoisoned;
use crate::token::Tokenizer;
use crate::{Error, Result};
use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};

/// Number of cached compiled grammars.
const KEPT: usize = 32;

/// The grammars of one vocabulary, each compiled once.
pub struct Grammars {
    factory: ParserFactory,
    vocab: usize,
    ends: BTreeSet<u32>,
    known: Mutex<VecDeque<(String, Constraint)>>,
}

/// The state of a text in its grammar.
#[derive(Clone)]
pub struct Constraint {
    /// Boxed: large, and most texts have none.
    matcher: Box<Matcher>,
    vocab: usize,
    ends: BTreeSet<u32>,
}

fn told(error: impl std::fmt::Display) -> Error {
    // the first line is the error; the rest is internal state of the grammar
    Error::new("response_format", error.to_string().lines().next().unwrap_or_default().to_string())
}

/// A schema with limited whitespace: otherwise a model may write spaces until its tokens are used up.
fn laid_out(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        let layout = json!({ "whitespace_flexible": true, "whitespace_pattern": "[ \\n]{0,16}" });
        schema.insert("x-guidance".into(), layout);
    }
    schema
}

impl Grammars {
    pub fn new(tok: &Tokenizer, ends: &BTreeSet<u32>, vocab: usize) -> Result<Grammars> {
        let mut words: Vec<Vec<u8>> = (0..vocab as u32)
            .map(|id| match tok.is_special(id) || ends.contains(&id) {
                // the marker keeps special tokens from matching text that merely spells them
                true => [&[TokTrie::SPECIAL_TOKEN_MARKER][..], &tok.token_bytes(id)].concat(),
                false => tok.token_bytes(id),
            })
            .collect();
        // the end of a text has an id of its own, since models have one, several or no EOS tokens
        words.push(b"\xff<end>".to_vec());
        let info = TokRxInfo::new(words.len() as u32, vocab as u32);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)));
        let mut factory = ParserFactory::new_simple(&env).map_err(told)?;
        factory.quiet();
        Ok(Grammars { factory, vocab, ends: ends.clone(), known: Mutex::default() })
    }

    /// The constraint to JSON texts that match a schema.
    pub fn json_schema(&self, schema: &Value) -> Result<Constraint> {
        self.compiled(format!("json {schema}"), || TopLevelGrammar::from_json_schema(laid_out(schema)))
    }

    /// The constraint to JSON texts that match a schema, between two fixed texts.
    pub fn json_between(&self, before: &str, schema: &Value, after: &str) -> Result<Constraint> {
        let (before, after) = (json!(before), json!(after));
        let grammar = format!("start: {before} inside {after}\ninside: %json {}\n", laid_out(schema));
        self.compiled(grammar.clone(), || TopLevelGrammar::from_lark(grammar))
    }

    fn compiled(&self, key: String, grammar: impl FnOnce() -> TopLevelGrammar) -> Result<Constraint> {
        if let Some((_, known)) = unpoisoned(self.known.lock()).iter().find(|(known, _)| *known == key) {
            return Ok(known.fresh());
        }
        let matcher = Matcher::new(self.factory.create_parser(grammar()));
        if let Some(error) = matcher.get_error() {
            return Err(told(error));
        }
        let made = Constraint { matcher: Box::new(matcher), vocab: self.vocab, ends: self.ends.clone() };
        let fresh = made.fresh();
        let mut known = unpoisoned(self.known.lock());
        known.push_back((key, made));
        if known.len() > KEPT {
            known.pop_front();
        }
        Ok(fresh)
    }
}

impl Constraint {
    fn fresh(&self) -> Constraint {
        Constraint { matcher: Box::new(self.matcher.deep_clone()), vocab: self.vocab, ends: self.ends.clone() }
    }

    /// Masks the logits of tokens that are not allowed next; false if only the end is allowed.
    pub fn narrow(&mut self, logits: &mut [f32]) -> Result<bool> {
        if self.matcher.is_stopped() {
            return Ok(false);
        }
        let mask = self.matcher.compute_mask().map_err(told)?;
        let may_end = mask.is_allowed(self.vocab as u32);
        let mut left = false;
        for (id, logit) in logits.iter_mut().enumerate() {
            let id = id as u32;
            let is_end = self.ends.contains(&id);
            let allowed = if is_end { may_end } else { mask.is_allowed(id) };
            left |= allowed && !is_end;
            if !allowed {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(left)
    }

    /// Advances by the chosen token.
    pub fn take(&mut self, id: u32) -> Result<()> {
        self.matcher.consume_token(id).map_err(told)
    }
}
