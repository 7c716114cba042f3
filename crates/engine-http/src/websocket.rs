//! Attaching by websocket (RFC 6455): a container's streams, not multiplexed, in frames.
//!
//! Sockets of browsers and of libraries that can nothing else. The process's streams come by a
//! socket pair, as for other clients that cannot be given away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::BytesMut;
use docker_api::ApiVersion;
use engine::{AttachTicket, EngineError};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use self::frame::{Decoder, Message, Opcode};
use crate::reply::Reply;

mod frame;

/// Frames are binary since this version, and text before.
const BINARY_SINCE: ApiVersion = ApiVersion::new(1, 28);

/// Bytes read at a time, and most of one frame.
const CHUNK_BYTES: usize = 32 << 10;

/// Answers to pings that wait; a client that sends more is not read until it takes some.
const ANSWERS_MAX: usize = 16;

/// Appended to a client's key, by RFC 6455.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Codes of closing, RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;

/// What the client's request says, if it is one for a websocket.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
    opcode: Opcode,
}

impl Handshake {
    /// Reads the headers; refused in the words of Docker's library.
    pub(crate) fn read(headers: &HeaderMap, version: ApiVersion) -> Result<Handshake, Reply> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let has = |name: HeaderName, word: &str| {
            text(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        let refused = |text: &str| Reply::text(StatusCode::BAD_REQUEST, text);
        if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
            return Err(refused("not websocket protocol"));
        }
        let Some(key) = text(SEC_WEBSOCKET_KEY).filter(|key| !key.is_empty()) else {
            return Err(refused("mismatch challenge/response"));
        };
        if text(SEC_WEBSOCKET_VERSION) != Some("13") {
            let refusal = refused("missing or bad WebSocket Version");
            return Err(refusal.with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        }
        let accept =
            HeaderValue::from_str(&answer_to(key)).expect("base64 is made of visible characters");
        let opcode = if version >= BINARY_SINCE { Opcode::Binary } else { Opcode::Text };
        // A client that offers one gets it; one that offers several has to do without.
        let protocol = headers.get(SEC_WEBSOCKET_PROTOCOL);
        let protocol = protocol.filter(|offer| !offer.as_bytes().contains(&b',')).cloned();
        Ok(Handshake { accept, protocol, opcode })
    }

    /// Answers the client and carries the streams until one side ends.
    pub(crate) fn accept(
        self,
        mut request: Request<crate::request_body::RequestBody>,
        ticket: AttachTicket,
    ) -> Result<Reply, Reply> {
        let made = UnixStream::pair().and_then(|(ours, theirs)| Ok((ours, theirs.into_std()?)));
        let (ours, theirs) = made
            .map_err(|error| Reply::from(EngineError::internal("failed to make sockets", error)))?;
        let upgrading = hyper::upgrade::on(&mut request);
        let opcode = self.opcode;
        tokio::spawn(async move {
            let upgraded = match upgrading.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "the client left before the upgrade"),
            };
            // Together: what was logged before can be more than the sockets hold.
            let connected = ticket.connect(theirs.into(), Vec::new());
            let ((), connected) = tokio::join!(carry(upgraded, ours, opcode), connected);
            if let Err(error) = connected {
                tracing::debug!(error = %stdx::error::chain(&error), "attach ended");
            }
        });
        let mut reply = Reply::empty(StatusCode::SWITCHING_PROTOCOLS)
            .with(UPGRADE, HeaderValue::from_static("websocket"))
            .with(CONNECTION, HeaderValue::from_static("Upgrade"))
            .with(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            reply = reply.with(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        Ok(reply)
    }
}

/// What proves that the server has read the key, by RFC 6455 section 4.2.2.
fn answer_to(key: &str) -> String {
    BASE64.encode(Sha1::digest(format!("{key}{GUID}")))
}

/// Carries both directions until the process or the client ends.
async fn carry(upgraded: Upgraded, streams: UnixStream, opcode: Opcode) {
    let (from_client, to_client) = tokio::io::split(TokioIo::new(upgraded));
    let (output, input) = streams.into_split();
    let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
    let reading = read(from_client, input, answers);
    let writing = write(to_client, output, waiting, opcode);
    // Reading ends with the client, and tells the writer what to say at last. When writing ends,
    // there is nobody left to read for.
    tokio::pin!(reading, writing);
    tokio::select! {
        () = &mut reading => writing.await,
        () = &mut writing => {}
    }
}

/// What the writer puts between the frames of output.
#[derive(Debug)]
enum Answer {
    Pong(Vec<u8>),
    Close(u16),
    /// The client is gone; nobody is told anything.
    Leave,
}

async fn read(
    mut client: impl AsyncRead + Unpin,
    mut input: OwnedWriteHalf,
    answers: mpsc::Sender<Answer>,
) {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
    let last = loop {
        let message = match decoder.next(&mut buffer) {
            Ok(Some(message)) => message,
            Ok(None) => match client.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => break Answer::Leave,
                Ok(_) => continue,
            },
            Err(violation) => {
                tracing::debug!(%violation, "a websocket client breaks the protocol");
                break Answer::Close(PROTOCOL_ERROR);
            }
        };
        match message {
            // A process that takes no input any more still has output.
            Message::Data(bytes) => drop(input.write_all(&bytes).await),
            Message::Ping(payload) => drop(answers.send(Answer::Pong(payload)).await),
            Message::Pong => {}
            Message::Close => break Answer::Close(NORMAL),
        }
    };
    // A writer that has ended needs no last word.
    drop(answers.send(last).await);
}

async fn write(
    mut client: impl AsyncWrite + Unpin,
    mut output: OwnedReadHalf,
    mut answers: mpsc::Receiver<Answer>,
    opcode: Opcode,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let frame = tokio::select! {
            answer = answers.recv() => match answer {
                Some(Answer::Pong(payload)) => frame::encode(Opcode::Pong, &payload),
                Some(Answer::Close(code)) => return close(client, code).await,
                Some(Answer::Leave) | None => return,
            },
            read = output.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return close(client, NORMAL).await,
                Ok(count) => frame::encode(opcode, chunk.get(..count).unwrap_or_default()),
            },
        };
        if client.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn close(mut client: impl AsyncWrite + Unpin, code: u16) {
    let frame = frame::encode(Opcode::Close, &code.to_be_bytes());
    // A client that is gone needs no good-bye.
    if client.write_all(&frame).await.is_ok() {
        drop(client.shutdown().await);
    }
}

#[cfg(test)]
mod tests;
