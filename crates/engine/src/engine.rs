//! The engine as its callers see it: finding containers, and the verbs that ask their tasks.

use std::sync::Arc;

use docker_api::messages;
use docker_api::query::signal;
use runtime::plan::TerminalSize;
use tokio::sync::oneshot;

use crate::container::state::Request;
use crate::container::{Container, Message, StopWish};
use crate::error::{EngineError, Result};
use crate::events::EventStream;
use crate::services::Services;
use crate::spec::{
    Caller, ConsoleSize, EngineConfig, EventsSpec, RemoveSpec, StopSpec, WaitCondition, WaitOutcome,
};

pub mod attach;
mod audit;
mod disk;
pub mod exec;
pub mod files;
mod inspect;
pub(crate) mod list;
pub mod logs;
pub mod networks;
pub mod prune;
pub mod stats;
mod system;
mod top;
mod update;

/// Containers, execs, images and events of one machine. All methods take `&self`; `id` is a full
/// id, a unique prefix of one, or a name with or without the leading slash.
///
/// Dropping a future forgets its answer, not what it asked for.
#[derive(Debug)]
pub struct Engine {
    pub(crate) services: Arc<Services>,
}

impl Engine {
    /// Opens the engine's directories, takes over what runs, applies restart policies. Call inside
    /// a tokio runtime. Needs root.
    ///
    /// # Errors
    /// `Unavailable` when another engine has the directories; what this machine lacks, by name.
    pub async fn open(config: EngineConfig) -> Result<Arc<Engine>> {
        let services = crate::recover::open(config).await?;
        Ok(Arc::new(Engine { services }))
    }

    /// Ends the tasks of all containers, and leaves nothing behind when none runs. Containers run
    /// on.
    pub async fn close(&self) {
        let all = self.services.registry().all();
        for container in all {
            container.close().await;
        }
        crate::cgroups::remove_parents(&self.services);
    }

    pub(crate) fn find(&self, called: &str) -> Result<Arc<Container>> {
        self.services.registry().find(called)
    }

    /// Starts a container; `NotModified` when it runs.
    pub async fn start(&self, caller: Caller, id: &str) -> Result<()> {
        self.find(id)?.ask(caller, id, Message::Start).await
    }

    /// Stops a container and waits for its end; `NotModified` when it does not run.
    pub async fn stop(&self, caller: Caller, id: &str, spec: StopSpec) -> Result<()> {
        let container = self.find(id)?;
        let wish = stop_wish(&spec)?;
        container.ask(caller, id, |ask| Message::Stop(ask, wish)).await
    }

    /// Stops a container if it runs, and starts it.
    pub async fn restart(&self, caller: Caller, id: &str, spec: StopSpec) -> Result<()> {
        let container = self.find(id)?;
        let wish = stop_wish(&spec)?;
        container.ask(caller, id, |ask| Message::Restart(ask, wish)).await
    }

    /// Sends a signal, by name or number; `None` is SIGKILL, whose effect is waited for.
    pub async fn kill(&self, caller: Caller, id: &str, signal: Option<&str>) -> Result<()> {
        let number = match signal {
            None | Some("") => docker_api::query::Signal::KILL,
            Some(text) => self::signal(text).map_err(|error| {
                EngineError::invalid(messages::cannot_kill(id, &error.to_string()))
            })?,
        }
        .number();
        let container = self.find(id).map_err(|error| {
            EngineError::new(error.kind(), messages::cannot_kill(id, &error.client_text()))
        })?;
        container.ask(caller, id, |ask| Message::Kill(ask, number)).await
    }

    /// Freezes every process.
    pub async fn pause(&self, caller: Caller, id: &str) -> Result<()> {
        self.find(id)?.ask(caller, id, Message::Pause).await
    }

    /// Lets them run again.
    pub async fn unpause(&self, caller: Caller, id: &str) -> Result<()> {
        self.find(id)?.ask(caller, id, Message::Unpause).await
    }

