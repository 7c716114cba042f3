//! Stopping, killing, restarting.

use std::time::Duration;

use docker_api::query::{Grace, Signal};
use tokio::time::Instant;

use super::record::ContainerRecord;
use super::state::{Action, Request, State};
use super::task::{Flow, Task, answer};
use super::{Ask, Reply, StopWish};
use crate::error::{EngineError, Result};
use crate::spec::{Caller, WaitOutcome};

/// The kernel ends a killed process at once, unless it hangs in a device.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// A stop under way.
pub struct Stopping {
    pub(super) caller: Caller,
    pub(super) replies: Vec<Reply>,
    /// Who wants it started again when it has ended.
    pub(super) restarts: Vec<Reply>,
    /// Who wants it removed when it has ended.
    pub(super) removals: Vec<Reply>,
    pub(super) remove: bool,
    /// It ends by `stop`, which has an event of its own.
    pub(super) is_stop: bool,
    pub(super) deadline: Option<Instant>,
    stage: Stage,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The stop signal was sent.
    Asked,
    /// SIGKILL was sent.
    Killed,
    /// Everything in its cgroup was killed.
    Swept,
}

impl Task {
    pub(super) async fn stop(&mut self, ask: Ask, wish: StopWish) {
        let Some((action, ask)) = self.permit(Request::Stop, ask) else { return };
        if action == Action::CancelRestart {
            self.cancel_restart();
            return answer(ask.reply, Ok(()));
        }
        let began = self.begin_stop(ask.caller, wish, action, true).await;
        match (began, self.stopping.as_mut()) {
            (Ok(()), Some(stopping)) => stopping.replies.push(ask.reply),
            (result, _) => answer(ask.reply, result),
        }
    }

    pub(super) async fn restart(&mut self, ask: Ask, wish: StopWish) -> Flow {
        let Some((action, ask)) = self.permit(Request::Restart, ask) else {
            return Flow::Continue;
        };
        if action == Action::Launch {
            self.record.state.restart_count = 0;
            return self.launch(ask.caller, vec![ask.reply], true).await;
        }
        let began = self.begin_stop(ask.caller, wish, action, true).await;
        match (began, self.stopping.as_mut()) {
            (Ok(()), Some(stopping)) => stopping.restarts.push(ask.reply),
            (result, _) => answer(ask.reply, result),
        }
        Flow::Continue
    }

    pub(super) async fn kill(&mut self, ask: Ask, signal: i32) {
        let wrapped =
            |error: EngineError| error.wrapped(&format!("cannot kill container: {}", ask.called));
        let action = match super::transition(self.state(), Request::Kill) {
            Ok(action) => action,
            Err(refusal) => {
                let error = wrapped(refusal.into_error(&self.record.id, &ask.called));
                return answer(ask.reply, Err(error));
            }
        };
        let ends = ends_process(signal);
        if action == Action::CancelRestart {
            if ends {
                self.cancel_restart();
            }
            return answer(ask.reply, Ok(()));
        }
        if signal == Signal::KILL.number() {
            let wish = StopWish { signal: Some(signal), grace: Some(Grace::For(KILL_DEADLINE)) };
            let began = self.begin_stop(ask.caller, wish, Action::StopFrozen, false).await;
            return match (began, self.stopping.as_mut()) {
                (Ok(()), Some(stopping)) => stopping.replies.push(ask.reply),
                (result, _) => answer(ask.reply, result.map_err(wrapped)),
            };
        }
        let sent = self.send_signal(ask.caller, signal).await;
        if sent.is_ok() && ends {
            self.record.state.stopped_by_user = true;
            self.save_or_log();
            if self.state() == State::Paused {
                // The signal is delivered when it runs again.
                self.thaw_or_log().await;
            }
        }
        answer(ask.reply, sent.map_err(wrapped));
    }

