//! A terminal that runs the prompt, as a person sees it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long, for busy machines.
const PATIENCE: Duration = Duration::from_secs(90);

/// A terminal that runs the prompt.
pub struct Terminal {
    pub child: Child,
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
    pub raw: Arc<Mutex<String>>,
    /// When the first prompt was written.
    pub first: Arc<Mutex<Option<Instant>>>,
}

impl Terminal {
    pub fn new(folder: &Path) -> Terminal {
        Terminal::with(folder, (50, 100), &[])
    }

    pub fn with(folder: &Path, size: (u16, u16), variables: &[(&str, &str)]) -> Terminal {
        let terminal = Terminal::begin(Command::new(env!("CARGO_BIN_EXE_levain")), folder, size, variables);
        terminal.wait("the first prompt", |screen| screen.ends_with('»') && terminal.inputs() > 0);
        terminal
    }

    /// As a shell starts it, which takes the terminal back when Ctrl-Z stops it, and returns it at the next line.
    pub fn under_a_shell(folder: &Path, size: (u16, u16), variables: &[(&str, &str)]) -> Terminal {
        let mut shell = Command::new("sh");
        let script = "\"$0\"; while echo stopped && read -r line; do fg > /dev/null && exit; done";
        shell.args(["-m", "-c", script, env!("CARGO_BIN_EXE_levain")]);
        let terminal = Terminal::begin(shell, folder, size, variables);
        terminal.wait("the first prompt", |screen| screen.ends_with('»') && terminal.inputs() > 0);
        terminal
    }

    fn begin(mut command: Command, folder: &Path, (rows, columns): (u16, u16), variables: &[(&str, &str)]) -> Terminal {
        let (mut ours, mut theirs) = (0, 0);
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: both are written before they are read, and each is owned once below
        let (keys, side) = unsafe {
            let made = libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null(), &size);
            assert_eq!(made, 0, "no terminal to be had");
            (File::from_raw_fd(ours), File::from_raw_fd(theirs))
        };
        command
            .current_dir(folder)
            .env("XDG_STATE_HOME", folder)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env("LEVAIN_THREADS", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::from(side.try_clone().unwrap()))
            .stdout(Stdio::from(side.try_clone().unwrap()))
            .stderr(Stdio::from(side));
        // SAFETY: only calls that are allowed between fork and exec
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY as _, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop(command);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1000)));
        let raw = Arc::new(Mutex::new(String::new()));
        let first = Arc::new(Mutex::new(None));
        let (seen, all, mut from) = (screen.clone(), raw.clone(), keys.try_clone().unwrap());
        let prompted = first.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // the end of the terminal is an error on Linux
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                if text.contains('»') {
                    prompted.lock().unwrap().get_or_insert_with(Instant::now);
                }
                // the screen first: a caller that sees the start of an input looks at it
                seen.lock().unwrap().process(&bytes[..count]);
                all.lock().unwrap().push_str(&text);
            }
        });
        Terminal { child, keys, screen, raw, first }
    }

    /// Resizes the screen, as a person who enlarges a window.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        // SAFETY: it reads a struct that outlives the call, for a terminal that is open
        assert_eq!(unsafe { libc::ioctl(self.keys.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
    }

    /// Row and column of the cursor, counted from 1.
    pub fn cursor(&self) -> (u16, u16) {
        let (row, column) = self.screen.lock().unwrap().screen().cursor_position();
        (row + 1, column + 1)
    }

    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The screen contents, without trailing empty lines.
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap();
        let lines: Vec<String> = screen.screen().contents().lines().map(|line| line.trim_end().to_string()).collect();
        lines.join("\n").trim_end().to_string()
    }

    pub fn wait(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if fits(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not come; the screen is\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Number of inputs that the editor has begun to read.
    pub fn inputs(&self) -> usize {
        let raw = self.raw.lock().unwrap();
        // a dumb terminal has no bracketed paste, and its prompt is written once
        match raw.matches("\x1b[?2004h").count() {
            0 => raw.matches('»').count(),
            count => count,
        }
    }

    /// Clears the screen.
    pub fn clears(&mut self) {
        self.keys("\x0c");
        self.wait("an empty screen", |screen| screen == "»");
    }

    /// Waits until the screen shows a text.
    pub fn shows(&self, text: &str) -> String {
        self.wait(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Types keys that write a line to the screen, and waits until it is there.
    pub fn types(&mut self, keys: &str, line: &str) -> String {
        self.keys(keys);
        self.wait(&format!("the line `{line}`"), |screen| screen.lines().last() == Some(line))
    }

    /// Writes an input and waits for the next prompt; returns the output between.
    pub fn says(&mut self, input: &str) -> String {
        let inputs = self.inputs();
        self.keys(&format!("{input}\r"));
        // one after the other: the screen is read once the input that it shows has certainly begun
        self.wait("the next input", |_| self.inputs() > inputs);
        let after = self.wait("the next prompt", |screen| screen.ends_with("\n»"));
        let lines: Vec<&str> = after.lines().collect();
        let first = lines.iter().take(lines.len() - 1).rposition(|line| line.starts_with('»')).unwrap_or(0);
        // an input of one line
        lines[first + 1..lines.len() - 1].join("\n")
    }

    pub fn ends(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it goes on; the screen is\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // under a shell the prompt is another process, in a group of its own
        // SAFETY: no memory is passed; 0 and below are not groups
        unsafe {
            let group = libc::tcgetpgrp(self.keys.as_raw_fd());
            if group > 0 {
                libc::kill(-group, libc::SIGKILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
