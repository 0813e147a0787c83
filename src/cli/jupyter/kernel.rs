//! The kernel: a notebook that answers Jupyter's messages.

use super::replies::{error, info, refusal};
use super::sockets::{Outbox, Outgoing, Sockets, broadcast};
use crate::Result;
use crate::cli::help;
use crate::progress;
use crate::script::display::Page;
use crate::script::notebook::{Answer, scan};
use crate::script::{Fault, Notebook};
use crate::sync::unpoisoned;
use jupyter_zmq_client::{
    CommClose, CommInfoReply, CompleteReply, ConnectionInfo, ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest,
    ExecuteResult, ExecutionCount, ExpressionResult, HistoryReply, InspectReply, IsCompleteReply, JupyterMessage,
    JupyterMessageContent as Content, Media, MediaType, Payload, ReplyError, ReplyStatus, ShutdownReply, Status,
    StreamContent, Transient,
};
use rhai::Dynamic;
use serde_json::{Map, json};
use std::cell::RefCell;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Columns of text output in a notebook's cell.
const COLUMNS: usize = 100;
/// Maximum gap between the cells that a front end sends when it runs a whole notebook.
const TOGETHER: Duration = Duration::from_millis(50);

/// Serves one connection until a shutdown request.
pub fn serve(connection: &ConnectionInfo) -> Result<()> {
    let sockets = Sockets::open(connection)?;
    let notebook = Notebook::new();
    // standard input does not belong to the author of the cell
    notebook.host.input.close();
    let channels = sockets.serve(notebook.host.cancel.clone())?;
    let news = News { outbox: channels.outbox.clone(), parent: Arc::default() };
    news.tell(Status::starting());
    Kernel::new(notebook, news).serve(&channels.requests);
    channels.close();
    Ok(())
}

/// Answers a request without sending the answer, and runs no cell.
pub fn rehearse(request: &JupyterMessage) {
    thread_local! {
        static ALONE: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    }
    ALONE.with_borrow_mut(|kernel| {
        let kernel = kernel.get_or_insert_with(|| {
            // discards all messages
            let (outbox, _) = tokio::sync::mpsc::unbounded_channel();
            Kernel::new(Notebook::new(), News { outbox, parent: Arc::default() })
        });
        if let Content::ExecuteRequest(asked) = &request.content {
            let _ = is_complete(&asked.code);
        } else {
            let _ = kernel.answer(request);
        }
    });
}

/// Broadcasts to all clients, about the current request.
#[derive(Clone)]
struct News {
    outbox: Outbox,
    parent: Arc<Mutex<Option<JupyterMessage>>>,
}

impl News {
    fn parent(&self) -> MutexGuard<'_, Option<JupyterMessage>> {
        unpoisoned(self.parent.lock())
    }

    fn tell(&self, content: impl Into<Content>) {
        // the outbox is closed only when the process ends
        let _ = self.outbox.send(broadcast(content, self.parent().as_ref()));
    }
}

struct Kernel {
    notebook: Notebook,
    news: News,
    count: ExecutionCount,
    /// Number of cells since the last counted one.
    uncounted: usize,
    shut_down: bool,
}

impl Kernel {
    fn new(notebook: Notebook, news: News) -> Kernel {
        let out = news.clone();
        notebook.host.output.give(move |line| out.tell(StreamContent::stdout(&format!("{line}\n"))));
        let out = news.clone();
        progress::tell_to(move |text| out.tell(StreamContent::stderr(text)));
        Kernel { notebook, news, count: ExecutionCount::default(), uncounted: 0, shut_down: false }
    }

    /// Answers requests until one of them ends the kernel.
    fn serve(&mut self, requests: &Receiver<JupyterMessage>) {
        while !self.shut_down
            && !self.has_exited()
            && let Ok(request) = requests.recv()
        {
            let mut given_up = Vec::new();
            self.about(&request, |kernel| {
                let reply = kernel.answer(&request);
                if stops_others(&request, reply.as_ref()) {
                    given_up = gather(requests);
                }
                reply
            });
            for request in &given_up {
                self.about(request, |kernel| match &request.content {
                    Content::ExecuteRequest(_) => Some(kernel.reply(ReplyStatus::Aborted, None).into()),
                    _ => kernel.answer(request),
                });
            }
        }
    }

