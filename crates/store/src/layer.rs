//! Layers: unpacked in `tmp/`, durable, then visible.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archive::decompress::Decompressor;
use archive::recipe::{FILES, RECIPE, Recipe};
use archive::unpack::{LayerFacts, UnpackLimits};
use oci::{Descriptor, Digest};
use stdx::Kind;
use stdx::fs::{Durability, PathError};

use crate::blob;
use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::ingest::{Arriving, IngestedBlob};
use crate::lease::Lease;
use crate::record::{self, BlobRecord, FORMAT, LayerRecord};
use crate::store::{LayerState, Store};

/// Most that one layer may hold, if the disk has room for it.
const LAYER_BYTES_MAX: u64 = 1 << 40;

/// Most members of one layer; each costs an inode.
const LAYER_ENTRIES_MAX: u64 = 4_000_000;

/// Free space that unpacking leaves for others.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Up to so many members are synchronized one by one; beyond, the whole file system is, which costs
/// other writers time but is far faster.
const SYNC_ENTRIES_MAX: u64 = 64;

/// An unpacked layer that nobody sees yet. Copies are of the same layer; when the last one is
/// dropped before it was committed, it is deleted.
#[derive(Clone)]
pub struct PendingLayer {
    pub(crate) shared: Arc<Pending>,
}

/// What copies of a pending layer share.
pub(crate) struct Pending {
    diff_id: Digest,
    facts: LayerFacts,
    /// What came in, if it is to be kept.
    form: Option<Descriptor>,
    place: Mutex<Place>,
}

/// Where a pending layer is.
enum Place {
    /// In `tmp/`.
    Unpacked { directory: PathBuf, blob: Option<IngestedBlob> },
    /// Where everybody sees it.
    Committed(#[expect(dead_code, reason = "it keeps the layer")] Lease),
}

impl PendingLayer {
    /// Digest of the uncompressed archive.
    pub fn diff_id(&self) -> &Digest {
        &self.shared.diff_id
    }

    /// What was seen while unpacking.
    pub fn facts(&self) -> &LayerFacts {
        &self.shared.facts
    }

    /// The compressed form that is kept with it.
    pub fn blob(&self) -> Option<&Descriptor> {
        self.shared.form.as_ref()
    }
}

impl Pending {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was not moved into place is not needed: the layer was there already.
    fn commit(&self, lease: Lease) {
        let before = std::mem::replace(&mut *self.place(), Place::Committed(lease));
        if let Place::Unpacked { directory, .. } = before {
            drop(Unkept(Some(directory)));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Place::Unpacked { directory, .. } = &*self.place() {
            drop(Unkept(Some(directory.clone())));
        }
    }
}

/// Removes a directory unless it is kept.
struct Unkept(Option<PathBuf>);

impl Drop for Unkept {
    fn drop(&mut self) {
        if let Some(directory) = &self.0
            && let Err(error) = stdx::fs::remove_tree(directory)
        {
            // The next opening makes it trash.
            tracing::warn!(error = %stdx::error::chain(&error), "unfinished layer stays");
        }
    }
}

impl Store {
    /// Unpacks a layer's stream (plain, gzip or zstd), reading it to its end.
    ///
    /// # Errors
    /// [`StoreError::Unpack`] when the stream, the layer or the disk is bad.
    pub fn unpack_layer(&self, input: &mut dyn Read) -> Result<PendingLayer, StoreError> {
        let (mut directory, diff_id, facts) = self.unpack_stream(input, Recipe::Written)?;
        Ok(pending(directory.0.take().unwrap_or_default(), diff_id, facts, None))
    }

    /// As [`Store::unpack_layer`], of a blob whose bytes `input` puts on the disk as they are read.
    pub(crate) fn unpack_blob(
        &self,
        mut input: Arriving<'_>,
        form: &Descriptor,
    ) -> Result<PendingLayer, StoreError> {
        // Its blob gives the archive again: no recipe is needed.
        let unpacked = self.unpack_stream(&mut input, Recipe::Omitted);
        let (mut directory, diff_id, facts, blob) = match unpacked {
            Ok((directory, diff_id, facts)) => (directory, diff_id, facts, input.finish()?),
            // Bytes that are not those promised explain whatever they unpacked to.
            Err(error) if error.kind() == Kind::Invalid => {
                input.finish()?.discard();
                return Err(error);
            }
            Err(error) => return Err(input.give_up(error)),
        };
        let place = directory.0.take().unwrap_or_default();
        Ok(pending(place, diff_id, facts, Some((form.clone(), blob))))
    }

    /// As [`Store::unpack_layer`], of a compressed layer in an image archive, whose bytes are kept.
    pub(crate) fn unpack_archived(
        &self,
        form: &Descriptor,
        input: &mut dyn Read,
    ) -> Result<PendingLayer, StoreError> {
        self.unpack_blob(Arriving::of_archive(self, form, input)?, form)
    }

