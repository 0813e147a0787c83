//! Runs benchmark scripts in separate processes, alone or with two binaries in turn.

use super::plan::{self, Budget};
use super::wire::{FromWorker, PROTOCOL, ToWorker, receive, send};
use super::{Exact, Memory, Sample, Scored, Timed};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail, cancel};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One case as reported by a script's process.
#[derive(Clone, Debug)]
pub enum Finding {
    Timed(Timed, Vec<Sample>),
    Exact(Exact),
    Scored(Scored),
    Memory(Memory),
}

impl Finding {
    pub fn name(&self) -> &str {
        match self {
            Finding::Timed(case, _) => &case.name,
            Finding::Exact(case) => &case.name,
            Finding::Scored(case) => &case.name,
            Finding::Memory(case) => &case.name,
        }
    }
}

/// One run of a script from its first line to its last.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    pub findings: Vec<Finding>,
    pub printed: String,
    /// The error that ended it early.
    pub fault: Option<String>,
}

impl Pass {
    pub fn finding(&self, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.name() == name)
    }

    /// Whether part of it is a measurement of time or memory, which differs each time.
    pub fn is_measured(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding, Finding::Timed(..) | Finding::Memory(_)))
    }

    fn add(&mut self, finding: Finding) {
        if self.finding(finding.name()).is_some() {
            self.fault = Some(format!("error: bench: two cases are called `{}`\n", finding.name()));
        }
        self.findings.push(finding);
    }
}

/// One binary and its settings.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub binary: &'a Path,
    pub script: &'a Path,
    /// The time limit of the process.
    pub limit: Duration,
}

/// Selects cases by name.
pub type Wanted<'a> = dyn Fn(&str) -> bool + 'a;

/// A process that runs a script, and waits at each sample for a request.
struct Process {
    binary: String,
    child: Arc<Mutex<Child>>,
    limit: Limit,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    said: File,
    pass: Pass,
}

/// Kills a process that takes too long, which then looks like one that broke off.
struct Limit {
    time: Duration,
    passed: Arc<AtomicBool>,
    /// Dropping it cancels the limit.
    _guard: Sender<()>,
}

impl Limit {
    fn watch(child: &Arc<Mutex<Child>>, time: Duration) -> Limit {
        let (guard, over) = channel::<()>();
        let passed = Arc::new(AtomicBool::new(false));
        let (child, late) = (child.clone(), passed.clone());
        std::thread::spawn(move || {
            if over.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                end(&child);
            }
        });
        Limit { time, passed, _guard: guard }
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = unpoisoned(child.lock());
    let _ = child.kill();
    let _ = child.wait();
}

/// The state of a process.
enum Stop {
    Case(Timed),
    End,
}

impl Process {
    fn start(side: &Side) -> Result<Process> {
        let Side { binary, script, limit } = *side;
        let who = binary.display().to_string();
        let said = tempfile::tempfile().map_err(|error| Error::new("bench", error.to_string()))?;
        let mut command = Command::new(binary);
        command.arg("bench").arg("--worker").arg(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(said.try_clone().map_or_else(|_| Stdio::null(), Stdio::from));
        let mut child = command.spawn().map_err(|error| Error::io("bench", binary, &error))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("bench", "{who} has no input or output");
        };
        let child = Arc::new(Mutex::new(child));
        let limit = Limit::watch(&child, limit);
        let from = BufReader::new(from);
        let mut process = Process { binary: who, child, limit, to, from, said, pass: Pass::default() };
        match receive(&mut process.from) {
            Ok(Some(FromWorker::Hello { protocol: PROTOCOL, .. })) => Ok(process),
            Ok(Some(FromWorker::Hello { version, .. })) => Err(Error::new(
                "bench",
                format!("{} is levain {version}, whose benchmarks speak another protocol", process.binary),
            )
            .help("compare each with a baseline instead")),
            _ => {
                cancel::check()?;
                let said = process.last_words();
                Err(Error::new("bench", format!("{} does not run benchmarks{said}", process.binary))
                    .help("it has to be a levain binary with the command `bench`"))
            }
        }
    }

