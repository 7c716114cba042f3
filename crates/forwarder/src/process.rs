//! The process: it holds ports, and does what engines ask.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use network::ports::Protocol;

use crate::datagrams;
use crate::protocol::{Answer, MESSAGE_BYTES_MAX, Neighbors, Port, Request, VERSION};
use crate::streams;

/// Engines that are connected; one, and the next one for a moment. More wait.
const ENGINES_MAX: usize = 8;
/// Connections and UDP peers of one owner, whose descriptors are so many or twice as many: what
/// comes to one container does not take what others need.
const CLIENTS_MAX: usize = 4096;
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

#[derive(Debug)]
struct Owner {
    held: Vec<Held>,
    /// For its clients.
    room: Arc<Semaphore>,
}

impl Default for Owner {
    fn default() -> Owner {
        Owner { held: Vec::new(), room: Arc::new(Semaphore::new(CLIENTS_MAX)) }
    }
}

#[derive(Debug, Default)]
struct State {
    owners: BTreeMap<String, Owner>,
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
/// The socket is none that can be listened to; the limit of descriptors cannot be raised.
pub async fn run(listener: OwnedFd) -> io::Result<()> {
    sys::process::raise_descriptor_limit()?;
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
        if engines == 0 && state.owners.is_empty() {
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
            (Request::Add(port), Some(socket)) => match self.hold(port, socket) {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Refused(error.to_string()),
            },
            (Request::Add(_), None) => Answer::Refused("no socket came".to_owned()),
            (Request::Remove { owner }, _) => {
                self.owners.remove(&owner);
                Answer::Done
            }
            (Request::Neighbors { anew, neighbors }, _) => {
                self.neighbors.set(anew, neighbors);
                Answer::Done
            }
            (Request::List { after }, _) => {
                let behind = (Bound::Excluded(after), Bound::Unbounded);
                let some = self.owners.range(behind).take(OWNERS_PER_ANSWER);
                let listed = |(id, owner): (&String, &Owner)| (id.clone(), owner.held.len());
                Answer::Owners(some.map(listed).collect())
            }
        }
    }

    fn hold(&mut self, port: Port, socket: OwnedFd) -> io::Result<()> {
        let (owner, neighbors) = (port.owner.clone(), Arc::clone(&self.neighbors));
        let known = self.owners.get(&owner).map(|owner| Arc::clone(&owner.room));
        let new = Owner::default();
        let room = known.unwrap_or_else(|| Arc::clone(&new.room));
        let port = Arc::new(port);
        let (task, socket) = match port.protocol {
            Protocol::Tcp => {
                let listener = streams::listener(socket)?;
                (Some(tokio::spawn(streams::carry(port, neighbors, listener, room))), None)
            }
            Protocol::Udp => {
                let bound = datagrams::socket(socket)?;
                (Some(tokio::spawn(datagrams::carry(port, neighbors, bound, room))), None)
            }
            Protocol::Sctp => (None, Some(socket)),
        };
        self.owners.entry(owner).or_insert(new).held.push(Held { task, _socket: socket });
        Ok(())
    }
}

async fn accept(listener: UnixListener, sender: mpsc::Sender<Happening>) {
    let room = Arc::new(Semaphore::new(ENGINES_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
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
            drop(permit);
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
