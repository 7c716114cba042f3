//! `save`: images to one archive, as Docker 28 writes it: an OCI layout, and beside it the
//! `manifest.json` and `repositories` that older versions read.

mod documents;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use oci::reference::AnyReference;
use oci::{Digest, HashingReader, Platform, Reference};
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
        let mut plan = SavePlan { images: Vec::new() };
        for name in names {
            for (id, reference) in self.named(name)? {
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

    /// Writes the archive. The layers are those that were loaded, byte for byte.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`] when one cannot be made as it was, [`StoreError::Disk`] when
    /// the output fails. The archive is not whole then.
    pub fn save(&self, plan: &SavePlan, output: &mut dyn Write) -> Result<(), StoreError> {
        let layers: BTreeSet<Digest> =
            plan.images.iter().flat_map(|(image, _)| image.layers.iter().cloned()).collect();
        let layers: Vec<Digest> = layers.into_iter().collect();
        let lease = self.lease_layers(&layers)?;
        let mut archive = Archive { writer: Writer::new(output), written: BTreeSet::new() };
        archive.directory("blobs/")?;
        archive.directory("blobs/sha256/")?;
        let mut saved = Vec::new();
        for (image, names) in &plan.images {
            let missing = || StoreError::NoSuchImage { reference: image.id.to_string() };
            let config = self.blob(&image.id).ok_or_else(missing)?;
            archive.blob(&image.id, &config)?;
            let mut sizes = Vec::new();
            for diff_id in &image.layers {
                let size = self.layer(diff_id).map_or(0, |layer| layer.facts.stream_bytes);
                sizes.push((diff_id.clone(), size));
                self.save_layer(&mut archive, diff_id, size)?;
            }
            let manifest = documents::manifest(&image.id, config.len(), &sizes);
            archive.blob(&Digest::of(&manifest), &manifest)?;
            saved.push(documents::Saved { image, names, manifest, layers: sizes });
        }
        for (name, text) in documents::all(&saved) {
            archive.file(name, &text)?;
        }
        archive.writer.finish().map(drop).map_err(failed("end"))?;
        drop(lease);
        Ok(())
    }

    fn save_layer(
        &self,
        archive: &mut Archive<'_>,
        diff_id: &Digest,
        size: u64,
    ) -> Result<(), StoreError> {
        if !archive.written.insert(diff_id.clone()) {
            return Ok(());
        }
        let mut stream = HashingReader::new(self.layer_stream(diff_id)?);
        let entry = entry(&blob_name(diff_id), EntryKind::File { size, segments: None });
        archive.writer.append(&entry, &mut stream).map_err(failed("write a layer to"))?;
        // A recipe that gives more than it should, or something else, is as bad as one too short.
        let more = stream.read(&mut [0; 1]).map_err(failed("write a layer to"))?;
        let (_, digest, _) = stream.finish();
        match more == 0 && digest == *diff_id {
            true => Ok(()),
            false => Err(StoreError::MissingLayer { diff_id: diff_id.clone() }),
        }
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

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let kind = EntryKind::File { size: bytes.len() as u64, segments: None };
        self.writer.append(&entry(name, kind), bytes).map_err(failed("write"))
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
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
