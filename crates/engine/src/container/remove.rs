//! Removing.

use stdx::Kind;

use super::record::Phase;
use super::state::{Action, Request, State};
use super::task::{Flow, Task, answer};
use super::{Ask, Reply};
use crate::error::{EngineError, Result};
use crate::failpoint;
use crate::spec::{Caller, WaitOutcome};

impl Task {
    pub(super) async fn remove(&mut self, ask: Ask, force: bool) -> Flow {
        let Some((action, ask)) = self.permit(Request::Remove { force }, ask) else {
            return Flow::Continue;
        };
        if action == Action::KillAndRemove {
            self.kill_to_remove(ask).await;
            return Flow::Continue;
        }
        self.remove_now(ask.caller, Some(ask.reply)).await
    }

    /// [`Task::remove_now`] for several who asked.
    pub(super) async fn remove_for(&mut self, caller: Caller, replies: Vec<Reply>) -> Flow {
        let flow = self.remove_now(caller, None).await;
        for reply in replies {
            answer(
                reply,
                match flow {
                    Flow::End => Ok(()),
                    Flow::Continue => Err(EngineError::new(Kind::Internal, "the removal failed")),
                },
            );
        }
        flow
    }

    /// Takes everything of a container that does not run away. What fails leaves it `dead`, and a
    /// later removal goes on from there.
    pub(super) async fn remove_now(&mut self, caller: Caller, reply: Option<Reply>) -> Flow {
        self.restart_at = None;
        let outcome = WaitOutcome { code: self.record.state.exit_code, error: None };
        match self.take_away().await {
            Ok(()) => {
                self.services.events.container(caller, &self.record, "destroy", &[]);
                self.container.view().waiters.removed(&outcome);
                if let Some(reply) = reply {
                    answer(reply, Ok(()));
                }
                Flow::End
            }
            Err(error) => {
                self.record.state.state = State::Dead;
                self.record.state.error = error.client_text();
                self.save_or_log();
                let failed = WaitOutcome { error: Some(error.client_text()), ..outcome };
                self.container.view().waiters.not_removed(&failed);
                match reply {
                    Some(reply) => answer(reply, Err(error)),
                    None => {
                        let error = stdx::error::chain(&error).to_string();
                        tracing::error!(container = self.record.id, error, "removal failed");
                    }
                }
                Flow::Continue
            }
        }
    }

    async fn take_away(&mut self) -> Result<()> {
        self.record.phase = Phase::Removing;
        self.record.state.state = State::Removing;
        self.save()?;
        failpoint::hit("engine.remove.intent");
        self.finish_cleanup().await;
        let services = self.services.clone();
        let id = self.record.id.clone();
        let path = self.cgroup_path();
        let work = tokio::task::spawn_blocking(move || services.take_away(&id, &path));
        work.await
            .map_err(|error| EngineError::internal("failed to remove the container", error))??;
        self.services.records.delete(&self.record.id)?;
        failpoint::hit("engine.remove.recorded");
        self.services.forget(&self.record);
        // Clients that waited for a start see the end of their stream.
        self.container.view().queued.clear();
        Ok(())
    }
}
