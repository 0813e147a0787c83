//! The comparison operators: `==`, `<` and others, which Rhai would evaluate itself.

use rhai::Token;
use std::cmp::Ordering;

/// A comparison operator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Each with its engine name, which no script can write, and its precedence.
pub const SIGNS: &[(Sign, &str, u8)] = &[
    (Sign::Equal, "_==", 90),
    (Sign::NotEqual, "_!=", 90),
    (Sign::Less, "_<", 130),
    (Sign::LessOrEqual, "_<=", 130),
    (Sign::Greater, "_>", 130),
    (Sign::GreaterOrEqual, "_>=", 130),
];

/// The engine name of an operator in a script.
pub fn name(token: &Token) -> Option<&'static str> {
    Some(match token {
        Token::EqualsTo => "_==",
        Token::NotEqualsTo => "_!=",
        Token::LessThan => "_<",
        Token::LessThanEqualsTo => "_<=",
        Token::GreaterThan => "_>",
        Token::GreaterThanEqualsTo => "_>=",
        _ => return None,
    })
}

impl Sign {
    pub fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Sign::Equal => order == Some(Ordering::Equal),
            Sign::NotEqual => order != Some(Ordering::Equal),
            Sign::Less => order == Some(Ordering::Less),
            Sign::LessOrEqual => order.is_some_and(Ordering::is_le),
            Sign::Greater => order == Some(Ordering::Greater),
            Sign::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }

    /// Whether it compares order, not only equality.
    pub fn asks_for_order(self) -> bool {
        !matches!(self, Sign::Equal | Sign::NotEqual)
    }

    /// Its doc in help.
    pub fn doc(self) -> &'static str {
        match self {
            Sign::Equal | Sign::NotEqual => EQUALITY,
            _ => ORDER,
        }
    }
}

const EQUALITY: &str = "\
Whether two values are equal: numbers as numbers, exactly and as IEEE 754 says, lists and maps element by element.

Values of different kinds are not equal.

```rhai
0.1 + 0.2 == 0.3                    //=> false
1 == 1.0                            //=> true
0.0 / 0.0 == 0.0 / 0.0              //=> false
[1, #{ a: 2.0 }] == [1, #{ a: 2 }]  //=> true
\"1\" != 1                            //=> true
```";

const ORDER: &str = "\
Whether one value is below or above another: numbers as numbers, exactly and as IEEE 754 says, texts by their characters.

Between values of different kinds there is no order.

```rhai
1 < 1.5         //=> true
\"a\" >= \"b\"      //=> false
0.0 / 0.0 <= 1  //=> false
\"a\" < 1         //=> error: <: not for a string and an int
```";
