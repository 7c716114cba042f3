//! One layer on its way to a registry: found there, mounted from another repository, or sent as it
//! is kept. Only a layer that was made here and never pushed is compressed first.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use oci::{Descriptor, Digest, Reference};
use registry::{Opened, RegistryError, Repository, Upload};
use store::{Store, StoreError};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::blocking::blocking;
use crate::error::DistributionError;
use crate::progress::{LayerStatus, Progress};
use crate::registries::push_error;
use crate::retry::Retries;

/// Pieces between the disk and the network.
const PIECES_MAX: usize = 8;
const PIECE_BYTES: usize = 128 << 10;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// Repositories that are asked for a mount; each is a round trip.
const MOUNTS_MAX: usize = 4;

/// A layer that the manifest wants.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// What it is unpacked, if that is known.
    pub diff_id: Option<Digest>,
    /// The very form that the manifest names; any will do when it is not given.
    pub form: Option<Descriptor>,
}

/// One layer that is to be pushed.
pub(crate) struct LayerUpload {
    pub repository: Repository,
    /// Without tag.
    pub name: Reference,
    pub store: Arc<Store>,
    pub permits: Arc<Semaphore>,
    pub retries: Retries,
    pub progress: Progress,
    pub wanted: Wanted,
}

/// What became of one try.
enum Sent {
    Form(Descriptor, LayerStatus),
    Failed(DistributionError),
}

impl Wanted {
    /// As it is shown: twelve digits of what is unpacked.
    pub(crate) fn id(&self) -> &str {
        let form = self.form.as_ref().map(|form| &form.digest);
        self.diff_id.as_ref().or(form).map_or("", Digest::short)
    }
}

