//! Images: adding them, and what is known of them.

use std::sync::Arc;

use oci::{Descriptor, Digest, Document, ImageConfig, Reference};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::lease::Lease;
use crate::record;
use crate::store::{ImageState, Named, State, Store, new_image_record};
use archive::unpack::DeviceNode;

/// An image as it is now.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the configuration.
    pub id: Digest,
    /// The configuration.
    pub config: Arc<ImageConfig>,
    /// Diff ids, lowest first.
    pub layers: Vec<Digest>,
    /// The image it was made from on this machine.
    pub parent: Option<Digest>,
    /// Digest of the manifest it came with.
    pub manifest: Option<Digest>,
    /// When a name was last given to it.
    pub last_tagged: Option<jiff::Timestamp>,
    /// Sizes of all layers together, in bytes.
    pub size: u64,
    /// Its names with a tag, sorted.
    pub tags: Vec<Reference>,
    /// Its names with a digest, sorted.
    pub digests: Vec<Reference>,
    /// Names that stand for the same image on another platform.
    pub reached_by: Vec<Reference>,
    /// What its first name stands for: the manifest or index that it was pulled or loaded by.
    pub target: Option<Descriptor>,
}

/// What the layers of an image together mean for its containers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageFlags {
    /// Largest user or group id that owns a file.
    pub largest_id: u32,
    /// A file has the set-user-id or set-group-id bit.
    pub has_set_id: bool,
    /// A file has capabilities.
    pub has_file_capabilities: bool,
    /// A file is a 32-bit ELF.
    pub has_elf32: bool,
    /// Device nodes that the image asks for; none is made.
    pub devices: Vec<DeviceNode>,
}

impl Store {
    /// Adds an image by its configuration's bytes, whose layers must be in `lease`. Adding one that
    /// is there changes nothing, except that a parent or a manifest is noted. Returns its id.
    ///
    /// # Errors
    /// [`StoreError::BadImage`] for a bad configuration, or a manifest of another one;
    /// [`StoreError::MissingLayer`].
    pub fn add_image(
        &self,
        config: &[u8],
        lease: &Lease,
        parent: Option<Digest>,
        manifest: Option<&[u8]>,
    ) -> Result<Digest, StoreError> {
        let parsed = ImageConfig::parse(config)
            .map_err(|error| StoreError::bad_image_of("invalid image configuration", error))?;
        let id = Digest::of(config);
        if let Some(bytes) = manifest {
            verify_manifest(bytes, &id, &parsed)?;
        }
        for diff_id in &parsed.rootfs.diff_ids {
            if !lease.layers().contains(diff_id) {
                return Err(StoreError::MissingLayer { diff_id: diff_id.clone() });
            }
        }
        let _writing = self.writing();
        self.put_blob(&id, config)?;
        let manifest = manifest.map(|bytes| (Digest::of(bytes), bytes));
        if let Some((digest, bytes)) = &manifest {
            self.put_blob(digest, bytes)?;
        }
        let before = self.state().images.get(&id).map(|image| image.record.clone());
        let mut record = before.unwrap_or_else(|| new_image_record(&id, &parsed));
        let parent = parent.filter(|parent| self.state().images.contains_key(parent));
        record.parent = parent.or(record.parent);
        record.manifest = manifest.map(|(digest, _)| digest).or(record.manifest);
        disk::write(&self.shared.layout.image(&id), &record::print(&record))?;
        failpoint::hit("store.image.recorded");
        let image = ImageState { record, config: Arc::new(parsed) };
        self.state().images.insert(id.clone(), image);
        Ok(id)
    }

    /// All images, in the order of their ids.
    pub fn images(&self) -> Vec<Image> {
        let state = self.state();
        let mut images: Vec<Image> =
            state.images.values().map(|image| state.describe(image)).collect();
        // One pass over the names instead of one for each image.
        for (reference, named) in &state.tags {
            let target = named.target.as_ref().and_then(|t| state.targets.get(&t.digest));
            let reached = target.into_iter().flat_map(|target| target.images());
            for id in reached.filter(|id| **id != named.image).chain([&named.image]) {
                if let Ok(at) = images.binary_search_by(|image| image.id.cmp(id))
                    && let Some(image) = images.get_mut(at)
                {
                    image.add_name(reference, named);
                }
            }
        }
        images
    }

