//! What a name stands for: a manifest, or an index of several, and what is here of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use oci::{Descriptor, Digest, Document, Manifest, Platform, media_type};

use crate::disk::Layout;
use crate::image::Image;
use crate::store::{State, Store};

/// Indexes in indexes.
const DEPTH_MAX: usize = 4;

/// Manifests that one target leads to; an index lists as many at most.
const MANIFESTS_MAX: usize = oci::manifest::DESCRIPTORS_MAX;

/// All documents of one target together: they stay in memory. Real ones have some kilobytes each;
/// one document alone may have half of it. What is beyond is as if it were not here.
const DOCUMENTS_BYTES_MAX: u64 = 8 << 20;

/// A target, and everything that is known of what it leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub descriptor: Descriptor,
    /// Indexes on the way, itself included, that are here.
    indexes: Vec<Digest>,
    manifests: Vec<Reached>,
}

/// A manifest that a target leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Reached {
    descriptor: Descriptor,
    /// Its content, if it is here.
    manifest: Option<Manifest>,
}

/// What sort of thing a manifest describes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ManifestKind {
    /// An image.
    Image,
    /// What somebody says about an image (buildx's attestations).
    Attestation,
    /// Something else, or it is not known because it is not here.
    Unknown,
}

/// One manifest of an image's target, and what is here of it.
#[derive(Clone, Debug)]
pub struct TargetManifest {
    /// As its index has it, or the target itself.
    pub descriptor: Descriptor,
    /// What it describes.
    pub kind: ManifestKind,
    /// The image that is made of it, if it is here.
    pub image: Option<Digest>,
    /// Of an attestation: the digest of the manifest that it is about.
    pub attests: Option<Digest>,
    /// Whether all of it is here.
    pub is_available: bool,
    /// Its content, if it is here.
    pub manifest: Option<Manifest>,
    /// Bytes of what is here of it as registries have it: manifest, configuration, layers.
    pub content_bytes: u64,
}

impl Target {
    /// Reads what is here.
    pub(crate) fn read(layout: &Layout, descriptor: &Descriptor) -> Target {
        let mut target =
            Target { descriptor: descriptor.clone(), indexes: Vec::new(), manifests: Vec::new() };
        let mut reading = Reading { layout, seen: BTreeSet::new(), left: DOCUMENTS_BYTES_MAX };
        target.follow(&mut reading, descriptor, 0);
        target
    }

    fn follow(&mut self, reading: &mut Reading<'_>, descriptor: &Descriptor, depth: usize) {
        let is_full = depth >= DEPTH_MAX || self.manifests.len() >= MANIFESTS_MAX;
        if is_full || !reading.seen.insert(seen_as(descriptor)) {
            return;
        }
        match reading.document(descriptor) {
            Some(Document::Index(index)) => {
                self.indexes.push(descriptor.digest.clone());
                for entry in &index.manifests {
                    self.follow(reading, entry, depth + 1);
                }
            }
            Some(Document::Manifest(manifest)) => self.add(descriptor, Some(manifest)),
            None => self.add(descriptor, None),
        }
    }

    fn add(&mut self, descriptor: &Descriptor, manifest: Option<Manifest>) {
        self.manifests.push(Reached { descriptor: descriptor.clone(), manifest });
    }

    /// The images that it leads to, whether they are here or not.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Digest> {
        self.manifests.iter().filter_map(Reached::image)
    }

    /// The documents and blobs that it needs besides the layers of its images.
    pub(crate) fn blobs(&self) -> BTreeSet<&Digest> {
        let mut blobs: BTreeSet<&Digest> = self.indexes.iter().collect();
        for reached in &self.manifests {
            let Some(manifest) = &reached.manifest else { continue };
            blobs.extend([&reached.descriptor.digest, &manifest.config.digest]);
            if reached.image().is_none() {
                blobs.extend(manifest.layers.iter().map(|layer| &layer.digest));
            }
        }
        blobs
    }
}

impl Reached {
    /// The image that it describes.
    fn image(&self) -> Option<&Digest> {
        let manifest = self.manifest.as_ref()?;
        let is_image = manifest.layers.iter().all(|layer| media_type::is_layer(&layer.media_type));
        let is_image = is_image && media_type::is_config(&manifest.config.media_type);
        (is_image && !self.is_attestation()).then_some(&manifest.config.digest)
    }

    fn is_attestation(&self) -> bool {
        is_attestation(&self.descriptor)
    }

    fn describe(&self, store: &Store, state: &State) -> TargetManifest {
        let image = self.image().filter(|image| state.images.contains_key(image));
        let kind = match (self.is_attestation(), self.image()) {
            (true, _) => ManifestKind::Attestation,
            (false, Some(_)) => ManifestKind::Image,
            (false, None) => ManifestKind::Unknown,
        };
        let blobs = self.manifest.iter().flat_map(|m| m.layers.iter().chain([&m.config]));
        let missing = blobs.clone().filter(|blob| !store.has_blob(&blob.digest)).count();
        let here = blobs.filter(|blob| store.has_blob(&blob.digest));
        let own = self.manifest.as_ref().map_or(0, |_| self.descriptor.size);
        let attests = self.descriptor.annotations.get("vnd.docker.reference.digest");
        TargetManifest {
            descriptor: self.descriptor.clone(),
            kind,
            image: image.cloned(),
            attests: attests.and_then(|digest| Digest::parse(digest).ok()),
            // An image that was made of layers in another form is whole as well.
            is_available: self.manifest.is_some() && (missing == 0 || image.is_some()),
            manifest: self.manifest.clone(),
            content_bytes: own + here.map(|blob| blob.size).sum::<u64>(),
        }
    }
}

