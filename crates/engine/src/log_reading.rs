//! What all readers of logs share: a bounded number of threads, and one inotify instance.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use logs::{Change, WatchId, Watches};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::error::{EngineError, Result};

/// How many logs are read at the same moment. A turn takes milliseconds, so that nobody waits for
/// long; and whatever clients ask for, most threads and most of the disk are left to the others.
const READERS_MAX: usize = 4;

/// See the module's documentation.
#[derive(Debug)]
pub struct LogReading {
    turns: Arc<Semaphore>,
    watching: Mutex<Option<Watching>>,
}

/// The inotify instance; there is one as long as somebody follows a log.
#[derive(Debug)]
struct Watching {
    watches: Arc<Watches>,
    followers: HashMap<WatchId, Vec<Arc<Notify>>>,
    /// Tells the followers; it ends with this.
    _announcer: JoinSet<()>,
}

/// A log that is watched for changes.
#[derive(Debug)]
pub struct Watched {
    reading: Arc<LogReading>,
    id: WatchId,
    changed: Arc<Notify>,
}

/// tokio asks for a number, and keeps the instance as long as it uses it.
struct Readable(Arc<Watches>);

impl Default for LogReading {
    fn default() -> LogReading {
        LogReading { turns: Arc::new(Semaphore::new(READERS_MAX)), watching: Mutex::default() }
    }
}

impl LogReading {
    /// Waits for a turn to read.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        turn.map_err(|error| EngineError::internal("failed to wait for a turn to read", error))
    }

    /// A turn to read if one is free.
    pub fn free_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// Watches a log, whose directory exists.
    pub fn watch(self: &Arc<LogReading>, log: &Path) -> Result<Watched> {
        let mut watching = self.watching();
        let running = match watching.take() {
            Some(running) => running,
            None => Watching::begin(Arc::downgrade(self))
                .map_err(|error| EngineError::internal("failed to watch logs", error))?,
        };
        let running = watching.insert(running);
        let id = match running.watches.add(log) {
            Ok(id) => id,
            Err(error) => {
                if running.followers.is_empty() {
                    *watching = None;
                }
                return Err(EngineError::internal("failed to watch the log", error));
            }
        };
        let changed = Arc::new(Notify::new());
        running.followers.entry(id).or_default().push(Arc::clone(&changed));
        Ok(Watched { reading: Arc::clone(self), id, changed })
    }

    fn watching(&self) -> MutexGuard<'_, Option<Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all whose logs have changed.
    fn announce(&self) {
        let watching = self.watching();
        let Some(Watching { watches, followers, .. }) = watching.as_ref() else { return };
        watches.changed(|change| match change {
            Change::Log(id) => {
                followers.get(&id).into_iter().flatten().for_each(|f| f.notify_one())
            }
            Change::Any => followers.values().flatten().for_each(|f| f.notify_one()),
        });
    }
}

impl Watching {
    fn begin(reading: Weak<LogReading>) -> std::io::Result<Watching> {
        let watches = Arc::new(Watches::new()?);
        let readable = link::readable(Readable(Arc::clone(&watches)))?;
        let mut announcer = JoinSet::new();
        announcer.spawn(announce(reading, readable));
        Ok(Watching { watches, followers: HashMap::new(), _announcer: announcer })
    }
}

async fn announce(reading: Weak<LogReading>, readable: AsyncFd<Readable>) {
    while let Ok(mut guard) = readable.readable().await {
        // First this: what is announced from now on makes it readable again.
        guard.clear_ready();
        let Some(reading) = reading.upgrade() else { return };
        reading.announce();
    }
}

impl Watched {
    /// Comes when the log has changed since this last came.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watching = self.reading.watching();
        let Some(running) = watching.as_mut() else { return };
        let Some(others) = running.followers.get_mut(&self.id) else { return };
        others.retain(|other| !Arc::ptr_eq(other, &self.changed));
        if others.is_empty() {
            running.followers.remove(&self.id);
            running.watches.remove(self.id);
        }
        if running.followers.is_empty() {
            *watching = None;
        }
    }
}

impl AsRawFd for Readable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Readable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
