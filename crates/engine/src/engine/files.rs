//! Files of containers: `cp`, `export`, `diff`, by a worker (see [`files::FilesWorker`]).

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use docker_api::{Change, PathStat, Timestamp};
use files::{FilesBind, FilesError, FilesPlace, FilesTask, PathFacts};
use stdx::Kind;
use store::ChangeKind;
use tokio::sync::OwnedSemaphorePermit;

use crate::container::Container;
use crate::container::record::ContainerRecord;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::failpoint;
use crate::services::{Services, store_error};
use crate::spec::{Caller, PutSpec};
use plan::mounts::{self, MountWishKind};

/// How long a start, an end or another writer of a container's files is waited for.
const MOVED_DEADLINE: Duration = Duration::from_secs(30);

/// How long another one's end is waited for when all workers are busy.
const TURN_DEADLINE: Duration = Duration::from_secs(30);

/// How long a client may send nothing of an archive for a container that cannot start meanwhile.
const STALL: Duration = Duration::from_secs(60);

/// The same when somebody does want to start it.
const STALL_OF_A_START: Duration = Duration::from_secs(2);

/// How often it is looked for that.
const STALL_LOOK: Duration = Duration::from_millis(500);

/// Between two looks at a container whose state has just changed.
const MOVED_PAUSE: Duration = Duration::from_millis(20);

/// An archive that is made while it is read, on a blocking thread. An error at its end means that
/// it is not whole.
pub struct ContentStream {
    /// The archive.
    pub reader: Box<dyn Read + Send>,
    /// The process that makes it: killed when nobody reads any more.
    pub maker: Option<OwnedFd>,
}

impl Engine {
    /// What stands at a path of a container, running or not.
    pub async fn archive_stat(&self, caller: Caller, id: &str, path: &str) -> Result<PathStat> {
        tracing::debug!(id, path, caller_uid = caller.uid, "archive stat");
        let wanted = path.to_owned();
        let (facts, _) = self
            .with_files(id, path, move |services, place| services.files.stat(place, &wanted))
            .await?;
        Ok(path_stat(facts))
    }

    /// The archive of a path of a container, running or not.
    pub async fn archive_get(
        &self,
        caller: Caller,
        id: &str,
        path: &str,
    ) -> Result<(PathStat, ContentStream)> {
        let task = FilesTask::Get { path: path.to_owned() };
        let (content, facts) = self.archive(id, path, task).await?;
        let missing = || EngineError::internal("failed to copy", "the worker told nothing");
        let stat = path_stat(facts.ok_or_else(missing)?);
        self.files_event(caller, id, "archive-path");
        Ok((stat, content))
    }

    /// Everything on a container's root file system.
    pub async fn export(&self, caller: Caller, id: &str) -> Result<ContentStream> {
        let (content, _) = self.archive(id, "/", FilesTask::Export).await?;
        self.files_event(caller, id, "export");
        Ok(content)
    }

    /// Takes an archive apart in a directory of a container, running or not.
    pub async fn archive_put(
        &self,
        caller: Caller,
        id: &str,
        spec: PutSpec,
        archive: Box<dyn Read + Send>,
    ) -> Result<()> {
        let container = self.find(id)?;
        let user = container.record().config.user.clone();
        let task = FilesTask::Put {
            path: spec.path.clone(),
            keeps_kinds: spec.keeps_kinds,
            owner: Some(user).filter(|user| spec.copies_ids && !user.is_empty()),
        };
        let upload = Upload::default();
        // Shared by the attempts, of which only the last one reads.
        let archive = Arc::new(Mutex::new(Awaited { archive, upload: upload.clone() }));
        // When this future ends before the worker does, that is killed.
        let worker = Uploading(upload.clone());
        let put = self.with_files(id, &spec.path, move |services, place| {
            let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
            upload.begin(&place);
            services.files.put(place, task.clone(), &mut *archive, |pidfd| upload.started(pidfd))
        });
        tokio::select! {
            done = put => drop(done?),
            () = worker.0.stalled(&container) => return Err(stalled(&container)),
        }
        failpoint::hit("engine.archive.extracted");
        self.files_event(caller, id, "extract-to-dir");
        Ok(())
    }

