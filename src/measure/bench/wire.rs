//! The protocol between `levain bench` and the process that runs a script: one JSON object per line, over the process's standard
//! input and output.

use super::{Bench, Exact, Memory, Sample, Scored, Summary, Take, Timed};
use crate::{Error, Result, bail, cancel};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

/// Incremented when a message changes its meaning: distinguishes a binary with another protocol from a broken one.
pub const PROTOCOL: u32 = 2;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    Hello {
        protocol: u32,
        version: String,
    },
    /// Output of the script.
    Printed(String),
    /// A timed case begins: requests are expected.
    Timed(Timed),
    Sample(Sample),
    Exact(Exact),
    Scored(Scored),
    Memory(Memory),
    /// The script has finished.
    End,
    /// An error in readable form.
    Fault(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    Sample { calls: u64, yardstick: bool },
    Done(Summary),
}

pub fn send(to: &mut dyn Write, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(message).map_err(|error| Error::new("bench", error.to_string()))?;
    line.push('\n');
    let sent = to.write_all(line.as_bytes()).and_then(|()| to.flush());
    sent.map_err(|_| Error::new("bench", "the other process has ended"))
}

/// The next message; `None` at the end.
pub fn receive<T: DeserializeOwned>(from: &mut dyn BufRead) -> Result<Option<T>> {
    let mut line = String::new();
    let read = from.read_line(&mut line).map_err(|error| Error::new("bench", error.to_string()))?;
    if read == 0 {
        return Ok(None);
    }
    match serde_json::from_str(&line) {
        Ok(message) => Ok(Some(message)),
        Err(_) => bail!("bench", "not a message: {}", line.trim_end().chars().take(80).collect::<String>()),
    }
}

/// The bench of the process that runs the script: forwards everything, and executes requests.
pub struct Worker<F> {
    /// The script's output since the last call.
    pub printed: F,
}

impl<F: FnMut() -> String> Worker<F> {
    pub fn tell(&mut self, message: &FromWorker) -> Result<()> {
        let printed = (self.printed)();
        let mut out = std::io::stdout().lock();
        if !printed.is_empty() {
            send(&mut out, &FromWorker::Printed(printed))?;
        }
        send(&mut out, message)
    }
}

impl<F: FnMut() -> String> Bench for Worker<F> {
    fn timed(&mut self, case: &Timed, take: &mut Take) -> Result<Summary> {
        self.tell(&FromWorker::Timed(case.clone()))?;
        loop {
            cancel::check()?;
            match receive(&mut std::io::stdin().lock())? {
                Some(ToWorker::Sample { calls, yardstick }) => {
                    let sample = take(calls, yardstick)?;
                    self.tell(&FromWorker::Sample(sample))?;
                }
                Some(ToWorker::Done(summary)) => return Ok(summary),
                None => return Err(Error::interrupted()),
            }
        }
    }

    fn exact(&mut self, case: &Exact) -> Result<()> {
        self.tell(&FromWorker::Exact(case.clone()))
    }

    fn scored(&mut self, case: &Scored) -> Result<()> {
        self.tell(&FromWorker::Scored(case.clone()))
    }

    fn memory(&mut self, case: &Memory) -> Result<()> {
        self.tell(&FromWorker::Memory(case.clone()))
    }
}
