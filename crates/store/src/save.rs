//! `save`: images to one archive, as Docker 28 writes it: an OCI layout, and beside it the
//! `manifest.json` and `repositories` that older versions read.

mod documents;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use oci::reference::AnyReference;
use oci::{Descriptor, Digest, HashingReader, Platform, Reference, media_type};
use stdx::fs::PathError;

use crate::error::StoreError;
use crate::image::Image;
use crate::store::Store;
use archive::tar::{Entry, EntryKind, Time, Writer};

/// What is to be saved: images in the order in which they were asked for, with the names that
/// the archive gives them.
#[derive(Clone, Debug)]
pub struct SavePlan {
    images: Vec<(Image, Vec<Reference>)>,
    /// Nothing for other platforms is written.
    is_one_platform: bool,
}

impl SavePlan {
    /// The images.
    pub fn images(&self) -> impl Iterator<Item = &Digest> {
        self.images.iter().map(|(image, _)| &image.id)
    }
}

impl Store {
    /// Finds the images to save. A name without a tag stands for all of its tags.
    ///
    /// # Errors
    /// [`StoreError::Reference`], [`StoreError::NoSuchImage`]; [`StoreError::NoSuchPlatform`] when
    /// one of them is for another platform.
    pub fn plan_save(
        &self,
        names: &[String],
        platform: Option<&Platform>,
    ) -> Result<SavePlan, StoreError> {
        let mut plan = SavePlan { images: Vec::new(), is_one_platform: platform.is_some() };
        for name in names {
            for (id, reference) in self.named(name)? {
                let id = match (platform, &reference) {
                    (Some(platform), Some(reference)) => {
                        self.resolve_for(&reference.to_string(), platform)?.unwrap_or(id)
                    }
                    _ => id,
                };
                self.add_to(&mut plan, &id, reference)?;
            }
        }
        for (image, _) in &plan.images {
            if let Some(platform) = platform
                && !is_for(image, platform)
            {
                return Err(StoreError::NoSuchPlatform { platform: platform.to_string() });
            }
        }
        Ok(plan)
    }

    fn named(&self, name: &str) -> Result<Vec<(Digest, Option<Reference>)>, StoreError> {
        let parsed = AnyReference::parse(name).map_err(StoreError::Reference)?;
        let AnyReference::Name(reference) = parsed else {
            return Ok(vec![(self.resolve(name)?, None)]);
        };
        if reference.tag().is_some() || reference.digest().is_some() {
            return Ok(vec![(self.resolve(name)?, Some(reference))]);
        }
        let is_of = |tag: &&Reference| tag.repository() == reference.repository();
        let of = |image: Image| {
            let tags = image.tags.clone();
            tags.into_iter().filter(|tag| is_of(&tag)).map(move |tag| (image.id.clone(), Some(tag)))
        };
        let all: Vec<_> = self.images().into_iter().flat_map(of).collect();
        match all.is_empty() {
            false => Ok(all),
            true => match self.resolve(name) {
                Ok(id) => Ok(vec![(id, None)]),
                Err(_) => Err(StoreError::NoSuchImage { reference: name.to_owned() }),
            },
        }
    }

    fn add_to(
        &self,
        plan: &mut SavePlan,
        id: &Digest,
        name: Option<Reference>,
    ) -> Result<(), StoreError> {
        let known = plan.images.iter_mut().find(|(image, _)| image.id == *id);
        let names = match known {
            Some((_, names)) => names,
            None => {
                let gone = || StoreError::NoSuchImage { reference: id.to_string() };
                plan.images.push((self.image(id).ok_or_else(gone)?, Vec::new()));
                &mut plan.images.last_mut().expect("it was just added").1
            }
        };
        if let Some(name) = name.filter(|name| name.tag().is_some() && !names.contains(name)) {
            names.push(name);
        }
        Ok(())
    }

    /// Writes the archive. What was pulled or loaded as registries have it is written so: the
    /// manifest or index that its name stands for, with every platform that is here. Other layers
    /// are those that were loaded or made, byte for byte and uncompressed.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`] when one cannot be made as it was, [`StoreError::Disk`] when
    /// the output fails. The archive is not whole then.
    pub fn save(&self, plan: &SavePlan, output: &mut dyn Write) -> Result<(), StoreError> {
        let mut leases = Vec::new();
        for id in plan.images() {
            leases.push(self.lease_image(id)?);
        }
        let mut archive = Archive { writer: Writer::new(output), written: BTreeSet::new() };
        archive.directory("blobs/")?;
        archive.directory("blobs/sha256/")?;
        let mut saved = Vec::new();
        for (image, names) in &plan.images {
            let missing = || StoreError::NoSuchImage { reference: image.id.to_string() };
            let config = self.blob(&image.id).ok_or_else(missing)?;
            archive.blob(&image.id, &config)?;
            let one = match self.own_manifest(image) {
                Some((own, bytes)) => {
                    self.save_as_it_came(&mut archive, plan, image, own, &bytes)?
                }
                None => self.save_made(&mut archive, image, config.len())?,
            };
            let (entry, layers) = one;
            saved.push(documents::Saved { image, names, entry, layers });
        }
        for (name, text) in documents::all(&saved) {
            archive.file(name, &text)?;
        }
        archive.writer.finish().map(drop).map_err(failed("end"))
    }

