//! Images: the verbs about them, and the built-in one.

use std::collections::BTreeMap;
use std::io::{self, Read};

use archive::tar::{Entry, EntryKind, Time, Writer};
use docker_api::{HistoryItem, ImageDeleteItem, ImageInspect, ImageSummary, messages};
use oci::{Digest, Platform, Reference};
use store::{Image, ImageUser, Loaded, RemoveSpec};

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::services::{Services, store_error};
use crate::spec::{Caller, ImageListSpec, ImportSpec, LoadedImage};

mod commit;
mod manifests;
mod registries;
mod save;
mod show;

pub use show::created;

impl Engine {
    /// Lists images, the newest first.
    pub async fn image_list(
        &self,
        caller: Caller,
        spec: ImageListSpec,
    ) -> Result<Vec<ImageSummary>> {
        tracing::debug!(caller_uid = caller.uid, "image list");
        show::list(&self.services, &spec)
    }

    /// Everything about an image, or about the one of several that is for a platform. With
    /// `manifests` it is told what else its name stands for.
    pub async fn image_inspect(
        &self,
        caller: Caller,
        name: &str,
        platform: Option<Platform>,
        manifests: bool,
    ) -> Result<ImageInspect> {
        tracing::debug!(name, caller_uid = caller.uid, "image inspect");
        let mut image = find(&self.services, name)?;
        if let Some(wished) = platform {
            image = of_platform(&self.services, name, image, &wished)?;
        }
        let mut answer = show::inspect(&image);
        if manifests {
            let target = self.services.store.image_target(&image);
            answer.descriptor = target.as_ref().map(manifests::descriptor);
            answer.manifests = Some(manifests::of(&self.services, &image));
        }
        Ok(answer)
    }

    /// How an image was made, the newest step first.
    pub async fn image_history(&self, caller: Caller, name: &str) -> Result<Vec<HistoryItem>> {
        tracing::debug!(name, caller_uid = caller.uid, "image history");
        Ok(show::history(&self.services, &find(&self.services, name)?))
    }

    /// Gives an image a name; `tag` empty: that of `repo`, or `latest`.
    pub async fn image_tag(&self, caller: Caller, name: &str, repo: &str, tag: &str) -> Result<()> {
        let image = find(&self.services, name)?;
        let reference = reference(repo, tag)?;
        let id = image.id.clone();
        let new = reference.clone();
        self.with_store(move |services| services.store.tag(&id, &new).map_err(store_error)).await?;
        self.image_event(caller, &image.id, "tag", &reference.familiar());
        Ok(())
    }

    /// Removes a name, or an image with all its names.
    pub async fn image_remove(
        &self,
        caller: Caller,
        name: &str,
        force: bool,
    ) -> Result<Vec<ImageDeleteItem>> {
        let image = name.to_owned();
        let removed = self
            .with_store(move |services| {
                let spec = RemoveSpec { image: &image, force, prune_parents: true };
                services.store.remove(spec, &users(services)).map_err(store_error)
            })
            .await?;
        self.services.sweep();
        Ok(self.tell_removed(caller, removed))
    }

    /// Adds the images of an archive, which is read on a blocking thread.
    pub async fn image_load(
        &self,
        caller: Caller,
        mut archive: Box<dyn Read + Send>,
    ) -> Result<Vec<LoadedImage>> {
        let loaded = self
            .with_store(move |services| {
                services
                    .store
                    .load(&mut archive, &Platform::host(), &mut |_| ())
                    .map_err(store_error)
            })
            .await?;
        let mut images: Vec<LoadedImage> = Vec::new();
        for one in loaded {
            let (id, name) = match one {
                Loaded::Name { name, id } => (id, Some(name.familiar())),
                Loaded::Id(id) => (id, None),
                Loaded::Renamed { .. } => continue,
            };
            let text = id.to_string();
            self.image_event(caller, &id, "load", &text);
            match images.iter_mut().find(|image| image.id == text) {
                Some(image) => image.names.extend(name),
                None => images.push(LoadedImage { id: text, names: name.into_iter().collect() }),
            }
        }
        Ok(images)
    }

