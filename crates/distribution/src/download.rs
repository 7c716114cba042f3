//! One layer on its way here: received, hashed, written down and unpacked at the same time.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use oci::Descriptor;
use registry::{RegistryError, Repository};
use store::{Ingest, IngestError, PendingLayer, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::blocking::{OnDisk, blocking};
use crate::error::DistributionError;
use crate::progress::{LayerStatus, Progress};
use crate::registries::registry_error;
use crate::retry::{PROGRESS_BYTES_MIN, Retries};
use crate::turns::{Held, Turns};

/// Pieces between the network and the unpacking, of at most 256 KiB each: enough to keep both busy.
const PIECES_MAX: usize = 8;
/// People cannot read faster.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// One layer that is wanted.
pub(crate) struct Download {
    pub repository: Repository,
    pub store: Arc<Store>,
    pub permits: Arc<Semaphore>,
    pub turns: Arc<Turns>,
    pub retries: Retries,
    pub progress: Progress,
    pub descriptor: Descriptor,
    /// As it is shown: twelve digits.
    pub id: String,
}

impl Download {
    /// Brings it here. Others who want the same layer wait, and get what came.
    pub(crate) async fn run(mut self) -> Result<OnDisk<PendingLayer>, DistributionError> {
        let mut is_second = false;
        loop {
            let error = match self.once().await {
                Ok(layer) => return Ok(layer),
                Err(error) => error,
            };
            // What came in an earlier try may have been at fault.
            let was_resumed = matches!(
                &error,
                DistributionError::Store(StoreError::Ingest(IngestError::WrongContent {
                    was_resumed: true,
                    ..
                }))
            );
            if !was_resumed || is_second {
                return Err(error);
            }
            is_second = true;
        }
    }

    async fn once(&mut self) -> Result<OnDisk<PendingLayer>, DistributionError> {
        // Both are waited for without a thread: there are more pulls than threads.
        let _turn = self.turn().await;
        let _permit = self.permit().await?;
        let (store, descriptor) = (Arc::clone(&self.store), self.descriptor.clone());
        let ingest = blocking(move || store.ingest(&descriptor)).await?;
        let layer = match ingest.is_complete() {
            true => blocking(move || ingest.unpack(&mut io::empty())).await?,
            false => self.receive(ingest).await?,
        };
        let layer = OnDisk::new(layer);
        self.progress.layer(&self.id, LayerStatus::DownloadComplete);
        Ok(layer)
    }

    async fn turn(&self) -> Held {
        let turn = self.turns.of(&self.descriptor.digest);
        match Arc::clone(&turn).try_lock_owned() {
            Ok(held) => held,
            Err(_) => {
                self.progress.layer(&self.id, LayerStatus::Waiting);
                turn.lock_owned().await
            }
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, DistributionError> {
        let permits = Arc::clone(&self.permits);
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => {
                self.progress.layer(&self.id, LayerStatus::Waiting);
                permits.acquire_owned().await.map_err(|_| cut_off(&self.descriptor))
            }
        }
    }

    async fn receive(&mut self, ingest: Ingest) -> Result<PendingLayer, DistributionError> {
        let offset = ingest.offset();
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let mut reader = Pieces { pieces, rest: Bytes::new() };
        let unpacking = tokio::task::spawn_blocking(move || ingest.unpack(&mut reader));
        let fed = self.feed(offset, &sender).await;
        drop(sender);
        let unpacked = unpacking.await.map_err(|_| cut_off(&self.descriptor))?;
        match (unpacked, fed) {
            (Ok(layer), _) => Ok(layer),
            // The reader only failed because the network had.
            (Err(StoreError::Ingest(IngestError::Source { .. })), Err(error)) => {
                Err(registry_error(error))
            }
            (Err(error), _) => Err(DistributionError::Store(error)),
        }
    }

    /// Hands over all bytes from `offset` on, through cuts and busy servers.
    async fn feed(
        &mut self,
        offset: u64,
        sender: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), RegistryError> {
        let (mut position, mut resumed_at) = (offset, offset);
        loop {
            let cut = match self.stream(&mut position, sender).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if position - resumed_at >= PROGRESS_BYTES_MIN {
                self.retries.forgive();
            }
            resumed_at = position;
            if let Err(error) = self.retries.wait(cut, &self.id, &self.progress).await {
                let cause = io::Error::other(error.to_string());
                // Nobody there any more is as good.
                sender.send(Err(cause)).await.ok();
                return Err(error);
            }
        }
    }

    async fn stream(
        &mut self,
        position: &mut u64,
        sender: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), RegistryError> {
        let total = self.descriptor.size;
        let mut stream = self.repository.blob(&self.descriptor, *position).await?;
        let mut shown = None::<Instant>;
        while let Some(bytes) = stream.chunk().await? {
            *position += bytes.len() as u64;
            // Whoever does not read any more knows why.
            if sender.send(Ok(bytes)).await.is_err() || *position > total {
                return Ok(());
            }
            if shown.is_none_or(|shown| shown.elapsed() >= PROGRESS_INTERVAL) {
                shown = Some(Instant::now());
                let current = *position;
                self.progress.layer(&self.id, LayerStatus::Downloading { current, total });
            }
        }
        if *position < total {
            return Err(stream.cut_off());
        }
        self.progress.layer(&self.id, LayerStatus::Downloading { current: total, total });
        self.progress.layer(&self.id, LayerStatus::VerifyingChecksum);
        Ok(())
    }
}

/// What arrives, for a thread that reads.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let length = self.rest.len().min(buffer.len());
        if let Some(target) = buffer.get_mut(..length) {
            self.rest.copy_to_slice(target);
        }
        Ok(length)
    }
}

fn cut_off(descriptor: &Descriptor) -> DistributionError {
    DistributionError::Cancelled { digest: descriptor.digest.clone() }
}
