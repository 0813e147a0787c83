//! The prompt as a person sees it: dialogs on a terminal, in `tests/data/dialogs`, each with the resulting screens.
//!
//! ```text
//! == the name of a dialog
//! size 12 40                    rows and columns; 24 and 80 without it
//! shell                         under a shell that Ctrl-Z gives the terminal back to; a line to it is `fg`
//! env NAME=value
//! file NAME text\\nof a file        `<n>` is a backslash and an n
//! > 1 + 1                       types a line and Enter, and waits for the next prompt
//! keys let a<Tab><C-c>          types what is there, and waits for nothing
//! wait 0:0                      until the screen has such a text
//! pause 200                     milliseconds
//! size 24 30                    later on: the window is drawn to that size
//! | »                           the whole screen, without the greeting
//! cursor 2 5                    row and column
//! ends 0                        the process, with this code
//! ```
//!
//! `LEVAIN_TEST_DIALOGS=write` writes the resulting screens into the files, so that a person can review the changes.

use super::terminal::Terminal;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long, for busy machines.
const PATIENCE: Duration = Duration::from_secs(60);

/// One dialog: its position, and its lines.
struct Dialog {
    file: PathBuf,
    name: String,
    lines: Vec<String>,
}

fn dialogs() -> Vec<Dialog> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir("tests/data/dialogs").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found: Vec<Dialog> = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            match line.strip_prefix("== ") {
                Some(name) => found.push(Dialog { file: file.clone(), name: name.into(), lines: Vec::new() }),
                None => match found.last_mut().filter(|dialog| dialog.file == file) {
                    Some(dialog) => dialog.lines.push(line.to_string()),
                    None => assert!(line.is_empty() || line.starts_with('#'), "{}: {line}", file.display()),
                },
            }
        }
    }
    found
}

/// Keys by name.
fn keys(text: &str) -> String {
    let mut keys = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        keys.push_str(&rest[..at]);
        let named = rest[at..].find('>').and_then(|length| Some((key(&rest[at + 1..at + length])?, at + length + 1)));
        let (code, next) = named.unwrap_or(("<".to_string(), at + 1));
        keys.push_str(&code);
        rest = &rest[next..];
    }
    keys + rest
}

fn key(name: &str) -> Option<String> {
    let code = match name {
        "Enter" => "\r",
        "LF" => "\n",
        "Tab" => "\t",
        "Esc" => "\x1b",
        "Backspace" => "\x7f",
        "Delete" => "\x1b[3~",
        "Up" => "\x1b[A",
        "Down" => "\x1b[B",
        "Right" => "\x1b[C",
        "Left" => "\x1b[D",
        "Home" => "\x1b[H",
        "End" => "\x1b[F",
        "A-Enter" => "\x1b\r",
        "A-b" => "\x1bb",
        "A-f" => "\x1bf",
        "A-d" => "\x1bd",
        "paste" => "\x1b[200~",
        "/paste" => "\x1b[201~",
        "NUL" => "\0",
        other => {
            let letter = other.strip_prefix("C-").filter(|letter| letter.len() == 1)?.bytes().next()?;
            return Some(char::from(letter & 0x1f).to_string());
        }
    };
    Some(code.to_string())
}

/// A running dialog.
struct Talk {
    folder: tempfile::TempDir,
    size: (u16, u16),
    shell: bool,
    variables: Vec<(String, String)>,
    terminal: Option<Terminal>,
    /// The lines with the actual screens.
    written: Vec<String>,
    wrong: String,
}

impl Talk {
    fn new() -> Talk {
        let folder = tempfile::tempdir().unwrap();
        let (variables, written, wrong) = Default::default();
        Talk { folder, size: (24, 80), shell: false, variables, terminal: None, written, wrong }
    }

    /// The terminal, which starts at the first line that needs it.
    fn terminal(&mut self) -> &mut Terminal {
        let (folder, size) = (self.folder.path(), self.size);
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        self.terminal.get_or_insert_with(|| match self.shell {
            true => Terminal::under_a_shell(folder, size, &variables),
            false => Terminal::with(folder, size, &variables),
        })
    }

    /// Executes a line that is not part of a screen.
    fn step(&mut self, word: &str, rest: &str) {
        let pair = |sign: char| rest.split_once(sign).expect("two words");
        let number = |text: &str| text.trim().parse::<u16>().expect("a number");
        match word {
            "size" => {
                let (rows, columns) = pair(' ');
                self.size = (number(rows), number(columns));
                let (rows, columns) = self.size;
                if let Some(terminal) = &mut self.terminal {
                    terminal.resize(rows, columns);
                }
            }
            "shell" => self.shell = true,
            "env" => self.variables.push((pair('=').0.into(), pair('=').1.into())),
            "file" => {
                let path = self.folder.path().join(pair(' ').0);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, pair(' ').1.replace("\\n", "\n").replace("<n>", "\\n")).unwrap();
            }
            ">" => {
                self.terminal().wait("the prompt", |screen| screen == "»" || screen.ends_with("\n»"));
                self.terminal().says(&keys(rest));
            }
            "keys" => self.terminal().keys(&keys(rest)),
            "wait" => drop(self.terminal().shows(rest)),
            "pause" => std::thread::sleep(Duration::from_millis(number(rest).into())),
            "cursor" => {
                let (row, column) = pair(' ');
                let wanted = (number(row), number(column));
                self.becomes(&format!("{wanted:?}"), |terminal| format!("{:?}", terminal.cursor()));
            }
            "ends" => {
                let code = self.terminal().ends();
                self.is(&format!("{:?}", Some(i32::from(number(rest)))), &format!("{code:?}"));
            }
            _ => panic!("`{word} {rest}` is no line of a dialog"),
        }
    }

    /// Waits until the expected output is visible.
    fn becomes(&mut self, wanted: &str, see: impl Fn(&Terminal) -> String) {
        let begun = Instant::now();
        let mut seen = see(self.terminal());
        while seen != wanted && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(3));
            seen = see(self.terminal());
        }
        self.is(wanted, &seen);
    }

    fn is(&mut self, wanted: &str, seen: &str) {
        if wanted != seen {
            let _ = writeln!(self.wrong, "wanted:\n{wanted}\nseen:\n{seen}");
        }
    }

    /// The screen, once it has been unchanged for a while.
    fn settled(&mut self) -> String {
        let mut seen = String::new();
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_millis(2500) {
            let now = screen(self.terminal());
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        seen
    }
}

