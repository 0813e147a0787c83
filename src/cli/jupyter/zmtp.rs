//! ZeroMQ's wire protocol (ZMTP 3.0, https://rfc.zeromq.org/spec/23), as far as a Jupyter kernel needs it: sockets that
//! listen on TCP, without encryption. Messages are signed one layer above.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

pub type Frames = Vec<Vec<u8>>;

/// What a socket is to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes messages from many, and answers each.
    Router,
    /// Tells everyone who listens.
    Pub,
    /// Answers each message with itself: a heartbeat.
    Echo,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Router => "ROUTER",
            Kind::Pub => "PUB",
            Kind::Echo => "REP",
        }
    }
}

/// A connection that messages can be written to.
#[derive(Clone)]
pub struct Peer(Arc<Mutex<TcpStream>>);

impl Peer {
    /// Writes a message. A peer that has gone away hears nothing.
    pub fn send(&self, frames: &[Vec<u8>]) {
        let mut out = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            put_frame(&mut out, frame, u8::from(index + 1 < frames.len()));
        }
        let _ = lock(&self.0).write_all(&out);
    }
}

/// A message, and who sent it.
pub struct Incoming {
    pub from: Peer,
    pub frames: Frames,
}

/// A socket that listens.
pub struct Socket {
    peers: Arc<Mutex<Vec<Peer>>>,
    messages: Receiver<Incoming>,
}

impl Socket {
    pub fn bind(kind: Kind, address: &str) -> io::Result<Socket> {
        let listener = TcpListener::bind(address)?;
        let peers: Arc<Mutex<Vec<Peer>>> = Arc::default();
        let (sender, messages) = channel();
        let all = peers.clone();
        thread::Builder::new().name(format!("jupyter {}", kind.name())).spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, sender) = (all.clone(), sender.clone());
                thread::spawn(move || {
                    // an end of the connection is no error of ours
                    let _ = serve(kind, stream, &all, &sender);
                });
            }
        })?;
        Ok(Socket { peers, messages })
    }

    /// Waits for the next message.
    pub fn receive(&self) -> Option<Incoming> {
        self.messages.recv().ok()
    }

    /// A handle that tells all who listen.
    pub fn publisher(&self) -> Publisher {
        Publisher(self.peers.clone())
    }
}

/// Tells all who listen.
#[derive(Clone)]
pub struct Publisher(Arc<Mutex<Vec<Peer>>>);

impl Publisher {
    pub fn send(&self, frames: &[Vec<u8>]) {
        for peer in lock(&self.0).iter() {
            peer.send(frames);
        }
    }
}

/// Greets a peer, and takes its messages until it goes.
fn serve(kind: Kind, stream: TcpStream, peers: &Mutex<Vec<Peer>>, sender: &Sender<Incoming>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = stream.try_clone()?;
    greet(kind, &mut input, &mut output)?;
    let peer = Peer(Arc::new(Mutex::new(output)));
    lock(peers).push(peer.clone());
    let result = loop {
        match message(&mut input) {
            // a subscription: everyone hears everything
            Ok(_) if kind == Kind::Pub => {}
            Ok(frames) if kind == Kind::Echo => peer.send(&frames),
            Ok(frames) => {
                if sender.send(Incoming { from: peer.clone(), frames }).is_err() {
                    break Ok(());
                }
            }
            Err(error) => break Err(error),
        }
    };
    lock(peers).retain(|other| !Arc::ptr_eq(&other.0, &peer.0));
    result
}

/// Both sides tell their version and mechanism, then what kind of socket they are.
fn greet(kind: Kind, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut greeting = [0u8; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    output.write_all(&greeting)?;
    let mut theirs = [0u8; 64];
    input.read_exact(&mut theirs)?;
    if theirs[0] != 0xff || theirs[10] < 3 || &theirs[12..17] != b"NULL\0" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not ZMTP 3 without encryption"));
    }
    let mut ready = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", kind.name()), ("Identity", "")] {
        ready.push(name.len() as u8);
        ready.extend(name.as_bytes());
        ready.extend((value.len() as u32).to_be_bytes());
        ready.extend(value.as_bytes());
    }
    let mut out = Vec::new();
    put_frame(&mut out, &ready, COMMAND);
    output.write_all(&out)
}

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// More than any cell or widget sends.
const LARGEST: u64 = 1 << 30;

fn put_frame(out: &mut Vec<u8>, body: &[u8], flags: u8) {
    match u8::try_from(body.len()) {
        Ok(length) => out.extend([flags, length]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend((body.len() as u64).to_be_bytes());
        }
    }
    out.extend(body);
}

/// The next message: commands of the protocol itself are passed over.
fn message(input: &mut impl Read) -> io::Result<Frames> {
    let mut frames = Frames::new();
    loop {
        let mut flags = [0u8];
        input.read_exact(&mut flags)?;
        let length = if flags[0] & LONG == 0 {
            let mut short = [0u8];
            input.read_exact(&mut short)?;
            u64::from(short[0])
        } else {
            let mut long = [0u8; 8];
            input.read_exact(&mut long)?;
            u64::from_be_bytes(long)
        };
        if length > LARGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of more than 1 GB"));
        }
        let mut body = Vec::new();
        input.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if flags[0] & COMMAND != 0 {
            continue;
        }
        frames.push(body);
        if flags[0] & MORE == 0 {
            return Ok(frames);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
