//! Searching a registry by the first protocol's calls, the only ones that know searching.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::answer::refusal;
use crate::auth::scope::Scopes;
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, HUB};
use crate::error::RegistryError;
use crate::network::{Ask, Identity, Network, Place, Registry};
use crate::transport::Answer;
use crate::url::{Scheme, Url, encode};

/// Where Docker's own registry is searched.
const HUB_INDEX: &str = "index.docker.io";
/// Largest list of results.
const RESULTS_BYTES_MAX: u64 = 4 << 20;

/// A search that is wished.
#[derive(Clone, Copy, Debug)]
pub struct SearchQuery<'a> {
    /// `host[:port]` to be searched; `None` for the one that serves names without a host.
    pub host: Option<&'a str>,
    /// What for.
    pub term: &'a str,
    /// How many results at most.
    pub limit: u32,
}

/// One repository that was found.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct FoundRepository {
    /// Its name.
    pub name: String,
    /// In one line.
    pub description: Option<String>,
    /// How many like it.
    pub star_count: i64,
    /// Whether it is curated.
    pub is_official: bool,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Option<Vec<FoundRepository>>,
}

impl Network {
    /// Searches a registry.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn search(
        self: &Arc<Network>,
        query: SearchQuery<'_>,
        credentials: Option<Credentials>,
    ) -> Result<Vec<FoundRepository>, RegistryError> {
        let (server, is_pinged) = match (query.host, self.endpoints.default_registry()) {
            (Some(HUB | HUB_INDEX), None) | (None, None) => (HUB_INDEX, false),
            (Some(HUB | HUB_INDEX) | None, Some(own)) => (own, true),
            (Some(host), _) => (host, true),
        };
        let endpoint = Arc::new(self.endpoints.own(server)?);
        let network = Arc::clone(self);
        let registry = Registry { network, endpoints: vec![endpoint], credentials };
        registry.search(server, query, is_pinged).await
    }
}

impl Registry {
    async fn search(
        &self,
        server: &str,
        query: SearchQuery<'_>,
        is_pinged: bool,
    ) -> Result<Vec<FoundRepository>, RegistryError> {
        let Some(endpoint) = self.endpoints.first() else { return Ok(Vec::new()) };
        let scheme = match is_pinged {
            true => self.ping(endpoint, server).await?,
            false => Scheme::Https,
        };
        let scopes = Scopes::search();
        let identity = match &self.credentials {
            Some(Credentials::Password { .. }) => Identity::Basic,
            _ => Identity::Asked,
        };
        if let Some(Credentials::IdentityToken { .. }) = &self.credentials {
            // Learn which token server it has: searching itself asks for nothing.
            drop(self.ask(endpoint, &Ask::new(Method::GET, "/", &scopes)).await?);
        }
        let target = format!("/v1/search?q={}&n={}", encode(query.term), query.limit);
        let url = at(endpoint, scheme, target);
        let answer = self.ask_first(endpoint, &url, &scopes, identity).await?;
        if answer.status != StatusCode::OK {
            return Err(unexpected(answer).await);
        }
        let bytes = answer.bytes(RESULTS_BYTES_MAX).await?;
        let results: Results =
            oci::json::read_object(&bytes, RESULTS_BYTES_MAX as usize).map_err(|error| {
                RegistryError::Answer {
                    url: url.to_string(),
                    reason: stdx::error::chain(&error).to_string(),
                }
            })?;
        Ok(results.results.unwrap_or_default())
    }

    /// Whether a server of the first protocol listens, and how. The texts are Docker's.
    async fn ping(&self, endpoint: &Endpoint, server: &str) -> Result<Scheme, RegistryError> {
        let scopes = Scopes::none();
        let tls = at(endpoint, Scheme::Https, "/v1/_ping".to_owned());
        let secure = self.ask_first(endpoint, &tls, &scopes, Identity::Basic).await;
        let Err(first) = secure else { return Ok(Scheme::Https) };
        if !endpoint.may_be_plain {
            let reason = format!(
                "invalid registry endpoint https://{server}/v1/: {first}. If this private registry \
                 supports only HTTP or HTTPS with an unknown CA certificate, please add \
                 `--insecure-registry {server}` to the daemon's arguments. In the case of HTTPS, \
                 if you have access to the registry's CA certificate, no need for the flag; simply \
                 place the CA certificate at /etc/docker/certs.d/{server}/ca.crt"
            );
            return Err(RegistryError::Endpoint { reason });
        }
        let plain = at(endpoint, Scheme::Http, "/v1/_ping".to_owned());
        match self.ask_first(endpoint, &plain, &scopes, Identity::Basic).await {
            Ok(_) => Ok(Scheme::Http),
            Err(second) => Err(RegistryError::Endpoint {
                reason: format!(
                    "invalid registry endpoint \"http://{server}/v1/\". HTTPS attempt: {first}. \
                     HTTP attempt: {second}"
                ),
            }),
        }
    }

    async fn ask_first(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        scopes: &Scopes,
        identity: Identity<'_>,
    ) -> Result<Answer, RegistryError> {
        let mut ask = Ask::new(Method::GET, "", scopes);
        ask.place = Place::At(url);
        ask.identity = identity;
        let header = HeaderName::from_static("x-docker-token");
        ask.headers.insert(header, HeaderValue::from_static("true"));
        self.ask_with(endpoint, &ask, url.scheme).await
    }
}

fn at(endpoint: &Endpoint, scheme: Scheme, target: String) -> Url {
    endpoint.url(scheme, "").with_target(target)
}

/// A refusal in the words of Docker's search.
async fn unexpected(answer: Answer) -> RegistryError {
    let status = answer.status.as_u16();
    match refusal(answer).await {
        error @ RegistryError::Refused { .. } if matches!(status, 401 | 403 | 429) => error,
        _ => RegistryError::Endpoint { reason: format!("Unexpected status code {status}") },
    }
}
