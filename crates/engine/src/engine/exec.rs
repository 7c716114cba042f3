//! Further processes: creating, starting, looking at them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use docker_api::{ExecConfig, ExecInspect, ExecProcessConfig, messages};
use monitor::protocol::AttachSpec;
use runtime::plan::TerminalSize;
use stdx::fs::Durability;

use super::attach::tell_client;
use crate::container::exec::{Exec, ExecState};
use crate::container::state::Request;
use crate::container::{Container, Message};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{Caller, ConsoleSize, ExecStartWish};

impl Engine {
    /// Registers an exec; returns its id.
    pub async fn exec_create(&self, caller: Caller, id: &str, wish: ExecConfig) -> Result<String> {
        let container = self.find(id)?;
        container.permits(Request::Exec, id)?;
        if wish.cmd.as_ref().is_none_or(Vec::is_empty) {
            return Err(EngineError::invalid(messages::NO_EXEC_COMMAND));
        }
        docker_api::query::detach_keys(&wish.detach_keys)
            .map_err(|_| EngineError::invalid(messages::invalid_exec_keys(&wish.detach_keys)))?;
        let exec_id = stdx::id::random_hex::<32>();
        let exec = Exec { wish, caller, state: ExecState::Created, is_probe: false };
        let (record, old) = {
            let mut view = container.view();
            let old = view.forget_old_execs()?;
            view.execs.insert(exec_id.clone(), exec.clone());
            (view.record.clone(), old)
        };
        {
            let mut registry = self.services.registry();
            registry.remove_execs(&old);
            registry.insert_exec(&exec_id, &container.id);
        }
        self.keep(&container, &exec_id, &exec);
        let more = [("execID", exec_id.as_str())];
        self.services.events.container(caller, &record, &exec.event("exec_create"), &more);
        Ok(exec_id)
    }

    /// On a tmpfs, for an engine that comes after this one: the monitor does not know what an exec
    /// was meant to be.
    fn keep(&self, container: &Container, exec_id: &str, exec: &Exec) {
        let dir = self.services.places(&container.id).execs;
        let bytes = serde_json::to_vec(exec).expect("execs can be written as JSON");
        let kept = stdx::fs::create_dir_all(&dir, 0o700).and_then(|()| {
            stdx::fs::replace(&dir.join(exec_id), &bytes, 0o600, Durability::Process)
        });
        if let Err(error) = kept {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(exec_id, error, "an exec will not survive a restart of the engine");
        }
    }

    /// Checks; then use the ticket.
    pub async fn exec_start(
        &self,
        caller: Caller,
        exec_id: &str,
        wish: ExecStartWish,
    ) -> Result<ExecTicket> {
        let container = self.services.registry().find_exec(exec_id)?;
        let exec = find(&container, exec_id)?;
        match exec.state {
            ExecState::Created => {}
            ExecState::Ended { .. } => {
                return Err(EngineError::conflict(messages::exec_already_run(exec_id)));
            }
            ExecState::Starting | ExecState::Running { .. } => {
                return Err(EngineError::conflict(messages::exec_already_running(exec_id)));
            }
        }
        container.permits(Request::Exec, &container.id)?;
        let size = wish
            .size
            .filter(|size| size.height != 0 || size.width != 0)
            .map(|size| TerminalSize { height: size.height, width: size.width });
        let exec_id = exec_id.to_owned();
        let attach_id = self.services.attach_id();
        let raw = wish.raw;
        Ok(ExecTicket { container, caller, exec_id, exec: exec.wish, raw, size, attach_id })
    }

