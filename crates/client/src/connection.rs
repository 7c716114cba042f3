//! Requests over connections.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE as BASE64_URL};
use bytes::Bytes;
use docker_api::{ApiVersion, AuthConfig, ErrorBody, PathStat};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::body::{self, ByteStream, Framing, JsonLines, RequestBody};
use crate::error::{ApiError, ClientError};
use crate::hijack::Hijacked;
use crate::host::Host;
use crate::params::Target;

/// Who asks, for calls that go on to a registry.
const ACCOUNT: HeaderName = HeaderName::from_static("x-registry-auth");

type Sender = SendRequest<RequestBody>;

/// A client of one engine. Cheap to make: it connects when it is first used.
#[derive(Debug)]
pub struct Client {
    host: Host,
    version: ApiVersion,
    /// The connection of the last short call, for the next one.
    idle: Mutex<Option<Sender>>,
}

/// One request.
pub(crate) struct Call {
    method: Method,
    target: String,
    content_type: &'static str,
    body: RequestBody,
    /// `X-Registry-Auth`.
    account: Option<HeaderValue>,
}

impl Call {
    /// Without body.
    pub(crate) fn new(method: Method, target: Target) -> Call {
        let body = body::whole(Bytes::new());
        Call { method, target: target.into_text(), content_type: "", body, account: None }
    }

    pub(crate) fn get(target: Target) -> Call {
        Call::new(Method::GET, target)
    }

    pub(crate) fn post(target: Target) -> Call {
        Call::new(Method::POST, target)
    }

    /// With a JSON body.
    pub(crate) fn json(mut self, value: &impl Serialize) -> Call {
        let bytes = serde_json::to_vec(value).expect("API types have string keys only");
        self.body = body::whole(bytes);
        self.content_type = "application/json";
        self
    }

    /// With any body.
    pub(crate) fn body(mut self, content_type: &'static str, body: RequestBody) -> Call {
        self.content_type = content_type;
        self.body = body;
        self
    }

    /// With the caller's account at a registry; an empty one says that there is none.
    pub(crate) fn account(mut self, account: &AuthConfig) -> Call {
        let json = serde_json::to_vec(account).expect("API types have string keys only");
        // Base64 is ASCII.
        self.account = HeaderValue::from_str(&BASE64_URL.encode(json)).ok();
        if let Some(value) = &mut self.account {
            value.set_sensitive(true);
        }
        self
    }

