//! Habits of other languages that run here but mean something else: reported as warnings.

use super::Message;
use crate::script::notebook::scan;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Ident, Position, Stmt};

/// Warnings with their positions.
pub fn warnings(ast: &AST, text: &str) -> Vec<(Message, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let expression = match path.last() {
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                found.extend(parts.1.as_ref().and_then(|counter| counted(&parts.0, counter)));
                return true;
            }
            Some(ASTNode::Expr(expression)) => *expression,
            Some(ASTNode::Stmt(Stmt::Expr(expression))) => expression.as_ref(),
            _ => return true,
        };
        let told = match expression {
            Expr::StringConstant(value, position) => unfilled(value, *position, text)
                .or_else(|| escaped(std::slice::from_ref(expression), *position, text))
                .map(|told| (told, *position)),
            Expr::InterpolatedString(parts, position) => escaped(parts, *position, text).map(|told| (told, *position)),
            Expr::FnCall(call, position) => powered(call, *position, text),
            _ => None,
        };
        found.extend(told);
        true
    });
    found.extend(commented(text));
    found.dedup_by(|a, b| a.1 == b.1);
    found
}

/// `-x ** 2`: in other languages and in mathematics, the power binds tighter than the sign.
fn powered(call: &FnCallExpr, position: Position, text: &str) -> Option<(Message, Position)> {
    if call.op_token.is_none() || call.name != "**" || call.args.len() != 2 {
        return None;
    }
    let sign = match &call.args[0] {
        Expr::FnCall(minus, sign) if minus.name == "-" && minus.args.len() == 1 => *sign,
        Expr::IntegerConstant(number, sign) if *number < 0 => *sign,
        Expr::FloatConstant(number, sign) if number.is_sign_negative() => *sign,
        _ => return None,
    };
    let between = text.get(byte(sign, text)?..byte(position, text)?)?;
    let mut depth = 0i32;
    let closed = scan::parts(between).iter().any(|part| {
        depth += i32::from(part.is("(")) - i32::from(part.is(")"));
        depth < 0
    });
    let told = ("**: the sign comes first: `-x ** 2` is `(-x) ** 2`", "write `-(x ** 2)`, or `(-x) ** 2`");
    (!closed).then(|| ((told.0.to_string(), Some(told.1.to_string())), position))
}

/// `for (i, x) in xs`, `for (key, value) in map`: the second name is the counter.
fn counted(item: &Ident, counter: &Ident) -> Option<(Message, Position)> {
    let is_place = |name: &str| matches!(name, "i" | "idx" | "index");
    let (first, second) = (item.name.as_str(), counter.name.as_str());
    if is_place(first) && !is_place(second) && !matches!(second, "j" | "k" | "n" | "at" | "number" | "place" | "count")
    {
        let what = format!("for: `{second}` counts 0, 1, 2, and `{first}` is the value");
        return Some(((what, Some(format!("write `for ({second}, {first}) in …`"))), counter.pos));
    }
    if matches!(second, "v" | "val" | "value" | "values") {
        let what = format!("for: `{second}` counts 0, 1, 2: it is not the value of `{first}`");
        return Some((
            (what, Some(format!("write `for {first} in map {{ let {second} = map[{first}]; … }}`"))),
            counter.pos,
        ));
    }
    None
}

/// Byte offset of a position in the text.
fn byte(position: Position, text: &str) -> Option<usize> {
    let line = text.split_inclusive('\n').nth(position.line()?.checked_sub(1)?)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    let column = position.position()?.checked_sub(1)?;
    Some(start + line.char_indices().nth(column).map_or(line.len(), |found| found.0))
}

/// `n // 3`, where the text before `//` is a statement.
fn commented(text: &str) -> Vec<(Message, Position)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains("//")) {
        let parts = scan::parts(line);
        let Some(at) = parts.iter().position(|part| part.kind == scan::Kind::Comment) else { continue };
        let Some(before) = parts[..at].iter().rfind(|part| part.kind != scan::Kind::Space) else { continue };
        let operand = matches!(before.kind, scan::Kind::Word | scan::Kind::Number) || before.is(")") || before.is("]");
        let Some(by) = parts[at].text.strip_prefix("//").filter(|by| !by.starts_with(['/', '!', '='])) else {
            continue;
        };
        let bare = by.trim().trim_end_matches([';', ')', ',', '}', ' ']);
        let one = !bare.is_empty() && bare.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
        let is_number = bare.parse::<i64>().is_ok();
        let ends = by.trim_end().ends_with([';', ')']);
        if !(operand && one && (is_number || ends)) {
            continue;
        }
        let column = 1 + line[..parts[at].at].chars().count();
        let position =
            Position::new(u16::try_from(index + 1).unwrap_or(u16::MAX), u16::try_from(column).unwrap_or(u16::MAX));
        let what = format!("`//` begins a comment, and `{bare}` is in it");
        found.push((
            (what, Some(format!("`/` divides ints whole, and `a.floor_divide({bare})` rounds down"))),
            position,
        ));
    }
    found
}

/// `"x is ${x}"`, `"${x + 1}"`
fn unfilled(value: &str, position: Position, text: &str) -> Option<Message> {
    let at = value.find("${")?;
    let parts = scan::parts(&value[at + 1..]);
    let end = scan::partner(&parts, 0)?;
    let inside: Vec<_> = parts[1..end].iter().filter(|part| part.kind != scan::Kind::Space).collect();
    (is_expression(&inside) && letter(position, text)? == '"').then_some(())?;
    let written = &value[at..at + 1 + parts[end].end()];
    Some((format!("`{written}` stays as it is in double quotes"), Some("a text in backticks takes values".to_string())))
}

/// Whether names, numbers and operators alternate: `x`, `x + 1`, `f(x).len`, but not `HOME:-/root`.
fn is_expression(parts: &[&scan::Part]) -> bool {
    const SIGNS: &[&str] = &[
        "+", "-", "*", "/", "%", "**", ".", ",", "(", ")", "[", "]", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!",
        "??", "::",
    ];
    let is_value = |part: &scan::Part| matches!(part.kind, scan::Kind::Word | scan::Kind::Number | scan::Kind::Text);
    let opens = |part: &scan::Part| is_value(part) || part.is("(") || part.is("-") || part.is("!");
    let closes = |part: &scan::Part| is_value(part) || part.is(")") || part.is("]");
    let is_known = |part: &&scan::Part| is_value(part) || SIGNS.contains(&part.text);
    parts.first().is_some_and(|first| opens(first))
        && parts.last().is_some_and(|last| closes(last))
        && parts.iter().all(is_known)
        && !parts.windows(2).any(|pair| is_value(pair[0]) && is_value(pair[1]))
}

/// `` `${x}\n` ``
fn escaped(parts: &[Expr], position: Position, text: &str) -> Option<Message> {
    let has =
        |part: &Expr| matches!(part, Expr::StringConstant(value, _) if value.contains("\\n") || value.contains("\\t"));
    (letter(position, text)? == '`' && parts.iter().any(has)).then_some(())?;
    Some((
        "`\\n` in backticks is two letters".to_string(),
        Some("a text in backticks goes over several lines as it is written; `\"\\n\"` is a line's end".to_string()),
    ))
}

fn letter(position: Position, text: &str) -> Option<char> {
    let line = text.lines().nth(position.line()?.checked_sub(1)?)?;
    line.chars().nth(position.position()?.checked_sub(1)?)
}
