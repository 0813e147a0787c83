//! Signs that indicate a text's quality, in every script: sentence ends, bullets, ellipses.

/// Marks that end a sentence, from Unicode's `Sentence_Terminal`, and the signs that may follow them. A semicolon or a colon ends
/// an item of an enumeration, as in statutes.
pub fn ends_sentence(char: char) -> bool {
    matches!(
        char,
        '.' | '!'
            | '?'
            | '…'
            | '。'
            | '！'
            | '？'
            | '．'
            | '｡'
            | '؟'
            | '۔'
            | '।'
            | '॥'
            | '։'
            | '።'
            | '፧'
            | '။'
            | '၊'
            | '។'
            | '៕'
            | '‼'
            | '⁇'
            | '⁈'
            | '⁉'
            | '܀'
            | '՜'
            | '՞'
    )
}

/// Whether a line ends like a sentence or an item of an enumeration, in quotation marks or brackets or without.
pub fn is_ended(line: &str) -> bool {
    let bare = line.trim_end_matches(|char: char| {
        matches!(char, '"' | '\'' | '”' | '’' | '»' | '）' | ')' | ']' | '】' | '」' | '』' | '》' | '*' | '_')
    });
    bare.chars().next_back().is_some_and(|last| ends_sentence(last) || matches!(last, '；' | '：' | ';' | ':'))
        || bare.len() < line.len() && line.ends_with(['"', '”', '」', '』'])
}

/// Number of sentences in a text: runs of end marks with a letter before them.
pub fn sentences(text: &str) -> usize {
    let (mut count, mut is_open) = (0, false);
    for char in text.chars() {
        if ends_sentence(char) || char == '\n' {
            count += usize::from(is_open && char != '\n');
            is_open = false;
        } else if char.is_alphabetic() {
            is_open = true;
        }
    }
    count
}

/// Whether a script ends its sentences with marks: Thai and Lao do not.
pub fn has_marks(text: &str) -> bool {
    let first = text.chars().find(|char| char.is_alphabetic());
    first.is_none_or(|char| !matches!(u32::from(char), 0xe00..=0xeff))
}

/// Whether a line is a list item.
pub fn is_bullet(line: &str) -> bool {
    let mut chars = line.chars();
    let first = chars.next().unwrap_or(' ');
    matches!(first, '•' | '‣' | '▪' | '●' | '○' | '◦' | '■' | '□' | '◆' | '◇' | '▶' | '►' | '➤' | '·' | '∙' | '※')
        || matches!(first, '-' | '*' | '–' | '—' | '+') && chars.next().is_none_or(char::is_whitespace)
}

/// Whether a line ends in an ellipsis.
pub fn breaks_off(line: &str) -> bool {
    line.ends_with("...") || line.ends_with('…') || line.ends_with("。。。") || line.ends_with("[...]")
}

/// Number of hash signs and ellipses; the two characters of a Chinese ellipsis count as one.
pub fn symbols(text: &str) -> usize {
    let hashes = text.bytes().filter(|byte| *byte == b'#').count();
    hashes + text.matches("...").count() + text.replace("……", "…").matches('…').count()
}

/// Characters that replace lost ones: replacement characters, private use, controls.
pub fn unreadable(text: &str) -> usize {
    let is_lost = |char: char| {
        char == '\u{fffd}'
            || matches!(u32::from(char), 0xe000..=0xf8ff | 0xf0000..=0x10ffff)
            || char.is_control() && !matches!(char, '\n' | '\r' | '\t')
    };
    if text.is_ascii() && !text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')) {
        return 0;
    }
    text.chars().filter(|char| is_lost(*char)).count()
}