    fn unpack_stream(
        &self,
        input: &mut dyn Read,
        recipe: Recipe,
    ) -> Result<(Unkept, Digest, LayerFacts), StoreError> {
        let directory = self.shared.layout.unpacking_name();
        disk::create_dir(&directory, 0o700)?;
        let unkept = Unkept(Some(directory.clone()));
        let fs = directory.join(FILES);
        disk::create_dir(&fs, 0o755)?;
        failpoint::hit("store.layer.begun");
        let free = disk::free_bytes(&fs)?.saturating_sub(FREE_BYTES_MIN);
        let limits =
            UnpackLimits { bytes_max: free.min(LAYER_BYTES_MAX), entries_max: LAYER_ENTRIES_MAX };
        let unpacked = self.shared.unpacker.run(input, &fs, &limits, recipe);
        let facts = unpacked.map_err(StoreError::Unpack)?;
        failpoint::hit("store.layer.unpacked");
        let diff_id = Digest::parse(&facts.diff_id)
            .map_err(|_| StoreError::bad_image("the unpack worker gave no digest"))?;
        Ok((unkept, diff_id, facts))
    }

    /// A layer that is there already, in the form of a pending one.
    pub(crate) fn committed_layer(&self, form: &Descriptor) -> Option<PendingLayer> {
        let diff_id = self.layer_of_blob(&form.digest).filter(|_| self.has_blob(&form.digest))?;
        let lease = self.lease_layers(std::slice::from_ref(&diff_id)).ok()?;
        let facts = self.layer(&diff_id)?.facts.clone();
        let place = Mutex::new(Place::Committed(lease));
        let pending = Pending { diff_id, facts, form: Some(form.clone()), place };
        Some(PendingLayer { shared: Arc::new(pending) })
    }

    /// Makes layers visible, all at once: records written, everything synchronized, moved into
    /// place, first their blobs. Layers that are there already stay as they are, but what came in
    /// of them is kept.
    pub fn commit_layers(&self, pending: Vec<PendingLayer>) -> Result<Lease, StoreError> {
        let _committing = self.committing();
        let mut lease = Lease::new(self);
        let mut fresh = Vec::new();
        let mut seen = BTreeSet::new();
        for layer in &pending {
            if !lease.take(layer.diff_id()) && seen.insert(layer.diff_id()) {
                fresh.push((layer, write_records(&layer.shared)?));
            }
        }
        failpoint::hit("store.layer.recorded");
        self.synchronize(&pending, &fresh)?;
        failpoint::hit("store.layer.synced");
        self.move_blobs(&pending, &mut lease)?;
        for (layer, record) in &fresh {
            self.move_into_place(&layer.shared, record, &mut lease)?;
        }
        if !fresh.is_empty() {
            disk::sync_directory(&self.shared.layout.layers())?;
        }
        failpoint::hit("store.layer.visible");
        for layer in &pending {
            if let Some(form) = layer.blob() {
                self.remember_form(layer.diff_id(), form, None)?;
            }
            let own = self.lease_layers(std::slice::from_ref(layer.diff_id()))?;
            layer.shared.commit(own);
        }
        Ok(lease)
    }

    /// The layer's archive, as it was unpacked, uncompressed; see [`LayerStream`]. The layer must
    /// be kept meanwhile.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`]; [`StoreError::Disk`] also for a layer that has neither a
    /// recipe nor a blob, because an earlier version unpacked it.
    pub fn layer_stream(&self, diff_id: &Digest) -> Result<LayerStream, StoreError> {
        let found = self.state().layers.get(diff_id).map(|l| (l.name.clone(), l.blobs.clone()));
        let missing = || StoreError::MissingLayer { diff_id: diff_id.clone() };
        let (name, blobs) = found.ok_or_else(missing)?;
        let directory = self.shared.layout.layers().join(name);
        let kept = blobs.iter().find(|blob| self.has_blob(&blob.digest));
        if let Some(kept) = kept.filter(|_| !directory.join(RECIPE).exists()) {
            let path = self.shared.layout.blob(&kept.digest);
            return Decompressor::new(self.open_blob(&kept.digest)?, LAYER_BYTES_MAX)
                .map(LayerStream::Blob)
                .map_err(PathError::of("decompress", &path))
                .map_err(StoreError::Disk);
        }
        archive::LayerStream::open(&directory)
            .map(LayerStream::Recipe)
            .map_err(PathError::of("read the recipe of", &directory))
            .map_err(StoreError::Disk)
    }

    /// Whether the layer is there.
    pub fn has_layer(&self, diff_id: &Digest) -> bool {
        self.state().layers.contains_key(diff_id)
    }

