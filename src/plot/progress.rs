//! Progress of long work: a bar on a terminal, otherwise a line at intervals.

use super::bar::{Screen, is_drawable};
use crate::progress::{self, Bars, Line, Sink, beside_bars, listened, to_stderr};
use crate::sync::unpoisoned;
use crate::text::thousands;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

/// Time between two plain lines.
const PAUSE: Duration = Duration::from_secs(10);
/// Width of a bar in columns.
const BAR: usize = 20;
/// Ticks over which the current speed is measured.
const WINDOW: usize = 32;

static BARS: LazyLock<MultiProgress> = LazyLock::new(|| {
    MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(Screen::new()), 10))
});
/// Bars on the screen.
static SHOWING: AtomicUsize = AtomicUsize::new(0);
/// Work that has a bar, on the screen or not.
static DRAWN: Mutex<Vec<Weak<Mutex<State>>>> = Mutex::new(Vec::new());
/// Time between two lines for a listener.
const GLANCE: Duration = Duration::from_millis(250);

/// The bars of this process.
struct Terminal;

impl Bars for Terminal {
    fn hidden(&self, work: &mut dyn FnMut()) {
        match LazyLock::get(&BARS) {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }

    fn is_showing(&self) -> bool {
        SHOWING.load(Ordering::Relaxed) > 0
    }

    fn rest(&self) {
        let bars = std::mem::take(&mut *drawn());
        for state in bars.iter().filter_map(Weak::upgrade) {
            let mut state = unpoisoned(state.lock());
            if matches!(state.show, Show::Bar(_)) {
                state.leave(false);
                state.show = Show::Resting;
            }
        }
    }
}

fn drawn() -> MutexGuard<'static, Vec<Weak<Mutex<State>>>> {
    unpoisoned(DRAWN.lock())
}

/// A handle to the progress of one task.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<State>>);

struct State {
    label: String,
    total: u64,
    at: u64,
    first: u64,
    show: Show,
    start: Instant,
    told: Instant,
    /// Tokens, bytes and time at the last ticks.
    window: VecDeque<(Instant, Work)>,
    work: Work,
    notes: Vec<(String, String)>,
    done: bool,
}

#[derive(Clone, Copy, Default)]
struct Work {
    steps: u64,
    tokens: u64,
    bytes: u64,
}

enum Show {
    Bar(ProgressBar),
    /// A bar that is off the screen until the next step.
    Resting,
    Lines(Line),
    Told,
    Nothing,
}

/// Measurements of one step.
#[derive(Default)]
pub struct Tick {
    pub tokens: u64,
    pub bytes: u64,
    /// Shown after the speeds, as `name value`.
    pub notes: Vec<(String, String)>,
}

impl Progress {
    /// Starts the progress of `total` steps, `from` of which are already done.
    pub fn new(label: &str, total: u64, from: u64, quiet: bool) -> Progress {
        let now = Instant::now();
        progress::drawn_by(&Terminal);
        let show = match progress::sink() {
            _ if quiet => Show::Nothing,
            Sink::Nowhere => Show::Nothing,
            Sink::Lines(line) => Show::Lines(line),
            Sink::Process if progress::is_heard() => Show::Told,
            Sink::Process if is_drawable() => Show::Resting,
            Sink::Process => Show::Lines(Arc::new(Mutex::new(to_stderr))),
        };
        let state = State {
            label: label.into(),
            total,
            at: from,
            first: from,
            show,
            start: now,
            told: now,
            window: VecDeque::from([(now, Work::default())]),
            work: Work::default(),
            notes: Vec::new(),
            done: false,
        };
        let progress = Progress(Arc::new(Mutex::new(state)));
        progress.show(&mut progress.lock(), now);
        progress
    }

    /// Updates the bar.
    fn show(&self, state: &mut State, now: Instant) {
        if matches!(state.show, Show::Resting) {
            state.show = Show::Bar(bar(state.total, state.at));
            let mut drawn = drawn();
            drawn.retain(|state| state.strong_count() > 0);
            drawn.push(Arc::downgrade(&self.0));
        }
        state.tell(now);
    }

    /// Advances by one step.
    pub fn tick(&self, tick: Tick) {
        let mut state = self.lock();
        let now = Instant::now();
        state.at += 1;
        state.work.steps += 1;
        state.work.tokens += tick.tokens;
        state.work.bytes += tick.bytes;
        if !tick.notes.is_empty() {
            state.notes = tick.notes;
        }
        let work = state.work;
        state.window.push_back((now, work));
        if state.window.len() > WINDOW {
            state.window.pop_front();
        }
        progress::note(&state.label, state.at, state.total);
        self.show(&mut state, now);
        if matches!(state.show, Show::Told) && now - state.told >= GLANCE {
            state.told = now;
            listened(&state.line(now, false), false);
        }
        if let (Show::Lines(line), true) = (&state.show, now - state.told >= PAUSE) {
            write(line, &state.line(now, false));
            state.told = now;
        }
    }

