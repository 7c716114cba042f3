//! A scripted engine: it remembers what it was asked and answers from a small script.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE as BASE64_URL;
use serde_json::Value;

/// One request, without version of the API, its parameters in order; or, as `INPUT`, all that
/// was typed into an attached process.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub method: String,
    pub path: String,
    pub body: Value,
    /// The account at a registry that came with it.
    pub account: Value,
}

/// The engine; it ends with the test program and holds nothing but its socket.
pub struct FakeEngine {
    pub host: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    heard: Mutex<Vec<Heard>>,
    /// Whether a container was started, and whether what it wrote has been sent.
    life: Mutex<Life>,
    changed: Condvar,
}

#[derive(Default)]
struct Life {
    started: bool,
    attached: bool,
    written: bool,
}

impl FakeEngine {
    pub fn start(directory: &Path) -> FakeEngine {
        let path = directory.join("fake.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        FakeEngine { host: format!("unix://{}", path.display()), state }
    }

    /// All requests until now.
    pub fn peek(&self) -> Vec<Heard> {
        self.state.heard.lock().unwrap().clone()
    }

    /// All requests since the last call, but pings; the engine is as new afterwards.
    pub fn heard(&self) -> Vec<Heard> {
        *self.state.life.lock().unwrap() = Life::default();
        let heard = std::mem::take(&mut *self.state.heard.lock().unwrap());
        heard.into_iter().filter(|request| request.path != "/_ping").collect()
    }
}

fn serve(mut stream: UnixStream, state: &State) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let request = read_request(&mut reader)?;
        state.heard.lock().unwrap().push(request.clone());
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["containers", _, "attach"] | ["exec", _, "start"])
                if request.body["Detach"] != true =>
            {
                return hijack(stream, reader, state, parts[1].len() == 64);
            }
            ("POST", ["containers", id, "wait"]) => wait(&mut stream, state, id)?,
            ("GET", ["containers", _, "logs"]) => logs(&mut stream)?,
            ("POST", ["containers", id, "start"]) if !id.starts_with("nocmd") => {
                let mut life = state.life.lock().unwrap();
                life.started = true;
                state.changed.notify_all();
                drop(life);
                reply(&mut stream, 204, "")?;
            }
            (method, parts) => {
                let (status, body) = crate::verbs::answer(method, parts, &request);
                reply(&mut stream, status, &body)?;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<UnixStream>) -> Option<Heard> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (mut length, mut chunked) = (0, false);
    let mut account = Value::Null;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if let Some((name, value)) = header.trim().split_once(": ")
            && name.eq_ignore_ascii_case("x-registry-auth")
        {
            account = serde_json::from_slice(&BASE64_URL.decode(value).unwrap()).unwrap();
        }
        match header.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("transfer-encoding", "chunked")) => chunked = true,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let body = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => Value::String(text),
    };
    Some(Heard { method, path: normal(target), body, account })
}

/// `/v1.50/a?c=1&b=2` as `/a?b=2&c=1`.
fn normal(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = match path.strip_prefix("/v1.") {
        Some(rest) => &rest[rest.find('/').unwrap_or(0)..],
        None => path,
    };
    // Both ways to write a blank are understood alike.
    let query = query.replace('+', "%20");
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.retain(|pair| *pair != "condition=not-running");
    pairs.sort_unstable();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn reply(stream: &mut UnixStream, status: u16, text: &str) -> Option<()> {
    let length =
        if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nApi-Version: 1.51\r\nOstype: linux\r\n\
         Content-Type: application/json\r\n{length}\r\n{text}"
    )
    .ok()
}

/// Reads the client's input to its end, then writes to both streams and closes. One that was just
/// created writes nothing before it is started.
fn hijack(
    mut stream: UnixStream,
    mut reader: BufReader<UnixStream>,
    state: &State,
    created: bool,
) -> Option<()> {
    state.life.lock().unwrap().attached = true;
    write!(
        stream,
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    .ok()?;
    let mut input = Vec::new();
    reader.read_to_end(&mut input).ok()?;
    let typed = Value::String(String::from_utf8_lossy(&input).into_owned());
    let (method, path) = ("INPUT".to_owned(), String::new());
    state.heard.lock().unwrap().push(Heard { method, path, body: typed, account: Value::Null });
    let mut life = state.life.lock().unwrap();
    while created && !life.started {
        life = state.changed.wait(life).unwrap();
    }
    input.extend_from_slice(b"out\n");
    stream.write_all(&frame(1, &input)).ok()?;
    stream.write_all(&frame(2, b"err\n")).ok()?;
    stream.shutdown(std::net::Shutdown::Both).ok()?;
    life.written = true;
    state.changed.notify_all();
    Some(())
}

fn frame(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![number, 0, 0, 0];
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// The head at once, the code when the container has ended.
fn wait(stream: &mut UnixStream, state: &State, id: &str) -> Option<()> {
    if id == "nosuch" {
        return reply(stream, 404, "{\"message\":\"No such container: nosuch\"}");
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n"
    )
    .ok()?;
    if id.len() == 64 && !id.starts_with("nocmd") {
        let mut life = state.life.lock().unwrap();
        while !(life.started && (life.written || !life.attached)) {
            life = state.changed.wait(life).unwrap();
        }
    }
    let text = "{\"StatusCode\":3}\n";
    write!(stream, "{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).ok()
}

fn logs(stream: &mut UnixStream) -> Option<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n\
         Content-Type: application/vnd.docker.multiplexed-stream\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .ok()?;
    let mut body = frame(1, b"line one\n");
    body.extend(frame(2, b"line two\n"));
    // A frame may come in pieces.
    let (early, late) = body.split_at(11);
    for piece in [early, late] {
        write!(stream, "{:x}\r\n", piece.len()).ok()?;
        stream.write_all(piece).ok()?;
        write!(stream, "\r\n").ok()?;
    }
    write!(stream, "0\r\n\r\n").ok()
}
