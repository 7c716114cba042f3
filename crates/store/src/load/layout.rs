//! `index.json`, an OCI image layout (image-spec image-layout.md).

use oci::media_type;
use oci::{Descriptor, Digest, Document, ImageConfig, Index, Manifest, Platform, Reference};

use super::Assembled;
use super::docker::verify_os;
use super::intake::Intake;
use crate::error::StoreError;
use crate::named::is_attestation;

/// Indexes in indexes.
const DEPTH_MAX: usize = 4;

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
    entries.into_iter().map(|entry| image(intake, entry, platform)).collect()
}

fn image(
    intake: &Intake<'_>,
    entry: &Descriptor,
    platform: &Platform,
) -> Result<Assembled, StoreError> {
    let (manifest_bytes, manifest) = manifest(intake, entry, platform)?;
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
        let path = path(&layer.digest);
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
        names: name(entry).into_iter().collect(),
        parent: None,
        manifest: Some(manifest_bytes.to_vec()),
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

fn path(digest: &Digest) -> Vec<u8> {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()).into_bytes()
}

fn blob<'a>(intake: &'a Intake<'_>, digest: &Digest) -> Result<&'a [u8], StoreError> {
    let bytes = intake.document(&path(digest)).ok_or_else(|| not_found(digest))?;
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
