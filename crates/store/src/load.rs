//! `load`: images from an archive, as `docker save`, skopeo, buildx and others write them.
//!
//! The archive is a stream: what its members are is known only at its end. Members that are
//! archives themselves are unpacked as layers while they come, small files are kept in memory, and
//! then `manifest.json` (Docker) or `index.json` (OCI) says what belongs together.

mod docker;
mod intake;
mod layout;

#[cfg(test)]
pub(crate) mod tests;

use std::io::Read;

use oci::{Descriptor, Digest, Platform, Reference};

use crate::error::StoreError;
use crate::store::Store;

/// How far the reading of one layer is.
#[derive(Clone, Debug)]
pub struct LoadProgress<'a> {
    /// Short name of the layer.
    pub id: &'a str,
    /// Bytes read.
    pub current: u64,
    /// Bytes in all.
    pub total: u64,
}

/// One line of what was loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Loaded {
    /// An image got this name.
    Name {
        /// The name.
        name: Reference,
        /// The image.
        id: Digest,
    },
    /// An image came without a name.
    Id(Digest),
    /// A name was taken from this image.
    Renamed {
        /// The name.
        name: Reference,
        /// The image that had it.
        id: Digest,
    },
}

impl std::fmt::Display for Loaded {
    /// Docker's line, without its newline.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loaded::Name { name, .. } => write!(f, "Loaded image: {}", name.familiar()),
            Loaded::Id(id) => write!(f, "Loaded image ID: {id}"),
            Loaded::Renamed { name, id } => write!(
                f,
                "The image {} already exists, renaming the old one with ID {id} to empty string",
                name.familiar()
            ),
        }
    }
}

/// An image that is whole but not added.
#[derive(Default)]
struct Assembled {
    config: Vec<u8>,
    /// Members that hold the layers, lowest first.
    layers: Vec<Vec<u8>>,
    names: Vec<Reference>,
    parent: Option<Digest>,
    manifest: Option<Vec<u8>>,
    /// What the names stand for, if all of the image is kept as registries have it.
    target: Option<Descriptor>,
    /// What else the target leads to: indexes, and what is said about the images.
    documents: Vec<(Digest, Vec<u8>)>,
    /// The same on another platform: no line of its own.
    is_further: bool,
}

impl Store {
    /// Loads all images of an archive (plain, gzip or zstd), reading it to its end. `platform`
    /// chooses where an OCI index offers several.
    ///
    /// # Errors
    /// [`StoreError::BadImage`] when the archive is none, or lacks something;
    /// [`StoreError::Unpack`] for a bad layer. Nothing is added then.
    pub fn load(
        &self,
        input: &mut dyn Read,
        platform: &Platform,
        progress: &mut dyn FnMut(&LoadProgress<'_>),
    ) -> Result<Vec<Loaded>, StoreError> {
        let mut intake = intake::read(self, input, progress)?;
        let images = if intake.document(b"manifest.json").is_some() {
            docker::assemble(&intake)?
        } else if intake.document(b"index.json").is_some() {
            layout::assemble(&intake, platform)?
        } else {
            let text = "invalid archive: does not contain a manifest.json or an index.json";
            return Err(StoreError::bad_image(text));
        };
        for image in &images {
            intake.verify_layers(image)?;
        }
        let wanted = images.iter().flat_map(|image| image.layers.iter());
        let mut lease = intake.commit_layers(wanted)?;
        let mut loaded = Vec::new();
        for image in images {
            for (digest, bytes) in &image.documents {
                lease.absorb(self.put_document(digest, bytes)?);
            }
            let Assembled { config, names, parent, manifest, target, .. } = image;
            let id = self.add_image(&config, &lease, parent, manifest.as_deref())?;
            if names.is_empty() && !image.is_further {
                loaded.push(Loaded::Id(id.clone()));
            }
            for name in names {
                if let Some(before) = self.set_first_name(&name, &id, target.as_ref())? {
                    loaded.push(Loaded::Renamed { name: name.clone(), id: before });
                }
                loaded.push(Loaded::Name { name, id: id.clone() });
            }
        }
        Ok(loaded)
    }
}
