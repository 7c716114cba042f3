//! `audit`: what a container could do, what it used, what it could give up.

use std::path::PathBuf;
use std::time::Duration;

use docker_api::ContainerAudit;
use seccomp::CapSet;

use crate::audit::{self, Facts};
use crate::container::{Container, Message};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::services::{Services, store_error};
use crate::spec::Caller;
use plan::security::{self, SeccompWish};

/// A watch keeps a request open; who wants to watch longer starts the container with
/// `audit=record`.
const WATCH_MAX: Duration = Duration::from_secs(3600);

/// A container that wrote more names than this is not asked what it wrote.
const WRITTEN_MAX: usize = 2000;

impl Engine {
    /// The report; with `watch`, after the container was watched for so long.
    ///
    /// # Errors
    /// `Conflict`: it is to be watched and does not run. What its start plan refuses.
    pub async fn audit(
        &self,
        caller: Caller,
        id: &str,
        watch: Option<Duration>,
    ) -> Result<ContainerAudit> {
        let container = self.find(id)?;
        if let Some(watch) = watch {
            if watch > WATCH_MAX {
                return Err(EngineError::invalid(format!(
                    "a container can be watched for {} seconds at most",
                    WATCH_MAX.as_secs()
                )));
            }
            container.ask(caller, id, Message::Observe).await?;
            tokio::time::sleep(watch).await;
            // Its end is heard even when it came before the watch's own.
            container.settle().await;
        }
        let live = container.observed(watch.is_some()).await;
        let record = container.record();
        let mut observed = record.state.observed.clone().unwrap_or_default();
        let is_watched = live.as_ref().is_some_and(|part| part.problem.is_empty());
        if let Some(part) = &live {
            observed.add(part);
        }
        let services = self.services.clone();
        let work = tokio::task::spawn_blocking(move || {
            report(&services, &container, &observed, is_watched)
        });
        let answer = work
            .await
            .map_err(|error| EngineError::internal("failed to make the report", error))?;
        self.services.events.container(caller, &record, "audit", &[]);
        answer
    }
}

fn report(
    services: &Services,
    container: &Container,
    observed: &crate::container::observation::Observation,
    is_watched: bool,
) -> Result<ContainerAudit> {
    let record = container.record();
    let plan = services.plan(&record)?;
    let wish = security::parse(record.host.security_opt.as_deref().unwrap_or_default())?;
    let caps = CapSet::from_bits(plan.process.capabilities.bounding);
    let rules = match (record.host.privileged, &wish.seccomp) {
        (true, SeccompWish::Default) => None,
        (_, seccomp) => services.filters.rules(seccomp, caps)?,
    };
    let own_files = own_files(services, &record.id);
    // What the engine itself makes on the root: places to mount on, the working directory.
    let mut made: Vec<PathBuf> = plan.mounts.iter().map(|mount| mount.target.clone()).collect();
    made.push(PathBuf::from(&plan.process.cwd));
    made.extend(["/dev", "/proc", "/sys"].map(PathBuf::from));
    let written = services.store.rootfs_written(&record.id, &made, WRITTEN_MAX);
    let written = written.map_err(store_error)?;
    let facts = Facts {
        record: &record,
        plan: &plan,
        wish: &wish,
        rules: rules.as_ref(),
        observed,
        is_watched,
        written: written.as_deref(),
        own_files: &own_files,
        sockets: &services.config.sockets,
    };
    audit::report(&facts, &services.filters)
}

/// Where the binds of every container come from.
fn own_files(services: &Services, id: &str) -> Vec<PathBuf> {
    vec![services.places(id).lasting, services.init_file()]
}
