//! SentencePiece's replacement table (`precompiled_charsmap`): the length of a trie, the trie as a double array, and the
//! null-terminated replacements. Its later reader follows the trie without checks, so it is checked first.

use crate::token::base64;
use crate::{Result, bail};

/// Checks a base64 table: every position that a text can reach is inside it.
pub fn check(text: &str) -> Result<()> {
    let Some(bytes) = base64::decode(text.as_bytes()) else {
        bail!("tokenizer", "its precompiled_charsmap is no base64")
    };
    match sound(&bytes) {
        Some(()) => Ok(()),
        None => bail!("tokenizer", "its precompiled_charsmap ({} bytes) is damaged", bytes.len()),
    }
}

fn sound(bytes: &[u8]) -> Option<()> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let units = number(0)? as usize / 4;
    let replacements = std::str::from_utf8(bytes.get(4 + units * 4..)?).ok()?;
    let unit = |at: usize| if at < units { number(4 + at * 4) } else { None };
    let below = |unit: u32| ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize;
    // positions with outgoing branches
    let mut open = vec![below(unit(0)?)];
    let mut met = vec![false; units];
    while let Some(place) = open.pop() {
        // any letter is looked up, whether or not it has a branch
        if place | 0xff >= units {
            return None;
        }
        if std::mem::replace(&mut met[place], true) {
            continue;
        }
        for letter in 1..=0xff {
            let node = unit(place ^ letter)?;
            if (node & (1 << 31 | 0xff)) as usize != letter {
                continue;
            }
            let next = place ^ letter ^ below(node);
            if node >> 8 & 1 == 1 {
                let start = (unit(next)? & !(1 << 31)) as usize;
                replacements.get(start..)?;
            }
            open.push(next);
        }
    }
    Some(())
}
