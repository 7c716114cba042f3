//! Further processes in a container.

use std::os::fd::OwnedFd;

use docker_api::{ExecConfig, Timestamp, messages};
use monitor::protocol::{AttachSpec, Failure, FailureKind, Request as Order};
use runtime::plan::{ExecPlan, TerminalSize};
use serde::{Deserialize, Serialize};

use super::state::Request;
use super::task::{Task, answer};
use super::{Ask, View};
use crate::error::{EngineError, Result};
use crate::spec::Caller;

/// Ended execs are kept so long, for clients that ask for their exit code.
const KEPT_SECONDS: u64 = 300;
/// A container has at most so many execs, ended ones included.
const EXECS_MAX: usize = 1024;

/// One exec.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// What the caller wishes.
    pub wish: ExecConfig,
    /// Who.
    pub caller: Caller,
    /// How far it is.
    pub state: ExecState,
    /// A health probe: no client knows of it.
    #[serde(default)]
    pub is_probe: bool,
}

/// How far an exec is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum ExecState {
    /// Not started.
    Created,
    /// The monitor was told to start it.
    Starting,
    /// It runs.
    Running {
        /// Process id on the host.
        pid: i32,
    },
    /// It ended, or could not be started.
    Ended {
        /// Exit code.
        code: i64,
        /// When.
        at: Timestamp,
    },
}

impl Exec {
    /// Docker's events end in a blank after the arguments; for one word, that is all there is.
    pub fn event(&self, action: &str) -> String {
        let mut words = self.wish.cmd.iter().flatten();
        let program = words.next().map_or("", String::as_str);
        let arguments: Vec<&str> = words.map(String::as_str).collect();
        format!("{action}: {program} {}", arguments.join(" "))
    }
}

impl View {
    /// Makes room for a new exec; ids that are forgotten.
    ///
    /// # Errors
    /// `Exhausted` when too many live.
    pub fn forget_old_execs(&mut self) -> Result<Vec<String>> {
        let now = Timestamp::now();
        let is_old = |exec: &Exec| {
            matches!(exec.state, ExecState::Ended { at, .. }
                if now.since(at).as_secs() > KEPT_SECONDS)
        };
        let mut old: Vec<String> =
            self.execs.iter().filter(|(_, exec)| is_old(exec)).map(|(id, _)| id.clone()).collect();
        if self.execs.len() - old.len() >= EXECS_MAX {
            // Then the ended ones cannot wait for their time.
            old = self
                .execs
                .iter()
                .filter(|(_, exec)| matches!(exec.state, ExecState::Ended { .. }))
                .map(|(id, _)| id.clone())
                .collect();
        }
        for id in &old {
            self.execs.remove(id);
        }
        match self.execs.len() >= EXECS_MAX {
            true => Err(EngineError::new(
                stdx::Kind::Exhausted,
                format!("container {} has {EXECS_MAX} execs already", self.record.id),
            )),
            false => Ok(old),
        }
    }
}

impl Task {
    pub(super) async fn exec(
        &mut self,
        ask: Ask,
        exec_id: String,
        size: Option<TerminalSize>,
        client: Option<(AttachSpec, OwnedFd)>,
    ) {
        let Some((_, ask)) = self.permit(Request::Exec, ask) else { return };
        let exec = match self.claim_exec(&exec_id) {
            Ok(exec) => exec,
            Err(error) => return answer(ask.reply, Err(error)),
        };
        let events = &self.services.events;
        let more = [("execID", exec_id.as_str())];
        events.container(ask.caller, &self.record, &exec.event("exec_start"), &more);
        let detached = client.is_none();
        match self.order_exec(&exec_id, &exec.wish, size, client).await {
            Ok(()) => drop(self.exec_replies.insert(exec_id, (ask.reply, detached))),
            Err(error) => {
                self.set_exec(&exec_id, ended(126));
                answer(ask.reply, Err(error));
            }
        }
    }

