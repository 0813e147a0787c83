//! The syntax tree of a template. Chains (`a + b + c`, `x.y|z`) are lists, so that only nesting makes it deep.

use std::sync::Arc;

/// A name in the template, as an index into its names.
pub type Name = u32;

pub type Body = Arc<[Statement]>;

#[derive(Debug)]
pub struct Statement {
    pub line: u32,
    pub node: Node,
}

#[derive(Debug)]
pub enum Node {
    Data(Arc<str>),
    Print(Expr),
    /// Conditions with their bodies, and the else body.
    If(Vec<(Expr, Body)>, Body),
    For(Arc<For>),
    Set(Target, Expr),
    SetBlock(Target, Vec<Post>, Body),
    Macro(Arc<Macro>),
    /// `{% call(…) f(…) %}`: the body as a macro, and the call that receives it.
    Call(Arc<Macro>, Expr),
    Filter(Vec<Post>, Body),
    With(Vec<(Target, Expr)>, Body),
    /// `{% generation %}`: the assistant's output.
    Generation(Body),
    Break,
    Continue,
}

#[derive(Debug)]
pub struct For {
    pub target: Target,
    pub items: Expr,
    pub test: Option<Expr>,
    pub recursive: bool,
    pub body: Body,
    pub otherwise: Body,
}

#[derive(Debug)]
pub struct Macro {
    pub name: Arc<str>,
    pub params: Vec<Param>,
    pub body: Body,
    /// The name of `varargs`, if the body uses it.
    pub varargs: Option<Name>,
    pub kwargs: Option<Name>,
    pub caller: Option<Name>,
}

#[derive(Debug)]
pub struct Param {
    pub name: Name,
    pub word: Arc<str>,
    pub default: Option<Expr>,
}

#[derive(Debug)]
pub enum Target {
    Name(Name),
    /// `ns.x`
    Attribute(Name, Arc<str>),
    Tuple(Vec<Target>),
}

#[derive(Debug)]
pub enum Expr {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
    Name(Name),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Plus(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Concat(Vec<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Arithmetic(Box<Expr>, Vec<(Operator, Expr)>),
    /// The condition, then, else.
    If(Box<[Expr; 3]>),
    Postfix(Box<Expr>, Vec<Post>),
}

/// A suffix of an expression.
#[derive(Debug)]
pub enum Post {
    Attribute(Arc<str>),
    Item(Expr),
    Slice(Box<[Option<Expr>; 3]>),
    Call(CallArgs),
    Filter(Arc<str>, CallArgs),
    Test(Arc<str>, CallArgs, bool),
}

#[derive(Debug, Default)]
pub struct CallArgs {
    pub positional: Vec<Expr>,
    pub named: Vec<(Arc<str>, Expr)>,
    /// `*x` and `**x`
    pub rest: Option<Box<Expr>>,
    pub rest_named: Option<Box<Expr>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

impl Operator {
    /// The operator as written.
    pub fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::FloorDivide => "//",
            Operator::Modulo => "%",
            Operator::Power => "** or pow()",
        }
    }
}