/// Whether an index's entry is about another one, not an image.
pub(crate) fn is_attestation(entry: &Descriptor) -> bool {
    entry.annotations.contains_key("vnd.docker.reference.type")
        || entry.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
}

/// What makes two entries one: the same document in the same role.
pub(crate) fn seen_as(entry: &Descriptor) -> (Digest, bool) {
    (entry.digest.clone(), is_attestation(entry))
}

/// A target that is being read: the same document may be named over and over.
struct Reading<'a> {
    layout: &'a Layout,
    seen: BTreeSet<(Digest, bool)>,
    /// Bytes that may still be read.
    left: u64,
}

impl Reading<'_> {
    /// A manifest or index, if it is here and everybody would read it the same way.
    fn document(&mut self, descriptor: &Descriptor) -> Option<Document> {
        let bytes_max = self.left.min(oci::manifest::MANIFEST_BYTES_MAX as u64);
        let bytes = stdx::fs::read(&self.layout.blob(&descriptor.digest), bytes_max).ok()?;
        self.left -= bytes.len() as u64;
        descriptor.digest.verify(&bytes).ok()?;
        Document::parse(&bytes, Some(&descriptor.media_type)).ok()
    }
}

impl Store {
    /// The manifests that an image's target leads to; of an image without one, none.
    pub fn target_manifests(&self, image: &Image) -> Vec<TargetManifest> {
        let Some(descriptor) = self.image_target(image) else { return Vec::new() };
        let known = self.state().targets.get(&descriptor.digest).cloned();
        let read = || Arc::new(Target::read(&self.shared.layout, &descriptor));
        let target = known.unwrap_or_else(read);
        let state = self.state();
        target.manifests.iter().map(|reached| reached.describe(self, &state)).collect()
    }

    /// The indexes that lead from an image's target to its manifests, the target itself first; of
    /// a target that is a manifest, none.
    pub(crate) fn target_indexes(&self, target: &Descriptor) -> Vec<Digest> {
        Target::read(&self.shared.layout, target).indexes
    }

    /// What an image's first name stands for, or else the manifest that it came with; of an image
    /// that was made here, nothing.
    pub fn image_target(&self, image: &Image) -> Option<Descriptor> {
        image.target.clone().or_else(|| {
            let digest = image.manifest.clone()?;
            let bytes = self.blob(&digest)?;
            let document = Document::parse(&bytes, None).ok()?;
            Some(Descriptor { digest, ..Descriptor::of(document.media_type(), &bytes) })
        })
    }

    /// Finds the image for a platform: of a name, among all that its target leads to and that are
    /// here; `None` when there is none for it. What [`Store::resolve`] finds wins where it fits as
    /// well as another.
    ///
    /// # Errors
    /// As [`Store::resolve`].
    pub fn resolve_for(
        &self,
        text: &str,
        platform: &Platform,
    ) -> Result<Option<Digest>, crate::StoreError> {
        let state = self.state();
        let first = state.resolve(text)?;
        let target = state.name_of(text).and_then(|named| named.target.as_ref());
        let target = target.and_then(|target| state.targets.get(&target.digest));
        let others = target.into_iter().flat_map(|target| target.images());
        let others = others.filter(|id| **id != first && state.images.contains_key(id));
        let candidates: Vec<&Digest> = std::iter::once(&first).chain(others).collect();
        let platforms: Vec<Platform> = candidates.iter().map(|id| state.platform_of(id)).collect();
        let chosen = platform.choose(&platforms);
        Ok(chosen.and_then(|at| candidates.get(at)).map(|id| (*id).clone()))
    }
}

impl State {
    /// Reads what the names' targets lead to, if it is not known yet; what no name stands for any
    /// more is forgotten.
    pub(crate) fn refresh_targets(&mut self, layout: &Layout) {
        let mut known = std::mem::take(&mut self.targets);
        for target in self.tags.values().filter_map(|named| named.target.as_ref()) {
            let digest = &target.digest;
            if !self.targets.contains_key(digest) {
                let read = || Arc::new(Target::read(layout, target));
                let target = known.remove(digest).unwrap_or_else(read);
                self.targets.insert(digest.clone(), target);
            }
        }
    }

    /// The images that names stand for, on any platform.
    pub(crate) fn reached_images(&self) -> BTreeSet<&Digest> {
        let named = self.tags.values().filter_map(|named| named.target.as_ref());
        let targets = named.filter_map(|target| self.targets.get(&target.digest));
        targets.flat_map(|target| target.images()).collect()
    }

    fn platform_of(&self, id: &Digest) -> Platform {
        let config = self.images.get(id).map(|image| &image.config);
        config.map_or_else(Platform::default, |config| {
            Platform::of(&config.os, &config.architecture, &config.variant)
        })
    }
}

#[cfg(test)]
mod tests;