    /// An image whose layers have no other form. Gives what stands for it, and its layers.
    fn save_made(
        &self,
        archive: &mut Archive<'_>,
        image: &Image,
        config_bytes: usize,
    ) -> Result<(Descriptor, Vec<Descriptor>), StoreError> {
        let mut layers = Vec::new();
        for diff_id in &image.layers {
            let size = self.layer(diff_id).map_or(0, |layer| layer.facts.stream_bytes);
            let digest = diff_id.clone();
            let layer = Descriptor { digest, size, ..Descriptor::of(media_type::OCI_LAYER, b"") };
            let missing = || StoreError::MissingLayer { diff_id: diff_id.clone() };
            archive.stream(&layer, || self.layer_stream(diff_id), missing)?;
            layers.push(layer);
        }
        let manifest = documents::manifest(&image.id, config_bytes, &layers);
        let own = Descriptor::of(media_type::OCI_MANIFEST, &manifest);
        archive.blob(&own.digest, &manifest)?;
        Ok((own, layers))
    }

    /// An image whose layers are kept as registries have them, and all that its target leads to.
    fn save_as_it_came(
        &self,
        archive: &mut Archive<'_>,
        plan: &SavePlan,
        image: &Image,
        own: Descriptor,
        bytes: &[u8],
    ) -> Result<(Descriptor, Vec<Descriptor>), StoreError> {
        let parsed = oci::Document::parse(bytes, Some(&own.media_type));
        let parsed = parsed.map_err(|error| StoreError::bad_image_of("save the image", error))?;
        let oci::Document::Manifest(manifest) = parsed else {
            return Err(StoreError::bad_image("save the image: its manifest is an index"));
        };
        archive.blob(&own.digest, bytes)?;
        self.save_blobs(archive, &manifest.layers)?;
        let target = image.target.as_ref().filter(|target| **target != own);
        let Some(target) = target.filter(|_| !plan.is_one_platform) else {
            return Ok((own, manifest.layers));
        };
        for digest in self.target_indexes(target) {
            self.save_document(archive, &digest)?;
        }
        for one in self.target_manifests(image) {
            let Some(further) = one.manifest.filter(|_| one.is_available) else { continue };
            let parts: Vec<Descriptor> =
                further.layers.iter().chain([&further.config]).cloned().collect();
            if parts.iter().all(|part| self.has_blob(&part.digest)) {
                self.save_document(archive, &one.descriptor.digest)?;
                self.save_blobs(archive, &parts)?;
            }
        }
        Ok((target.clone(), manifest.layers))
    }

    fn save_document(&self, archive: &mut Archive<'_>, digest: &Digest) -> Result<(), StoreError> {
        let missing = || StoreError::NoSuchImage { reference: digest.to_string() };
        let bytes = self.blob(digest).ok_or_else(missing)?;
        archive.blob(digest, &bytes)
    }

    fn save_blobs(
        &self,
        archive: &mut Archive<'_>,
        blobs: &[Descriptor],
    ) -> Result<(), StoreError> {
        blobs.iter().try_for_each(|blob| {
            let missing = || StoreError::MissingLayer { diff_id: blob.digest.clone() };
            archive.stream(blob, || self.open_blob(&blob.digest), missing)
        })
    }
}

fn is_for(image: &Image, platform: &Platform) -> bool {
    let config = &image.config;
    config.os == platform.os
        && config.architecture == platform.architecture
        && (platform.variant.is_empty() || config.variant == platform.variant)
}

/// The archive that is being written.
struct Archive<'a> {
    writer: Writer<&'a mut dyn Write>,
    written: BTreeSet<Digest>,
}

impl Archive<'_> {
    fn directory(&mut self, name: &str) -> Result<(), StoreError> {
        let entry = Entry { mode: 0o755, ..entry(name, EntryKind::Directory) };
        self.writer.append(&entry, io::empty()).map_err(failed("write"))
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        match self.written.insert(digest.clone()) {
            true => self.file(&blob_name(digest), bytes),
            false => Ok(()),
        }
    }

    /// Writes what `open` gives, which must be what it is called.
    fn stream<R: Read>(
        &mut self,
        blob: &Descriptor,
        open: impl FnOnce() -> Result<R, StoreError>,
        missing: impl Fn() -> StoreError,
    ) -> Result<(), StoreError> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(());
        }
        let mut stream = HashingReader::expecting(open()?, &blob.digest);
        let kind = EntryKind::File { size: blob.size, segments: None };
        let entry = entry(&blob_name(&blob.digest), kind);
        self.writer.append(&entry, &mut stream).map_err(failed("write a layer to"))?;
        // More than it should be, or something else, is as bad as too little.
        let more = stream.read(&mut [0; 1]).map_err(failed("write a layer to"))?;
        let (_, digest, _) = stream.finish();
        if more == 0 && digest == blob.digest { Ok(()) } else { Err(missing()) }
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let kind = EntryKind::File { size: bytes.len() as u64, segments: None };
        self.writer.append(&entry(name, kind), bytes).map_err(failed("write"))
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The same images always give the same bytes: no times.
fn entry(name: &str, kind: EntryKind) -> Entry {
    let mtime = Time { seconds: 0, nanoseconds: 0 };
    let path = name.as_bytes().to_vec();
    Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Vec::new() }
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |cause| StoreError::Disk(PathError::of(operation, "the image archive".as_ref())(cause))
}
