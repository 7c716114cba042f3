//! Uploads of blobs: mounted from another repository, or sent in one request.

use super::{Arc, AtomicU64, Bytes, Digest, HeaderMap, Method, Repository, StatusCode, encode};
use super::{Ask, RegistryError, Scopes, header, refusal};

use hyper::header::{CONTENT_TYPE, LOCATION};
use std::io;
use tokio::sync::mpsc;

use crate::endpoint::Endpoint;
use crate::network::{Identity, Place};
use crate::transport::BodyStream;
use crate::url::Url;

/// What the registry made of the wish to upload.
pub enum Opened {
    /// It had the blob in the other repository: nothing is to be sent.
    Mounted,
    /// It waits for the bytes.
    Upload(Upload),
}

/// A place where the registry waits for bytes.
pub struct Upload {
    endpoint: Arc<Endpoint>,
    location: Url,
}

impl Repository {
    /// Wishes to upload a blob; with `from`, a repository of the same registry that may have it.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn open_upload(
        &self,
        digest: &Digest,
        from: Option<&str>,
    ) -> Result<Opened, RegistryError> {
        let endpoint = Arc::clone(self.writable()?);
        let query = match from {
            None => String::new(),
            Some(from) => {
                format!("?mount={}&from={}", encode(&digest.to_string()), encode(from))
            }
        };
        let scopes = match from {
            None => self.push.clone(),
            Some(from) => self.push.with(&format!("repository:{from}:pull")),
        };
        let rest = format!("/{}/blobs/uploads/{query}", self.path);
        let answer = self.registry.ask(&endpoint, &Ask::new(Method::POST, &rest, &scopes)).await?;
        match answer.status {
            StatusCode::CREATED if from.is_some() => Ok(Opened::Mounted),
            StatusCode::ACCEPTED => {
                let location = location(&answer)?;
                Ok(Opened::Upload(Upload { endpoint, location }))
            }
            _ => Err(refusal(answer).await),
        }
    }

    /// Sends the whole blob in one request, and closes the upload. `sent` counts bytes as they go.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn send_blob(
        &self,
        upload: Upload,
        digest: &Digest,
        length: u64,
        source: mpsc::Receiver<io::Result<Bytes>>,
        sent: Arc<AtomicU64>,
    ) -> Result<(), RegistryError> {
        let url = upload.location.with_query("digest", &encode(&digest.to_string()));
        let body = BodyStream::new(source, length, sent);
        let (endpoint, scopes) = (&upload.endpoint, &self.push);
        let answer = self.registry.send_stream(endpoint, Method::PUT, &url, body, scopes).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            _ => Err(refusal(answer).await),
        }
    }

    /// Sends a small blob.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn put_small_blob(
        &self,
        upload: Upload,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let url = upload.location.with_query("digest", &encode(&digest.to_string()));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, header("application/octet-stream")?);
        let scopes: &Scopes = &self.push;
        let (method, body) = (Method::PUT, bytes.clone());
        let (place, identity) = (Place::At(&url), Identity::Asked);
        let ask = Ask { method, place, headers, body, scopes, identity };
        let answer = self.registry.ask(&upload.endpoint, &ask).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            _ => Err(refusal(answer).await),
        }
    }
}

/// Where the bytes shall go: absolute or relative, perhaps another server, never down to HTTP.
fn location(answer: &crate::transport::Answer) -> Result<Url, RegistryError> {
    let bad = |reason: &str| {
        let (url, reason) = (answer.url.to_string(), reason.to_owned());
        RegistryError::Answer { url, reason }
    };
    let text = answer.header(LOCATION.as_str());
    let text = text.ok_or_else(|| bad("it does not say where the bytes shall go"))?;
    let url = answer.url.join(text).ok_or_else(|| bad("it redirects to no address"))?;
    match crate::network::is_downgrade(&answer.url, &url) {
        true => Err(bad("it redirects from TLS to plain HTTP")),
        false => Ok(url),
    }
}
