//! From a name to an image in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use oci::image_config::CONFIG_BYTES_MAX;
use oci::{Descriptor, Digest, Document, ImageConfig, Manifest, Platform, Reference, media_type};
use registry::{RegistryError, RemoteManifest, Repository, Which};
use store::{PendingLayer, Store, StoreError};
use tokio::task::JoinSet;

use crate::blocking::{OnDisk, blocking};
use crate::download::Download;
use crate::error::DistributionError;
use crate::progress::{LayerStatus, Progress, ProgressEvent};
use crate::registries::{Registries, child, pull_error, which};
use crate::retry::Retries;
use crate::spec::{PullSpec, Pulled};

/// Indexes may hold indexes; nobody honest nests deeper.
const NESTING_MAX: usize = 3;

/// One image as its registry has it.
struct Remote {
    /// What the name stands for.
    target: Descriptor,
    /// Manifests and indexes on the way from the target to the image, the image's own last.
    documents: Vec<(Descriptor, Bytes)>,
    manifest: Manifest,
}

impl Registries {
    /// Pulls one tag or digest, or all tags of a name without either. Dropping the future stops
    /// what nobody else waits for; what arrived is kept for the next time.
    ///
    /// # Errors
    /// In Docker's words; see [`DistributionError`].
    pub async fn pull(
        &self,
        spec: PullSpec,
        progress: &Progress,
    ) -> Result<Vec<Pulled>, DistributionError> {
        if spec.reference.familiar_name() == "scratch" {
            let text = "'scratch' is a reserved name".to_owned();
            return Err(DistributionError::Invalid { text });
        }
        let repository = self.repository(&spec.reference, spec.credentials)?;
        let references = match spec.reference.is_name_only() {
            false => vec![spec.reference.clone()],
            true => all_tags(&repository, &spec.reference).await?,
        };
        let platform = spec.platform.as_ref().unwrap_or(&self.platform);
        let mut pulled = Vec::new();
        for reference in references {
            pulled.push(self.pull_one(&repository, reference, platform, progress).await?);
        }
        let (name, is_newer) = (spec.reference.familiar(), pulled.iter().any(|one| one.is_newer));
        progress.send(ProgressEvent::PullStatus { name, is_newer });
        Ok(pulled)
    }