impl LayerUpload {
    /// Brings it there; gives the form that is there now.
    pub(crate) async fn run(mut self) -> Result<Descriptor, DistributionError> {
        let id = self.wanted.id().to_owned();
        let permits = Arc::clone(&self.permits);
        let _permit = match permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                self.progress.layer(&id, LayerStatus::Waiting);
                permits.acquire().await.map_err(|_| stopping())?
            }
        };
        loop {
            let error = match self.once(&id).await {
                Sent::Form(form, status) => {
                    self.remember(&form).await?;
                    self.progress.layer(&id, status);
                    return Ok(form);
                }
                Sent::Failed(DistributionError::Registry(error)) => *error,
                Sent::Failed(error) => return Err(error),
            };
            let waited = self.retries.wait(error, &id, &self.progress).await;
            waited.map_err(push_error)?;
        }
    }

    async fn once(&self, id: &str) -> Sent {
        match self.bring(id).await {
            Ok((form, status)) => Sent::Form(form, status),
            Err(error) => Sent::Failed(error),
        }
    }

    async fn bring(&self, id: &str) -> Result<(Descriptor, LayerStatus), DistributionError> {
        let forms = self.forms();
        for (form, _) in &forms {
            if self.repository.has_blob(&form.digest).await.map_err(push_error)? {
                return Ok((form.clone(), LayerStatus::LayerAlreadyExists));
            }
        }
        let mut open = None;
        for (form, repositories) in &forms {
            for from in repositories.iter().take(MOUNTS_MAX) {
                let opened = self.repository.open_upload(&form.digest, Some(from)).await;
                match opened {
                    Ok(Opened::Mounted) => {
                        return Ok((form.clone(), LayerStatus::MountedFrom(from.clone())));
                    }
                    Ok(Opened::Upload(upload)) => {
                        open = Some(upload);
                        self.forget(&form.digest, from).await;
                    }
                    // The other repository is not ours to read: the bytes travel.
                    Err(error) if error.status().is_some() => {}
                    Err(error) => return Err(push_error(error)),
                }
            }
        }
        let kept = forms.into_iter().find(|(form, _)| self.store.has_blob(&form.digest));
        let form = match (kept, self.wanted.diff_id.clone()) {
            (Some((form, _)), _) => form,
            (None, Some(diff_id)) => {
                let store = Arc::clone(&self.store);
                blocking(move || store.layer_blob(&diff_id)).await?
            }
            (None, None) => return Err(stopping()),
        };
        self.send(id, &form, open).await?;
        Ok((form, LayerStatus::Pushed))
    }

    /// Forms that would do, and repositories of the same registry that have them.
    fn forms(&self) -> Vec<(Descriptor, Vec<String>)> {
        let known = self.wanted.diff_id.as_ref().map(|id| self.store.forms_of_layer(id));
        let known = known.unwrap_or_default();
        let domain = format!("{}/", self.name.domain());
        let paths = |repositories: &[String]| -> Vec<String> {
            let own = self.name.repository();
            let others = repositories.iter().filter(|repository| **repository != own);
            others.filter_map(|other| other.strip_prefix(&domain)).map(str::to_owned).collect()
        };
        match &self.wanted.form {
            None => {
                known.iter().map(|form| (form.descriptor(), paths(&form.repositories))).collect()
            }
            Some(form) => {
                let same = known.iter().find(|known| known.digest == form.digest);
                let others = same.map(|known| paths(&known.repositories)).unwrap_or_default();
                vec![(form.clone(), others)]
            }
        }
    }

    async fn open(&self, digest: &Digest, open: Option<Upload>) -> Result<Upload, RegistryError> {
        if let Some(upload) = open {
            return Ok(upload);
        }
        match self.repository.open_upload(digest, None).await? {
            Opened::Upload(upload) => Ok(upload),
            Opened::Mounted => Err(RegistryError::Answer {
                url: self.repository.path().to_owned(),
                reason: "it mounted what nobody asked it to".to_owned(),
            }),
        }
    }

    /// Sends a form whose bytes are here.
    async fn send(
        &self,
        id: &str,
        form: &Descriptor,
        open: Option<Upload>,
    ) -> Result<(), DistributionError> {
        let upload = self.open(&form.digest, open).await.map_err(push_error)?;
        match self.send_to(upload, id, form).await {
            // The token ended meanwhile, or only the bytes need one.
            Err(DistributionError::Registry(error)) if error.status() == Some(401) => {
                let upload = self.open(&form.digest, None).await.map_err(push_error)?;
                self.send_to(upload, id, form).await
            }
            other => other,
        }
    }

    /// Sends all bytes in one request.
    async fn send_to(
        &self,
        upload: Upload,
        id: &str,
        form: &Descriptor,
    ) -> Result<(), DistributionError> {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let (store, digest) = (Arc::clone(&self.store), form.digest.clone());
        // Dropped when there is an answer, which may come before all bytes are taken.
        let (unanswered, until) = oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || -> Result<(), StoreError> {
            let mut file = store.open_blob(&digest)?;
            copy(&mut file, &sender, until);
            Ok(())
        });
        let sent = Arc::new(AtomicU64::new(0));
        let send =
            self.repository.send_blob(upload, &form.digest, form.size, pieces, Arc::clone(&sent));
        let result = self.watched(id, &sent, form.size, send).await;
        drop(unanswered);
        let read = reading.await.map_err(|_| stopping())?;
        read.map_err(DistributionError::Store)?;
        result.map_err(push_error)
    }

    /// Tells how far it is until it is done.
    async fn watched<T>(
        &self,
        id: &str,
        sent: &AtomicU64,
        total: u64,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = ticks.tick() => {
                    let current = sent.load(Ordering::Relaxed);
                    self.progress.layer(id, LayerStatus::Pushing { current, total });
                }
            }
        }
    }

    /// The next push needs not ask, and other repositories can mount it.
    async fn remember(&self, form: &Descriptor) -> Result<(), DistributionError> {
        let Some(diff_id) = self.wanted.diff_id.clone() else { return Ok(()) };
        let (store, form, name) = (Arc::clone(&self.store), form.clone(), self.name.repository());
        let noted = move || match store.remember_form(&diff_id, &form, Some(&name)) {
            // The layer was removed meanwhile: it was pushed all the same.
            Err(StoreError::MissingLayer { .. }) => Ok(()),
            other => other,
        };
        blocking(noted).await
    }

    async fn forget(&self, digest: &Digest, path: &str) {
        let (store, digest) = (Arc::clone(&self.store), digest.clone());
        let repository = format!("{}/{path}", self.name.domain());
        let forgotten = blocking(move || store.forget_repository(&digest, &repository)).await;
        if let Err(error) = forgotten {
            tracing::debug!(%error, "a repository without the blob stays noted");
        }
    }
}

/// Sends all that `input` gives; stops when nobody takes it any more, or `until` ends.
fn copy(
    input: &mut dyn Read,
    sender: &mpsc::Sender<io::Result<Bytes>>,
    mut until: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Handle::current();
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let next = match input.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                Ok(Bytes::from(piece))
            }
            Err(cause) => Err(cause),
        };
        let is_last = next.is_err();
        let is_taken = runtime.block_on(async {
            tokio::select! {
                taken = sender.send(next) => taken.is_ok(),
                _ = &mut until => false,
            }
        });
        if !is_taken || is_last {
            return;
        }
    }
}

fn stopping() -> DistributionError {
    DistributionError::Invalid { text: "the engine is stopping".to_owned() }
}