    /// Reports that the kernel is busy with a request, and sends the reply.
    fn about(&mut self, request: &JupyterMessage, answer: impl FnOnce(&mut Kernel) -> Option<Content>) {
        *self.news.parent() = Some(request.clone());
        self.news.tell(Status::busy());
        if let Some(reply) = answer(self) {
            let _ = self.news.outbox.send(Outgoing::Reply(JupyterMessage::new(reply, Some(request))));
        }
        self.news.tell(Status::idle());
    }

    fn answer(&mut self, request: &JupyterMessage) -> Option<Content> {
        Some(match &request.content {
            Content::KernelInfoRequest(_) => info().into(),
            Content::ExecuteRequest(asked) => self.execute(asked).into(),
            Content::CompleteRequest(asked) => self.complete(&asked.code, asked.cursor_pos).into(),
            Content::InspectRequest(asked) => {
                self.inspect(&asked.code, asked.cursor_pos, asked.detail_level.unwrap_or(0)).into()
            }
            Content::IsCompleteRequest(asked) => is_complete(&asked.code).into(),
            Content::CommInfoRequest(_) => CommInfoReply::default().into(),
            Content::ShutdownRequest(asked) => {
                self.shut_down = true;
                ShutdownReply { restart: asked.restart, ..Default::default() }.into()
            }
            // the kernel has no comm targets
            Content::CommOpen(comm) => {
                self.news.tell(CommClose { comm_id: comm.comm_id.clone(), data: Map::new() });
                return None;
            }
            // the same reply for all kinds of history requests
            _ if request.header.msg_type == "history_request" => HistoryReply::default().into(),
            _ => return refusal(request),
        })
    }

    fn execute(&mut self, asked: &ExecuteRequest) -> ExecuteReply {
        let counts = !asked.silent && asked.store_history;
        if counts {
            self.count.increment();
        }
        self.uncounted = if counts { 0 } else { self.uncounted + 1 };
        if !asked.silent {
            self.news.tell(ExecuteInput { code: asked.code.clone(), execution_count: self.count });
        }
        match self.evaluate(&asked.code) {
            Ok(page) => {
                if let Some(page) = page.filter(|_| !asked.silent) {
                    // the protocol does not allow null here
                    let transient = Some(Transient::default());
                    self.news.tell(ExecuteResult { transient, ..ExecuteResult::new(self.count, media(page)) });
                }
                let expressions = asked.user_expressions.iter().flatten();
                let results = expressions.map(|(name, text)| (name.clone(), self.expression(text))).collect();
                ExecuteReply { user_expressions: Some(results), ..self.reply(ReplyStatus::Ok, None) }
            }
            Err(fault) => {
                let ReplyError { ename, evalue, traceback } = error(&fault);
                self.news.tell(ErrorOutput { ename, evalue, traceback });
                self.reply(ReplyStatus::Error, Some(error(&fault)))
            }
        }
    }

    /// Evaluates an expression that a front end sends along with a cell.
    fn expression(&mut self, text: &str) -> ExpressionResult {
        match self.notebook.look("expression", text) {
            Ok(value) => {
                ExpressionResult::Ok { data: media(self.notebook.page(&value, COLUMNS)), metadata: Map::new() }
            }
            Err(fault) => {
                let ReplyError { ename, evalue, traceback } = error(&fault);
                ExpressionResult::Error { ename, evalue, traceback }
            }
        }
    }

    /// The source name in positions of a cell: its number, as the front end shows it.
    fn cell(&self) -> String {
        match self.uncounted {
            0 => format!("input {}", self.count.0),
            1 => format!("after input {}", self.count.0),
            more => format!("after input {}, {more}", self.count.0),
        }
    }

    /// Whether a cell has called `exit()`.
    fn has_exited(&self) -> bool {
        self.notebook.host.run_state.ended().is_some()
    }

    fn reply(&self, status: ReplyStatus, error: Option<ReplyError>) -> ExecuteReply {
        ExecuteReply {
            status,
            execution_count: self.count,
            payload: self.has_exited().then_some(Payload::AskExit { keepkernel: false }).into_iter().collect(),
            user_expressions: Some(Default::default()),
            error: error.map(Box::new),
        }
    }