    /// Makes an image of a file tree, which is read on a blocking thread; returns its id.
    pub async fn image_import(
        &self,
        caller: Caller,
        mut tar: Box<dyn Read + Send>,
        spec: ImportSpec,
    ) -> Result<String> {
        let name = match spec.repo.is_empty() {
            true => None,
            false => Some(reference(&spec.repo, &spec.tag)?),
        };
        let platform = match &spec.platform {
            None => Platform::host(),
            Some(text) => Platform::parse(text)
                .map_err(|error| EngineError::new(error.kind(), error.to_string()))?,
        };
        let shown = name.as_ref().map(Reference::familiar);
        let id = self
            .with_store(move |services| {
                let message = match spec.message.is_empty() {
                    true => "Imported from -".to_owned(),
                    false => spec.message,
                };
                let wish = store::ImportSpec {
                    changes: &spec.changes,
                    message: &message,
                    platform,
                    name: name.as_ref(),
                    engine_version: env!("CARGO_PKG_VERSION"),
                };
                services.store.import(&mut tar, &wish).map_err(store_error)
            })
            .await?;
        let text = id.to_string();
        self.image_event(caller, &id, "import", shown.as_deref().unwrap_or(&text));
        Ok(text)
    }

    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Services) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let services = self.services.clone();
        let done = tokio::task::spawn_blocking(move || work(&services)).await;
        done.map_err(|error| EngineError::internal("failed to use the store", error))?
    }

    pub(crate) fn image_event(&self, caller: Caller, id: &Digest, action: &str, name: &str) {
        let mut attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        let image = self.services.store.image(id);
        let labels = image.and_then(|image| image.config.config.labels.clone());
        for (key, value) in labels.into_iter().flatten() {
            attributes.entry(key).or_insert(value);
        }
        self.services.events.image(caller, &id.to_string(), action, attributes);
    }
}

/// `repo[:tag]` and a tag of its own.
fn reference(repo: &str, tag: &str) -> Result<Reference> {
    let invalid =
        |error: oci::reference::ReferenceError| EngineError::new(error.kind(), error.to_string());
    let parsed = Reference::parse(repo).map_err(invalid)?;
    match tag {
        "" => Ok(parsed.with_default_tag()),
        tag => parsed.with_tag(tag).map_err(invalid),
    }
}

fn find(services: &Services, name: &str) -> Result<Image> {
    let id = services.store.resolve(name).map_err(store_error)?;
    let gone = || EngineError::not_found(messages::no_such_image(name));
    services.store.image(&id).ok_or_else(gone)
}

/// The image that a name means on a platform, if it is here; `image` is what it means otherwise.
pub fn of_platform(
    services: &Services,
    name: &str,
    image: Image,
    wished: &Platform,
) -> Result<Image> {
    let found = image.config.platform();
    if wished.accepts(&found) {
        return Ok(image);
    }
    let id = services.store.resolve_for(name, wished).map_err(store_error)?;
    id.and_then(|id| services.store.image(&id)).ok_or_else(|| {
        EngineError::not_found(format!(
            "image with reference {name} was found but its platform ({found}) does not match the \
             specified platform ({wished})"
        ))
    })
}

/// Which containers stand on which images.
pub fn users(services: &Services) -> Vec<ImageUser> {
    let all = services.registry().all();
    let user = |record: &crate::container::record::ContainerRecord| {
        Some(ImageUser {
            container: record.id.clone(),
            image: Digest::parse(&record.image_id).ok()?,
            is_running: record.state.state.counts_as_running(),
        })
    };
    all.iter().filter_map(|container| user(&container.record())).collect()
}

/// Finds an image for a container; the built-in one is made when it is first asked for. Blocks.
pub fn resolve(services: &Services, name: &str) -> Result<Digest> {
    match services.store.resolve(name) {
        Ok(id) => Ok(id),
        Err(error) => match Reference::parse(name).map(Reference::with_default_tag) {
            Ok(reference) if reference.familiar() == hello_name() => {
                make_hello(services, &reference)
            }
            _ => Err(store_error(error)),
        },
    }
}

fn hello_name() -> String {
    format!("{}:latest", guest::HELLO_IMAGE)
}

fn make_hello(services: &Services, name: &Reference) -> Result<Digest> {
    let failed =
        |error: io::Error| EngineError::internal("failed to make the built-in image", error);
    let archive = hello_archive().map_err(failed)?;
    let changes = [format!("ENTRYPOINT [\"{}\"]", guest::HELLO_PATH)];
    let spec = store::ImportSpec {
        changes: &changes,
        message: "built into wharf",
        platform: Platform::host(),
        name: Some(name),
        engine_version: env!("CARGO_PKG_VERSION"),
    };
    services.store.import(&mut archive.as_slice(), &spec).map_err(store_error)
}

/// One program, executable by everybody.
fn hello_archive() -> io::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    let path = guest::HELLO_PATH.trim_start_matches('/').as_bytes().to_vec();
    let size = guest::HELLO.len() as u64;
    let entry = Entry {
        path,
        kind: EntryKind::File { size, segments: None },
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time { seconds: 0, nanoseconds: 0 },
        xattrs: Vec::new(),
    };
    writer.append(&entry, guest::HELLO)?;
    writer.finish()
}