    /// Waits for a container. It is registered before this returns: a start that comes later is
    /// never missed.
    pub fn wait(&self, caller: Caller, id: &str, condition: WaitCondition) -> Result<Wait> {
        tracing::debug!(id, caller_uid = caller.uid, ?condition, "wait");
        let container = self.find(id)?;
        let mut view = container.view();
        let state = &view.record.state;
        if condition == WaitCondition::NotRunning
            && !state.state.counts_as_running()
            && !view.starting
        {
            let outcome = WaitOutcome { code: state.exit_code, error: None };
            return Ok(Wait(Waiting::Over(outcome)));
        }
        Ok(Wait(Waiting::For(view.waiters.register(condition))))
    }

    /// Removes a container; with `force` it is killed first.
    pub async fn remove(&self, caller: Caller, id: &str, spec: RemoveSpec) -> Result<()> {
        self.find(id)?.ask(caller, id, |ask| Message::Remove(ask, spec.force)).await
    }

    /// Gives a container another name.
    pub async fn rename(&self, caller: Caller, id: &str, name: &str) -> Result<()> {
        if id.is_empty() || name.is_empty() {
            return Err(EngineError::invalid(messages::RENAME_TO_NOTHING));
        }
        let refused = |error: EngineError| error.wrapped("Error when allocating new name");
        docker_api::validate::container_name(&format!("/{}", name.trim_start_matches('/')))
            .map_err(|refusal| refused(EngineError::new(refusal.kind(), refusal.text)))?;
        let name = name.strip_prefix('/').unwrap_or(name).to_owned();
        let container = self.find(id)?;
        let old = container.record().name.clone();
        if old == name {
            return Err(EngineError::invalid(messages::RENAME_TO_SAME));
        }
        self.services.registry().reserve(&name, &container.id).map_err(refused)?;
        let new = name.clone();
        let renamed = container.ask(caller, id, |ask| Message::Rename(ask, new)).await;
        let given_up = if renamed.is_ok() { &old } else { &name };
        self.services.registry().release(given_up, &container.id);
        renamed
    }

    /// Changes the size of a container's terminal.
    pub async fn resize(&self, caller: Caller, id: &str, size: ConsoleSize) -> Result<()> {
        let size = TerminalSize { height: size.height, width: size.width };
        let container = self.find(id)?;
        container.permits(Request::Resize, id)?;
        container.ask(caller, id, |ask| Message::Resize(ask, size)).await
    }

    /// What happens, and what happened. Subscribed before this returns.
    pub fn events(&self, caller: Caller, spec: EventsSpec) -> Result<EventStream> {
        tracing::debug!(caller_uid = caller.uid, "events");
        if let (Some(since), Some(until)) = (spec.since, spec.until)
            && since > until
        {
            let (since, until) = (since.seconds(), until.seconds());
            return Err(EngineError::invalid(format!(
                "`since` time ({since}) cannot be after `until` time ({until})"
            )));
        }
        Ok(self.services.events.stream(spec))
    }
}

fn stop_wish(spec: &StopSpec) -> Result<StopWish> {
    let number = match spec.signal.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let parsed =
                signal(text).map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
            Some(parsed.number())
        }
    };
    Ok(StopWish { signal: number, grace: spec.grace })
}

/// A registered wait; see [`Engine::wait`].
#[derive(Debug)]
pub struct Wait(Waiting);

#[derive(Debug)]
enum Waiting {
    Over(WaitOutcome),
    For(oneshot::Receiver<WaitOutcome>),
}

impl Wait {
    /// How it ended. Dropping the future, or the `Wait`, forgets it.
    pub async fn outcome(self) -> WaitOutcome {
        match self.0 {
            Waiting::Over(outcome) => outcome,
            Waiting::For(receiver) => receiver.await.unwrap_or_else(|_| WaitOutcome {
                code: -1,
                error: Some("the engine is closing".to_owned()),
            }),
        }
    }
}
