//! Escapes in the strings of a template.

use super::budget::{Res, fail};

/// Unescapes a string by Python's rules.
pub fn unescaped(text: &str) -> Res<String> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        flush(&mut units, &mut plain, at > 0);
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        let mut taken = letter.len_utf8();
        let code = match letter {
            'x' | 'u' | 'U' => {
                let wanted =
                    [('x', 2), ('u', 4), ('U', 8)].iter().find(|known| known.0 == letter).map_or(0, |known| known.1);
                let code = rest.get(1..1 + wanted).and_then(|code| u32::from_str_radix(code, 16).ok());
                let Some(code) = code else { fail!("`\\{letter}` in a string wants {wanted} hexadecimal digits") };
                taken += wanted;
                Some(code)
            }
            '0'..='7' => {
                taken = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                u32::from_str_radix(&rest[..taken], 8).ok()
            }
            _ => None,
        };
        rest = &rest[taken..];
        if let Some(code) = code {
            match u16::try_from(code) {
                // surrogate halves are combined
                Ok(unit) if (0xd800..0xe000).contains(&unit) => units.push(unit),
                _ => {
                    flush(&mut units, &mut plain, true);
                    plain.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
            }
            continue;
        }
        flush(&mut units, &mut plain, true);
        escape(letter, &mut plain)?;
    }
    flush(&mut units, &mut plain, true);
    plain.push_str(rest);
    Ok(plain)
}

fn flush(units: &mut Vec<u16>, plain: &mut String, now: bool) {
    if now && !units.is_empty() {
        plain.push_str(&String::from_utf16_lossy(units));
        units.clear();
    }
}

fn escape(letter: char, plain: &mut String) -> Res<()> {
    let meant = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '\'' | '"' => letter,
        // a line continuation
        '\n' => return Ok(()),
        'N' => fail!("`\\N{{…}}` in a string is not known here: write the character itself"),
        other => {
            plain.extend(['\\', other]);
            return Ok(());
        }
    };
    plain.push(meant);
    Ok(())
}
