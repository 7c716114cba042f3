//! Taking part in a container's streams.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker_api::messages;
use docker_api::stdcopy::{self, Stream};
use logs::{Query, Reader};
use monitor::protocol::AttachSpec;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::oneshot;

use crate::container::log;
use crate::container::state::{Action, Request, State, transition};
use crate::container::{Container, Message, Queued};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{AttachWish, Caller};

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
        let log = |format| History { path: places.log(&container.id, format), format };
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
        let query =
            Query { stdout: self.spec.stdout, stderr: self.spec.stderr, ..Query::default() };
        let multiplexed = self.spec.multiplexed;
        let work = tokio::task::spawn_blocking(move || {
            replay(&log, &query, multiplexed, client.as_fd())?;
            Ok::<OwnedFd, EngineError>(client)
        });
        work.await.map_err(|error| EngineError::internal("failed to replay the log", error))?
    }
}

fn replay(log: &History, query: &Query, multiplexed: bool, client: BorrowedFd<'_>) -> Result<()> {
    let failed = |error: logs::LogError| EngineError::internal("failed to read the log", error);
    let mut reader = Reader::open(&log.path, log.format, query).map_err(failed)?;
    while let Some(line) = reader.next_line().map_err(failed)? {
        let framed = match multiplexed {
            false => line.text.to_vec(),
            true => frame(stream_of(line.stream), line.text),
        };
        // A client that is gone needs no history.
        if write_all(client, &framed).is_err() {
            break;
        }
    }
    Ok(())
}

fn frame(stream: Stream, payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(payload.len() + stdcopy::HEADER_BYTES);
    stdcopy::encode(stream, payload, &mut framed);
    framed
}

fn stream_of(stream: logs::Stream) -> Stream {
    match stream {
        logs::Stream::Stdout => Stream::Stdout,
        logs::Stream::Stderr => Stream::Stderr,
    }
}

/// Writes to a socket that may be non-blocking. Blocks.
fn write_all(socket: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    let until = Instant::now() + WRITE_DEADLINE;
    while !bytes.is_empty() {
        match sys::socket::send_with_fds(socket, bytes, &[]) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
                let wait = Timespec::try_from(left).ok();
                poll(&mut fds, wait.as_ref())?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells a client that was answered already why nothing will come.
pub(super) async fn tell_client(client: OwnedFd, tty: bool, text: &str) {
    let line = format!("{text}\r\n");
    let bytes = match tty {
        true => line.into_bytes(),
        false => frame(Stream::Stdout, line.as_bytes()),
    };
    // A client that is gone needs no words.
    drop(tokio::task::spawn_blocking(move || write_all(client.as_fd(), &bytes)).await);
}
