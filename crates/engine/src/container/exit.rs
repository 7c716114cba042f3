//! What happens when a container's first process has ended.

use docker_api::Timestamp;
use monitor::protocol::{ExecExit, ExitRecord, Observed};
use tokio::time::Instant;

use super::restart::Policy;
use super::state::State;
use super::stop::Stopping;
use super::task::{Flow, Task, answer};
use crate::engine::networks;
use crate::failpoint;
use crate::spec::{Caller, WaitOutcome};

/// Docker's code for a container whose end nobody saw.
const CODE_UNKNOWN: i64 = 255;

/// How a container ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Exit code.
    pub code: i64,
    /// For lack of memory.
    pub oom_killed: bool,
    /// When it had started, if the monitor said so.
    pub started: Option<Timestamp>,
    /// When.
    pub finished: Timestamp,
    /// Execs that ended before.
    pub execs: Vec<ExecExit>,
    /// What it was seen to use.
    pub observed: Option<Observed>,
}

impl Ending {
    /// As the monitor tells it.
    pub fn of(record: ExitRecord) -> Ending {
        Ending {
            code: record.code.into(),
            oom_killed: record.oom_killed,
            started: (record.started_ns != 0).then(|| Timestamp::from_nanos(record.started_ns)),
            finished: Timestamp::from_nanos(record.finished_ns),
            execs: record.execs_exited,
            observed: record.observed,
        }
    }

    /// Nobody told it: the monitor had died, or the machine.
    pub fn unheard(code: Option<i64>) -> Ending {
        Ending {
            code: code.unwrap_or(CODE_UNKNOWN),
            oom_killed: false,
            started: None,
            finished: Timestamp::now(),
            execs: Vec::new(),
            observed: None,
        }
    }
}

/// What a new task does first.
#[derive(Clone, Debug)]
pub enum FirstStep {
    /// Nothing: the container is new, or as its record says.
    Rest,
    /// It ended while no engine ran.
    Exited(Ending),
    /// It runs.
    Watch,
    /// Its policy starts it.
    Start,
    /// Its creation was not finished, or its removal.
    Remove,
}

impl Task {
    pub(super) async fn first_step(&mut self, step: FirstStep) -> Flow {
        match step {
            FirstStep::Rest => Flow::Continue,
            FirstStep::Exited(ending) => self.on_exit(ending).await,
            FirstStep::Watch => {
                self.begin_probing();
                Flow::Continue
            }
            FirstStep::Start => self.launch_by_policy().await,
            FirstStep::Remove => self.remove_now(Caller::ENGINE, None).await,
        }
    }

    pub(super) async fn on_exit(&mut self, ending: Ending) -> Flow {
        failpoint::hit("engine.exit.heard");
        let stopping = self.stopping.take();
        self.link = None;
        self.settled();
        self.watch = None;
        self.prober = None;
        for exec in &ending.execs {
            self.on_exec_exited(&exec.exec_id, exec.code);
        }
        self.end_all_execs();
        let restarts = self.restarts_after(&ending, stopping.is_some());
        let removes = match &stopping {
            Some(stopping) if stopping.remove => true,
            Some(stopping) if !stopping.restarts.is_empty() => false,
            _ => self.record.host.auto_remove && !restarts,
        };
        self.note_exit(&ending, restarts);
        self.probed_no_more();
        // The removal that comes next writes the record and clears away, once for both; if it is
        // interrupted, the monitor's record of the exit leads to it again.
        let saved = !removes && self.save_or_log();
        if removes {
            self.publish();
        }
        failpoint::hit("engine.exit.recorded");
        self.tell_exit(stopping.as_ref(), &ending);
        // On a full disk the monitor's own record of the exit is the only one: it is kept for the
        // next engine.
        if !removes && (saved || restarts) {
            self.begin_cleanup();
        }
        self.after_exit(stopping, restarts).await
    }

    /// Whether the policy wants it to start again.
    fn restarts_after(&self, ending: &Ending, is_stopping: bool) -> bool {
        let policy = Policy::parse(&self.record.host.restart_policy).unwrap_or(Policy::No);
        let state = &self.record.state;
        !is_stopping && !state.stopped_by_user && policy.restarts(ending.code, state.restart_count)
    }

    /// How it ended, in the record.
    fn note_exit(&mut self, ending: &Ending, restarts: bool) {
        let state = &mut self.record.state;
        state.state = if restarts { State::Restarting } else { State::Exited };
        state.pid = 0;
        state.start_ticks = 0;
        state.exit_code = ending.code;
        state.oom_killed = ending.oom_killed;
        state.started = ending.started.unwrap_or(state.started);
        state.finished = ending.finished;
        state.degraded = false;
        if let Some(observed) = &ending.observed {
            state.observed.get_or_insert_default().add(observed);
        }
    }

    /// Docker's order: `oom`, `disconnect`, `stop`, `die`; then those who wait.
    fn tell_exit(&self, stopping: Option<&Stopping>, ending: &Ending) {
        let events = &self.services.events;
        let caller = stopping.map_or(Caller::ENGINE, |stopping| stopping.caller);
        if ending.oom_killed {
            events.container(Caller::ENGINE, &self.record, "oom", &[]);
        }
        if let Some(network) = networks::joined(&self.services, &self.record) {
            events.network(caller, &network, "disconnect", &self.record.id);
        }
        if stopping.is_some_and(|stopping| stopping.is_stop) {
            events.container(caller, &self.record, "stop", &[]);
        }
        let state = &self.record.state;
        let seconds = state.finished.since(state.started).as_secs().to_string();
        let code = ending.code.to_string();
        let more = [("execDuration", seconds.as_str()), ("exitCode", code.as_str())];
        events.container(caller, &self.record, "die", &more);
        let outcome = WaitOutcome { code: ending.code, error: None };
        self.container.view().waiters.exited(&outcome);
    }

    async fn after_exit(&mut self, stopping: Option<Stopping>, restarts: bool) -> Flow {
        if let Some(stopping) = stopping {
            let caller = stopping.caller;
            for reply in stopping.replies {
                answer(reply, Ok(()));
            }
            if stopping.remove {
                for reply in stopping.restarts {
                    let gone = docker_api::messages::MARKED_FOR_REMOVAL;
                    answer(reply, Err(crate::EngineError::conflict(gone)));
                }
                return self.remove_for(caller, stopping.removals).await;
            }
            if !stopping.restarts.is_empty() {
                return self.launch(caller, stopping.restarts, true).await;
            }
        }
        if restarts {
            let state = &self.record.state;
            let ran = state.finished.since(state.started);
            self.restart_at = Some(Instant::now() + self.backoff.after(ran));
            return Flow::Continue;
        }
        match self.record.host.auto_remove {
            true => self.remove_now(Caller::ENGINE, None).await,
            false => Flow::Continue,
        }
    }

    /// Clears away what is left of a run, beside the next one.
    pub(super) fn begin_cleanup(&mut self) {
        let services = self.services.clone();
        let path = self.cgroup_path();
        let run_dir = self.places.run.clone();
        let before = self.cleanup.take();
        self.cleanup = Some(tokio::spawn(async move {
            if let Some(before) = before {
                drop(before.await);
            }
            let work = tokio::task::spawn_blocking(move || {
                services.remove_cgroup(&path);
                if let Err(error) = stdx::fs::remove_tree(&run_dir) {
                    let error = stdx::error::chain(&error).to_string();
                    tracing::warn!(error, "a run directory is left behind");
                }
                failpoint::hit("engine.exit.cleaned");
            });
            drop(work.await);
        }));
    }
}
