//! `index.json`, an OCI image layout (image-spec image-layout.md).

use std::collections::{BTreeMap, BTreeSet};

use oci::media_type;
use oci::{Descriptor, Digest, Document, ImageConfig, Index, Manifest, Platform, Reference};

use super::Assembled;
use super::docker::verify_os;
use super::intake::{Intake, blob_path};
use crate::error::StoreError;
use crate::named::{is_attestation, seen_as};

/// Indexes in indexes.
const DEPTH_MAX: usize = 4;

/// What one entry leads to; an index lists as many manifests at most.
const LEAVES_MAX: usize = oci::manifest::DESCRIPTORS_MAX;

/// All images of the layout that fit the platform. Each entry of the outermost index is an image of
/// its own; where an entry is itself an index, its best manifest is taken.
pub(super) fn assemble(
    intake: &Intake<'_>,
    platform: &Platform,
) -> Result<Vec<Assembled>, StoreError> {
    let bytes = intake.document(b"index.json").unwrap_or_default();
    let Document::Index(index) = parse(bytes, None)? else {
        return Err(StoreError::bad_image("invalid index.json: it is no index"));
    };
    let fits = |entry: &&Descriptor| {
        let is_image =
            media_type::is_index(&entry.media_type) || media_type::is_manifest(&entry.media_type);
        let said = entry.platform.clone().unwrap_or_default();
        is_image && !is_attestation(entry) && platform.accepts(&said)
    };
    let entries: Vec<&Descriptor> = index.manifests.iter().filter(fits).collect();
    if entries.is_empty() {
        return Err(StoreError::bad_image(format!(
            "no suitable image found in the archive for the platform {platform}"
        )));
    }
    let mut images = Vec::new();
    for entry in entries {
        let (bytes, manifest) = manifest(intake, entry, platform)?;
        let mut image = image(intake, bytes, &manifest)?;
        image.names = name(entry).into_iter().collect();
        images.extend(targeted(intake, image, entry, (bytes, &manifest)));
    }
    Ok(images)
}

/// Finds for images of a `manifest.json` what an `index.json` beside it says of them: the manifest
/// or index that their names stand for.
pub(super) fn complete(intake: &Intake<'_>, images: Vec<Assembled>) -> Vec<Assembled> {
    let bytes = intake.document(b"index.json").unwrap_or_default();
    let Ok(Document::Index(index)) = parse(bytes, None) else { return images };
    let of = |image: Assembled| {
        let id = Digest::of(&image.config);
        for entry in index.manifests.iter().filter(|entry| is_named_as(entry, &image)) {
            let tree = Tree::of(intake, entry);
            let is_own = |leaf: &&Leaf<'_>| {
                let manifest = &leaf.manifest;
                manifest.config.digest == id && manifest.layers.len() == image.layers.len()
            };
            if let Some(own) = tree.leaves.iter().find(is_own) {
                return targeted(intake, image, entry, (own.bytes, &own.manifest));
            }
        }
        vec![image]
    };
    images.into_iter().flat_map(of).collect()
}

fn is_named_as(entry: &Descriptor, image: &Assembled) -> bool {
    name(entry).map_or(image.names.is_empty(), |name| image.names.contains(&name))
}

/// An image and, if all of it is kept as registries have it, what its name stands for: the images
/// for further platforms come first.
fn targeted(
    intake: &Intake<'_>,
    mut main: Assembled,
    entry: &Descriptor,
    (bytes, own): (&[u8], &Manifest),
) -> Vec<Assembled> {
    if main.names.is_empty() || !intake.keeps_layers_of(own) {
        return vec![main];
    }
    let tree = Tree::of(intake, entry);
    let mut images = Vec::new();
    for leaf in &tree.leaves {
        let is_image = !leaf.is_attestation && intake.keeps_layers_of(&leaf.manifest);
        if is_image
            && leaf.manifest.config.digest != own.config.digest
            && let Ok(further) = image(intake, leaf.bytes, &leaf.manifest)
            && intake.verify_layers(&further).is_ok()
        {
            images.push(Assembled { is_further: true, ..further });
        }
    }
    main.manifest = Some(bytes.to_vec());
    main.target = Some(Descriptor { annotations: BTreeMap::new(), ..entry.clone() });
    main.documents = tree.documents;
    images.push(main);
    images
}

/// What an entry leads to and is in the archive.
#[derive(Default)]
struct Tree<'a> {
    leaves: Vec<Leaf<'a>>,
    /// Indexes, and what belongs to no image that can be made.
    documents: Vec<(Digest, Vec<u8>)>,
    /// The same document may be named over and over.
    seen: BTreeSet<(Digest, bool)>,
}

struct Leaf<'a> {
    bytes: &'a [u8],
    manifest: Manifest,
    is_attestation: bool,
}