    /// Ends the bar: leaves one line with the elapsed time and the overall speed.
    pub fn done(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.done, true) {
            return;
        }
        let now = Instant::now();
        match &state.show {
            Show::Bar(_) => state.leave(true),
            Show::Resting => state.put(&state.drawn(now, true)),
            _ => state.put(&state.line(now, true)),
        }
    }

    /// Prints a line above the bar.
    pub fn say(&self, text: &str) {
        let state = self.lock();
        state.put(&format!("  {}   {text}", state.label));
    }

    /// Steps so far, and in total.
    pub fn at(&self) -> (u64, u64) {
        let state = self.lock();
        (state.at, state.total)
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.lock().start.elapsed().as_secs_f64()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.0.lock())
    }
}

/// Work that ended early leaves its last position.
impl Drop for State {
    fn drop(&mut self) {
        if !self.done {
            self.leave(false);
        }
    }
}

impl State {
    /// Replaces the bar with a plain line, above later output.
    fn leave(&mut self, end: bool) {
        let Show::Bar(bar) = &self.show else { return };
        SHOWING.fetch_sub(1, Ordering::Relaxed);
        bar.finish_and_clear();
        BARS.remove(bar);
        let line = self.drawn(Instant::now(), end);
        beside_bars(|| to_stderr(&line));
        self.show = Show::Nothing;
    }

    /// Prints a line where progress is shown.
    fn put(&self, line: &str) {
        match &self.show {
            Show::Bar(_) | Show::Resting => beside_bars(|| to_stderr(line)),
            Show::Lines(to) => write(to, line),
            Show::Told => listened(line, true),
            Show::Nothing => {}
        }
    }

    /// The line with its bar.
    fn drawn(&self, now: Instant, end: bool) -> String {
        let filled = (BAR as u64 * self.at).checked_div(self.total).unwrap_or(BAR as u64).min(BAR as u64) as usize;
        let bar = format!("{}{}", "━".repeat(filled), "╌".repeat(BAR - filled));
        format!("  {}   {bar} {}", self.label, self.facts(now, end))
    }

    fn tell(&self, now: Instant) {
        if let Show::Bar(bar) = &self.show {
            bar.set_prefix(self.label.clone());
            bar.set_message(self.facts(now, false));
            bar.set_position(self.at);
        }
    }

    /// A line without a bar.
    fn line(&self, now: Instant, end: bool) -> String {
        let place = if end { String::new() } else { format!("{} of {}   ", thousands(self.at), thousands(self.total)) };
        format!("  {}   {place}{}", self.label, self.facts(now, end))
    }

    /// Time, speeds, and the notes of the last step.
    fn facts(&self, now: Instant, end: bool) -> String {
        let mut parts = vec![clock(now - self.start)];
        if !end && let Some(left) = self.left(now) {
            parts.push(format!("{} left", clock(left)));
        }
        let (then, before) = match self.window.front() {
            Some(&first) if !end => first,
            _ => (self.start, Work::default()),
        };
        let seconds = (now - then).as_secs_f64();
        for (count, unit) in [(self.work.tokens - before.tokens, "tok/s"), (self.work.bytes - before.bytes, "bytes/s")]
        {
            if count > 0 && seconds > 0.0 {
                parts.push(format!("{} {unit}", thousands((count as f64 / seconds).round() as u64)));
            }
        }
        parts.extend(self.notes.iter().map(|(name, value)| format!("{name} {value}")));
        parts.join("   ")
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let (then, before) = *self.window.front()?;
        let steps = self.work.steps - before.steps;
        if steps == 0 || self.at >= self.total || self.at == self.first {
            return None;
        }
        Some((now - then).mul_f64((self.total - self.at) as f64 / steps as f64))
    }
}

fn write(to: &Line, line: &str) {
    unpoisoned(to.lock())(line);
}

fn bar(total: u64, from: u64) -> ProgressBar {
    SHOWING.fetch_add(1, Ordering::Relaxed);
    let bar = BARS.add(ProgressBar::new(total).with_position(from).with_finish(ProgressFinish::AndClear));
    if let Ok(style) = ProgressStyle::with_template("  {prefix}   {bar:20} {msg}") {
        bar.set_style(style.progress_chars("━╸╌"));
    }
    bar
}

/// `1:05`, or `2:01:05`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
