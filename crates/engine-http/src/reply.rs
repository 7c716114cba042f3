//! Answers: status, headers, body.

use bytes::Bytes;
use docker_api::{ApiVersion, ErrorBody};
use engine::EngineError;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use stdx::Kind;

/// What hyper sends.
pub(crate) type Response = hyper::Response<BoxBody<Bytes, std::io::Error>>;

/// An answer before the headers that all have.
pub(crate) struct Reply(Box<Response>);

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reply").field(&self.0.status()).finish()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Reply {
    fn new(status: StatusCode, body: BoxBody<Bytes, std::io::Error>) -> Reply {
        let mut response = hyper::Response::new(body);
        *response.status_mut() = status;
        Reply(Box::new(response))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// No body.
    pub(crate) fn empty(status: StatusCode) -> Reply {
        Reply::new(status, Empty::new().map_err(|never| match never {}).boxed())
    }

    /// A JSON document and a line end, as Go's encoder writes it.
    pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Reply {
        let mut bytes = match serde_json::to_vec(value) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
            }
        };
        bytes.push(b'\n');
        Reply::bytes(status, JSON, bytes)
    }

    /// Plain text.
    pub(crate) fn text(status: StatusCode, text: &str) -> Reply {
        Reply::bytes(status, TEXT, text.as_bytes().to_vec())
    }

    fn bytes(status: StatusCode, content_type: HeaderValue, bytes: Vec<u8>) -> Reply {
        let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed();
        Reply::new(status, body).with(CONTENT_TYPE, content_type)
    }

    /// A body that comes bit by bit; its head is sent at once.
    pub(crate) fn stream<S>(content_type: HeaderValue, pieces: S) -> Reply
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        let frames = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)));
        Reply::new(StatusCode::OK, BodyExt::boxed(frames)).with(CONTENT_TYPE, content_type)
    }

    /// An archive.
    pub(crate) fn archive<S>(pieces: S) -> Reply
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        Reply::stream(HeaderValue::from_static("application/x-tar"), pieces)
    }

    /// A stream of JSON documents.
    pub(crate) fn json_stream<S>(pieces: S) -> Reply
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        Reply::stream(JSON, pieces)
    }

    /// Docker's error document.
    pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
        Reply::json(status, &ErrorBody { message: message.to_owned() })
    }

    /// The one error that is no JSON: it is for clients older than that. Go ends it with a line.
    pub(crate) fn plain_error(status: StatusCode, message: &str) -> Reply {
        Reply::text(status, &format!("{message}\n"))
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// For what hyper itself must know: the reason phrase of an upgrade.
    pub(crate) fn response_mut(&mut self) -> &mut Response {
        &mut self.0
    }
}

/// The HTTP status of each sort of failure.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::NotModified => StatusCode::NOT_MODIFIED,
        // Docker has no other status for a full disk.
        Kind::Exhausted | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<EngineError> for Reply {
    fn from(error: EngineError) -> Reply {
        tell_operator(&error);
        let status = status(error.answer());
        match status {
            StatusCode::NOT_MODIFIED => Reply::empty(status),
            _ => Reply::error(status, &error.client_text()),
        }
    }
}

/// An operator must act on failures of ours and of the machine, and may have to on those of others:
/// registries that cannot be reached, for example. What clients are refused is for them alone.
pub(crate) fn tell_operator(error: &EngineError) {
    let is_ours = error.answer() == error.kind();
    match error.kind() {
        Kind::Internal | Kind::Exhausted if is_ours => {
            tracing::error!(error = %stdx::error::chain(error), "call failed");
        }
        Kind::Internal | Kind::Exhausted | Kind::Unavailable => {
            tracing::warn!(error = %stdx::error::chain(error), "call failed");
        }
        _ => {}
    }
}

/// Adds the headers that every answer has, except those that leave HTTP.
pub(crate) fn finish(reply: Reply) -> Response {
    let mut response = *reply.0;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let version =
        HeaderValue::from_str(&ApiVersion::MAX.to_string()).expect("a version is digits and a dot");
    let headers = response.headers_mut();
    headers.insert("api-version", version);
    headers.insert("docker-experimental", HeaderValue::from_static("false"));
    headers.insert("ostype", HeaderValue::from_static("linux"));
    headers.insert(
        "server",
        HeaderValue::from_static(concat!("Wharf/", env!("CARGO_PKG_VERSION"), " (linux)")),
    );
    response
}
