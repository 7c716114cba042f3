//! Requests over connections: a small pool for each server, time-outs, limits. One request, one
//! answer: redirects and credentials are others' business.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::endpoint::Way;
use crate::error::{RegistryError, go_method};
use crate::proxy::{Proxies, Proxy};
use crate::spec::{NetworkSpec, Timeouts};
use crate::url::{Scheme, Url};

mod body;
mod dial;

use body::Sent;
pub use body::{Body, BodyStream};

/// Largest head of an answer, and largest piece of a body. Signed addresses have 3 kB.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// Most header lines of an answer.
const HEADERS_MAX: usize = 200;
/// Connections that wait for their next request, for one server.
const IDLE_MAX: usize = 8;
/// A connection of the pool is ready at once, or not worth waiting for.
const READY_TIME_MAX: Duration = Duration::from_secs(1);
/// Servers close idle connections after a minute or more: this is sooner than most.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a broken connection may take to say why it broke; it does so at once, unless the
/// machine is very busy.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// A connection, as the one who sends sees it; it ends when this is dropped.
struct Sender {
    requests: SendRequest<Body>,
    /// Why it ended, if it was not as agreed.
    end: oneshot::Receiver<String>,
    task: AbortHandle,
}

/// The way out.
pub struct Transport {
    proxies: Proxies,
    timeouts: Timeouts,
    agent: HeaderValue,
    pool: Arc<Pool>,
}

/// One request.
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// What besides `Host` and `User-Agent`.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Body,
}

/// The head of an answer, and the way to its body. The connection goes back to the pool when the
/// body was read to its end and the request's was sent to its end, and is closed when it was not.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Whose answer it is.
    pub url: Url,
    method: &'static str,
    body: Incoming,
    stall: Duration,
    lease: Lease,
}

/// What connections may be shared by.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    scheme: Scheme,
    host: String,
    port: u16,
    tls: u64,
    proxy_tls: Option<u64>,
}

#[derive(Default)]
struct Pool {
    idle: Mutex<HashMap<Key, Vec<(Sender, Instant)>>>,
}

struct Lease {
    pool: Arc<Pool>,
    key: Key,
    sender: Option<Sender>,
    sent: Sent,
}

impl Transport {
    /// Reads the configuration.
    pub fn new(spec: &NetworkSpec) -> Result<Transport, RegistryError> {
        let agent = HeaderValue::from_str(&spec.user_agent);
        let agent = agent
            .map_err(|_| RegistryError::configuration("user agent", "it is no header value"))?;
        Ok(Transport {
            proxies: Proxies::parse(&spec.proxies)?,
            timeouts: spec.timeouts,
            agent,
            pool: Arc::default(),
        })
    }

    /// The proxy for an address, if it needs one.
    pub fn proxy(&self, url: &Url) -> Option<&Proxy> {
        self.proxies.of(url)
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn send(&self, outgoing: Outgoing, way: &Way<'_>) -> Result<Answer, RegistryError> {
        let (method, url) = (go_method(&outgoing.method), outgoing.url.clone());
        let key = Key {
            scheme: url.scheme,
            host: url.host.clone(),
            port: url.port,
            tls: way.tls.fingerprint,
            proxy_tls: way.proxy_tls.as_ref().map(|tls| tls.fingerprint),
        };
        let failed = |cause: String, is_connected: bool| {
            let url = url.to_string();
            RegistryError::Transport { method, url, cause, is_connected }
        };
        let is_idempotent = matches!(outgoing.method, Method::GET | Method::HEAD);
        let headers = outgoing.headers.clone();
        let sent = outgoing.body.sent();
        let mut request = Some(self.request(outgoing));
        while let Some(mut sender) = self.pool.take(&key) {
            // One whose last request was answered before it was all sent may never be ready.
            if !matches!(timeout(READY_TIME_MAX, sender.requests.ready()).await, Ok(Ok(()))) {
                continue;
            }
            let Some(next) = request.take() else { break };
            match self.exchange(&mut sender, next, &sent).await {
                Ok(response) => {
                    let lease = self.lease(key, sender, sent);
                    return Ok(self.answer(response, method, &url, lease));
                }
                // The server closed it meanwhile: the request goes over another one.
                Err(Failure::Unsent(unsent)) => request = Some(*unsent),
                Err(Failure::Closed(_)) if is_idempotent => {
                    let (method, url) = (go_to_http(method), url.clone());
                    let body = Body::Whole(Bytes::new());
                    let headers = headers.clone();
                    request = Some(self.request(Outgoing { method, url, headers, body }));
                }
                Err(Failure::Closed(cause) | Failure::Other(cause)) => {
                    return Err(failed(cause, true));
                }
            }
        }
        let Some(request) = request else { return Err(failed("EOF".to_owned(), true)) };
        let mut sender = self.open(&url, way).await.map_err(|cause| failed(cause, false))?;
        match self.exchange(&mut sender, request, &sent).await {
            Ok(response) => {
                let lease = self.lease(key, sender, sent);
                Ok(self.answer(response, method, &url, lease))
            }
            Err(Failure::Closed(cause) | Failure::Other(cause)) => Err(failed(cause, true)),
            Err(Failure::Unsent(_)) => Err(failed(last_words(&mut sender.end).await, true)),
        }
    }

    fn request(&self, outgoing: Outgoing) -> Request<Body> {
        let url = &outgoing.url;
        let mut request = Request::new(outgoing.body);
        *request.method_mut() = outgoing.method;
        *request.headers_mut() = outgoing.headers;
        let proxy = self.proxies.of(url).filter(|_| url.scheme == Scheme::Http);
        let target = match proxy {
            // A proxy for plain HTTP wants to know where to.
            Some(_) => format!("http://{}{}", url.authority(), url.target),
            None => url.target.clone(),
        };
        // Addresses were checked when they were read; were one bad, the server would say so.
        *request.uri_mut() = target.parse().unwrap_or_default();
        let host = HeaderValue::from_str(&url.authority());
        let authorization = proxy.and_then(|proxy| proxy.authorization.as_deref());
        let authorization = authorization.and_then(|text| HeaderValue::from_str(text).ok());
        let headers = request.headers_mut();
        headers.extend(host.ok().map(|host| (HOST, host)));
        headers.insert(USER_AGENT, self.agent.clone());
        headers.extend(authorization.map(|value| (hyper::header::PROXY_AUTHORIZATION, value)));
        request
    }

    async fn open(&self, url: &Url, way: &Way<'_>) -> Result<Sender, String> {
        let wait = way.connect.unwrap_or(self.timeouts.connect);
        let stream = dial::dial(url, way, wait).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES_MAX).max_headers(HEADERS_MAX);
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        let (requests, connection) = shaken.map_err(|cause| cause.to_string())?;
        let (words, end) = oneshot::channel();
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                words.send(hyper_text(&error)).ok();
            }
        });
        Ok(Sender { requests, end, task: task.abort_handle() })
    }

    /// Waits as long as bytes of the request still move, then for the time of a head.
    async fn exchange(
        &self,
        sender: &mut Sender,
        request: Request<Body>,
        sent: &Sent,
    ) -> Result<Response<Incoming>, Failure> {
        let mut answer = std::pin::pin!(sender.requests.try_send_request(request));
        let mut seen = sent.bytes();
        loop {
            match timeout(self.timeouts.head, answer.as_mut()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(mut error)) => {
                    return Err(match error.take_message() {
                        Some(unsent) => Failure::Unsent(Box::new(unsent)),
                        None => Failure::of(error.error(), &mut sender.end).await,
                    });
                }
                Err(_) => {
                    let now = sent.bytes();
                    if now == seen {
                        let text = "net/http: timeout awaiting response headers";
                        return Err(Failure::Other(text.to_owned()));
                    }
                    seen = now;
                }
            }
        }
    }

    fn answer(
        &self,
        response: Response<Incoming>,
        method: &'static str,
        url: &Url,
        lease: Lease,
    ) -> Answer {
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            url: url.clone(),
            method,
            body,
            stall: self.timeouts.stall,
            lease,
        }
    }

    fn lease(&self, key: Key, sender: Sender, sent: Sent) -> Lease {
        Lease { pool: Arc::clone(&self.pool), key, sender: Some(sender), sent }
    }
}

