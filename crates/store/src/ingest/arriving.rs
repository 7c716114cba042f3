//! The stream of a blob that comes in, and where it ends up.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use oci::{Descriptor, Digest, Hasher};
use stdx::fs::PathError;

use super::{IngestError, Slot};
use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::store::Store;

/// With less room on the disk than this, what came in is not kept for another try.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// Bytes in one piece.
const PIECE_BYTES: usize = 256 << 10;

/// A blob that is whole and verified, where it came in. Dropped, it stays there for the next who
/// asks for it, if there is room.
pub(crate) struct IngestedBlob {
    store: Store,
    pub digest: Digest,
    pub path: PathBuf,
    is_moved: bool,
}

impl IngestedBlob {
    /// Moves it to where it is found.
    pub(crate) fn move_to(mut self, to: &Path) -> Result<(), StoreError> {
        // A blob of the store's own is not moved onto itself.
        if self.path != to {
            std::fs::rename(&self.path, to)
                .map_err(PathError::of("move a blob to", to))
                .map_err(StoreError::Disk)?;
        }
        self.is_moved = true;
        Ok(())
    }

    /// Nobody should find it again.
    pub(crate) fn discard(mut self) {
        if !self.is_moved {
            self.is_moved = true;
            remove(&self.path);
        }
    }
}

impl Drop for IngestedBlob {
    fn drop(&mut self) {
        let is_resumable = self.path.starts_with(self.store.shared.layout.ingests());
        if self.is_moved || (is_resumable && has_room(&self.path)) {
            return;
        }
        let slots = self.store.shared.ingests.slots();
        if !matches!(slots.get(&self.digest), Some(Slot::Busy)) {
            remove(&self.path);
        }
    }
}

/// Whether what came in may wait there for another try.
fn has_room(path: &Path) -> bool {
    disk::free_bytes(path).is_ok_and(|free| free >= FREE_BYTES_MIN)
}

fn remove(path: &Path) {
    if let Err(error) = disk::remove_file(path) {
        tracing::warn!(error = %stdx::error::chain(&error), "content that came in stays");
    }
}

/// A blob's bytes: first those that are here, then those that come, which are written down.
pub(crate) struct Arriving<'a> {
    store: Store,
    form: Descriptor,
    path: PathBuf,
    file: File,
    live: Option<&'a mut dyn Read>,
    /// It is new, and goes when it is no good.
    is_ingest: bool,
    /// Bytes that were here at the start.
    replayed: u64,
    position: u64,
    hasher: Hasher,
    failure: Option<StoreError>,
}

impl<'a> Arriving<'a> {
    pub(super) fn new(
        store: &Store,
        form: &Descriptor,
        offset: u64,
        live: &'a mut dyn Read,
    ) -> Result<Arriving<'a>, StoreError> {
        let path = store.shared.layout.ingest(&form.digest);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let live = (offset < form.size).then_some(live);
        Arriving::open(store, form, path, &options, live, offset)
    }

    /// From an archive: nobody asks for the rest of it later.
    pub(crate) fn of_archive(
        store: &Store,
        form: &Descriptor,
        live: &'a mut dyn Read,
    ) -> Result<Arriving<'a>, StoreError> {
        let path = store.shared.layout.tmp_name("blob-");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        Arriving::open(store, form, path, &options, Some(live), 0)
    }

    /// Of one that is here whole.
    pub(super) fn of_blob(store: &Store, form: &Descriptor) -> Result<Arriving<'a>, StoreError> {
        let path = store.shared.layout.blob(&form.digest);
        let options = OpenOptions::new().read(true).clone();
        Arriving::open(store, form, path, &options, None, form.size)
    }

    fn open(
        store: &Store,
        form: &Descriptor,
        path: PathBuf,
        options: &OpenOptions,
        live: Option<&'a mut dyn Read>,
        replayed: u64,
    ) -> Result<Arriving<'a>, StoreError> {
        let file = options.open(&path).map_err(PathError::of("open", &path));
        let layout = &store.shared.layout;
        let is_ingest = !path.starts_with(layout.blobs(form.digest.algorithm()));
        let hasher = Hasher::with(form.digest.algorithm());
        Ok(Arriving {
            store: store.clone(),
            form: form.clone(),
            file: file.map_err(StoreError::Disk)?,
            path,
            live,
            is_ingest,
            replayed,
            position: 0,
            hasher,
            failure: None,
        })
    }

    /// Reads what is left, and checks that all of it is what was promised.
    pub(crate) fn finish(mut self) -> Result<IngestedBlob, StoreError> {
        let mut piece = vec![0; PIECE_BYTES];
        while self.failure.is_none() && matches!(self.read(&mut piece), Ok(1..)) {}
        if let Some(failure) = self.failure.take() {
            return Err(self.give_up(failure));
        }
        let found = std::mem::take(&mut self.hasher).finish();
        if found != self.form.digest {
            // A blob of the store's own was read whole: the disk has damaged it, and another pull
            // brings it again.
            remove(&self.path);
            return Err(StoreError::Ingest(IngestError::WrongContent {
                expected: self.form.digest.clone(),
                found,
                was_resumed: self.replayed > 0,
            }));
        }
        failpoint::hit("store.ingest.arrived");
        let (store, digest, is_moved) = (self.store, self.form.digest, !self.is_ingest);
        Ok(IngestedBlob { store, digest, path: self.path, is_moved })
    }

    /// Ends with the reason: its own, if reading failed. What came stays only if asking again can
    /// help.
    pub(crate) fn give_up(mut self, error: StoreError) -> StoreError {
        let error = self.failure.take().unwrap_or(error);
        let is_resumable = matches!(&error, StoreError::Ingest(IngestError::Source { .. }))
            && self.path.starts_with(self.store.shared.layout.ingests())
            && has_room(&self.path);
        if self.is_ingest && !is_resumable {
            remove(&self.path);
        }
        error
    }

    fn fail(&mut self, failure: StoreError) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("the content does not come in")
    }

    fn replay(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.replayed - self.position).unwrap_or(usize::MAX);
        let end = left.min(buffer.len());
        let buffer = buffer.get_mut(..end).unwrap_or_default();
        let got = match self.file.read_at(buffer, self.position) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        got.map_err(|cause| {
            let error = StoreError::Disk(PathError::of("read", &self.path)(cause));
            self.fail(error)
        })
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(live) = &mut self.live else { return Ok(0) };
        let left = self.form.size - self.position;
        if left == 0 {
            // Nothing more may come.
            let more = live.read(&mut [0; 1]).unwrap_or(0);
            let (digest, size) = (self.form.digest.clone(), self.form.size);
            return match more {
                0 => Ok(0),
                _ => Err(self.fail(StoreError::Ingest(IngestError::TooLong { digest, size }))),
            };
        }
        let end = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..end).unwrap_or_default();
        let got = match live.read(buffer) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => return Err(cause),
            other => other,
        };
        let (digest, offset) = (self.form.digest.clone(), self.position);
        let got = got.map_err(|cause| {
            self.fail(StoreError::Ingest(IngestError::Source { digest, offset, cause }))
        })?;
        let written = self.file.write_all_at(buffer.get(..got).unwrap_or_default(), offset);
        written.map_err(|cause| {
            let error = StoreError::Disk(PathError::of("write", &self.path)(cause));
            self.fail(error)
        })?;
        Ok(got)
    }
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        let got = match self.position < self.replayed {
            true => self.replay(buffer)?,
            false => self.receive(buffer)?,
        };
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        self.position += got as u64;
        Ok(got)
    }
}
