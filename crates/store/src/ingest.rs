//! Blobs as they come in from a registry: on the disk at once, so that a cut costs nothing; hashed,
//! decompressed and unpacked at the same time.

mod arriving;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use oci::{Descriptor, Digest};
use stdx::Kind;
use stdx::fs::PathError;

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::layer::{Pending, PendingLayer};
use crate::lease::Lease;
use crate::store::Store;

pub(crate) use arriving::{Arriving, IngestedBlob};

/// What came in and was not asked for again in this time goes at the next opening.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a blob did not come in.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Its source failed, or ended too early. What came is kept: ask again for the rest.
    #[error("read the content of `{digest}` after {offset} bytes")]
    Source {
        /// Of what.
        digest: Digest,
        /// How many are here.
        offset: u64,
        /// The source's error.
        #[source]
        cause: io::Error,
    },
    /// More came than was promised. What came is gone.
    #[error("read the content of `{digest}`: it is longer than the {size} bytes that it should be")]
    TooLong {
        /// Of what.
        digest: Digest,
        /// How much was promised.
        size: u64,
    },
    /// It is not what was promised. What came is gone.
    #[error("filesystem layer verification failed for digest {expected}")]
    WrongContent {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Digest,
        /// Part of it came earlier, and may be at fault: once more from the start is worth it.
        was_resumed: bool,
    },
}

impl IngestError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            IngestError::Source { .. } => Kind::Unavailable,
            IngestError::TooLong { .. } | IngestError::WrongContent { .. } => Kind::Invalid,
        }
    }
}

/// Who takes which blob in.
#[derive(Default)]
pub(crate) struct Ingests {
    slots: Mutex<BTreeMap<Digest, Slot>>,
    freed: Condvar,
}

enum Slot {
    Busy,
    /// It came in, and is not committed yet, as long as somebody has it.
    Done(Weak<Pending>),
}

impl Ingests {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Digest, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else takes this blob in. Gives the layer that somebody else just got.
    fn claim(&self, digest: &Digest) -> Option<PendingLayer> {
        let mut slots = self.slots();
        while matches!(slots.get(digest), Some(Slot::Busy)) {
            slots = self.freed.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(Slot::Done(pending)) = slots.get(digest)
            && let Some(shared) = pending.upgrade()
        {
            return Some(PendingLayer { shared });
        }
        slots.insert(digest.clone(), Slot::Busy);
        None
    }
}

impl Store {
    /// Waits until nobody else makes a form of this layer.
    pub(crate) fn claim_form_of(&self, diff_id: &Digest) -> Claim {
        // No content that comes in can have this digest by design, so nothing is ever done there.
        let digest = Digest::of(format!("the form of {diff_id}").as_bytes());
        drop(self.shared.ingests.claim(&digest));
        Claim { store: self.clone(), digest }
    }
}

/// The right to take one blob in; nobody else has it meanwhile.
pub(crate) struct Claim {
    store: Store,
    digest: Digest,
}

impl Claim {
    /// Others may have the same layer.
    fn done(self, layer: &PendingLayer) {
        let slot = Slot::Done(Arc::downgrade(&layer.shared));
        self.store.shared.ingests.slots().insert(self.digest.clone(), slot);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let ingests = &self.store.shared.ingests;
        let mut slots = ingests.slots();
        if matches!(slots.get(&self.digest), Some(Slot::Busy)) {
            slots.remove(&self.digest);
        }
        // Slots of layers that are gone go, too.
        slots.retain(|_, slot| !matches!(slot, Slot::Done(layer) if layer.strong_count() == 0));
        ingests.freed.notify_all();
    }
}

/// One blob that is to come in.
pub struct Ingest {
    store: Store,
    form: Descriptor,
    source: Start,
}

/// What is there before the first byte comes.
enum Start {
    /// All of it, unpacked.
    Layer(PendingLayer),
    /// All of it, as a blob.
    Blob(Claim),
    /// So many bytes.
    Part(Claim, u64),
}

impl Ingest {
    /// How many bytes are here already: the reader has to go on from there.
    pub fn offset(&self) -> u64 {
        match self.source {
            Start::Layer(_) | Start::Blob(_) => self.form.size,
            Start::Part(_, offset) => offset,
        }
    }

    /// Whether all of it is here: nothing is read from the reader then.
    pub fn is_complete(&self) -> bool {
        self.offset() == self.form.size
    }

    /// Takes a layer in and unpacks it at the same time. `input` begins at [`Ingest::offset`].
    ///
    /// # Errors
    /// [`StoreError::Ingest`]; [`StoreError::Unpack`] when it is no sound layer or does not fit;
    /// [`StoreError::Disk`].
    pub fn unpack(self, input: &mut dyn Read) -> Result<PendingLayer, StoreError> {
        let (claim, arriving) = match self.source {
            Start::Layer(layer) => return Ok(layer),
            Start::Blob(claim) => {
                let arriving = Arriving::of_blob(&claim.store, &self.form)?;
                (claim, arriving)
            }
            Start::Part(claim, offset) => {
                let arriving = Arriving::new(&claim.store, &self.form, offset, input)?;
                (claim, arriving)
            }
        };
        let layer = claim.store.unpack_blob(arriving, &self.form)?;
        claim.done(&layer);
        Ok(layer)
    }

