//! Parses statements of a template.

use super::ast::{Body, Expr, For, Macro, Name, Node, Param, Statement, Target};
use super::budget::{Fault, fail};
use super::lexer::{Kind, Token};
use std::collections::HashMap;
use std::sync::Arc;

/// Maximum nesting of tags and expressions.
const DEPTH: usize = 100;

pub type Res<T> = Result<T, Fault>;

/// Parses tokens to a tree.
pub struct Parser {
    tokens: Vec<Token>,
    at: usize,
    pub depth: usize,
    pub names: Vec<Arc<str>>,
    /// Whether there is a `{% generation %}`.
    pub generates: bool,
    known: HashMap<Arc<str>, Name>,
    /// The uses of `varargs`, `kwargs` and `caller` by the enclosing macros.
    asked: Vec<[Option<Name>; 3]>,
}

impl Parser {
    pub fn new(tokens: Vec<Token>) -> Parser {
        Parser {
            tokens,
            at: 0,
            depth: 0,
            names: Vec::new(),
            generates: false,
            known: HashMap::new(),
            asked: Vec::new(),
        }
    }

    pub fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    pub fn peek(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    pub fn peek_next(&self) -> &Kind {
        self.tokens.get(self.at + 1).map_or(&Kind::End, |token| &token.kind)
    }

    pub fn next(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.at += 1;
        kind
    }

    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Name(name) if name == word)
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Operator(found) if *found == sign)
    }

    pub fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub fn skip_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub fn expect_sign(&mut self, sign: &str) -> Res<()> {
        if self.skip_sign(sign) { Ok(()) } else { fail!("expected `{sign}`, got {}", self.shown()) }
    }

    pub fn expect_name(&mut self) -> Res<String> {
        match self.next() {
            Kind::Name(name) => Ok(name),
            _ => {
                self.at -= 1;
                fail!("expected a name, got {}", self.shown())
            }
        }
    }

    /// The next token, for an error.
    pub fn shown(&self) -> String {
        match self.peek() {
            Kind::Name(name) => format!("`{name}`"),
            Kind::Text(_) => "a string".into(),
            Kind::Int(_) | Kind::Float(_) => "a number".into(),
            Kind::Operator(sign) => format!("`{sign}`"),
            Kind::End => "the end of the template".into(),
            _ => "the end of the tag".into(),
        }
    }

    pub fn name(&mut self, word: &str) -> Name {
        let name = match self.known.get(word) {
            Some(name) => *name,
            None => {
                let (name, shared) = (self.names.len() as Name, Arc::<str>::from(word));
                self.names.push(shared.clone());
                self.known.insert(shared, name);
                name
            }
        };
        if let Some(which) = ["varargs", "kwargs", "caller"].iter().position(|special| *special == word) {
            self.asked.iter_mut().for_each(|asked| asked[which] = Some(name));
        }
        name
    }

    /// Runs `work` one level deeper.
    pub fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            fail!("more than {DEPTH} tags and parentheses are inside of one another");
        }
        let done = work(self);
        self.depth -= 1;
        done
    }

    /// The whole template.
    pub fn template(&mut self) -> Res<Body> {
        let body = self.body(&[])?;
        match self.peek() {
            Kind::End => Ok(body),
            _ => fail!("unexpected {}", self.shown()),
        }
    }

    /// Statements up to one of the tags in `ends`, which is not consumed.
    fn body(&mut self, ends: &[&str]) -> Res<Body> {
        let mut statements = Vec::new();
        loop {
            let line = self.line();
            let node = match self.next() {
                Kind::Data(words) => Node::Data(words.into()),
                Kind::VariableBegin => {
                    let printed = self.tuple(true)?;
                    if !matches!(self.peek(), Kind::VariableEnd) {
                        fail!("expected `}}}}`, got {}", self.shown());
                    }
                    self.at += 1;
                    Node::Print(printed)
                }
                Kind::BlockBegin => {
                    if ends.iter().any(|end| self.is_word(end)) {
                        return Ok(statements.into());
                    }
                    self.deeper(|parser| parser.statement(&mut statements, line))?;
                    continue;
                }
                Kind::End if ends.is_empty() => {
                    self.at -= 1;
                    return Ok(statements.into());
                }
                _ => {
                    self.at -= 1;
                    fail!("the template ends before `{{% {} %}}`", ends.join(" %}` or `{% "))
                }
            };
            statements.push(Statement { line, node });
        }
    }

    fn block_end(&mut self) -> Res<()> {
        match self.peek() {
            Kind::BlockEnd => {
                self.at += 1;
                Ok(())
            }
            _ => fail!("expected `%}}`, got {}", self.shown()),
        }
    }

    /// The body of a tag that begins here, with its end tag.
    fn block(&mut self, end: &str) -> Res<Body> {
        self.skip_sign(":");
        self.block_end()?;
        let body = self.body(&[end])?;
        self.at += 1;
        Ok(body)
    }

    fn statement(&mut self, statements: &mut Vec<Statement>, line: u32) -> Res<()> {
        let tag = self.expect_name()?;
        let node = match tag.as_str() {
            "if" => self.conditions()?,
            "for" => self.loop_()?,
            "set" => self.set()?,
            "macro" => {
                let word = self.expect_name()?;
                self.name(&word);
                Node::Macro(self.macro_(&word, "endmacro", |_| Ok(()))?.0)
            }
            "call" => {
                let (body, call) = self.macro_("caller", "endcall", Parser::expression)?;
                Node::Call(body, call)
            }
            "filter" => {
                let mut filters = Vec::new();
                self.filter(&mut filters)?;
                while self.skip_sign("|") {
                    self.filter(&mut filters)?;
                }
                Node::Filter(filters, self.block("endfilter")?)
            }
            "with" => self.with()?,
            "generation" => {
                self.generates = true;
                Node::Generation(self.block("endgeneration")?)
            }
            "break" => Node::Break,
            "continue" => Node::Continue,
            "print" => {
                while !matches!(self.peek(), Kind::BlockEnd) {
                    let printed = self.expression()?;
                    statements.push(Statement { line, node: Node::Print(printed) });
                    if !self.skip_sign(",") {
                        break;
                    }
                }
                return self.block_end();
            }
            "include" | "import" | "from" | "extends" | "block" | "autoescape" => {
                fail!("`{{% {tag} %}}` is not for chat templates, which are one file and plain text")
            }
            _ => fail!("unknown tag `{tag}`"),
        };
        statements.push(Statement { line, node });
        self.block_end()
    }

    fn conditions(&mut self) -> Res<Node> {
        let mut cases = Vec::new();
        loop {
            let condition = self.tuple(false)?;
            self.skip_sign(":");
            self.block_end()?;
            let body = self.body(&["elif", "else", "endif"])?;
            cases.push((condition, body));
            if self.skip_word("elif") {
                continue;
            }
            let otherwise = if self.skip_word("else") { self.block("endif")? } else { self.empty() };
            return Ok(Node::If(cases, otherwise));
        }
    }

    /// Returns no statements, and skips the tag that ends them.
    fn empty(&mut self) -> Body {
        self.at += 1;
        Arc::new([])
    }

    fn loop_(&mut self) -> Res<Node> {
        let target = self.target()?;
        if !self.skip_word("in") {
            fail!("expected `in`, got {}", self.shown());
        }
        let items = self.tuple(false)?;
        let test = if self.skip_word("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_word("recursive");
        self.skip_sign(":");
        self.block_end()?;
        let body = self.body(&["endfor", "else"])?;
        let otherwise = if self.skip_word("else") { self.block("endfor")? } else { self.empty() };
        Ok(Node::For(Arc::new(For { target, items, test, recursive, body, otherwise })))
    }

    fn set(&mut self) -> Res<Node> {
        let target = self.target()?;
        if self.skip_sign("=") {
            return Ok(Node::Set(target, self.tuple(true)?));
        }
        let mut filters = Vec::new();
        while self.skip_sign("|") {
            self.filter(&mut filters)?;
        }
        Ok(Node::SetBlock(target, filters, self.block("endset")?))
    }

    fn with(&mut self) -> Res<Node> {
        let mut values = Vec::new();
        while !matches!(self.peek(), Kind::BlockEnd) {
            if !values.is_empty() {
                self.expect_sign(",")?;
            }
            let target = self.one_target()?;
            self.expect_sign("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Node::With(values, self.block("endwith")?))
    }

    /// A name, an attribute of a namespace, or several of these.
    fn target(&mut self) -> Res<Target> {
        let first = self.one_target()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut targets = vec![first];
        while self.skip_sign(",") {
            if self.is_word("in") || self.is_sign("=") {
                break;
            }
            targets.push(self.one_target()?);
        }
        Ok(Target::Tuple(targets))
    }

    fn one_target(&mut self) -> Res<Target> {
        if self.skip_sign("(") {
            let inside = self.deeper(Parser::target)?;
            self.expect_sign(")")?;
            return Ok(inside);
        }
        let word = self.expect_name()?;
        if ["true", "false", "none", "True", "False", "None"].contains(&word.as_str()) {
            fail!("can't assign to `{word}`");
        }
        let name = self.name(&word);
        if self.skip_sign(".") {
            return Ok(Target::Attribute(name, self.expect_name()?.into()));
        }
        Ok(Target::Name(name))
    }

    /// The parameters and the body of a macro; `between` reads what is between them.
    fn macro_<T>(&mut self, word: &str, end: &str, between: impl FnOnce(&mut Self) -> Res<T>) -> Res<(Arc<Macro>, T)> {
        let mut params: Vec<Param> = Vec::new();
        if self.skip_sign("(") {
            while !self.is_sign(")") {
                if !params.is_empty() {
                    self.expect_sign(",")?;
                }
                let param = self.expect_name()?;
                let name = self.name(&param);
                if params.iter().any(|other| other.name == name) {
                    fail!("the parameter `{param}` is there twice");
                }
                let default = if self.skip_sign("=") { Some(self.expression()?) } else { None };
                if default.is_none() && params.last().is_some_and(|last| last.default.is_some()) {
                    fail!("the parameter `{param}` without a default stands behind one that has a default");
                }
                params.push(Param { name, word: param.into(), default });
            }
            self.expect_sign(")")?;
        } else if end == "endmacro" {
            fail!("expected `(`, got {}", self.shown());
        }
        let between = between(self)?;
        self.asked.push([None; 3]);
        let body = self.block(end)?;
        let asked = self.asked.pop().unwrap_or_default();
        let [varargs, kwargs, caller] =
            asked.map(|name| name.filter(|name| !params.iter().any(|param| param.name == *name)));
        Ok((Arc::new(Macro { name: word.into(), params, body, varargs, kwargs, caller }), between))
    }

    /// An expression or, with commas, a tuple of them.
    pub fn tuple(&mut self, conditional: bool) -> Res<Expr> {
        let mut parts = Vec::new();
        let mut commas = false;
        loop {
            if matches!(self.peek(), Kind::VariableEnd | Kind::BlockEnd)
                || self.is_sign(")")
                || self.is_word("recursive")
            {
                break;
            }
            parts.push(if conditional { self.expression()? } else { self.deeper(Parser::or)? });
            if !self.skip_sign(",") {
                break;
            }
            commas = true;
        }
        match parts.pop() {
            None => fail!("expected an expression, got {}", self.shown()),
            Some(one) if !commas => Ok(one),
            Some(last) => {
                parts.push(last);
                Ok(Expr::Tuple(parts))
            }
        }
    }
}
