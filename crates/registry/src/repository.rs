//! One repository of a registry: manifests, blobs, tags, uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use hyper::{Method, StatusCode};
use oci::manifest::MANIFEST_BYTES_MAX;
use oci::{Descriptor, Digest, DigestError, Document, media_type};

use crate::answer::{content_range, next_page, refusal};
use crate::auth::scope::Scopes;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::network::{Ask, Registry};
use crate::transport::Answer;
use crate::url::encode;

mod upload;

pub use upload::{Opened, Upload};

/// What manifests we understand, in Docker's order. Registries that hold something else answer
/// with that, or with 404.
const ACCEPTED: [&str; 5] = [
    media_type::DOCKER_MANIFEST,
    media_type::DOCKER_LIST,
    media_type::OCI_MANIFEST,
    media_type::OCI_INDEX,
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// Largest page of tags.
const TAGS_BYTES_MAX: u64 = 4 << 20;
/// Most tags, and most pages, of one repository.
const TAGS_MAX: usize = 100_000;
const PAGES_MAX: usize = 1000;

/// One repository, for one account.
#[derive(Clone)]
pub struct Repository {
    registry: Registry,
    path: String,
    pull: Scopes,
    push: Scopes,
}

/// A manifest or index as it came.
#[derive(Clone, Debug)]
pub struct RemoteManifest {
    /// Media type, digest and size of exactly these bytes.
    pub descriptor: Descriptor,
    /// What came.
    pub bytes: Bytes,
    /// The same, read.
    pub document: Document,
}

/// A blob that arrives. Its bytes are not verified.
pub struct BlobStream {
    answer: Answer,
    /// How many bytes of the body come before the one that was asked for.
    skip: u64,
}

/// By what a manifest is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// A tag.
    Tag(&'a str),
    /// Its own digest; what comes must have it.
    Digest(&'a Digest),
}

impl std::fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Which::Tag(tag) => f.write_str(tag),
            Which::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Repository {
    /// `path` is the one of a valid reference.
    pub fn new(registry: Registry, path: &str) -> Repository {
        let (pull, push) = (Scopes::pull(path), Scopes::push(path));
        Repository { registry, path: path.to_owned(), pull, push }
    }

    /// Path within the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What a tag or digest stands for, without its bytes; `None` when the registry does not say.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::Status`] when there is none.
    pub async fn resolve(&self, which: Which<'_>) -> Result<Option<Descriptor>, RegistryError> {
        let mut failure = None;
        for endpoint in self.readable(which) {
            let ask = self.manifest_ask(Method::HEAD, which);
            let result = self.registry.ask(endpoint, &ask.ask(&self.pull)).await;
            match self.kept(endpoint, result, &mut failure) {
                Some(answer) if answer.status == StatusCode::OK => return Ok(described(&answer)),
                Some(answer) => failure = Some(refusal(answer).await),
                None => {}
            }
        }
        Err(failure.unwrap_or_else(|| self.nowhere()))
    }

    /// A manifest or index, verified by the digest that was asked for or that the registry named.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn manifest(&self, which: Which<'_>) -> Result<RemoteManifest, RegistryError> {
        let mut failure = None;
        for endpoint in self.readable(which) {
            let ask = self.manifest_ask(Method::GET, which);
            let result = self.registry.ask(endpoint, &ask.ask(&self.pull)).await;
            let result = match self.kept(endpoint, result, &mut failure) {
                Some(answer) if answer.status == StatusCode::OK => {
                    read_manifest(answer, which).await
                }
                Some(answer) => Err(refusal(answer).await),
                None => continue,
            };
            match result {
                Ok(manifest) => return Ok(manifest),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.nowhere()))
    }

    /// Puts a manifest or index, whose blobs must be there.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn put_manifest(
        &self,
        which: Which<'_>,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let endpoint = self.writable()?;
        let rest = format!("/{}/manifests/{which}", self.path);
        let mut ask = Ask::new(Method::PUT, &rest, &self.push);
        ask.headers.insert(CONTENT_TYPE, header(media_type)?);
        ask.body = bytes.clone();
        let answer = self.registry.ask(endpoint, &ask).await?;
        let is_put = matches!(answer.status, StatusCode::CREATED | StatusCode::OK);
        match is_put || answer.status == StatusCode::ACCEPTED {
            true => Ok(()),
            false => Err(refusal(answer).await),
        }
    }

    /// Whether the registry has a blob in this repository.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let endpoint = self.writable()?;
        let rest = format!("/{}/blobs/{digest}", self.path);
        let ask = Ask::new(Method::HEAD, &rest, &self.push);
        let answer = self.registry.ask(endpoint, &ask).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(answer).await),
        }
    }

    /// A blob from its byte `offset` on.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let mut failure = None;
        let rest = format!("/{}/blobs/{}", self.path, descriptor.digest);
        for endpoint in self.readable(Which::Digest(&descriptor.digest)) {
            let mut ask = Ask::new(Method::GET, &rest, &self.pull);
            if offset > 0 {
                ask.headers.insert(RANGE, header(&format!("bytes={offset}-"))?);
                // Content never changes under its digest, and this is its name.
                ask.headers.insert(IF_RANGE, header(&format!("\"{}\"", descriptor.digest))?);
            }
            let result = self.registry.ask(endpoint, &ask).await;
            let result = match self.kept(endpoint, result, &mut failure) {
                Some(answer) => begin_blob(answer, descriptor, offset).await,
                None => continue,
            };
            match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.nowhere()))
    }

    /// A small blob as a whole, verified.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn small_blob(
        &self,
        descriptor: &Descriptor,
        bytes_max: u64,
    ) -> Result<Bytes, RegistryError> {
        if descriptor.size > bytes_max {
            let url = format!("{}/blobs/{}", self.path, descriptor.digest);
            return Err(RegistryError::too_large(url, bytes_max));
        }
        let bytes = self.blob(descriptor, 0).await?.answer.bytes(descriptor.size).await?;
        if bytes.len() as u64 != descriptor.size {
            let found = bytes.len() as u64;
            let error = DigestError::Size { expected: descriptor.size, found };
            return Err(RegistryError::Digest(error));
        }
        descriptor.digest.verify(&bytes).map_err(RegistryError::Digest)?;
        Ok(bytes)
    }

    /// All tags, in the registry's order.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let mut failure = None;
        for endpoint in self.registry.endpoints.iter().filter(|endpoint| endpoint.can.resolve) {
            match self.tags_of(endpoint).await {
                Ok(tags) => return Ok(tags),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.nowhere()))
    }

    async fn tags_of(&self, endpoint: &Endpoint) -> Result<Vec<String>, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut tags = Vec::new();
        let mut rest = format!("/{}/tags/list", self.path);
        for _ in 0..PAGES_MAX {
            let ask = Ask::new(Method::GET, &rest, &self.pull);
            let answer = self.registry.ask(endpoint, &ask).await?;
            if answer.status != StatusCode::OK {
                return Err(refusal(answer).await);
            }
            let next = next_page(&answer.headers).map(str::to_owned);
            let url = answer.url.to_string();
            let bad = |reason: String| RegistryError::Answer { url: url.clone(), reason };
            let bytes = answer.bytes(TAGS_BYTES_MAX).await?;
            let page: Page = oci::json::read_object(&bytes, TAGS_BYTES_MAX as usize)
                .map_err(|error| bad(stdx::error::chain(&error).to_string()))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS_MAX {
                return Err(bad(format!("it has more than `{TAGS_MAX}` tags")));
            }
            let Some(next) = next else { return Ok(tags) };
            let query = last_of(&next)
                .ok_or_else(|| bad("its link to the next page leads nowhere".to_owned()))?;
            rest = format!("/{}/tags/list?{query}", self.path);
        }
        let (url, reason) = (self.path.clone(), format!("its tags have over `{PAGES_MAX}` pages"));
        Err(RegistryError::Answer { url, reason })
    }

    fn manifest_ask(&self, method: Method, which: Which<'_>) -> OwnedAsk {
        let mut headers = HeaderMap::new();
        for text in ACCEPTED {
            headers.append(ACCEPT, HeaderValue::from_static(text));
        }
        OwnedAsk { method, rest: format!("/{}/manifests/{which}", self.path), headers }
    }

    /// Who may be asked for it, mirrors first.
    fn readable(&self, which: Which<'_>) -> impl Iterator<Item = &Arc<Endpoint>> {
        let is_tag = matches!(which, Which::Tag(_));
        let may = move |endpoint: &&Arc<Endpoint>| match is_tag {
            true => endpoint.can.resolve,
            false => endpoint.can.pull,
        };
        let up: Vec<_> = self.registry.endpoints.iter().filter(may).collect();
        let last = up.len().saturating_sub(1);
        let is_up = |endpoint: &Endpoint| !endpoint.is_down.load(Ordering::Relaxed);
        up.into_iter()
            .enumerate()
            .filter(move |(index, endpoint)| *index == last || is_up(endpoint))
            .map(|(_, endpoint)| endpoint)
    }

    fn writable(&self) -> Result<&Arc<Endpoint>, RegistryError> {
        let mut endpoints = self.registry.endpoints.iter();
        endpoints.rfind(|endpoint| endpoint.can.push).ok_or_else(|| self.nowhere())
    }

    /// An answer, or a note of why there is none.
    fn kept(
        &self,
        endpoint: &Endpoint,
        result: Result<Answer, RegistryError>,
        failure: &mut Option<RegistryError>,
    ) -> Option<Answer> {
        match result {
            Ok(answer) => Some(answer),
            Err(error) => {
                if let RegistryError::Transport { is_connected: false, .. } = &error {
                    endpoint.is_down.store(true, Ordering::Relaxed);
                }
                tracing::debug!(server = %endpoint.base, %error, "a server did not serve");
                *failure = Some(error);
                None
            }
        }
    }

    fn nowhere(&self) -> RegistryError {
        let reason = "no server is configured that may be asked for that";
        RegistryError::configuration(&self.path, reason)
    }
}

