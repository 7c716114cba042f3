//! The process: it holds ports, and does what engines ask.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use network::ports::Protocol;

use crate::datagrams;
use crate::protocol::{Answer, MESSAGE_BYTES_MAX, Neighbors, Port, Request, VERSION};
use crate::streams;

/// Engines that are connected; one, and the next one for a moment.
const ENGINES_MAX: usize = 8;
/// Owners in one answer, with their 64 digits: far less than a message holds.
const OWNERS_PER_ANSWER: usize = 500;

/// A port that is held. When it is dropped, its socket is closed.
#[derive(Debug)]
struct Held {
    task: Option<JoinHandle<()>>,
    /// Of a protocol that is not carried.
    _socket: Option<OwnedFd>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// By owner.
    ports: BTreeMap<String, Vec<Held>>,
    neighbors: Arc<Neighbors>,
}

enum Happening {
    Came,
    Asked(Request, Option<OwnedFd>, tokio::sync::oneshot::Sender<Answer>),
    Left,
}

/// Serves engines that connect to `listener`, a listening `SOCK_SEQPACKET` socket that only this
/// user can reach, until the last one has left and no port is held.
///
/// # Errors
/// The socket is none that can be listened to.
pub async fn run(listener: OwnedFd) -> io::Result<()> {
    // Std and tokio accept and poll sockets that keep boundaries as they do streams.
    let listener = std::os::unix::net::UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let (sender, mut happenings) = mpsc::channel(ENGINES_MAX);
    let accepting = tokio::spawn(accept(listener, sender));
    let (mut state, mut engines) = (State::default(), 0usize);
    while let Some(happening) = happenings.recv().await {
        match happening {
            Happening::Came => engines += 1,
            Happening::Asked(request, socket, reply) => {
                // An engine that does not wait for its answer is gone.
                drop(reply.send(state.answer(request, socket)));
            }
            Happening::Left => engines -= 1,
        }
        if engines == 0 && state.ports.is_empty() {
            break;
        }
    }
    accepting.abort();
    Ok(())
}

impl State {
    fn answer(&mut self, request: Request, socket: Option<OwnedFd>) -> Answer {
        match (request, socket) {
            (Request::Hello { version: VERSION }, _) => Answer::Done,
            (Request::Hello { version }, _) => {
                Answer::Refused(format!("it has version {VERSION}, not {version}"))
            }
            (Request::Add(port), Some(socket)) => match self.hold(&port, socket) {
                Ok(held) => {
                    self.ports.entry(port.owner).or_default().push(held);
                    Answer::Done
                }
                Err(error) => Answer::Refused(error.to_string()),
            },
            (Request::Add(_), None) => Answer::Refused("no socket came".to_owned()),
            (Request::Remove { owner }, _) => {
                self.ports.remove(&owner);
                Answer::Done
            }
            (Request::Neighbors { anew, subnets }, _) => {
                self.neighbors.set(anew, subnets);
                Answer::Done
            }
            (Request::List { after }, _) => {
                let behind = (Bound::Excluded(after), Bound::Unbounded);
                let some = self.ports.range(behind).take(OWNERS_PER_ANSWER);
                Answer::Owners(some.map(|(owner, held)| (owner.clone(), held.len())).collect())
            }
        }
    }

    fn hold(&self, port: &Port, socket: OwnedFd) -> io::Result<Held> {
        let (port, neighbors) = (Arc::new(port.clone()), Arc::clone(&self.neighbors));
        let task = match port.protocol {
            Protocol::Tcp => {
                tokio::spawn(streams::carry(port, neighbors, streams::listener(socket)?))
            }
            Protocol::Udp => {
                tokio::spawn(datagrams::carry(port, neighbors, datagrams::socket(socket)?))
            }
            Protocol::Sctp => return Ok(Held { task: None, _socket: Some(socket) }),
        };
        Ok(Held { task: Some(task), _socket: None })
    }
}

async fn accept(listener: UnixListener, sender: mpsc::Sender<Happening>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Descriptors are short, or the engine has gone already.
            tokio::time::sleep(streams::PAUSE).await;
            continue;
        };
        if sender.send(Happening::Came).await.is_err() {
            return;
        }
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(()) = serve(&socket, &sender).await {}
            drop(sender.send(Happening::Left).await);
        });
    }
}

/// One request and its answer; nothing when the engine is gone or talks nonsense.
async fn serve(socket: &UnixStream, sender: &mpsc::Sender<Happening>) -> Option<()> {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let received = socket
        .async_io(Interest::READABLE, || {
            sys::socket::receive_with_fds(socket.as_fd(), &mut buffer, false)
        })
        .await
        .ok()?;
    let bytes = buffer.get(..received.bytes).filter(|bytes| !bytes.is_empty())?;
    let request: Request = serde_json::from_slice(bytes).ok().filter(|_| !received.truncated)?;
    let (reply, answer) = tokio::sync::oneshot::channel();
    let socket_that_came = received.fds.into_iter().next();
    sender.send(Happening::Asked(request, socket_that_came, reply)).await.ok()?;
    let bytes = serde_json::to_vec(&answer.await.ok()?).ok()?;
    socket
        .async_io(Interest::WRITABLE, || sys::socket::send_with_fds(socket.as_fd(), &bytes, &[]))
        .await
        .ok()
        .map(drop)
}
