//! What happens during a pull or push, for whoever wants to watch.
//!
//! The queue never holds a transfer up: a number that was not read yet is replaced by the newer
//! one, so the queue holds at most one number and a handful of results a layer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oci::Digest;
use tokio::sync::Notify;

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProgressEvent {
    /// A pull of this tag (or digest) of this name begins: `Pulling from library/debian`.
    Pulling {
        /// Path within the registry.
        path: String,
        /// Tag or digest.
        tag: String,
    },
    /// A push to this name begins.
    Pushing {
        /// Domain and path.
        repository: String,
    },
    /// Something happened to a layer.
    Layer {
        /// Twelve digits.
        id: String,
        /// What.
        status: LayerStatus,
    },
    /// The digest of what was pulled.
    PulledDigest(Digest),
    /// The last word on one name that was pulled.
    PullStatus {
        /// As people write it.
        name: String,
        /// Whether it did not stand for that before.
        is_newer: bool,
    },
    /// One tag was pushed.
    Pushed(crate::spec::PushedTag),
}

/// What happened to a layer. The names are Docker's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LayerStatus {
    /// Pull: the layer is wanted.
    PullingFsLayer,
    /// It is somebody else's turn.
    Waiting,
    /// Pull: bytes arrive.
    Downloading {
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A cut; it goes on after so many seconds.
    Retrying {
        /// Seconds.
        seconds: u64,
    },
    /// Pull: all bytes are there.
    VerifyingChecksum,
    /// Pull: they are what was promised.
    DownloadComplete,
    /// Pull: files are written.
    Extracting {
        /// Compressed bytes so far.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// Pull: the layer is in the store.
    PullComplete,
    /// Pull: the layer was in the store before.
    AlreadyExists,
    /// Push: the layer is to be pushed.
    Preparing,
    /// Push: bytes leave.
    Pushing {
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Push: done.
    Pushed,
    /// Push: the registry had it.
    LayerAlreadyExists,
    /// Push: the registry had it under another name (path within the registry).
    MountedFrom(String),
}

impl LayerStatus {
    /// Whether a newer one makes it worthless.
    fn is_number(&self) -> bool {
        use LayerStatus::{Downloading, Extracting, Pushing, Retrying};
        matches!(self, Downloading { .. } | Extracting { .. } | Pushing { .. } | Retrying { .. })
    }
}

/// The writing end. Cheap to clone; the stream ends when the last one is dropped.
#[derive(Clone)]
pub struct Progress(Option<Arc<Sender>>);

/// The reading end.
pub struct ProgressReader(Arc<Shared>);

struct Sender(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<ProgressEvent>,
    is_ended: bool,
}

impl Progress {
    /// Both ends.
    pub fn channel() -> (Progress, ProgressReader) {
        let shared = Arc::new(Shared::default());
        let sender = Arc::new(Sender(Arc::clone(&shared)));
        (Progress(Some(sender)), ProgressReader(shared))
    }

    /// For those who do not watch.
    pub fn none() -> Progress {
        Progress(None)
    }

    /// Says that something happened. Never waits.
    pub fn send(&self, event: ProgressEvent) {
        let Some(sender) = &self.0 else { return };
        sender.0.queue().push(event);
        sender.0.changed.notify_one();
    }

    /// Says that something happened to a layer.
    pub fn layer(&self, id: &str, status: LayerStatus) {
        self.send(ProgressEvent::Layer { id: id.to_owned(), status });
    }
}

impl ProgressReader {
    /// The next event; `None` when there will be no more. Nothing is lost when it is cancelled.
    pub async fn next(&self) -> Option<ProgressEvent> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut queue = self.0.queue();
                match queue.events.pop_front() {
                    Some(event) => return Some(event),
                    None if queue.is_ended => return None,
                    None => {}
                }
            }
            changed.await;
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.queue().is_ended = true;
        self.0.changed.notify_one();
    }
}

impl Queue {
    /// Adds an event; a number that nobody read yet gives way to whatever comes for its layer.
    fn push(&mut self, event: ProgressEvent) {
        if let ProgressEvent::Layer { id, .. } = &event {
            let is_outdated = |queued: &ProgressEvent| {
                matches!(queued, ProgressEvent::Layer { id: other, status }
                    if other == id && status.is_number())
            };
            if let Some(index) = self.events.iter().rposition(is_outdated) {
                self.events.remove(index);
            }
        }
        self.events.push_back(event);
    }
}
