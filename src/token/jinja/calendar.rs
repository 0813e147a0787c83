//! The date that templates print. It is fixed (Llama 3's own default), so that the same chat is always the same text.

/// 26 July 2024, a Friday, formatted by `strftime`.
pub fn date(format: &str) -> String {
    let mut date = String::with_capacity(format.len());
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            date.push(letter);
            continue;
        }
        let mut code = letters.next();
        // without padding
        let bare = code == Some('-');
        if bare {
            code = letters.next();
        }
        let part = code.and_then(part);
        match (part, code) {
            (Some(part), _) if bare => {
                let cut = part.trim_start_matches(['0', ' ']);
                date.push_str(if cut.is_empty() { "0" } else { cut });
            }
            (Some(part), _) => date.push_str(part),
            (None, Some(other)) => date.extend(['%', other]),
            (None, None) => date.push('%'),
        }
    }
    date
}

fn part(code: char) -> Option<&'static str> {
    Some(match code {
        'Y' | 'G' => "2024",
        'y' | 'g' => "24",
        'C' => "20",
        'm' => "07",
        'd' | 'e' => "26",
        'B' => "July",
        'b' | 'h' => "Jul",
        'A' => "Friday",
        'a' => "Fri",
        'u' | 'w' => "5",
        'j' => "208",
        'V' | 'W' => "30",
        'U' => "29",
        'H' | 'M' | 'S' => "00",
        'I' => "12",
        'k' => " 0",
        'l' => "12",
        'f' => "000000",
        'p' => "AM",
        'P' => "am",
        'D' | 'x' => "07/26/24",
        'F' => "2024-07-26",
        'T' | 'X' => "00:00:00",
        'R' => "00:00",
        'r' => "12:00:00 AM",
        'c' => "Fri Jul 26 00:00:00 2024",
        's' => "1721952000",
        'Z' | 'z' => "",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => return None,
    })
}
