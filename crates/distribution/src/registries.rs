//! The registries of one engine.

use std::sync::Arc;
use std::time::Duration;

use oci::{Descriptor, Document, Platform, Reference, media_type};
use registry::{
    Credentials, Network, RegistryError, RemoteManifest, Repository, SearchQuery, Which,
};
use store::Store;
use tokio::sync::Semaphore;

use crate::error::DistributionError;
use crate::spec::{DistributionInspect, Login, RegistriesSpec, SearchResult, SearchSpec};
use crate::turns::Turns;

/// Most results that Docker lets a search ask for, and how many when nothing is said.
const SEARCH_MAX: u32 = 100;
const SEARCH_DEFAULT: u32 = 25;

/// One per engine: configuration, connections, tokens, and the transfers that are going on.
pub struct Registries {
    pub(crate) network: Arc<Network>,
    pub(crate) store: Arc<Store>,
    pub(crate) platform: Platform,
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) attempts_max: u32,
    pub(crate) retry_step: Duration,
}

impl Registries {
    /// For this store. Nothing is read or sent yet.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn new(spec: RegistriesSpec, store: Arc<Store>) -> Result<Registries, DistributionError> {
        Ok(Registries {
            network: Network::new(&spec.network).map_err(registry_error)?,
            store,
            platform: spec.platform,
            downloads: Arc::new(Semaphore::new(spec.downloads_max.max(1))),
            uploads: Arc::new(Semaphore::new(spec.uploads_max.max(1))),
            turns: Arc::default(),
            attempts_max: spec.attempts_max.max(1),
            retry_step: spec.retry_step,
        })
    }

    /// Checks credentials with a registry: `host[:port]`, an address of it, or nothing for
    /// Docker's own.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn login(
        &self,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Login, DistributionError> {
        let identity_token = self.network.login(server, credentials).await;
        Ok(Login { identity_token: identity_token.map_err(registry_error)? })
    }

    /// What a name stands for at its registry.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn inspect(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<DistributionInspect, DistributionError> {
        let reference = reference.clone().with_default_tag();
        let repository = self.repository(&reference, credentials.cloned())?;
        let manifest = repository.manifest(which(&reference)).await;
        let manifest = manifest.map_err(registry_error)?;
        let platforms = match &manifest.document {
            Document::Index(index) => {
                let platforms = index.manifests.iter().filter_map(|entry| entry.platform.clone());
                platforms.filter(|platform| platform.os != "unknown").collect()
            }
            Document::Manifest(image) => config_platform(&repository, &image.config).await,
        };
        Ok(DistributionInspect { descriptor: manifest.descriptor, platforms })
    }

    /// Repositories that a registry finds for a term.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn search(&self, spec: SearchSpec) -> Result<Vec<SearchResult>, DistributionError> {
        let (host, term) = split_term(&spec.term)?;
        let limit = match spec.limit {
            0 => SEARCH_DEFAULT,
            limit if limit <= SEARCH_MAX => limit,
            limit => {
                let text = format!("limit {limit} is outside the range of [1, {SEARCH_MAX}]");
                return Err(DistributionError::Invalid { text });
            }
        };
        let query = SearchQuery { host, term, limit };
        let found = self.network.search(query, spec.credentials).await;
        let found = found.map_err(registry_error)?;
        // Docker filters what came, too: the limit counts before.
        let results = found.into_iter().map(|one| SearchResult {
            name: one.name,
            description: one.description.unwrap_or_default(),
            star_count: u64::try_from(one.star_count).unwrap_or_default(),
            is_official: one.is_official,
        });
        let is_wished = |one: &SearchResult| {
            one.star_count >= spec.stars_min
                && spec.is_official.is_none_or(|wish| wish == one.is_official)
        };
        Ok(results.filter(is_wished).collect())
    }

    /// All tags of a name.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn tags(
        &self,
        repository: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<String>, DistributionError> {
        let remote = self.repository(repository, credentials.cloned())?;
        remote.tags().await.map_err(pull_error(repository))
    }

    /// The client of the repository of a name.
    pub(crate) fn repository(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<Repository, DistributionError> {
        let registry = self.network.registry(reference.domain(), credentials);
        let registry = registry.map_err(registry_error)?;
        Ok(Repository::new(registry, reference.path()))
    }
}

/// By what a reference with a tag or a digest is asked for.
pub(crate) fn which(reference: &Reference) -> Which<'_> {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Which::Digest(digest),
        (None, Some(tag)) => Which::Tag(tag),
        (None, None) => Which::Tag("latest"),
    }
}

pub(crate) fn pull_error(reference: &Reference) -> impl FnOnce(RegistryError) -> DistributionError {
    let reference = Box::new(reference.clone());
    move |cause| DistributionError::Pull { reference, cause: Box::new(cause) }
}

pub(crate) fn registry_error(cause: RegistryError) -> DistributionError {
    DistributionError::Registry(Box::new(cause))
}

/// As Docker tells of a push: who did not say who they are is told just that.
pub(crate) fn push_error(cause: RegistryError) -> DistributionError {
    let cause = match cause {
        RegistryError::Authorization { cause, .. }
            if matches!(*cause, RegistryError::NoCredentials) =>
        {
            *cause
        }
        other => other,
    };
    registry_error(cause)
}

/// What an image that stands alone is for: its configuration says so.
async fn config_platform(repository: &Repository, config: &Descriptor) -> Vec<Platform> {
    if !media_type::is_config(&config.media_type) {
        return Vec::new();
    }
    let bytes_max = oci::image_config::CONFIG_BYTES_MAX as u64;
    let Ok(bytes) = repository.small_blob(config, bytes_max).await else { return Vec::new() };
    let Ok(config) = oci::ImageConfig::parse(&bytes) else { return Vec::new() };
    vec![Platform {
        os: config.os,
        architecture: config.architecture,
        variant: config.variant,
        os_version: config.os_version,
        ..Platform::default()
    }]
}

/// `registry.example.com/nginx` or `nginx`.
fn split_term(term: &str) -> Result<(Option<&str>, &str), DistributionError> {
    if term.contains("://") {
        let text =
            format!("invalid repository name: repository name ({term}) should not have a scheme");
        return Err(DistributionError::Invalid { text });
    }
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match term.split_once('/') {
        Some((first, rest)) if is_host(first) => Ok((Some(first), rest)),
        _ => Ok((None, term.strip_prefix("library/").unwrap_or(term))),
    }
}

/// The document that a descriptor names, with its size as promised.
pub(crate) async fn child(
    repository: &Repository,
    descriptor: &Descriptor,
    reference: &Reference,
) -> Result<RemoteManifest, DistributionError> {
    let found = repository.manifest(Which::Digest(&descriptor.digest)).await;
    let found = found.map_err(pull_error(reference))?;
    let is_sound = found.descriptor.size == descriptor.size
        && found.descriptor.media_type == descriptor.media_type;
    match is_sound {
        true => Ok(found),
        false => Err(DistributionError::Mismatch {
            reference: reference.familiar(),
            reason: format!("the manifest `{}` is not as its index says", descriptor.digest),
        }),
    }
}