/// Why there is no answer.
enum Failure {
    /// Nothing was sent.
    Unsent(Box<Request<Body>>),
    /// The server closed the connection without a word.
    Closed(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    async fn of(error: &hyper::Error, end: &mut oneshot::Receiver<String>) -> Failure {
        if !(error.is_incomplete_message() || error.is_canceled() || error.is_closed()) {
            return Failure::Other(hyper_text(error));
        }
        Failure::Closed(last_words(end).await)
    }
}

/// Why a connection ended, as far as it says.
async fn last_words(end: &mut oneshot::Receiver<String>) -> String {
    match timeout(LAST_WORDS_MAX, end).await {
        Ok(Ok(words)) => words,
        _ => "EOF".to_owned(),
    }
}

/// In one line.
fn hyper_text(error: &hyper::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return crate::error::io_text(io);
        }
        cause = inner.source();
    }
    match error.is_incomplete_message() {
        true => "unexpected EOF".to_owned(),
        false => stdx::error::chain(error).to_string(),
    }
}

fn go_to_http(method: &str) -> Method {
    if method == "Head" { Method::HEAD } else { Method::GET }
}

impl Answer {
    /// The next piece of the body.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let frame = timeout(self.stall, self.body.frame()).await;
            let cause = match frame {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => hyper_text(&error),
                Err(_) => format!("no byte came for {} s", self.stall.as_secs_f32()),
            };
            let (method, url) = (self.method, self.url.to_string());
            return Err(RegistryError::Transport { method, url, cause, is_connected: true });
        }
    }

    /// The whole body, if it has at most `bytes_max` bytes.
    pub async fn bytes(mut self, bytes_max: u64) -> Result<Bytes, RegistryError> {
        let too_large = || RegistryError::too_large(&self.url, bytes_max);
        if self.body.size_hint().lower() > bytes_max {
            return Err(too_large());
        }
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if (whole.len() + bytes.len()) as u64 > bytes_max {
                return Err(RegistryError::too_large(&self.url, bytes_max));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.into())
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // By itself it would wait until the other end takes what is left.
        self.task.abort();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A server that answers before it has all may never read the rest.
        if self.body.is_end_stream()
            && self.lease.sent.is_all()
            && let Some(sender) = self.lease.sender.take()
        {
            self.lease.pool.put(self.lease.key.clone(), sender);
        }
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, HashMap<Key, Vec<(Sender, Instant)>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key: &Key) -> Option<Sender> {
        let mut idle = self.idle();
        let senders = idle.get_mut(key)?;
        while let Some((sender, since)) = senders.pop() {
            if since.elapsed() < IDLE_TIME_MAX && !sender.requests.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, key: Key, sender: Sender) {
        let mut idle = self.idle();
        idle.retain(|_, senders| {
            senders.retain(|(sender, since)| {
                since.elapsed() < IDLE_TIME_MAX && !sender.requests.is_closed()
            });
            !senders.is_empty()
        });
        let senders = idle.entry(key).or_default();
        if senders.len() < IDLE_MAX {
            senders.push((sender, Instant::now()));
        }
    }
}