/// An [`Ask`] that owns its words.
struct OwnedAsk {
    method: Method,
    rest: String,
    headers: HeaderMap,
}

impl OwnedAsk {
    fn ask<'a>(&'a self, scopes: &'a Scopes) -> Ask<'a> {
        let mut ask = Ask::new(self.method.clone(), &self.rest, scopes);
        ask.headers = self.headers.clone();
        ask
    }
}

impl BlobStream {
    /// The next bytes, from the one that was asked for on.
    ///
    /// # Errors
    /// [`RegistryError::Transport`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while let Some(mut bytes) = self.answer.chunk().await? {
            let skipped = self.skip.min(bytes.len() as u64);
            self.skip -= skipped;
            let rest = bytes.split_off(skipped as usize);
            if !rest.is_empty() {
                return Ok(Some(rest));
            }
        }
        Ok(None)
    }

    /// The failure of a body that ended although more was expected.
    pub fn cut_off(&self) -> RegistryError {
        let (url, cause) = (self.answer.url.to_string(), "unexpected EOF".to_owned());
        RegistryError::Transport { method: "Get", url, cause, is_connected: true }
    }
}

/// Checks that the answer has the bytes that were asked for. Who ignores the range sends all: what
/// is here already is read over.
async fn begin_blob(
    answer: Answer,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<BlobStream, RegistryError> {
    match answer.status {
        StatusCode::OK => Ok(BlobStream { answer, skip: offset }),
        StatusCode::PARTIAL_CONTENT => {
            let bad =
                |reason: String| Err(RegistryError::Answer { url: answer.url.to_string(), reason });
            match content_range(&answer.headers) {
                Some((first, _, total)) if first == offset => match total {
                    Some(total) if total != descriptor.size => {
                        bad(format!("it has `{total}` bytes, expected `{}`", descriptor.size))
                    }
                    _ => Ok(BlobStream { answer, skip: 0 }),
                },
                Some((first, ..)) => {
                    bad(format!("bytes from `{first}` came, expected from `{offset}`"))
                }
                None => bad("bytes from nobody knows where came".to_owned()),
            }
        }
        _ => Err(refusal(answer).await),
    }
}

/// What the head of an answer says about a manifest.
fn described(answer: &Answer) -> Option<Descriptor> {
    let digest = Digest::parse(answer.header("docker-content-digest")?).ok()?;
    let size = answer.header("content-length")?.parse().ok()?;
    let media_type = plain_media_type(answer.header("content-type")?);
    Some(Descriptor { digest, size, ..Descriptor::of(media_type, b"") })
}

/// Without parameters.
fn plain_media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

async fn read_manifest(answer: Answer, which: Which<'_>) -> Result<RemoteManifest, RegistryError> {
    let url = answer.url.to_string();
    let media_type = answer.header(CONTENT_TYPE.as_str()).map(plain_media_type);
    let media_type = media_type.unwrap_or_default().to_owned();
    let named = answer.header("docker-content-digest").map(str::to_owned);
    let bytes = answer.bytes(MANIFEST_BYTES_MAX as u64).await?;
    if media_type.starts_with("application/vnd.docker.distribution.manifest.v1+") {
        return Err(RegistryError::Schema1 { media_type });
    }
    let digest = match which {
        Which::Digest(digest) => digest.clone(),
        Which::Tag(_) => match named {
            None => Digest::of(&bytes),
            Some(text) => Digest::parse(&text).map_err(|_| {
                let reason = format!("`{}` is no digest", text.escape_default());
                RegistryError::Answer { url, reason }
            })?,
        },
    };
    digest.verify(&bytes).map_err(RegistryError::Digest)?;
    // Servers that know no better say `application/json` or nothing; then the document decides.
    let is_said = media_type::is_manifest(&media_type) || media_type::is_index(&media_type);
    let is_vague = matches!(
        media_type.as_str(),
        "" | "application/json" | "text/plain" | "application/octet-stream"
    );
    let said = (is_said || !is_vague).then_some(media_type.as_str());
    let document = Document::parse(&bytes, said).map_err(|error| manifest_error(error, &bytes))?;
    let descriptor = Descriptor { digest, ..Descriptor::of(document.media_type(), &bytes) };
    Ok(RemoteManifest { descriptor, bytes, document })
}

/// Schema 1 has its own text.
fn manifest_error(error: oci::ManifestError, bytes: &Bytes) -> RegistryError {
    match error {
        oci::ManifestError::Version { version: 1 } => {
            let is_signed = bytes.windows(12).any(|window| window == b"\"signatures\"");
            let suffix = if is_signed { "prettyjws" } else { "json" };
            let media_type = format!("application/vnd.docker.distribution.manifest.v1+{suffix}");
            RegistryError::Schema1 { media_type }
        }
        error => RegistryError::Manifest(error),
    }
}

/// The query of a link to the next page, which must be one of tags.
fn last_of(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let is_plain = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    (is_plain && query.len() < 2000).then(|| query.to_owned())
}

fn header(text: &str) -> Result<HeaderValue, RegistryError> {
    HeaderValue::from_str(text)
        .map_err(|_| RegistryError::configuration(text.escape_default(), "it is no header value"))
}