    fn name(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

impl Client {
    /// A client of the engine at `unix:///path`. Nothing is sent yet.
    pub fn connect(host: &str) -> Result<Client, ClientError> {
        Ok(Client::new(Host::parse(host)?))
    }

    /// A client of the engine at `host`.
    pub fn new(host: Host) -> Client {
        Client { host, version: ApiVersion::MAX, idle: Mutex::new(None) }
    }

    /// With another version of the API; the newest that this client knows is the default.
    pub fn with_version(mut self, version: ApiVersion) -> Client {
        self.version = version;
        self
    }

    /// Where the engine listens.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A call whose answer's body does not matter.
    pub(crate) async fn run(&self, call: Call) -> Result<StatusCode, ClientError> {
        self.short(call).await.map(|(status, _)| status)
    }

    /// A call with a JSON answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let name = call.name();
        let (_, bytes) = self.short(call).await?;
        serde_json::from_slice(&bytes).map_err(ClientError::answer(&name))
    }

    /// A call with an answer of many JSON values; returns as soon as its head is there.
    pub(crate) async fn lines<T>(&self, call: Call) -> Result<JsonLines<T>, ClientError>
    where
        T: DeserializeOwned,
    {
        let name = call.name();
        Ok(JsonLines::new(self.begin(call).await?, name))
    }

    /// A call with an answer of any bytes; returns as soon as its head is there.
    pub(crate) async fn bytes(&self, call: Call) -> Result<ByteStream, ClientError> {
        Ok(ByteStream::new(self.begin(call).await?))
    }

    /// A call whose answer says in a header what stands at a path.
    pub(crate) async fn archive(&self, call: Call) -> Result<(PathStat, ByteStream), ClientError> {
        let name = call.name();
        let response = self.begin(call).await?;
        let header = response.headers().get("x-docker-container-path-stat");
        let json = header
            .and_then(|header| header.to_str().ok())
            .and_then(|text| BASE64.decode(text).ok())
            .unwrap_or_default();
        let stat = serde_json::from_slice(&json).map_err(ClientError::answer(&name))?;
        Ok((stat, ByteStream::new(response)))
    }

    /// A call that takes its connection over.
    pub(crate) async fn hijack(&self, call: Call) -> Result<Hijacked, ClientError> {
        let name = call.name();
        let mut request = self.request(call);
        let upgrade = [(CONNECTION, "Upgrade"), (UPGRADE, "tcp")];
        for (header, value) in upgrade {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(header, value);
        }
        let mut sender = self.open().await?;
        let response = send(&mut sender, request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let response = checked(response).await?;
            let cause = format!("status `{}` instead of 101", response.status());
            return Err(ClientError::answer(&name)(cause));
        }
        let framing = Framing::of(&response);
        let upgraded = hyper::upgrade::on(response).await;
        Hijacked::new(upgraded.map_err(ClientError::transfer("take over a connection"))?, framing)
    }

    /// Sends on a connection of its own.
    async fn begin(&self, call: Call) -> Result<Response<Incoming>, ClientError> {
        let mut sender = self.open().await?;
        let response = send(&mut sender, self.request(call)).await?;
        checked(response).await
    }

    /// Sends on the shared connection if it is free and alive, else on a new one.
    async fn short(&self, call: Call) -> Result<(StatusCode, Bytes), ClientError> {
        let mut request = self.request(call);
        let idle = self.idle().take();
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return self.finish(sender, response).await,
                // The engine closed it before it saw the request: safe to send again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => {
                        let cause = error.into_error();
                        return Err(ClientError::transfer("send a request")(cause));
                    }
                },
            }
        }
        let mut sender = self.open().await?;
        let response = send(&mut sender, request).await?;
        self.finish(sender, response).await
    }

    async fn finish(
        &self,
        sender: Sender,
        response: Response<Incoming>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let response = checked(response).await?;
        let status = response.status();
        let bytes = body::collect(response.into_body()).await?;
        *self.idle() = Some(sender);
        Ok((status, bytes))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Sender>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn request(&self, call: Call) -> Request<RequestBody> {
        let uri = format!("/v{}{}", self.version, call.target);
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        // The target is encoded, so it parses; were it not, the engine would answer 404.
        *request.uri_mut() = uri.parse().unwrap_or_default();
        let agent = concat!("wharf/", env!("CARGO_PKG_VERSION"));
        let headers: [(HeaderName, &'static str); 3] =
            [(HOST, "wharf"), (USER_AGENT, agent), (CONTENT_TYPE, call.content_type)];
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if let Some(account) = call.account {
            request.headers_mut().insert(ACCOUNT, account);
        }
        request
    }

    async fn open(&self) -> Result<Sender, ClientError> {
        let failed = |cause| ClientError::Connect { host: self.host.to_string(), cause };
        let socket = UnixStream::connect(self.host.path()).await.map_err(failed)?;
        let handshake = http1::handshake(TokioIo::new(socket)).await;
        let (sender, connection) = handshake.map_err(ClientError::transfer("connect"))?;
        // Ends by itself when the sender and the answer are dropped; what it fails with, the
        // request fails with too.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }
}

async fn send(
    sender: &mut Sender,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, ClientError> {
    sender.send_request(request).await.map_err(ClientError::transfer("send a request"))
}

/// Turns refusals into errors.
async fn checked(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    let status = response.status();
    if status.as_u16() < 400 {
        return Ok(response);
    }
    let bytes = body::collect(response.into_body()).await?;
    let message = match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(body) if !body.message.is_empty() => body.message,
        _ => String::from_utf8_lossy(&bytes).trim().to_owned(),
    };
    let message = match message.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => message,
    };
    Err(ClientError::Api(ApiError { status: status.as_u16(), message }))
}
