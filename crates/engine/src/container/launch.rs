//! Starting.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use docker_api::{Timestamp, messages};
use monitor::protocol::{AttachSpec, Failure, FailureKind, IoSpec, SpawnRequest};
use tokio::time::Instant;

use super::exit::Ending;
use super::state::{Action, Request, State};
use super::task::{Flow, Task, answer};
use super::{Ask, Reply};
use crate::engine::networks;
use crate::error::{EngineError, Result};
use crate::failpoint;
use crate::spec::{Caller, WaitOutcome};
use link::Link;

/// A client that was answered "attached" hands its connection over in microseconds.
const TICKET_DEADLINE: Duration = Duration::from_secs(5);

/// A start takes milliseconds; a bind on a dead network file system takes for ever.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// A start under way.
pub struct Starting {
    pub(super) caller: Caller,
    /// Who waits for it; nobody when a policy started it.
    pub(super) replies: Vec<Reply>,
    pub(super) deadline: Instant,
    /// It is the second half of a restart.
    pub(super) is_restart: bool,
    /// The state it falls back to.
    before: State,
}

impl Task {
    pub(super) async fn start(&mut self, ask: Ask) -> Flow {
        let Some((action, ask)) = self.permit(Request::Start, ask) else {
            return Flow::Continue;
        };
        debug_assert_eq!(action, Action::Launch);
        self.record.state.restart_count = 0;
        self.backoff = Default::default();
        self.launch(ask.caller, vec![ask.reply], false).await
    }

    pub(super) async fn launch_by_policy(&mut self) -> Flow {
        self.record.state.restart_count += 1;
        self.launch(Caller::ENGINE, Vec::new(), false).await
    }

    /// Gives the plan to the spawner; what comes of it is an event.
    pub(super) async fn launch(
        &mut self,
        caller: Caller,
        replies: Vec<Reply>,
        is_restart: bool,
    ) -> Flow {
        self.restart_at = None;
        let before = match self.state() {
            State::Restarting => State::Exited,
            other => other,
        };
        let deadline = Instant::now() + START_DEADLINE;
        self.starting = Some(Starting { caller, replies, deadline, is_restart, before });
        self.finish_cleanup().await;
        let attachments = self.take_queued().await;
        match self.spawn(attachments).await {
            Ok(link) => {
                self.link = Some(link);
                Flow::Continue
            }
            Err(error) => self.fail_start(error, 128).await,
        }
    }

    /// The clients that attached before the start. From here on, new ones come as messages.
    async fn take_queued(&self) -> Vec<(AttachSpec, OwnedFd)> {
        let queued = {
            let mut view = self.container.view();
            view.starting = true;
            std::mem::take(&mut view.queued)
        };
        let mut attachments = Vec::new();
        let until = Instant::now() + TICKET_DEADLINE;
        for ticket in queued {
            // A client that went away is none.
            if let Ok(Ok(attachment)) = tokio::time::timeout_at(until, ticket).await {
                attachments.push(attachment);
            }
        }
        attachments
    }

    async fn spawn(&mut self, attachments: Vec<(AttachSpec, OwnedFd)>) -> Result<Link> {
        let plan = self.services.plan(&self.record)?;
        let mut intent = self.record.clone();
        intent.state.state = State::Running;
        intent.state.stopped_by_user = false;
        self.services.records.put(&intent)?;
        failpoint::hit("engine.start.intent");

        let broken = |error: stdx::fs::PathError| {
            EngineError::internal("failed to prepare the container's run directory", error)
        };
        stdx::fs::remove_tree(&self.places.run).map_err(broken)?;
        stdx::fs::create_dir_all(&self.places.run, 0o700).map_err(broken)?;
        let broken = |error: std::io::Error| {
            EngineError::internal("failed to make the monitor's control stream", error)
        };
        let (ours, theirs) = sys::socket::socketpair_stream().map_err(broken)?;
        let link = Link::over(ours).map_err(broken)?;
        let (specs, clients): (Vec<AttachSpec>, Vec<OwnedFd>) = attachments.into_iter().unzip();
        let image = crate::engine::list::image_name(&self.services, &self.record);
        let request = SpawnRequest {
            container_id: self.record.id.clone(),
            run_dir: self.places.run.clone(),
            plan,
            foreign: self.services.foreign(&self.record)?,
            io: IoSpec {
                open_stdin: self.record.config.open_stdin,
                stdin_once: self.record.config.stdin_once,
            },
            log: super::log::spec(&self.record, image, &self.places)?,
            attachments: specs,
            observe: self.is_audited(),
        };
        let mut fds = vec![theirs.as_fd()];
        fds.extend(clients.iter().map(AsFd::as_fd));
        self.services.spawner.spawn(&request, &fds).map_err(|error| {
            EngineError::internal("failed to start the container's monitor", error)
        })?;
        failpoint::hit("engine.start.spawned");
        Ok(link)
    }

