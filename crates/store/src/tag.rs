//! Names of images.

use std::collections::BTreeMap;

use oci::{AnyReference, Digest, Reference};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::record::{self, FORMAT, TagsRecord};
use crate::store::{State, Store};

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

    /// Gives an image a name, taking it from the image that had it. Returns that image's id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] when the image is gone; [`StoreError::Conflict`] for a name
    /// with a digest, which only a pull may give.
    pub fn tag(&self, id: &Digest, name: &Reference) -> Result<Option<Digest>, StoreError> {
        if name.digest().is_some() {
            let text = "refusing to create a tag with a digest reference".to_owned();
            return Err(StoreError::bad_image(text));
        }
        self.add_name(id, name.clone().with_default_tag())
    }

    /// Notes that an image is known by a digest in a repository.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] when the image is gone.
    pub fn add_digest(
        &self,
        id: &Digest,
        repository: &Reference,
        digest: Digest,
    ) -> Result<(), StoreError> {
        self.add_name(id, repository.with_digest(digest)).map(drop)
    }

    fn add_name(&self, id: &Digest, name: Reference) -> Result<Option<Digest>, StoreError> {
        let _writing = self.writing();
        let (mut tags, image) = {
            let state = self.state();
            (state.tags.clone(), state.images.get(id).map(|image| image.record.clone()))
        };
        let mut record = image.ok_or_else(|| crate::image::no_such_image(id))?;
        let before = tags.insert(name, id.clone());
        record.last_tagged = Some(jiff::Timestamp::now());
        disk::write(&self.shared.layout.image(id), &record::print(&record))?;
        self.write_tags(tags)?;
        if let Some(image) = self.state().images.get_mut(id) {
            image.record.last_tagged = record.last_tagged;
        }
        Ok(before.filter(|before| before != id))
    }

    /// Replaces all names. For those who hold `writing`.
    pub(crate) fn write_tags(&self, tags: BTreeMap<Reference, Digest>) -> Result<(), StoreError> {
        let texts = tags.iter().map(|(name, id)| (name.to_string(), id.clone())).collect();
        let record = TagsRecord { format: FORMAT, tags: texts };
        disk::write(&self.shared.layout.tags(), &record::print(&record))?;
        failpoint::hit("store.tags.replaced");
        self.state().tags = tags;
        Ok(())
    }
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
        let named = self.named(&reference).or_else(|| self.by_id_prefix(text));
        named.cloned().ok_or_else(|| missing(reference.with_default_tag().familiar()))
    }

    /// The image that has this name; where tag and digest are written the digest counts.
    fn named(&self, reference: &Reference) -> Option<&Digest> {
        match reference.digest() {
            Some(digest) => self.tags.get(&reference.with_digest(digest.clone())),
            None => self.tags.get(&reference.clone().with_default_tag()),
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
        let names = self.tags.iter().filter(|(_, named)| *named == id);
        names.map(|(name, _)| name.clone()).collect()
    }
}