    /// A layer's record.
    pub fn layer(&self, diff_id: &Digest) -> Option<Arc<LayerRecord>> {
        self.state().layers.get(diff_id).map(|layer| layer.record.clone())
    }

    fn synchronize(
        &self,
        pending: &[PendingLayer],
        fresh: &[(&PendingLayer, LayerRecord)],
    ) -> Result<(), StoreError> {
        if fresh.iter().map(|(layer, _)| layer.facts().entries).sum::<u64>() > SYNC_ENTRIES_MAX {
            return disk::sync_file_system(&self.shared.layout.tmp());
        }
        for layer in pending {
            if let Place::Unpacked { directory, blob } = &*layer.shared.place() {
                blob.as_ref().map_or(Ok(()), |blob| disk::sync_file(&blob.path))?;
                if fresh.iter().any(|(other, _)| Arc::ptr_eq(&other.shared, &layer.shared)) {
                    disk::sync_tree(directory)?;
                }
            }
        }
        Ok(())
    }

    /// Moves durable blobs to where they are found.
    fn move_blobs(&self, pending: &[PendingLayer], lease: &mut Lease) -> Result<(), StoreError> {
        let mut algorithms = BTreeSet::new();
        let _writing = self.writing();
        for layer in pending {
            let mut place = layer.shared.place();
            let Place::Unpacked { blob, .. } = &mut *place else { continue };
            if let Some(blob) = blob.take() {
                lease.take_blob(&blob.digest);
                algorithms.insert(blob.digest.algorithm());
                let to = self.shared.layout.blob(&blob.digest);
                blob.move_to(&to)?;
                failpoint::hit("store.blob.moved");
            }
        }
        for algorithm in algorithms {
            disk::sync_directory(&self.shared.layout.blobs(algorithm))?;
        }
        Ok(())
    }

    /// Moves a durable layer to where it is seen.
    fn move_into_place(
        &self,
        layer: &Pending,
        record: &LayerRecord,
        lease: &mut Lease,
    ) -> Result<(), StoreError> {
        let diff_id = layer.diff_id.clone();
        let Place::Unpacked { directory, .. } = &*layer.place() else { return Ok(()) };
        let _writing = self.writing();
        // Another commit of the same layer failed after it had moved the blob, which went again.
        if layer.form.as_ref().is_some_and(|form| !self.has_blob(&form.digest)) {
            return Err(StoreError::MissingLayer { diff_id });
        }
        let is_taken = |name: &str| self.state().layers.values().any(|other| other.name == name);
        let short = diff_id.short();
        let name = if is_taken(short) { diff_id.hex() } else { short }.to_owned();
        let to = self.shared.layout.layers().join(&name);
        std::fs::rename(directory, &to)
            .map_err(PathError::of("move a layer to", &to))
            .map_err(StoreError::Disk)?;
        failpoint::hit("store.layer.renamed");
        let blobs = layer.form.iter().map(BlobRecord::of).collect();
        let state = LayerState { name, record: Arc::new(record.clone()), blobs, leases: 0 };
        self.state().layers.insert(diff_id.clone(), state);
        lease.take(&diff_id);
        Ok(())
    }
}

/// Writes the records of a layer that nobody sees yet.
fn write_records(layer: &Pending) -> Result<LayerRecord, StoreError> {
    let record =
        LayerRecord { format: FORMAT, created: jiff::Timestamp::now(), facts: layer.facts.clone() };
    if let Place::Unpacked { directory, .. } = &*layer.place() {
        if let Some(form) = &layer.form {
            blob::write_first(directory, &[BlobRecord::of(form)])?;
        }
        let (path, bytes) = (directory.join("layer.json"), record::print(&record));
        stdx::fs::replace(&path, &bytes, 0o600, Durability::Process).map_err(StoreError::Disk)?;
    }
    Ok(record)
}

fn pending(
    directory: PathBuf,
    diff_id: Digest,
    facts: LayerFacts,
    blob: Option<(Descriptor, IngestedBlob)>,
) -> PendingLayer {
    let (form, blob) = blob.unzip();
    let place = Mutex::new(Place::Unpacked { directory, blob });
    PendingLayer { shared: Arc::new(Pending { diff_id, facts, form, place }) }
}

/// A layer's archive as it is read: made from its files, or decompressed from its blob. Whether it
/// is the archive that was unpacked, its digest tells.
pub enum LayerStream {
    /// By its recipe.
    Recipe(archive::LayerStream),
    /// By the form in which it came.
    Blob(Decompressor<File>),
}

impl Read for LayerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            LayerStream::Recipe(stream) => stream.read(buffer),
            LayerStream::Blob(stream) => stream.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
