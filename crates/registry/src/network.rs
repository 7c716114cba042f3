//! Registries as one engine, or one command, talks to them: requests with credentials, redirects,
//! and the step from TLS to plain HTTP where that is allowed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};

use crate::auth::scope::Scopes;
use crate::auth::{self, Tokens};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, Endpoints};
use crate::error::RegistryError;
use crate::spec::NetworkSpec;
use crate::transport::{Answer, Body, BodyStream, Outgoing, Transport};
use crate::url::{Scheme, Url};

mod authorization;

use authorization::{origin, unauthorized};

/// As Go: who sends us on more often does not know either.
const REDIRECTS_MAX: usize = 10;
/// Servers that are remembered to speak no TLS, and for how long: somebody may set it up.
const PLAIN_MAX: usize = 1000;
const PLAIN_TIME_MAX: Duration = Duration::from_secs(60);

/// The way to all registries: configuration, connections, tokens.
pub struct Network {
    pub(crate) endpoints: Endpoints,
    transport: Transport,
    tokens: Tokens,
    /// Servers that turned out to speak no TLS, and when.
    plain: Mutex<HashMap<String, Instant>>,
}

/// One registry, for one account.
#[derive(Clone)]
pub struct Registry {
    pub(crate) network: Arc<Network>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) credentials: Option<Credentials>,
}

/// What is asked of a registry.
pub(crate) struct Ask<'a> {
    pub method: Method,
    /// Where.
    pub place: Place<'a>,
    pub headers: HeaderMap,
    /// What is sent; empty for most.
    pub body: Bytes,
    /// What it takes.
    pub scopes: &'a Scopes,
    /// How we say who we are.
    pub identity: Identity<'a>,
}

/// How we say who we are.
#[derive(Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// As the server is known to want it, or asks for.
    Asked,
    /// By Basic, without being asked: servers of the first protocol show more to those they know.
    Basic,
    /// Only when asked, and by a new token; the refresh token that comes with it is put here.
    Login(&'a OnceLock<String>),
}

/// Where something is asked.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Below the endpoint's base.
    Below(&'a str),
    /// Where the registry itself said.
    At(&'a Url),
}

impl<'a> Ask<'a> {
    /// Without headers and body.
    pub(crate) fn new(method: Method, rest: &'a str, scopes: &'a Scopes) -> Ask<'a> {
        let (headers, body, identity) = (HeaderMap::new(), Bytes::new(), Identity::Asked);
        Ask { method, place: Place::Below(rest), headers, body, scopes, identity }
    }
}

impl Network {
    /// Checks the configuration. Nothing is read or sent yet.
    ///
    /// # Errors
    /// [`RegistryError::Configuration`].
    pub fn new(spec: &NetworkSpec) -> Result<Arc<Network>, RegistryError> {
        Ok(Arc::new(Network {
            endpoints: Endpoints::new(spec)?,
            transport: Transport::new(spec)?,
            tokens: Tokens::default(),
            plain: Mutex::default(),
        }))
    }

    /// The registry of a domain (`docker.io`, `localhost:5000`), for one account. Blocks on small
    /// files.
    ///
    /// # Errors
    /// [`RegistryError::Configuration`].
    pub fn registry(
        self: &Arc<Network>,
        domain: &str,
        credentials: Option<Credentials>,
    ) -> Result<Registry, RegistryError> {
        let endpoints = self.endpoints.of(domain)?;
        Ok(Registry { network: Arc::clone(self), endpoints, credentials })
    }

    /// One request to a server of a registry, or to one that it sends us to.
    async fn send(&self, endpoint: &Endpoint, outgoing: Outgoing) -> Result<Answer, RegistryError> {
        let proxy = self.transport.proxy(&outgoing.url);
        let way = self.endpoints.way(&outgoing.url, endpoint, proxy)?;
        self.transport.send(outgoing, &way).await
    }

    fn is_plain(&self, endpoint: &Endpoint) -> bool {
        let plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        let since = plain.get(&endpoint.base.authority());
        endpoint.may_be_plain && since.is_some_and(|since| since.elapsed() < PLAIN_TIME_MAX)
    }

    fn set_plain(&self, endpoint: &Endpoint, is_plain: bool) {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.retain(|_, since| since.elapsed() < PLAIN_TIME_MAX);
        match is_plain && plain.len() < PLAIN_MAX {
            true => drop(plain.insert(endpoint.base.authority(), Instant::now())),
            false => drop(plain.remove(&endpoint.base.authority())),
        }
    }
}

impl Registry {
    /// One request to one of its servers, whatever the answer.
    pub(crate) async fn ask(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
    ) -> Result<Answer, RegistryError> {
        let first = match (endpoint.base.scheme, self.network.is_plain(endpoint)) {
            (Scheme::Https, false) => Scheme::Https,
            _ => Scheme::Http,
        };
        let result = self.ask_with(endpoint, ask, first).await.map_err(at_root(endpoint, first));
        let Err(RegistryError::Transport { is_connected: false, .. }) = &result else {
            return result;
        };
        match (endpoint.may_be_plain, first) {
            (true, Scheme::Https) => {
                let second = self.ask_with(endpoint, ask, Scheme::Http).await;
                let second = second.map_err(at_root(endpoint, Scheme::Http));
                if second.is_ok() {
                    self.network.set_plain(endpoint, true);
                }
                second
            }
            (true, Scheme::Http) => {
                // What listens there may have changed: begin with TLS the next time.
                self.network.set_plain(endpoint, false);
                result
            }
            _ => result,
        }
    }