    /// What a container changed; `None` when nothing, as Docker's clients expect it.
    pub async fn changes(&self, caller: Caller, id: &str) -> Result<Option<Vec<Change>>> {
        tracing::debug!(id, caller_uid = caller.uid, "changes");
        let container = self.find(id)?;
        let (services, id) = (self.services.clone(), container.id.clone());
        let work = tokio::task::spawn_blocking(move || services.store.changes(&id));
        let changes = work
            .await
            .map_err(|error| EngineError::internal("failed to compare files", error))?
            .map_err(store_error)?;
        let changes: Vec<Change> = changes
            .into_iter()
            .map(|change| Change {
                kind: match change.kind {
                    ChangeKind::Modified => 0,
                    ChangeKind::Added => 1,
                    ChangeKind::Deleted => 2,
                },
                path: change.path,
            })
            .collect();
        Ok((!changes.is_empty()).then_some(changes))
    }

    async fn archive(
        &self,
        id: &str,
        path: &str,
        task: FilesTask,
    ) -> Result<(ContentStream, Option<PathFacts>)> {
        let ((content, facts), turn) = self
            .with_files(id, path, move |services, place| {
                services.files.archive(place, task.clone())
            })
            .await?;
        let maker = content
            .pidfd()
            .map_err(|error| EngineError::internal("failed to watch the files worker", error))?;
        let reader = Box::new(Turned { content, _turn: turn });
        Ok((ContentStream { reader, maker: Some(maker) }, facts))
    }

    /// Works where a container's files are; again, when it began or ended to run meanwhile. The
    /// turn that comes with the result lasts as long as the worker may live.
    async fn with_files<T: Send + 'static>(
        &self,
        id: &str,
        path: &str,
        work: impl Fn(&Services, FilesPlace) -> std::result::Result<T, FilesError>
        + Send
        + Sync
        + 'static,
    ) -> Result<(T, Turn)> {
        let container = self.find(id)?;
        let work = Arc::new(work);
        let turn = turn(&self.services).await?;
        let begin = Instant::now();
        loop {
            container.settle().await;
            let record = container.record();
            let place = place(&self.services, &record)?;
            let (services, work) = (self.services.clone(), work.clone());
            // A thread that goes on when nobody waits for it any more has its turn still.
            let its_turn = turn.clone();
            let done = tokio::task::spawn_blocking(move || {
                let _turn = its_turn;
                work(&services, place)
            });
            let done = done.await;
            let done =
                done.map_err(|error| EngineError::internal("failed to reach files", error))?;
            match done {
                Err(FilesError::Moved) if begin.elapsed() < MOVED_DEADLINE => {
                    tokio::time::sleep(MOVED_PAUSE).await;
                }
                other => {
                    let done = other.map_err(|error| files_error(error, &container, id, path));
                    return done.map(|done| (done, turn));
                }
            }
        }
    }

    fn files_event(&self, caller: Caller, id: &str, action: &str) {
        let Ok(container) = self.find(id) else { return };
        self.services.events.container(caller, &container.record(), action, &[]);
    }
}

/// A place among those who reach for files.
type Turn = Arc<OwnedSemaphorePermit>;

async fn turn(services: &Services) -> Result<Turn> {
    let turn = Arc::clone(&services.files_turns).acquire_owned();
    match tokio::time::timeout(TURN_DEADLINE, turn).await {
        Ok(Ok(turn)) => Ok(Arc::new(turn)),
        Ok(Err(_)) | Err(_) => Err(EngineError::new(
            Kind::Unavailable,
            "too many copies of files are under way; try again when some have ended",
        )),
    }
}

/// An archive whose worker has its turn until nobody reads it any more.
struct Turned {
    content: files::Content,
    _turn: Turn,
}

impl Read for Turned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

