//! Repetitions: in this syntax `{1,3}+` is not possessive but repeats the interval, `{2}?` is not lazy but optional, and `{,3}`
//! starts at 0.

use super::{Flags, Reader};
use crate::Result;

impl Reader<'_> {
    /// The repetition of the piece written from `from` on; returns whether it may be empty.
    pub(super) fn repeats(&mut self, from: usize, flags: Flags) -> Result<bool> {
        let mut repeated = false;
        let mut optional = false;
        loop {
            if flags.extended {
                while self.peek().is_some_and(|next| next.is_whitespace() || next == '#') {
                    self.skip_comment();
                }
            }
            let Some(sign) = self.peek() else { return Ok(optional) };
            let (text, marks): (String, &[char]) = match sign {
                '*' | '+' | '?' => {
                    self.at += 1;
                    optional |= sign != '+';
                    (sign.to_string(), &['?', '+'])
                }
                '{' => match self.interval() {
                    // lazy only if there is a choice
                    Some((least, most)) if least == most => (format!("{{{least}}}"), &[]),
                    Some((least, most)) => (format!("{{{least},{most}}}"), &['?']),
                    None => return Ok(optional),
                },
                _ => return Ok(optional),
            };
            optional |= text.starts_with("{0");
            if repeated {
                self.wrap(from);
            }
            repeated = true;
            self.out.push_str(&text);
            if let Some(mark) = self.peek().filter(|mark| marks.contains(mark)) {
                self.at += 1;
                self.out.push(mark);
            }
        }
    }

    fn wrap(&mut self, from: usize) {
        self.out.insert_str(from, "(?:");
        self.out.push(')');
    }

    /// `{2}`, `{1,3}`, `{2,}` or `{,3}`; other braces are literals.
    fn interval(&mut self) -> Option<(String, String)> {
        let end = self.chars[self.at..].iter().position(|one| *one == '}')?;
        let inside: String = self.chars[self.at + 1..self.at + end].iter().collect();
        let number = |text: &str| text.len() <= 5 && text.chars().all(|digit| digit.is_ascii_digit());
        let (least, most) = match inside.split_once(',') {
            Some(("", "")) | None if inside.is_empty() || inside == "," => return None,
            Some((least, most)) if number(least) && number(most) => (least, most),
            None if number(&inside) => (inside.as_str(), inside.as_str()),
            _ => return None,
        };
        self.at += end + 1;
        Some((if least.is_empty() { "0".into() } else { least.into() }, most.into()))
    }
}
