//! Calls about containers.

use std::time::Duration;

use docker_api::{
    Change, ContainerAudit, ContainerInspect, ContainerSummary, ContainersPruneReport,
    CreateRequest, CreateResponse, Filters, PathStat, StatsResponse, TopResponse, UpdateRequest,
    UpdateResponse, WaitResponse,
};
use hyper::{Method, StatusCode};
use tokio::io::AsyncRead;

use crate::body::{self, ByteStream, JsonLines};
use crate::connection::{Call, Client};
use crate::error::ClientError;
use crate::hijack::Hijacked;
use crate::params::Target;

/// Whether a call changed something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It did.
    Changed,
    /// It was as wished before.
    Already,
}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitCondition {
    /// That it does not run; at once if it does not now.
    NotRunning,
    /// Its next exit.
    NextExit,
    /// Its removal.
    Removed,
}

/// A wait that the engine has taken up.
#[derive(Debug)]
pub struct PendingWait {
    lines: JsonLines<WaitResponse>,
}

impl PendingWait {
    /// Waits. Cancel-safe.
    pub async fn result(&mut self) -> Result<WaitResponse, ClientError> {
        match self.lines.next().await? {
            Some(answer) => Ok(answer),
            None => Err(ClientError::transfer("wait for a container")("the engine went away")),
        }
    }
}

/// How a container is created.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Empty lets the engine choose.
    pub name: String,
    /// `os/architecture`; empty takes the host's.
    pub platform: String,
}

/// Which containers are listed.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Those that do not run too.
    pub all: bool,
    /// With sizes.
    pub size: bool,
    /// The newest so many.
    pub limit: Option<i64>,
    /// Those that match.
    pub filters: Filters,
}

/// Whose counters, and how often.
#[derive(Clone, Debug, Default)]
pub struct StatsOptions {
    /// These, by name or id; none: all that match.
    pub containers: Vec<String>,
    /// Those that do not run too.
    pub all: bool,
    /// Those that match.
    pub filters: Filters,
    /// Again and again; else once.
    pub stream: bool,
    /// How often; `None` takes the engine's second.
    pub interval: Option<Duration>,
}

/// How a container is stopped.
#[derive(Clone, Debug, Default)]
pub struct StopOptions {
    /// Seconds of grace; -1 waits for ever, `None` takes the container's.
    pub timeout: Option<i64>,
    /// Empty takes the container's.
    pub signal: String,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveOptions {
    /// Though it runs.
    pub force: bool,
    /// With its anonymous volumes.
    pub volumes: bool,
    /// Only the link of this name.
    pub link: bool,
}

/// Which output is read.
#[derive(Clone, Debug, Default)]
pub struct LogsOptions {
    /// Stdout.
    pub stdout: bool,
    /// Stderr.
    pub stderr: bool,
    /// Wait for more.
    pub follow: bool,
    /// With times.
    pub timestamps: bool,
    /// With labels.
    pub details: bool,
    /// Unix time or as `docker_api::query::instant` reads it; empty is the beginning.
    pub since: String,
    /// The same; empty is the end.
    pub until: String,
    /// Number of lines or `all`; empty is all.
    pub tail: String,
}

/// Which streams are attached.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// Stdin.
    pub stdin: bool,
    /// Stdout.
    pub stdout: bool,
    /// Stderr.
    pub stderr: bool,
    /// What was printed before, first.
    pub logs: bool,
    /// What is printed from now on.
    pub stream: bool,
    /// Keys that detach; empty takes the default.
    pub detach_keys: String,
}

fn of(id: &str, verb: &str) -> Target {
    Target::new(&["/containers/", id, verb])
}

fn effect(status: StatusCode) -> Effect {
    match status {
        StatusCode::NOT_MODIFIED => Effect::Already,
        _ => Effect::Changed,
    }
}

impl Client {
    /// Creates a container.
    pub async fn container_create(
        &self,
        request: &CreateRequest,
        options: &CreateOptions,
    ) -> Result<CreateResponse, ClientError> {
        let target = Target::new(&["/containers/create"])
            .with_some("name", &options.name)
            .with_some("platform", &options.platform);
        self.fetch(Call::post(target).json(request)).await
    }

    /// Starts it.
    pub async fn container_start(
        &self,
        id: &str,
        detach_keys: &str,
    ) -> Result<Effect, ClientError> {
        let target = of(id, "/start").with_some("detachKeys", detach_keys);
        self.run(Call::post(target)).await.map(effect)
    }

