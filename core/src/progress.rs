//! Destination of progress and warnings, and coordination of other output with progress bars. The bars themselves are drawn
//! elsewhere.

use crate::scoped;
use crate::sync::unpoisoned;
use crate::text;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Destination of a script's progress.
#[derive(Clone, Default)]
pub enum Sink {
    /// Standard error, or the program's listener.
    #[default]
    Process,
    /// A line now and then, without its newline.
    Lines(Line),
    Nowhere,
}

pub type Line = Arc<Mutex<dyn FnMut(&str) + Send>>;

thread_local! {
    static SINK: RefCell<Sink> = RefCell::default();
}

static SILENT: AtomicBool = AtomicBool::new(false);

/// Runs `work` on this thread with its progress sent to `sink`.
pub fn shown_by<T>(sink: &Sink, work: impl FnOnce() -> T) -> T {
    scoped::with(&SINK, sink.clone(), work)
}

/// The destination of this thread's progress.
pub fn sink() -> Sink {
    if SILENT.load(Ordering::Relaxed) { Sink::Nowhere } else { SINK.with(|sink| sink.borrow().clone()) }
}

/// Disables progress from now on: for tests.
pub fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Prints a warning that does not stop the work, as `warning: WHO: WHAT`: something in a file or an option that is ignored, or
/// not used as written.
pub fn warn(who: &str, what: impl Display) {
    let line = format!("warning: {who}: {what}");
    match sink() {
        Sink::Nowhere => {}
        Sink::Lines(to) => unpoisoned(to.lock())(&line),
        Sink::Process if is_heard() => listened(&line, true),
        Sink::Process => beside_bars(|| to_stderr(&line)),
    }
}

/// The operation that advanced last: its label, position and total.
static DOING: Mutex<Option<(String, u64, u64)>> = Mutex::new(None);

/// Records the position of an operation, shown or not.
pub fn note(label: &str, at: u64, of: u64) {
    *unpoisoned(DOING.lock()) = Some((label.into(), at, of));
}

/// The last recorded operation of this process.
pub fn doing() -> Option<(String, u64, u64)> {
    unpoisoned(DOING.lock()).clone()
}

/// Writes a line to standard error; a failure is ignored, since it can't be reported anywhere.
pub fn to_stderr(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

type Listener = Box<dyn Fn(&str) + Send>;
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Sends progress to `listener` instead of the terminal: one line that is rewritten after carriage returns, with a newline at the
/// end of an operation. A carriage return clears nothing, so text shorter than the previous one is padded with spaces.
pub fn tell_to(listener: impl Fn(&str) + Send + 'static) {
    *listening() = Some(Box::new(listener));
}

/// Whether progress goes to a listener.
pub fn is_heard() -> bool {
    listening().is_some()
}

/// Rewrites the line that the listener shows, and ends it if nothing will replace it.
pub fn listened(line: &str, ends: bool) {
    let listener = listening();
    let Some(listener) = &*listener else { return };
    // front ends count characters, terminals columns
    let (letters, columns) = (line.chars().count(), text::width(line));
    let mut before = unpoisoned(REWRITTEN.lock());
    let rest = before.0.saturating_sub(letters).max(before.1.saturating_sub(columns));
    listener(&format!("\r{line}{}{}", " ".repeat(rest), if ends { "\n" } else { "" }));
    *before = if ends { (0, 0) } else { (letters, columns) };
}

/// Length of the line to be rewritten: characters and columns.
static REWRITTEN: Mutex<(usize, usize)> = Mutex::new((0, 0));

fn listening() -> MutexGuard<'static, Option<Listener>> {
    unpoisoned(LISTENER.lock())
}

/// Draws bars on the terminal.
pub trait Bars: Sync {
    /// Runs `work`, which writes to the terminal, with the bars hidden.
    fn hidden(&self, work: &mut dyn FnMut());
    /// Whether a bar is on the screen.
    fn is_showing(&self) -> bool;
    /// Turns each bar into a plain line; its next step makes it a bar again.
    fn rest(&self);
}

static BARS: OnceLock<&'static dyn Bars> = OnceLock::new();

/// Registers the drawer of bars, before the first bar.
pub fn drawn_by(bars: &'static dyn Bars) {
    let _ = BARS.set(bars);
}

/// Runs `work`, which writes to the terminal, with the bars hidden.
pub fn beside_bars<T>(work: impl FnOnce() -> T) -> T {
    let Some(bars) = BARS.get() else { return work() };
    let (mut work, mut done) = (Some(work), None);
    bars.hidden(&mut || done = work.take().map(|work| work()));
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("work that is taken is done"),
    }
}

/// Whether a bar is on the screen.
pub fn is_showing() -> bool {
    BARS.get().is_some_and(|bars| bars.is_showing())
}

/// Turns each bar into a plain line before something else uses the terminal.
pub fn rest() {
    if let Some(bars) = BARS.get() {
        bars.rest();
    }
}
