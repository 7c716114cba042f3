//! Attaching by websocket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::harness::{DEADLINE, Engine};

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A client of our own: what it sends is masked, what it gets must not be.
struct Socket(UnixStream);

impl Socket {
    /// The answer to the handshake, and the socket when it is one.
    fn open(engine: &Engine, path: &str, version: &str) -> (String, Socket) {
        let mut stream = UnixStream::connect(engine.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: {version}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        (String::from_utf8(head).unwrap(), Socket(stream))
    }

    fn attached(engine: &Engine, path: &str) -> Socket {
        let (head, socket) = Socket::open(engine, path, "13");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The answer to this key by RFC 6455.
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        socket
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mask = [9, 8, 7, 6];
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![0x80 | opcode, 0x80 | 126, length[0], length[1]];
        if payload.len() < 126 {
            frame = vec![0x80 | opcode, 0x80 | length[1]];
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.write_all(&frame).unwrap();
    }

    /// The next frame: its opcode and what it carries.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        assert_eq!(head[1] & 0x80, 0, "servers do not mask");
        let mut length = usize::from(head[1]);
        if length == 126 {
            let mut long = [0; 2];
            self.0.read_exact(&mut long).unwrap();
            length = u16::from_be_bytes(long).into();
        }
        assert_ne!(head[1], 127, "more than is sent at once");
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 0x0f, payload)
    }

    /// Output until so many bytes are there.
    fn output(&mut self, bytes: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while got.len() < bytes {
            let (opcode, more) = self.frame();
            assert_eq!(opcode, BINARY);
            got.extend(more);
        }
        got
    }
}

#[test]
fn streams_come_as_they_are() {
    let engine = Engine::start();
    engine.background("cat", &["-i"], &["cat"]);
    let path = "/v1.51/containers/cat/attach/ws?stream=1&stdin=1&stdout=1&stderr=1";
    let mut socket = Socket::attached(&engine, path);
    socket.send(BINARY, b"hello\n");
    assert_eq!(socket.output(6), b"hello\n");
    socket.send(PING, b"there?");
    assert_eq!(socket.frame(), (PONG, b"there?".to_vec()));
    // More than all buffers on the way hold.
    let block: Vec<u8> = (0..60_000u32).map(|n| n as u8).collect();
    let mut writer = Socket(socket.0.try_clone().unwrap());
    let sent = block.clone();
    let sending = std::thread::spawn(move || (0..40).for_each(|_| writer.send(BINARY, &sent)));
    assert!(socket.output(40 * block.len()) == block.repeat(40), "output is not the input");
    sending.join().unwrap();
    // A second client that breaks the protocol is sent away alone.
    let mut wrong = Socket::attached(&engine, path);
    wrong.0.write_all(&[0x82, 1, b'x']).unwrap();
    assert_eq!(wrong.frame(), (CLOSE, 1002u16.to_be_bytes().to_vec()));
    socket.send(CLOSE, &1000u16.to_be_bytes());
    assert_eq!(socket.frame(), (CLOSE, 1000u16.to_be_bytes().to_vec()));
    assert_eq!(engine.state("cat"), "running");
    engine.finish();
}

#[test]
fn both_streams_history_and_the_end() {
    let engine = Engine::start();
    let script = "echo out; echo err >&2; read line; echo $line; exit 4";
    let create = ["create", "-i", "--name", "talk", "--network", "none", "busybox", "sh", "-c"];
    engine.wharf([&create[..], &[script]].concat()).ok();
    // Before it runs: the streams come with the start. And all of them, as old clients expect.
    let mut early = Socket::attached(&engine, "/v1.41/containers/talk/attach/ws?stream=1");
    // One that comes while the first waits takes nothing from it, nor does one that has left.
    let output = "/v1.51/containers/talk/attach/ws?stream=1&stdout=1";
    drop(Socket::attached(&engine, output));
    let mut second = Socket::attached(&engine, output);
    engine.wharf(["start", "talk"]).ok();
    assert_eq!(second.output(4), b"out\n");
    let both = early.output(8);
    assert!(both == b"out\nerr\n" || both == b"err\nout\n", "{both:?}");
    let history = "/v1.51/containers/talk/attach/ws?logs=1&stdout=1";
    let mut history = Socket::attached(&engine, history);
    assert_eq!(history.output(4), b"out\n");
    let end = (CLOSE, 1000u16.to_be_bytes().to_vec());
    assert_eq!(history.frame(), end);
    early.send(1, b"typed\n");
    assert_eq!(early.output(6), b"typed\n");
    assert_eq!(early.frame(), end);
    assert_eq!(engine.wharf(["wait", "talk"]).ok(), "4\n");
    engine.finish();
}

#[test]
fn what_is_no_websocket_is_told_so() {
    let engine = Engine::start();
    engine.wharf(["create", "--name", "cc", "--network", "none", "busybox", "true"]).ok();
    for (path, status, text) in [
        ("/containers/cc/attach/ws?stream=1", 400, "not websocket protocol"),
        ("/containers/nosuch/attach/ws?stream=1", 404, "No such container: nosuch"),
    ] {
        let (got, body) = engine.get(path).unwrap();
        assert_eq!((got, body.contains(text)), (status, true), "{path}: {body}");
    }
    let (head, _) = Socket::open(&engine, "/containers/cc/attach/ws", "8");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains("sec-websocket-version: 13"), "{head}");
    let keys = "/containers/cc/attach/ws?stream=1&detachKeys=bogus";
    assert!(Socket::open(&engine, keys, "13").0.starts_with("HTTP/1.1 400 "));
    engine.finish();
}
