//! The Jupyter kernel, spoken to over its sockets. `tests/jupyter/drive.py` does more, with the real client.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);

/// One side of a ZeroMQ connection.
struct Socket(TcpStream);

impl Socket {
    /// Connects as soon as the kernel listens.
    fn connect(port: u16, kind: &str) -> Socket {
        let start = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < PATIENCE, "the kernel does not listen: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = [0u8; 64];
        (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
        greeting[12..16].copy_from_slice(b"NULL");
        stream.write_all(&greeting).unwrap();
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!((greeting[0], greeting[10], &greeting[12..16]), (0xff, 3, b"NULL".as_slice()));
        let mut socket = Socket(stream);
        let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
        ready.push(kind.len() as u8);
        ready.extend(kind.as_bytes());
        socket.frame(4, &ready);
        socket
    }

    fn frame(&mut self, flags: u8, body: &[u8]) {
        let mut out = vec![flags | 2];
        out.extend((body.len() as u64).to_be_bytes());
        out.extend(body);
        self.0.write_all(&out).unwrap();
    }

    fn send(&mut self, kind: &str, content: &Value) {
        let header =
            json!({ "msg_id": kind, "session": "s", "username": "u", "msg_type": kind, "version": "5.3", "date": "" });
        let parts = ["<IDS|MSG>", "", &header.to_string(), "{}", "{}", &content.to_string()].map(str::to_string);
        for (index, part) in parts.iter().enumerate() {
            self.frame(u8::from(index < 5), part.as_bytes());
        }
    }

    /// The next message: its kind, and what it says.
    fn receive(&mut self) -> (String, Value) {
        let mut frames: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut head = [0u8; 2];
            self.0.read_exact(&mut head).expect("an answer");
            let mut length = u64::from(head[1]);
            if head[0] & 2 != 0 {
                let mut long = [0u8; 8];
                long[0] = head[1];
                self.0.read_exact(&mut long[1..]).unwrap();
                length = u64::from_be_bytes(long);
            }
            let mut body = vec![0; length as usize];
            self.0.read_exact(&mut body).unwrap();
            if head[0] & 4 == 0 {
                frames.push(body);
            }
            if head[0] & 5 == 0 {
                break;
            }
        }
        let at = frames.iter().position(|frame| frame == b"<IDS|MSG>").unwrap();
        let json = |at: usize| serde_json::from_slice::<Value>(&frames[at]).unwrap();
        (json(at + 2)["msg_type"].as_str().unwrap().to_string(), json(at + 5))
    }

    fn waits_for(&mut self, kind: &str) -> Value {
        loop {
            let (found, content) = self.receive();
            if found == kind {
                return content;
            }
        }
    }
}

struct Kernel(Child);

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn levain(words: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_levain")).args(words).current_dir(folder).output().unwrap()
}

#[test]
fn it_tells_jupyter_how_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let done = levain(&["jupyter", "install", "--prefix", "share"], folder.path());
    assert!(done.status.success());
    let spec: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("share/kernels/levain/kernel.json")).unwrap())
            .unwrap();
    assert_eq!(spec["argv"].as_array().unwrap()[1..], [json!("jupyter"), json!("run"), json!("{connection_file}")]);
    assert_eq!(spec["interrupt_mode"], "message");
}

#[test]
fn a_bad_connection_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("half.json"), "{ \"ip\": ").unwrap();
    for (file, what) in [("none.json", "none.json"), ("half.json", "half.json: EOF")] {
        let done = levain(&["jupyter", "run", file], folder.path());
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && told.starts_with("error: jupyter: ") && told.contains(what), "{told}");
    }
}

#[test]
fn it_runs_cells_and_stops_them() {
    let folder = tempfile::tempdir().unwrap();
    let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let held: Vec<TcpListener> = (0..5).map(|_| free()).collect();
    let ports: Vec<u16> = held.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    drop(held);
    let connection = json!({
        "transport": "tcp", "ip": "127.0.0.1", "key": "", "signature_scheme": "hmac-sha256",
        "shell_port": ports[0], "control_port": ports[1], "iopub_port": ports[2], "stdin_port": ports[3], "hb_port": ports[4],
    });
    std::fs::write(folder.path().join("connection.json"), connection.to_string()).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["jupyter", "run", "connection.json"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut kernel = Kernel(child.unwrap());
    let mut iopub = Socket::connect(ports[2], "SUB");
    let mut shell = Socket::connect(ports[0], "DEALER");
    let mut control = Socket::connect(ports[1], "DEALER");

    shell.send("kernel_info_request", &json!({}));
    assert_eq!(shell.waits_for("kernel_info_reply")["implementation"], "levain");
    shell.send("execute_request", &json!({ "code": "print(\"seen\"); table([#{ a: 1 }])" }));
    assert_eq!(iopub.waits_for("stream")["text"], "seen\n");
    assert!(iopub.waits_for("execute_result")["data"]["text/html"].as_str().unwrap().contains("<th>a</th>"));
    assert_eq!(shell.waits_for("execute_reply")["status"], "ok");
    shell.send("complete_request", &json!({ "code": "it.mark", "cursor_pos": 7 }));
    assert_eq!(shell.waits_for("complete_reply")["matches"], json!(["markdown"]));

    shell.send("execute_request", &json!({ "code": "let n = 0; loop { n += 1; }" }));
    iopub.waits_for("execute_input");
    std::thread::sleep(Duration::from_millis(100));
    control.send("interrupt_request", &json!({}));
    assert_eq!(control.waits_for("interrupt_reply")["status"], "ok");
    assert_eq!(shell.waits_for("execute_reply")["status"], "error");
    control.send("shutdown_request", &json!({ "restart": false }));
    assert_eq!(control.waits_for("shutdown_reply")["status"], "ok");
    let start = Instant::now();
    while kernel.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}
