//! The sockets of a kernel. They run on a thread of their own, so that the control channel and the heartbeat are answered while a
//! cell runs.

use super::message::message;
use super::replies;
use crate::cancel::Cancel;
use crate::{Error, Result};
use jupyter_zmq_client::{
    Connection, ConnectionInfo, InterruptReply, JupyterMessage, JupyterMessageContent as Content,
    KernelControlConnection, KernelHeartbeatConnection, KernelIoPubConnection, KernelStdinConnection, RawMessage,
    RouterRecvConnection, RouterSendConnection, RuntimeError, ShutdownReply, Status, StreamContent,
    create_kernel_control_connection, create_kernel_heartbeat_connection, create_kernel_iopub_connection,
    create_kernel_shell_connection, create_kernel_stdin_connection,
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use zeromq::SocketRecv;

/// Output within this time is sent as one message: a socket drops messages when its reader is too slow.
const GATHER: Duration = Duration::from_millis(20);
/// A client that started before the sockets reconnects to each of them within this time (ZMQ_RECONNECT_IVL, 100 ms plus a random
/// part). It would miss a message sent before that, and wait for it forever.
const RECONNECT: Duration = Duration::from_millis(250);
/// Time for the sockets to send their buffered data.
const LINGER: Duration = Duration::from_millis(200);

/// An outgoing message.
pub enum Outgoing {
    /// To the client that sent the request on the shell channel.
    Reply(JupyterMessage),
    /// To all clients.
    Broadcast(JupyterMessage),
    /// No more messages: the sockets close.
    End,
}

/// A broadcast message about `parent`; its type is its topic.
pub fn broadcast(content: impl Into<Content>, parent: Option<&JupyterMessage>) -> Outgoing {
    let message = JupyterMessage::new(content, parent);
    let topic = message.message_type().to_string().into();
    Outgoing::Broadcast(message.with_zmq_identities(vec![topic]))
}

pub type Outbox = UnboundedSender<Outgoing>;

/// The sockets of one connection.
pub struct Sockets {
    runtime: Runtime,
    shell: RouterRecvConnection,
    replies: RouterSendConnection,
    control: KernelControlConnection,
    iopub: KernelIoPubConnection,
    heartbeat: KernelHeartbeatConnection,
    /// Unused, since nothing reads input, but clients connect to it.
    _stdin: KernelStdinConnection,
}

impl Sockets {
    /// Opens the sockets for clients.
    pub fn open(connection: &ConnectionInfo) -> Result<Sockets> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let session = JupyterMessage::new(Status::starting(), None).header.session;
        let at = |address: String| move |error: RuntimeError| failed(format!("can't listen at {address}: {error}"));
        let iopub = create_kernel_iopub_connection(connection, &session);
        let iopub = runtime.block_on(iopub).map_err(at(connection.iopub_url()))?;
        let heartbeat = create_kernel_heartbeat_connection(connection);
        let heartbeat = runtime.block_on(heartbeat).map_err(at(connection.hb_url()))?;
        let stdin = create_kernel_stdin_connection(connection, &session);
        let _stdin = runtime.block_on(stdin).map_err(at(connection.stdin_url()))?;
        let control = create_kernel_control_connection(connection, &session);
        let control = runtime.block_on(control).map_err(at(connection.control_url()))?;
        let shell = create_kernel_shell_connection(connection, &session);
        let (replies, shell) = runtime.block_on(shell).map_err(at(connection.shell_url()))?.split();
        Ok(Sockets { runtime, shell, replies, control, iopub, heartbeat, _stdin })
    }

    /// Serves clients from now on. Control requests and signals stop the work under `cancel`.
    pub fn serve(self, cancel: Cancel) -> Result<Channels> {
        let (to_kernel, requests) = channel();
        let (outbox, from_kernel) = unbounded_channel();
        let inner = Inner { to_kernel, from_kernel, outbox: outbox.clone(), cancel };
        let thread = std::thread::Builder::new().name("jupyter".to_string()).spawn(move || self.serve_all(inner));
        Ok(Channels { requests, outbox, thread: thread.map_err(failed)? })
    }

    /// Serves until the end, and then ends the process: a running cell ends with it, and checkpoints are always whole.
    fn serve_all(self, inner: Inner) {
        self.runtime.block_on(async {
            tokio::spawn(beat(self.heartbeat));
            tokio::spawn(take_signals(inner.cancel.clone()));
            tokio::spawn(take_requests(self.shell, inner.to_kernel));
            tokio::spawn(answer_control(self.control, inner.outbox, inner.cancel));
            send_all(inner.from_kernel, self.replies, self.iopub).await;
        });
        std::process::exit(0);
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new("jupyter", error.to_string())
}

/// The evaluating side of the sockets.
pub struct Channels {
    pub requests: Receiver<JupyterMessage>,
    pub outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Channels {
    /// Sends the remaining messages, and ends the process.
    pub fn close(self) {
        let _ = self.outbox.send(Outgoing::End);
        let _ = self.thread.join();
    }
}

/// The other side of [`Channels`].
struct Inner {
    to_kernel: Sender<JupyterMessage>,
    from_kernel: UnboundedReceiver<Outgoing>,
    outbox: Outbox,
    cancel: Cancel,
}

async fn beat(mut heartbeat: KernelHeartbeatConnection) {
    loop {
        // one client's failure does not affect the others
        let _ = heartbeat.single_heartbeat().await;
    }
}

async fn take_signals(cancel: Cancel) {
    while tokio::signal::ctrl_c().await.is_ok() {
        cancel.request();
    }
}

async fn take_requests(mut shell: RouterRecvConnection, to_kernel: Sender<JupyterMessage>) {
    tokio::time::sleep(RECONNECT).await;
    loop {
        if let Some(message) = read(&mut shell).await
            && to_kernel.send(message).is_err()
        {
            return;
        }
    }
}

/// Interrupt and shutdown requests arrive on a channel of their own, while a cell runs.
async fn answer_control(mut control: KernelControlConnection, outbox: Outbox, cancel: Cancel) {
    loop {
        let Some(request) = read(&mut control).await else { continue };
        let status = |status: Status| {
            let _ = outbox.send(broadcast(status, Some(&request)));
        };
        status(Status::busy());
        let reply: Option<Content> = match &request.content {
            Content::InterruptRequest(_) => {
                cancel.request();
                Some(InterruptReply::new().into())
            }
            Content::ShutdownRequest(asked) => {
                Some(ShutdownReply { restart: asked.restart, ..Default::default() }.into())
            }
            Content::KernelInfoRequest(_) => Some(replies::info().into()),
            _ => replies::refusal(&request),
        };
        if let Some(reply) = reply {
            tell(control.send(JupyterMessage::new(reply, Some(&request))).await);
        }
        status(Status::idle());
        if let Content::ShutdownRequest(_) = request.content {
            let _ = outbox.send(Outgoing::End);
        }
    }
}

/// The next message of a client; `None` if it was forged or damaged.
async fn read<S: SocketRecv>(connection: &mut Connection<S>) -> Option<JupyterMessage> {
    let parts = connection.socket.recv().await.map_err(RuntimeError::from);
    tell(parts.and_then(|parts| RawMessage::from_multipart(parts, &connection.mac)).and_then(message))
}

/// Logs a failed message and continues: it is no reason to stop the kernel.
fn tell<T>(result: std::result::Result<T, RuntimeError>) -> Option<T> {
    result.inspect_err(|error| eprintln!("jupyter: {error}")).ok()
}

/// Sends queued messages, until the end.
async fn send_all(
    mut from_kernel: UnboundedReceiver<Outgoing>,
    mut replies: RouterSendConnection,
    iopub: KernelIoPubConnection,
) {
    let mut publisher = Publisher { iopub, held: None, due: Instant::now() };
    loop {
        let next = tokio::select! {
            next = from_kernel.recv() => next,
            () = tokio::time::sleep_until(publisher.due), if publisher.held.is_some() => {
                publisher.release().await;
                continue;
            }
        };
        match next {
            Some(Outgoing::Reply(message)) => _ = tell(replies.send(message).await),
            Some(Outgoing::Broadcast(message)) => publisher.send(message).await,
            Some(Outgoing::End) | None => break,
        }
    }
    publisher.release().await;
    // dropping a socket discards its unsent data
    tokio::time::sleep(LINGER).await;
}

/// Sends broadcasts, and merges printed text.
struct Publisher {
    iopub: KernelIoPubConnection,
    /// Text held back to be merged with more.
    held: Option<JupyterMessage>,
    due: Instant,
}

impl Publisher {
    async fn send(&mut self, message: JupyterMessage) {
        if let Some(held) = &mut self.held
            && append(held, &message)
        {
            return;
        }
        self.release().await;
        if let Content::StreamContent(_) = message.content {
            self.held = Some(message);
            self.due = Instant::now() + GATHER;
        } else {
            tell(self.iopub.send(message).await);
        }
    }

    async fn release(&mut self) {
        if let Some(held) = self.held.take() {
            tell(self.iopub.send(held).await);
        }
    }
}

/// Appends text to pending text of the same stream of the same cell.
fn append(held: &mut JupyterMessage, message: &JupyterMessage) -> bool {
    let cell = |message: &JupyterMessage| message.parent_header.as_ref().map(|header| header.msg_id.clone());
    if cell(held) != cell(message) {
        return false;
    }
    match (&mut held.content, &message.content) {
        (Content::StreamContent(held), Content::StreamContent(more)) if same_stream(held, more) => {
            held.text += &more.text;
            true
        }
        _ => false,
    }
}

fn same_stream(one: &StreamContent, other: &StreamContent) -> bool {
    std::mem::discriminant(&one.name) == std::mem::discriminant(&other.name)
}