    pub(crate) async fn ask_with(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        scheme: Scheme,
    ) -> Result<Answer, RegistryError> {
        let url = match ask.place {
            Place::Below(rest) => endpoint.url(scheme, rest),
            Place::At(url) => url.clone(),
        };
        let is_own = match ask.place {
            Place::Below(_) => true,
            Place::At(url) => url.is_same_origin(&endpoint.url(scheme, "")),
        };
        let mut authorization = match (is_own, ask.identity) {
            (true, Identity::Asked) => self.known_authorization(endpoint, &url, ask.scopes)?,
            (true, Identity::Basic) => auth::basic(self.credentials_for(endpoint)).ok(),
            _ => None,
        };
        let mut is_second = false;
        loop {
            let answer = self.follow(endpoint, &url, ask, authorization.clone(), is_own).await?;
            if answer.status != StatusCode::UNAUTHORIZED || !is_own || is_second {
                return Ok(answer);
            }
            let Some(challenge) = auth::choose(&answer.headers) else { return Ok(answer) };
            // A redirect's 401 is not ours to answer.
            if !answer.url.is_same_origin(&url) {
                return Ok(answer);
            }
            let was_refused = authorization.is_some();
            let next = self.authorization(endpoint, &challenge, ask, was_refused).await;
            let next = next.map_err(unauthorized(&ask.method, &url))?;
            // Only what could be met: one bad answer must not stand in the way of later requests.
            self.network.tokens.learn(origin(&url), challenge);
            if next.is_none() || (was_refused && next == authorization) {
                return Ok(answer);
            }
            // Read to its end, so that the connection can be used again.
            drop(answer.bytes(crate::answer::ERROR_BYTES_MAX).await);
            (authorization, is_second) = (next, true);
        }
    }

    /// Sends a body that comes from elsewhere, once, to where the registry said. A 401 is not
    /// answered, but what it asks for is known the next time.
    pub(crate) async fn send_stream(
        &self,
        endpoint: &Endpoint,
        method: Method,
        url: &Url,
        body: BodyStream,
        scopes: &Scopes,
    ) -> Result<Answer, RegistryError> {
        let mut headers = HeaderMap::new();
        let own = endpoint.url(url.scheme, "");
        let is_own = url.is_same_origin(&own);
        if is_own {
            headers = endpoint.headers.clone();
            let authorization = self.fresh_authorization(endpoint, &method, url, scopes).await?;
            headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        }
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(hyper::header::CONTENT_TYPE, octets);
        let outgoing = Outgoing { method, url: url.clone(), headers, body: Body::Stream(body) };
        let answer = self.network.send(endpoint, outgoing).await?;
        if is_own && answer.status == StatusCode::UNAUTHORIZED {
            self.note_refusal(endpoint, url, &answer, scopes);
        }
        Ok(answer)
    }

    /// Follows redirects. Credentials and configured headers stay with the registry.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        start: &Url,
        ask: &Ask<'_>,
        authorization: Option<HeaderValue>,
        is_own: bool,
    ) -> Result<Answer, RegistryError> {
        let mut url = start.clone();
        // Who once went elsewhere does not get it back, even if the way leads home again.
        let mut is_home = is_own;
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = ask.headers.clone();
            is_home &= url.is_same_origin(start);
            if is_home {
                headers.extend(endpoint.headers.clone());
                headers.extend(authorization.clone().map(|value| (AUTHORIZATION, value)));
            }
            let outgoing = Outgoing {
                method: ask.method.clone(),
                url: url.clone(),
                headers,
                body: Body::Whole(ask.body.clone()),
            };
            let sent = self.network.send(endpoint, outgoing).await;
            // Who sends us on was reached: it is not down, nor does it lack TLS.
            let answer = sent.map_err(|error| if is_home { error } else { elsewhere(error) })?;
            match redirect(&answer, &ask.method)? {
                None => return Ok(answer),
                Some(next) => url = next,
            }
        }
        let (url, reason) = (start.to_string(), "its redirects go on and on".to_owned());
        Err(RegistryError::Answer { url, reason })
    }
}

/// Who does not get through at all is told as Docker tells it, which begins with `/v2/`.
fn at_root(endpoint: &Endpoint, scheme: Scheme) -> impl FnOnce(RegistryError) -> RegistryError {
    let root = endpoint.url(scheme, "/").to_string();
    move |error| match error {
        RegistryError::Transport { cause, is_connected: false, .. } => {
            RegistryError::Transport { method: "Get", url: root, cause, is_connected: false }
        }
        other => other,
    }
}

/// The failure of a server that the registry sent us to.
fn elsewhere(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Transport { method, url, cause, .. } => {
            RegistryError::Transport { method, url, cause, is_connected: true }
        }
        other => other,
    }
}

/// Where an answer sends us, if it does.
fn redirect(answer: &Answer, method: &Method) -> Result<Option<Url>, RegistryError> {
    let is_redirect = match answer.status.as_u16() {
        307 | 308 => true,
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    };
    if !is_redirect {
        return Ok(None);
    }
    let bad = |reason: &str| {
        let (url, reason) = (answer.url.to_string(), reason.to_owned());
        RegistryError::Answer { url, reason }
    };
    let location = answer.header(LOCATION.as_str());
    let location = location.ok_or_else(|| bad("its redirect does not say where to"))?;
    let next = answer.url.join(location).ok_or_else(|| bad("it redirects to no address"))?;
    match is_downgrade(&answer.url, &next) {
        true => Err(bad("it redirects from TLS to plain HTTP")),
        false => Ok(Some(next)),
    }
}

/// Whether the way goes from where nobody can listen to where everybody can.
pub(crate) fn is_downgrade(from: &Url, to: &Url) -> bool {
    (from.scheme, to.scheme) == (Scheme::Https, Scheme::Http)
}
