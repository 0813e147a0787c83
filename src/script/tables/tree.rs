//! What option tables are made of in a syntax tree.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

/// Verbs that leave a map as it is.
pub const READS: &[&str] = &["get", "keys", "values", "len", "contains", "is_empty", "to_json", "to_string"];

/// The verb that a chain begins with, behind its first dot.
pub fn method(rest: &Expr) -> Option<&str> {
    match rest {
        Expr::MethodCall(call, _) => Some(call.name.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => method(&parts.lhs),
        _ => None,
    }
}

/// What a chain is of: the `a` of `a.b[c].d`.
pub fn root(chain: &Expr) -> &Expr {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        other => other,
    }
}

/// Defaults and given of a call of `options`.
pub fn laid_over(call: &FnCallExpr) -> Option<(&Expr, &Expr)> {
    match call.args.as_slice() {
        [defaults, given] | [_, defaults, given] if call.name == "options" && call.namespace.is_empty() => {
            Some((defaults, given))
        }
        _ => None,
    }
}

/// The defaults of every call of `options` in a tree, and where it stands.
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

/// A constant of the top level.
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
