//! Syntax trees of scripts: as executed, and, for tools that read them, as written.

use super::language::{ASSIGNED, comparison, comparisons};
use super::own_names;
use rhai::{
    AST, ASTFlags, ASTNode, BinaryExpr, Engine, Expr, OptimizationLevel, ParseError, ParseErrorType, Position, Scope,
    Stmt, Token,
};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

thread_local! {
    /// Whether a text is parsed as written.
    static WRITTEN: Cell<bool> = const { Cell::new(false) };
    /// The marks of the text being parsed.
    static MARKS: RefCell<Option<Marks>> = const { RefCell::new(None) };
}

/// Positions of a text that are parsed differently.
struct Marks {
    /// Properties that are assigned to.
    assigned: HashSet<Position>,
    /// Comparison operators between ints, which stay Rhai's own.
    ints: HashSet<Position>,
}

impl Marks {
    fn of(engine: &Engine, ast: &AST) -> Marks {
        Marks { assigned: assigned(engine, ast), ints: comparisons(ast) }
    }
}

/// Maps a token of a script to the engine's token: comparisons become levain's operators, and an assigned property gets a mark
/// after its name.
pub fn spoken(token: Token, position: Position) -> Token {
    if WRITTEN.get() {
        return token;
    }
    let is_marked = |which: fn(&Marks) -> &HashSet<Position>| {
        MARKS.with_borrow(|marks| marks.as_ref().is_some_and(|marks| which(marks).contains(&position)))
    };
    if let Some(name) = comparison(&token) {
        let is_of_ints = is_marked(|marks| &marks.ints);
        return if is_of_ints { token } else { Token::Custom(Box::new(name.into())) };
    }
    if let Token::Identifier(name) = &token
        && is_marked(|marks| &marks.assigned)
    {
        return Token::Identifier(Box::new(format!("{name}{ASSIGNED}").into()));
    }
    token
}

/// The tree of a text as executed, after earlier inputs with the functions `earlier`.
pub fn compile(engine: &Engine, scope: &Scope, text: &str, earlier: &AST) -> Result<AST, ParseError> {
    let ast = parsed(engine, scope, text)?;
    let apart = own_names::of_script(engine, &ast, earlier);
    let mut marks = Marks::of(engine, &ast);
    if !scope.is_empty() {
        // an earlier variable may have any type
        marks.ints.clear();
    }
    let is_plain = marks.assigned.is_empty() && marks.ints.is_empty() && apart.is_empty();
    let again = || own_names::script(&ast, &apart, || engine.compile_with_scope(scope, text));
    let ast = if is_plain { ast } else { marked(marks, again)? };
    Ok(engine.optimize_ast(scope, ast, OptimizationLevel::Simple))
}

/// The tree of a text before folding; assigning to a key of a constant is an error of the text.
pub fn parsed(engine: &Engine, scope: &Scope, text: &str) -> Result<AST, ParseError> {
    let ast = engine.compile_with_scope(scope, text)?;
    match changed_constant(&ast, scope) {
        Some((name, position)) => Err(ParseError(Box::new(ParseErrorType::AssignmentToConstant(name)), position)),
        None => Ok(ast),
    }
}

/// The first constant with an assigned key, unless a variable has its name.
fn changed_constant(ast: &AST, scope: &Scope) -> Option<(String, Position)> {
    let (mut roots, mut constants, mut variables) = (Vec::new(), HashSet::new(), HashSet::new());
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                if let (Expr::Dot(..) | Expr::Index(..), Expr::Variable(variable, _, position)) =
                    (&parts.1.lhs, root(&parts.1.lhs))
                    && variable.2.is_empty()
                {
                    roots.push((variable.1.to_string(), *position));
                }
            }
            Some(ASTNode::Stmt(Stmt::Var(parts, flags, _))) => {
                let names = if flags.intersects(ASTFlags::CONSTANT) { &mut constants } else { &mut variables };
                names.insert(parts.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                variables.insert(parts.0.name.to_string());
                variables.extend(parts.1.iter().map(|counter| counter.name.to_string()));
            }
            _ => {}
        }
        true
    });
    if roots.is_empty() {
        return None;
    }
    for function in ast.iter_functions() {
        variables.extend(function.params.iter().map(ToString::to_string));
    }
    let is_constant = |name: &str| constants.contains(name) || scope.is_constant(name) == Some(true);
    roots.into_iter().find(|(name, _)| is_constant(name) && !variables.contains(name))
}

/// The `a` of `a.b[c].d`.
fn root(chain: &Expr) -> &Expr {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        other => other,
    }
}

/// The tree of a text as executed, given its tree as written.
pub fn compile_written(engine: &Engine, written: &AST, text: &str) -> Result<AST, ParseError> {
    let ast = marked(Marks::of(engine, written), || engine.compile(text))?;
    Ok(engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple))
}

fn marked<T>(marks: Marks, work: impl FnOnce() -> T) -> T {
    crate::scoped::with(&MARKS, Some(marks), work)
}

/// Positions of the properties that `a.b.c = value` assigns to: the `c`.
fn assigned(engine: &Engine, ast: &AST) -> HashSet<Position> {
    let mut found = HashSet::new();
    // a host's types may have their own keys, which are also written as properties
    if !engine.default_tag().is_unit() {
        return found;
    }
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(parts))) = path.last()
            && !parts.0.is_op_assignment()
        {
            found.extend(match &parts.1.lhs {
                Expr::Dot(parts, ..) => dotted(&parts.rhs),
                Expr::Index(parts, flags, _) => indexed(parts, *flags),
                _ => None,
            });
        }
        true
    });
    found
}

/// The last link of a chain after a dot, if it is a property.
fn dotted(rest: &Expr) -> Option<Position> {
    match rest {
        Expr::Property(_, position) => Some(*position),
        Expr::Dot(parts, ..) => dotted(&parts.rhs),
        Expr::Index(parts, flags, _) => indexed(parts, *flags),
        _ => None,
    }
}

fn indexed(parts: &BinaryExpr, flags: ASTFlags) -> Option<Position> {
    match &parts.rhs {
        _ if flags.intersects(ASTFlags::BREAK) => None,
        Expr::Dot(next, ..) => dotted(&next.rhs),
        Expr::Index(next, flags, _) => indexed(next, *flags),
        _ => None,
    }
}

/// The tree of a text as written, for the checker and option tables.
pub fn as_written(engine: &Engine, text: &str) -> Result<AST, ParseError> {
    WRITTEN.set(true);
    let written = engine.compile(text);
    WRITTEN.set(false);
    written
}

/// The tree of a text as written, if it parses; variables may be undefined.
pub fn loosely(engine: &mut Engine, text: &str) -> Option<AST> {
    engine.set_strict_variables(false);
    let ast = as_written(engine, text);
    engine.set_strict_variables(true);
    ast.ok()
}
