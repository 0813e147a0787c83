//! Features of a token and its neighbors, for an entity tagger without a neural network.

/// The features of each token: itself and its neighbors up to `window` positions away, pairs of neighbors, the shapes of the
/// nearest, and for words also prefixes and suffixes.
pub fn features(tokens: &[String], window: usize) -> Vec<Vec<String>> {
    let shapes: Vec<String> = tokens.iter().map(|token| shape(token)).collect();
    (0..tokens.len()).map(|at| of_token(tokens, &shapes, at, window as isize)).collect()
}

fn of_token(tokens: &[String], shapes: &[String], at: usize, window: isize) -> Vec<String> {
    let look = |all: &'_ [String], offset: isize| -> String {
        let place = at as isize + offset;
        let found = usize::try_from(place).ok().and_then(|place| all.get(place));
        // before the first and after the last
        found.cloned().unwrap_or_else(|| if place < 0 { "\u{2}".into() } else { "\u{3}".into() })
    };
    let mut found = vec!["1".to_string()];
    for offset in -window..=window {
        found.push(format!("{offset}={}", look(tokens, offset)));
    }
    for offset in -window..window {
        found.push(format!("{offset}+={}\t{}", look(tokens, offset), look(tokens, offset + 1)));
    }
    if window > 0 {
        found.push(format!("-1+1={}\t{}", look(tokens, -1), look(tokens, 1)));
    }
    let near = window.min(1);
    for offset in -near..=near {
        found.push(format!("{offset}s={}", look(shapes, offset)));
    }
    let token = &tokens[at];
    let ends: Vec<usize> = token.char_indices().map(|(at, _)| at).chain([token.len()]).collect();
    let length = ends.len() - 1;
    if length > 1 {
        found.push(format!("l={}", token.to_lowercase()));
        for size in 1..=3.min(length - 1) {
            found.push(format!("p={}", &token[..ends[size]]));
            found.push(format!("e={}", &token[ends[length - size]..]));
        }
    }
    found
}

/// The shape of a token: one sign for each run of characters of a kind.
fn shape(token: &str) -> String {
    let mut shape = String::new();
    for sign in token.chars() {
        let kind = kind(sign);
        if !shape.ends_with(kind) {
            shape.push(kind);
        }
    }
    shape
}

fn kind(sign: char) -> char {
    match sign {
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}' => '字',
        '\u{3040}'..='\u{30ff}' => 'あ',
        sign if sign.is_numeric() => '0',
        sign if sign.is_uppercase() => 'X',
        sign if sign.is_alphabetic() => 'x',
        sign if sign.is_whitespace() => ' ',
        _ => '.',
    }
}
