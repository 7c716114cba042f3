//! Names of images.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use oci::{AnyReference, Descriptor, Digest, Reference};
use stdx::fs::PathError;

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::named::Target;
use crate::record::{self, NamedRecord, RECORD_BYTES_MAX, TAGS_FORMAT, TagsRecord};
use crate::remove::RemoveSpec;
use crate::store::{Named, State, Store};

impl Store {
    /// Finds an image by what people write: a name (`latest` is meant when no tag is written), a
    /// name with a digest, an id with or without `sha256:`, or the start of an id that no other
    /// image's id has. Names win over ids.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`], [`StoreError::Reference`].
    pub fn resolve(&self, text: &str) -> Result<Digest, StoreError> {
        self.state().resolve(text)
    }

    /// Gives an image a name, taking it from the image that had it. Returns that image's id. The
    /// name stands for what the image's first name stands for, too.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] when the image is gone; [`StoreError::BadImage`] for a name
    /// with a digest, which only a pull or a push may give.
    pub fn tag(&self, id: &Digest, name: &Reference) -> Result<Option<Digest>, StoreError> {
        if name.digest().is_some() {
            let text = "refusing to create a tag with a digest reference".to_owned();
            return Err(StoreError::bad_image(text));
        }
        let target = self.image(id).and_then(|image| self.image_target(&image));
        self.set_name(name, id, target.as_ref())
    }

    /// Makes a name (with a tag, or with the digest by which a registry has it) stand for a
    /// manifest or an index and, of what it leads to, for this image. What the target leads to and
    /// is here stays as long as the name. Returns the id of the image that had the name.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] when the image is gone, [`StoreError::BadImage`] when the
    /// target is not here or does not lead to it.
    pub fn set_name(
        &self,
        name: &Reference,
        id: &Digest,
        target: Option<&Descriptor>,
    ) -> Result<Option<Digest>, StoreError> {
        let name = match name.digest() {
            Some(digest) => name.with_digest(digest.clone()),
            None => name.clone().with_default_tag(),
        };
        let _writing = self.writing();
        let (mut tags, image) = {
            let state = self.state();
            (state.tags.clone(), state.images.get(id).map(|image| image.record.clone()))
        };
        let mut record = image.ok_or_else(|| crate::image::no_such_image(id))?;
        // More of it may be here than before.
        let read = target.map(|target| Arc::new(Target::read(&self.shared.layout, target)));
        if let Some(read) = &read
            && !read.images().any(|image| image == id)
        {
            let text = format!("{} does not lead to the image {id}", read.descriptor.digest);
            return Err(StoreError::bad_image(text));
        }
        let named = Named { image: id.clone(), target: target.cloned() };
        let before = tags.insert(name, named);
        record.last_tagged = Some(jiff::Timestamp::now());
        disk::write(&self.shared.layout.image(id), &record::print(&record))?;
        self.write_tags(tags)?;
        let mut state = self.state();
        if let Some(read) = read {
            state.targets.insert(read.descriptor.digest.clone(), read);
        }
        if let Some(image) = state.images.get_mut(id) {
            image.record.last_tagged = record.last_tagged;
        }
        drop(state);
        Ok(before.map(|before| before.image).filter(|before| before != id))
    }

    /// As [`Store::set_name`], for an image that was just added: without the name it goes again,
    /// unless it has another one.
    pub(crate) fn set_first_name(
        &self,
        name: &Reference,
        id: &Digest,
        target: Option<&Descriptor>,
    ) -> Result<Option<Digest>, StoreError> {
        let named = self.set_name(name, id, target);
        if named.is_err() && self.state().names_of(id).is_empty() {
            let spec = RemoveSpec { image: id.hex(), force: false, prune_parents: false };
            // Whatever keeps it was there before; the first failure is told.
            drop(self.remove(spec, &[]));
        }
        named
    }

    /// Replaces all names. For those who hold `writing`.
    pub(crate) fn write_tags(&self, tags: BTreeMap<Reference, Named>) -> Result<(), StoreError> {
        let (path, bytes) = (self.shared.layout.tags(), print(&tags));
        if bytes.len() as u64 > RECORD_BYTES_MAX {
            let text = format!("they would have more than {RECORD_BYTES_MAX} bytes");
            let cause = io::Error::new(io::ErrorKind::QuotaExceeded, text);
            return Err(StoreError::Disk(PathError::of("write the names of images to", &path)(
                cause,
            )));
        }
        disk::write(&path, &bytes)?;
        failpoint::hit("store.tags.replaced");
        let mut state = self.state();
        state.tags = tags;
        state.refresh_targets(&self.shared.layout);
        Ok(())
    }
}

/// The names as they are on disk.
fn print(tags: &BTreeMap<Reference, Named>) -> Vec<u8> {
    let texts = tags.iter().map(|(name, named)| {
        let Named { image, target } = named.clone();
        (name.to_string(), NamedRecord { image, target })
    });
    record::print(&TagsRecord { format: TAGS_FORMAT, tags: texts.collect() })
}

impl State {
    /// See [`Store::resolve`].
    pub(crate) fn resolve(&self, text: &str) -> Result<Digest, StoreError> {
        let missing = |reference: String| StoreError::NoSuchImage { reference };
        let reference = match AnyReference::parse(text).map_err(StoreError::Reference)? {
            AnyReference::Digest(id) if self.images.contains_key(&id) => return Ok(id),
            AnyReference::Digest(id) => return Err(missing(id.to_string())),
            AnyReference::Name(reference) => reference,
        };
        let named = self.named(&reference).map(|named| &named.image);
        let named = named.or_else(|| self.by_id_prefix(text));
        named.cloned().ok_or_else(|| missing(reference.with_default_tag().familiar()))
    }

    /// The image that has this name; where tag and digest are written the digest counts.
    fn named(&self, reference: &Reference) -> Option<&Named> {
        match reference.digest() {
            Some(digest) => self.tags.get(&reference.with_digest(digest.clone())),
            None => self.tags.get(&reference.clone().with_default_tag()),
        }
    }

    /// What a text stands for that is a name.
    pub(crate) fn name_of(&self, text: &str) -> Option<&Named> {
        match AnyReference::parse(text).ok()? {
            AnyReference::Name(reference) => self.named(&reference),
            AnyReference::Digest(_) => None,
        }
    }

    /// The only image whose id begins so.
    fn by_id_prefix(&self, text: &str) -> Option<&Digest> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.is_empty() {
            return None;
        }
        let mut found = self.images.keys().filter(|id| id.hex().starts_with(prefix));
        found.next().filter(|_| found.next().is_none())
    }

    /// The names of an image, sorted.
    pub(crate) fn names_of(&self, id: &Digest) -> Vec<Reference> {
        let names = self.tags.iter().filter(|(_, named)| named.image == *id);
        names.map(|(name, _)| name.clone()).collect()
    }
}
