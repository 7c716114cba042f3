//! Taking part in a container's streams.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use docker_api::messages;
use docker_api::stdcopy::{self, Stream};
use monitor::protocol::AttachSpec;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::container::log;
use crate::container::state::{Action, Request, State, transition};
use crate::container::{Container, Message, Queued};
use crate::engine::Engine;
use crate::engine::logs::Log;
use crate::error::{EngineError, Result};
use crate::log_reading::LogReading;
use crate::spec::{AttachWish, Caller, LogsWish};

/// A client that takes nothing for so long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// More clients than this wait for one start of nobody's container.
const QUEUED_MAX: usize = 64;

impl Engine {
    /// Checks; answer the client (101 or 200), then give the connection to the ticket. A start
    /// that comes after this call waits for the ticket's connection.
    pub async fn attach(&self, caller: Caller, id: &str, wish: AttachWish) -> Result<AttachTicket> {
        let container = self.find(id)?;
        let keys = wish.detach_keys.as_deref().unwrap_or_default();
        let detach_keys = docker_api::query::detach_keys(keys)
            .map_err(|_| EngineError::invalid(messages::invalid_attach_keys(keys)))?;
        let record = container.record();
        let tty = record.config.tty;
        let spec = AttachSpec {
            attach_id: self.services.attach_id(),
            stdin: wish.stdin && record.config.open_stdin,
            stdout: wish.stdout,
            stderr: wish.stderr,
            multiplexed: !(tty || wish.raw),
            detach_keys: if tty { detach_keys } else { Vec::new() },
            preread: Vec::new(),
        };
        let way = match wish.stream {
            true => reserve(&container, id)?,
            false => Way::LogsOnly,
        };
        self.services.events.container(caller, &record, "attach", &[]);
        let places = self.services.places(&container.id);
        let log = |format| History {
            reading: Arc::clone(&self.services.log_reading),
            path: places.log(&container.id, format),
            format,
        };
        let history = log::format(&record).filter(|_| wish.logs).map(log);
        Ok(AttachTicket { container, caller, called: id.to_owned(), spec, tty, way, history })
    }
}

/// Finds the way to the streams: now, or with the next start.
fn reserve(container: &Container, called: &str) -> Result<Way> {
    let mut view = container.view();
    let state = view.record.state.state;
    let action = transition(state, Request::Attach)
        .map_err(|refusal| refusal.into_error(&container.id, called))?;
    // With a start under way, the task comes to the message when it runs.
    if action != Action::Queue || view.starting || state == State::Running {
        return Ok(Way::Live);
    }
    view.queued.retain_mut(waits_still);
    if view.queued.len() >= QUEUED_MAX {
        return Err(EngineError::new(
            stdx::Kind::Exhausted,
            format!("{QUEUED_MAX} clients are already attached to {called}, which does not run"),
        ));
    }
    let (sender, receiver) = oneshot::channel();
    view.queued.push(receiver);
    Ok(Way::Queued(sender))
}

/// Whether a queued client is still to be expected, or is there. Looking takes its connection out
/// of the channel: it is put back.
fn waits_still(client: &mut Queued) -> bool {
    match client.try_recv() {
        Ok(given) => {
            let (sender, receiver) = oneshot::channel();
            // The other end is in our hand.
            drop(sender.send(given));
            *client = receiver;
            true
        }
        Err(oneshot::error::TryRecvError::Empty) => true,
        Err(oneshot::error::TryRecvError::Closed) => false,
    }
}

/// See [`Engine::attach`].
#[derive(Debug)]
pub struct AttachTicket {
    container: Arc<Container>,
    caller: Caller,
    called: String,
    spec: AttachSpec,
    tty: bool,
    way: Way,
    history: Option<History>,
}

/// The log of what was before.
#[derive(Debug)]
struct History {
    reading: Arc<LogReading>,
    path: std::path::PathBuf,
    format: logs::Format,
}

#[derive(Debug)]
enum Way {
    Live,
    Queued(oneshot::Sender<(AttachSpec, OwnedFd)>),
    LogsOnly,
}

impl AttachTicket {
    /// The container has a terminal: the stream is raw. Otherwise it is multiplexed.
    pub fn is_tty(&self) -> bool {
        self.tty
    }

    /// Hands over the client's socket and what was already read from it. Returns when the monitor
    /// (or the coming start) has it; the caller then forgets the connection.
    pub async fn connect(mut self, client: OwnedFd, preread: Vec<u8>) -> Result<()> {
        self.spec.preread = preread;
        let client = match self.history.take() {
            Some(log) => self.replay(log, client).await?,
            None => client,
        };
        let spec = self.spec;
        match self.way {
            Way::LogsOnly => Ok(()),
            Way::Queued(sender) => sender
                .send((spec, client))
                .map_err(|_| EngineError::conflict(messages::not_running(&self.container.id))),
            Way::Live => {
                let message = |ask| Message::Attach(ask, spec, client);
                self.container.ask(self.caller, &self.called, message).await
            }
        }
    }

    /// Sends what was logged before.
    async fn replay(&self, log: History, client: OwnedFd) -> Result<OwnedFd> {
        let wish =
            LogsWish { stdout: self.spec.stdout, stderr: self.spec.stderr, ..LogsWish::default() };
        let log = Log::of_the_past(log.reading, log.path, log.format, wish).await?;
        let multiplexed = self.spec.multiplexed;
        let mut lines = log.encoded(Box::new(move |piece, batch| match multiplexed {
            false => batch.extend_from_slice(piece.text),
            true if piece.stream == 2 => stdcopy::encode(Stream::Stderr, piece.text, batch),
            true => stdcopy::encode(Stream::Stdout, piece.text, batch),
        }));
        let failed = |error| EngineError::internal("failed to reach the client", error);
        let mut socket = stream(client).map_err(failed)?;
        while let Some(batch) = lines.next().await? {
            // A client that is gone needs no history.
            if write_all(&mut socket, &batch).await.is_err() {
                break;
            }
        }
        socket.into_std().map(OwnedFd::from).map_err(failed)
    }
}

/// All clients' connections are of this sort.
fn stream(client: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(client);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

async fn write_all(socket: &mut UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = tokio::time::timeout(WRITE_DEADLINE, socket.write(bytes)).await??;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// Tells a client that was answered already why nothing will come.
pub(super) async fn tell_client(client: OwnedFd, tty: bool, text: &str) {
    let mut bytes = Vec::new();
    match tty {
        true => bytes.extend_from_slice(format!("{text}\r\n").as_bytes()),
        false => stdcopy::encode(Stream::Stdout, format!("{text}\r\n").as_bytes(), &mut bytes),
    }
    // A client that is gone needs no words.
    if let Ok(mut socket) = stream(client) {
        drop(write_all(&mut socket, &bytes).await);
    }
}
