//! Line-by-line differences of two texts.

/// Context lines around a difference.
const AROUND: usize = 2;
/// Maximum number of lines shown.
const SHOWN: usize = 60;

/// The lines that differ, with their numbers: `-` only in `old`, `+` only in `new`.
pub fn lines(old: &str, new: &str) -> String {
    let steps = steps(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let near = |index: usize| {
        let around = index.saturating_sub(AROUND)..(index + AROUND + 1).min(steps.len());
        steps[around].iter().any(|step| step.sign != ' ')
    };
    let mut shown: Vec<String> = Vec::new();
    let mut skipped = false;
    for (index, step) in steps.iter().enumerate() {
        if !near(index) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) && !shown.is_empty() {
            shown.push("  …".to_string());
        }
        shown.push(format!("{} {:>3}  {}", step.sign, step.number, step.text).trim_end().to_string());
    }
    if shown.len() > SHOWN {
        let more = shown.len() - SHOWN;
        shown.truncate(SHOWN);
        shown.push(format!("  … and {more} lines more"));
    }
    if shown.is_empty() {
        shown.push("  they differ in their last line's end".to_string());
    }
    shown.join("\n")
}

struct Step<'a> {
    sign: char,
    /// For a line in both texts, its number in the old one.
    number: usize,
    text: &'a str,
}

fn steps<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let same = |range: std::ops::Range<usize>| {
        range.map(|index| Step { sign: ' ', number: index + 1, text: old[index] }).collect::<Vec<_>>()
    };
    let mut steps = same(0..start);
    let common = common(a, b);
    let (mut i, mut j) = (0, 0);
    for (x, y) in common.into_iter().chain([(a.len(), b.len())]) {
        steps.extend((i..x).map(|index| Step { sign: '-', number: start + index + 1, text: a[index] }));
        steps.extend((j..y).map(|index| Step { sign: '+', number: start + index + 1, text: b[index] }));
        if x < a.len() {
            steps.push(Step { sign: ' ', number: start + x + 1, text: a[x] });
        }
        (i, j) = (x + 1, y + 1);
    }
    steps.extend(same(old.len() - end..old.len()));
    steps
}

/// A longest common subsequence, as pairs of indices; `None` if the texts are too long.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    if a.len() * b.len() > 4_000_000 {
        return Vec::new();
    }
    let wide = b.len() + 1;
    // length of the subsequence from (i, j) on
    let mut long = vec![0_u32; (a.len() + 1) * wide];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            long[i * wide + j] = if a[i] == b[j] {
                1 + long[(i + 1) * wide + j + 1]
            } else {
                long[(i + 1) * wide + j].max(long[i * wide + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if long[(i + 1) * wide + j] >= long[i * wide + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}
