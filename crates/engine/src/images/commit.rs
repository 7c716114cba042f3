//! `commit`: an image of what a container changed.

use std::path::PathBuf;

use cgroup::{Cgroup, CgroupError};
use docker_api::ContainerConfig;
use files::{FilesPlace, FilesTask};
use oci::{Digest, ImageDefaults};
use plan::merge::of_config;
use store::{CommitSpec, Store};

use super::reference;
use crate::container::Container;
use crate::container::record::ContainerRecord;
use crate::container::state::State;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::failpoint;
use crate::services::{COMMIT_PAUSE, Services, store_error};
use crate::spec::{Caller, CommitWish};

impl Engine {
    /// Makes an image of a container; gives its id. The container stands still meanwhile, unless
    /// that is not wished.
    pub async fn commit(&self, caller: Caller, wish: CommitWish) -> Result<String> {
        if wish.container.is_empty() {
            return Err(EngineError::invalid("invalid name or ID supplied: \"\""));
        }
        let container = self.find(&wish.container)?;
        let record = container.record();
        if matches!(record.state.state, State::Removing | State::Dead) {
            return Err(EngineError::conflict(format!(
                "You cannot commit container {} which is being removed",
                record.id
            )));
        }
        let name = match wish.repo.is_empty() {
            true => None,
            false => Some(reference(&wish.repo, &wish.tag)?),
        };
        let defaults = run_by_default(&record, wish.config.clone());
        // What is wrong is told before anything stands still.
        Store::changed_defaults(defaults.clone(), &wish.changes).map_err(store_error)?;
        let shown = name.as_ref().map(oci::Reference::familiar);
        // Without cgroups nothing can be paused; Docker commits all the same then.
        let can_pause = !self.services.is_rootless();
        let pauses = can_pause && wish.pause && record.state.state == State::Running;
        let paused = pauses && self.pause_for_commit(caller, &container).await?;
        let (own, comment) = (record.clone(), wish.comment.clone());
        let made = self
            .with_store(move |services| make(services, &own, defaults, &wish, name.as_ref()))
            .await;
        if paused {
            self.unpause_after_commit(caller, &container).await;
        }
        let id = made?;
        let text = id.to_string();
        self.image_event(caller, &id, "create", &text);
        if let Some(name) = &shown {
            self.image_event(caller, &id, "tag", name);
        }
        let mut more = vec![("comment", comment.as_str()), ("imageID", text.as_str())];
        more.extend(shown.as_deref().map(|name| ("imageRef", name)));
        self.services.events.container(caller, &record, "commit", &more);
        Ok(text)
    }

    /// Whether it is paused now, or has ended meanwhile: then nothing of it moves either. An engine
    /// that dies now finds the mark when it comes back, and lets the container go on.
    async fn pause_for_commit(&self, caller: Caller, container: &Container) -> Result<bool> {
        let mark = self.commit_mark(container);
        match std::fs::write(&mark, b"") {
            Ok(()) => {}
            Err(_) if self.has_ended(container) => return Ok(false),
            Err(error) => return Err(EngineError::internal("failed to note a pause", error)),
        }
        let paused = container.ask(caller, &container.id, crate::container::Message::Pause).await;
        failpoint::hit("engine.commit.paused");
        if paused.is_err() {
            // It has ended, and with it its directory.
            std::fs::remove_file(&mark).ok();
        }
        match paused {
            Ok(()) => Ok(true),
            Err(_) if self.has_ended(container) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it does not run any more, even if its end was not heard of yet.
    fn has_ended(&self, container: &Container) -> bool {
        let record = container.record();
        let path = self.services.cgroup_path(&record);
        record.state.state != State::Running
            || match Cgroup::open(&self.services.hierarchy, &path) {
                Ok(group) => group.pids().is_ok_and(|pids| pids.is_empty()),
                Err(error) => matches!(error, CgroupError::Absent { .. }),
            }
    }

    async fn unpause_after_commit(&self, caller: Caller, container: &Container) {
        let done = container.ask(caller, &container.id, crate::container::Message::Unpause).await;
        if let Err(error) = done {
            // It was killed, or somebody else let it go on.
            tracing::debug!(container = container.id, %error, "not unpaused after commit");
        }
        std::fs::remove_file(self.commit_mark(container)).ok();
    }

    fn commit_mark(&self, container: &Container) -> PathBuf {
        self.services.places(&container.id).run.join(COMMIT_PAUSE)
    }
}

fn make(
    services: &Services,
    record: &ContainerRecord,
    defaults: ImageDefaults,
    wish: &CommitWish,
    name: Option<&oci::Reference>,
) -> Result<Digest> {
    let image = Digest::parse(&record.image_id)
        .map_err(|error| EngineError::internal("failed to find the container's image", error))?;
    let paths = services.store.rootfs_paths(&record.id).map_err(store_error)?;
    let place = FilesPlace::Upper { directory: paths.rw_dir.join("upper") };
    let (mut layer, _) = services.files.archive(place, FilesTask::Layer).map_err(|error| {
        EngineError::internal("failed to read what the container changed", error)
    })?;
    let created_by = record.config.cmd.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let spec = CommitSpec {
        image: &image,
        defaults,
        changes: &wish.changes,
        author: &wish.author,
        comment: &wish.comment,
        created_by: &created_by,
        name,
        engine_version: env!("CARGO_PKG_VERSION"),
    };
    let id = services.store.commit(&mut layer, &spec).map_err(store_error)?;
    failpoint::hit("engine.commit.recorded");
    Ok(id)
}

/// What an image of this container runs by default: what the caller says, and for the rest what the
/// container runs.
fn run_by_default(record: &ContainerRecord, wish: Option<ContainerConfig>) -> ImageDefaults {
    let own = of_config(&record.config);
    match wish {
        None => own,
        Some(mut wish) => {
            // Nothing to run is no error here: there may be an entry point later.
            let _ = plan::merge::merge(&mut wish, &own);
            of_config(&wish)
        }
    }
}
