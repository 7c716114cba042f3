//! Connections that leave HTTP and carry a process's streams.
//!
//! With `Upgrade: tcp` the client's socket itself is given away (101). Without it, old clients get
//! 200 and the same bytes as a body; then this process carries them.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use bytes::Bytes;
use docker_api::ApiVersion;
use engine::{AttachTicket, EngineError, ExecTicket};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

use crate::call::Call;
use crate::reply::Reply;
use crate::request_body::RequestBody;
use crate::socket::Socket;

const RAW: HeaderValue = HeaderValue::from_static("application/vnd.docker.raw-stream");
const MULTIPLEXED: HeaderValue =
    HeaderValue::from_static("application/vnd.docker.multiplexed-stream");

/// Since this version the multiplexed stream has a content type of its own.
const TYPED_SINCE: ApiVersion = ApiVersion::new(1, 42);

/// Clients that keep what they read beyond the head: Docker's command line and ours.
const CAREFUL_AGENTS: [&str; 2] = ["Docker-Client/", "wharf/"];

/// How long another one may take to read a head; a client that is slower gets its output anyway.
const HEAD_READ_DEADLINE: Duration = Duration::from_millis(250);

/// How often it is looked: the runtime's timers are no finer.
const HEAD_READ_PAUSE: Duration = Duration::from_millis(1);

/// What waits for a client's connection.
pub(crate) trait Ticket: Send + 'static {
    /// Whether the stream is a terminal's.
    fn is_tty(&self) -> bool;
    /// Gives the connection away.
    fn connect(
        self,
        client: OwnedFd,
        preread: Vec<u8>,
    ) -> impl Future<Output = engine::Result<()>> + Send;
}

impl Ticket for AttachTicket {
    fn is_tty(&self) -> bool {
        AttachTicket::is_tty(self)
    }
    async fn connect(self, client: OwnedFd, preread: Vec<u8>) -> engine::Result<()> {
        AttachTicket::connect(self, client, preread).await
    }
}

impl Ticket for ExecTicket {
    fn is_tty(&self) -> bool {
        ExecTicket::is_tty(self)
    }
    async fn connect(self, client: OwnedFd, preread: Vec<u8>) -> engine::Result<()> {
        ExecTicket::connect(self, client, preread).await
    }
}

/// The content type of a stream of output.
pub(crate) fn content_type(version: ApiVersion, is_tty: bool) -> HeaderValue {
    match !is_tty && version >= TYPED_SINCE {
        true => MULTIPLEXED,
        false => RAW,
    }
}

/// Answers the client and gives its connection to `ticket`.
pub(crate) async fn hijack<T: Ticket>(call: Call, ticket: T) -> Result<Reply, Reply> {
    match call.wants_upgrade() {
        true => Ok(upgrade(call, ticket)),
        false => carry(call.request, ticket).await,
    }
}

fn upgrade<T: Ticket>(mut call: Call, ticket: T) -> Reply {
    let headers = call.request.headers();
    let protocol = headers.get(UPGRADE).cloned();
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("");
    let is_careful = CAREFUL_AGENTS.iter().any(|careful| agent.starts_with(careful));
    let content_type = content_type(call.head.version, ticket.is_tty());
    let upgrading = hyper::upgrade::on(&mut call.request);
    tokio::spawn(async move {
        let upgraded = match upgrading.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "the client left before the upgrade"),
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<Socket>>() else {
            return tracing::error!("an upgraded connection is not a unix socket");
        };
        let preread = parts.read_buf.to_vec();
        let socket = match parts.io.into_inner().into_descriptor() {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(%error, "a hijacked socket cannot be taken"),
        };
        if !is_careful {
            head_is_read(socket.as_fd()).await;
        }
        if let Err(error) = ticket.connect(socket, preread).await {
            tracing::debug!(error = %stdx::error::chain(&error), "attach ended");
        }
    });
    let mut reply = Reply::empty(StatusCode::SWITCHING_PROTOCOLS)
        .with(CONTENT_TYPE, content_type)
        .with(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(protocol) = protocol {
        reply = reply.with(UPGRADE, protocol);
    }
    let reason = hyper::ext::ReasonPhrase::from_static(b"UPGRADED");
    reply.response_mut().extensions_mut().insert(reason);
    reply
}

/// Waits until the client has read the head of the answer. docker-py and docker-modem throw away
/// what came along with it, and output comes faster here than they expect.
async fn head_is_read(socket: BorrowedFd<'_>) {
    let until = Instant::now() + HEAD_READ_DEADLINE;
    while matches!(sys::socket::unread_by_peer(socket), Ok(1..)) && Instant::now() < until {
        // The kernel tells nobody that a peer has read.
        tokio::time::sleep(HEAD_READ_PAUSE).await;
    }
}

/// For clients that do not upgrade: a socket pair stands in for their connection.
async fn carry<T: Ticket>(request: Request<RequestBody>, ticket: T) -> Result<Reply, Reply> {
    let made = UnixStream::pair().and_then(|(ours, theirs)| Ok((ours, theirs.into_std()?)));
    let (ours, theirs) =
        made.map_err(|error| Reply::from(EngineError::internal("failed to make sockets", error)))?;
    let (output, input) = ours.into_split();
    tokio::spawn(feed(request.into_body(), input));
    tokio::spawn(async move {
        if let Err(error) = ticket.connect(theirs.into(), Vec::new()).await {
            tracing::debug!(error = %stdx::error::chain(&error), "attach ended");
        }
    });
    let pieces = stream::unfold(output, |mut output| async move {
        let mut buffer = vec![0u8; 32 << 10];
        match output.read(&mut buffer).await {
            Ok(0) => None,
            Ok(count) => {
                buffer.truncate(count);
                Some((Ok(Bytes::from(buffer)), output))
            }
            Err(error) => Some((Err(error), output)),
        }
    });
    Ok(Reply::stream(RAW, pieces))
}

async fn feed(mut body: RequestBody, mut input: OwnedWriteHalf) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(bytes) = frame.into_data()
            && input.write_all(&bytes).await.is_err()
        {
            return;
        }
    }
    // Dropping the half says that no more input comes.
}