/// An archive on its way into a container.
#[derive(Clone, Default)]
struct Upload(Arc<Mutex<UploadState>>);

#[derive(Default)]
struct UploadState {
    worker: Option<OwnedFd>,
    /// The container cannot start meanwhile.
    holds_start: bool,
    /// Since when the client has sent nothing.
    waits_since: Option<Instant>,
}

/// The archive, which tells when it is waited for.
struct Awaited {
    archive: Box<dyn Read + Send>,
    upload: Upload,
}

/// Whoever drops it ends the worker.
struct Uploading(Upload);

impl Upload {
    fn state(&self) -> MutexGuard<'_, UploadState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, place: &FilesPlace) {
        self.state().holds_start = !matches!(place, FilesPlace::Running { .. });
    }

    fn started(&self, worker: OwnedFd) {
        self.state().worker = Some(worker);
    }

    /// Comes when the client has held up a start for too long.
    async fn stalled(&self, container: &Container) {
        let mut looks = tokio::time::interval(STALL_LOOK);
        loop {
            looks.tick().await;
            let (holds_start, since) = {
                let state = self.state();
                (state.holds_start, state.waits_since)
            };
            let limit = if container.view().starting { STALL_OF_A_START } else { STALL };
            if holds_start && since.is_some_and(|since| since.elapsed() > limit) {
                return;
            }
        }
    }
}

impl Read for Awaited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.upload.state().waits_since = Some(Instant::now());
        let read = self.archive.read(buffer);
        self.upload.state().waits_since = None;
        read
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if let Some(worker) = self.0.state().worker.take() {
            // It may have ended by itself.
            drop(sys::process::pidfd_send_signal(worker.as_fd(), sys::libc::SIGKILL));
        }
    }
}

fn stalled(container: &Container) -> EngineError {
    EngineError::conflict(format!(
        "nothing came of the archive for container {} for too long, and it cannot start meanwhile",
        container.id
    ))
}

/// Where a container's files are now.
fn place(services: &Services, record: &ContainerRecord) -> Result<FilesPlace> {
    let state = &record.state;
    if state.state.has_process() {
        return Ok(FilesPlace::Running { pid: state.pid, start_ticks: state.start_ticks });
    }
    let paths = services.store.rootfs_paths(&record.id).map_err(store_error)?;
    let wishes = mounts::parse(&record.host)?;
    let binds = wishes.into_iter().filter_map(|wish| match wish.kind {
        MountWishKind::Bind { source, .. } => Some(FilesBind {
            source,
            target: PathBuf::from(wish.target),
            read_only: wish.read_only,
        }),
        // What is in memory is gone with the container's end.
        MountWishKind::Tmpfs { .. } => None,
    });
    Ok(FilesPlace::Stopped {
        layers_dir: paths.layers_dir,
        lowers: paths.lowers,
        rw_dir: paths.rw_dir,
        binds: binds.collect(),
        read_only: record.host.readonly_rootfs,
    })
}

/// In Docker's words.
fn files_error(error: FilesError, container: &Container, called: &str, path: &str) -> EngineError {
    let called = called.trim_start_matches('/');
    match error {
        FilesError::Absent => {
            EngineError::not_found(format!("Could not find the file {path} in container {called}"))
        }
        FilesError::Moved => EngineError::conflict(format!(
            "the files of container {} are in use by another request; try again",
            container.id
        )),
        // The worker's text says all, in the words of its system calls.
        FilesError::Failed(text) => EngineError::new(Kind::Internal, text),
        other => EngineError::new(other.kind(), other.to_string()),
    }
}

fn path_stat(facts: PathFacts) -> PathStat {
    let (seconds, nanoseconds) = facts.mtime;
    let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.into());
    PathStat {
        name: facts.name,
        size: i64::try_from(facts.size).unwrap_or(i64::MAX),
        mode: docker_api::go_file_mode(facts.mode),
        mtime: Timestamp::from_nanos(nanos),
        link_target: facts.link_target,
    }
}
