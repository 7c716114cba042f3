//! Asking somebody else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use netlink::namespace::inside;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::message::{self, Outcome, Question};

/// A server that is asked for what is not known here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is asked from this machine, because its address means something else inside of
    /// the container: a loopback address of the machine's own `resolv.conf`. All others are asked
    /// from the container, with its rights and ways.
    pub from_host: bool,
}

/// How long one server has to answer: as Docker's.
const ANSWER_DEADLINE: Duration = Duration::from_secs(4);
/// As many as the C library asks.
const SERVERS_MAX: usize = 3;
/// Answers of others that arrive at our port; then somebody is trying.
const WRONG_ANSWERS_MAX: usize = 32;
/// The largest message, by its 16-bit length.
const MESSAGE_BYTES_MAX: usize = 65_535;

/// By which transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The answer to a question, by the first server that has one.
pub(crate) async fn ask(
    question: &Question,
    bytes: &[u8],
    servers: &[Upstream],
    namespace: &Arc<OwnedFd>,
    transport: Transport,
) -> Option<Vec<u8>> {
    let mut last = None;
    for server in servers.iter().take(SERVERS_MAX) {
        let asked = ask_one(question, bytes, *server, namespace, transport);
        match timeout(ANSWER_DEADLINE, asked).await {
            Ok(Ok(answer)) => match message::outcome(&answer) {
                Some(Outcome::Fine | Outcome::NoSuchName) => return Some(answer),
                // The next one may know better; if not, this is what is told.
                _ => last = Some(answer),
            },
            Ok(Err(error)) => {
                tracing::debug!(server = %server.address, error = %error, "a name server failed");
            }
            Err(_) => tracing::debug!(server = %server.address, "a name server does not answer"),
        }
    }
    last
}

async fn ask_one(
    question: &Question,
    bytes: &[u8],
    server: Upstream,
    namespace: &Arc<OwnedFd>,
    transport: Transport,
) -> io::Result<Vec<u8>> {
    // A number that the container does not know, so that it cannot answer itself.
    let mut bytes = bytes.to_vec();
    let id = u16::from_str_radix(&stdx::id::random_hex::<2>(), 16).unwrap_or(question.id);
    message::set_id(&mut bytes, id);
    let mut asked = question.clone();
    asked.id = id;
    let mut answer = match transport {
        Transport::Udp => by_udp(&asked, &bytes, server, namespace).await?,
        Transport::Tcp => by_tcp(&asked, &bytes, server, namespace).await?,
    };
    message::set_id(&mut answer, question.id);
    Ok(answer)
}

async fn by_udp(
    question: &Question,
    bytes: &[u8],
    server: Upstream,
    namespace: &Arc<OwnedFd>,
) -> io::Result<Vec<u8>> {
    let socket = opened(server, namespace, move || {
        let any: IpAddr = match server.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Its port is a random one.
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(server.address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    let socket = tokio::net::UdpSocket::from_std(socket.await?)?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    for _ in 0..WRONG_ANSWERS_MAX {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        if question.is_answered_by(answer) {
            return Ok(answer.to_vec());
        }
    }
    Err(io::Error::other("only wrong answers come"))
}

async fn by_tcp(
    question: &Question,
    bytes: &[u8],
    server: Upstream,
    namespace: &Arc<OwnedFd>,
) -> io::Result<Vec<u8>> {
    let socket = opened(server, namespace, move || match server.address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    });
    // Not on the thread that opened it: a server that does not answer would keep it for seconds.
    let mut stream = socket.await?.connect(server.address).await?;
    write_message(&mut stream, bytes).await?;
    let answer = read_message(&mut stream).await?;
    match question.is_answered_by(&answer) {
        true => Ok(answer),
        false => Err(io::Error::other("a wrong answer came")),
    }
}

/// Opens a socket where the server is asked from.
async fn opened<T: Send + 'static>(
    server: Upstream,
    namespace: &Arc<OwnedFd>,
    open: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let namespace = Arc::clone(namespace);
    let opening = tokio::task::spawn_blocking(move || match server.from_host {
        true => open(),
        false => inside(namespace.as_fd(), open).map_err(io::Error::other)?,
    });
    opening.await.map_err(io::Error::other)?
}

/// Reads a message with its length before it, as TCP has them.
pub(crate) async fn read_message(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Writes a message with its length before it.
pub(crate) async fn write_message(
    stream: &mut (impl AsyncWriteExt + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await
}
