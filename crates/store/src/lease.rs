//! Leases: what is kept although no image needs it yet.

use oci::Digest;

use crate::error::StoreError;
use crate::store::Store;

/// Keeps layers and blobs that no image stands on yet. Dropped, those that nothing needs may go.
pub struct Lease {
    store: Store,
    layers: Vec<Digest>,
    blobs: Vec<Digest>,
}

impl Lease {
    pub(crate) fn new(store: &Store) -> Lease {
        Lease { store: store.clone(), layers: Vec::new(), blobs: Vec::new() }
    }

    /// The layers that are kept.
    pub fn layers(&self) -> &[Digest] {
        &self.layers
    }

    /// Takes over another lease on the same store.
    pub fn absorb(&mut self, mut other: Lease) {
        self.layers.append(&mut other.layers);
        self.blobs.append(&mut other.blobs);
    }

    /// Adds a layer; `false` when it is not there.
    pub(crate) fn take(&mut self, diff_id: &Digest) -> bool {
        let found =
            self.store.state().layers.get_mut(diff_id).map(|layer| layer.leases += 1).is_some();
        if found {
            self.layers.push(diff_id.clone());
        }
        found
    }

    /// Adds a blob, whether it is there already or not.
    pub(crate) fn take_blob(&mut self, digest: &Digest) {
        *self.store.state().blob_leases.entry(digest.clone()).or_default() += 1;
        self.blobs.push(digest.clone());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.layers.is_empty() && self.blobs.is_empty() {
            return;
        }
        let mut state = self.store.state();
        for diff_id in &self.layers {
            if let Some(layer) = state.layers.get_mut(diff_id) {
                layer.leases = layer.leases.saturating_sub(1);
            }
        }
        for digest in &self.blobs {
            let leases = state.blob_leases.remove(digest).unwrap_or(0);
            if leases > 1 {
                state.blob_leases.insert(digest.clone(), leases - 1);
            }
        }
        drop(state);
        if let Err(error) = self.store.forget_unused() {
            tracing::warn!(error = %stdx::error::chain(&error), "unused layers stay");
        }
    }
}

impl Store {
    /// Keeps these layers as long as the lease lives.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`] for the first that is not there.
    pub fn lease_layers(&self, diff_ids: &[Digest]) -> Result<Lease, StoreError> {
        let mut lease = Lease::new(self);
        for diff_id in diff_ids {
            // The lease gives back what it has when it is dropped here.
            if !lease.take(diff_id) {
                return Err(StoreError::MissingLayer { diff_id: diff_id.clone() });
            }
        }
        Ok(lease)
    }
}