    /// `--security-opt audit=record`.
    fn is_audited(&self) -> bool {
        let options = self.record.host.security_opt.as_deref().unwrap_or_default();
        plan::security::parse(options).is_ok_and(|wish| wish.audit)
    }

    pub(super) async fn on_started(&mut self, pid: i32, started_ns: i64) {
        let Some(starting) = self.starting.take() else { return };
        let state = &mut self.record.state;
        state.state = State::Running;
        state.pid = pid;
        state.start_ticks = monitor::records::start_ticks(pid).unwrap_or(0);
        state.started = Timestamp::from_nanos(started_ns);
        state.exit_code = 0;
        state.error.clear();
        state.oom_killed = false;
        state.stopped_by_user = false;
        state.degraded = false;
        self.save_or_log();
        failpoint::hit("engine.start.recorded");
        self.container.view().starting = false;
        self.begin_probing();
        let events = &self.services.events;
        if let Some(network) = networks::joined(&self.services, &self.record) {
            events.network(starting.caller, &network, "connect", &self.record.id);
        }
        events.container(starting.caller, &self.record, "start", &[]);
        if starting.is_restart {
            events.container(starting.caller, &self.record, "restart", &[]);
        }
        for reply in starting.replies {
            answer(reply, Ok(()));
        }
    }

    pub(super) async fn on_start_failed(&mut self, failure: &Failure) -> Flow {
        let (error, code) = start_error(failure);
        self.fail_start(error, code).await
    }

    pub(super) async fn start_timed_out(&mut self) -> Flow {
        let services = self.services.clone();
        let path = self.cgroup_path();
        // Whatever hangs in there must not begin to run after we said that it failed.
        drop(tokio::task::spawn_blocking(move || services.kill_cgroup(&path)).await);
        let error = EngineError::new(
            stdx::Kind::Unavailable,
            format!("the container did not start within {} seconds", START_DEADLINE.as_secs()),
        );
        self.fail_start(error, 128).await
    }

    /// Back to where it was, with the reason on record.
    pub(super) async fn fail_start(&mut self, error: EngineError, code: i64) -> Flow {
        let Some(starting) = self.starting.take() else { return Flow::Continue };
        self.link = None;
        let state = &mut self.record.state;
        state.state = starting.before;
        state.pid = 0;
        state.exit_code = code;
        state.error = error.client_text();
        self.save_or_log();
        {
            let mut view = self.container.view();
            view.starting = false;
            // Who waits for the end of a run that never was would wait for ever.
            let outcome = WaitOutcome { code, error: Some(self.record.state.error.clone()) };
            view.waiters.exited(&outcome);
        }
        self.begin_cleanup();
        let auto_remove = self.record.host.auto_remove;
        if starting.replies.is_empty() {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = self.record.id, error, "restart by policy failed");
        }
        let mut error = Some(error);
        for reply in starting.replies {
            let again = || EngineError::invalid(self.record.state.error.clone());
            answer(reply, Err(error.take().unwrap_or_else(again)));
        }
        match auto_remove {
            true => self.remove_now(Caller::ENGINE, None).await,
            false => Flow::Continue,
        }
    }

    /// The monitor is gone without having said how the container ended.
    pub(super) async fn on_monitor_gone(&mut self, error: Option<link::LinkError>) -> Flow {
        self.link = None;
        self.settled();
        let exit = monitor::records::read_exit(&self.places.run).ok().flatten();
        match exit {
            Some(exit) => match exit.failure.clone() {
                Some(failure) if self.starting.is_some() => self.on_start_failed(&failure).await,
                _ => self.on_exit(Ending::of(exit)).await,
            },
            None if self.starting.is_some() => {
                let error = EngineError::new(
                    stdx::Kind::Internal,
                    "the container's monitor ended before the container ran",
                );
                self.fail_start(error, 128).await
            }
            None => self.degrade(error).await,
        }
    }

    async fn degrade(&mut self, error: Option<link::LinkError>) -> Flow {
        let state = &self.record.state;
        let Some(watch) = link::Watch::new(state.pid, state.start_ticks) else {
            return self.on_exit(Ending::unheard(None)).await;
        };
        let error = error.map(|error| stdx::error::chain(&error).to_string());
        tracing::error!(
            container = self.record.id,
            error,
            "a monitor died; its container runs on, its output is lost"
        );
        self.watch = Some(watch);
        self.record.state.degraded = true;
        self.save_or_log();
        Flow::Continue
    }
}

/// Docker's words and exit codes.
fn start_error(failure: &Failure) -> (EngineError, i64) {
    match failure.kind {
        FailureKind::CommandNotFound => {
            (EngineError::invalid(messages::start_failed(&failure.message)), 127)
        }
        FailureKind::CommandNotExecutable => {
            (EngineError::invalid(messages::start_failed(&failure.message)), 126)
        }
        FailureKind::Invalid => (EngineError::invalid(failure.message.clone()), 128),
        FailureKind::Internal => {
            (EngineError::new(stdx::Kind::Internal, messages::start_failed(&failure.message)), 128)
        }
    }
}
