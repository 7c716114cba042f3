//! Blobs: documents, and layers as registries have them, byte for byte.

use std::fs::File;

use oci::{Descriptor, Digest};
use stdx::fs::{Durability, PathError};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::lease::Lease;
use crate::record::{self, BlobRecord, BlobsRecord, FORMAT};
use crate::store::Store;

/// Compressed forms of one layer that are remembered; the oldest are forgotten.
const FORMS_MAX: usize = 16;

/// Repositories that are remembered for one blob, as many as Docker remembers.
const REPOSITORIES_MAX: usize = 50;

/// The name in a layer's directory of what is known of its compressed forms.
pub(crate) const BLOBS: &str = "blobs.json";

impl Store {
    /// A document's bytes, verified; `None` when it is not there or damaged.
    pub fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes_max = oci::manifest::MANIFEST_BYTES_MAX as u64;
        let bytes = stdx::fs::read(&self.shared.layout.blob(digest), bytes_max).ok()?;
        digest.verify(&bytes).ok().map(|()| bytes)
    }

    /// Whether a blob of this name is there; its bytes are not looked at.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.shared.layout.blob(digest).is_file()
    }

    /// Opens a blob that is kept by a lease or an image. Whoever passes its bytes on verifies them.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when it is not there.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.shared.layout.blob(digest);
        File::open(&path).map_err(PathError::of("open", &path)).map_err(StoreError::Disk)
    }

    /// Keeps a document (a manifest, an index, a configuration), durably.
    ///
    /// # Errors
    /// [`StoreError::BadImage`] when the bytes have another digest, [`StoreError::Disk`].
    pub fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<Lease, StoreError> {
        digest.verify(bytes).map_err(|error| StoreError::bad_image_of("keep a document", error))?;
        let _writing = self.writing();
        let mut lease = Lease::new(self);
        lease.take_blob(digest);
        self.put_blob(digest, bytes)?;
        Ok(lease)
    }

    /// Writes a blob unless it is there, whole. For those who hold `writing`.
    pub(crate) fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.blob(digest).is_none() {
            disk::write(&self.shared.layout.blob(digest), bytes)?;
            failpoint::hit("store.blob.written");
        }
        Ok(())
    }

    /// The layer of which this blob is a compressed form, if both are known here.
    pub fn layer_of_blob(&self, digest: &Digest) -> Option<Digest> {
        let state = self.state();
        let mut layers = state.layers.iter();
        let found = layers.find(|(_, layer)| layer.blobs.iter().any(|blob| blob.digest == *digest));
        found.map(|(diff_id, _)| diff_id.clone())
    }

    /// The compressed forms of a layer that are known, the latest first; those that are kept have
    /// their bytes here ([`Store::has_blob`]).
    pub fn forms_of_layer(&self, diff_id: &Digest) -> Vec<BlobRecord> {
        let state = self.state();
        state.layers.get(diff_id).map(|layer| layer.blobs.clone()).unwrap_or_default()
    }

    /// Remembers a compressed form of a layer, and the repository that has it.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`], [`StoreError::Disk`].
    pub fn remember_form(
        &self,
        diff_id: &Digest,
        form: &Descriptor,
        repository: Option<&str>,
    ) -> Result<(), StoreError> {
        let _writing = self.writing();
        let (name, mut blobs) = {
            let state = self.state();
            let missing = || StoreError::MissingLayer { diff_id: diff_id.clone() };
            let layer = state.layers.get(diff_id).ok_or_else(missing)?;
            (layer.name.clone(), layer.blobs.clone())
        };
        if !note(&mut blobs, form, repository) {
            return Ok(());
        }
        let path = self.shared.layout.layers().join(name).join(BLOBS);
        disk::write(&path, &print(&blobs))?;
        if let Some(layer) = self.state().layers.get_mut(diff_id) {
            layer.blobs = blobs;
        }
        Ok(())
    }

    /// A repository turned out not to have this blob.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn forget_repository(&self, digest: &Digest, repository: &str) -> Result<(), StoreError> {
        let Some(diff_id) = self.layer_of_blob(digest) else { return Ok(()) };
        let _writing = self.writing();
        let mut state = self.state();
        let Some(layer) = state.layers.get_mut(&diff_id) else { return Ok(()) };
        for blob in layer.blobs.iter_mut().filter(|blob| blob.digest == *digest) {
            blob.repositories.retain(|known| known != repository);
        }
        let path = self.shared.layout.layers().join(&layer.name).join(BLOBS);
        let bytes = print(&layer.blobs);
        drop(state);
        disk::write(&path, &bytes)
    }
}

/// Adds a form, or a repository to one that is known; `false` when nothing is new.
fn note(blobs: &mut Vec<BlobRecord>, form: &Descriptor, repository: Option<&str>) -> bool {
    let known = blobs.iter_mut().find(|blob| blob.digest == form.digest);
    let is_new = known.is_none();
    let blob = match known {
        Some(blob) => blob,
        None => {
            blobs.insert(0, BlobRecord::of(form));
            blobs.truncate(FORMS_MAX);
            let Some(first) = blobs.first_mut() else { return false };
            first
        }
    };
    match repository {
        Some(repository) if !blob.repositories.iter().any(|known| known == repository) => {
            blob.repositories.insert(0, repository.to_owned());
            blob.repositories.truncate(REPOSITORIES_MAX);
            true
        }
        _ => is_new,
    }
}

fn print(blobs: &[BlobRecord]) -> Vec<u8> {
    record::print(&BlobsRecord { format: FORMAT, blobs: blobs.to_vec() })
}

/// Writes what is known of the forms of a layer that nobody sees yet.
pub(crate) fn write_first(
    directory: &std::path::Path,
    blobs: &[BlobRecord],
) -> Result<(), StoreError> {
    stdx::fs::replace(&directory.join(BLOBS), &print(blobs), 0o600, Durability::Process)
        .map_err(StoreError::Disk)
}