    /// An exec can be started once.
    fn claim_exec(&self, exec_id: &str) -> Result<Exec> {
        let mut view = self.container.view();
        let exec = view
            .execs
            .get_mut(exec_id)
            .ok_or_else(|| EngineError::not_found(messages::no_such_exec(exec_id)))?;
        match exec.state {
            ExecState::Created => {
                exec.state = ExecState::Starting;
                Ok(exec.clone())
            }
            ExecState::Ended { .. } => {
                Err(EngineError::conflict(messages::exec_already_run(exec_id)))
            }
            ExecState::Starting | ExecState::Running { .. } => {
                Err(EngineError::conflict(messages::exec_already_running(exec_id)))
            }
        }
    }

    /// Tells the monitor to start it.
    pub(super) async fn order_exec(
        &mut self,
        exec_id: &str,
        wish: &ExecConfig,
        size: Option<TerminalSize>,
        client: Option<(AttachSpec, OwnedFd)>,
    ) -> Result<()> {
        let mut process = self.services.exec_process(&self.record, wish)?;
        if process.terminal.is_some() {
            process.terminal = size.or(process.terminal);
        }
        let plan = ExecPlan {
            init_pid: self.record.state.pid,
            cgroup_path: (!self.services.is_rootless()).then(|| self.cgroup_path()),
            sub_cgroups: Vec::new(),
            process,
        };
        let (attach, fd) = client.unzip();
        let order = Order::Exec { exec_id: exec_id.to_owned(), plan, attach };
        self.order(&order, fd.as_ref()).await
    }

    pub(super) fn on_exec_started(&mut self, exec_id: &str, pid: i32) {
        self.set_exec(exec_id, ExecState::Running { pid });
        if let Some((reply, _)) = self.exec_replies.remove(exec_id) {
            answer(reply, Ok(()));
        }
    }

    pub(super) fn on_exec_failed(&mut self, exec_id: &str, failure: &Failure) {
        let code = match failure.kind {
            FailureKind::CommandNotFound | FailureKind::Invalid => 127,
            FailureKind::CommandNotExecutable | FailureKind::Internal => 126,
        };
        self.set_exec(exec_id, ended(code));
        if let Some((reply, detached)) = self.exec_replies.remove(exec_id) {
            // Who is attached has read it in the stream.
            let error = || EngineError::invalid(messages::exec_failed(&failure.message));
            answer(reply, if detached { Err(error()) } else { Ok(()) });
        }
        self.probe_failed(exec_id, &failure.message);
    }

    pub(super) fn on_exec_exited(&mut self, exec_id: &str, code: i32) {
        let Some(before) = self.set_exec(exec_id, ended(code.into())) else { return };
        if matches!(before, ExecState::Ended { .. }) {
            return;
        }
        let code_text = code.to_string();
        let more = [("execID", exec_id), ("exitCode", code_text.as_str())];
        self.services.events.container(Caller::ENGINE, &self.record, "exec_die", &more);
        if let Some((reply, _)) = self.exec_replies.remove(exec_id) {
            answer(reply, Ok(()));
        }
        self.probe_ended(exec_id, code.into());
    }

    /// The container ended, and with it everything in it.
    pub(super) fn end_all_execs(&mut self) {
        let live: Vec<String> = {
            let view = self.container.view();
            let live = view.execs.iter().filter(|(_, exec)| {
                matches!(exec.state, ExecState::Running { .. } | ExecState::Starting)
            });
            live.map(|(id, _)| id.clone()).collect()
        };
        for exec_id in live {
            self.on_exec_exited(&exec_id, 137);
        }
        drop(stdx::fs::remove_tree(&self.places.execs));
    }

    /// The state it had, if it is known.
    fn set_exec(&self, exec_id: &str, state: ExecState) -> Option<ExecState> {
        let mut view = self.container.view();
        let exec = view.execs.get_mut(exec_id)?;
        Some(std::mem::replace(&mut exec.state, state))
    }
}

fn ended(code: i64) -> ExecState {
    ExecState::Ended { code, at: Timestamp::now() }
}