    /// Sends the signal and starts the clock; a stop under way is only ever sped up.
    async fn begin_stop(
        &mut self,
        caller: Caller,
        wish: StopWish,
        action: Action,
        is_stop: bool,
    ) -> Result<()> {
        let signal = wish.signal.unwrap_or_else(|| stop_signal(&self.record));
        let grace = wish.grace.unwrap_or_else(|| stop_grace(&self.record));
        self.record.state.stopped_by_user = true;
        self.save_or_log();
        self.send_signal(caller, signal).await?;
        if action == Action::StopFrozen && self.state() == State::Paused {
            self.thaw_or_log().await;
        }
        let stage = match signal == Signal::KILL.number() {
            true => Stage::Killed,
            false => Stage::Asked,
        };
        let deadline = match (stage, grace) {
            (Stage::Asked, Grace::Forever) => None,
            (Stage::Asked, Grace::For(grace)) => Some(Instant::now() + grace),
            _ => Some(Instant::now() + KILL_DEADLINE),
        };
        match self.stopping.as_mut() {
            Some(stopping) => {
                let sooner = [stopping.deadline, deadline].into_iter().flatten().min();
                stopping.deadline = sooner;
                stopping.is_stop |= is_stop;
                if stage == Stage::Killed && stopping.stage == Stage::Asked {
                    stopping.stage = stage;
                }
            }
            None => {
                self.stopping = Some(Stopping {
                    caller,
                    replies: Vec::new(),
                    restarts: Vec::new(),
                    removals: Vec::new(),
                    remove: false,
                    is_stop,
                    deadline,
                    stage,
                });
            }
        }
        Ok(())
    }

    /// Kills it because it is to be removed.
    pub(super) async fn kill_to_remove(&mut self, ask: Ask) {
        let signal = Some(Signal::KILL.number());
        let wish = StopWish { signal, grace: Some(Grace::For(KILL_DEADLINE)) };
        let began = self.begin_stop(ask.caller, wish, Action::StopFrozen, false).await;
        match (began, self.stopping.as_mut()) {
            (Ok(()), Some(stopping)) => {
                stopping.remove = true;
                stopping.removals.push(ask.reply);
            }
            (result, _) => answer(ask.reply, result),
        }
    }

    /// The grace is over.
    pub(super) async fn stop_harder(&mut self) {
        let Some(stopping) = self.stopping.as_mut() else { return };
        let caller = stopping.caller;
        match stopping.stage {
            Stage::Asked => {
                stopping.stage = Stage::Killed;
                stopping.deadline = Some(Instant::now() + KILL_DEADLINE);
                if let Err(error) = self.send_signal(caller, Signal::KILL.number()).await {
                    let error = stdx::error::chain(&error).to_string();
                    tracing::warn!(container = self.record.id, error, "SIGKILL was not sent");
                }
            }
            Stage::Killed => {
                stopping.stage = Stage::Swept;
                stopping.deadline = Some(Instant::now() + KILL_DEADLINE);
                let (services, path) = (self.services.clone(), self.cgroup_path());
                drop(tokio::task::spawn_blocking(move || services.kill_cgroup(&path)).await);
            }
            Stage::Swept => {
                let Some(stopping) = self.stopping.take() else { return };
                let all = [stopping.replies, stopping.restarts, stopping.removals];
                for reply in all.into_iter().flatten() {
                    let text = "tried to kill container, but did not receive an exit event";
                    answer(reply, Err(EngineError::new(stdx::Kind::Internal, text)));
                }
            }
        }
    }

    async fn send_signal(&mut self, caller: Caller, signal: i32) -> Result<()> {
        self.signal(signal).await?;
        let number = signal.to_string();
        self.services.events.container(caller, &self.record, "kill", &[("signal", &number)]);
        Ok(())
    }

    /// A user does not want the coming restart.
    fn cancel_restart(&mut self) {
        self.restart_at = None;
        self.record.state.state = State::Exited;
        self.record.state.stopped_by_user = true;
        self.save_or_log();
        let code = self.record.state.exit_code;
        self.container.view().waiters.exited(&WaitOutcome { code, error: None });
    }
}

/// The container's own signal, checked at creation.
fn stop_signal(record: &ContainerRecord) -> i32 {
    match record.config.stop_signal.as_str() {
        "" => Signal::TERM.number(),
        text => docker_api::query::signal(text).unwrap_or(Signal::TERM).number(),
    }
}

fn stop_grace(record: &ContainerRecord) -> Grace {
    record.config.stop_timeout.map_or(Grace::DEFAULT, Grace::from_seconds)
}

/// Whether a signal is sent to end a process. Docker counts all; but a terminal's new size
/// (SIGWINCH), which its own client sends, must not switch off a restart policy.
fn ends_process(signal: i32) -> bool {
    const CHLD: i32 = 17;
    const CONT: i32 = 18;
    const URG: i32 = 23;
    ![CHLD, CONT, URG, Signal::WINCH.number()].contains(&signal)
}