    /// Stops it; returns when it has ended.
    pub async fn container_stop(
        &self,
        id: &str,
        options: &StopOptions,
    ) -> Result<Effect, ClientError> {
        let target =
            of(id, "/stop").with_number("t", options.timeout).with_some("signal", &options.signal);
        self.run(Call::post(target)).await.map(effect)
    }

    /// Stops and starts it.
    pub async fn container_restart(
        &self,
        id: &str,
        options: &StopOptions,
    ) -> Result<(), ClientError> {
        let target = of(id, "/restart")
            .with_number("t", options.timeout)
            .with_some("signal", &options.signal);
        self.run(Call::post(target)).await.map(drop)
    }

    /// Sends it a signal; empty is SIGKILL.
    pub async fn container_kill(&self, id: &str, signal: &str) -> Result<(), ClientError> {
        let target = of(id, "/kill").with_some("signal", signal);
        self.run(Call::post(target)).await.map(drop)
    }

    /// Freezes it.
    pub async fn container_pause(&self, id: &str) -> Result<(), ClientError> {
        self.run(Call::post(of(id, "/pause"))).await.map(drop)
    }

    /// Thaws it.
    pub async fn container_unpause(&self, id: &str) -> Result<(), ClientError> {
        self.run(Call::post(of(id, "/unpause"))).await.map(drop)
    }

    /// Begins to wait; returns when the engine has taken the wait up, so that an exit after this
    /// is not missed.
    pub async fn container_wait(
        &self,
        id: &str,
        condition: WaitCondition,
    ) -> Result<PendingWait, ClientError> {
        let condition = match condition {
            WaitCondition::NotRunning => "not-running",
            WaitCondition::NextExit => "next-exit",
            WaitCondition::Removed => "removed",
        };
        let target = of(id, "/wait").with("condition", condition);
        Ok(PendingWait { lines: self.lines(Call::post(target)).await? })
    }

    /// Removes it.
    pub async fn container_remove(
        &self,
        id: &str,
        options: RemoveOptions,
    ) -> Result<(), ClientError> {
        let target = of(id, "")
            .with_flag("force", options.force)
            .with_flag("v", options.volumes)
            .with_flag("link", options.link);
        self.run(Call::new(Method::DELETE, target)).await.map(drop)
    }

    /// Lists containers, the newest first.
    pub async fn container_list(
        &self,
        options: &ListOptions,
    ) -> Result<Vec<ContainerSummary>, ClientError> {
        let target = Target::new(&["/containers/json"])
            .with_flag("all", options.all)
            .with_flag("size", options.size)
            .with_number("limit", options.limit)
            .with_filters(&options.filters);
        self.fetch(Call::get(target)).await
    }

    /// Everything about it; `size` adds its sizes.
    pub async fn container_inspect(
        &self,
        id: &str,
        size: bool,
    ) -> Result<ContainerInspect, ClientError> {
        self.fetch(Call::get(of(id, "/json").with_flag("size", size))).await
    }

    /// The same, with whatever keys the engine sends: for templates and raw output.
    pub async fn container_inspect_raw(
        &self,
        id: &str,
        size: bool,
    ) -> Result<serde_json::Value, ClientError> {
        self.fetch(Call::get(of(id, "/json").with_flag("size", size))).await
    }

    /// What it printed.
    pub async fn container_logs(
        &self,
        id: &str,
        options: &LogsOptions,
    ) -> Result<ByteStream, ClientError> {
        let target = of(id, "/logs")
            .with_flag("stdout", options.stdout)
            .with_flag("stderr", options.stderr)
            .with_flag("follow", options.follow)
            .with_flag("timestamps", options.timestamps)
            .with_flag("details", options.details)
            .with_some("since", &options.since)
            .with_some("until", &options.until)
            .with_some("tail", &options.tail);
        self.bytes(Call::get(target)).await
    }

    /// Attaches to it.
    pub async fn container_attach(
        &self,
        id: &str,
        options: &AttachOptions,
    ) -> Result<Hijacked, ClientError> {
        let target = of(id, "/attach")
            .with_flag("stdin", options.stdin)
            .with_flag("stdout", options.stdout)
            .with_flag("stderr", options.stderr)
            .with_flag("logs", options.logs)
            .with_flag("stream", options.stream)
            .with_some("detachKeys", &options.detach_keys);
        self.hijack(Call::post(target)).await
    }

