//! Answering a container's questions.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::message::{A, AAAA, Outcome, PTR, Question, Record};
use crate::names::Names;
use crate::sockets::{Sockets, SocketsError};
use crate::upstream::{self, Transport, Upstream, read_message, write_message};

/// What a container sees.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The networks whose names it sees; the first that has a name tells it.
    pub networks: Vec<String>,
    /// Who is asked for everything else. Empty for one whose networks are all internal: it must
    /// not reach anybody outside, not even by questions.
    pub upstream: Vec<Upstream>,
    /// Whether names without a dot are asked for outside: not if the user set `ndots`, for then
    /// the C library will ask again with a domain behind.
    pub forwards_bare_names: bool,
}

/// Questions of one container that others are asked; what comes beyond is answered at once that it
/// cannot be answered.
const FORWARDED_MAX: usize = 100;
/// TCP connections of one container.
const CONNECTIONS_MAX: usize = 32;
/// A connection without a question for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// The largest message by UDP that somebody sends.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// After a failure of the kernel, which is not expected to end sooner: descriptors, memory.
const PAUSE: Duration = Duration::from_millis(10);

/// A container that is being answered. Dropping it ends that; its sockets stay open as long as
/// somebody else holds them.
#[derive(Debug)]
pub struct Serving {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Shared {
    names: Arc<Names>,
    namespace: Arc<OwnedFd>,
    client: RwLock<Arc<Client>>,
    forwarded: Arc<Semaphore>,
}

/// Answers what arrives at `sockets`, which are of the network namespace `namespace`, as a task of
/// the current runtime.
///
/// # Errors
/// [`SocketsError::Open`].
pub fn serve(
    names: Arc<Names>,
    sockets: Sockets,
    namespace: OwnedFd,
    client: Client,
) -> Result<Serving, SocketsError> {
    let udp = std::net::UdpSocket::from(sockets.udp);
    let tcp = std::net::TcpListener::from(sockets.tcp);
    let prepared = || -> io::Result<_> {
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok((UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?))
    };
    let (udp, tcp) = prepared().map_err(SocketsError::Open)?;
    let shared = Arc::new(Shared {
        names,
        namespace: Arc::new(namespace),
        client: RwLock::new(Arc::new(client)),
        forwarded: Arc::new(Semaphore::new(FORWARDED_MAX)),
    });
    let tasks = [
        tokio::spawn(datagrams(Arc::clone(&shared), udp)),
        tokio::spawn(connections(Arc::clone(&shared), tcp)),
    ];
    Ok(Serving { shared, tasks })
}

impl Serving {
    /// Changes what the container sees.
    pub fn set_client(&self, client: Client) {
        let mut place = self.shared.client.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(client);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn datagrams(shared: Arc<Shared>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            // It is of a datagram before, which did not arrive; or memory is short.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while waiting.try_join_next().is_some() {}
        let bytes = buffer.get(..length).unwrap_or_default();
        let limit = |question: &Question| question.answer_bytes_max;
        match shared.answer(bytes, limit) {
            // A client that went away is none.
            Step::Answer(answer) => drop(socket.send_to(&answer, peer).await),
            Step::Nothing => {}
            Step::Forward(question, permit) => {
                let (shared, socket) = (Arc::clone(&shared), Arc::clone(&socket));
                let bytes = bytes.to_vec();
                waiting.spawn(async move {
                    let answer = shared.forward(&question, &bytes, Transport::Udp).await;
                    drop(socket.send_to(&answer, peer).await);
                    drop(permit);
                });
            }
        }
    }
}

async fn connections(shared: Arc<Shared>, listener: TcpListener) {
    let mut open = JoinSet::new();
    loop {
        while open.len() >= CONNECTIONS_MAX {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                open.spawn(async move { drop(converse(&shared, stream).await) });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn converse(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let bytes = timeout(IDLE_MAX, read_message(&mut stream)).await??;
        let answer = match shared.answer(&bytes, |_| MESSAGE_BYTES_MAX) {
            Step::Answer(answer) => answer,
            Step::Nothing => return Ok(()),
            Step::Forward(question, _permit) => {
                shared.forward(&question, &bytes, Transport::Tcp).await
            }
        };
        timeout(IDLE_MAX, write_message(&mut stream, &answer)).await??;
    }
}

enum Step {
    Answer(Vec<u8>),
    /// Others are asked, by as many tasks as there are permits.
    Forward(Question, OwnedSemaphorePermit),
    Nothing,
}

impl Shared {
    /// What is known here.
    fn answer(&self, bytes: &[u8], limit: impl Fn(&Question) -> usize) -> Step {
        let question = match Question::read(bytes) {
            Ok(question) => question,
            Err(error) => return error.answer().map_or(Step::Nothing, Step::Answer),
        };
        let client = self.client();
        let say = |outcome, records: &[Record]| {
            Step::Answer(question.answer(outcome, records, limit(&question)))
        };
        match self.known(&client, &question) {
            Some(records) => say(Outcome::Fine, &records),
            None if client.upstream.is_empty() => say(Outcome::ServerFailure, &[]),
            None if is_bare(&question) && !client.forwards_bare_names => {
                say(Outcome::NoSuchName, &[])
            }
            None => match Arc::clone(&self.forwarded).try_acquire_owned() {
                Ok(permit) => Step::Forward(question, permit),
                Err(_) => say(Outcome::ServerFailure, &[]),
            },
        }
    }

    /// The records of a name that a neighbor has; there may be none of the kind that is asked for.
    fn known(&self, client: &Client, question: &Question) -> Option<Vec<Record>> {
        let name = question.name.as_deref().filter(|_| question.is_internet)?;
        if question.kind == PTR {
            let name = self.names.name(&client.networks, question.reverse()?)?;
            return Some(vec![Record::Name(name)]);
        }
        let addresses = self.names.addresses(&client.networks, name)?;
        let fitting = addresses.into_iter().filter(|address| match question.kind {
            A => address.is_ipv4(),
            AAAA => address.is_ipv6(),
            _ => false,
        });
        Some(fitting.map(Record::Address).collect())
    }

    async fn forward(&self, question: &Question, bytes: &[u8], transport: Transport) -> Vec<u8> {
        let failed = || question.answer(Outcome::ServerFailure, &[], MESSAGE_BYTES_MAX);
        let client = self.client();
        let asked =
            upstream::ask(question, bytes, &client.upstream, &self.namespace, transport).await;
        asked.unwrap_or_else(failed)
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A question for the address of a name without a dot.
fn is_bare(question: &Question) -> bool {
    let bare = question.name.as_deref().is_some_and(|name| !name.contains('.'));
    bare && matches!(question.kind, A | AAAA)
}
