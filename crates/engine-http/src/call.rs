//! One decoded request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docker_api::{ApiVersion, Filters, Timestamp, VersionError, messages, query};
use engine::{Caller, Engine, EngineError};
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::{Method, Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::reply::Reply;
use crate::request_body::RequestBody;

/// JSON bodies: an exec or create with all the environment that the kernel allows fits.
const JSON_BYTES_MAX: usize = 4 << 20;

/// How long a body that nobody wants is read.
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// Parameters in one query: more than any client sends.
const PARAMETERS_MAX: usize = 256;

/// The start of a request: what routes are chosen by.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) version: ApiVersion,
    /// Without the version, percent-decoded.
    pub(crate) path: String,
    query: BTreeMap<String, Vec<String>>,
}

impl Head {
    pub(crate) fn read(uri: &Uri, method: &Method) -> Result<Head, Reply> {
        let (version, path) = ApiVersion::split_path(uri.path());
        let version = match version.map(ApiVersion::negotiate) {
            None => ApiVersion::MAX,
            Some(Ok(version)) => version,
            Some(Err(error @ VersionError::TooOld { .. })) => {
                return Err(Reply::plain_error(StatusCode::BAD_REQUEST, &error.to_string()));
            }
            Some(Err(error)) => {
                return Err(Reply::error(StatusCode::BAD_REQUEST, &error.to_string()));
            }
        };
        let path = decode(path, false)
            .ok_or_else(|| Reply::error(StatusCode::BAD_REQUEST, "the path is not UTF-8"))?;
        let query = parse_query(uri.query().unwrap_or_default())
            .ok_or_else(|| Reply::error(StatusCode::BAD_REQUEST, "the query is malformed"))?;
        Ok(Head { method: method.clone(), version, path, query })
    }
}

/// One request with its body.
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) caller: Caller,
    pub(crate) head: Head,
    values: Vec<String>,
    pub(crate) request: Request<RequestBody>,
    /// Ends when nobody waits for the answer any more.
    pub(crate) gone: Gone,
}

/// What [`Call::gone`] waits on.
pub(crate) type Gone = oneshot::Receiver<Infallible>;

impl Call {
    pub(crate) fn new(
        engine: Arc<Engine>,
        caller: Caller,
        head: Head,
        values: Vec<String>,
        request: Request<RequestBody>,
        gone: Gone,
    ) -> Call {
        Call { engine, caller, head, values, request, gone }
    }

    /// The first value of the route's path: a container, an exec, an image.
    pub(crate) fn target(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// A query parameter; the empty text when it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.optional(name).unwrap_or("")
    }

    /// A query parameter, if it is there and not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        let first = self.head.query.get(name)?.first()?;
        Some(first.as_str()).filter(|text| !text.is_empty())
    }

    /// All values of a query parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.head.query.get(name).cloned().unwrap_or_default()
    }

    /// A boolean, as tolerantly as Docker reads it.
    pub(crate) fn flag(&self, name: &str) -> bool {
        query::boolean(self.text(name))
    }

    /// A boolean that has another default than `false`.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.head.query.contains_key(name) {
            true => self.flag(name),
            false => default,
        }
    }

    pub(crate) fn filters(&self) -> Result<Filters, Reply> {
        Filters::parse(self.text("filters"))
            .map_err(|error| Reply::error(StatusCode::BAD_REQUEST, &error.to_string()))
    }

    /// An instant (`since`, `until`).
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Reply> {
        match self.optional(name) {
            None | Some("0") => Ok(None),
            Some(text) => query::instant(text, Timestamp::now(), 0)
                .map(Some)
                .map_err(|error| Reply::error(StatusCode::BAD_REQUEST, &error.to_string())),
        }
    }

    /// Whether the client asks for another protocol on this connection.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.request.headers().contains_key(UPGRADE)
    }

    /// Reads the body and forgets it.
    pub(crate) async fn drain(mut self) {
        let body = Limited::new(self.request.body_mut(), JSON_BYTES_MAX);
        // What is longer is cut off, and so is a client that does not write.
        drop(tokio::time::timeout(DRAIN_DEADLINE, body.collect()).await);
    }

    /// The JSON body; none is the zero value.
    pub(crate) async fn json<T: Default + DeserializeOwned>(&mut self) -> Result<T, Reply> {
        let bytes = self.bytes().await?;
        docker_api::read_body(&bytes)
            .map_err(|error| Reply::error(StatusCode::BAD_REQUEST, &error.to_string()))
    }

    /// The JSON body, which must be there.
    pub(crate) async fn json_given<T: Default + DeserializeOwned>(&mut self) -> Result<T, Reply> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() {
            return Err(Reply::error(StatusCode::BAD_REQUEST, messages::EMPTY_BODY));
        }
        docker_api::read_body(&bytes)
            .map_err(|error| Reply::error(StatusCode::BAD_REQUEST, &error.to_string()))
    }

    async fn bytes(&mut self) -> Result<Bytes, Reply> {
        let content_type = self.request.headers().get(CONTENT_TYPE).cloned();
        let body = Limited::new(self.request.body_mut(), JSON_BYTES_MAX);
        let read = body.collect().await.map_err(|error| {
            let text = format!("failed to read the request's body: {error}");
            Reply::error(StatusCode::BAD_REQUEST, &text)
        })?;
        let bytes = read.to_bytes();
        match bytes.is_empty() {
            true => Ok(bytes),
            false => is_json(content_type.as_ref()).map(|()| bytes),
        }
    }
}

/// Refuses a body that is said to be something else.
fn is_json(content_type: Option<&HeaderValue>) -> Result<(), Reply> {
    let said = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => {
            let text =
                format!("unsupported Content-Type header ({kind}): must be 'application/json'");
            Err(Reply::error(StatusCode::BAD_REQUEST, &text))
        }
    }
}

/// A refused value of a query.
pub(crate) fn bad_value(error: impl std::fmt::Display) -> Reply {
    Reply::from(EngineError::invalid(error.to_string()))
}

fn parse_query(text: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.entry(decode(name, true)?).or_default().push(decode(value, true)?);
    }
    Some(query)
}

/// Percent-decoding; in a form also `+` as a blank. `None` for what is not UTF-8.
fn decode(text: &str, form: bool) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' if form => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