impl<'a> Tree<'a> {
    fn of(intake: &'a Intake<'_>, entry: &Descriptor) -> Tree<'a> {
        let mut tree = Tree::default();
        tree.follow(intake, entry, 0);
        tree
    }

    fn follow(&mut self, intake: &'a Intake<'_>, entry: &Descriptor, depth: usize) {
        let is_full = self.leaves.len() + self.documents.len() > LEAVES_MAX;
        if is_full || !self.seen.insert(seen_as(entry)) {
            return;
        }
        let Ok(bytes) = blob(intake, &entry.digest) else { return };
        match parse(bytes, Some(&entry.media_type)) {
            Ok(Document::Index(index)) if depth < DEPTH_MAX => {
                self.documents.push((entry.digest.clone(), bytes.to_vec()));
                for entry in &index.manifests {
                    self.follow(intake, entry, depth + 1);
                }
            }
            Ok(Document::Manifest(manifest)) => {
                let is_attestation = is_attestation(entry);
                if is_attestation {
                    self.documents.push((entry.digest.clone(), bytes.to_vec()));
                    for part in manifest.layers.iter().chain([&manifest.config]) {
                        let bytes = blob(intake, &part.digest).ok();
                        let part = bytes.map(|bytes| (part.digest.clone(), bytes.to_vec()));
                        self.documents.extend(part);
                    }
                }
                self.leaves.push(Leaf { bytes, manifest, is_attestation });
            }
            _ => {}
        }
    }
}

fn image(intake: &Intake<'_>, bytes: &[u8], manifest: &Manifest) -> Result<Assembled, StoreError> {
    let config = blob(intake, &manifest.config.digest)?;
    let parsed = ImageConfig::parse(config)
        .map_err(|error| StoreError::bad_image_of("invalid image configuration", error))?;
    verify_os(&parsed)?;
    let (expected, actual) = (manifest.layers.len(), parsed.rootfs.diff_ids.len());
    if expected != actual {
        return Err(StoreError::bad_image(format!(
            "invalid manifest, layers length mismatch: expected {expected}, got {actual}"
        )));
    }
    let mut layers = Vec::new();
    for layer in &manifest.layers {
        if !media_type::is_layer(&layer.media_type) {
            let kind = &layer.media_type;
            return Err(StoreError::bad_image(format!("layers of type {kind} are not supported")));
        }
        let path = blob_path(&layer.digest);
        if !intake.has(&path) {
            return Err(not_found(&layer.digest));
        }
        if !intake.has_digest(&path, &layer.digest) {
            return Err(wrong(&layer.digest));
        }
        layers.push(path);
    }
    Ok(Assembled {
        config: config.to_vec(),
        layers,
        manifest: Some(bytes.to_vec()),
        ..Assembled::default()
    })
}

/// The manifest that an entry leads to.
fn manifest<'a>(
    intake: &'a Intake<'_>,
    entry: &Descriptor,
    platform: &Platform,
) -> Result<(&'a [u8], Manifest), StoreError> {
    let mut entry = entry.clone();
    for _ in 0..DEPTH_MAX {
        let bytes = blob(intake, &entry.digest)?;
        let mut index: Index = match parse(bytes, Some(&entry.media_type))? {
            Document::Manifest(manifest) => return Ok((bytes, manifest)),
            Document::Index(index) => index,
        };
        index.manifests.retain(|entry| !is_attestation(entry));
        entry = index.choose(platform).cloned().ok_or_else(|| {
            StoreError::bad_image(format!("no match for platform in manifest: {platform}"))
        })?;
    }
    Err(StoreError::bad_image("invalid archive: its indexes nest too deep"))
}

fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Document, StoreError> {
    Document::parse(bytes, media_type)
        .map_err(|error| StoreError::bad_image_of("invalid manifest in the archive", error))
}

fn blob<'a>(intake: &'a Intake<'_>, digest: &Digest) -> Result<&'a [u8], StoreError> {
    let bytes = intake.document(&blob_path(digest)).ok_or_else(|| not_found(digest))?;
    digest.verify(bytes).map(|()| bytes).map_err(|_| wrong(digest))
}

fn not_found(digest: &Digest) -> StoreError {
    StoreError::bad_image(format!("content digest {digest}: not found"))
}

fn wrong(digest: &Digest) -> StoreError {
    StoreError::bad_image(format!("content of {digest} has another digest"))
}

/// containerd and buildx write the full name; others put a name or only a tag where OCI wants "a
/// name". A tag alone names nothing.
fn name(entry: &Descriptor) -> Option<Reference> {
    let full = entry.annotations.get("io.containerd.image.name");
    let short = entry.annotations.get("org.opencontainers.image.ref.name");
    let short = short.filter(|name| name.contains([':', '/']));
    let name = Reference::parse(full.or(short)?).ok()?;
    let name = if name.digest().is_some() { return None } else { name };
    Some(name.with_default_tag())
}