    /// Takes a blob in that is no layer, and keeps it durably as long as the lease lives. `input`
    /// begins at [`Ingest::offset`].
    ///
    /// # Errors
    /// [`StoreError::Ingest`], [`StoreError::Disk`].
    pub fn keep(self, input: &mut dyn Read) -> Result<Lease, StoreError> {
        let (claim, offset) = match self.source {
            Start::Layer(layer) => return self.store.commit_layers(vec![layer]),
            Start::Blob(claim) => {
                let mut lease = Lease::new(&claim.store);
                lease.take_blob(&self.form.digest);
                return Ok(lease);
            }
            Start::Part(claim, offset) => (claim, offset),
        };
        let arriving = Arriving::new(&claim.store, &self.form, offset, input)?;
        claim.store.commit_blob(arriving.finish()?)
    }
}

impl Store {
    /// Prepares to take a blob in. Waits as long as another thread takes the same one in.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when there is no room for it; [`StoreError::BadImage`] when it
    /// is here, and is not as long as `form` says.
    pub fn ingest(&self, form: &Descriptor) -> Result<Ingest, StoreError> {
        let form = form.clone();
        self.refuse_other_length(&form)?;
        if let Some(layer) = self.committed_layer(&form) {
            return Ok(Ingest { store: self.clone(), form, source: Start::Layer(layer) });
        }
        let source = match self.shared.ingests.claim(&form.digest) {
            Some(layer) => Start::Layer(layer),
            None => {
                let claim = Claim { store: self.clone(), digest: form.digest.clone() };
                match self.committed_layer(&form) {
                    Some(layer) => Start::Layer(layer),
                    None if self.has_blob(&form.digest) => Start::Blob(claim),
                    None => {
                        let offset = self.arrived(&form)?;
                        Start::Part(claim, offset)
                    }
                }
            }
        };
        Ok(Ingest { store: self.clone(), form, source })
    }

    /// What a manifest says of a blob that others stand on may be a lie: nothing is done to it.
    fn refuse_other_length(&self, form: &Descriptor) -> Result<(), StoreError> {
        match std::fs::symlink_metadata(self.shared.layout.blob(&form.digest)) {
            Ok(metadata) if metadata.len() != form.size => Err(StoreError::bad_image(format!(
                "`{}` has {} bytes, and should have {}",
                form.digest,
                metadata.len(),
                form.size
            ))),
            _ => Ok(()),
        }
    }

    /// How much of a blob is here; refuses it when the rest has no room.
    fn arrived(&self, form: &Descriptor) -> Result<u64, StoreError> {
        let path = self.shared.layout.ingest(&form.digest);
        let mut offset = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(StoreError::Disk(PathError::of("look at", &path)(cause))),
        };
        if offset > form.size {
            disk::remove_file(&path)?;
            offset = 0;
        }
        let missing = form.size - offset;
        match disk::free_bytes(&self.shared.layout.ingests())? >= missing {
            true => Ok(offset),
            false => {
                let cause = io::Error::from(io::ErrorKind::StorageFull);
                Err(StoreError::Disk(PathError::of("make room for", &path)(cause)))
            }
        }
    }

    fn commit_blob(&self, blob: IngestedBlob) -> Result<Lease, StoreError> {
        disk::sync_file(&blob.path)?;
        let _writing = self.writing();
        let mut lease = Lease::new(self);
        lease.take_blob(&blob.digest);
        let (to, algorithm) = (self.shared.layout.blob(&blob.digest), blob.digest.algorithm());
        blob.move_to(&to)?;
        failpoint::hit("store.blob.moved");
        disk::sync_directory(&self.shared.layout.blobs(algorithm))?;
        Ok(lease)
    }

    /// Removes what came in of blobs that nobody is taking in now and that have not grown for
    /// `age`. Returns the bytes.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn prune_ingests(&self, age: Duration) -> Result<u64, StoreError> {
        let mut freed = 0;
        for (name, path) in disk::list(&self.shared.layout.ingests())? {
            let digest = Digest::parse(&name.replacen('-', ":", 1)).ok();
            let slots = self.shared.ingests.slots();
            let is_used = digest.is_some_and(|digest| match slots.get(&digest) {
                Some(Slot::Busy) => true,
                Some(Slot::Done(layer)) => layer.strong_count() > 0,
                None => false,
            });
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let now = SystemTime::now();
            let old = metadata.modified().ok().and_then(|then| now.duration_since(then).ok());
            if !is_used && old.is_none_or(|old| old >= age) {
                disk::remove_file(&path)?;
                freed += metadata.len();
            }
        }
        Ok(freed)
    }

    /// Bytes of what has come in so far of blobs that are not whole.
    pub(crate) fn arrived_bytes(&self) -> u64 {
        let files = disk::list(&self.shared.layout.ingests()).unwrap_or_default();
        let sizes = files.iter().filter_map(|(_, path)| std::fs::symlink_metadata(path).ok());
        sizes.map(|metadata| metadata.len()).sum()
    }

    /// See [`Store::prune_ingests`]; for the opening.
    pub(crate) fn prune_old_ingests(&self) -> Result<(), StoreError> {
        self.prune_ingests(AGE_MAX).map(drop)
    }
}