    fn evaluate(&mut self, code: &str) -> std::result::Result<Option<Page>, Fault> {
        match code.trim() {
            "" => Ok(None),
            text if text.starts_with("??") => self.source(text.trim_start_matches('?').trim()),
            text if text.starts_with('?') => self.told(text.trim_start_matches('?').trim()),
            "who" if !self.notebook.is_variable("who") => {
                self.news.tell(StreamContent::stdout(&format!("{}\n", self.notebook.who(COLUMNS))));
                Ok(None)
            }
            ":resume" => self.notebook.resume().and_then(|answer| self.value(answer, "")),
            _ => {
                crate::cli::start_workers(&self.notebook.needs(code));
                let answer = self.notebook.run_as(&self.cell(), code);
                self.value(answer, code)
            }
        }
    }

    fn value(&self, answer: Answer, code: &str) -> std::result::Result<Option<Page>, Fault> {
        let shown = |value: &Dynamic| !value.is_unit() && !scan::ends_with_semicolon(code);
        self.notebook.host.output.end_line();
        // a cell that calls `exit()` has no value, and is not an error
        if self.has_exited() {
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

    /// `?? name`: the source of a function written in Rhai; help for others.
    fn source(&mut self, name: &str) -> std::result::Result<Option<Page>, Fault> {
        match self.notebook.source(name) {
            Some(text) => Ok(Some(Page::text(text))),
            None => self.told(name),
        }
    }

    fn complete(&mut self, code: &str, cursor: usize) -> CompleteReply {
        let at = byte_at(code, cursor);
        let found = self.notebook.complete(code, at);
        let (cursor_start, cursor_end) = (letters(code, found.start), letters(code, at));
        let kinds = found.candidates.iter().map(|candidate| {
            json!({
                "start": cursor_start, "end": cursor_end, "text": candidate.text,
                "type": "", "signature": candidate.note,
            })
        });
        CompleteReply {
            metadata: Map::from_iter([("_jupyter_types_experimental".to_string(), kinds.collect())]),
            matches: found.candidates.into_iter().map(|candidate| candidate.text).collect(),
            cursor_start,
            cursor_end,
            ..Default::default()
        }
    }

    fn inspect(&mut self, code: &str, cursor: usize, detail: usize) -> InspectReply {
        let name = word_around(code, byte_at(code, cursor));
        let page = match (name, detail) {
            ("", _) => None,
            (name, 1) => self.source(name).ok().flatten(),
            (name, _) => self.told(name).ok().flatten(),
        };
        InspectReply { found: page.is_some(), data: page.map(media).unwrap_or_default(), ..Default::default() }
    }
}

/// Whether the cells sent together with this one are skipped.
fn stops_others(request: &JupyterMessage, reply: Option<&Content>) -> bool {
    match (&request.content, reply) {
        (Content::ExecuteRequest(asked), Some(Content::ExecuteReply(reply))) => {
            asked.stop_on_error && reply.status == ReplyStatus::Error
        }
        _ => false,
    }
}

/// The requests that have arrived, or arrive within a short time.
fn gather(requests: &Receiver<JupyterMessage>) -> Vec<JupyterMessage> {
    let until = Instant::now() + TOGETHER;
    std::iter::from_fn(|| requests.recv_timeout(until.saturating_duration_since(Instant::now())).ok()).collect()
}

fn is_complete(code: &str) -> IsCompleteReply {
    match scan::is_incomplete(code) {
        true => IsCompleteReply::incomplete(" ".repeat(scan::indent(code))),
        false => IsCompleteReply::complete(),
    }
}

/// A page in all its formats.
fn media(page: Page) -> Media {
    let forms = [Some(MediaType::Plain(page.text)), page.html.map(MediaType::Html), page.svg.map(MediaType::Svg)];
    Media::new(forms.into_iter().flatten().collect())
}

/// Jupyter counts code points.
fn byte_at(code: &str, letters: usize) -> usize {
    code.char_indices().nth(letters).map_or(code.len(), |(at, _)| at)
}

fn letters(code: &str, at: usize) -> usize {
    code[..at].chars().count()
}

/// The name at or before the cursor, with its module; inside the parentheses of a call, the name of its function.
fn word_around(code: &str, at: usize) -> &str {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let inside = code[..at].trim_end_matches(|c: char| c == '(' || c.is_whitespace());
    let start =
        inside.rfind(|c| !part(c)).map_or(0, |found| found + inside[found..].chars().next().map_or(1, char::len_utf8));
    let end = inside.len() + code[inside.len()..].find(|c| !part(c)).unwrap_or(code.len() - inside.len());
    code[start..end].trim_matches(':')
}
