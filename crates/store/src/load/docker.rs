//! `manifest.json`, as `docker save` writes it.

use oci::{Digest, ImageConfig, Reference};
use serde::Deserialize;

use super::Assembled;
use super::intake::{Intake, no_such_file};
use super::layout;
use crate::error::StoreError;

/// Largest `manifest.json`.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
    #[serde(default)]
    parent: Option<String>,
}

/// All images that the archive lists.
pub(super) fn assemble(intake: &Intake<'_>) -> Result<Vec<Assembled>, StoreError> {
    let bytes = intake.document(b"manifest.json").unwrap_or_default();
    let items: Vec<Item> = oci::json::read(bytes, MANIFEST_BYTES_MAX)
        .map_err(|error| StoreError::bad_image_of("invalid manifest.json", error))?;
    let images = items.into_iter().map(|item| image(intake, item)).collect::<Result<_, _>>()?;
    // Docker writes an OCI layout of the same beside it, which knows more.
    Ok(layout::complete(intake, images))
}

fn image(intake: &Intake<'_>, item: Item) -> Result<Assembled, StoreError> {
    let path = item.config.as_bytes();
    let bytes = intake.document(path).ok_or_else(|| no_such_file(path))?;
    let config = ImageConfig::parse(bytes)
        .map_err(|error| StoreError::bad_image_of("invalid image configuration", error))?;
    verify_os(&config)?;
    let layers: Vec<Vec<u8>> =
        item.layers.unwrap_or_default().into_iter().map(String::into_bytes).collect();
    let (expected, actual) = (layers.len(), config.rootfs.diff_ids.len());
    if expected != actual {
        return Err(StoreError::bad_image(format!(
            "invalid manifest, layers length mismatch: expected {expected}, got {actual}"
        )));
    }
    if let Some(path) = layers.iter().find(|path| !intake.has(path)) {
        return Err(no_such_file(path));
    }
    let names = item.repo_tags.unwrap_or_default();
    let names = names.iter().map(|name| tagged(name)).collect::<Result<_, _>>()?;
    let parent = item.parent.and_then(|parent| Digest::parse(&parent).ok());
    let config = bytes.to_vec();
    Ok(Assembled { config, layers, names, parent, ..Assembled::default() })
}

/// Only Linux images run here; an image that does not say is one.
pub(super) fn verify_os(config: &ImageConfig) -> Result<(), StoreError> {
    match config.os.as_str() {
        "" | "linux" => Ok(()),
        os => Err(StoreError::bad_image(format!(
            "cannot load {os} image on linux: invalid parameter"
        ))),
    }
}

fn tagged(name: &str) -> Result<Reference, StoreError> {
    let reference = Reference::parse(name).map_err(StoreError::Reference)?;
    match reference.tag() {
        Some(_) if reference.digest().is_none() => Ok(reference),
        _ => Err(StoreError::bad_image(format!("invalid tag \"{name}\""))),
    }
}
