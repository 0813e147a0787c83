//! Parses expressions of a template.

use super::ast::{CallArgs, Comparison, Expr, Operator, Post};
use super::budget::fail;
use super::lexer::Kind;
use super::parser::{Parser, Res};

const SUM: &[(&str, Operator)] = &[("+", Operator::Add), ("-", Operator::Subtract)];
const PRODUCT: &[(&str, Operator)] =
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("//", Operator::FloorDivide), ("%", Operator::Modulo)];
const POWER: &[(&str, Operator)] = &[("**", Operator::Power)];

impl Parser {
    pub fn expression(&mut self) -> Res<Expr> {
        self.deeper(Parser::conditional)
    }

    /// `a if b else c`
    fn conditional(&mut self) -> Res<Expr> {
        let mut value = self.or()?;
        let mut conditions = 0;
        while self.skip_word("if") {
            let condition = self.or()?;
            let otherwise = if self.skip_word("else") { self.expression()? } else { Expr::Undefined };
            value = Expr::If(Box::new([condition, value, otherwise]));
            // each is nested inside the next
            conditions += 1;
            if conditions > 20 {
                fail!("too many conditions stand behind one another");
            }
        }
        Ok(value)
    }

    pub fn or(&mut self) -> Res<Expr> {
        let mut parts = vec![self.and()?];
        while self.skip_word("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Res<Expr> {
        let mut parts = vec![self.not()?];
        while self.skip_word("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Res<Expr> {
        if self.skip_word("not") {
            return Ok(Expr::Not(Box::new(self.deeper(Parser::not)?)));
        }
        self.compare()
    }

    fn compare(&mut self) -> Res<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison() {
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let signs = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<", Comparison::Less),
            ("<=", Comparison::LessEqual),
            (">", Comparison::Greater),
            (">=", Comparison::GreaterEqual),
        ];
        if let Some((_, comparison)) = signs.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.next();
            return Some(*comparison);
        }
        if self.skip_word("in") {
            return Some(Comparison::In);
        }
        if self.is_word("not") && matches!(self.peek_next(), Kind::Name(word) if word == "in") {
            self.next();
            self.next();
            return Some(Comparison::NotIn);
        }
        None
    }

    fn sum(&mut self) -> Res<Expr> {
        self.chain(SUM, Parser::concat)
    }

    fn concat(&mut self) -> Res<Expr> {
        let mut parts = vec![self.product()?];
        while self.skip_sign("~") {
            parts.push(self.product()?);
        }
        Ok(one_or(parts, Expr::Concat))
    }

    fn product(&mut self) -> Res<Expr> {
        self.chain(PRODUCT, Parser::power)
    }

    fn power(&mut self) -> Res<Expr> {
        self.chain(POWER, |parser| parser.unary(true))
    }

    fn chain(&mut self, signs: &[(&str, Operator)], part: impl Fn(&mut Self) -> Res<Expr>) -> Res<Expr> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.next();
            rest.push((*operator, part(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Arithmetic(Box::new(first), rest) })
    }

    /// A sign binds tighter than a filter, and looser than `.` and `[]`.
    fn unary(&mut self, filters: bool) -> Res<Expr> {
        let (base, posts) = if self.skip_sign("-") {
            (Expr::Minus(Box::new(self.deeper(|parser| parser.unary(false))?)), Vec::new())
        } else if self.skip_sign("+") {
            (Expr::Plus(Box::new(self.deeper(|parser| parser.unary(false))?)), Vec::new())
        } else {
            (self.primary()?, Vec::new())
        };
        self.posts(base, posts, filters)
    }

    fn posts(&mut self, base: Expr, mut posts: Vec<Post>, filters: bool) -> Res<Expr> {
        loop {
            if self.is_sign("(") {
                posts.push(Post::Call(self.arguments()?));
            } else if self.is_sign(".") || self.is_sign("[") {
                // not after a filter
                if matches!(posts.last(), Some(Post::Filter(..) | Post::Test(..))) {
                    break;
                }
                posts.push(self.subscript()?);
            } else if filters && self.skip_sign("|") {
                self.filter(&mut posts)?;
            } else if filters && self.skip_word("is") {
                if matches!(posts.last(), Some(Post::Test(..))) {
                    fail!("a test stands behind a test");
                }
                posts.push(self.test()?);
            } else {
                break;
            }
        }
        Ok(if posts.is_empty() { base } else { Expr::Postfix(Box::new(base), posts) })
    }