    /// The end of its standard error, for a message.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let _ = self.said.rewind().and_then(|()| self.said.read_to_string(&mut text));
        text.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!(": {line}")).unwrap_or_default()
    }

    /// Processes its messages until it waits for a request or has finished.
    fn next(&mut self) -> Result<Stop> {
        loop {
            cancel::check()?;
            let finding = match receive(&mut self.from)? {
                Some(FromWorker::Timed(case)) => {
                    self.pass.add(Finding::Timed(case.clone(), Vec::new()));
                    return Ok(Stop::Case(case));
                }
                Some(FromWorker::Exact(case)) => Finding::Exact(case),
                Some(FromWorker::Scored(case)) => Finding::Scored(case),
                Some(FromWorker::Memory(case)) => Finding::Memory(case),
                Some(FromWorker::Printed(text)) => {
                    self.pass.printed.push_str(&text);
                    continue;
                }
                Some(FromWorker::Fault(text)) => {
                    self.pass.fault = Some(text);
                    return Ok(Stop::End);
                }
                Some(FromWorker::End) => return Ok(Stop::End),
                Some(FromWorker::Hello { .. } | FromWorker::Sample(_)) => continue,
                None => {
                    self.broke_off()?;
                    return Ok(Stop::End);
                }
            };
            self.pass.add(finding);
        }
    }

    /// One sample, or `None` if the script failed in it.
    fn take(&mut self, calls: u64, yardstick: bool) -> Result<Option<Sample>> {
        cancel::check()?;
        // a process that is gone is detected by the missing reply
        let _ = send(&mut self.to, &ToWorker::Sample { calls, yardstick });
        match receive(&mut self.from)? {
            Some(FromWorker::Sample(sample)) => Ok(Some(sample)),
            Some(FromWorker::Fault(text)) => {
                self.pass.fault = Some(text);
                Ok(None)
            }
            _ => {
                self.broke_off()?;
                Ok(None)
            }
        }
    }

    /// It stopped responding before it finished.
    fn broke_off(&mut self) -> Result<()> {
        cancel::check()?;
        let why = if self.limit.passed.load(Ordering::Relaxed) {
            let seconds = self.limit.time.as_secs_f64();
            format!("bench: takes longer than {seconds} s\nhelp: `--limit SECONDS` gives a script more time")
        } else {
            let said = self.last_words();
            format!("bench: {} ended in the middle{said}", self.binary)
        };
        self.pass.fault = Some(format!("error: {why}\n"));
        Ok(())
    }

    /// Ends the case: keeps its samples, and sends the script their summary.
    fn done(&mut self, samples: Vec<Sample>) -> Result<()> {
        let seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
        if let Some(Finding::Timed(_, kept)) = self.pass.findings.last_mut() {
            *kept = samples;
        }
        if self.pass.fault.is_some() {
            return Ok(());
        }
        send(&mut self.to, &ToWorker::Done(plan::summary(&seconds)))
    }

    fn finish(mut self, wanted: &Wanted) -> Pass {
        let mut pass = std::mem::take(&mut self.pass);
        pass.findings.retain(|finding| wanted(finding.name()));
        pass
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // after its last message it has nothing left to do
        end(&self.child);
    }
}

/// Represents an ended script inside the sampling loops; the pass holds the fault.
fn ended() -> Error {
    Error::new("bench", "the script ended")
}

/// One pass of a script, with a yardstick for each sample of a selected case.
pub fn alone(side: &Side, wanted: &Wanted) -> Result<Pass> {
    let mut process = Process::start(side)?;
    while let Stop::Case(case) = process.next()? {
        if !wanted(&case.name) {
            once(&mut process, &Stop::Case(case))?;
            continue;
        }
        let mut samples = Vec::new();
        let sampled = sample_alone(&mut process, &case, &mut samples);
        cancel::check()?;
        // an error that the pass reports as a fault ends the script, not the benchmarks
        if process.pass.fault.is_none() {
            sampled?;
        }
        process.done(samples)?;
        if process.pass.fault.is_some() {
            break;
        }
    }
    Ok(process.finish(wanted))
}

fn sample_alone(process: &mut Process, case: &Timed, samples: &mut Vec<Sample>) -> Result<()> {
    let calls = plan::warm_up(case, &mut |calls| Ok(process.take(calls, true)?.ok_or_else(ended)?.seconds))?;
    let (mut budget, mut seconds) = (Budget::new(case), Vec::new());
    while !budget.is_over(&seconds) {
        let sample = process.take(calls, true)?.ok_or_else(ended)?;
        seconds.push(sample.seconds);
        samples.push(sample);
    }
    Ok(())
}

/// One pass of a script by two binaries that take turns at every sample, so that other load on the machine affects both. The
/// samples of a case are paired by index.
pub fn in_turn(new: &Side, old: &Side, wanted: &Wanted) -> Result<(Pass, Pass)> {
    let (mut new, mut old) = (Process::start(new)?, Process::start(old)?);
    loop {
        match (new.next()?, old.next()?) {
            (Stop::End, Stop::End) => break,
            (Stop::Case(case), Stop::Case(other)) if case.name == other.name && wanted(&case.name) => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                let sampled = sample_in_turn(&mut new, &mut old, &case, &mut a, &mut b);
                cancel::check()?;
                if new.pass.fault.is_none() && old.pass.fault.is_none() {
                    sampled?;
                }
                new.done(a)?;
                old.done(b)?;
            }
            // a case that only one of them has, or that was not selected: run it once, so that the script continues
            (here, there) => {
                once(&mut new, &here)?;
                once(&mut old, &there)?;
            }
        }
        if new.pass.fault.is_some() || old.pass.fault.is_some() {
            break;
        }
    }
    Ok((new.finish(wanted), old.finish(wanted)))
}

fn once(process: &mut Process, stop: &Stop) -> Result<()> {
    if let Stop::Case(_) = stop {
        let sample = process.take(1, false)?;
        let samples = sample.into_iter().collect();
        process.done(samples)?;
    }
    Ok(())
}

fn sample_in_turn(
    new: &mut Process,
    old: &mut Process,
    case: &Timed,
    a: &mut Vec<Sample>,
    b: &mut Vec<Sample>,
) -> Result<()> {
    let take = |process: &mut Process, calls| process.take(calls, false)?.ok_or_else(ended);
    let calls = plan::warm_up(case, &mut |calls| Ok(take(old, calls)?.seconds.min(take(new, calls)?.seconds)))?;
    let (mut budget, mut ratios) = (Budget::new(case), Vec::new());
    while !budget.is_over(&ratios) {
        let (mut first, mut second);
        // the order alternates, since the second may find the machine as the first left it
        if ratios.len() % 2 == 0 {
            first = take(new, calls)?;
            second = take(old, calls)?;
        } else {
            second = take(old, calls)?;
            first = take(new, calls)?;
        }
        // a clock that does not advance must not cause a division by zero
        first.seconds = first.seconds.max(1e-12);
        second.seconds = second.seconds.max(1e-12);
        ratios.push(first.seconds / second.seconds);
        a.push(first);
        b.push(second);
    }
    Ok(())
}
