//! The terminal target of progress bars.

use console::Term;
use indicatif::TermLike;
use std::io::{IsTerminal, Result};

/// Whether standard error supports bars.
pub fn is_drawable() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// Standard error with the cursor at the start of the last bar. indicatif leaves it at the end of a full line, so the `^C` echoed
/// by a terminal begins a new line, and the bar above is never cleared.
#[derive(Debug)]
pub struct Screen(Term);

impl Screen {
    pub fn new() -> Screen {
        Screen(Term::buffered_stderr())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}