    async fn pull_one(
        &self,
        repository: &Repository,
        reference: Reference,
        platform: &Platform,
        progress: &Progress,
    ) -> Result<Pulled, DistributionError> {
        // With a digest, the digest is what counts, and the name.
        let reference = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference,
        };
        let remote = self.find(repository, &reference, platform).await?;
        let tag = match reference.digest() {
            Some(_) => reference.familiar(),
            None => reference.tag().unwrap_or_default().to_owned(),
        };
        progress.send(ProgressEvent::Pulling { path: reference.path().to_owned(), tag });
        let digest = remote.target.digest.clone();
        let (id, is_newer) = self.bring(repository, &reference, remote, progress).await?;
        progress.send(ProgressEvent::PulledDigest(digest.clone()));
        Ok(Pulled { reference, id, digest, is_newer })
    }

    /// What the name stands for, down to one image for the platform.
    async fn find(
        &self,
        repository: &Repository,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Remote, DistributionError> {
        let mut found = self.document(repository, reference).await?;
        let target = found.descriptor.clone();
        let mut documents = Vec::new();
        for _ in 0..NESTING_MAX {
            documents.push((found.descriptor.clone(), found.bytes.clone()));
            let index = match found.document {
                Document::Manifest(manifest) => return Ok(Remote { target, documents, manifest }),
                Document::Index(index) => index,
            };
            let no_platform = || DistributionError::NoPlatform { platform: platform.clone() };
            let next = index.choose(platform).ok_or_else(no_platform)?;
            found = match self.local(&next.digest, Some(&next.media_type)) {
                Some(local) => local,
                None => child(repository, next, reference).await?,
            };
        }
        let (reference, reason) = (reference.familiar(), "its indexes nest too deep".to_owned());
        Err(DistributionError::Mismatch { reference, reason })
    }

    /// The manifest or index of a name. A registry counts only what is really fetched: it is asked
    /// first what the name stands for, and what is here already is not fetched.
    async fn document(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<RemoteManifest, DistributionError> {
        let resolved = match repository.resolve(which(reference)).await {
            Ok(resolved) => resolved,
            // Refusals of HEAD have no words: GET tells why.
            Err(RegistryError::Refused { .. } | RegistryError::Status { .. }) => None,
            Err(error) => return Err(pull_error(reference)(error)),
        };
        if let Some(found) = &resolved
            && reference.digest().is_none_or(|digest| *digest == found.digest)
            && let Some(local) = self.local(&found.digest, Some(&found.media_type))
        {
            return Ok(local);
        }
        let which = match (reference.digest(), &resolved) {
            (None, Some(found)) => Which::Digest(&found.digest),
            _ => which(reference),
        };
        repository.manifest(which).await.map_err(pull_error(reference))
    }

    /// A document that is in the store.
    fn local(&self, digest: &Digest, media_type: Option<&str>) -> Option<RemoteManifest> {
        let bytes = Bytes::from(self.store.blob(digest)?);
        let document = Document::parse(&bytes, media_type).ok()?;
        let descriptor =
            Descriptor { digest: digest.clone(), ..Descriptor::of(document.media_type(), &bytes) };
        Some(RemoteManifest { descriptor, bytes, document })
    }

    /// Brings configuration and layers here and gives the image its name. Returns its id, and
    /// whether the name did not stand for it before.
    async fn bring(
        &self,
        repository: &Repository,
        reference: &Reference,
        remote: Remote,
        progress: &Progress,
    ) -> Result<(Digest, bool), DistributionError> {
        check_types(reference, &remote.manifest)?;
        let config = self.config(repository, reference, &remote.manifest.config);
        let layers = self.layers(repository, &remote.manifest, progress);
        // A configuration that is no good ends the layers' way, too.
        let ((config, parsed), (layers, fetched)) = tokio::try_join!(config, layers)?;
        if !parsed.rootfs.diff_ids.iter().eq(layers.iter().map(PendingLayer::diff_id)) {
            let reason = "layers from manifest don't match image configuration".to_owned();
            return Err(DistributionError::Mismatch { reference: reference.familiar(), reason });
        }
        let (store, name) = (Arc::clone(&self.store), reference.clone());
        let layers = move || layers.into_inner();
        let result = blocking(move || record(&store, &name, &remote, &config, layers())).await?;
        for layer in fetched {
            progress.layer(layer.short(), LayerStatus::PullComplete);
        }
        Ok(result)
    }

    async fn config(
        &self,
        repository: &Repository,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<(Bytes, ImageConfig), DistributionError> {
        let bytes = match self.store.blob(&descriptor.digest) {
            Some(bytes) => bytes.into(),
            None => self.fetch_config(repository, reference, descriptor).await?,
        };
        let config = ImageConfig::parse(&bytes).map_err(|error| DistributionError::Mismatch {
            reference: reference.familiar(),
            reason: stdx::error::chain(&error).to_string(),
        })?;
        match config.os.as_str() {
            "" | "linux" => Ok((bytes, config)),
            os => {
                let os = os.escape_default();
                let text = format!(
                    "image operating system \"{os}\" cannot be used on this platform: operating \
                     system is not supported"
                );
                Err(DistributionError::Invalid { text })
            }
        }
    }

    async fn fetch_config(
        &self,
        repository: &Repository,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<Bytes, DistributionError> {
        let mut retries = Retries::new(self.attempts_max, self.retry_step);
        loop {
            let error = match repository.small_blob(descriptor, CONFIG_BYTES_MAX as u64).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let waited = retries.wait(error, descriptor.digest.short(), &Progress::none()).await;
            waited.map_err(pull_error(reference))?;
        }
    }

    /// All layers of a manifest, in its order; those that are here are not fetched. Gives the
    /// digests of the others, too.
    async fn layers(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<(OnDisk<Vec<PendingLayer>>, Vec<Digest>), DistributionError> {
        let (mut tasks, mut fetched) = (JoinSet::new(), Vec::new());
        for descriptor in unique(&manifest.layers) {
            let digest = descriptor.digest.clone();
            let id = digest.short().to_owned();
            let is_here = self.store.layer_of_blob(&digest).is_some();
            let status = match is_here {
                true => LayerStatus::AlreadyExists,
                false => {
                    fetched.push(digest.clone());
                    LayerStatus::PullingFsLayer
                }
            };
            progress.layer(&id, status);
            let download = Download {
                repository: repository.clone(),
                store: Arc::clone(&self.store),
                permits: Arc::clone(&self.downloads),
                turns: Arc::clone(&self.turns),
                retries: Retries::new(self.attempts_max, self.retry_step),
                progress: if is_here { Progress::none() } else { progress.clone() },
                descriptor,
                id,
            };
            tasks.spawn(async move { download.run().await.map(|layer| (digest, layer)) });
        }
        // The first failure drops the set, which stops the others.
        let mut arrived = BTreeMap::new();
        while let Some(joined) = tasks.join_next().await {
            let (digest, layer) = joined.unwrap_or_else(|_| {
                let text = "the engine is stopping".to_owned();
                Err(DistributionError::Invalid { text })
            })?;
            arrived.insert(digest, layer);
        }
        let layers = manifest.layers.iter().filter_map(|layer| arrived.get(&layer.digest));
        let layers = layers.map(|layer| PendingLayer::clone(layer)).collect();
        Ok((OnDisk::new(layers), fetched))
    }
}

/// The same layer may stand in a manifest several times; it travels once.
fn unique(layers: &[Descriptor]) -> Vec<Descriptor> {
    let mut seen = BTreeSet::new();
    layers.iter().filter(|layer| seen.insert(&layer.digest)).cloned().collect()
}

async fn all_tags(
    repository: &Repository,
    reference: &Reference,
) -> Result<Vec<Reference>, DistributionError> {
    let tags = repository.tags().await.map_err(pull_error(reference))?;
    let named = tags.iter().map(|tag| {
        reference.with_tag(tag).map_err(|error| DistributionError::Mismatch {
            reference: reference.familiar(),
            reason: format!("the registry names the tag `{}`: {error}", tag.escape_default()),
        })
    });
    named.collect()
}

/// Only what can be unpacked here is fetched.
fn check_types(reference: &Reference, manifest: &Manifest) -> Result<(), DistributionError> {
    let (config, reference) = (&manifest.config.media_type, Box::new(reference.clone()));
    if !media_type::is_config(config) {
        let media_type = config.clone();
        return Err(DistributionError::NoImage { reference, media_type });
    }
    match manifest.layers.iter().find(|layer| !media_type::is_layer(&layer.media_type)) {
        None => Ok(()),
        Some(layer) => {
            let media_type = layer.media_type.clone();
            Err(DistributionError::NoImage { reference, media_type })
        }
    }
}

/// Makes all of it visible at once.
fn record(
    store: &Store,
    reference: &Reference,
    remote: &Remote,
    config: &[u8],
    layers: Vec<PendingLayer>,
) -> Result<(Digest, bool), StoreError> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id().clone()).collect();
    let mut lease = store.commit_layers(layers)?;
    for (descriptor, bytes) in &remote.documents {
        lease.absorb(store.put_document(&descriptor.digest, bytes)?);
    }
    let manifest = remote.documents.last().map(|(_, bytes)| bytes.as_ref());
    let before = store.resolve(&reference.to_string()).ok();
    let id = store.add_image(config, &lease, None, manifest)?;
    for (diff_id, layer) in diff_ids.iter().zip(&remote.manifest.layers) {
        store.remember_form(diff_id, layer, Some(&reference.repository()))?;
    }
    let digest_name = reference.with_digest(remote.target.digest.clone());
    store.set_name(&digest_name, &id, Some(&remote.target))?;
    if reference.digest().is_none() {
        store.set_name(reference, &id, Some(&remote.target))?;
    }
    let is_newer = before.as_ref() != Some(&id);
    Ok((id, is_newer))
}