    /// Sets the size of its terminal, in characters.
    pub async fn container_resize(
        &self,
        id: &str,
        height: u16,
        width: u16,
    ) -> Result<(), ClientError> {
        let target = of(id, "/resize").with("h", &height.to_string()).with("w", &width.to_string());
        self.run(Call::post(target)).await.map(drop)
    }

    /// Renames it.
    pub async fn container_rename(&self, id: &str, name: &str) -> Result<(), ClientError> {
        self.run(Call::post(of(id, "/rename").with("name", name))).await.map(drop)
    }

    /// Its processes; `ps_args` as for `ps`, empty takes the default.
    pub async fn container_top(&self, id: &str, ps_args: &str) -> Result<TopResponse, ClientError> {
        self.fetch(Call::get(of(id, "/top").with_some("ps_args", ps_args))).await
    }

    /// What it could do and what it used; watched for so many milliseconds first unless that is 0.
    pub async fn container_audit(
        &self,
        id: &str,
        watch_ms: i64,
    ) -> Result<ContainerAudit, ClientError> {
        let watch_ms = Some(watch_ms).filter(|ms| *ms > 0);
        self.fetch(Call::get(of(id, "/audit").with_number("watch_ms", watch_ms))).await
    }

    /// Changes its limits.
    pub async fn container_update(
        &self,
        id: &str,
        request: &UpdateRequest,
    ) -> Result<UpdateResponse, ClientError> {
        self.fetch(Call::post(of(id, "/update")).json(request)).await
    }

    /// What it changed of its image's files.
    pub async fn container_changes(&self, id: &str) -> Result<Vec<Change>, ClientError> {
        let changes: Option<Vec<Change>> = self.fetch(Call::get(of(id, "/changes"))).await?;
        Ok(changes.unwrap_or_default())
    }

    /// Its files as a tar archive.
    pub async fn container_export(&self, id: &str) -> Result<ByteStream, ClientError> {
        self.bytes(Call::get(of(id, "/export"))).await
    }

    /// What stands at a path of it.
    pub async fn archive_stat(&self, id: &str, path: &str) -> Result<PathStat, ClientError> {
        let target = of(id, "/archive").with("path", path);
        let (stat, _) = self.archive(Call::new(Method::HEAD, target)).await?;
        Ok(stat)
    }

    /// The archive of a path of it, and what stands there.
    pub async fn archive_get(
        &self,
        id: &str,
        path: &str,
    ) -> Result<(PathStat, ByteStream), ClientError> {
        self.archive(Call::get(of(id, "/archive").with("path", path))).await
    }

    /// Takes an archive apart in a directory of it. A directory is not replaced by something else,
    /// nor the other way round; with `copy_ids` all belongs to the container's user.
    pub async fn archive_put(
        &self,
        id: &str,
        path: &str,
        copy_ids: bool,
        archive: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<(), ClientError> {
        let target = of(id, "/archive")
            .with("noOverwriteDirNonDir", "true")
            .with("path", path)
            .with_some("copyUIDGID", if copy_ids { "true" } else { "" });
        let body = body::upload(archive);
        let call = Call::new(Method::PUT, target).body("application/x-tar", body);
        let mut answer = self.bytes(call).await?;
        while answer.next().await?.is_some() {}
        Ok(())
    }

    /// The counters of many: a line for each at every interval.
    pub async fn container_stats(
        &self,
        options: &StatsOptions,
    ) -> Result<JsonLines<StatsResponse>, ClientError> {
        let mut target = Target::new(&["/containers/stats"])
            .with_flag("all", options.all)
            .with("stream", if options.stream { "1" } else { "0" })
            .with_filters(&options.filters);
        for container in &options.containers {
            target = target.with("container", container);
        }
        if let Some(interval) = options.interval {
            target = target.with("interval", &format!("{}ns", interval.as_nanos()));
        }
        self.lines(Call::get(target)).await
    }

    /// Removes those that do not run.
    pub async fn container_prune(
        &self,
        filters: &Filters,
    ) -> Result<ContainersPruneReport, ClientError> {
        let target = Target::new(&["/containers/prune"]).with_filters(filters);
        self.fetch(Call::post(target)).await
    }
}
