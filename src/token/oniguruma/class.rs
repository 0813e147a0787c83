//! Character classes: POSIX classes are Unicode's, `--` and `~~` are literals, `&&` is the intersection.

use super::escape::posix;
use super::{Flags, Reader};
use crate::Result;

impl Reader<'_> {
    /// After a `[`.
    pub(super) fn class(&mut self, flags: Flags) -> Result<()> {
        self.depth += 1;
        if self.depth > super::DEPTH {
            return Err(self.refused("classes are nested too deep"));
        }
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(next) = self.next() else { return Err(self.refused("a `[` without its `]`")) };
            match next {
                ']' if !first => break,
                '[' => self.inner(flags)?,
                '&' if self.take("&") => {
                    if first || self.starts_with("]") {
                        return Err(self.refused("nothing on a side of `&&`"));
                    }
                    self.out.push_str("&&");
                }
                '-' if first || self.starts_with("]") => self.out.push('-'),
                _ => self.range(next)?,
            }
            first = false;
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    /// A nested class, or a POSIX class.
    fn inner(&mut self, flags: Flags) -> Result<()> {
        let rest: String = self.chars[self.at..].iter().take(12).collect();
        let named = rest.strip_prefix(':').and_then(|rest| rest.split_once(":]"));
        let Some((name, _)) = named else { return self.class(flags) };
        let plain = name.strip_prefix('^').unwrap_or(name);
        let Some(members) = posix(plain) else { return Err(self.refused(&format!("the class `[:{name}:]`"))) };
        self.at += name.len() + 3;
        match name.starts_with('^') {
            true => self.out.push_str(&format!("[^{members}]")),
            false => self.out.push_str(members),
        }
        Ok(())
    }

    /// A character, or a range of them.
    fn range(&mut self, first: char) -> Result<()> {
        let single = self.member(first)?;
        if !single || !self.starts_with("-") || self.chars.get(self.at + 1).is_none_or(|next| *next == ']') {
            return Ok(());
        }
        self.at += 1;
        self.out.push('-');
        let Some(last) = self.next() else { return Err(self.refused("a range without its end")) };
        if last == '[' || !self.member(last)? {
            return Err(self.refused("a range that ends with a class"));
        }
        Ok(())
    }

    /// Writes one member; returns whether it is a single character.
    fn member(&mut self, letter: char) -> Result<bool> {
        match letter {
            '\\' => {
                let Some(next) = self.next() else { return Err(self.refused("nothing after a `\\`")) };
                let written = match next {
                    'b' => Some((r"\x08", true)),
                    'h' => Some(("0-9A-Fa-f", false)),
                    'H' => Some(("[^0-9A-Fa-f]", false)),
                    _ => None,
                };
                if let Some((text, single)) = written {
                    self.out.push_str(text);
                    return Ok(single);
                }
                let class = matches!(next, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P');
                self.letter(next)?;
                return Ok(!class);
            }
            '-' | ']' | '[' => {
                self.out.push('\\');
                self.out.push(letter);
            }
            '~' | '^' if self.starts_with("~") || letter == '^' => {
                self.out.push('\\');
                self.out.push(letter);
            }
            _ => self.out.push(letter),
        }
        Ok(true)
    }
}
