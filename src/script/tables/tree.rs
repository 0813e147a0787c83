//! Helpers to read option tables from a syntax tree.

use rhai::{AST, ASTFlags, ASTNode, BinaryExpr, Expr, FnCallExpr, Position, Stmt};

/// Verbs that do not change a map.
pub const READS: &[&str] = &["get", "keys", "values", "len", "contains", "is_empty", "to_json", "to_string"];

/// The verb after the first dot of a chain.
pub fn method(rest: &Expr) -> Option<&str> {
    match rest {
        Expr::MethodCall(call, _) => Some(call.name.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => method(&parts.lhs),
        _ => None,
    }
}

/// The root of a chain: the `a` of `a.b[c].d`.
pub fn root(chain: &Expr) -> &Expr {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        other => other,
    }
}

/// One step of a chain.
pub enum Link<'e> {
    Property(&'e str),
    Call(&'e FnCallExpr, Position),
    Index(&'e Expr),
}

/// The steps of a chain after its root: for `a.b[c].d(e)`, `b`, `c` and `d`.
pub fn links(chain: &Expr) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    match chain {
        Expr::Dot(parts, ..) => {
            found.extend(links(&parts.lhs));
            behind(&parts.rhs, &mut found);
        }
        Expr::Index(parts, flags, _) => {
            found.extend(links(&parts.lhs));
            indexed(parts, *flags, &mut found);
        }
        _ => {}
    }
    found
}

/// The steps after a dot: rhai nests chains to the right.
fn behind<'e>(rest: &'e Expr, found: &mut Vec<Link<'e>>) {
    match rest {
        Expr::MethodCall(call, position) => found.push(Link::Call(call, *position)),
        Expr::Property(names, _) => found.push(Link::Property(&names.2)),
        Expr::Dot(parts, ..) => {
            behind(&parts.lhs, found);
            behind(&parts.rhs, found);
        }
        Expr::Index(parts, flags, _) => {
            behind(&parts.lhs, found);
            indexed(parts, *flags, found);
        }
        _ => {}
    }
}

fn indexed<'e>(parts: &'e BinaryExpr, flags: ASTFlags, found: &mut Vec<Link<'e>>) {
    match &parts.rhs {
        Expr::Dot(next, ..) if !flags.intersects(ASTFlags::BREAK) => {
            found.push(Link::Index(&next.lhs));
            behind(&next.rhs, found);
        }
        Expr::Index(next, inner, _) if !flags.intersects(ASTFlags::BREAK) => {
            found.push(Link::Index(&next.lhs));
            indexed(next, *inner, found);
        }
        last => found.push(Link::Index(last)),
    }
}

/// Position of a verb call on a variable that its own closure captured: the chain has locked the variable, so the closure can't
/// access it.
pub fn race(chain: &Expr) -> Option<(&FnCallExpr, Position)> {
    let (Expr::Dot(parts, ..) | Expr::Index(parts, ..)) = chain else { return None };
    let Expr::Variable(held, ..) = &parts.lhs else { return None };
    let captures = |call: &FnCallExpr| call.args.iter().any(|argument| captures(argument, &held.1));
    links(chain).into_iter().find_map(|link| match link {
        Link::Call(call, position) if captures(call) => Some((call, position)),
        _ => None,
    })
}

/// Whether an argument is a closure that captured a variable, or contains one.
fn captures(argument: &Expr, name: &str) -> bool {
    match argument {
        // a closure with captures begins with its shared variables
        Expr::Stmt(block) => block.statements().iter().any(|statement| match statement {
            Stmt::Share(shared) => shared.iter().any(|(ident, _)| ident.name == name),
            _ => false,
        }),
        Expr::Array(items, _) => items.iter().any(|item| captures(item, name)),
        Expr::Map(map, _) => map.0.iter().any(|(_, value)| captures(value, name)),
        _ => false,
    }
}

/// The defaults and the given map of a call of `options`.
pub fn laid_over(call: &FnCallExpr) -> Option<(&Expr, &Expr)> {
    match call.args.as_slice() {
        [defaults, given] | [_, defaults, given] if call.name == "options" && call.namespace.is_empty() => {
            Some((defaults, given))
        }
        _ => None,
    }
}

/// The defaults of every call of `options` in a tree, with positions.
pub fn defaults(ast: &AST) -> Vec<(Expr, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) =
            path.last()
            && let Some((defaults, _)) = laid_over(call)
        {
            found.push((defaults.clone(), *position));
        }
        true
    });
    found
}

/// A top-level constant.
pub fn constant<'a>(ast: &'a AST, name: &str) -> Option<&'a Expr> {
    ast.statements().iter().rev().find_map(|statement| match statement {
        Stmt::Var(parts, flags, _) if flags.intersects(ASTFlags::CONSTANT) && parts.0.name == name => Some(&parts.1),
        _ => None,
    })
}

/// The default and the words of `one_of(default, [words])`, which may be a constant of the same text.
pub fn choice<'e>(value: &'e Expr, ast: &AST) -> Option<(&'e Expr, Vec<String>)> {
    let Expr::FnCall(call, _) = value else { return None };
    let [default, words] = call.args.as_slice() else { return None };
    if call.name != "one_of" || !call.namespace.is_empty() {
        return None;
    }
    let Expr::Array(words, _) = (match words {
        Expr::Variable(variable, ..) => constant(ast, &variable.1)?,
        other => other,
    }) else {
        return None;
    };
    let word = |word: &Expr| match word {
        Expr::StringConstant(word, _) => Some(word.to_string()),
        _ => None,
    };
    Some((default, words.iter().map(word).collect::<Option<_>>()?))
}