    /// What is known of an exec.
    pub async fn exec_inspect(&self, caller: Caller, exec_id: &str) -> Result<ExecInspect> {
        tracing::debug!(exec_id, caller_uid = caller.uid, "exec inspect");
        let container = self.services.registry().find_exec(exec_id)?;
        let mut exec = find(&container, exec_id)?;
        if matches!(exec.state, ExecState::Starting | ExecState::Running { .. }) {
            container.settle().await;
            exec = find(&container, exec_id)?;
        }
        let mut words = exec.wish.cmd.clone().unwrap_or_default().into_iter();
        let (running, exit_code, pid) = match exec.state {
            ExecState::Created | ExecState::Starting => (false, None, 0),
            ExecState::Running { pid } => (true, None, pid),
            ExecState::Ended { code, .. } => (false, Some(code), 0),
        };
        Ok(ExecInspect {
            id: exec_id.to_owned(),
            running,
            exit_code,
            process_config: ExecProcessConfig {
                tty: exec.wish.tty,
                entrypoint: words.next().unwrap_or_default(),
                arguments: words.collect(),
                privileged: Some(exec.wish.privileged),
                user: exec.wish.user.clone(),
            },
            open_stdin: exec.wish.attach_stdin,
            open_stderr: exec.wish.attach_stderr,
            open_stdout: exec.wish.attach_stdout,
            can_remove: matches!(exec.state, ExecState::Ended { .. }),
            container_id: container.id.clone(),
            detach_keys: String::new(),
            pid: pid.into(),
        })
    }

    /// Changes the size of an exec's terminal.
    pub async fn exec_resize(
        &self,
        caller: Caller,
        exec_id: &str,
        size: ConsoleSize,
    ) -> Result<()> {
        let container = self.services.registry().find_exec(exec_id)?;
        let size = TerminalSize { height: size.height, width: size.width };
        let called = container.id.clone();
        let exec_id = exec_id.to_owned();
        container.ask(caller, &called, |ask| Message::ExecResize(ask, exec_id, size)).await
    }
}

fn find(container: &Container, exec_id: &str) -> Result<Exec> {
    let view = container.view();
    let exec = view.execs.get(exec_id).filter(|exec| !exec.is_probe);
    exec.cloned().ok_or_else(|| EngineError::not_found(messages::no_such_exec(exec_id)))
}

/// See [`Engine::exec_start`].
#[derive(Debug)]
pub struct ExecTicket {
    container: Arc<Container>,
    caller: Caller,
    exec_id: String,
    exec: ExecConfig,
    raw: bool,
    size: Option<TerminalSize>,
    attach_id: u64,
}

impl ExecTicket {
    /// What the client believes, whatever the exec has: docker-py asks for frames of a terminal.
    pub fn is_tty(&self) -> bool {
        self.raw
    }

    /// Starts it with the client's socket. Whatever fails is told in the stream, for the client
    /// was answered already.
    pub async fn connect(self, client: OwnedFd, preread: Vec<u8>) -> Result<()> {
        let (tty, raw) = (self.exec.tty, self.raw);
        let keys = docker_api::query::detach_keys(&self.exec.detach_keys).unwrap_or_default();
        let spec = AttachSpec {
            attach_id: self.attach_id,
            stdin: self.exec.attach_stdin,
            stdout: self.exec.attach_stdout,
            stderr: self.exec.attach_stderr,
            multiplexed: !self.raw,
            detach_keys: if tty { keys } else { Vec::new() },
            preread,
        };
        // Kept to tell the client what the monitor cannot.
        let voice = client.try_clone().ok();
        let started = self.start(Some((spec, client))).await;
        if let (Err(error), Some(voice)) = (&started, voice) {
            tell_client(voice, raw, &error.client_text()).await;
        }
        started
    }

    /// Starts it with nobody attached; returns when it runs.
    pub async fn run_detached(self) -> Result<()> {
        self.start(None).await
    }

    async fn start(self, client: Option<(AttachSpec, OwnedFd)>) -> Result<()> {
        let ExecTicket { container, caller, exec_id, size, .. } = self;
        let called = container.id.clone();
        container.ask(caller, &called, |ask| Message::Exec(ask, exec_id, size, client)).await
    }
}
