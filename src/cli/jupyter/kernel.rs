//! The kernel: a notebook that answers Jupyter's messages.

use super::wire::{Connection, Message, Wire};
use super::zmtp::{Kind, Publisher, Socket};
use crate::Result;
use crate::cancel::Cancel;
use crate::cli::help;
use crate::plot::progress;
use crate::script::look::Page;
use crate::script::notebook::{Answer, scan};
use crate::script::{Fault, Notebook};
use rhai::Dynamic;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Columns of text in a notebook's cell.
const COLUMNS: usize = 100;

/// Serves one connection until it is told to end.
pub fn serve(connection: &Connection) -> Result<()> {
    let bind = |kind, port| {
        let address = connection.address(port);
        Socket::bind(kind, &address).map_err(|error| crate::Error::new("jupyter", format!("{address}: {error}")))
    };
    let shell = bind(Kind::Router, connection.shell_port)?;
    let control = bind(Kind::Router, connection.control_port)?;
    let iopub = bind(Kind::Pub, connection.iopub_port)?;
    // nothing ever asks for input, but clients connect to it
    let _stdin = bind(Kind::Router, connection.stdin_port)?;
    let _heartbeat = bind(Kind::Echo, connection.hb_port)?;
    let wire = Wire::new(&connection.key);
    let news = News { wire: wire.clone(), publisher: iopub.publisher(), parent: Arc::default() };
    let mut kernel = Kernel::new(news.clone());
    listen_to_control(control, wire.clone(), news.clone(), kernel.notebook.host.cancel.clone());
    news.tell("status", &json!({ "execution_state": "starting" }));
    while let Some(incoming) = shell.receive() {
        match wire.read(incoming.frames) {
            Ok(message) => {
                news.about(&message);
                news.tell("status", &json!({ "execution_state": "busy" }));
                if let Some((kind, content)) = kernel.answer(&message) {
                    incoming.from.send(&wire.reply(&message, kind, &content));
                }
                news.tell("status", &json!({ "execution_state": "idle" }));
                if message.kind() == "shutdown_request" || kernel.notebook.host.run_state.ended().is_some() {
                    break;
                }
            }
            // a forged or damaged message is not answered
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}

/// Interruption and the end come on a channel of their own, while a cell runs.
fn listen_to_control(control: Socket, wire: Wire, news: News, cancel: Cancel) {
    std::thread::spawn(move || {
        while let Some(incoming) = control.receive() {
            let Ok(message) = wire.read(incoming.frames) else { continue };
            let status = |state: &str| {
                let frames = wire.broadcast(Some(&message.header), "status", &json!({ "execution_state": state }));
                news.publisher.send(&frames);
            };
            status("busy");
            let content = match message.kind() {
                "interrupt_request" => {
                    cancel.request();
                    json!({ "status": "ok" })
                }
                "shutdown_request" => json!({ "status": "ok", "restart": message.content["restart"] }),
                "kernel_info_request" => kernel_info(),
                _ => continue,
            };
            incoming.from.send(&wire.reply(&message, &message.kind().replace("_request", "_reply"), &content));
            status("idle");
            if message.kind() == "shutdown_request" {
                // whatever runs ends with it: a checkpoint is always whole
                std::process::exit(0);
            }
        }
    });
}

/// What everyone hears, about the message that is being answered.
#[derive(Clone)]
struct News {
    wire: Wire,
    publisher: Publisher,
    parent: Arc<Mutex<Option<Value>>>,
}

impl News {
    fn about(&self, message: &Message) {
        *self.parent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(message.header.clone());
    }

    fn tell(&self, kind: &str, content: &Value) {
        let parent = self.parent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        self.publisher.send(&self.wire.broadcast(parent.as_ref(), kind, content));
    }

    fn stream(&self, name: &str, text: &str) {
        self.tell("stream", &json!({ "name": name, "text": text }));
    }
}

struct Kernel {
    notebook: Notebook,
    news: News,
    count: u64,
}

impl Kernel {
    fn new(news: News) -> Kernel {
        let notebook = Notebook::new();
        let out = news.clone();
        notebook.host.output.give(move |line| out.stream("stdout", &format!("{line}\n")));
        let out = news.clone();
        progress::tell_to(move |text| out.stream("stderr", text));
        Kernel { notebook, news, count: 0 }
    }

    /// The answer to a message: its kind, and what it says.
    fn answer(&mut self, message: &Message) -> Option<(&'static str, Value)> {
        let content = &message.content;
        let text = |name: &str| content[name].as_str().unwrap_or_default();
        Some(match message.kind() {
            "kernel_info_request" => ("kernel_info_reply", kernel_info()),
            "execute_request" => ("execute_reply", self.execute(text("code"), content["silent"] == true)),
            "complete_request" => ("complete_reply", self.complete(text("code"), &content["cursor_pos"])),
            "inspect_request" => (
                "inspect_reply",
                self.inspect(text("code"), &content["cursor_pos"], content["detail_level"].as_u64().unwrap_or(0)),
            ),
            "is_complete_request" => ("is_complete_reply", is_complete(text("code"))),
            "history_request" => ("history_reply", json!({ "status": "ok", "history": [] })),
            "comm_info_request" => ("comm_info_reply", json!({ "status": "ok", "comms": {} })),
            "shutdown_request" => ("shutdown_reply", json!({ "status": "ok", "restart": content["restart"] })),
            // comm_open and what is not in the protocol
            _ => return None,
        })
    }

    fn execute(&mut self, code: &str, silent: bool) -> Value {
        if !silent {
            self.count += 1;
            self.news.tell("execute_input", &json!({ "code": code, "execution_count": self.count }));
        }
        let answer = match code.trim() {
            "" => {
                return json!({ "status": "ok", "execution_count": self.count, "payload": [], "user_expressions": {} });
            }
            text if text.starts_with("??") => self.source(text.trim_start_matches('?').trim()),
            text if text.starts_with('?') => self.told(text.trim_start_matches('?').trim()),
            "who" if !self.notebook.is_variable("who") => {
                self.news.stream("stdout", &format!("{}\n", self.notebook.who(COLUMNS)));
                Ok(None)
            }
            ":resume" => self.notebook.resume().and_then(|answer| self.value(answer, "")),
            _ => {
                let answer = self.notebook.run(code);
                self.value(answer, code)
            }
        };
        match answer {
            Ok(page) => {
                if let Some(page) = page.filter(|_| !silent) {
                    let shown = json!({ "execution_count": self.count, "data": bundle(&page), "metadata": {} });
                    self.news.tell("execute_result", &shown);
                }
                json!({ "status": "ok", "execution_count": self.count, "payload": [], "user_expressions": {} })
            }
            Err(fault) => {
                let told = fault.to_string();
                let traceback: Vec<&str> = told.lines().collect();
                let (name, what) = fault.message.split_once(": ").unwrap_or(("error", &fault.message));
                let mut error = json!({ "ename": name, "evalue": what, "traceback": traceback });
                self.news.tell("error", &error);
                error["status"] = "error".into();
                error["execution_count"] = self.count.into();
                error
            }
        }
    }

    fn value(&self, answer: Answer, code: &str) -> std::result::Result<Option<Page>, Fault> {
        let shown = |value: &Dynamic| !value.is_unit() && !code.trim_end().ends_with(';');
        self.notebook.host.output.end_line();
        // a cell that calls `exit()` has no value, and is no error
        if self.notebook.host.run_state.ended().is_some() {
            return Ok(None);
        }
        Ok(Some(answer.result?).filter(shown).map(|value| self.notebook.page(&value, COLUMNS)))
    }

    /// `? name`
    fn told(&mut self, name: &str) -> std::result::Result<Option<Page>, Fault> {
        self.notebook.functions();
        let page = match name {
            "" => help::overview(&self.notebook.host),
            name => match self.notebook.about(name) {
                Some(page) => page,
                None => help::about(&self.notebook.host, name).map_err(|fault| *fault)?,
            },
        };
        Ok(Some(Page::text(page)))
    }

    /// `?? name`: the text of a function that is written in Rhai; of others, what they do.
    fn source(&mut self, name: &str) -> std::result::Result<Option<Page>, Fault> {
        match self.notebook.source(name) {
            Some(text) => Ok(Some(Page::text(text))),
            None => self.told(name),
        }
    }

    fn complete(&mut self, code: &str, cursor: &Value) -> Value {
        let at = byte_at(code, cursor);
        let found = self.notebook.complete(code, at);
        let matches: Vec<&str> = found.candidates.iter().map(|candidate| candidate.text.as_str()).collect();
        let kinds = found.candidates.iter().map(|candidate| {
            json!({
                "start": letters(code, found.start), "end": letters(code, at), "text": candidate.text,
                "type": "", "signature": candidate.note,
            })
        });
        json!({
            "status": "ok", "matches": matches, "cursor_start": letters(code, found.start),
            "cursor_end": letters(code, at),
            "metadata": { "_jupyter_types_experimental": kinds.collect::<Vec<_>>() },
        })
    }

    fn inspect(&mut self, code: &str, cursor: &Value, detail: u64) -> Value {
        let at = byte_at(code, cursor);
        let name = word_around(code, at);
        let page = match (name, detail) {
            ("", _) => None,
            (name, 1) => self.source(name).ok().flatten(),
            (name, _) => self.told(name).ok().flatten(),
        };
        match page {
            Some(page) => json!({ "status": "ok", "found": true, "data": bundle(&page), "metadata": {} }),
            None => json!({ "status": "ok", "found": false, "data": {}, "metadata": {} }),
        }
    }
}

fn kernel_info() -> Value {
    json!({
        "status": "ok", "protocol_version": "5.3", "implementation": "levain",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "banner": format!("levain {}: scripts that train and measure language models", env!("CARGO_PKG_VERSION")),
        "language_info": {
            "name": "rhai", "version": "1", "mimetype": "text/x-rhai", "file_extension": ".rhai",
            "pygments_lexer": "rust", "codemirror_mode": "rust",
        },
        "help_links": [{ "text": "The Rhai book", "url": "https://rhai.rs/book/" }],
    })
}

fn is_complete(code: &str) -> Value {
    match scan::is_incomplete(code) {
        true => json!({ "status": "incomplete", "indent": " ".repeat(scan::indent(code)) }),
        false => json!({ "status": "complete" }),
    }
}

/// A page in every form that it has.
fn bundle(page: &Page) -> Value {
    let mut data = json!({ "text/plain": page.text });
    if let Some(html) = &page.html {
        data["text/html"] = html.as_str().into();
    }
    if let Some(svg) = &page.svg {
        data["image/svg+xml"] = svg.as_str().into();
    }
    data
}

/// Jupyter counts code points.
fn byte_at(code: &str, cursor: &Value) -> usize {
    let letters = cursor.as_u64().map_or(usize::MAX, |count| count as usize);
    code.char_indices().nth(letters).map_or(code.len(), |(at, _)| at)
}

fn letters(code: &str, at: usize) -> usize {
    code[..at].chars().count()
}

/// The name that the cursor is in or behind, with its module; in the parentheses of a call, the call's.
fn word_around(code: &str, at: usize) -> &str {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let inside = code[..at].trim_end_matches(|c: char| c == '(' || c.is_whitespace());
    let start =
        inside.rfind(|c| !part(c)).map_or(0, |found| found + inside[found..].chars().next().map_or(1, char::len_utf8));
    let end = inside.len() + code[inside.len()..].find(|c| !part(c)).unwrap_or(code.len() - inside.len());
    code[start..end].trim_matches(':')
}
