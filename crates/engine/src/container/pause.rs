//! Pausing, renaming, resizing.

use std::time::Duration;

use cgroup::Cgroup;
use monitor::protocol::Request as Order;
use runtime::plan::TerminalSize;

use super::Ask;
use super::state::{Request, State};
use super::task::{Task, answer};
use crate::error::{EngineError, Result};
use crate::failpoint;

/// A process in the midst of a slow disk write stands still only after it.
const FREEZE_DEADLINE: Duration = Duration::from_secs(10);

impl Task {
    pub(super) async fn pause(&mut self, ask: Ask) {
        let Some((_, ask)) = self.permit(Request::Pause, ask) else { return };
        if let Err(error) = self.services.needs_cgroups("pause") {
            return answer(ask.reply, Err(error));
        }
        let done = self.set_frozen(true).await.map(|()| {
            self.record.state.state = State::Paused;
            self.probed_no_more();
            self.save_or_log();
            self.services.events.container(ask.caller, &self.record, "pause", &[]);
        });
        answer(ask.reply, done);
    }

    pub(super) async fn unpause(&mut self, ask: Ask) {
        let Some((_, ask)) = self.permit(Request::Unpause, ask) else { return };
        let done = self.thaw().await;
        if done.is_ok() {
            self.services.events.container(ask.caller, &self.record, "unpause", &[]);
        }
        answer(ask.reply, done);
    }

    async fn thaw(&mut self) -> Result<()> {
        self.set_frozen(false).await?;
        self.record.state.state = State::Running;
        self.save_or_log();
        Ok(())
    }

    /// Lets it run because a signal is waiting for it.
    pub(super) async fn thaw_or_log(&mut self) {
        if let Err(error) = self.thaw().await {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = self.record.id, error, "a stopped container stays frozen");
        }
    }

    async fn set_frozen(&self, frozen: bool) -> Result<()> {
        let (hierarchy, path) = (self.services.hierarchy.clone(), self.cgroup_path());
        let work = tokio::task::spawn_blocking(move || {
            let group = Cgroup::open(&hierarchy, &path)?;
            match frozen {
                true => group.freeze(FREEZE_DEADLINE),
                false => group.thaw(FREEZE_DEADLINE),
            }
        });
        let verb = if frozen { "pause" } else { "unpause" };
        let failed = format!("cannot {verb} container {}", self.record.id);
        match work.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(EngineError::internal(failed, error)),
            Err(error) => Err(EngineError::internal(failed, error)),
        }
    }

    pub(super) fn rename(&mut self, ask: Ask, name: String) {
        let Some((_, ask)) = self.permit(Request::Rename, ask) else { return };
        let old = std::mem::replace(&mut self.record.name, name);
        if let Err(error) = self.save() {
            self.record.name = old;
            return answer(ask.reply, Err(error));
        }
        failpoint::hit("engine.rename.recorded");
        if let Err(error) = self.services.write_copy(&self.record) {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = self.record.id, error, "the copy of a record is old");
        }
        let old = format!("/{old}");
        self.services.events.container(ask.caller, &self.record, "rename", &[("oldName", &old)]);
        answer(ask.reply, Ok(()));
    }

    pub(super) async fn resize(&mut self, ask: Ask, size: TerminalSize) {
        let Some((_, ask)) = self.permit(Request::Resize, ask) else { return };
        let done = self.order(&Order::Resize(size), None).await;
        if done.is_ok() {
            let (height, width) = (size.height.to_string(), size.width.to_string());
            let more = [("height", height.as_str()), ("width", width.as_str())];
            self.services.events.container(ask.caller, &self.record, "resize", &more);
        }
        answer(ask.reply, done);
    }
}
