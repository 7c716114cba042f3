//! The user's standard streams joined to those of a process in a container: raw mode, detach
//! keys, window size, signals.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;

use client::{Client, ClientError, Framing, HijackReader, HijackWriter, Hijacked};
use docker_api::stdcopy::{Decoder, Stream};
use sys::rustix::io::Errno;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use crate::detach::DetachWatch;
use crate::failure::Failure;
use crate::terminal::{self, RawInput};

/// Bytes moved at a time.
const PIECE_BYTES: usize = 32 << 10;

/// How the streams are joined.
#[derive(Debug)]
pub struct Session {
    /// The process has a terminal.
    pub tty: bool,
    /// What is typed goes to it.
    pub stdin: bool,
    /// Keys that leave it; only with a terminal.
    pub detach_keys: Vec<u8>,
}

/// Why the streams are joined no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The process, or the engine, closed them.
    Closed,
    /// The user typed the detach keys.
    Detached,
}

/// Complains when a terminal is asked for and standard input is none.
pub fn check_terminal(stdin: bool, tty: bool) -> Result<(), Failure> {
    match stdin && tty && !terminal::stdin_is_terminal() {
        true => Err(Failure::new("the input device is not a TTY")),
        false => Ok(()),
    }
}

/// The bytes of `--detach-keys`; bad ones are said and replaced by the default.
pub fn detach_keys(text: &str) -> Vec<u8> {
    docker_api::query::detach_keys(text).unwrap_or_else(|error| {
        eprintln!("invalid detach escape keys, using default: {error}");
        docker_api::query::detach_keys("").expect("the default is well-formed")
    })
}

/// Moves bytes both ways until the process closes or the user leaves.
pub async fn join(connection: Hijacked, session: Session) -> Result<End, Failure> {
    let Hijacked { reader, writer, framing } = connection;
    // Raw mode ends when this returns, however it returns.
    let _raw = match session.tty && session.stdin && terminal::stdin_is_terminal() {
        true => Some(RawInput::enter()?),
        false => None,
    };
    let keys = if session.tty { session.detach_keys } else { Vec::new() };
    let output = Output::new(session.tty || framing == Framing::Raw);
    let mut output = pin!(receive(reader, output));
    let mut input = pin!(send(writer, session.stdin, DetachWatch::new(keys)));
    let mut typing = true;
    loop {
        tokio::select! {
            result = &mut output => return result.map(|()| End::Closed),
            end = &mut input, if typing => match end {
                Typed::DetachKeys => return Ok(End::Detached),
                Typed::AllOfIt => typing = false,
            },
        }
    }
}

/// How typing ended.
enum Typed {
    DetachKeys,
    AllOfIt,
}

/// Sends what is typed. At its end our half of the connection is closed, at once when nothing is
/// to be typed.
async fn send(mut writer: HijackWriter, stdin: bool, mut watch: DetachWatch) -> Typed {
    if stdin && let Ok(mut stdin) = open_stdin() {
        let mut piece = vec![0; PIECE_BYTES];
        let mut pass = Vec::new();
        while let Ok(length @ 1..) = stdin.read(&mut piece).await {
            pass.clear();
            let detach = watch.feed(&piece[..length], &mut pass);
            // A process that reads no more is no reason to stop showing what it writes.
            if writer.write_all(&pass).await.is_err() {
                break;
            }
            if detach {
                return Typed::DetachKeys;
            }
        }
    }
    let _ = writer.shutdown().await;
    Typed::AllOfIt
}

fn open_stdin() -> io::Result<File> {
    Ok(File::from_std(std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?)))
}

async fn receive(mut reader: HijackReader, mut output: Output) -> Result<(), Failure> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece).await {
            Ok(0) => return Ok(()),
            Ok(length) => output.write(&piece[..length])?,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where a process's output goes.
#[derive(Debug)]
pub struct Output {
    /// `None`: the bytes are as the terminal made them.
    frames: Option<Decoder>,
}

impl Output {
    /// `raw`: all of it is standard output; otherwise frames say what is what.
    pub fn new(raw: bool) -> Output {
        Output { frames: (!raw).then(Decoder::new) }
    }

    /// Writes a piece to standard output and standard error.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let Some(decoder) = &mut self.frames else {
            return Ok(write_all(io::stdout(), piece)?);
        };
        let mut rest = piece;
        loop {
            match decoder.next(&mut rest) {
                Ok(None) => return Ok(()),
                Ok(Some((Stream::Stderr, bytes))) => write_all(io::stderr(), bytes)?,
                Ok(Some((Stream::Stdin | Stream::Stdout, bytes))) => {
                    write_all(io::stdout(), bytes)?;
                }
                Ok(Some((Stream::SystemError, bytes))) => {
                    let text = String::from_utf8_lossy(bytes);
                    return Err(Failure::new(format!("error from daemon in stream: {text}")));
                }
                Err(error) => return Err(Failure::new(error.to_string())),
            }
        }
    }
}

/// At once, and not line by line as the standard library does.
fn write_all(to: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match sys::rustix::io::write(&to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sets the size now and whenever the window changes; ends with the runtime.
pub async fn follow_size<F>(resize: impl Fn(u16, u16) -> F + Send + 'static)
where
    F: Future<Output = Result<(), ClientError>> + Send,
{
    let Some((height, width)) = terminal::size() else { return };
    // Heard of before the first size is set, so that no change in between is lost.
    let changes = signal(SignalKind::window_change());
    let _ = resize(height, width).await;
    let Ok(mut changes) = changes else { return };
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            if let Some((height, width)) = terminal::size() {
                let _ = resize(height, width).await;
            }
        }
    });
}

/// Passes the signals that we get on to a container; ends with the runtime.
pub fn forward_signals(client: &Arc<Client>, container: &str) {
    let kinds = [
        ("HUP", SignalKind::hangup()),
        ("INT", SignalKind::interrupt()),
        ("QUIT", SignalKind::quit()),
        ("USR1", SignalKind::user_defined1()),
        ("USR2", SignalKind::user_defined2()),
        ("ALRM", SignalKind::alarm()),
        ("TERM", SignalKind::terminate()),
    ];
    for (name, kind) in kinds {
        let Ok(mut arrivals) = signal(kind) else { continue };
        let (client, container) = (Arc::clone(client), container.to_owned());
        tokio::spawn(async move {
            while arrivals.recv().await.is_some() {
                // It may have ended just now; then there is nobody to be told.
                let _ = client.container_kill(&container, name).await;
            }
        });
    }
}
