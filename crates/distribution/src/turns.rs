//! One transfer for each blob at a time: who comes later waits here, without a thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oci::Digest;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Whose turn it is, by blob.
#[derive(Default)]
pub(crate) struct Turns(Mutex<BTreeMap<Digest, Weak<Turn<()>>>>);

impl Turns {
    /// The turn of a blob; locked as long as somebody brings it.
    pub(crate) fn of(&self, digest: &Digest) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(digest.clone(), Arc::downgrade(&turn));
        turn
    }
}

/// The right to bring a blob.
pub(crate) type Held = OwnedMutexGuard<()>;
