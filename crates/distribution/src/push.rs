//! From an image in the store to a name at a registry.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Descriptor, Digest, Document, Manifest, Platform, Reference};
use registry::{Opened, RegistryError, Repository, Which};
use store::{Image, Store};
use tokio::task::JoinSet;

use crate::blocking::{OnDisk, blocking};
use crate::error::DistributionError;
use crate::progress::{LayerStatus, Progress, ProgressEvent};
use crate::registries::{Registries, push_error};
use crate::retry::Retries;
use crate::spec::{PushSpec, Pushed, PushedTag};
use crate::upload::{LayerUpload, Wanted};

/// An index of which everything is here.
struct WholeIndex {
    bytes: Bytes,
    media_type: String,
    images: Vec<(Bytes, Manifest)>,
}

impl Registries {
    /// Pushes one tag, or all tags of a name without one.
    ///
    /// # Errors
    /// In Docker's words; see [`DistributionError`].
    pub async fn push(
        &self,
        spec: PushSpec,
        progress: &Progress,
    ) -> Result<Pushed, DistributionError> {
        if spec.reference.digest().is_some() {
            let text = "cannot push a digest reference".to_owned();
            return Err(DistributionError::Invalid { text });
        }
        progress.send(ProgressEvent::Pushing { repository: spec.reference.repository() });
        let names = self.names(&spec.reference)?;
        let repository = self.repository(&spec.reference, spec.credentials)?;
        let mut pushed = Pushed { tags: Vec::new() };
        for (name, image) in names {
            check_platform(&name, &image, spec.platform.as_ref())?;
            let tag = self
                .push_one(&repository, &name, &image, spec.platform.is_some(), progress)
                .await?;
            progress.send(ProgressEvent::Pushed(tag.clone()));
            pushed.tags.push(tag);
        }
        Ok(pushed)
    }

