//! Layers: unpacked in `tmp/`, durable, then visible.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use oci::Digest;
use stdx::fs::{Durability, PathError};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::record::{self, FORMAT, LayerRecord};
use crate::store::{LayerState, Store};
use archive::recipe::{LayerStream, SPARE};
use archive::unpack::{LayerFacts, UnpackLimits};

/// Most that one layer may hold, if the disk has room for it.
const LAYER_BYTES_MAX: u64 = 1 << 40;

/// Most members of one layer; each costs an inode.
const LAYER_ENTRIES_MAX: u64 = 4_000_000;

/// Free space that unpacking leaves for others.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Up to so many members are synchronized one by one; beyond, the whole file system is, which costs
/// other writers time but is far faster.
const SYNC_ENTRIES_MAX: u64 = 64;

/// An unpacked layer that nobody sees yet. Dropped, it is deleted.
#[derive(Debug)]
pub struct PendingLayer {
    /// In `tmp/`; `None` once it was moved.
    directory: Option<PathBuf>,
    diff_id: Digest,
    facts: LayerFacts,
}

impl PendingLayer {
    /// Digest of the uncompressed archive.
    pub fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    /// What was seen while unpacking.
    pub fn facts(&self) -> &LayerFacts {
        &self.facts
    }
}

impl Drop for PendingLayer {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory
            && let Err(error) = stdx::fs::remove_tree(directory)
        {
            // The next opening makes it trash.
            tracing::warn!(error = %stdx::error::chain(&error), "unfinished layer stays");
        }
    }
}

/// Keeps layers that no image stands on yet. Dropped, those that nothing needs may go.
pub struct Lease<'a> {
    store: &'a Store,
    layers: Vec<Digest>,
}

impl Lease<'_> {
    /// The layers that are kept.
    pub fn layers(&self) -> &[Digest] {
        &self.layers
    }

    /// Adds a layer; `false` when it is not there.
    fn take(&mut self, diff_id: &Digest) -> bool {
        let found =
            self.store.state().layers.get_mut(diff_id).map(|layer| layer.leases += 1).is_some();
        if found {
            self.layers.push(diff_id.clone());
        }
        found
    }

    /// Takes over another lease on the same store.
    pub(crate) fn absorb(&mut self, mut other: Lease<'_>) {
        self.layers.append(&mut other.layers);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.store.state();
        for diff_id in &self.layers {
            if let Some(layer) = state.layers.get_mut(diff_id) {
                layer.leases = layer.leases.saturating_sub(1);
            }
        }
        drop(state);
        if let Err(error) = self.store.forget_unused() {
            tracing::warn!(error = %stdx::error::chain(&error), "unused layers stay");
        }
    }
}

impl Store {
    /// Unpacks a layer's stream (plain, gzip or zstd), reading it to its end.
    ///
    /// # Errors
    /// [`StoreError::Unpack`] when the stream, the layer or the disk is bad.
    pub fn unpack_layer(&self, input: &mut dyn Read) -> Result<PendingLayer, StoreError> {
        let directory = self.layout.tmp_name("layer-");
        disk::create_dir(&directory, 0o700)?;
        let mut pending = PendingLayer {
            directory: Some(directory.clone()),
            diff_id: Digest::of(b""),
            facts: LayerFacts::default(),
        };
        let fs = directory.join("fs");
        disk::create_dir(&fs, 0o755)?;
        disk::create_dir(&directory.join(SPARE), 0o700)?;
        failpoint::hit("store.layer.begun");
        let free = disk::free_bytes(&fs)?.saturating_sub(FREE_BYTES_MIN);
        let limits =
            UnpackLimits { bytes_max: free.min(LAYER_BYTES_MAX), entries_max: LAYER_ENTRIES_MAX };
        let facts = self.unpacker.run(input, &fs, &limits).map_err(StoreError::Unpack)?;
        failpoint::hit("store.layer.unpacked");
        // It stays where it is not empty.
        std::fs::remove_dir(directory.join(SPARE)).ok();
        pending.diff_id = Digest::parse(&facts.diff_id)
            .map_err(|_| StoreError::bad_image("the unpack worker gave no digest"))?;
        pending.facts = facts;
        Ok(pending)
    }