    /// An image by its id.
    pub fn image(&self, id: &Digest) -> Option<Image> {
        let state = self.state();
        let mut image = state.images.get(id).map(|image| state.describe(image))?;
        for (reference, named) in &state.tags {
            let target = named.target.as_ref().and_then(|t| state.targets.get(&t.digest));
            if named.image == *id || target.is_some_and(|t| t.images().any(|other| other == id)) {
                image.add_name(reference, named);
            }
        }
        Some(image)
    }

    /// The images that were made from this one on this machine.
    pub fn children(&self, id: &Digest) -> Vec<Digest> {
        self.state().children(id).cloned().collect()
    }

    /// What the image's layers mean for a container.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`], [`StoreError::MissingLayer`].
    pub fn image_flags(&self, id: &Digest) -> Result<ImageFlags, StoreError> {
        let state = self.state();
        let image = state.images.get(id).ok_or_else(|| no_such_image(id))?;
        let mut flags = ImageFlags::default();
        for diff_id in &image.record.layers {
            let layer = state.layers.get(diff_id);
            let layer =
                layer.ok_or_else(|| StoreError::MissingLayer { diff_id: diff_id.clone() })?;
            let facts = &layer.record.facts;
            flags.largest_id = flags.largest_id.max(facts.largest_uid).max(facts.largest_gid);
            flags.has_set_id |= facts.has_set_id;
            flags.has_file_capabilities |= facts.has_file_capabilities;
            flags.has_elf32 |= facts.has_elf32;
            flags.devices.extend(facts.devices.iter().cloned());
        }
        Ok(flags)
    }

    /// Largest user or group id that owns a file of the image.
    pub fn largest_id(&self, id: &Digest) -> Result<u32, StoreError> {
        self.image_flags(id).map(|flags| flags.largest_id)
    }
}

impl Image {
    /// Whether no name with a tag stands for it, on any platform.
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty() && self.reached_by.iter().all(|name| name.digest().is_some())
    }

    fn add_name(&mut self, reference: &Reference, named: &Named) {
        if named.image != self.id {
            self.reached_by.push(reference.clone());
            return;
        }
        if self.target.is_none() {
            self.target.clone_from(&named.target);
        }
        match reference.digest() {
            Some(_) => self.digests.push(reference.clone()),
            None => self.tags.push(reference.clone()),
        }
    }
}

impl State {
    /// An image without its names.
    fn describe(&self, image: &ImageState) -> Image {
        let record = &image.record;
        Image {
            id: record.id.clone(),
            config: image.config.clone(),
            layers: record.layers.clone(),
            parent: record.parent.clone(),
            manifest: record.manifest.clone(),
            last_tagged: record.last_tagged,
            size: self.size_of(&record.layers),
            tags: Vec::new(),
            digests: Vec::new(),
            reached_by: Vec::new(),
            target: None,
        }
    }

    pub(crate) fn children<'a>(&'a self, id: &'a Digest) -> impl Iterator<Item = &'a Digest> {
        let children =
            self.images.iter().filter(move |(_, image)| image.record.parent.as_ref() == Some(id));
        children.map(|(child, _)| child)
    }
}

/// A manifest is an image's only if it names this configuration, and as many layers.
fn verify_manifest(bytes: &[u8], id: &Digest, config: &ImageConfig) -> Result<(), StoreError> {
    let document = Document::parse(bytes, None)
        .map_err(|error| StoreError::bad_image_of("invalid image manifest", error))?;
    match document {
        Document::Manifest(manifest)
            if manifest.config.digest == *id
                && manifest.layers.len() == config.rootfs.diff_ids.len() =>
        {
            Ok(())
        }
        _ => Err(StoreError::bad_image(format!("the manifest is not of the image {id}"))),
    }
}

pub(crate) fn no_such_image(id: &Digest) -> StoreError {
    StoreError::NoSuchImage { reference: id.to_string() }
}