    fn subscript(&mut self) -> Res<Post> {
        if self.skip_sign(".") {
            return match self.next() {
                Kind::Name(name) => Ok(Post::Attribute(name.into())),
                Kind::Int(place) => Ok(Post::Item(Expr::Int(place))),
                _ => fail!("expected a name behind `.`"),
            };
        }
        self.expect_sign("[")?;
        let mut parts: [Option<Expr>; 3] = [None, None, None];
        let mut colons = 0;
        while !self.is_sign("]") {
            if self.skip_sign(":") {
                colons += 1;
                if colons > 2 {
                    fail!("a slice has at most two `:`");
                }
            } else if parts[colons].is_none() {
                parts[colons] = Some(self.expression()?);
            } else {
                fail!("expected `]`, got {}", self.shown());
            }
        }
        self.next();
        match (colons, parts) {
            (0, [Some(item), ..]) => Ok(Post::Item(item)),
            (0, _) => fail!("expected an expression in `[]`"),
            (_, parts) => Ok(Post::Slice(Box::new(parts))),
        }
    }

    /// The name of a filter after its `|`, and its arguments.
    pub fn filter(&mut self, posts: &mut Vec<Post>) -> Res<()> {
        let name = self.dotted()?;
        let args = if self.is_sign("(") { self.arguments()? } else { CallArgs::default() };
        posts.push(Post::Filter(name.into(), args));
        Ok(())
    }

    fn dotted(&mut self) -> Res<String> {
        let mut name = self.expect_name()?;
        while self.skip_sign(".") {
            name = format!("{name}.{}", self.expect_name()?);
        }
        Ok(name)
    }

    fn test(&mut self) -> Res<Post> {
        let negated = self.skip_word("not");
        let name = self.dotted()?;
        let stops = ["else", "or", "and", "is"].iter().any(|word| self.is_word(word));
        let starts = match self.peek() {
            Kind::Name(_) => !stops,
            Kind::Text(_) | Kind::Int(_) | Kind::Float(_) => true,
            Kind::Operator(sign) => ["[", "{"].contains(sign),
            _ => false,
        };
        let args = if self.is_sign("(") {
            self.arguments()?
        } else if starts {
            let base = self.deeper(Parser::primary)?;
            CallArgs { positional: vec![self.posts(base, Vec::new(), false)?], ..CallArgs::default() }
        } else {
            CallArgs::default()
        };
        Ok(Post::Test(name.into(), args, negated))
    }

    fn arguments(&mut self) -> Res<CallArgs> {
        self.expect_sign("(")?;
        let mut args = CallArgs::default();
        while !self.is_sign(")") {
            if self.skip_sign("*") {
                args.rest = Some(Box::new(self.expression()?));
            } else if self.skip_sign("**") {
                args.rest_named = Some(Box::new(self.expression()?));
            } else if matches!((self.peek(), self.peek_next()), (Kind::Name(_), Kind::Operator("="))) {
                let name = self.expect_name()?;
                self.next();
                args.named.push((name.into(), self.expression()?));
            } else if args.named.is_empty() && args.rest.is_none() && args.rest_named.is_none() {
                args.positional.push(self.expression()?);
            } else {
                fail!("a value without a name stands behind one with a name");
            }
            if !self.skip_sign(",") {
                break;
            }
        }
        self.expect_sign(")")?;
        Ok(args)
    }

    fn primary(&mut self) -> Res<Expr> {
        Ok(match self.peek().clone() {
            Kind::Name(word) => {
                self.next();
                match word.as_str() {
                    "true" | "True" => Expr::Bool(true),
                    "false" | "False" => Expr::Bool(false),
                    "none" | "None" => Expr::None,
                    _ => Expr::Name(self.name(&word)),
                }
            }
            Kind::Text(_) => {
                let mut whole = String::new();
                while let Kind::Text(part) = self.peek() {
                    whole.push_str(part);
                    self.next();
                }
                Expr::Text(whole.into())
            }
            Kind::Int(value) => {
                self.next();
                Expr::Int(value)
            }
            Kind::Float(value) => {
                self.next();
                Expr::Float(value)
            }
            Kind::Operator("(") => {
                self.next();
                let inside =
                    if self.is_sign(")") { Expr::Tuple(Vec::new()) } else { self.deeper(|parser| parser.tuple(true))? };
                self.expect_sign(")")?;
                inside
            }
            Kind::Operator("[") => {
                self.next();
                Expr::List(self.until("]", Parser::expression)?)
            }
            Kind::Operator("{") => {
                self.next();
                Expr::Dict(self.until("}", |parser| {
                    let key = parser.expression()?;
                    parser.expect_sign(":")?;
                    Ok((key, parser.expression()?))
                })?)
            }
            _ => fail!("unexpected {}", self.shown()),
        })
    }

    /// Parts separated by commas, up to a closing sign.
    fn until<T>(&mut self, end: &str, part: impl Fn(&mut Self) -> Res<T>) -> Res<Vec<T>> {
        let mut parts = Vec::new();
        while !self.is_sign(end) {
            if !parts.is_empty() {
                self.expect_sign(",")?;
                if self.is_sign(end) {
                    break;
                }
            }
            parts.push(part(self)?);
        }
        self.expect_sign(end)?;
        Ok(parts)
    }
}

fn one_or(mut parts: Vec<Expr>, many: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(one) if parts.is_empty() => one,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => Expr::Undefined,
    }
}