    /// Makes layers visible, all at once: records written, everything synchronized, moved into
    /// place. Layers that are there already stay as they are.
    pub fn commit_layers(&self, pending: Vec<PendingLayer>) -> Result<Lease<'_>, StoreError> {
        let mut lease = Lease { store: self, layers: Vec::new() };
        let mut fresh = Vec::new();
        for layer in pending {
            if !lease.take(&layer.diff_id) {
                let record = LayerRecord {
                    format: FORMAT,
                    created: jiff::Timestamp::now(),
                    facts: layer.facts.clone(),
                };
                fresh.push((layer, record));
            }
        }
        for (layer, record) in &fresh {
            if let Some(directory) = &layer.directory {
                let (path, bytes) = (directory.join("layer.json"), record::print(record));
                stdx::fs::replace(&path, &bytes, 0o600, Durability::Process)
                    .map_err(StoreError::Disk)?;
            }
        }
        failpoint::hit("store.layer.recorded");
        self.synchronize(fresh.iter().map(|(layer, _)| layer))?;
        failpoint::hit("store.layer.synced");
        for (layer, record) in fresh {
            self.move_into_place(layer, record, &mut lease)?;
        }
        disk::sync_directory(&self.layout.layers())?;
        failpoint::hit("store.layer.visible");
        Ok(lease)
    }

    /// Keeps these layers as long as the lease lives.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`] for the first that is not there.
    pub fn lease_layers(&self, diff_ids: &[Digest]) -> Result<Lease<'_>, StoreError> {
        let mut lease = Lease { store: self, layers: Vec::new() };
        for diff_id in diff_ids {
            // The lease gives back what it has when it is dropped here.
            if !lease.take(diff_id) {
                return Err(StoreError::MissingLayer { diff_id: diff_id.clone() });
            }
        }
        Ok(lease)
    }

    /// The layer's archive, as it was unpacked, uncompressed; see [`LayerStream`]. The layer must
    /// be kept meanwhile.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`]; [`StoreError::Disk`] also for a layer that an earlier version
    /// unpacked, which has no recipe.
    pub fn layer_stream(&self, diff_id: &Digest) -> Result<LayerStream, StoreError> {
        let name = self.state().layers.get(diff_id).map(|layer| layer.name.clone());
        let name = name.ok_or_else(|| StoreError::MissingLayer { diff_id: diff_id.clone() })?;
        let directory = self.layout.layers().join(name);
        LayerStream::open(&directory)
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

    fn synchronize<'a>(
        &self,
        layers: impl Iterator<Item = &'a PendingLayer> + Clone,
    ) -> Result<(), StoreError> {
        if layers.clone().map(|layer| layer.facts.entries).sum::<u64>() > SYNC_ENTRIES_MAX {
            return disk::sync_file_system(&self.layout.tmp());
        }
        let mut directories = layers.filter_map(|layer| layer.directory.as_ref());
        directories.try_for_each(|directory| disk::sync_tree(directory))
    }

    /// Moves a durable layer to where it is seen, unless another thread was faster.
    fn move_into_place(
        &self,
        mut layer: PendingLayer,
        record: LayerRecord,
        lease: &mut Lease<'_>,
    ) -> Result<(), StoreError> {
        let diff_id = layer.diff_id.clone();
        let _writing = self.writing();
        if lease.take(&diff_id) {
            return Ok(());
        }
        let Some(from) = &layer.directory else { return Ok(()) };
        let is_taken = |name: &str| self.state().layers.values().any(|other| other.name == name);
        let short = diff_id.short();
        let name = if is_taken(short) { diff_id.hex() } else { short }.to_owned();
        let to = self.layout.layers().join(&name);
        std::fs::rename(from, &to)
            .map_err(PathError::of("move a layer to", &to))
            .map_err(StoreError::Disk)?;
        failpoint::hit("store.layer.renamed");
        layer.directory = None;
        let layer = LayerState { name, record: Arc::new(record), leases: 1 };
        self.state().layers.insert(diff_id.clone(), layer);
        lease.layers.push(diff_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
