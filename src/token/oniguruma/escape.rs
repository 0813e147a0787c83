//! Backslash escapes, inside and outside of classes.

use super::Reader;
use crate::Result;

/// `\w`: without the joiners that the other engine includes, and with some numbers.
const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}²³¹¼-¾";

/// The POSIX classes, which are Unicode's here, as properties that both engines support.
pub(super) fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "alpha" => r"\p{Alphabetic}",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\p{Zs}\t",
        "cntrl" => r"\p{Cc}",
        "digit" => r"\p{Nd}",
        "graph" => r"[^\p{White_Space}\p{Cc}\p{Cn}]",
        "lower" => r"\p{Lowercase}",
        "print" => r"[^\p{White_Space}\p{Cc}\p{Cn}]\p{Zs}",
        "punct" => r"\p{P}\p{S}",
        "space" => r"\p{White_Space}",
        "upper" => r"\p{Uppercase}",
        "word" => r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}",
        "xdigit" => r"0-9A-Fa-f",
        _ => return None,
    })
}

impl Reader<'_> {
    /// After a backslash, outside of classes. Returns the literal character, if it is one.
    pub(super) fn escape(&mut self) -> Result<Option<char>> {
        let Some(next) = self.next() else { return Err(self.refused("nothing after a `\\`")) };
        self.empty = matches!(next, 'A' | 'z' | 'Z' | 'b' | 'B' | 'k' | '1'..='9');
        match next {
            'A' | 'z' => self.plain(next),
            'Z' => self.out.push_str(r"(?=\n?\z)"),
            'b' | 'B' => self.boundary(next),
            'N' => self.out.push_str(r"[^\n]"),
            'O' => self.out.push_str(r"(?:.|\n)"),
            'R' => self.out.push_str(r"(?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])"),
            'k' if self.groups.named && self.take("<") => {
                let name = self.until('>')?;
                self.out.push_str(&format!("\\k<{name}>"));
            }
            '1'..='9' => {
                let group = next.to_digit(10).unwrap_or_default() as usize;
                let more = self.peek().is_some_and(|next| next.is_ascii_digit());
                if self.groups.named || more || group > self.groups.numbered {
                    return Err(self.refused("a reference to a group that is not numbered so"));
                }
                self.plain(next);
            }
            _ => return self.letter(next),
        }
        Ok(None)
    }

    fn plain(&mut self, letter: char) {
        self.out.push('\\');
        self.out.push(letter);
    }

    /// A word boundary, or its negation.
    fn boundary(&mut self, letter: char) {
        let (inside, outside) = if letter == 'b' { ("!", "=") } else { ("=", "!") };
        self.out.push_str(&format!("(?:(?<=[{WORD}])(?{inside}[{WORD}])|(?<![{WORD}])(?{outside}[{WORD}]))"));
    }

    /// Escapes also valid in a class.
    pub(super) fn letter(&mut self, next: char) -> Result<Option<char>> {
        match next {
            't' | 'n' | 'r' | 'f' | 'v' | 'a' | 'd' | 'D' | 's' | 'S' | 'h' | 'H' => self.plain(next),
            'w' => self.out.push_str(&format!("[{WORD}]")),
            'W' => self.out.push_str(&format!("[^{WORD}]")),
            'e' => self.out.push_str(r"\x1B"),
            'x' => self.hexadecimal()?,
            'u' => {
                let digits = self.digits(4);
                if digits.len() < 4 {
                    return Err(self.refused("a `\\u` without four digits"));
                }
                self.out.push_str(&format!("\\x{{{digits}}}"));
            }
            '0' => {
                let octal: String = self.chars[self.at..].iter().take(2).take_while(|one| one.is_digit(8)).collect();
                self.at += octal.len();
                self.out.push_str(&format!("\\x{{{:X}}}", u32::from_str_radix(&format!("0{octal}"), 8).unwrap_or(0)));
            }
            'p' | 'P' => self.property(next == 'P')?,
            '<' | '>' => {
                self.out.push(next);
                return Ok(Some(next));
            }
            _ if next.is_ascii_alphanumeric() => return Err(self.refused(&format!("`\\{next}`"))),
            _ if next.is_ascii() => {
                self.plain(next);
                return Ok(Some(next));
            }
            _ => {
                self.out.push(next);
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Up to `most` hexadecimal digits.
    fn digits(&mut self, most: usize) -> String {
        let digits: String =
            self.chars[self.at..].iter().take(most).take_while(|one| one.is_ascii_hexdigit()).collect();
        self.at += digits.len();
        digits
    }

    fn hexadecimal(&mut self) -> Result<()> {
        let digits = if self.take("{") { self.until('}')? } else { self.digits(2) };
        let braced = self.chars[self.at - 1] == '}';
        let code = u32::from_str_radix(&digits, 16).ok().filter(|code| char::from_u32(*code).is_some());
        match code {
            // two digits are a UTF-8 byte
            Some(code) if braced || code < 0x80 => self.out.push_str(&format!("\\x{{{digits}}}")),
            _ => return Err(self.refused(&format!("the character `\\x{digits}`"))),
        }
        Ok(())
    }

    fn property(&mut self, negated: bool) -> Result<()> {
        if !self.take("{") {
            return Err(self.refused("a property without braces"));
        }
        let name = self.until('}')?;
        let plain = name.strip_prefix('^').unwrap_or(&name);
        let negated = negated != name.starts_with('^');
        let short: String =
            plain.chars().filter(|one| !matches!(one, ' ' | '-' | '_')).collect::<String>().to_lowercase();
        // these two names denote properties other than the classes
        let members = match short.as_str() {
            "punct" => Some(r"\p{P}"),
            "word" => Some(WORD),
            _ => posix(&short),
        };
        if let Some(members) = members {
            self.out.push_str(&format!("[{}{members}]", if negated { "^" } else { "" }));
            return Ok(());
        }
        let written = format!("\\{}{{{plain}}}", if negated { 'P' } else { 'p' });
        let known = plain.chars().all(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
        if !known || regex_syntax::parse(&written).is_err() {
            return Err(self.refused(&format!("the property `{name}`")));
        }
        self.out.push_str(&written);
        Ok(())
    }
}