/// The screen without the greeting, and without elapsed times, which vary.
fn screen(terminal: &Terminal) -> String {
    let is_time = |line: &&str| line.strip_suffix(" s").is_some_and(|time| time.parse::<f64>().is_ok());
    let text: Vec<String> = terminal.text().lines().filter(|line| !is_time(line)).map(str::to_string).collect();
    let text = text.join("\n");
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("levain ") => rest.to_string(),
        _ => text,
    }
}

/// Runs a dialog; returns the lines with the actual screens, and the faults.
fn hold(dialog: &Dialog, writes: bool) -> (Vec<String>, String) {
    let mut talk = Talk::new();
    let mut lines = dialog.lines.iter().peekable();
    while let Some(line) = lines.next() {
        if let Some(first) = line.strip_prefix('|') {
            let mut wanted = first.strip_prefix(' ').unwrap_or(first).to_string();
            while let Some(next) = lines.next_if(|line| line.starts_with('|')) {
                let next = &next[1..];
                wanted = wanted + "\n" + next.strip_prefix(' ').unwrap_or(next);
            }
            let seen = if writes { talk.settled() } else { wanted.clone() };
            talk.becomes(&seen, screen);
            talk.written.extend(seen.lines().map(|line| format!("| {line}").trim_end().to_string()));
            continue;
        }
        talk.written.push(line.clone());
        if !line.is_empty() && !line.starts_with('#') {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            talk.step(word, rest);
        }
        if !talk.wrong.is_empty() {
            break;
        }
    }
    (talk.written, talk.wrong)
}

/// Four at once: most of the time is spent waiting.
fn hold_all(dialogs: &[Dialog], writes: bool) -> Vec<(Vec<String>, String)> {
    let next = AtomicUsize::new(0);
    let held = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let turn = || next.fetch_add(1, Ordering::Relaxed);
                let mut at = turn();
                while let Some(dialog) = dialogs.get(at) {
                    // missing output is a panic, whose message contains the screen
                    let came = std::panic::catch_unwind(|| hold(dialog, writes));
                    let came = came.unwrap_or_else(|panic| (dialog.lines.clone(), text_of(&*panic)));
                    held.lock().unwrap().push((at, came));
                    at = turn();
                }
            });
        }
    });
    let mut held = held.into_inner().unwrap();
    held.sort_by_key(|(at, _)| *at);
    held.into_iter().map(|(_, came)| came).collect()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_string())
}

/// The files rewritten with the actual screens.
fn write(dialogs: &[Dialog], held: &[(Vec<String>, String)]) {
    let mut texts: Vec<(&Path, String)> = Vec::new();
    for (dialog, (lines, _)) in dialogs.iter().zip(held) {
        if texts.last().is_none_or(|(file, _)| *file != dialog.file) {
            let old = std::fs::read_to_string(&dialog.file).unwrap();
            let head = old.split("== ").next().unwrap_or_default().to_string();
            texts.push((&dialog.file, head));
        }
        let text = &mut texts.last_mut().unwrap().1;
        let _ = write!(text, "== {}\n{}\n", dialog.name, lines.join("\n"));
    }
    for (file, text) in texts {
        std::fs::write(file, text.trim_end().to_string() + "\n").unwrap();
    }
}

#[test]
fn each_shows_the_screens_that_it_should() {
    let only = std::env::var("LEVAIN_TEST_DIALOG").unwrap_or_default();
    let writes = std::env::var("LEVAIN_TEST_DIALOGS").as_deref() == Ok("write");
    let mut dialogs = dialogs();
    assert!(dialogs.len() >= 200, "{} dialogs", dialogs.len());
    dialogs.retain(|dialog| writes || dialog.name.contains(&only));
    let held = hold_all(&dialogs, writes);
    if writes {
        write(&dialogs, &held);
    }
    let mut wrong = String::new();
    for (dialog, (_, why)) in dialogs.iter().zip(&held).filter(|(_, (_, why))| !why.is_empty()) {
        let _ = writeln!(wrong, "{}: {}\n{why}", dialog.file.display(), dialog.name);
    }
    assert!(wrong.is_empty(), "{wrong}");
}