    /// The names that are meant, with their images.
    fn names(&self, reference: &Reference) -> Result<Vec<(Reference, Image)>, DistributionError> {
        let mut names = Vec::new();
        for image in self.store.images() {
            let own = image.tags.iter().filter(|tag| tag.name_only() == reference.name_only());
            names.extend(own.map(|tag| (tag.clone(), image.clone())));
        }
        if names.is_empty() {
            return Err(DistributionError::NoSuchTag { name: reference.familiar_name() });
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        if reference.tag().is_some() {
            names.retain(|(name, _)| name == reference);
        }
        match names.is_empty() {
            true => {
                let text = format!("tag does not exist: {}", reference.familiar());
                Err(DistributionError::Invalid { text })
            }
            false => Ok(names),
        }
    }

    async fn push_one(
        &self,
        repository: &Repository,
        name: &Reference,
        image: &Image,
        is_one_platform: bool,
        progress: &Progress,
    ) -> Result<PushedTag, DistributionError> {
        let tag = name.tag().unwrap_or_default();
        // Nobody removes it meanwhile.
        let lease = self.store.lease_image(&image.id).map_err(DistributionError::Store)?;
        let _lease = OnDisk::new(lease);
        let index = if is_one_platform { None } else { self.whole_index(image) };
        let (media_type, bytes) = match (index, self.kept(image)) {
            (Some(whole), _) => {
                for (bytes, manifest) in &whole.images {
                    self.push_kept(repository, name, manifest, progress).await?;
                    let which = Digest::of(bytes);
                    let put =
                        repository.put_manifest(Which::Digest(&which), &manifest.media_type, bytes);
                    put.await.map_err(push_error)?;
                }
                (whole.media_type, whole.bytes)
            }
            (None, Some((bytes, manifest))) => {
                self.push_kept(repository, name, &manifest, progress).await?;
                (manifest.media_type, bytes)
            }
            (None, None) => self.push_made(repository, name, image, progress).await?,
        };
        let put = repository.put_manifest(Which::Tag(tag), &media_type, &bytes).await;
        put.map_err(push_error)?;
        let target = Descriptor::of(&media_type, &bytes);
        let (digest, size) = (target.digest.clone(), target.size);
        self.note(name, image, target, bytes).await?;
        Ok(PushedTag { tag: tag.to_owned(), digest, size })
    }

    /// The index that an image came by, if everything that it names is here.
    fn whole_index(&self, image: &Image) -> Option<WholeIndex> {
        let target = self.store.image_target(image)?;
        let bytes = Bytes::from(self.store.blob(&target.digest)?);
        let Document::Index(index) = Document::parse(&bytes, Some(&target.media_type)).ok()? else {
            return None;
        };
        let images = index.manifests.iter().map(|entry| self.whole_image(&entry.digest));
        let images: Vec<_> = images.collect::<Option<_>>()?;
        Some(WholeIndex { bytes, media_type: index.media_type, images })
    }

    /// The manifest that an image came with, if it can be pushed with that again.
    fn kept(&self, image: &Image) -> Option<(Bytes, Manifest)> {
        let kept = self.whole_image(image.manifest.as_ref()?);
        kept.filter(|(_, manifest)| manifest.config.digest == image.id)
    }

    /// A manifest, if its configuration and the compressed forms of its layers are here.
    fn whole_image(&self, digest: &Digest) -> Option<(Bytes, Manifest)> {
        let bytes = Bytes::from(self.store.blob(digest)?);
        let Document::Manifest(manifest) = Document::parse(&bytes, None).ok()? else { return None };
        let has = |blob: &Descriptor| self.store.has_blob(&blob.digest);
        let is_whole = has(&manifest.config) && manifest.layers.iter().all(has);
        is_whole.then_some((bytes, manifest))
    }

    /// Pushes the blobs of a manifest that is here as it came.
    async fn push_kept(
        &self,
        repository: &Repository,
        name: &Reference,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<(), DistributionError> {
        let wanted = manifest.layers.iter().map(|layer| {
            let diff_id = self.store.layer_of_blob(&layer.digest);
            Wanted { diff_id, form: Some(layer.clone()) }
        });
        self.push_layers(repository, name, wanted.collect(), progress).await?;
        let config = self.store.blob(&manifest.config.digest).map(Bytes::from);
        let config = config.ok_or_else(|| gone(name))?;
        self.push_small(repository, &manifest.config.digest, &config).await
    }

    /// Pushes the layers of an image in whatever form they have or get, and makes its manifest.
    async fn push_made(
        &self,
        repository: &Repository,
        name: &Reference,
        image: &Image,
        progress: &Progress,
    ) -> Result<(String, Bytes), DistributionError> {
        let layers = image.layers.iter();
        let wanted = layers.map(|diff_id| Wanted { diff_id: Some(diff_id.clone()), form: None });
        let layers = self.push_layers(repository, name, wanted.collect(), progress).await?;
        let config = self.store.blob(&image.id).map(Bytes::from).ok_or_else(|| gone(name))?;
        self.push_small(repository, &image.id, &config).await?;
        let made = self.store.push_manifest(image, &layers).map_err(DistributionError::Store)?;
        Ok((made.0.media_type, made.1.into()))
    }

    /// Pushes layers all at once; gives their forms in their order.
    async fn push_layers(
        &self,
        repository: &Repository,
        name: &Reference,
        wanted: Vec<Wanted>,
        progress: &Progress,
    ) -> Result<Vec<Descriptor>, DistributionError> {
        // As Docker: the topmost first, by the digests of what is unpacked.
        for one in wanted.iter().rev() {
            progress.layer(one.id(), LayerStatus::Preparing);
        }
        let mut tasks = JoinSet::new();
        for (index, wanted) in wanted.into_iter().enumerate() {
            let upload = LayerUpload {
                repository: repository.clone(),
                name: name.name_only(),
                store: Arc::clone(&self.store),
                permits: Arc::clone(&self.uploads),
                retries: Retries::new(self.attempts_max, self.retry_step),
                progress: progress.clone(),
                wanted,
            };
            tasks.spawn(async move { upload.run().await.map(|form| (index, form)) });
        }
        let mut forms = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            forms.push(joined.unwrap_or_else(|_| {
                let text = "the engine is stopping".to_owned();
                Err(DistributionError::Invalid { text })
            })?);
        }
        forms.sort_by_key(|(index, _)| *index);
        Ok(forms.into_iter().map(|(_, form)| form).collect())
    }

    /// Pushes a configuration unless it is there.
    async fn push_small(
        &self,
        repository: &Repository,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), DistributionError> {
        let mut retries = Retries::new(self.attempts_max, self.retry_step);
        loop {
            let error = match put_small(repository, digest, bytes).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let waited = retries.wait(error, digest.short(), &Progress::none()).await;
            waited.map_err(push_error)?;
        }
    }

    /// The image is known by its digest there from now on.
    async fn note(
        &self,
        name: &Reference,
        image: &Image,
        target: Descriptor,
        bytes: Bytes,
    ) -> Result<(), DistributionError> {
        let (store, name, id) = (Arc::clone(&self.store), name.clone(), image.id.clone());
        // What was made here and had no manifest before has one now.
        let is_made = self.store.image_target(image).is_none();
        let noted = move || {
            let _lease = Store::put_document(&store, &target.digest, &bytes)?;
            if is_made {
                store.set_name(&name, &id, Some(&target))?;
            }
            store.set_name(&name.with_digest(target.digest.clone()), &id, Some(&target)).map(drop)
        };
        // The image may have been removed meanwhile; it was pushed all the same.
        match blocking(noted).await {
            Err(error) if error.kind() == stdx::Kind::NotFound => Ok(()),
            other => other,
        }
    }
}

async fn put_small(
    repository: &Repository,
    digest: &Digest,
    bytes: &Bytes,
) -> Result<(), RegistryError> {
    if repository.has_blob(digest).await? {
        return Ok(());
    }
    match repository.open_upload(digest, None).await? {
        Opened::Mounted => Ok(()),
        Opened::Upload(upload) => repository.put_small_blob(upload, digest, bytes).await,
    }
}

fn gone(name: &Reference) -> DistributionError {
    DistributionError::Mismatch {
        reference: name.familiar(),
        reason: "its configuration is gone".to_owned(),
    }
}

/// `--platform` names what is to be pushed: the image must be for it.
fn check_platform(
    name: &Reference,
    image: &Image,
    wish: Option<&Platform>,
) -> Result<(), DistributionError> {
    let Some(wish) = wish else { return Ok(()) };
    let found = Platform {
        os: image.config.os.clone(),
        architecture: image.config.architecture.clone(),
        variant: image.config.variant.clone(),
        ..Platform::default()
    };
    if wish.accepts(&found) {
        return Ok(());
    }
    let text = format!(
        "image with reference {} was found but its platform ({found}) does not match the \
         specified platform ({wish})",
        name.familiar()
    );
    Err(DistributionError::Invalid { text })
}
