//! A registry that does what a test wants: honest by default, and a hook that answers instead.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use oci::Digest;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::Crafted;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

/// What is sent back.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Sent,
}

/// A body.
pub enum Sent {
    Whole(Bytes),
    /// These bytes, then the connection is cut.
    Cut(Bytes),
    /// The end of that, when the bytes had time to leave.
    Cutting(u8),
    /// These bytes, then nothing for ever.
    Stalled(Bytes),
    /// These bytes over and over.
    Endless(Bytes),
}

type Hook = Box<dyn Fn(&Seen, usize) -> Option<Reply> + Send + Sync>;

struct State {
    blobs: Mutex<BTreeMap<String, Bytes>>,
    manifests: Mutex<BTreeMap<String, (String, Bytes)>>,
    seen: Mutex<Vec<Seen>>,
    hook: Hook,
}

/// A running one.
pub struct Fake {
    state: Arc<State>,
    pub port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Reply {
        Reply { status, headers: Vec::new(), body: Sent::Whole(body.into()) }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn sent(mut self, body: Sent) -> Reply {
        self.body = body;
        self
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

impl Fake {
    pub async fn honest() -> Fake {
        Fake::new(|_, _| None).await
    }

    /// `hook` sees each request, and how many before had the same method and path.
    pub async fn new(hook: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static) -> Fake {
        Fake::start(Box::new(hook), None).await
    }

    pub async fn tls(
        acceptor: TlsAcceptor,
        hook: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Fake {
        Fake::start(Box::new(hook), Some(acceptor)).await
    }

    async fn start(hook: Hook, acceptor: Option<TlsAcceptor>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            blobs: Mutex::default(),
            manifests: Mutex::default(),
            seen: Mutex::default(),
            hook,
        });
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, acceptor) = (Arc::clone(&served), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, state).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            serve(stream, state).await;
                        }
                    }
                });
            }
        });
        Fake { state, port, task }
    }

    /// `127.0.0.1:PORT/path`.
    pub fn name(&self, path: &str) -> String {
        format!("127.0.0.1:{}/{path}", self.port)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Holds an image under a tag.
    pub fn hold(&self, tag: &str, image: &Crafted) {
        let mut blobs = self.state.blobs.lock().unwrap();
        blobs.insert(Digest::of(&image.config).to_string(), image.config.clone());
        for (form, bytes) in &image.layers {
            blobs.insert(form.digest.to_string(), bytes.clone());
        }
        drop(blobs);
        self.hold_manifest(tag, &image.media_type, &image.manifest);
    }

    /// Forgets what it held.
    pub fn empty(&self) {
        self.state.blobs.lock().unwrap().clear();
        self.state.manifests.lock().unwrap().clear();
    }

    pub fn hold_manifest(&self, tag: &str, media_type: &str, bytes: &Bytes) {
        let mut manifests = self.state.manifests.lock().unwrap();
        let stored = (media_type.to_owned(), bytes.clone());
        manifests.insert(Digest::of(bytes).to_string(), stored.clone());
        manifests.insert(tag.to_owned(), stored);
    }

    pub fn manifest(&self, tag: &str) -> Option<(String, Bytes)> {
        self.state.manifests.lock().unwrap().get(tag).cloned()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many requests had this method and this part of the target.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, part)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S>(stream: S, state: Arc<State>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(request, &state).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    connection.await.ok();
}

async fn answer(request: Request<Incoming>, state: &State) -> Response<Sent> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let seen = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: headers.collect(),
        body,
    };
    let before = {
        let mut all = state.seen.lock().unwrap();
        let same = |old: &&Seen| old.method == seen.method && old.target == seen.target;
        let before = all.iter().filter(same).count();
        all.push(seen.clone());
        before
    };
    let reply = (state.hook)(&seen, before).unwrap_or_else(|| honest(&seen, state));
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(reply.body).unwrap()
}

/// What an honest registry answers.
fn honest(seen: &Seen, state: &State) -> Reply {
    let path = seen.target.split('?').next().unwrap();
    let missing = |code: &str| {
        let message = code.to_lowercase().replace('_', " ");
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Reply::new(404, body.to_string())
    };
    if path == "/v2/" {
        return Reply::new(200, "{}");
    }
    if let Some((_, which)) = path.split_once("/manifests/") {
        if seen.method == "PUT" {
            let stored = (seen.header("content-type").to_owned(), seen.body.clone());
            let mut manifests = state.manifests.lock().unwrap();
            manifests.insert(Digest::of(&seen.body).to_string(), stored.clone());
            manifests.insert(which.to_owned(), stored);
            return Reply::new(201, "");
        }
        return match state.manifests.lock().unwrap().get(which) {
            None => missing("MANIFEST_UNKNOWN"),
            Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                .with("content-type", media_type)
                .with("docker-content-digest", Digest::of(bytes)),
        };
    }
    match path.split_once("/blobs/") {
        Some((_, "uploads/")) => {
            Reply::new(202, "").with("location", "/v2/x/blobs/uploads/1?_state=secret")
        }
        Some((_, upload)) if upload.starts_with("uploads/") => {
            let digest = seen.target.split("digest=").nth(1).unwrap_or_default();
            let digest = digest.replace("%3A", ":");
            match Digest::parse(&digest).is_ok_and(|digest| digest.verify(&seen.body).is_ok()) {
                true => {
                    state.blobs.lock().unwrap().insert(digest, seen.body.clone());
                    Reply::new(201, "")
                }
                false => missing("DIGEST_INVALID"),
            }
        }
        Some((_, digest)) => match state.blobs.lock().unwrap().get(digest) {
            None => missing("BLOB_UNKNOWN"),
            Some(bytes) => ranged(seen, bytes),
        },
        None => missing("NAME_UNKNOWN"),
    }
}

fn ranged(seen: &Seen, bytes: &Bytes) -> Reply {
    let first = seen.header("range").strip_prefix("bytes=").and_then(|r| r.strip_suffix('-'));
    match first.map(|first| first.parse::<usize>().unwrap()) {
        None => Reply::new(200, bytes.clone()),
        Some(first) => {
            let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
            Reply::new(206, bytes.slice(first..)).with("content-range", range)
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let frame = |bytes: &mut Bytes| Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
        match &mut *self {
            Sent::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Sent::Whole(bytes) => frame(bytes),
            Sent::Cut(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Sent::Cutting(3);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Sent::Cutting(0) => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Sent::Cutting(left) => {
                *left -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Sent::Stalled(bytes) if bytes.is_empty() => Poll::Pending,
            Sent::Stalled(bytes) => frame(bytes),
            Sent::Endless(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes.clone())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Sent::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Sent::Whole(bytes) => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            _ => hyper::body::SizeHint::default(),
        }
    }
}
